//! The histories of keys in regions: operations with their answers, as the checker takes them.

use std::collections::BTreeMap;

use beringia_history::{Basis, Effect, Operation, OperationOutcome, READ_MODIFY_WRITE, Seen, Write};

use super::replica::{Call, Condition};
use crate::{
    index::{Key, Table},
    violation::Violation,
};

/// The histories by key and region.
pub(super) type Histories<'a> = BTreeMap<(&'a str, &'a str), OfReplica<'a>>;

/// The operations of one key in one region.
#[derive(Default)]
pub(super) struct OfReplica<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    /// When writes were sent that the region may have had, and that are in no log.
    pub(super) missing_us: Vec<u64>,
}

/// An operation on one key.
pub(super) struct Entry<'a> {
    pub(super) call: Call,
    pub(super) sent_us: u64,
    /// When it was answered; `None` if it was not.
    pub(super) done_us: Option<u64>,
    pub(super) answer: Answer<'a>,
}

/// The answer to an operation, for people.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    /// The marker that a read saw; `None` for no item.
    Saw(Option<&'a str>),
    /// The marker of the write that was made.
    Wrote(&'a str),
    /// The marker of the write that was refused.
    Refused(&'a str),
}

impl Entry<'_> {
    /// The position of the operation's commit, if it wrote.
    pub(super) fn position(&self) -> Option<usize> {
        match self.call {
            Call::Write(position, _) => Some(position),
            Call::Read(_) | Call::Refused(_) => None,
        }
    }
}

/// Gathers the histories of a table. Reads of writes that never became durable are violations.
pub(super) fn of<'a>(table: &Table<'a>, violations: &mut Vec<Violation>) -> Histories<'a> {
    let mut gathering = Gathering {
        table,
        histories: Histories::new(),
    };
    for operation in &table.operations {
        for seen in &operation.reads {
            gathering.read(operation, seen, violations);
        }
        for (place, write) in operation.writes.iter().enumerate() {
            gathering.write(operation, place, write);
        }
        for (place, key) in (operation.writes.len()..).zip(&operation.checked) {
            gathering.check(operation, place, key);
        }
    }
    gathering.histories
}

struct Gathering<'t, 'a> {
    table: &'t Table<'a>,
    histories: Histories<'a>,
}

