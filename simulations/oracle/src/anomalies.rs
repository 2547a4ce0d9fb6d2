//! Anomalies: effects that clients can see because regions do not wait for each other.

use std::collections::BTreeMap;

use beringia_history::{Basis, Effect, Merging, Operation, OperationOutcome, Seen};

use crate::{
    causality,
    index::{Asked, Commit, Key, Table},
    outcomes::CommittedOutcome,
    sightings::{Kind, Observed, Sight, Sightings, saw},
    snapshots,
    violation::Violation,
};

/// Finds anomalies in a table, reads of writes that no client made or of other items than they
/// left, and reads of half transactions.
pub(crate) fn find(
    table: &Table<'_>,
    outcomes: &BTreeMap<&str, Vec<CommittedOutcome>>,
    sightings: &mut Sightings,
    violations: &mut Vec<Violation>,
) {
    let keys: Vec<&Key<'_>> = table.keys.values().collect();
    let mut reader = Reader {
        table,
        numbers: table.keys.keys().zip(0..).map(|(key, number)| (*key, number)).collect(),
        ages: keys.iter().map(|key| Ages::of(key)).collect(),
        keys: &keys,
        seen: BTreeMap::new(),
        wrote: BTreeMap::new(),
    };
    let mut observed: Vec<Observed<'_>> = Vec::with_capacity(table.operations.len());
    for operation in &table.operations {
        let observation = reader.observe(operation, sightings, violations);
        if operation.name == "TransactGetItems" || !operation.checked.is_empty() {
            find_torn(table, operation, &observation.sights, sightings, violations);
        }
        observed.push(observation);
    }
    causality::find(table, &keys, &observed, sightings, violations);
    snapshots::find(table, &observed, sightings);
    find_lost_updates(table, outcomes, sightings);
    if table.rules.never_below_zero {
        find_oversold(table, sightings);
    }
    if table.rules.constant_sum {
        find_wrong_sums(table, sightings);
    }
}

/// When a key's writes became known to their clients.
struct Ages {
    /// For each position, when the first of the writes from that position on was acknowledged, in
    /// microseconds.
    acknowledged_us: Vec<u64>,
    /// Deletes by the time from which they may have been sent, each with the greatest position of
    /// those sent until then.
    deleted: Vec<(u64, usize)>,
}

impl Ages {
    fn of(key: &Key<'_>) -> Self {
        let asked = |position: usize| key.commits[position].asked.map(|index| &key.asked[index]);
        let mut acknowledged_us = vec![u64::MAX; key.commits.len() + 1];
        for position in (0..key.commits.len()).rev() {
            let done_us = asked(position)
                .filter(|asked| asked.is_acknowledged())
                .map(|asked| asked.operation.done_us);
            acknowledged_us[position] = acknowledged_us[position + 1].min(done_us.unwrap_or(u64::MAX));
        }
        let deletes = (0..key.commits.len()).filter(|position| key.commits[*position].is_delete());
        let mut deleted: Vec<(u64, usize)> = deletes
            .map(|position| (key.commits[position].since_us, position))
            .collect();
        deleted.sort_unstable();
        let mut greatest = 0;
        for (_, position) in &mut deleted {
            greatest = greatest.max(*position);
            *position = greatest;
        }
        Self {
            acknowledged_us,
            deleted,
        }
    }

    /// Returns what a read of no item saw, judged in the region's favour: the greatest delete that
    /// was sent by then.
    fn of_no_item(&self, done_us: u64) -> Sight {
        let sent = self.deleted.partition_point(|(sent_us, _)| *sent_us <= done_us);
        let last = sent.checked_sub(1).map(|last| self.deleted[last].1);
        last.map_or(Sight::NoCommit, Sight::Commit)
    }

    /// Returns when the first write after the one that a read saw was acknowledged, if that was
    /// before `before_us`.
    fn newer_before(&self, seen: Sight, before_us: u64) -> Option<u64> {
        let next = match seen {
            Sight::NoCommit => 0,
            Sight::Commit(position) => position + 1,
        };
        let newer = self.acknowledged_us[next];
        (newer < before_us).then_some(newer)
    }
}

