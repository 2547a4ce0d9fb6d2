//! Checks that the logs of the regions fit what clients know, and that their versions are unique
//! and grow.

use std::collections::BTreeMap;

use beringia_history::{Basis, Effect, Operation, Seen};

use crate::{
    index::{Among, Asked, Commit, Key, Missing, Table},
    violation::Violation,
};

/// Finds writes that are missing, invented, out of order, torn, or made against their condition.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    for (key, writes) in &table.keys {
        let place = Place { table, key };
        for asked in &writes.asked {
            find_lost(&place, writes, asked, violations);
        }
        for (position, commit) in writes.commits.iter().enumerate() {
            find_invented(&place, writes, commit, violations);
            find_broken_condition(&place, writes, position, violations);
        }
        find_wrong_order(&place, writes, violations);
    }
    find_broken_checks(table, violations);
    find_shared_versions(table, violations);
    find_torn(table, violations);
}

struct Place<'a> {
    table: &'a Table<'a>,
    key: &'a str,
}

fn find_lost(place: &Place<'_>, key: &Key<'_>, asked: &Asked<'_>, violations: &mut Vec<Violation>) {
    if asked.is_acknowledged() && asked.position.is_none() && place.table.missing(key, asked) == Missing::Lost {
        violations.push(Violation::Lost {
            table: place.table.name.to_owned(),
            region: asked.operation.region.clone(),
            key: place.key.to_owned(),
            marker: asked.write.marker.clone(),
        });
    }
}

fn find_invented(place: &Place<'_>, key: &Key<'_>, commit: &Commit<'_>, violations: &mut Vec<Violation>) {
    let (table, version) = (place.table.name.to_owned(), commit.version().clone());
    let (region, key_text) = (commit.origin.to_owned(), place.key.to_owned());
    if commit.logged.is_expiry {
        if !was_expired(place.table, key, commit) {
            violations.push(Violation::ExpiredEarly {
                table,
                region,
                key: key_text,
                version,
            });
        }
    } else if commit.asked.is_none() || version.origin.region().as_str() != commit.origin {
        violations.push(Violation::Invented {
            table,
            region,
            key: key_text,
            marker: commit.logged.held.marker().map(str::to_owned),
            version,
        });
    }
}

/// Returns whether an item that an expiry's tombstone may have replaced had expired by its region's
/// clock. Hybrid time is never behind that clock.
fn was_expired(table: &Table<'_>, key: &Key<'_>, tombstone: &Commit<'_>) -> bool {
    let is_due = |replaced: Option<usize>| {
        let held = replaced.map(|position| &key.commits[position].logged.held);
        let expires_s = held.and_then(|held| held.content.as_ref()?.expires_s);
        expires_s.is_some_and(|expires_s| expires_s.saturating_mul(1_000) <= tombstone.version().time.millis())
    };
    table.may_have_replaced(key, tombstone).any(is_due)
}

/// Finds broken conditions. A write conditional on a marker must come after the write with that
/// marker, and must not causally depend on a write in between. A write conditional on there being
/// no item must not replace one. An item that was taken must have existed.
fn find_broken_condition(place: &Place<'_>, key: &Key<'_>, position: usize, violations: &mut Vec<Violation>) {
    let commit = &key.commits[position];
    let Some(asked) = commit.asked.map(|index| &key.asked[index]) else {
        return;
    };
    let replaced_is_after = |marker: &str| {
        let of_marker = key.of_marker(marker).and_then(|asked| asked.position);
        of_marker.is_some_and(|of_marker| commit.replaced > Some(of_marker) || of_marker >= position)
    };
    let replaced_an_item = || {
        commit
            .replaced
            .is_some_and(|replaced| !key.commits[replaced].is_delete())
    };
    let broken = match &asked.write.based_on {
        Basis::Marker(marker) => replaced_is_after(marker).then(|| marker.clone()),
        Basis::NoItem => replaced_an_item().then(|| "nothing".to_owned()),
        Basis::Anything | Basis::Item | Basis::AtLeast(_) | Basis::Recorded => None,
    };
    if let Some(expected) = broken {
        violations.push(Violation::ConditionIgnored {
            table: place.table.name.to_owned(),
            region: commit.origin.to_owned(),
            key: place.key.to_owned(),
            marker: asked.write.marker.clone(),
            expected,
        });
    }
    let number = commit.logged.held.content.as_ref().and_then(|content| content.number);
    if let (Effect::Add(..0), Some(number @ ..0)) = (&asked.write.effect, number) {
        violations.push(Violation::BelowZero {
            table: place.table.name.to_owned(),
            region: commit.origin.to_owned(),
            key: place.key.to_owned(),
            marker: asked.write.marker.clone(),
            number,
        });
    }
}

/// Finds transactions that were committed although an item that they checked, and did not write,
/// had changed since they had read it: their region had committed the change before. (What it had
/// applied of other regions is not known. A causal context is about one item.)
fn find_broken_checks(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let mut commits: BTreeMap<&str, Among<'_>> = BTreeMap::new();
    for operation in &table.operations {
        let Some(write) = operation.writes.first().filter(|_| !operation.checked.is_empty()) else {
            continue;
        };
        let written = table.keys.get(write.key.as_str());
        let commit = written.and_then(|key| Some(&key.commits[key.of_marker(&write.marker)?.position?]));
        let Some(commit) = commit else { continue };
        for seen in operation
            .reads
            .iter()
            .filter(|seen| operation.checked.contains(&seen.key))
        {
            let Some(key) = table.keys.get(seen.key.as_str()) else {
                continue;
            };
            let of_key = commits.entry(&seen.key).or_insert_with(|| {
                let all: Vec<usize> = (0..key.commits.len()).collect();
                Among::new(&key.commits, &all)
            });
            let last = of_key.last_before(commit);
            if last.is_some_and(|last| has_changed(table, operation, (key, last), seen)) {
                violations.push(Violation::ConditionIgnored {
                    table: table.name.to_owned(),
                    region: commit.origin.to_owned(),
                    key: seen.key.clone(),
                    marker: write.marker.clone(),
                    expected: seen.marker.clone().unwrap_or_else(|| "nothing".to_owned()),
                });
            }
        }
    }
}

