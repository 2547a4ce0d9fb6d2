//! The target of clients' calls: a region's DynamoDB endpoint, however it is reached.

use async_trait::async_trait;
use beringia_history::FailureCause;
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
    #[error("no connection: {1}")]
    Unreachable(FailureCause, String),
    /// No answer came, or the answer says that the region failed. The operation may or may not have
    /// happened.
    #[error("no answer: {1}")]
    Unknown(FailureCause, String),
}

impl CallError {
    /// Why the call failed; `None` where the region refused what the workload itself made
    /// impossible. A transaction that was cancelled for lack of throughput was throttled.
    #[must_use]
    pub fn failure(&self) -> Option<FailureCause> {
        match self {
            Self::Unreachable(cause, _) | Self::Unknown(cause, _) => Some(*cause),
            Self::Refused { kind, body, .. } => {
                let reasons = body.get("CancellationReasons").and_then(Value::as_array);
                let mut codes = reasons
                    .into_iter()
                    .flatten()
                    .filter_map(|reason| reason["Code"].as_str());
                let is_throttled =
                    codes.any(|code| matches!(code, "ProvisionedThroughputExceeded" | "ThrottlingError"));
                let throttled = is_throttled.then_some(FailureCause::Throttled);
                throttled.or_else(|| FailureCause::of_refusal(kind))
            }
        }
    }
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
    let cause = if status == 503 {
        FailureCause::Unavailable
    } else {
        FailureCause::Error
    };
    let answer = serde_json::from_slice::<Value>(body).map_err(|error| CallError::Unknown(cause, error.to_string()))?;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, message) = (text("__type"), text("message"));
    let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
    if status >= 500 {
        return Err(CallError::Unknown(cause, format!("{status} {kind}: {message}")));
    }
    Err(CallError::Refused {
        kind,
        message,
        body: answer,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cause(status: u16, body: &Value) -> Option<FailureCause> {
        let error = understand(status, body.to_string().as_bytes());
        error.expect_err("an error").failure()
    }

    #[test]
    fn errors_have_causes_and_failed_conditions_have_none() {
        let of = |kind: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "m" });
        assert_eq!(cause(503, &of("ServiceUnavailable")), Some(FailureCause::Unavailable));
        assert_eq!(cause(500, &of("InternalServerError")), Some(FailureCause::Error));
        let throttled = of("ProvisionedThroughputExceededException");
        assert_eq!(cause(400, &throttled), Some(FailureCause::Throttled));
        assert_eq!(cause(400, &of("ConditionalCheckFailedException")), None);
        let mut cancelled = of("TransactionCanceledException");
        cancelled["CancellationReasons"] = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed" }]);
        assert_eq!(cause(400, &cancelled), None);
        cancelled["CancellationReasons"][0]["Code"] = json!("ThrottlingError");
        assert_eq!(cause(400, &cancelled), Some(FailureCause::Throttled));
    }
}
