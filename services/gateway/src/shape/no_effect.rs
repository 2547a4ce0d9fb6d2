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
