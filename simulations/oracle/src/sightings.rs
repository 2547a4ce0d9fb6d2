//! What clients saw, and the anomalies in it: their kinds, numbers, worst cases and examples.

use std::collections::BTreeMap;

use beringia_history::{Operation, Seen};

/// A kind of anomaly, and how often clients could see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Anomaly {
    /// The name, such as `stale-read`; docs/simulation.md lists all.
    pub name: &'static str,
    /// How often clients could see it.
    pub count: u64,
    /// The worst case in milliseconds: how long a read was behind. `None` if the kind has no
    /// duration.
    pub worst_ms: Option<f64>,
    /// The worst case (or the first) in words.
    pub example: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A read misses a write that was acknowledged, by any region, before the read was sent.
    StaleRead,
    /// An update that was added to, or derived from, the earlier item is missing from the final
    /// item.
    LostUpdate,
    /// A client sees an older write than it saw before.
    NonMonotonicRead,
    /// A client misses its own write.
    ReadYourWrites,
    /// A transactional read sees one write of a transaction and misses another.
    TornTransaction,
    /// More was taken than there ever was; counted by the amount taken.
    Oversold,
    /// The numbers of a transactional read do not have the sum that they must always have.
    SumNotConstant,
    /// A client saw a write, and misses one to another item that it causally depends on.
    CausalViolation,
    /// A client's later write loses to its earlier one, or is seen without it.
    MonotonicWrites,
    /// A client's write is seen without what the client had read before it.
    WritesFollowReads,
    /// Two reads of several items each see a write that the other one misses.
    LongFork,
    /// Two transactions each read what the other wrote, and neither saw it.
    WriteSkew,
}

const KINDS: [(Kind, &str); 12] = [
    (Kind::StaleRead, "stale-read"),
    (Kind::LostUpdate, "lost-update"),
    (Kind::NonMonotonicRead, "non-monotonic-read"),
    (Kind::ReadYourWrites, "read-your-writes"),
    (Kind::TornTransaction, "torn-transaction"),
    (Kind::Oversold, "oversold"),
    (Kind::SumNotConstant, "sum-not-constant"),
    (Kind::CausalViolation, "causal-violation"),
    (Kind::MonotonicWrites, "monotonic-writes"),
    (Kind::WritesFollowReads, "writes-follow-reads"),
    (Kind::LongFork, "long-fork"),
    (Kind::WriteSkew, "write-skew"),
];

/// The anomalies found so far, by kind: their number, the worst duration in microseconds, and an
/// example.
#[derive(Debug, Default)]
pub(crate) struct Sightings(BTreeMap<Kind, (u64, Option<u64>, Option<String>)>);

impl Sightings {
    pub(crate) fn note(&mut self, kind: Kind, count: u64, worst_us: Option<u64>, example: impl FnOnce() -> String) {
        let (sum, worst, shown) = self.0.entry(kind).or_default();
        *sum += count;
        if shown.is_none() || worst_us > *worst {
            *shown = Some(example());
            *worst = worst_us;
        }
    }

    pub(crate) fn results(mut self) -> Vec<Anomaly> {
        let of_kind = |(kind, name)| {
            let (count, worst_us, example) = self.0.remove(&kind).unwrap_or_default();
            let ms = |us| std::time::Duration::from_micros(us).as_secs_f64() * 1e3;
            Anomaly {
                name,
                count,
                worst_ms: worst_us.map(ms),
                example,
            }
        };
        KINDS.into_iter().map(of_kind).collect()
    }
}

/// An operation, with what it read and wrote by number: keys are numbered in the order of
/// [`Table::keys`](crate::index::Table).
pub(crate) struct Observed<'a> {
    pub(crate) operation: &'a Operation,
    /// For each read, the number of its key; `None` if no one wrote to the key.
    pub(crate) keys: Vec<Option<usize>>,
    /// For each read, what it saw, where that is known.
    pub(crate) sights: Vec<Option<Sight>>,
    /// For each write, the number of its key and the index of the write among those asked for.
    pub(crate) writes: Vec<(usize, usize)>,
}

impl<'a> Observed<'a> {
    /// The reads of which it is known what they saw, each with the number of its key.
    pub(crate) fn reads(&self) -> impl Iterator<Item = (&'a Seen, usize, Sight)> {
        let reads = self.operation.reads.iter().zip(&self.keys).zip(&self.sights);
        reads.filter_map(|((seen, key), sight)| Some((seen, (*key)?, (*sight)?)))
    }

    /// The commits that reads saw: the number of the key, and the position.
    pub(crate) fn commits(&self) -> impl Iterator<Item = (usize, usize)> {
        self.reads().filter_map(|(_, key, sight)| match sight {
            Sight::Commit(position) => Some((key, position)),
            Sight::NoCommit => None,
        })
    }
}

/// The state of a key that a read saw, ordered from older to newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    /// The read saw the key before anything was committed to it.
    NoCommit,
    /// The read saw the commit of that position.
    Commit(usize),
}

/// What a client saw of a key, in words.
pub(crate) fn saw(operation: &Operation, seen: &Seen) -> String {
    format!(
        "{} ms: client {} in {} saw {} under {} {}",
        operation.sent_us / 1_000,
        operation.client,
        operation.region,
        seen.marker.as_deref().unwrap_or("nothing"),
        operation.workload,
        seen.key
    )
}