/// Goes through the operations in the order in which clients saw them.
struct Reader<'a, 'b> {
    table: &'b Table<'a>,
    numbers: BTreeMap<&'a str, usize>,
    keys: &'b [&'b Key<'a>],
    /// By the number of the key.
    ages: Vec<Ages>,
    /// For each client and key, the greatest position that the client saw.
    seen: BTreeMap<(u32, usize), usize>,
    /// For each client and key, the greatest position that was acknowledged to the client, and in
    /// which region.
    wrote: BTreeMap<(u32, usize), (usize, &'a str)>,
}

impl<'a> Reader<'a, '_> {
    /// Takes note of an operation, and returns what it read and wrote.
    fn observe(
        &mut self,
        operation: &'a Operation,
        sightings: &mut Sightings,
        violations: &mut Vec<Violation>,
    ) -> Observed<'a> {
        let reads = operation.reads.iter();
        let keys: Vec<Option<usize>> = reads.map(|seen| self.number_of(&seen.key)).collect();
        let sights = self.read(operation, &keys, sightings, violations);
        let asked = operation.writes.iter().filter_map(|write| {
            let number = self.number_of(&write.key)?;
            Some((number, self.keys[number].index_of_marker(&write.marker)?))
        });
        let writes: Vec<(usize, usize)> = asked.collect();
        if operation.outcome == OperationOutcome::Ok {
            self.write(operation, &writes);
        }
        Observed {
            operation,
            keys,
            sights,
            writes,
        }
    }

    fn number_of(&self, key: &str) -> Option<usize> {
        self.numbers.get(key).copied()
    }

    /// Returns what each read saw, where that is known. `keys` has the number of each read's key.
    fn read(
        &mut self,
        operation: &'a Operation,
        keys: &[Option<usize>],
        sightings: &mut Sightings,
        violations: &mut Vec<Violation>,
    ) -> Vec<Option<Sight>> {
        let mut sights = Vec::with_capacity(operation.reads.len());
        for (seen, key) in operation.reads.iter().zip(keys) {
            let sight = self.sight_of(operation, seen, *key, violations);
            sights.push(sight);
            let (Some(sight), Some(key)) = (sight, *key) else {
                continue;
            };
            let ages = &self.ages[key];
            if let Some(newer_us) = ages.newer_before(sight, operation.sent_us) {
                let stale_us = operation.sent_us - newer_us;
                sightings.note(Kind::StaleRead, 1, Some(stale_us), || {
                    format!(
                        "{} {} ms after a newer write was acknowledged",
                        saw(operation, seen),
                        stale_us / 1_000
                    )
                });
            }
            let session = (operation.client, key);
            match (self.wrote.get(&session), self.seen.get(&session)) {
                (Some((wrote, written_in)), _) if sight < Sight::Commit(*wrote) => {
                    sightings.note(Kind::ReadYourWrites, 1, None, || {
                        format!(
                            "{}, after it had written something newer in {written_in}",
                            saw(operation, seen)
                        )
                    });
                }
                (_, Some(before)) if sight < Sight::Commit(*before) => {
                    sightings.note(Kind::NonMonotonicRead, 1, None, || {
                        format!("{}, after it had seen something newer", saw(operation, seen))
                    });
                }
                _ => {}
            }
            if let Sight::Commit(position) = sight {
                let greatest = self.seen.entry(session).or_default();
                *greatest = position.max(*greatest);
            }
        }
        sights
    }

    fn sight_of(
        &self,
        operation: &Operation,
        seen: &Seen,
        key: Option<usize>,
        violations: &mut Vec<Violation>,
    ) -> Option<Sight> {
        let Some(marker) = &seen.marker else {
            return Some(self.ages[key?].of_no_item(operation.done_us));
        };
        let asked = key.and_then(|key| self.keys[key].of_marker(marker));
        if asked.is_none_or(|asked| !asked.may_have_happened()) {
            violations.push(Violation::SeenInvented {
                table: self.table.name.to_owned(),
                region: operation.region.clone(),
                key: seen.key.clone(),
                marker: marker.clone(),
            });
        }
        let position = asked?.position?;
        self.compare_image(operation, seen, &self.keys[key?].commits[position], violations);
        Some(Sight::Commit(position))
    }

    /// Compares the whole item that a read saw with the one that the write of its marker left, if
    /// the last writer wins whole items.
    fn compare_image(&self, operation: &Operation, seen: &Seen, commit: &Commit<'_>, violations: &mut Vec<Violation>) {
        let left = commit.logged.held.content.as_ref().map(|content| content.image_hash);
        let is_item = self.table.rules.merging == Merging::Item;
        if is_item && seen.image_hash.is_some_and(|found| Some(found) != left) {
            violations.push(Violation::WrongRead {
                table: self.table.name.to_owned(),
                region: operation.region.clone(),
                key: seen.key.clone(),
                sent_ms: operation.sent_us / 1_000,
                marker: seen.marker.clone().unwrap_or_default(),
            });
        }
    }

    /// Records what an acknowledged operation wrote: numbers of keys, and indexes of writes.
    fn write(&mut self, operation: &'a Operation, writes: &[(usize, usize)]) {
        for (key, asked) in writes {
            if let Some(position) = self.keys[*key].asked[*asked].position {
                let session = (operation.client, *key);
                let greatest = self.wrote.entry(session).or_insert((position, &operation.region));
                if position > greatest.0 {
                    *greatest = (position, &operation.region);
                }
            }
        }
    }
}

