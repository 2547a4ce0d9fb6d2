//! Checks what regions show at the end: every replica that should be ACTIVE, equal digests, equal
//! copies of log records, and right answers to reads of every key.

use std::collections::BTreeSet;

use crate::{index::Table, violation::Violation};

/// The status of a replica that its region serves.
const ACTIVE: &str = "ACTIVE";

/// Compares the final state of a table's replicas with what they must be.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    find_inactive(table, violations);
    find_different_digests(table, violations);
    find_different_copies(table, violations);
    violations.extend(table.evidence.misreads.iter().map(|misread| Violation::WrongAnswer {
        table: table.name.to_owned(),
        region: misread.region.clone(),
        by: misread.by.clone(),
        key: misread.key.clone(),
        kind: misread.kind.clone(),
    }));
}

/// Finds replicas that are not ACTIVE although they should be, as any region with a replica shows
/// them.
fn find_inactive(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let replicas = &table.evidence.replicas;
    for region in &replicas.expected {
        let shown = replicas.shown.get(region);
        for replica in &replicas.expected {
            let status = shown.and_then(|shown| shown.get(replica));
            if status.is_none_or(|status| status != ACTIVE) {
                violations.push(Violation::ReplicaNotActive {
                    table: table.name.to_owned(),
                    region: region.clone(),
                    replica: replica.clone(),
                    status: status.cloned(),
                });
            }
        }
    }
}

/// Finds tables that regions hold with different digests, or that an expected region does not hold.
fn find_different_digests(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let replicas = &table.evidence.replicas;
    let different: BTreeSet<&String> = replicas.digests.values().collect();
    let is_held = |region: &String| replicas.digests.contains_key(region);
    if different.len() > 1 || !replicas.expected.iter().all(is_held) {
        violations.push(Violation::ReplicasDiffer {
            table: table.name.to_owned(),
            digests: replicas.digests.clone(),
        });
    }
}

fn find_different_copies(table: &Table<'_>, violations: &mut Vec<Violation>) {
    for mismatch in &table.evidence.mismatches {
        let (name, key, version) = (table.name.to_owned(), mismatch.key.clone(), mismatch.version.clone());
        violations.push(match (&mismatch.original, &mismatch.region) {
            (None, Some(region)) => Violation::NotInOriginsLog {
                table: name,
                region: region.clone(),
                key,
                version,
            },
            (original, region) => Violation::CopiesDiffer {
                table: name,
                region: region.clone(),
                key,
                version,
                original: original.clone(),
            },
        });
    }
}
