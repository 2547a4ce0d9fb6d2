//! Anomalies between items: a client sees a write, and then misses another that came before it.
//!
//! What came before a write is told in two ways: by its causal context, which has everything that
//! its region had applied, and by the session of the client that made it, which read and wrote
//! before. The second needs no vectors.
//!
//! Writes of one origin become visible in their order, in every region. So a client that stays in
//! one region and reads consistently misses none that came before one that it saw; otherwise the
//! region has broken a promise.

use std::collections::BTreeMap;

use beringia_history::{Operation, OperationOutcome, Seen};
use beringia_item::{Version, VersionVector};

use crate::{
    index::{Among, Asked, Key, Table},
    sightings::{Kind, Observed, Sight, Sightings, saw},
    violation::Violation,
};

/// Finds causal violations, and violations of the session guarantees that span items (Terry et al.,
/// "Session guarantees for weakly consistent replicated data", 1994): monotonic writes, and writes
/// that follow reads. All are judged in the region's favour: a read that saw something newer than
/// what it had to see is content.
///
/// `keys` are those of the table, by their numbers.
pub(crate) fn find<'a>(
    table: &Table<'_>,
    keys: &[&Key<'_>],
    observed: &[Observed<'a>],
    sightings: &mut Sightings,
    violations: &mut Vec<Violation>,
) {
    let sessions = Sessions::of(table, keys, observed, sightings);
    let mut readers: BTreeMap<u32, Reader<'a>> = BTreeMap::new();
    for observation in observed {
        let operation = observation.operation;
        let reader = readers.entry(operation.client).or_default();
        for (key, position) in observation.commits() {
            reader.learn(keys[key], &sessions.keys[key], operation.client, position);
        }
        for (seen, key, sight) in observation.reads() {
            // What the client itself had read or written is left to `non-monotonic-read`,
            // `read-your-writes` and the consistency of its region.
            if !reader.knows_newer(key, sight) {
                let of_key = (keys[key], &sessions.keys[key]);
                reader.check(of_key, (operation, seen, sight), sightings);
                reader.check_order(table, of_key, (operation, seen, sight), violations);
            }
        }
        reader.see(table, keys, observation);
        reader.advance(observation, &sessions);
    }
}

/// For a client, the greatest position of a key that it had read or written, by its turn.
type ByTurn = BTreeMap<u32, Vec<(usize, usize)>>;

/// What each client did, in its own order. A client's operations have the turns 0, 1 and so on.
struct Sessions<'a> {
    /// By the number of the key.
    keys: Vec<OfKey<'a>>,
}

struct OfKey<'a> {
    /// All commits, for finding those that a causal context covers.
    commits: Among<'a>,
    /// The turn of each write of the load that was asked for, by its index.
    turns: Vec<Option<usize>>,
    read: ByTurn,
    written: ByTurn,
}