/// Finds torn transactions. A transaction applies atomically in every region: a reader that sees
/// one of its writes sees the others too, or newer ones. While rows are copied or repaired one by
/// one, that does not hold, so a torn read is a violation only where nothing can have been copied.
fn find_torn(
    table: &Table<'_>,
    operation: &Operation,
    sights: &[Option<Sight>],
    sightings: &mut Sightings,
    violations: &mut Vec<Violation>,
) {
    let seen: BTreeMap<&str, Option<Sight>> = operation
        .reads
        .iter()
        .map(|seen| seen.key.as_str())
        .zip(sights.iter().copied())
        .collect();
    for read in &operation.reads {
        let asked = table
            .keys
            .get(read.key.as_str())
            .and_then(|key| key.of_marker(read.marker.as_deref()?));
        let Some(transaction) = asked.map(|asked| asked.operation) else {
            continue;
        };
        let missed = transaction.writes.iter().find(|write| {
            let position = table.position_of(&write.key, &write.marker);
            let seen = seen.get(write.key.as_str()).copied().flatten();
            seen.zip(position)
                .is_some_and(|(seen, position)| seen < Sight::Commit(position))
        });
        if let Some(missed) = missed {
            sightings.note(Kind::TornTransaction, 1, None, || {
                format!(
                    "{}, and not {} of the same transaction",
                    saw(operation, read),
                    missed.marker
                )
            });
            if !table.may_be_copied(operation) {
                violations.push(Violation::TornRead {
                    table: table.name.to_owned(),
                    region: operation.region.clone(),
                    key: read.key.clone(),
                    sent_ms: operation.sent_us / 1_000,
                    seen: read.marker.clone().unwrap_or_default(),
                    missed: missed.marker.clone(),
                });
            }
        }
    }
}

fn find_lost_updates(table: &Table<'_>, outcomes: &BTreeMap<&str, Vec<CommittedOutcome>>, sightings: &mut Sightings) {
    for (key, writes) in &table.keys {
        let Some(outcomes) = outcomes.get(key) else { continue };
        let of_clients = writes
            .asked
            .iter()
            .filter(|asked| asked.is_acknowledged() && builds_on_what_is_there(asked));
        for asked in of_clients {
            if asked.position.is_some_and(|position| outcomes[position].has_vanished) {
                sightings.note(Kind::LostUpdate, 1, None, || {
                    format!(
                        "{} ms: {} to {} {key}, acknowledged by {}",
                        asked.operation.sent_us / 1_000,
                        asked.write.marker,
                        table.name,
                        asked.operation.region
                    )
                });
            }
        }
    }
}

fn builds_on_what_is_there(asked: &Asked<'_>) -> bool {
    matches!(asked.write.based_on, Basis::NoItem | Basis::Marker(_)) || asked.write.effect.adds()
}

/// Sums up additions and removals in the order in which clients were answered, in the region's
/// favour: an addition counts from when it was sent, a removal from when it was answered.
fn find_oversold(table: &Table<'_>, sightings: &mut Sightings) {
    for (key, writes) in &table.keys {
        let mut changes: Vec<(u64, i64, &Asked<'_>)> = Vec::new();
        for asked in writes
            .asked
            .iter()
            .filter(|asked| asked.position.is_some() || asked.is_acknowledged())
        {
            match asked.write.effect {
                Effect::Put {
                    number: Some(number), ..
                } => changes.push((asked.operation.sent_us, number, asked)),
                Effect::Add(by) if by >= 0 => changes.push((asked.operation.sent_us, by, asked)),
                Effect::Add(by) => changes.push((asked.operation.done_us, by, asked)),
                _ => {}
            }
        }
        // Within one microsecond, additions count first.
        changes.sort_by_key(|(at_us, by, _)| (*at_us, -by));
        let mut left = 0;
        for (_, by, asked) in changes {
            // Oversold pieces never existed: they do not count against later additions.
            let before = left;
            left += by;
            let oversold = (-left).max(0).unsigned_abs();
            left = left.max(0);
            if oversold > 0 {
                sightings.note(Kind::Oversold, oversold, None, || {
                    format!(
                        "{} ms: {} took {} of {} {key} in {}, where {} were left",
                        asked.operation.done_us / 1_000,
                        asked.write.marker,
                        -by,
                        table.name,
                        asked.operation.region,
                        before
                    )
                });
            }
        }
    }
}

/// Finds transactional reads whose sum differs from the sum of what was loaded.
fn find_wrong_sums(table: &Table<'_>, sightings: &mut Sightings) {
    let mut loaded: BTreeMap<&str, i64> = BTreeMap::new();
    for write in table.loaded.iter().flat_map(|operation| &operation.writes) {
        if let Effect::Put {
            number: Some(number), ..
        } = write.effect
        {
            loaded.insert(&write.key, number);
        }
    }
    let audits = table
        .operations
        .iter()
        .filter(|operation| operation.name == "TransactGetItems" && !operation.reads.is_empty());
    for audit in audits {
        let sum: i64 = audit.reads.iter().filter_map(|seen| seen.number).sum();
        let expected: i64 = audit
            .reads
            .iter()
            .filter_map(|seen| loaded.get(seen.key.as_str()))
            .sum();
        if sum != expected {
            sightings.note(Kind::SumNotConstant, 1, None, || {
                format!(
                    "{} ms: client {} in {} counted {sum} in {} accounts of {}, where there are {expected}",
                    audit.sent_us / 1_000,
                    audit.client,
                    audit.region,
                    audit.reads.len(),
                    table.name
                )
            });
        }
    }
}
