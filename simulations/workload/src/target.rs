//! What clients call: a region's DynamoDB endpoint, over whatever leads there.

use async_trait::async_trait;
use serde_json::Value;
use thiserror::Error;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The region said no: the operation did not happen.
    #[error("{kind}: {message}")]
    Refused {
        /// The error's name, as in `ConditionalCheckFailedException`.
        kind: String,
        /// What the region said.
        message: String,
        /// The whole answer, for what else it says (`CancellationReasons`, `Item`).
        body: Value,
    },
    /// The request never left: the operation did not happen.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The answer did not come, or says that the region failed: the operation may or may not have happened.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// One client's way to one region. It stays usable while the region comes and goes.
#[async_trait]
pub trait Target: Send {
    /// Calls an operation, such as `PutItem`, with its parameters as the DynamoDB API names them.
    ///
    /// # Errors
    /// [`CallError`], which says what is known about whether it happened.
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, CallError>;
}

/// Ways to all regions.
pub trait Targets: Send + Sync + 'static {
    /// A client's way to a region; connects at the first call.
    fn target(&self, region: &str) -> Box<dyn Target>;
}

/// What an answer says: what the operation gave, or why it has no result.
///
/// # Errors
/// [`CallError::Refused`] for a status of 4xx; [`CallError::Unknown`] for one of 5xx, and for a body that is no JSON.
pub fn understand(status: u16, body: &[u8]) -> Result<Value, CallError> {
    let answer = serde_json::from_slice::<Value>(body).map_err(|error| CallError::Unknown(error.to_string()))?;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, message) = (text("__type"), text("message"));
    let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
    if status >= 500 {
        return Err(CallError::Unknown(format!("{status} {kind}: {message}")));
    }
    Err(CallError::Refused {
        kind,
        message,
        body: answer,
    })
}