/// Returns whether an item was not as an operation had read it, when a write of the operation was
/// committed: `last` is the position of the last commit to it that the region made before.
fn has_changed(table: &Table<'_>, operation: &Operation, (key, last): (&Key<'_>, usize), seen: &Seen) -> bool {
    // A region that lost its disk begins again with lesser sequences.
    let asked = key.commits[last].asked.map(|asked| &key.asked[asked]);
    let life = asked.and_then(|asked| table.life_of(asked.operation));
    if life.is_none() || life != table.life_of(operation) {
        return false;
    }
    match &seen.marker {
        Some(marker) => {
            let expected = key.of_marker(marker).and_then(|asked| asked.position);
            expected.is_some_and(|expected| expected < last)
        }
        // A delete of another region may have arrived.
        None => !key.commits[last..].iter().any(Commit::is_delete),
    }
}

fn find_shared_versions(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let commits = table
        .keys
        .iter()
        .flat_map(|(key, writes)| writes.commits.iter().map(move |commit| (commit.version(), *key)));
    let mut versions: Vec<_> = commits.collect();
    versions.sort_unstable();
    for pair in versions.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        violations.push(Violation::SharedVersion {
            table: table.name.to_owned(),
            key: pair[1].1.to_owned(),
            version: pair[1].0.clone(),
        });
    }
}

fn find_wrong_order(place: &Place<'_>, key: &Key<'_>, violations: &mut Vec<Violation>) {
    let mut by_origin: BTreeMap<&str, Vec<(usize, &Commit<'_>)>> = BTreeMap::new();
    for (position, commit) in key.commits.iter().enumerate() {
        by_origin.entry(commit.origin).or_default().push((position, commit));
    }
    for (origin, mut commits) in by_origin {
        let mut went_down = |commit: &Commit<'_>| {
            violations.push(Violation::VersionWentDown {
                table: place.table.name.to_owned(),
                region: origin.to_owned(),
                key: place.key.to_owned(),
                version: commit.version().clone(),
            });
        };
        commits.sort_by_key(|(_, commit)| commit.version().sequence);
        for pair in commits.windows(2).filter(|pair| pair[1].0 < pair[0].0) {
            went_down(pair[1].1);
        }
        for commit in out_of_order(place.table, key, &commits) {
            went_down(commit);
        }
    }
}

/// Returns commits with a lower version than one that had been acknowledged before they were sent,
/// and that their region had not lost since. (A region that lost its disk also lost its stored
/// clock bound, so its versions may start lower.)
fn out_of_order<'a>(table: &Table<'_>, key: &Key<'_>, commits: &[(usize, &'a Commit<'a>)]) -> Vec<&'a Commit<'a>> {
    let asked = |commit: &Commit<'_>| commit.asked.map(|index| key.asked[index].operation);
    let known: Vec<(usize, &Commit<'_>, &Operation)> = commits
        .iter()
        .filter_map(|(position, commit)| Some((*position, *commit, asked(commit)?)))
        .collect();
    let (mut sent, mut done) = (known.clone(), known);
    done.retain(|(_, _, operation)| operation.is_reported());
    sent.sort_by_key(|(_, _, operation)| operation.sent_us);
    done.sort_by_key(|(_, _, operation)| operation.done_us);
    let mut done = done.into_iter().peekable();
    // By the life of the region.
    let mut greatest: BTreeMap<usize, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (position, commit, operation) in sent {
        // A write that was done in the same microsecond may have been done after this one was sent.
        while let Some((before, made, asked)) = done.next_if(|(_, _, before)| before.done_us < operation.sent_us) {
            for life in table.lives_with(asked, made.version()) {
                let of_life = greatest.entry(life).or_default();
                *of_life = before.max(*of_life);
            }
        }
        let of_life = table.life_of(operation).and_then(|life| greatest.get(&life));
        if of_life.is_some_and(|greatest| position < *greatest) {
            wrong.push(commit);
        }
    }
    wrong
}

fn find_torn(table: &Table<'_>, violations: &mut Vec<Violation>) {
    for operation in table.operations.iter().filter(|operation| operation.writes.len() > 1) {
        let asked = operation.writes.iter().filter_map(|write| {
            let key = table.keys.get(write.key.as_str())?;
            Some((key, key.of_marker(&write.marker)?))
        });
        // A write may be missing alone if it was lost with a disk and had been replaced before.
        let is_needed = |(key, asked): &(&Key<'_>, &Asked<'_>)| {
            asked.position.is_some() || table.missing(key, asked) != Missing::Replaced
        };
        let asked: Vec<&Asked<'_>> = asked.filter(is_needed).map(|(_, asked)| asked).collect();
        let committed = asked.iter().filter(|asked| asked.position.is_some()).count();
        if committed > 0 && committed < asked.len() {
            let missing = asked.iter().find(|asked| asked.position.is_none());
            violations.extend(missing.map(|missing| Violation::TornTransaction {
                table: table.name.to_owned(),
                region: operation.region.clone(),
                key: missing.write.key.clone(),
                marker: missing.write.marker.clone(),
                committed,
                asked: asked.len(),
            }));
        }
    }
}
