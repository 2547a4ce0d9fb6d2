//! Judges a table that clients delete and create again under its name: each life keeps what was
//! acknowledged in it and shows nothing of another one, and in the end regions agree.
//!
//! Clients recognise a life by the id of the table. No two of their writes have one key, so an item
//! that exists was never replaced, and what is in a life was written in that life.

use std::collections::BTreeMap;

use beringia_history::{LifeOperation, LifeRequest, RecreatedTable, ShownTable};

use crate::violation::Violation;

/// The status of a replica that its region serves.
const ACTIVE: &str = "ACTIVE";

/// A put whose life is known.
struct Put<'a> {
    request: &'a LifeRequest,
    life: &'a str,
    is_acknowledged: bool,
}

/// Judges the lives of a table, and what regions showed of it after they had converged.
#[must_use]
pub fn judge_recreated(table: &RecreatedTable) -> Vec<Violation> {
    let mut violations = Vec::new();
    let puts: BTreeMap<&str, Put<'_>> = table.requests.iter().filter_map(put).collect();
    for request in &table.requests {
        if let (LifeOperation::Scan { keys, is_complete }, Some(life)) = (&request.what, &request.life) {
            let scan = Scan { table, request, life };
            let others = keys.iter().filter_map(|key| Some((key, puts.get(key.as_str())?)));
            violations.extend(others.filter_map(|(key, put)| scan.of_another_life(key, put)));
            let missing = puts.iter().filter(|(key, _)| !keys.contains(**key));
            violations.extend(missing.filter_map(|(key, put)| scan.lost(key, put, *is_complete)));
        }
    }
    if !agree(&table.shown) {
        violations.push(Violation::TablesDiffer {
            table: table.name.clone(),
            shown: table.shown.clone(),
        });
    }
    violations
}

/// Returns whether regions agree on a table: none has it, or those that have it show one life, with
/// an active replica in each of them and in no other region.
#[must_use]
pub fn agree(shown: &BTreeMap<String, Option<ShownTable>>) -> bool {
    let held: BTreeMap<&String, &ShownTable> = shown
        .iter()
        .filter_map(|(region, table)| Some((region, table.as_ref()?)))
        .collect();
    let Some(first) = held.values().next() else { return true };
    let is_alike = |table: &&ShownTable| {
        table.life == first.life
            && table.replicas.keys().eq(held.keys().copied())
            && table.replicas.values().all(|status| status == ACTIVE)
    };
    held.values().all(is_alike)
}

/// A put by its key, if its life is known.
fn put(request: &LifeRequest) -> Option<(&str, Put<'_>)> {
    let LifeOperation::Put { key, is_acknowledged } = &request.what else {
        return None;
    };
    let put = Put {
        request,
        life: request.life.as_deref()?,
        is_acknowledged: *is_acknowledged,
    };
    Some((key, put))
}

/// A scan whose life is known.
struct Scan<'a> {
    table: &'a RecreatedTable,
    request: &'a LifeRequest,
    life: &'a str,
}

impl Scan<'_> {
    /// The violation that the scan shows an item of another life, if it does.
    fn of_another_life(&self, key: &str, put: &Put<'_>) -> Option<Violation> {
        (put.life != self.life).then(|| Violation::OfAnotherLife {
            table: self.table.name.clone(),
            region: self.request.region.clone(),
            key: key.to_owned(),
            life: self.life.to_owned(),
            sent_ms: self.request.sent_us / 1_000,
            other: put.life.to_owned(),
        })
    }

    /// The violation that the scan does not show an item, if it must: a region keeps its own
    /// writes, also while its replica is removed and added again, and has all writes if the scan
    /// `is_complete`.
    fn lost(&self, key: &str, put: &Put<'_>, is_complete: bool) -> Option<Violation> {
        let by = &put.request.region;
        let lost_before_us = self.table.lost_before_us.get(by).copied().unwrap_or(0);
        let is_due = put.is_acknowledged
            && put.life == self.life
            && put.request.done_us <= self.request.sent_us
            && (is_complete || *by == self.request.region)
            && put.request.sent_us >= lost_before_us;
        is_due.then(|| Violation::LostInLife {
            table: self.table.name.clone(),
            region: self.request.region.clone(),
            key: key.to_owned(),
            life: self.life.to_owned(),
            sent_ms: self.request.sent_us / 1_000,
            by: by.clone(),
        })
    }
}
