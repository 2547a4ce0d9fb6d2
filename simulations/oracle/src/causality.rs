//! Anomalies between items: a client sees a write, and then misses another that came before it.
//!
//! What came before a write is told in two ways: by its causal context, which has everything that
//! its region had applied, and by the session of the client that made it, which read and wrote
//! before. The second needs no vectors.

use std::collections::BTreeMap;

use beringia_history::{Operation, OperationOutcome, Seen};
use beringia_item::VersionVector;

use crate::{
    index::{Among, Key, Table},
    sightings::{Kind, Observed, Sight, Sightings, saw},
};

/// Finds causal violations, and violations of the session guarantees that span items (Terry et al.,
/// "Session guarantees for weakly consistent replicated data", 1994): monotonic writes, and writes
/// that follow reads. All are judged in the region's favour: a read that saw something newer than
/// what it had to see is content.
pub(crate) fn find(table: &Table<'_>, observed: &[Observed<'_>], sightings: &mut Sightings) {
    let sessions = Sessions::of(table, observed, sightings);
    let mut readers: BTreeMap<u32, Reader<'_>> = BTreeMap::new();
    for (operation, sights) in observed {
        let reader = readers.entry(operation.client).or_default();
        for (seen, sight) in operation.reads.iter().zip(sights) {
            if let Some(Sight::Commit(position)) = sight {
                reader.learn(table, &sessions, operation.client, &seen.key, *position);
            }
        }
        for (seen, sight) in operation.reads.iter().zip(sights) {
            let Some(sight) = *sight else { continue };
            reader.check(table, &sessions, (operation, seen, sight), sightings);
        }
        reader.advance(operation, sights, &sessions);
    }
}

/// For a client, the greatest position of a key that it had read or written, by its turn.
type ByTurn = BTreeMap<u32, Vec<(usize, usize)>>;

/// What each client did, in its own order.
#[derive(Default)]
struct Sessions<'a> {
    keys: BTreeMap<&'a str, OfKey<'a>>,
    /// The client and the turn of each write, by marker. A client's operations have the turns 0, 1
    /// and so on.
    turns: BTreeMap<&'a str, (u32, usize)>,
}

#[derive(Default)]
struct OfKey<'a> {
    /// All commits, for finding those that a causal context covers.
    commits: Option<Among<'a>>,
    read: ByTurn,
    written: ByTurn,
}

impl<'a> Sessions<'a> {
    /// Notes clients whose later write to an item has a lower version than an earlier one.
    fn of(table: &Table<'a>, observed: &[Observed<'a>], sightings: &mut Sightings) -> Self {
        let mut sessions = Self::default();
        for (name, key) in &table.keys {
            let all: Vec<usize> = (0..key.commits.len()).collect();
            sessions.keys.entry(name).or_default().commits = Some(Among::new(&key.commits, &all));
        }
        let mut next: BTreeMap<u32, usize> = BTreeMap::new();
        for (operation, sights) in observed {
            let turn = next.entry(operation.client).or_default();
            for (seen, sight) in operation.reads.iter().zip(sights) {
                if let Some(Sight::Commit(position)) = sight {
                    let read = &mut sessions.keys.entry(&seen.key).or_default().read;
                    raise(read.entry(operation.client).or_default(), *turn, *position);
                }
            }
            for write in &operation.writes {
                sessions.turns.insert(&write.marker, (operation.client, *turn));
                let position = table.position_of(&write.key, &write.marker);
                let Some(position) = position.filter(|_| operation.outcome == OperationOutcome::Ok) else {
                    continue;
                };
                let written = &mut sessions.keys.entry(&write.key).or_default().written;
                let written = written.entry(operation.client).or_default();
                if written.last().is_some_and(|(_, before)| *before > position) {
                    sightings.note(Kind::MonotonicWrites, 1, None, || {
                        format!(
                            "{} ms: {} of client {} to {} {} in {} has a lower version than its own earlier write",
                            operation.sent_us / 1_000,
                            write.marker,
                            operation.client,
                            table.name,
                            write.key,
                            operation.region
                        )
                    });
                }
                raise(written, *turn, position);
            }
            *turn += 1;
        }
        sessions
    }
}

/// Adds the greatest position so far.
fn raise(list: &mut Vec<(usize, usize)>, turn: usize, position: usize) {
    let before = list.last().map_or(position, |(_, before)| *before);
    list.push((turn, position.max(before)));
}

