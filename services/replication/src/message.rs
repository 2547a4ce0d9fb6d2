//! What two regions say to each other, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, Mutation, Origin, Region, Stamp, TableId, VersionVector, range_of};
use beringia_storage_types::TableDigest;

/// The version of the protocol that this code speaks. Peers with different versions refuse each other.
pub const PROTOCOL: u32 = 5;

/// Vectors by table.
pub type TableVectors = BTreeMap<TableId, VersionVector>;

/// The first message in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Which protocol the speaker speaks.
    pub protocol: u32,
    /// Who speaks.
    pub region: Region,
    /// Whom the speaker believes to speak to; `None` where it does not know.
    pub peer: Option<Region>,
    /// Identifies the speaker's run: chosen by chance at every start, so that its peers notice a restart.
    pub incarnation: u128,
    /// The speaker's wall clock, milliseconds since the Unix epoch.
    pub wall_clock_ms: u64,
}

/// From the region that dialled, which receives mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSource {
    /// The first message.
    Hello(Hello),
    /// What to send.
    Subscribe(Subscription),
    /// What is durable here.
    Acknowledge(Acknowledgement),
    /// A question about state.
    Request(Request),
    /// The last message.
    Goodbye(Goodbye),
}

/// From the region that accepted, whose log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToReceiver {
    /// The first message.
    Hello(Hello),
    /// Mutations.
    Batch(Batch),
    /// What cannot be sent.
    Refusal(BelowFloor),
    /// How far the source itself is: all tables that both hold first, then those that changed.
    Vectors(TableVectors),
    /// The regions that the source has not reached for so long that it would drop them; replaces what it said before.
    Lost(BTreeSet<Region>),
    /// Tables of which it said how far it is, and which it does not serve any more, or not now.
    Withdraw(Vec<TableId>),
    /// The answer to a request.
    Reply(Reply),
    /// The last message.
    Goodbye(Goodbye),
}

/// What a receiver wants. It replaces what it wanted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Grows with every subscription of a stream; batches carry it back.
    pub generation: u64,
    /// The tables, and what of them is here.
    pub tables: TableVectors,
    /// Whose writes.
    pub origins: Vec<Origin>,
}

/// What has become durable at the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The greatest batch number whose mutations are durable; 0 before the first.
    pub batch: u64,
    /// The receiver's vectors, of the tables whose vectors changed since it last said so.
    pub tables: TableVectors,
}

/// Mutations in the order of the source's log, units whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Grows by one per batch of a stream, from 1.
    pub number: u64,
    /// Of the subscription that it answers.
    pub generation: u64,
    /// The mutations.
    pub mutations: Vec<Mutation>,
    /// After them: nothing of this origin up to this sequence of this table is missing any more.
    pub progress: Vec<(TableId, Origin, u64)>,
}

/// For which tables and origins the source's log does not reach down to the receiver's vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelowFloor {
    /// Of the subscription that it answers.
    pub generation: u64,
    /// The tables and origins.
    pub parts: Vec<(TableId, Origin)>,
}

/// A question about a table's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The receiver's number for it.
    pub id: u64,
    /// The table.
    pub table: TableId,
    /// What is asked.
    pub question: Question,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The digests of all ranges, with the vector.
    Digest,
    /// A page of keys and stamps, tombstones too.
    Keys {
        /// The ranges.
        span: Span,
        /// The key that the page comes after; `None` at the span's start.
        after: Option<KeyBytes>,
    },
    /// The rows under these keys.
    Rows {
        /// The keys, ascending.
        keys: Vec<KeyBytes>,
    },
}

/// Ranges of a table that are neighbours, so that their keys are one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first range.
    pub first: u16,
    /// The last range, at least `first` and below [`beringia_item::RANGES`].
    pub last: u16,
}

impl Span {
    /// Neighbours among these ranges (ascending) joined, but no more than so many in one.
    #[must_use]
    pub fn over(ranges: impl IntoIterator<Item = u16>, most: u16) -> Vec<Self> {
        let mut spans: Vec<Self> = Vec::new();
        for range in ranges {
            match spans.last_mut() {
                Some(span) if span.last + 1 == range && span.len() < most => span.last = range,
                _ => spans.push(Self {
                    first: range,
                    last: range,
                }),
            }
        }
        spans
    }

    /// How many ranges.
    #[expect(clippy::len_without_is_empty, reason = "a span has at least one range")]
    #[must_use]
    pub const fn len(&self) -> u16 {
        self.last - self.first + 1
    }

    /// Whether the key lies in one of the ranges.
    #[must_use]
    pub fn contains(&self, key: &KeyBytes) -> bool {
        (self.first..=self.last).contains(&range_of(key))
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// The answer.
    pub answer: Answer,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Digest`].
    Digest(TableDigest),
    /// To [`Question::Keys`].
    Keys(KeyPage),
    /// To [`Question::Rows`].
    Rows(RowPage),
    /// To any question: not now, and why.
    Unavailable(String),
}

/// Some keys of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// Ascending by key; tombstones too.
    pub rows: Vec<(KeyBytes, Stamp)>,
    /// Whether the span has no row after these.
    pub last: bool,
}

/// Some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPage {
    /// What stands under the keys; keys that hold nothing are left out.
    pub mutations: Vec<Mutation>,
    /// How many of the keys that were asked for are answered, from the first on. At least one where any was asked.
    pub answered: usize,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Why.
    pub reason: String,
    /// Whether it is pointless to try again soon.
    pub permanent: bool,
}

impl Goodbye {
    /// Ends the stream for this reason; another try may go well.
    #[must_use]
    pub fn for_now(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            permanent: false,
        }
    }
}

/// What a mutation is taken to weigh in windows and batches, bytes: key, image, metadata, and an allowance for the rest.
#[must_use]
pub fn weight(mutation: &Mutation) -> usize {
    const REST: usize = 64;
    mutation.bytes() + REST
}

impl Batch {
    /// What it weighs in the window, bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FRAME: usize = 64;
        FRAME + self.mutations.iter().map(weight).sum::<usize>() + self.progress.len() * FRAME
    }
}
