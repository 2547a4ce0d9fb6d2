//! Deletes and expiries of a dropped replica that met a greater concurrent delete. Neither the
//! unshipped rows nor the journal have them, because they lost nothing.

use beringia_history::{Content, Effect, Merging, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, tombstone, write};

/// How region `b` deleted `k`.
#[derive(Debug, Clone, Copy)]
struct Theirs {
    at_ms: u64,
    /// Whether the item expired there.
    is_expiry: bool,
    /// The sequence up to which region `b` had region `a`'s writes.
    has: u64,
}

const EXPIRED: Theirs = Theirs {
    at_ms: 1_400,
    is_expiry: true,
    has: 1,
};
const DELETED: Theirs = Theirs {
    is_expiry: false,
    ..EXPIRED
};

/// A run in which region `a` was unreachable from 2 ms to 4 s, while region `b` deleted `k`. Region
/// `a` wrote another key at 250 ms and at 4.5 s, and has nothing of `k` in its record.
fn case(merging: Merging, theirs: Theirs) -> Case {
    let mut case = Case::new(merging);
    let expiring = Content {
        expires_s: Some(1),
        ..content("b/0")
    };
    case.reported("a", "a/1", put(), 1).reported("b", "b/0", put(), 120);
    case.logged(&item("a/1", 1, "a"))
        .logged_knowing(&held(expiring, 120, "b"), &[("a", 1)]);
    let deleted = tombstone(theirs.at_ms, "b");
    if !theirs.is_expiry {
        case.reported_delete("b", "d/0", "b/0", theirs.at_ms);
    }
    case.logged_knowing(&deleted, &[("a", theirs.has)]).both_hold(&deleted);
    let log = case.evidence.logs.get_mut("b").and_then(|log| log.get_mut("k"));
    log.and_then(|log| log.last_mut()).expect("just logged").is_expiry = theirs.is_expiry;
    for (marker, at_ms) in [("a/8", 250), ("a/9", 4_500)] {
        let other = item(marker, at_ms, "a");
        case.operation("a", 1, at_ms, OperationOutcome::Ok).writes = vec![write("other", marker, put())];
        case.logged_under("other", &other, &[]);
        case.holds_under("other", "a", &other).holds_under("other", "b", &other);
    }
    case.unshipped("a", &[]);
    case
}

/// The markers of the writes that were lost without an excuse.
fn lost(case: &Case) -> Vec<String> {
    let lost = |violation: Violation| match violation {
        Violation::Lost { marker, .. } => marker,
        other => panic!("{other}"),
    };
    case.violations().into_iter().map(lost).collect()
}

/// Adds a put to region `a`, of an item that then expires at 1 s.
fn expiring(case: &mut Case, marker: &str, at_ms: u64) {
    case.reported("a", marker, put(), at_ms);
    let operation = case.history.operations.last_mut().expect("just added");
    operation.writes[0].expires_s = Some(1);
}

#[test]
fn a_delete_loses_nothing_to_a_greater_delete() {
    let deleted = |merging, theirs| {
        let mut case = case(merging, theirs);
        case.reported_delete("a", "d/1", "a/1", 300);
        (lost(&case), case.judged().accounting.lost_to_conflicts)
    };
    for merging in [Merging::Attribute, Merging::Merge] {
        assert_eq!(deleted(merging, DELETED), (vec![], 1), "{merging:?}");
        assert_eq!(deleted(merging, EXPIRED), (vec![], 1), "{merging:?}");
    }
    let is_lost = |merging, theirs, why| assert_eq!(deleted(merging, theirs).0, ["d/1"], "{why}");
    is_lost(Merging::Item, DELETED, "the journal has conflicts of deletes");
    is_lost(Merging::Item, EXPIRED, "the journal has conflicts of deletes");
    let earlier = Theirs { at_ms: 200, ..DELETED };
    is_lost(Merging::Merge, earlier, "their delete is less");
    let back = Theirs {
        at_ms: 6_000,
        has: 4_500,
        ..DELETED
    };
    is_lost(Merging::Merge, back, "they deleted when the region was back");
}

#[test]
fn writes_before_a_delete_that_lost_nothing_are_replaced() {
    let mut case = case(Merging::Merge, DELETED);
    case.reported("a", "a/2", put(), 290)
        .reported_delete("a", "d/1", "a/2", 300);
    assert_eq!(lost(&case), [""; 0]);
    case.reported("a", "a/3", put(), 310);
    assert_eq!(lost(&case), ["a/3"], "it was written after the delete");
}

#[test]
fn an_expiry_loses_nothing_to_a_greater_expiry() {
    let expired = |merging, theirs| {
        let mut case = case(merging, theirs);
        expiring(&mut case, "a/2", 300);
        lost(&case)
    };
    assert_eq!(expired(Merging::Item, EXPIRED), [""; 0]);
    assert_eq!(expired(Merging::Merge, EXPIRED), [""; 0]);
    assert_eq!(expired(Merging::Merge, DELETED), [""; 0]);
    assert_eq!(expired(Merging::Item, DELETED), ["a/2"], "that would be a conflict");
    let back = Theirs {
        at_ms: 6_000,
        has: 4_500,
        ..EXPIRED
    };
    assert_eq!(expired(Merging::Item, back), ["a/2"], "the region was back");
}

#[test]
fn only_expired_writes_are_excused_by_an_expiry() {
    let mut case = case(Merging::Item, EXPIRED);
    case.reported("a", "a/2", put(), 300);
    assert_eq!(lost(&case), ["a/2"], "it does not expire");
    expiring(&mut case, "a/3", 320);
    assert_eq!(lost(&case), [""; 0], "one that expires replaced it");
    case.reported("a", "a/4", Effect::Update { fields: Vec::new() }, 340);
    assert_eq!(lost(&case), ["a/4"], "the item expires later");
    let operation = case.history.operations.last_mut().expect("just added");
    operation.writes[0].expires_s = Some(2);
    assert_eq!(lost(&case), ["a/4"], "it had not expired when the other did");
}