/// What a client has to see from now on, from what it has seen.
#[derive(Default)]
struct Reader<'a> {
    /// The union of what it saw, with the causal contexts.
    context: VersionVector,
    /// For each other client, the turn of the latest of its writes that this client saw.
    others: BTreeMap<u32, usize>,
    /// For each key, the greatest position that the client itself read or wrote.
    own: BTreeMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn learn(&mut self, table: &Table<'_>, sessions: &Sessions<'_>, client: u32, key: &str, position: usize) {
        let Some(key) = table.keys.get(key) else { return };
        let commit = &key.commits[position];
        self.context.merge(&commit.logged.causal_context);
        self.context
            .advance(&commit.version().origin, commit.version().sequence);
        let marker = commit.asked.map(|asked| key.asked[asked].write.marker.as_str());
        let Some((writer, turn)) = marker.and_then(|marker| sessions.turns.get(marker)) else {
            return;
        };
        if *writer != client {
            let latest = self.others.entry(*writer).or_default();
            *latest = (*turn).max(*latest);
        }
    }

    /// Notes what a read misses, at most once of each kind. What the client itself had read or
    /// written is left to `non-monotonic-read` and `read-your-writes`.
    fn check(
        &self,
        table: &Table<'_>,
        sessions: &Sessions<'_>,
        (operation, seen, sight): (&Operation, &Seen, Sight),
        sightings: &mut Sightings,
    ) {
        let key = seen.key.as_str();
        let (Some(of_key), Some(commits)) = (sessions.keys.get(key), table.keys.get(key)) else {
            return;
        };
        if self.own.get(key).is_some_and(|own| sight < Sight::Commit(*own)) {
            return;
        }
        let is_missed = |position: &usize| sight < Sight::Commit(*position);
        let covered = of_key
            .commits
            .as_ref()
            .and_then(|commits| commits.last_covered(&self.context));
        let mut note = |kind, missed: Option<usize>, why: &str| {
            if let Some(missed) = missed.filter(is_missed) {
                sightings.note(kind, 1, None, || {
                    let missed = shown(commits, missed);
                    format!("{} and not {missed}, {why}", saw(operation, seen))
                });
            }
        };
        note(
            Kind::CausalViolation,
            covered,
            "on which something causally depends that the client had seen",
        );
        let before = |by_turn: &ByTurn, count: fn(usize) -> usize| {
            let of_client = |(client, list): (&u32, &Vec<(usize, usize)>)| {
                let end = count(*self.others.get(client)?);
                let last = list.partition_point(|(turn, _)| *turn < end).checked_sub(1)?;
                Some(list[last].1)
            };
            by_turn.iter().filter_map(of_client).max()
        };
        // A client's reads come before the write of the same operation.
        note(
            Kind::WritesFollowReads,
            before(&of_key.read, |turn| turn + 1),
            "which another client had read before a write of its own that the client had seen",
        );
        note(
            Kind::MonotonicWrites,
            before(&of_key.written, |turn| turn),
            "which another client had written before a write of its own that the client had seen",
        );
    }

    /// Records what the client itself read and wrote by this operation.
    fn advance(&mut self, operation: &'a Operation, sights: &[Option<Sight>], sessions: &Sessions<'_>) {
        let mut raise = |key: &'a str, position: usize| {
            let own = self.own.entry(key).or_default();
            *own = position.max(*own);
        };
        for (seen, sight) in operation.reads.iter().zip(sights) {
            if let Some(Sight::Commit(position)) = sight {
                raise(&seen.key, *position);
            }
        }
        for write in &operation.writes {
            let written = sessions.keys.get(write.key.as_str()).map(|key| &key.written);
            let turn = sessions.turns.get(write.marker.as_str());
            let list = written.and_then(|written| written.get(&operation.client));
            if let (Some(list), Some((_, turn))) = (list, turn) {
                let end = list.partition_point(|(other, _)| other <= turn);
                end.checked_sub(1)
                    .into_iter()
                    .for_each(|last| raise(&write.key, list[last].1));
            }
        }
    }
}

fn shown(key: &Key<'_>, position: usize) -> String {
    let commit = &key.commits[position];
    match commit.asked {
        Some(asked) => key.asked[asked].write.marker.clone(),
        None => format!("the write with version {:?}", commit.version()),
    }
}
