//! Checks consistency inside a region: the region's own writes, its consistent reads and its
//! refusals of one key are linearizable, if the writes of other regions may arrive at any time.
//!
//! A region that lost what it had is judged from then on as if it began. Its writes that were lost
//! with it have no version, so the key is not judged from such a write until the loss. Where the
//! time of the loss is not known, since the replica was bootstrapped during the run, the region may
//! start over at any time.

mod history;
mod refusals;
mod replica;

use beringia_linearizability::{Decision, Obstacle, Operation, check};

use self::{
    history::{Answer, Entry, OfReplica},
    replica::{Replica, State},
};
use crate::{
    index::{Asked, Commit, Key, Table},
    violation::Violation,
};

/// The steps that a check may take: this many, and as many for each operation.
const STEPS_MAX: u64 = 100_000;
const STEPS_PER_OPERATION_MAX: u64 = 200;

/// Judges all keys of a table in all regions, and finds reads of writes that never became durable.
/// Returns the number of keys and regions for which the check took too many steps.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) -> u64 {
    let histories = history::of(table, violations);
    refusals::compare(table, violations);
    let mut undecided = 0;
    let mut since: Option<(&str, Vec<u64>)> = None;
    for ((key_text, region), history) in &histories {
        let Some(key) = table.keys.get(key_text) else {
            continue;
        };
        if since.as_ref().is_none_or(|(of, _)| of != key_text) {
            since = Some((key_text, sent_us(key)));
        }
        let place = Place {
            table,
            key,
            key_text,
            region,
            sent_us: since.as_ref().map_or(&[], |(_, since)| since),
        };
        undecided += u64::from(place.judge(history, violations).is_none());
    }
    undecided
}

/// Returns when each commit of a key was sent at the earliest, in microseconds.
fn sent_us(key: &Key<'_>) -> Vec<u64> {
    let of = |commit: &Commit<'_>| match commit.asked {
        Some(asked) if !commit.is_delete() => key.asked[asked].operation.sent_us,
        _ => commit.since_us,
    };
    key.commits.iter().map(of).collect()
}

/// A key in a region.
struct Place<'t, 'a> {
    table: &'t Table<'a>,
    key: &'t Key<'a>,
    key_text: &'a str,
    region: &'a str,
    /// When each commit of the key was sent, in microseconds.
    sent_us: &'t [u64],
}

/// The search took too many steps.
struct Undecided;

impl Place<'_, '_> {
    /// Judges one life of the region's replica after the other: each ends with a lost disk. Returns
    /// `None` if the search took too many steps.
    fn judge(&self, history: &OfReplica<'_>, violations: &mut Vec<Violation>) -> Option<()> {
        let lost = self.table.lost_disks.iter().filter(|disk| disk.region == self.region);
        let lost_us: Vec<u64> = lost.map(|disk| disk.at_us).collect();
        let starts = std::iter::once(0).chain(lost_us.iter().copied());
        for (life, from_us) in starts.enumerate() {
            let end_us = lost_us.get(life).copied().unwrap_or(u64::MAX);
            let missing = history.missing_us.iter().filter(|sent_us| **sent_us >= from_us);
            let until_us = missing.min().map_or(end_us, |missing| end_us.min(*missing));
            let is_of_life = |entry: &&Entry<'_>| {
                // What was sent before a loss and got no answer can have been done before or after
                // it.
                let is_sure = end_us == u64::MAX || entry.done_us.is_some();
                let done_us = entry.done_us.unwrap_or(entry.sent_us);
                is_sure && entry.sent_us >= from_us && done_us < until_us
            };
            let entries: Vec<&Entry<'_>> = history.entries.iter().filter(is_of_life).collect();
            match self.judge_life(&entries, life) {
                Ok(Some((entry, states))) => violations.push(self.violation(entry, &states)),
                Ok(None) => {}
                Err(Undecided) => return None,
            }
        }
        Some(())
    }

    /// Returns the operation that has no place, and states in which the region can have been.
    fn judge_life<'e, 'b>(
        &self,
        entries: &[&'e Entry<'b>],
        life: usize,
    ) -> Result<Option<(&'e Entry<'b>, Vec<State>)>, Undecided> {
        if entries.is_empty() {
            return Ok(None);
        }
        let may_start_over = self.table.evidence.bootstrapped.contains(self.region);
        let mut arrives_us: Vec<Option<u64>> = self.sent_us.iter().copied().map(Some).collect();
        for entry in entries {
            if let Some(position) = entry.position() {
                arrives_us[position] = may_start_over.then(|| entry.done_us.unwrap_or(entry.sent_us));
            }
        }
        // What the region has at the beginning of its life: what was loaded, or was not lost.
        let is_there = |commit: &Commit<'_>| {
            let asked = commit.asked.map(|asked| &self.key.asked[asked]);
            asked.is_some_and(|asked| match life {
                0 => asked.is_load,
                _ => self.survived(asked, commit, life),
            })
        };
        let commits = self.key.commits.iter().enumerate().rev();
        let mut own = commits.filter(|(_, commit)| commit.origin == self.region);
        let first = own.find(|(_, commit)| is_there(commit)).map(|(position, _)| position);
        let replica = Replica {
            key: self.key,
            merging: self.table.rules.merging,
            first,
            arrives_us,
            may_start_over,
        };
        let operation = |entry: &&Entry<'_>| Operation {
            call: entry.call,
            called: entry.sent_us,
            returned: entry.done_us,
        };
        let operations: Vec<_> = entries.iter().map(operation).collect();
        let steps_max = STEPS_MAX + STEPS_PER_OPERATION_MAX * operations.len() as u64;
        match check(&replica, &operations, steps_max) {
            Decision::Linearizable => Ok(None),
            Decision::Impossible(Obstacle { operation, states }) => Ok(Some((entries[operation], states))),
            Decision::Undecided => Err(Undecided),
        }
    }

    /// Returns whether the region made a write in an earlier life, and has it in this one for sure.
    fn survived(&self, asked: &Asked<'_>, commit: &Commit<'_>, life: usize) -> bool {
        let lives = self.table.lives_with(asked.operation, commit.version());
        lives.start < life && lives.contains(&life)
    }

    fn violation(&self, entry: &Entry<'_>, states: &[State]) -> Violation {
        let (table, key) = (self.table.name.to_owned(), self.key_text.to_owned());
        let (region, sent_ms) = (self.region.to_owned(), entry.sent_us / 1_000);
        let state = |state: &State| state.map_or_else(|| "nothing".to_owned(), |position| self.shown(position));
        let held = states.iter().map(state).collect::<Vec<_>>().join(" or ");
        match entry.answer {
            Answer::Saw(marker) => Violation::InconsistentRead {
                table,
                region,
                key,
                sent_ms,
                seen: marker.unwrap_or("nothing").to_owned(),
                held,
            },
            Answer::Wrote(marker) => Violation::WrittenOutOfTurn {
                table,
                region,
                key,
                sent_ms,
                marker: marker.to_owned(),
                held,
            },
            Answer::Refused(marker) => Violation::RefusedWithoutCause {
                table,
                region,
                key,
                sent_ms,
                marker: marker.to_owned(),
                held,
            },
        }
    }

    /// What a region shows under the key after a commit.
    fn shown(&self, position: usize) -> String {
        let held = &self.key.commits[position].logged.held;
        held.marker().unwrap_or("nothing").to_owned()
    }
}
