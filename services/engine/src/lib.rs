//! DynamoDB's operations, executed on a `Store`.
//!
//! [`Engine`] has one method per operation, each `async fn operation(&self, input:
//! api::OperationInput) -> Result<api::OperationOutput, ApiError>` (the four table operations other
//! than ListTables answer with [`api::TableDescription`]). An operation reads its expressions,
//! finds its table in the catalog, checks what it can, and hands the store a read or a transaction;
//! the committer decides what depends on the current item ([`beringia_storage::Change`]). What
//! DynamoDB does in the background is a method, too: [`Engine::expire`].

mod account;
pub mod api;
mod attributes;
mod batch;
mod capacity;
mod constraint;
mod contention;
mod engine;
mod error;
mod expressions;
mod gate;
mod index;
mod item;
mod keys;
mod names;
mod page;
mod statement;
mod stream;
mod table;
mod throttle;
mod transact;
mod ttl;
mod write;

pub use engine::{Behaviour, Engine, Refused};
pub use error::{ApiError, CancellationReason, ThrottlingReason};
pub use gate::WritePass;
pub use item::LostWrite;
