//! Values of parameters that this server does not support, and that ask for what is so anyway.

use serde_json::Value;

use super::boolean;

/// No value asks for nothing.
pub(super) fn never(_: &Value) -> bool {
    false
}

/// What is not to be enabled is not.
pub(super) fn is_false(value: &Value) -> bool {
    boolean(value) == Some(false)
}

/// Not enabled means the service's own key, which asks for nothing.
pub(super) fn asks_for_no_encryption(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.get("Enabled").is_some_and(is_false))
}
