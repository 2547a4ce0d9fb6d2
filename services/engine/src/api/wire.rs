//! Enumerations whose values have a name on the wire.

/// Declares an enumeration with the wire names of its values, `as_str`, and `from_wire`, which
/// rejects other names as DynamoDB does.
macro_rules! wire_enum {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $wire:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// The names of all values, in the order in which messages list them.
            pub const NAMES: &'static [&'static str] = &[$($wire),+];

            /// The value's name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// The value with that name. `member` is the path of the member, such as
            /// `returnValues`, for the message.
            ///
            /// # Errors
            /// A ValidationException that lists the names, if `text` is none of them.
            pub fn from_wire(text: &str, member: &str) -> Result<Self, crate::ApiError> {
                match text {
                    $($wire => Ok(Self::$variant),)+
                    _ => Err(crate::ApiError::not_in_enum(text, member, Self::NAMES)),
                }
            }
        }
    };
}

pub(crate) use wire_enum;
