//! Operations as clients see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::FailureCause;

/// Everything that clients did in a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The rules of each table, by table name.
    pub tables: BTreeMap<String, Rules>,
    /// The writes from before the load began; their times are 0.
    pub loaded: Vec<Operation>,
    /// The operations of the load, in the order in which they were sent.
    pub operations: Vec<Operation>,
}

impl History {
    /// The operations of the load by request: the parts of each, of which there is at least one.
    pub fn requests(&self) -> impl Iterator<Item = Request<'_>> {
        self.operations.chunk_by(|_, next| next.part > 0).map(Request)
    }
}

/// The parts of one request of a client.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a>(pub &'a [Operation]);

impl<'a> Request<'a> {
    /// The first part. Clients, regions and times of all are the same.
    #[must_use]
    pub fn first(&self) -> Option<&'a Operation> {
        self.0.first()
    }

    /// Why the request failed: the cause of its first part that failed; `None` if none did.
    #[must_use]
    pub fn failure(&self) -> Option<FailureCause> {
        self.0.iter().find_map(|part| part.failure)
    }

    /// Returns whether no part failed, and the region did its duty by a refusal of one.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.failure().is_none() && self.0.iter().any(Operation::is_rejected)
    }
}

/// The rules that a table and its workload follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How the table decides between concurrent writes.
    pub merging: Merging,
    /// Whether the numbers that a transactional read sees always have the sum that they had at the
    /// beginning.
    pub constant_sum: bool,
    /// Whether no write may take more from a number than there is.
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
    /// Numbers changed by additions add up, sets unite, and all other attributes behave as under
    /// `Attribute`.
    Merge,
}

/// One operation of a client. Times are in microseconds since the load began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The name of the operation's workload, which is also its table's. For recorded operations,
    /// the table's name.
    pub workload: String,
    /// The client's number, unique in the run. A client does one thing at a time, so its operations
    /// form a session.
    pub client: u32,
    /// The place of the operation in its request, from 0. A recorded request to several tables, or
    /// with writes that succeed or fail one by one, is an operation for each: they follow each
    /// other in the history, and have the same times. They are one operation where operations are
    /// counted ([`History::requests`]).
    pub part: u32,
    /// The region where the client lives.
    pub home: String,
    /// The region that was called. It differs from `home` while traffic is shifted.
    pub region: String,
    /// The name of the API operation, such as `PutItem`, or [`READ_MODIFY_WRITE`], or [`NOT_SENT`].
    pub name: String,
    /// When the workload's rate made the operation due.
    pub due_us: u64,
    /// When the operation was sent.
    pub sent_us: u64,
    /// When the answer came or the client gave up.
    pub done_us: u64,
    /// The result as far as the client knows it.
    pub outcome: OperationOutcome,
    /// Why a transaction was cancelled: for each of `writes`, then for each of `checked`, the code
    /// of its reason, such as `None`, `ConditionalCheckFailed` or `TransactionConflict`. Empty for
    /// other operations, and for recorded ones.
    pub cancellations: Vec<String>,
    /// Why it failed; `None`: the region did its duty ([`Operation::is_answered`]).
    pub failure: Option<FailureCause>,
    /// The data that the operation read, if it was answered.
    pub reads: Vec<Seen>,
    /// The writes that the operation was to make. All writes of one operation are one transaction.
    /// A delete that found nothing is not here.
    pub writes: Vec<Write>,
    /// The keys of the items that a transaction used and did not write: those that it read, also if
    /// it was cancelled, or those of which it checked that they were as the operation had read
    /// them. Empty for recorded operations.
    pub checked: Vec<String>,
}

/// The name of an operation that reads an item, or several, and then writes one on the condition
/// that none of them has changed.
pub const READ_MODIFY_WRITE: &str = "ReadModifyWrite";
/// The name of an operation that was not sent because no client became free in time. Its outcome is
/// [`OperationOutcome::Unreachable`].
pub const NOT_SENT: &str = "(not sent)";

impl Operation {
    /// Returns whether the region did its duty: it did what was asked, or it refused what the
    /// workload itself made impossible (a failed condition).
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.failure.is_none()
    }

    /// Returns whether the region did its duty by a refusal: a condition had failed, or the
    /// operation contended with a transaction.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.is_answered() && matches!(self.outcome, OperationOutcome::Refused(_))
    }

    /// Returns whether an answer reported the operation as done. A later commit of it would be
    /// wrong.
    pub fn is_reported(&self) -> bool {
        matches!(self.outcome, OperationOutcome::Ok | OperationOutcome::Unreported)
    }
}

