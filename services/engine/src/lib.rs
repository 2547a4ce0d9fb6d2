//! What each DynamoDB operation means, on a `Store`.
//!
//! `Engine` has one method per operation, each `async fn operation(&self, input: api::OperationInput) ->
//! Result<api::OperationOutput, ApiError>` (the four table operations other than ListTables answer with `api::TableDescription`).

pub mod api;
mod error;

pub use error::{ApiError, CancellationReason};
