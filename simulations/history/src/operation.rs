//! Operations as clients know them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All that clients did in a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// By table, what holds for it.
    pub tables: BTreeMap<String, Rules>,
    /// What was written before the load began; its times are 0.
    pub loaded: Vec<Operation>,
    /// The load, in the order in which it was sent.
    pub operations: Vec<Operation>,
}

/// What holds for a table and its workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How it decides between concurrent writes.
    pub merging: Merging,
    /// Whether the sum of the numbers that a transactional read sees is always the one of the beginning.
    pub constant_sum: bool,
    /// Whether more than there is must never be taken from a number.
    pub never_below_zero: bool,
}

/// How a table decides between concurrent writes to one item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merging {
    /// The last writer wins the whole item.
    #[default]
    Item,
    /// The last writer wins each top-level attribute.
    Attribute,
    /// Numbers that are added to add up, sets unite, all else per attribute.
    Merge,
}

/// One operation of a client. Times are microseconds since the load began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its workload's name, which is also its table's; of recorded operations, the table's.
    pub workload: String,
    /// The client, unique in the run; a client does one thing at a time, so its operations are a session.
    pub client: u32,
    /// The region where the client lives.
    pub home: String,
    /// The region that was asked: another than `home` while traffic is shifted.
    pub region: String,
    /// What was called, such as `PutItem`, or [`READ_MODIFY_WRITE`], or [`NOT_SENT`].
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
    /// What it was to write; all of one operation are one transaction. A delete that found nothing is not here.
    pub writes: Vec<Write>,
}

/// The name of an operation that reads an item and then writes it on the condition that it is still the same.
pub const READ_MODIFY_WRITE: &str = "ReadModifyWrite";
/// The name of an operation that no client was free to send before its patience ended. It is [`Outcome::Unreachable`].
pub const NOT_SENT: &str = "(not sent)";

impl Operation {
    /// Whether the region did what it is for: it did what was asked, or refused what the workload itself made impossible
    /// (a failed condition).
    #[must_use]
    pub fn is_answered(&self) -> bool {
        const PROVOKED: [&str; 4] = [
            "ConditionalCheckFailedException",
            "DuplicateItemException",
            "TransactionCanceledException",
            "TransactionConflictException",
        ];
        match &self.outcome {
            Outcome::Ok | Outcome::Untold => true,
            Outcome::Refused(kind) => PROVOKED.contains(&kind.as_str()),
            Outcome::Unreachable | Outcome::Unknown => false,
        }
    }

    /// Whether an answer came to say that what there was to do is done: later it is not done any more.
    pub fn is_told(&self) -> bool {
        matches!(self.outcome, Outcome::Ok | Outcome::Untold)
    }
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
    /// It was answered, but not whether there was anything to do: a delete in a batch, which may have found nothing.
    Untold,
}

/// What a read saw under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key, as [`crate::key_text`] gives it.
    pub key: String,
    /// The mark of the last write that it could see; `None`: no item.
    pub mark: Option<String>,
    /// A number that the workload keeps there (a counter, a balance, stock), where it does.
    pub number: Option<i64>,
}

/// What a write was to do to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The key, as [`crate::key_text`] gives it.
    pub key: String,
    /// What no other write has: it stands in the item (attribute [`crate::MARK`]), so that reads and logs show whose it is.
    pub mark: String,
    /// What.
    pub effect: Effect,
    /// What the client had read and this write builds upon, on the condition that it is still
    /// there.
    pub based_on: Basis,
    /// Bytes of the request, shared evenly by its writes.
    pub bytes: u32,
}

/// What must be there for a write to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// Whatever there is.
    #[default]
    Anything,
    /// No item.
    NoItem,
    /// An item with the mark of this write, which was the last to touch it.
    Mark(String),
}

impl Basis {
    /// That nothing has changed since a client read the mark of the last write; `None`: since it
    /// read that there is no item.
    #[must_use]
    pub fn unchanged(read: Option<String>) -> Self {
        read.map_or(Self::NoItem, Self::Mark)
    }
}

/// What a write does. All but [`Effect::Delete`] set the mark too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A whole item.
    Put {
        /// The fields that it has ([`crate::is_field`]); each carries the write's mark.
        fields: Vec<String>,
        /// Its number.
        number: Option<i64>,
    },
    /// Some fields are set; each carries the write's mark.
    Update {
        /// Which.
        fields: Vec<String>,
    },
    /// A number goes up by so much.
    Add(i64),
    /// Elements of a set come and go.
    Set {
        /// Come.
        add: Vec<String>,
        /// Go.
        delete: Vec<String>,
    },
    /// The write's mark is appended to a list.
    Append,
    /// The item goes.
    Delete,
    /// Something that a recorded operation did, and nobody checks: the item becomes another, or some of it does.
    Recorded {
        /// Whether it replaces the whole item.
        whole: bool,
        /// What it does to which top-level attributes; of a whole item, these are all that it has, and otherwise, where there are none, it is
        /// not known.
        touches: BTreeMap<String, Touch>,
    },
}

/// What a recorded operation does to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Touch {
    /// It gives it a value, changes something inside it, or removes it.
    Assign,
    /// It adds to its number.
    Add,
    /// It adds elements to its set, or takes some away.
    Members,
}

impl Effect {
    /// Whether the item is all of its making.
    pub const fn is_whole(&self) -> bool {
        matches!(
            self,
            Self::Put { .. } | Self::Delete | Self::Recorded { whole: true, .. }
        )
    }

    /// Whether it makes something of what is there, so that it is lost where that goes on without it.
    pub fn adds(&self) -> bool {
        match self {
            Self::Add(_) | Self::Set { .. } | Self::Append => true,
            Self::Recorded { touches, .. } => touches.values().any(|touch| *touch != Touch::Assign),
            Self::Put { .. } | Self::Update { .. } | Self::Delete => false,
        }
    }
}
