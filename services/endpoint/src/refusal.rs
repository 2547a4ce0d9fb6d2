//! Reasons to reject a request before it reaches a service, or in the same way for every service.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::service::{ContentType, Protocol, json};

/// The header that names the exception in an answer of [`Protocol::RestJson1`].
pub const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A request was rejected by the endpoint rather than by a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointRefusal {
    /// The request has no signature.
    MissingToken,
    /// The signature is incomplete; the message names what is missing.
    IncompleteSignature(String),
    /// The signature does not match, has expired, or is for another scope.
    InvalidSignature(String),
    /// The access key id is unknown.
    UnrecognizedClient(&'static str),
    /// The operation or the service does not exist. Without a message where AWS gives none.
    UnknownOperation(Option<String>),
    /// The body is not valid JSON. AWS sends no message.
    MalformedJson,
    /// The decompressed request exceeds the maximum size.
    TooLarge,
    /// The body does not match its content coding.
    Undecodable,
    /// The region is not running.
    Unavailable(String),
}

impl EndpointRefusal {
    /// The name of the exception.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignatureException",
            Self::InvalidSignature(_) => "InvalidSignatureException",
            Self::UnrecognizedClient(_) => "UnrecognizedClientException",
            Self::UnknownOperation(_) => "UnknownOperationException",
            Self::MalformedJson => "SerializationException",
            Self::TooLarge => "RequestEntityTooLargeException",
            Self::Undecodable => "InternalFailure",
            Self::Unavailable(_) => "ServiceUnavailable",
        }
    }

    /// The HTTP status of the answer in the given protocol.
    #[must_use]
    pub const fn status(&self, protocol: Protocol) -> StatusCode {
        match (self, protocol) {
            (Self::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Self::Undecodable, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (Self::Unavailable(_), _) => StatusCode::SERVICE_UNAVAILABLE,
            (Self::UnknownOperation(_), Protocol::RestJson1) => StatusCode::NOT_FOUND,
            (
                Self::MissingToken
                | Self::IncompleteSignature(_)
                | Self::InvalidSignature(_)
                | Self::UnrecognizedClient(_),
                Protocol::RestJson1,
            ) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The message of the answer, if it has one.
    fn message(&self) -> Option<&str> {
        match self {
            Self::MissingToken => Some("Request is missing Authentication Token"),
            Self::UnrecognizedClient(message) => Some(message),
            Self::IncompleteSignature(message) | Self::InvalidSignature(message) | Self::Unavailable(message) => {
                Some(message)
            }
            Self::UnknownOperation(message) => message.as_deref(),
            Self::MalformedJson | Self::TooLarge | Self::Undecodable => None,
        }
    }

    /// The answer to a rejected request, in the form of the protocol.
    #[must_use]
    pub fn answer(&self, protocol: Protocol, request: &Parts) -> Response<Bytes> {
        let status = self.status(protocol);
        match protocol {
            Protocol::AwsJson10 => {
                let body = serde_json::to_vec(self).unwrap_or_default();
                json(status, ContentType::of(&request.headers), body)
            }
            Protocol::RestJson1 => {
                let body = serde_json::json!({"message": self.message()});
                let mut response = json(status, ContentType::Json, body.to_string().into_bytes());
                let name = HeaderValue::from_static(self.name());
                response.headers_mut().insert(ERROR_TYPE, name);
                response
            }
        }
    }
}

impl Serialize for EndpointRefusal {
    /// The body of the answer in [`Protocol::AwsJson10`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("__type", &format_args!("com.amazon.coral.service#{}", self.name()))?;
        if let Some(message) = self.message() {
            body.serialize_entry("message", message)?;
        }
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};

    use super::*;

    fn answered(refusal: &EndpointRefusal, protocol: Protocol) -> (u16, Option<String>, Value) {
        let (parts, ()) = Request::new(()).into_parts();
        let response = refusal.answer(protocol, &parts);
        let name = response
            .headers()
            .get(ERROR_TYPE)
            .map(|name| name.to_str().unwrap().to_owned());
        (
            response.status().as_u16(),
            name,
            serde_json::from_slice(response.body()).unwrap(),
        )
    }

    #[test]
    fn refusal_has_the_form_of_the_protocol() {
        let refusal = EndpointRefusal::InvalidSignature("it is wrong".to_owned());
        assert_eq!(
            answered(&refusal, Protocol::AwsJson10),
            (
                400,
                None,
                json!({"__type": "com.amazon.coral.service#InvalidSignatureException", "message": "it is wrong"})
            )
        );
        assert_eq!(
            answered(&refusal, Protocol::RestJson1),
            (
                403,
                Some("InvalidSignatureException".to_owned()),
                json!({"message": "it is wrong"})
            )
        );
    }

    #[test]
    fn unknown_operations_and_malformed_json_have_no_message() {
        for (refusal, name) in [
            (EndpointRefusal::UnknownOperation(None), "UnknownOperationException"),
            (EndpointRefusal::MalformedJson, "SerializationException"),
        ] {
            let body = json!({"__type": format!("com.amazon.coral.service#{name}")});
            assert_eq!(answered(&refusal, Protocol::AwsJson10), (400, None, body));
        }
    }
}