impl<'a> Sessions<'a> {
    /// Notes clients whose later write to an item has a lower version than an earlier one.
    fn of(table: &Table<'_>, keys: &[&Key<'a>], observed: &[Observed<'_>], sightings: &mut Sightings) -> Self {
        let of_key = |key: &&Key<'a>| {
            let all: Vec<usize> = (0..key.commits.len()).collect();
            OfKey {
                commits: Among::new(&key.commits, &all),
                turns: vec![None; key.asked.len()],
                read: ByTurn::new(),
                written: ByTurn::new(),
            }
        };
        let mut of_keys: Vec<OfKey<'_>> = keys.iter().map(of_key).collect();
        let mut next: BTreeMap<u32, usize> = BTreeMap::new();
        for observation in observed {
            let operation = observation.operation;
            let turn = next.entry(operation.client).or_default();
            for (key, position) in observation.commits() {
                let read = &mut of_keys[key].read;
                raise(read.entry(operation.client).or_default(), *turn, position);
            }
            for (key, index) in &observation.writes {
                of_keys[*key].turns[*index] = Some(*turn);
                let Asked { write, position, .. } = &keys[*key].asked[*index];
                let Some(position) = position.filter(|_| operation.outcome == OperationOutcome::Ok) else {
                    continue;
                };
                let written = of_keys[*key].written.entry(operation.client).or_default();
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
        Self { keys: of_keys }
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
    /// The turn of its next operation.
    turn: usize,
    /// The union of what it saw, with the causal contexts.
    context: VersionVector,
    /// For each other client that made a write that this client saw, the turn of the latest, in the
    /// order of the clients' numbers.
    others: Vec<(u32, usize)>,
    /// For each key, the greatest position that the client itself read or wrote.
    own: BTreeMap<usize, usize>,
    /// The region that it called last, and the greatest sequences that consistent reads showed it
    /// there.
    seen: (&'a str, VersionVector),
}

impl<'a> Reader<'a> {
    fn learn(&mut self, key: &Key<'_>, of_key: &OfKey<'_>, client: u32, position: usize) {
        let commit = &key.commits[position];
        self.context.merge(&commit.logged.causal_context);
        self.context
            .advance(&commit.version().origin, commit.version().sequence);
        let asked = commit
            .asked
            .map(|asked| (key.asked[asked].operation.client, of_key.turns[asked]));
        let Some((writer, Some(turn))) = asked else {
            return;
        };
        if writer != client {
            match self.others.binary_search_by_key(&writer, |(client, _)| *client) {
                Ok(found) => self.others[found].1 = turn.max(self.others[found].1),
                Err(place) => self.others.insert(place, (writer, turn)),
            }
        }
    }

    /// Returns whether the client itself had read or written something newer under a key.
    fn knows_newer(&self, key: usize, sight: Sight) -> bool {
        self.own.get(&key).is_some_and(|own| sight < Sight::Commit(*own))
    }

    /// Notes what a read misses, at most once of each kind.
    fn check(
        &self,
        (key, of_key): (&Key<'_>, &OfKey<'_>),
        (operation, seen, sight): (&Operation, &Seen, Sight),
        sightings: &mut Sightings,
    ) {
        let is_missed = |position: &usize| sight < Sight::Commit(*position);
        let covered = of_key.commits.last_covered(&self.context);
        let mut note = |kind, missed: Option<usize>, why: &str| {
            if let Some(missed) = missed.filter(is_missed) {
                sightings.note(kind, 1, None, || {
                    let missed = shown(key, missed);
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
            let mut others = self.others.iter().peekable();
            let of_client = |(client, list): (&u32, &Vec<(usize, usize)>)| {
                while others.next_if(|(other, _)| other < client).is_some() {}
                let (_, turn) = others.next_if(|(other, _)| other == client)?;
                let end = count(*turn);
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

    /// Finds a consistent read that misses a write, although the client had seen a later one of the
    /// same origin in the same region.
    fn check_order(
        &self,
        table: &Table<'_>,
        (key, of_key): (&Key<'_>, &OfKey<'_>),
        (operation, seen, sight): (&Operation, &Seen, Sight),
        violations: &mut Vec<Violation>,
    ) {
        let (region, shown_there) = &self.seen;
        if !seen.is_consistent || *region != operation.region || table.may_be_copied(operation) {
            return;
        }
        let missed = of_key.commits.last_covered(shown_there);
        if let Some(missed) = missed.filter(|missed| sight < Sight::Commit(*missed)) {
            violations.push(Violation::ReadOutOfOrder {
                table: table.name.to_owned(),
                region: operation.region.clone(),
                key: seen.key.clone(),
                sent_ms: operation.sent_us / 1_000,
                seen: seen.marker.clone().unwrap_or_else(|| "nothing".to_owned()),
                missed: shown(key, missed),
            });
        }
    }

    /// Records what consistent reads showed, but for origins that lost a disk: their sequences
    /// began lower again.
    fn see(&mut self, table: &Table<'_>, keys: &[&Key<'_>], observation: &Observed<'a>) {
        let operation = observation.operation;
        if self.seen.0 != operation.region {
            self.seen = (&operation.region, VersionVector::default());
        }
        for (seen, key, sight) in observation.reads() {
            let (true, Sight::Commit(position)) = (seen.is_consistent && seen.marker.is_some(), sight) else {
                continue;
            };
            let commit = &keys[key].commits[position];
            if table.lost_disks.iter().all(|disk| disk.region != commit.origin) {
                let Version { origin, sequence, .. } = commit.version();
                self.seen.1.advance(origin, *sequence);
            }
        }
    }

    /// Records what the client itself read and wrote by this operation.
    fn advance(&mut self, observation: &Observed<'_>, sessions: &Sessions<'_>) {
        let mut raise = |key: usize, position: usize| {
            let own = self.own.entry(key).or_default();
            *own = position.max(*own);
        };
        for (key, position) in observation.commits() {
            raise(key, position);
        }
        for (key, _) in &observation.writes {
            let list = sessions.keys[*key].written.get(&observation.operation.client);
            let list = list.map_or(&[][..], Vec::as_slice);
            let end = list.partition_point(|(other, _)| *other <= self.turn);
            end.checked_sub(1)
                .into_iter()
                .for_each(|last| raise(*key, list[last].1));
        }
        self.turn += 1;
    }
}

fn shown(key: &Key<'_>, position: usize) -> String {
    let commit = &key.commits[position];
    match commit.asked {
        Some(asked) => key.asked[asked].write.marker.clone(),
        None => format!("the write with version {:?}", commit.version()),
    }
}
