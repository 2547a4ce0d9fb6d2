//! Counts of clients' requests: each with its client, its table, its outcome and its latency.

use std::{sync::Arc, time::Duration};

use beringia_engine::ApiError;
use http::StatusCode;
use tokio::time::Instant;

use crate::error::RequestError;

/// Is notified of the end of every operation that a client asked for. Requests that are refused
/// before that, such as malformed or wrongly signed ones, are not counted.
pub trait Meter: Send + Sync + 'static {
    /// Called on the request's task before the answer is sent, so it must not block.
    fn ended(&self, request: &MeteredRequest<'_>);
}

/// A request that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeteredRequest<'r> {
    /// The client's access key id; `None` for a request that is not signed.
    pub identity: Option<&'r str>,
    /// The table, or the first of several; `None` for an operation without one.
    pub table: Option<&'r str>,
    /// How the request ended.
    pub outcome: RequestOutcome,
    /// From the beginning of the operation to its end.
    pub latency: Duration,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOutcome {
    /// The region did what was asked.
    Answered,
    /// Rejected by a condition of the client: of a write, or of an action of a transaction.
    ConditionFailed,
    /// Rejected for another reason of the client, such as a wrong parameter.
    Invalid,
    /// Refused because a throughput was exceeded.
    Throttled,
    /// Failed in the region, refused because the region is closed, or for a table that the region
    /// does not have: a region that lost its disk is without tables until it has got them again.
    Failed,
    /// Not answered: the client gave up, or the region was killed.
    Abandoned,
}

impl RequestOutcome {
    /// All outcomes, in order.
    pub const ALL: [Self; 6] = [
        Self::Answered,
        Self::ConditionFailed,
        Self::Invalid,
        Self::Throttled,
        Self::Failed,
        Self::Abandoned,
    ];

    pub(crate) fn of<T>(answer: &Result<T, RequestError>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(RequestError::Api(ApiError::ConditionalCheckFailed { .. } | ApiError::DuplicateItem)) => {
                Self::ConditionFailed
            }
            Err(RequestError::Api(ApiError::TransactionCanceled { reasons })) => {
                let codes = || reasons.iter().map(|reason| reason.code);
                if codes().any(|code| code.contains("Throttling") || code.contains("Throughput")) {
                    Self::Throttled
                } else if codes().any(|code| code == "ConditionalCheckFailed" || code == "TransactionConflict") {
                    Self::ConditionFailed
                } else {
                    Self::Invalid
                }
            }
            Err(RequestError::Api(ApiError::TransactionConflict(_))) => Self::ConditionFailed,
            Err(RequestError::Api(ApiError::ProvisionedThroughputExceeded { .. } | ApiError::Throttling { .. })) => {
                Self::Throttled
            }
            Err(RequestError::Api(ApiError::ResourceNotFound(_))) => Self::Failed,
            Err(failure) if failure.status() >= StatusCode::INTERNAL_SERVER_ERROR => Self::Failed,
            Err(_) => Self::Invalid,
        }
    }
}

/// Counts one request: as abandoned, if it is dropped before it has ended.
pub(crate) struct RequestMeter {
    meter: Arc<dyn Meter>,
    identity: Option<String>,
    table: Option<String>,
    began: Instant,
    has_ended: bool,
}

impl RequestMeter {
    pub(crate) fn begin(meter: &Arc<dyn Meter>, identity: Option<String>, table: Option<String>) -> Self {
        Self {
            meter: Arc::clone(meter),
            identity,
            table,
            began: Instant::now(),
            has_ended: false,
        }
    }

    /// Counts the request with its outcome.
    pub(crate) fn end(mut self, outcome: RequestOutcome) {
        self.count(outcome);
    }

    fn count(&mut self, outcome: RequestOutcome) {
        self.has_ended = true;
        self.meter.ended(&MeteredRequest {
            identity: self.identity.as_deref(),
            table: self.table.as_deref(),
            outcome,
            latency: self.began.elapsed(),
        });
    }
}

impl Drop for RequestMeter {
    fn drop(&mut self) {
        if !self.has_ended {
            self.count(RequestOutcome::Abandoned);
        }
    }
}

#[cfg(test)]
mod tests {
    use beringia_endpoint::EndpointRefusal;
    use beringia_engine::CancellationReason;

    use super::*;

    #[test]
    fn outcomes_tell_clients_faults_from_the_regions() {
        let of = |error: ApiError| RequestOutcome::of::<()>(&Err(error.into()));
        let cancelled = |code| {
            let reason = CancellationReason {
                code,
                message: None,
                item: None,
            };
            of(ApiError::TransactionCanceled {
                reasons: vec![CancellationReason::none(), reason],
            })
        };
        let throttled = ApiError::Throttling {
            message: String::new(),
            reasons: Vec::new(),
        };
        assert_eq!(
            of(ApiError::ConditionalCheckFailed { item: None }),
            RequestOutcome::ConditionFailed
        );
        assert_eq!(cancelled("ConditionalCheckFailed"), RequestOutcome::ConditionFailed);
        assert_eq!(cancelled("ThrottlingError"), RequestOutcome::Throttled);
        assert_eq!(cancelled("ValidationError"), RequestOutcome::Invalid);
        assert_eq!(of(throttled), RequestOutcome::Throttled);
        assert_eq!(of(ApiError::Validation(String::new())), RequestOutcome::Invalid);
        assert_eq!(of(ApiError::ServiceUnavailable(String::new())), RequestOutcome::Failed);
        assert_eq!(of(ApiError::ResourceNotFound(String::new())), RequestOutcome::Failed);
        let malformed = Err::<(), _>(RequestError::Refusal(EndpointRefusal::MalformedJson));
        assert_eq!(RequestOutcome::of(&malformed), RequestOutcome::Invalid);
        assert_eq!(RequestOutcome::of(&Ok(())), RequestOutcome::Answered);
    }
}
