//! Operations as clients know them.

use serde::{Deserialize, Serialize};

/// All operations of a run, in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// They.
    pub operations: Vec<Operation>,
}

/// One operation of a client. Times are microseconds since the load began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its workload's name, which is also its table's.
    pub workload: String,
    /// The client, unique in the run; a client does one thing at a time, so its operations are a session.
    pub client: u32,
    /// The region that was asked.
    pub region: String,
    /// What was called, such as `PutItem`.
    pub name: String,
    /// When the rate wanted it.
    pub due_us: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// When its answer came, or the client gave up.
    pub done_us: u64,
    /// What the client was told.
    pub outcome: Outcome,
    /// What it read, where it was answered.
    pub reads: Vec<Seen>,
    /// What it was to write; all of one operation are one transaction.
    pub writes: Vec<Write>,
}

/// What a client knows of its operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// The region said no: it did not happen. The error's name, as in `ConditionalCheckFailedException`.
    Refused(String),
    /// The request never left: it did not happen.
    Unreachable,
    /// No answer, or that the region failed: it may have happened.
    Unknown,
}

/// What a read saw under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key.
    pub key: String,
    /// The mark of the last write that it could see; `None`: no item.
    pub mark: Option<String>,
    /// A number that the workload keeps there (a counter, a balance, stock), where it does.
    pub number: Option<i64>,
}

/// What a write was to do to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The key.
    pub key: String,
    /// What no other write has: it stands in the item (attribute `mark`), so that reads and logs show whose it is.
    pub mark: String,
    /// What.
    pub effect: Effect,
    /// The mark that the client had read and this write builds upon, for a read-modify-write.
    pub based_on: Option<Option<String>>,
}

/// What a write does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A whole item.
    Put,
    /// Some attributes.
    Update,
    /// A number goes up by so much.
    Add(i64),
    /// Elements of a set come and go.
    Set {
        /// Come.
        add: Vec<String>,
        /// Go.
        delete: Vec<String>,
    },
    /// The item goes.
    Delete,
}
