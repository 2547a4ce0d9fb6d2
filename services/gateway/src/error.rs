//! Errors of requests, and their encoding as DynamoDB's error bodies.

use beringia_endpoint::{EndpointRefusal, Protocol};
use beringia_engine::{ApiError, CancellationReason, ThrottlingReason};
use beringia_item::{JsonError, JsonErrorKind};
use http::StatusCode;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::encode::{Encode, Wire};

/// Why a request failed: for a reason of the protocol, or with an exception of the operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RequestError {
    /// An exception of the operation itself.
    Api(ApiError),
    /// Rejected before an operation began.
    Refusal(EndpointRefusal),
}

impl RequestError {
    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Api(error) => StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Refusal(refusal) => refusal.status(Protocol::AwsJson10),
        }
    }
}

impl From<ApiError> for RequestError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<EndpointRefusal> for RequestError {
    fn from(refusal: EndpointRefusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// An unreadable attribute value is the client's error: in its form or in its content.
pub(crate) fn unreadable(error: JsonError) -> ApiError {
    match error.kind {
        JsonErrorKind::Serialization => ApiError::Serialization(error.message),
        JsonErrorKind::Number | JsonErrorKind::Duplicates | JsonErrorKind::Invalid => {
            ApiError::Validation(error.message)
        }
    }
}

/// These exceptions spell the key of the message with a capital; all others do not.
const fn message_key(error: &ApiError) -> &'static str {
    match error {
        ApiError::Serialization(_)
        | ApiError::AccessDenied(_)
        | ApiError::TransactionCanceled { .. }
        | ApiError::TransactionInProgress(_)
        | ApiError::IdempotentParameterMismatch(_) => "Message",
        _ => "message",
    }
}

impl Serialize for RequestError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = match self {
            Self::Refusal(refusal) => return refusal.serialize(serializer),
            Self::Api(error) => error,
        };
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("__type", error.wire_type())?;
        match error {
            ApiError::TransactionCanceled { reasons } => {
                let reasons: Vec<_> = reasons.iter().map(Wire).collect();
                body.serialize_entry("CancellationReasons", &reasons)?;
            }
            // The two exceptions spell this member differently.
            ApiError::ProvisionedThroughputExceeded { reasons, .. } => {
                let reasons: Vec<_> = reasons.iter().map(Wire).collect();
                body.serialize_entry("ThrottlingReasons", &reasons)?;
            }
            ApiError::Throttling { reasons, .. } => {
                let reasons: Vec<_> = reasons.iter().map(Wire).collect();
                body.serialize_entry("throttlingReasons", &reasons)?;
            }
            ApiError::ConditionalCheckFailed { item: Some(item) } => {
                body.serialize_entry("Item", &Wire(item))?;
            }
            _ => {}
        }
        body.serialize_entry(message_key(error), &error.to_string())?;
        body.end()
    }
}

impl Encode for CancellationReason {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("Code", self.code)?;
        if let Some(item) = &self.item {
            body.serialize_entry("Item", &Wire(item))?;
        }
        if let Some(message) = &self.message {
            body.serialize_entry("Message", message)?;
        }
        body.end()
    }
}

impl Encode for ThrottlingReason {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("reason", &self.reason)?;
        body.serialize_entry("resource", &self.resource)?;
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use beringia_item::{AttributeValue, Item};
    use serde_json::json;

    use super::*;

    fn body(failure: &RequestError) -> serde_json::Value {
        serde_json::to_value(failure).unwrap()
    }

    fn item() -> Item {
        Item::from([("pk".to_owned(), AttributeValue::S("a".to_owned()))])
    }

    #[test]
    fn an_exception_has_its_type_with_namespace_and_its_message() {
        let failure = RequestError::from(ApiError::ResourceNotFound("Requested resource not found".to_owned()));
        assert_eq!(failure.status(), 400);
        assert_eq!(
            body(&failure),
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
                "message": "Requested resource not found",
            })
        );
    }

    #[test]
    fn wrong_shape_error_has_a_capital_message_key() {
        let failure = RequestError::from(ApiError::Serialization("Unexpected field type".to_owned()));
        assert_eq!(
            body(&failure),
            json!({
                "__type": "com.amazon.coral.service#SerializationException",
                "Message": "Unexpected field type",
            })
        );
    }

    #[test]
    fn failed_condition_has_the_item_only_if_requested() {
        let with = RequestError::from(ApiError::ConditionalCheckFailed { item: Some(item()) });
        assert_eq!(
            body(&with),
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                "Item": {"pk": {"S": "a"}},
                "message": "The conditional request failed",
            })
        );
        let without = body(&RequestError::from(ApiError::ConditionalCheckFailed { item: None }));
        assert!(without.get("Item").is_none());
    }

    #[test]
    fn a_cancelled_transaction_names_a_reason_per_action() {
        let failed = CancellationReason {
            code: "ConditionalCheckFailed",
            message: Some("The conditional request failed".to_owned()),
            item: Some(item()),
        };
        let failure = RequestError::from(ApiError::TransactionCanceled {
            reasons: vec![CancellationReason::none(), failed],
        });
        assert_eq!(
            body(&failure),
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "CancellationReasons": [
                    {"Code": "None"},
                    {
                        "Code": "ConditionalCheckFailed",
                        "Item": {"pk": {"S": "a"}},
                        "Message": "The conditional request failed",
                    },
                ],
                "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, \
                            ConditionalCheckFailed]",
            })
        );
    }

    /// A throttled request reports what is used up.
    #[test]
    fn throttling_reasons_have_the_spelling_of_the_exception() {
        let reasons = vec![ThrottlingReason {
            reason: "IndexWriteMaxOnDemandThroughputExceeded".to_owned(),
            resource: "arn:aws:dynamodb:us-east-1:000000000000:table/t/index/i".to_owned(),
        }];
        let message = "too much".to_owned();
        let listed = json!([{
            "reason": "IndexWriteMaxOnDemandThroughputExceeded",
            "resource": "arn:aws:dynamodb:us-east-1:000000000000:table/t/index/i",
        }]);
        let provisioned = RequestError::from(ApiError::ProvisionedThroughputExceeded {
            message: message.clone(),
            reasons: reasons.clone(),
        });
        assert_eq!(provisioned.status(), 400);
        assert_eq!(
            body(&provisioned),
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "ThrottlingReasons": listed,
                "message": "too much",
            })
        );
        assert_eq!(
            body(&RequestError::from(ApiError::Throttling { message, reasons })),
            json!({
                "__type": "com.amazon.coral.availability#ThrottlingException",
                "throttlingReasons": listed,
                "message": "too much",
            })
        );
    }

    #[test]
    fn server_failures_are_not_client_errors() {
        assert_eq!(
            RequestError::from(ApiError::InternalServer("disk".to_owned())).status(),
            500
        );
        let down = ApiError::ServiceUnavailable("down".to_owned());
        assert_eq!(RequestError::from(down).status(), 503);
    }
}