impl<'a> Gathering<'_, 'a> {
    fn history(&mut self, operation: &'a Operation, key: &'a str) -> &mut OfReplica<'a> {
        self.histories.entry((key, &operation.region)).or_default()
    }

    fn add(&mut self, operation: &'a Operation, key: &'a str, call: Call, answer: Answer<'a>) {
        let done_us = (operation.outcome != OperationOutcome::Unknown).then_some(operation.done_us);
        self.history(operation, key).entries.push(Entry {
            call,
            sent_us: operation.sent_us,
            // A read without an answer is not in the history.
            done_us: match answer {
                Answer::Saw(_) => Some(operation.done_us),
                Answer::Wrote(_) | Answer::Refused(_) => done_us,
            },
            answer,
        });
    }

    fn read(&mut self, operation: &'a Operation, seen: &'a Seen, violations: &mut Vec<Violation>) {
        let key = self.table.keys.get(seen.key.as_str());
        let condition = match (&seen.marker, key) {
            (None, _) => Condition::NoItem,
            (Some(marker), Some(key)) => match key.of_marker(marker) {
                Some(asked) => match asked.position {
                    Some(position) => Condition::Commit(position),
                    None => {
                        if !self.table.may_be_gone(key, asked) {
                            violations.push(Violation::SeenUndurable {
                                table: self.table.name.to_owned(),
                                region: operation.region.clone(),
                                key: seen.key.clone(),
                                marker: marker.clone(),
                            });
                        }
                        return;
                    }
                },
                None => return,
            },
            (Some(_), None) => return,
        };
        // What a write replaced is part of the write's condition.
        let is_replaced =
            operation.name != READ_MODIFY_WRITE && operation.writes.iter().any(|write| write.key == seen.key);
        if seen.is_consistent && !is_replaced {
            let answer = Answer::Saw(seen.marker.as_deref());
            self.add(operation, &seen.key, Call::Read(condition), answer);
        }
    }

    fn write(&mut self, operation: &'a Operation, place: usize, write: &'a Write) {
        let Some(key) = self.table.keys.get(write.key.as_str()) else {
            return;
        };
        match &operation.outcome {
            OperationOutcome::Ok | OperationOutcome::Unknown | OperationOutcome::Unreported => {
                self.committed(operation, key, write);
            }
            OperationOutcome::Refused(kind) if kind == "ConditionalCheckFailedException" => {
                self.refused(operation, key, write);
            }
            OperationOutcome::Refused(_) => {
                if has_failed_check(operation, place) {
                    self.refused(operation, key, write);
                }
            }
            OperationOutcome::Unreachable => {}
        }
    }

    /// A check that an item is as the operation had read it.
    fn check(&mut self, operation: &'a Operation, place: usize, key_text: &'a str) {
        if !has_failed_check(operation, place) {
            return;
        }
        let seen = operation.reads.iter().find(|seen| seen.key == key_text);
        let (Some(seen), Some(write)) = (seen, operation.writes.first()) else {
            return;
        };
        let basis = Basis::unchanged(seen.marker.clone());
        let key = self.table.keys.get(key_text);
        if let Some(condition) = key.and_then(|key| condition(key, &basis)) {
            let answer = Answer::Refused(&write.marker);
            self.add(operation, key_text, Call::Refused(condition), answer);
        }
    }

    fn committed(&mut self, operation: &'a Operation, key: &Key<'a>, write: &'a Write) {
        let Some(asked) = key.of_marker(&write.marker) else {
            return;
        };
        let Some(position) = asked.position else {
            // A write without an answer that is in no log did not happen, except that its region
            // may have lost it.
            if asked.is_acknowledged() || self.table.lost_after(asked).is_some() || self.may_lose(operation) {
                self.history(operation, &write.key).missing_us.push(operation.sent_us);
            }
            return;
        };
        let condition = if write.effect == Effect::Delete {
            // Only a delete that says what it removed certainly made its tombstone.
            match asked.replaced().and_then(|removed| key.of_marker(removed)?.position) {
                Some(removed) => Condition::Commit(removed),
                None => return,
            }
        } else {
            condition(key, &write.based_on).unwrap_or(Condition::Anything)
        };
        let call = Call::Write(position, condition);
        self.add(operation, &write.key, call, Answer::Wrote(&write.marker));
    }

    fn may_lose(&self, operation: &Operation) -> bool {
        self.table.evidence.bootstrapped.contains(&operation.region)
    }

    fn refused(&mut self, operation: &'a Operation, key: &Key<'a>, write: &'a Write) {
        if let Some(condition) = condition(key, &write.based_on) {
            let answer = Answer::Refused(&write.marker);
            self.add(operation, &write.key, Call::Refused(condition), answer);
        }
    }
}

/// Returns whether a transaction was cancelled because the condition of this place did not hold.
fn has_failed_check(operation: &Operation, place: usize) -> bool {
    let reason = operation.cancellations.get(place);
    reason.is_some_and(|code| code == "ConditionalCheckFailed")
}

/// A write's condition by position; `None` if it is not known, or names a write that is in no log.
fn condition(key: &Key<'_>, basis: &Basis) -> Option<Condition> {
    Some(match basis {
        Basis::Anything => Condition::Anything,
        Basis::NoItem => Condition::NoItem,
        Basis::Item => Condition::Item,
        Basis::AtLeast(least) => Condition::AtLeast(*least),
        Basis::Marker(marker) => Condition::Commit(key.of_marker(marker)?.position?),
        Basis::Recorded => return None,
    })
}
