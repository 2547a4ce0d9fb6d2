//! The names of regions.

use std::fmt;

/// The greatest length of a region name, in bytes.
const REGION_BYTES_MAX: usize = 32;

/// The name of a region, such as `us-east-1`. Cheap to clone; ordered by its bytes.
///
/// The bytes are stored inline, because names are compared wherever versions are, and arrive from
/// other regions with every message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// The name, padded with zeros. No name contains a zero, so these bytes are in the order of the
    /// names.
    bytes: [u8; REGION_BYTES_MAX],
    length: u8,
}

/// A text that is not a region name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region name: use 1 to 32 characters of a-z, 0-9 and '-', beginning with a letter")]
pub struct RegionError(pub String);

impl Region {
    /// Checks the name: 1 to 32 characters of `a-z`, `0-9` and `-`, beginning with a letter.
    ///
    /// # Errors
    /// [`RegionError`] if the name is invalid.
    pub fn new(name: &str) -> Result<Self, RegionError> {
        let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let mut bytes = [0; REGION_BYTES_MAX];
        match (u8::try_from(name.len()), bytes.get_mut(..name.len())) {
            (Ok(length), Some(place)) if well_formed => {
                place.copy_from_slice(name.as_bytes());
                Ok(Self { bytes, length })
            }
            _ => Err(RegionError(name.to_owned())),
        }
    }

    /// The name, 1 to 32 ASCII characters such as `us-east-1`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes came from a `str`.
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl serde::Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
