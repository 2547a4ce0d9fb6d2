//! The messages that two regions exchange, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, Mutation, Origin, Region, RowFingerprint, TableId, VersionVector, range_of};
use beringia_storage_types::TableDigest;

/// The protocol version of this code. Regions with different versions refuse each other.
pub const PROTOCOL: u32 = 7;

/// The reason with which a side that speaks [`PROTOCOL`] refuses one with another version.
#[must_use]
pub fn other_protocol(here: &str, there: &str, protocol: u32) -> String {
    format!(
        "{here} speaks version {PROTOCOL} of the replication protocol, {there} version {protocol} \
         (run the same version of beringia in both regions)"
    )
}

/// A version vector for each table, by the table's id.
pub type TableVectors = BTreeMap<TableId, VersionVector>;

/// The first message in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The speaker's [`PROTOCOL`]; both sides must have the same.
    pub protocol: u32,
    /// The region that sends the message.
    pub region: Region,
    /// The region that the speaker expects on the other side; `None` where it does not know.
    pub peer: Option<Region>,
    /// Identifies the speaker's process: a random number drawn at every start, by which peers
    /// notice a restart.
    pub incarnation: u128,
    /// The speaker's wall clock, milliseconds since the Unix epoch.
    pub wall_clock_ms: u64,
}

/// A message from the receiver, which is the region that dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSource {
    /// The first message on the stream.
    Hello(Hello),
    /// Tells the source what to send.
    Subscribe(Subscription),
    /// Reports what is durable at the receiver.
    Acknowledge(Acknowledgement),
    /// Asks about a table's state.
    Request(Request),
    /// The last message on the stream.
    Goodbye(Goodbye),
}

/// A message from the source, which is the region that accepted and whose log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToReceiver {
    /// The first message on the stream.
    Hello(Hello),
    /// Mutations from the source's log.
    Batch(Batch),
    /// Lists what the source can no longer send from its log.
    Refusal(BelowLowWatermark),
    /// The source's own vectors: first of all tables that both regions have, then of those that
    /// changed.
    Vectors(TableVectors),
    /// The regions that have been unreachable from the source for longer than it tolerates, so that
    /// it would drop them. Replaces the list sent before.
    Lost(BTreeSet<Region>),
    /// Tables whose vectors the source announced before and which it does not serve any more, or
    /// does not serve at present.
    Withdraw(Vec<TableId>),
    /// The answer to a request.
    Reply(Reply),
    /// The last message on the stream.
    Goodbye(Goodbye),
}

/// The tables and origins that a receiver wants to be sent. Each subscription replaces the one
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Grows with every subscription on a stream; batches carry it back.
    pub generation: u64,
    /// The tables, each with the receiver's vector.
    pub tables: TableVectors,
    /// The origins whose writes the source is to send.
    pub origins: Vec<Origin>,
}

/// Reports what has become durable at the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The greatest batch number whose mutations are durable; 0 before the first.
    pub batch: u64,
    /// The receiver's vectors of the tables that changed since it last reported them.
    pub tables: TableVectors,
}

/// Mutations in the order of the source's log. A batch never splits a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Grows by one per batch of a stream, from 1.
    pub number: u64,
    /// The generation of the subscription that the batch belongs to.
    pub generation: u64,
    /// The mutations, in the order of the source's log.
    pub mutations: Vec<Mutation>,
    /// Entries that take effect after the mutations: the receiver is missing nothing of this origin
    /// up to this sequence of this table.
    pub progress: Vec<(TableId, Origin, u64)>,
}

/// The tables and origins for which the receiver's vectors are below the low watermark of the
/// source's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelowLowWatermark {
    /// The generation of the subscription that is refused in part.
    pub generation: u64,
    /// The tables, each with an origin whose writes the log no longer has in full.
    pub parts: Vec<(TableId, Origin)>,
}

/// A question about a table's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// A number that the receiver chooses; the reply carries it back.
    pub id: u64,
    /// The table that the question is about.
    pub table: TableId,
    /// What the receiver wants to know.
    pub question: Question,
}

/// The questions that a receiver can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Asks for the digests of all ranges, and the vector that they belong to.
    Digest {
        /// Asks for the digests as of the greatest vector that both this one and the source's
        /// cover. `None`: for the current ones.
        as_of: Option<VersionVector>,
    },
    /// Asks for a page of keys with their row fingerprints, including tombstones.
    Keys {
        /// The ranges whose keys are listed.
        span: RangeSpan,
        /// The page begins after this key; `None` begins at the start of the span.
        after: Option<KeyBytes>,
    },
    /// Asks for the rows with these keys.
    Rows {
        /// The keys of the rows, in ascending order.
        keys: Vec<KeyBytes>,
    },
}

/// Consecutive ranges of a table, whose keys form one contiguous interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeSpan {
    /// The number of the first range.
    pub first: u16,
    /// The last range, at least `first` and below [`beringia_item::RANGES`].
    pub last: u16,
}

impl RangeSpan {
    /// Groups these ranges, which must be ascending, into spans of consecutive ranges, each of at
    /// most `most` ranges.
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

    /// The number of ranges, at least 1.
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
    /// The number that the receiver gave the request.
    pub id: u64,
    /// The answer to the request's question.
    pub answer: PeerAnswer,
}

/// The answers to the questions of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAnswer {
    /// The answer to [`Question::Digest`]: the digests of all ranges, and the vector that they
    /// belong to.
    Digest(TableDigest),
    /// The answer to [`Question::Keys`]: keys with their row fingerprints, in ascending order.
    Keys(KeyPage),
    /// The answer to [`Question::Rows`]: the current rows under the keys, as many as fit into a
    /// reply.
    Rows(RowPage),
    /// The answer to any question that the source cannot serve at present, with the reason.
    Unavailable(String),
}

/// A page of the keys of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// Keys with their row fingerprints, in ascending order, including tombstones.
    pub rows: Vec<(KeyBytes, RowFingerprint)>,
    /// Whether this page reaches the end of the span.
    pub last: bool,
}

/// Rows by key, as many as fit into a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPage {
    /// The current rows under the keys. Keys without a row are left out.
    pub mutations: Vec<Mutation>,
    /// How many of the requested keys are answered, counted from the first. At least one if any was
    /// requested.
    pub answered: usize,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// The reason, as a sentence for logs and status.
    pub reason: String,
    /// Whether trying again soon is pointless.
    pub permanent: bool,
}

impl Goodbye {
    /// Ends the stream for this reason, which may be gone at the next try.
    #[must_use]
    pub fn for_now(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            permanent: false,
        }
    }
}

/// The weight of a mutation in windows and batches, bytes: key, image, metadata, and an allowance
/// for the rest.
#[must_use]
pub fn weight(mutation: &Mutation) -> usize {
    const REST: usize = 64;
    mutation.bytes() + REST
}

impl Batch {
    /// The weight of the batch in the window, bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FRAME: usize = 64;
        FRAME + self.mutations.iter().map(weight).sum::<usize>() + self.progress.len() * FRAME
    }
}