/// The outcome of an operation as far as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationOutcome {
    /// The region acknowledged the operation.
    Ok,
    /// The region refused, so the operation did not happen. Holds the error's name, such as
    /// `ConditionalCheckFailedException`.
    Refused(String),
    /// The request never left, so the operation did not happen.
    Unreachable,
    /// No answer came, or the answer says that the region failed. The operation may have happened.
    Unknown,
    /// The region answered but did not say whether there was anything to do, as for a delete in a
    /// batch, which may have found nothing.
    Unreported,
}

/// The result of a read for one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key, as [`crate::key_text`] gives it.
    pub key: String,
    /// The marker of the last write that the read could see; `None` if there was no item.
    pub marker: Option<String>,
    /// The number that the workload keeps there (a counter, a balance, stock), if it keeps one.
    pub number: Option<i64>,
    /// The elements of the list that the workload keeps there, in their order; `None` if there is
    /// no list. Lists of recorded applications are not read.
    pub list: Option<Vec<String>>,
    /// A hash of the whole item, like [`crate::Content::image_hash`]; `None` if there was no item,
    /// or the read may not show all of it, as those of recorded applications.
    pub image_hash: Option<u64>,
    /// Whether the read was strongly consistent: it asked for that, was part of a transaction, or
    /// shows the item that the same operation's write replaced.
    pub is_consistent: bool,
}

/// One write that an operation was to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The key, as [`crate::key_text`] gives it.
    pub key: String,
    /// A marker that no other write has. The item carries it in the attribute [`crate::MARKER`], so
    /// that reads and logs show which write they contain.
    pub marker: String,
    /// The change that the write makes.
    pub effect: Effect,
    /// The condition of the write.
    pub based_on: Basis,
    /// When the item expires, in seconds since the Unix epoch; `None` if the write does not say so.
    pub expires_s: Option<u64>,
    /// The write's share of the request's bytes, which are divided evenly among its writes.
    pub bytes: u32,
}

/// The condition of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// Anything; the write is unconditional.
    #[default]
    Anything,
    /// There must be no item.
    NoItem,
    /// There must be an item whose last write has this marker.
    Marker(String),
    /// There must be an item.
    Item,
    /// The item's number must be at least this.
    AtLeast(i64),
    /// The condition of a recorded write, which is not known; there may be none.
    Recorded,
}

impl Basis {
    /// The condition that nothing has changed since a client read this marker, or, for `None`,
    /// since it read that there is no item.
    #[must_use]
    pub fn unchanged(read: Option<String>) -> Self {
        read.map_or(Self::NoItem, Self::Marker)
    }
}

/// The effect of a write. All effects but [`Effect::Delete`] also set the write marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Replaces the whole item, or creates it.
    Put {
        /// The fields of the item ([`crate::is_field`]); each carries the write's marker.
        fields: Vec<String>,
        /// The item's number, if it has one.
        number: Option<i64>,
    },
    /// Sets some fields of the item.
    Update {
        /// The fields that are set; each carries the write's marker.
        fields: Vec<String>,
    },
    /// Adds this amount to the number.
    Add(i64),
    /// Adds elements to the set and deletes others from it.
    Set {
        /// The elements that the write adds to the set.
        add: Vec<String>,
        /// The elements that it deletes from the set.
        delete: Vec<String>,
    },
    /// Appends the write's marker to the list.
    Append,
    /// Deletes the item, which leaves a tombstone.
    Delete,
    /// A recorded write, whose result is not checked. It replaces the item or changes some of its
    /// attributes.
    Recorded {
        /// Whether the write replaces the whole item.
        whole: bool,
        /// The effect of the write, by top-level attribute. If `whole`, these are all attributes of
        /// the item. Otherwise an empty map means that the attributes are not known.
        touches: BTreeMap<String, RecordedTouch>,
    },
}

/// The effect of a recorded operation on one attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordedTouch {
    /// Assigns a value, changes something inside the value, or removes the attribute.
    Assign,
    /// Adds to the attribute's number.
    Add,
    /// Adds elements to the attribute's set, or deletes some.
    Members,
}

impl Effect {
    /// Returns whether the write decides about the whole item, regardless of its former content.
    pub const fn is_whole(&self) -> bool {
        matches!(
            self,
            Self::Put { .. } | Self::Delete | Self::Recorded { whole: true, .. }
        )
    }

    /// Returns whether the result depends on the earlier item, so that the update is lost if later
    /// writes build on an older value.
    pub fn adds(&self) -> bool {
        match self {
            Self::Add(_) | Self::Set { .. } | Self::Append => true,
            Self::Recorded { touches, .. } => touches.values().any(|touch| *touch != RecordedTouch::Assign),
            Self::Put { .. } | Self::Update { .. } | Self::Delete => false,
        }
    }
}
