//! Why something here cannot be done.

/// Said in a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// Wrong input, said in a sentence.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<tonic::Status> for Failure {
    /// For refusals of the control service; that it does not answer at all is said by `Fleet`.
    fn from(status: tonic::Status) -> Self {
        Self(status.message().to_owned())
    }
}
