//! Hearing of what clients ask, for whoever records a live run.

use serde_json::{Map, Value};
use tokio::time::Instant;

/// Hears of every operation of a region that was answered. One that nobody listens to costs a request one question.
pub trait Listener: Send + Sync + 'static {
    /// Whether anybody listens. Only then are parameters kept for it.
    fn listens(&self) -> bool;

    /// An operation was answered. Called on the request's task before the answer is sent: it must not wait. Of a request whose client
    /// went away before, nothing is heard.
    fn answered(&self, call: Call);
}

/// The groups of operations, as the developer guide has them ("How DynamoDB works", "DynamoDB API");
/// transactions and PartiQL are of the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Operations on items.
    Data,
    /// Operations on tables and their settings.
    Control,
    /// Operations on streams.
    Streams,
}

/// An operation, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What was called, such as `PutItem`.
    pub operation: String,
    /// To which group of operations that belongs.
    pub plane: Plane,
    /// With which parameters.
    pub parameters: Map<String, Value>,
    /// When it began.
    pub began: Instant,
    /// The HTTP status of the answer.
    pub status: u16,
}
