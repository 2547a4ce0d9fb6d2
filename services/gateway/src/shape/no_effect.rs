//! Values of unsupported parameters that are accepted, because they ask for the existing behaviour.

use serde_json::Value;

use super::boolean;

/// No value of the parameter is harmless.
pub(super) fn never(_: &Value) -> bool {
    false
}

/// Disabling what does not exist is harmless.
pub(super) fn is_false(value: &Value) -> bool {
    boolean(value) == Some(false)
}

/// Disabled encryption means the service's own key, which is the default.
pub(super) fn asks_for_no_encryption(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.get("Enabled").is_some_and(is_false))
}
