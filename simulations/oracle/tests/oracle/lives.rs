//! Consistency inside a region whose writes are partly missing, from before the load, or lost, and
//! searches that take too long.

use beringia_history::{Basis, Effect, Merging, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, held, item, put, put_number, seen_for_sure, tombstone, with_number, write};

fn case() -> Case {
    Case::new(Merging::Item)
}

fn read(case: &mut Case, region: &str, at_ms: u64, marker: Option<&str>) {
    case.operation(region, 9, at_ms, OperationOutcome::Ok).reads = vec![seen_for_sure(marker)];
}

/// A put in region a that was refused because of this condition.
fn refused(case: &mut Case, at_ms: u64, based_on: &Basis) {
    let outcome = OperationOutcome::Refused("ConditionalCheckFailedException".to_owned());
    case.reported_so("a", &format!("a/refused-{at_ms}"), put(), at_ms, outcome)
        .depending(based_on);
}

/// `a/1` was loaded by region a, which every region had when the load began.
#[test]
fn a_region_begins_with_what_it_loaded() {
    let judged = |reads: &[(u64, Option<&str>)], lost_at_ms: Option<u64>| {
        let first = item("a/1", 1, "a");
        let mut case = case();
        let mut loaded = case.operation("a", 0, 0, OperationOutcome::Ok).clone();
        case.history.operations.clear();
        loaded.writes = vec![write("k", "a/1", put())];
        case.history.loaded.push(loaded);
        case.logged(&first).both_hold(&first);
        for (at_ms, marker) in reads {
            read(&mut case, "a", *at_ms, *marker);
        }
        if let Some(at_ms) = lost_at_ms {
            case.lost_disk("a", at_ms);
        }
        case.violations()
    };
    assert_eq!(judged(&[(10, Some("a/1"))], None), []);
    let found = judged(&[(10, None)], None);
    assert!(
        matches!(&found[..], [Violation::InconsistentRead { held, .. }] if held == "a/1"),
        "{found:?}"
    );
    assert_eq!(judged(&[(10, Some("a/1")), (30, None)], Some(20)), []);
    assert_eq!(judged(&[(10, None), (30, None)], Some(20)).len(), 1, "before the loss");
}

/// The region had deleted the item when it refused a write to it, and then lost the delete.
#[test]
fn a_lost_delete_explains_a_refusal_after_it() {
    let judged = |outcome: OperationOutcome, lost_at_ms: Option<u64>, refused_at_ms: u64| {
        let first = item("a/1", 1, "a");
        let mut case = case();
        case.reported("a", "a/1", put(), 10)
            .reported_so("a", "a/2", Effect::Delete, 20, outcome);
        case.logged(&first).both_hold(&first);
        refused(&mut case, refused_at_ms, &Basis::Item);
        if let Some(at_ms) = lost_at_ms {
            case.lost_disk("a", at_ms);
        }
        case.violations()
    };
    assert_eq!(judged(OperationOutcome::Unknown, Some(50), 30), []);
    let found = judged(OperationOutcome::Unknown, Some(50), 15);
    assert!(
        matches!(&found[..], [Violation::RefusedWithoutCause { .. }]),
        "it came before the delete: {found:?}"
    );
    assert_eq!(judged(OperationOutcome::Unknown, None, 30).len(), 1, "nothing was lost");
    let found = judged(OperationOutcome::Ok, None, 30);
    assert!(
        matches!(&found[..], [Violation::Lost { marker, .. }] if marker == "a/2"),
        "the lost delete is reported by itself: {found:?}"
    );
}

#[test]
fn a_bootstrapped_replica_may_have_lost_an_unanswered_write() {
    let judged = |is_bootstrapped: bool| {
        let mut case = case();
        case.reported_so("a", "a/1", put(), 10, OperationOutcome::Unknown);
        refused(&mut case, 30, &Basis::NoItem);
        if is_bootstrapped {
            case.evidence.bootstrapped.insert("a".to_owned());
        }
        case.violations()
    };
    assert_eq!(judged(true), []);
    let found = judged(false);
    assert!(
        matches!(&found[..], [Violation::RefusedWithoutCause { .. }]),
        "a write that is in no log explains nothing: {found:?}"
    );
}

/// What was acknowledged and lost is a violation by itself, also if it was read in between.
#[test]
fn a_read_of_a_lost_write_is_reported_once() {
    let first = item("a/1", 1, "a");
    let mut case = case();
    case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
    case.logged(&first).both_hold(&first);
    read(&mut case, "a", 30, Some("a/2"));
    let found = case.violations();
    assert!(
        matches!(&found[..], [Violation::Lost { marker, .. }] if marker == "a/2"),
        "{found:?}"
    );
}

