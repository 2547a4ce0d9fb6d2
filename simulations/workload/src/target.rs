//! The target of clients' calls: a region's DynamoDB endpoint, however it is reached.

use async_trait::async_trait;
use serde_json::Value;
use thiserror::Error;

/// The reason why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The region refused, so the operation did not happen.
    #[error("{kind}: {message}")]
    Refused {
        /// The error's name, such as `ConditionalCheckFailedException`.
        kind: String,
        /// The message of the region's error, for people.
        message: String,
        /// The whole answer, for its other members (`CancellationReasons`, `Item`).
        body: Value,
    },
    /// The request never left, so the operation did not happen.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// No answer came, or the answer says that the region failed. The operation may or may not have
    /// happened.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// One client's connection to one region. It stays usable while the region goes down and comes
/// back.
#[async_trait]
pub trait Target: Send {
    /// Calls an operation, such as `PutItem`, with its parameters as the DynamoDB API names them.
    ///
    /// # Errors
    /// [`CallError`], which says whether the operation happened, as far as that is known.
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, CallError>;
}

/// Creates connections to regions, for the clients of a load.
pub trait Targets: Send + Sync + 'static {
    /// Returns a client's connection to a region. It connects at the first call.
    fn target(&self, region: &str) -> Box<dyn Target>;
}

/// Reads an answer: the result of the operation, or why it has none.
///
/// # Errors
/// [`CallError::Refused`] for a status of 4xx; [`CallError::Unknown`] for one of 5xx, and for a
/// body that is not JSON.
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
