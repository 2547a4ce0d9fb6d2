//! What a request can be refused with, as the API says it.

use http::StatusCode;

/// An exception of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FisError {
    /// The request is wrong, or asks for what is not here.
    #[error("{0}")]
    Validation(String),
    /// The client token was used for another request.
    #[error("{0}")]
    Conflict(String),
    /// No such template, experiment or action.
    #[error("{0}")]
    NotFound(String),
    /// Too many of something.
    #[error("{0}")]
    Quota(String),
}

impl FisError {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// The exception's name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::Conflict(_) => "ConflictException",
            Self::NotFound(_) => "ResourceNotFoundException",
            Self::Quota(_) => "ServiceQuotaExceededException",
        }
    }

    /// The HTTP status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Validation(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Quota(_) => StatusCode::PAYMENT_REQUIRED,
        }
    }
}
