//! Everything that a request can fail with, and the body that says so as DynamoDB does.

use beringia_engine::{ApiError, CancellationReason, ThrottlingReason};
use beringia_item::JsonError;
use http::StatusCode;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::encode::{Encode, Wire};

/// Why a request has no answer: something about the protocol, or an exception of the operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// The operation's own.
    Api(ApiError),
    /// Found before any operation began.
    Protocol(Protocol),
}

/// A failure of the protocol: of the service framework, not of DynamoDB proper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    status: StatusCode,
    /// `__type`, whole.
    kind: &'static str,
    /// Some of these errors come without a message.
    message: Option<String>,
}

impl Failure {
    fn protocol(kind: &'static str, message: Option<String>) -> Self {
        Self::Protocol(Protocol {
            status: StatusCode::BAD_REQUEST,
            kind,
            message,
        })
    }

    /// A failure of the service framework, without a word.
    pub(crate) const fn service(status: StatusCode, kind: &'static str) -> Self {
        Self::Protocol(Protocol {
            status,
            kind,
            message: None,
        })
    }

    /// The request, as it is when it is decoded, is larger than any may be.
    pub(crate) const fn too_large() -> Self {
        Self::service(
            StatusCode::PAYLOAD_TOO_LARGE,
            "com.amazon.coral.service#RequestEntityTooLargeException",
        )
    }

    /// The request has no signature at all.
    pub(crate) fn missing_token() -> Self {
        Self::protocol(
            "com.amazon.coral.service#MissingAuthenticationTokenException",
            Some("Request is missing Authentication Token".to_owned()),
        )
    }

    /// Parts of the signature are not there.
    pub(crate) fn incomplete_signature(message: String) -> Self {
        Self::protocol("com.amazon.coral.service#IncompleteSignatureException", Some(message))
    }

    /// The signature is not right.
    pub(crate) fn invalid_signature(message: impl Into<String>) -> Self {
        Self::protocol(
            "com.amazon.coral.service#InvalidSignatureException",
            Some(message.into()),
        )
    }

    /// Nobody here has that key.
    pub(crate) fn unrecognized_client(message: &str) -> Self {
        Self::protocol(
            "com.amazon.coral.service#UnrecognizedClientException",
            Some(message.to_owned()),
        )
    }

    /// There is no such operation. DynamoDB says no more; `message` is for operations that it has and this server has not.
    pub(crate) fn unknown_operation(message: Option<String>) -> Self {
        Self::protocol("com.amazon.coral.service#UnknownOperationException", message)
    }

    /// The body is no JSON. DynamoDB says no more.
    pub(crate) fn malformed_json() -> Self {
        Self::protocol("com.amazon.coral.service#SerializationException", None)
    }

    /// The region that was asked for is not running.
    pub(crate) fn unavailable(message: String) -> Self {
        Self::Api(ApiError::ServiceUnavailable(message))
    }

    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Api(error) => StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Protocol(protocol) => protocol.status,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// An attribute value that cannot be read is the request's fault: of its form, or of its content.
pub(crate) fn unreadable(error: JsonError) -> ApiError {
    if error.serialization {
        ApiError::Serialization(error.message)
    } else {
        ApiError::Validation(error.message)
    }
}

/// These exceptions spell their message's key with a capital, all others without.
const fn message_key(error: &ApiError) -> &'static str {
    match error {
        ApiError::Serialization(_)
        | ApiError::TransactionCanceled { .. }
        | ApiError::TransactionInProgress(_)
        | ApiError::IdempotentParameterMismatch(_) => "Message",
        _ => "message",
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        match self {
            Self::Protocol(protocol) => {
                body.serialize_entry("__type", protocol.kind)?;
                if let Some(message) = &protocol.message {
                    body.serialize_entry("message", message)?;
                }
            }
            Self::Api(error) => {
                body.serialize_entry("__type", error.wire_type())?;
                match error {
                    ApiError::TransactionCanceled { reasons } => {
                        let reasons: Vec<_> = reasons.iter().map(Wire).collect();
                        body.serialize_entry("CancellationReasons", &reasons)?;
                    }
                    // So they are spelled.
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
            }
        }
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

    fn body(failure: &Failure) -> serde_json::Value {
        serde_json::to_value(failure).unwrap()
    }

    fn item() -> Item {
        Item::from([("pk".to_owned(), AttributeValue::S("a".to_owned()))])
    }

    #[test]
    fn an_exception_has_its_type_with_namespace_and_its_message() {
        let failure = Failure::from(ApiError::ResourceNotFound("Requested resource not found".to_owned()));
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
    fn a_wrong_shape_is_told_with_a_capital_message() {
        let failure = Failure::from(ApiError::Serialization("Unexpected field type".to_owned()));
        assert_eq!(
            body(&failure),
            json!({
                "__type": "com.amazon.coral.service#SerializationException",
                "Message": "Unexpected field type",
            })
        );
    }

    #[test]
    fn a_failed_condition_carries_the_item_only_where_it_was_asked_for() {
        let with = Failure::from(ApiError::ConditionalCheckFailed { item: Some(item()) });
        assert_eq!(
            body(&with),
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                "Item": {"pk": {"S": "a"}},
                "message": "The conditional request failed",
            })
        );
        let without = body(&Failure::from(ApiError::ConditionalCheckFailed { item: None }));
        assert!(without.get("Item").is_none());
    }

    #[test]
    fn a_cancelled_transaction_names_a_reason_per_action() {
        let failed = CancellationReason {
            code: "ConditionalCheckFailed",
            message: Some("The conditional request failed".to_owned()),
            item: Some(item()),
        };
        let failure = Failure::from(ApiError::TransactionCanceled {
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

    #[test]
    fn what_is_throttled_says_of_what_there_is_too_little_in_the_spelling_of_its_exception() {
        let reasons = vec![ThrottlingReason {
            reason: "IndexWriteMaxOnDemandThroughputExceeded".to_owned(),
            resource: "arn:aws:dynamodb:us-east-1:000000000000:table/t/index/i".to_owned(),
        }];
        let message = "too much".to_owned();
        let listed = json!([{
            "reason": "IndexWriteMaxOnDemandThroughputExceeded",
            "resource": "arn:aws:dynamodb:us-east-1:000000000000:table/t/index/i",
        }]);
        let provisioned = Failure::from(ApiError::ProvisionedThroughputExceeded {
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
            body(&Failure::from(ApiError::Throttling { message, reasons })),
            json!({
                "__type": "com.amazon.coral.availability#ThrottlingException",
                "throttlingReasons": listed,
                "message": "too much",
            })
        );
    }

    #[test]
    fn failures_of_the_server_are_no_client_errors() {
        assert_eq!(Failure::from(ApiError::InternalServer("disk".to_owned())).status(), 500);
        assert_eq!(Failure::unavailable("down".to_owned()).status(), 503);
    }

    #[test]
    fn an_unknown_operation_and_malformed_json_come_without_a_message() {
        assert_eq!(
            body(&Failure::unknown_operation(None)),
            json!({"__type": "com.amazon.coral.service#UnknownOperationException"})
        );
        assert_eq!(
            body(&Failure::malformed_json()),
            json!({"__type": "com.amazon.coral.service#SerializationException"})
        );
    }
}
