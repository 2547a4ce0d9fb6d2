//! The errors of the API.

use http::StatusCode;

/// An exception of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FisError {
    /// The request is invalid, or asks for something that is not supported.
    #[error("{0}")]
    Validation(String),
    /// The client token was used for a different request.
    #[error("{0}")]
    Conflict(String),
    /// The template, experiment or action does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Too many templates exist, or too many experiments run.
    #[error("{0}")]
    Quota(String),
}

impl FisError {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// The name of the exception.
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