/// An unanswered write whose condition never held cannot have taken effect.
#[test]
fn a_write_against_its_condition_explains_no_read() {
    let judged = |least: i64, lost_at_ms: Option<u64>| {
        let (first, second) = (held(with_number("a/1", 3), 1, "a"), held(with_number("a/2", 3), 2, "a"));
        let mut case = case();
        case.reported("a", "a/1", put_number(3), 10)
            .reported_so("a", "a/2", put_number(3), 20, OperationOutcome::Unknown)
            .depending(&Basis::AtLeast(least));
        case.logged(&first).logged(&second).both_hold(&second);
        read(&mut case, "a", 30, Some("a/2"));
        if let Some(at_ms) = lost_at_ms {
            case.lost_disk("a", at_ms);
        }
        case.violations()
    };
    for lost_at_ms in [None, Some(5)] {
        assert_eq!(judged(3, lost_at_ms), []);
        let found = judged(4, lost_at_ms);
        assert!(
            matches!(&found[..], [Violation::InconsistentRead { seen, held, .. }] if seen == "a/2" && held == "a/1"),
            "{found:?}"
        );
    }
    assert_eq!(judged(4, Some(25)), [], "it may have been made after the loss");
}

/// Region a was making another write when the other region's write arrived, on which a third one is
/// conditional. Nothing had read it before.
#[test]
fn a_condition_may_name_a_write_that_just_arrived() {
    let judged = |at_ms: u64| {
        let (first, second) = (item("a/1", 1, "a"), item("a/2", 2, "a"));
        let (theirs, third) = (item("b/1", 3, "b"), item("a/3", 4, "a"));
        let mut case = case();
        case.reported("a", "a/1", put(), 10).reported("b", "b/1", put(), 20);
        case.reported("a", "a/2", put(), at_ms);
        case.reported("a", "a/3", put(), at_ms)
            .depending(&Basis::Marker("b/1".to_owned()));
        case.logged(&first)
            .logged(&second)
            .logged_knowing(&theirs, &[("a", 1)])
            .logged_knowing(&third, &[("b", 3)])
            .both_hold(&third);
        case.violations()
    };
    assert_eq!(judged(30), []);
    let found = judged(15);
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Violation::WrittenOutOfTurn { marker, .. } if marker == "a/3")),
        "b/1 was not sent yet: {found:?}"
    );
}

/// Two deletes in region a can have made the tombstone. What region b shows cannot tell which.
#[test]
fn a_tombstone_arrives_from_the_first_possible_delete_on() {
    let judged = |at_ms: u64| {
        let (first, gone) = (item("a/1", 1, "a"), tombstone(2, "a"));
        let mut case = case();
        case.reported("a", "a/1", put(), 10);
        for (marker, from_ms, to_ms) in [("d/1", 20, 100), ("d/2", 50, 51)] {
            let operation = case.operation("a", 1, from_ms, OperationOutcome::Unreported);
            operation.done_us = to_ms * 1_000;
            operation.writes = vec![write("k", marker, Effect::Delete)];
        }
        case.logged(&first).logged(&gone).both_hold(&gone);
        read(&mut case, "b", 15, Some("a/1"));
        read(&mut case, "b", at_ms, None);
        case.violations()
    };
    assert_eq!(judged(30), []);
    assert_eq!(judged(17).len(), 1, "none was sent by then");
}

/// A region that may start over at any time, and twenty writes at once, can have done so much that
/// not all of it is tried.
#[test]
fn a_search_that_takes_too_long_is_counted() {
    let mut case = case();
    case.evidence.bootstrapped.insert("a".to_owned());
    for number in 1..=20 {
        let marker = format!("a/{number}");
        case.reported("a", &marker, put(), 10);
        case.history.operations.last_mut().expect("the write").done_us = 90_000;
        case.logged(&item(&marker, number, "a"));
    }
    case.both_hold(&item("a/20", 20, "a"));
    read(&mut case, "a", 5, Some("a/1"));
    let judged = case.judged();
    assert_eq!((judged.undecided, judged.violations), (0, case.violations()));
    assert_eq!(case.violations().len(), 1, "a/1 was not sent yet");
    case.history.operations.pop();
    read(&mut case, "a", 95, Some("b/1"));
    case.reported("b", "b/1", put(), 200)
        .logged(&item("b/1", 21, "b"))
        .both_hold(&item("b/1", 21, "b"));
    let judged = case.judged();
    assert_eq!((judged.undecided, judged.violations), (1, vec![]));
}
