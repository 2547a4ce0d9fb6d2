//! Notifications about clients' operations, for recording a live run.

use serde_json::{Map, Value};
use tokio::time::Instant;

/// Is notified of every answered operation of a region. While no one listens, this costs each
/// request only one call.
pub trait Listener: Send + Sync + 'static {
    /// Whether notifications are currently wanted. Parameters are kept only then.
    fn listens(&self) -> bool;

    /// Called when an operation was answered, on the request's task and before the answer is sent,
    /// so it must not block. Not called if the client disconnected before.
    fn answered(&self, call: Call);
}

/// The groups of operations in the developer guide ("How DynamoDB works", "DynamoDB API");
/// transactions and PartiQL belong to the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Operations that read and write items.
    Data,
    /// Operations on tables and their settings.
    Control,
    /// Operations of DynamoDB Streams, such as GetRecords.
    Streams,
}

/// An operation and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The name of the operation, such as `PutItem`.
    pub operation: String,
    /// The group that the operation belongs to.
    pub plane: Plane,
    /// The parameters of the request, as JSON.
    pub parameters: Map<String, Value>,
    /// When the operation began, by the monotonic clock.
    pub began: Instant,
    /// The HTTP status of the answer.
    pub status: u16,
}
