//! Deletes whose answers did not say whether they found something: each is matched to a tombstone
//! that it can have made, and a tombstone that no delete can have made stays unmatched.

use beringia_history::{Content, Effect, Merging, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, seen, tombstone, write};

/// Adds a delete in region `a`, sent and answered at these times, whose answer does not say what it
/// removed.
fn delete(case: &mut Case, marker: &str, from_ms: u64, to_ms: u64, outcome: OperationOutcome) {
    let operation = case.operation("a", 1, from_ms, outcome);
    operation.done_us = to_ms * 1_000;
    operation.writes = vec![write("k", marker, Effect::Delete)];
}

fn unreported_delete(case: &mut Case, marker: &str, at_ms: u64) {
    delete(case, marker, at_ms, at_ms + 1, OperationOutcome::Unreported);
}

/// A run with puts and tombstones in region `a` whose versions have these times; each put was sent
/// at its time.
fn case(puts: &[u64], tombstones: &[u64]) -> Case {
    let mut case = Case::new(Merging::Item);
    let mut versions: Vec<(u64, bool)> = puts.iter().map(|at_ms| (*at_ms, true)).collect();
    versions.extend(tombstones.iter().map(|at_ms| (*at_ms, false)));
    versions.sort_unstable();
    for (at_ms, is_put) in versions {
        let marker = format!("a/{at_ms}");
        let held = if is_put {
            case.reported("a", &marker, put(), at_ms);
            item(&marker, at_ms, "a")
        } else {
            tombstone(at_ms, "a")
        };
        case.logged(&held).both_hold(&held);
    }
    case
}

/// The markers of the lost writes, and the number of unmatched tombstones.
fn wrong(case: &Case) -> (Vec<String>, usize) {
    let (mut lost, mut invented) = (Vec::new(), 0);
    for violation in case.violations() {
        match violation {
            Violation::Lost { marker, .. } => lost.push(marker),
            Violation::Invented { marker: None, .. } => invented += 1,
            other => panic!("{other}"),
        }
    }
    (lost, invented)
}

#[test]
fn deletes_that_found_nothing_get_no_later_tombstone() {
    let mut case = case(&[300], &[600]);
    unreported_delete(&mut case, "d/1", 100);
    unreported_delete(&mut case, "d/2", 600);
    assert_eq!(case.violations(), []);
    case.history.operations.pop();
    assert_eq!(
        wrong(&case),
        (vec![], 1),
        "the first was answered before there was anything"
    );
}

#[test]
fn each_of_many_deletes_gets_the_tombstone_of_its_time() {
    let mut case = case(&[20, 40, 70], &[30, 50, 80]);
    for at_ms in [10, 25, 30, 35, 50, 60, 65, 80, 90] {
        unreported_delete(&mut case, &format!("d/{at_ms}"), at_ms);
    }
    assert_eq!(case.violations(), []);
    case.history.operations.retain(|operation| {
        !(20_000..40_000).contains(&operation.sent_us) || operation.outcome == OperationOutcome::Ok
    });
    assert_eq!(wrong(&case), (vec![], 1), "none is left for the first tombstone");
}

#[test]
fn deletes_follow_what_their_region_had_answered() {
    let mut case = case(&[20], &[10]);
    unreported_delete(&mut case, "d/1", 30);
    assert_eq!(wrong(&case), (vec![], 1));
    case.history.operations[1].sent_us = 20_500;
    assert_eq!(case.violations(), [], "the put was not answered yet");
}

#[test]
fn writes_to_other_keys_also_bound_the_time() {
    let mut case = case(&[], &[30]);
    let other = item("a/20", 20, "a");
    case.operation("a", 2, 20, OperationOutcome::Ok).writes = vec![write("other", "a/20", put())];
    case.logged_under("other", &other, &[]);
    case.holds_under("other", "a", &other).holds_under("other", "b", &other);
    unreported_delete(&mut case, "d/1", 10);
    assert_eq!(wrong(&case), (vec![], 1));
    unreported_delete(&mut case, "d/2", 25);
    assert_eq!(case.violations(), []);
}

/// Writes of another region in between do not bound the time, but a delete whose answer says what
/// it removed does.
#[test]
fn deletes_with_answers_bound_the_time_of_others() {
    // Region `a` deletes nothing, then `b`'s first write, then nothing, then `b`'s second write.
    // `b`'s clock is behind, so versions do not say when it wrote.
    let (first, second) = (item("b/1", 50, "b"), item("b/2", 70, "b"));
    let (one, other) = (tombstone(60, "a"), tombstone(80, "a"));
    let mut case = Case::new(Merging::Item);
    case.reported("b", "b/1", put(), 200).reported("b", "b/2", put(), 400);
    case.logged(&first)
        .logged_knowing(&one, &[("b", 50)])
        .logged_knowing(&second, &[("a", 60)])
        .logged_knowing(&other, &[("b", 70)])
        .both_hold(&other);
    for at_ms in [100, 300, 350, 500] {
        unreported_delete(&mut case, &format!("d/{at_ms}"), at_ms);
    }
    assert_eq!(case.violations(), []);
    case.history.operations.retain(|operation| operation.sent_us != 300_000);
    case.reported_delete("a", "d/300", "b/1", 300);
    assert_eq!(
        case.violations(),
        [],
        "a delete sent before it made no tombstone after it"
    );
    case.history.operations.retain(|operation| operation.sent_us != 500_000);
    assert_eq!(case.violations(), [], "the one at 350 ms may have waited");
    case.history.operations.retain(|operation| operation.sent_us != 350_000);
    assert_eq!(wrong(&case), (vec![], 1));
}

/// A delete that happened leaves a tombstone to another delete if only that one can have made it.
#[test]
fn deletes_leave_tombstones_that_only_others_can_have_made() {
    let mut case = case(&[30], &[20, 40]);
    delete(&mut case, "d/1", 10, 100, OperationOutcome::Ok);
    unreported_delete(&mut case, "d/2", 15);
    assert_eq!(case.violations(), []);
    assert_eq!(case.judged().accounting.current, 1, "the last is the one that happened");
}

#[test]
fn certain_deletes_precede_possible_ones() {
    let happened = |tombstones: &[u64]| {
        let mut case = case(&[30, 60], tombstones);
        delete(&mut case, "d/1", 10, 100, OperationOutcome::Ok);
        delete(&mut case, "d/2", 11, 101, OperationOutcome::Ok);
        unreported_delete(&mut case, "d/3", 15);
        unreported_delete(&mut case, "d/4", 45);
        wrong(&case)
    };
    assert_eq!(happened(&[20, 50, 70]), (vec![], 0));
    assert_eq!(happened(&[20, 50]), (vec![], 0));
    assert_eq!(happened(&[50]), (vec!["d/2".to_owned()], 0));
    assert_eq!(happened(&[20, 50, 65, 70]), (vec![], 0));
    assert_eq!(happened(&[20, 50, 65, 70, 75]), (vec![], 1));
}

#[test]
fn a_missing_delete_is_lost_despite_a_later_tombstone() {
    let mut case = case(&[20], &[30]);
    delete(&mut case, "d/1", 10, 11, OperationOutcome::Ok);
    unreported_delete(&mut case, "d/2", 30);
    assert_eq!(wrong(&case), (vec!["d/1".to_owned()], 0));
}

#[test]
fn an_unanswered_delete_may_have_happened_late() {
    let mut case = case(&[20], &[30]);
    delete(&mut case, "d/1", 10, 11, OperationOutcome::Unknown);
    assert_eq!(case.violations(), []);
    case.history.operations[1].sent_us = 40_000;
    assert_eq!(case.violations(), []);
    case.operation("a", 2, 35, OperationOutcome::Ok).writes = vec![write("k", "a/40", put())];
    case.logged(&item("a/40", 40, "a")).both_hold(&item("a/40", 40, "a"));
    assert_eq!(wrong(&case), (vec![], 1), "but not before it was sent");
}

#[test]
fn a_tombstone_below_the_version_it_replaced_is_found() {
    let (high, mut low) = (item("a/1", 50, "a"), tombstone(40, "a"));
    low.version.sequence = 60;
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 10);
    unreported_delete(&mut case, "d/0", 5);
    unreported_delete(&mut case, "d/1", 20);
    case.logged(&high).logged(&low).both_hold(&high);
    let violations = case.violations();
    let is_it =
        |wrong: &Violation| matches!(wrong, Violation::VersionWentDown { version, .. } if *version == low.version);
    assert!(
        !violations.is_empty() && violations.iter().all(is_it),
        "{violations:#?}"
    );
}

#[test]
fn a_read_of_nothing_saw_the_last_delete_sent_before() {
    // The first delete at 20 ms made the first tombstone. Time does not say so, since only another
    // region wrote in between.
    let (between, last) = (item("b/1", 30, "b"), tombstone(40, "a"));
    let mut case = case(&[10], &[20]);
    case.reported("b", "b/1", put(), 30);
    case.logged(&between)
        .logged_knowing(&last, &[("b", 30)])
        .both_hold(&last);
    unreported_delete(&mut case, "d/1", 20);
    unreported_delete(&mut case, "d/2", 25);
    delete(&mut case, "d/3", 40, 41, OperationOutcome::Ok);
    case.operation("a", 9, 22, OperationOutcome::Ok).reads = vec![seen("k", None)];
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("stale-read"), (0, None));
    case.operation("a", 9, 18, OperationOutcome::Ok).reads = vec![seen("k", None)];
    assert_eq!(case.anomaly("stale-read").0, 1, "none had been sent by then");
}

/// A disk that was lost took the deletes before it, so none of them made a later tombstone.
#[test]
fn a_delete_from_before_a_lost_disk_made_no_later_tombstone() {
    let judged = |put_ms: u64, lost_disk: Option<&str>| {
        let mut case = case(&[10], &[20]);
        delete(&mut case, "d/1", 15, 16, OperationOutcome::Unknown);
        delete(&mut case, "d/2", 30, 31, OperationOutcome::Unknown);
        let (again, gone) = (item("a/again", 2_000, "a"), tombstone(2_001, "a"));
        case.reported("a", "a/again", put(), put_ms);
        case.logged(&again).logged(&gone).both_hold(&gone);
        if let Some(region) = lost_disk {
            case.lost_disk(region, 1_000);
        }
        wrong(&case)
    };
    assert_eq!(judged(1_500, None), (vec![], 0), "it may have been done late");
    assert_eq!(judged(1_500, Some("b")), (vec![], 0), "another region's disk");
    assert_eq!(judged(1_500, Some("a")), (vec![], 1));
    assert_eq!(
        judged(1_000, Some("a")),
        (vec![], 0),
        "the put may be from before the loss"
    );
}

#[test]
fn an_expiry_is_no_clients_delete() {
    let expiring = Content {
        expires_s: Some(0),
        ..content("a/1")
    };
    let gone = tombstone(20, "a");
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 10)
        .logged(&held(expiring, 10, "a"))
        .logged(&gone)
        .both_hold(&gone);
    delete(&mut case, "d/1", 20, 21, OperationOutcome::Ok);
    assert_eq!(wrong(&case), (vec![], 0));
    let log = case.evidence.logs.get_mut("a").and_then(|log| log.get_mut("k"));
    log.expect("logged")[1].is_expiry = true;
    assert_eq!(
        wrong(&case),
        (vec!["d/1".to_owned()], 0),
        "its own tombstone is missing"
    );
}

/// Neither a delete that was refused made a tombstone, nor a put.
#[test]
fn only_deletes_that_may_have_happened_made_tombstones() {
    let mut case = case(&[10], &[30]);
    let refusal = OperationOutcome::Refused("ThrottlingException".to_owned());
    delete(&mut case, "d/1", 20, 21, refusal);
    assert_eq!(wrong(&case), (vec![], 1));
    case.reported("a", "a/missing", put(), 25);
    assert_eq!(wrong(&case), (vec!["a/missing".to_owned()], 1));
    delete(&mut case, "d/2", 28, 29, OperationOutcome::Unknown);
    assert_eq!(wrong(&case), (vec!["a/missing".to_owned()], 0));
}

/// Both deletes were in progress during all of it. Only the second one's answer says what it
/// removed.
#[test]
fn a_delete_made_the_first_tombstone_after_what_it_removed() {
    let mut case = case(&[20, 40], &[30, 50]);
    delete(&mut case, "d/1", 15, 100, OperationOutcome::Unreported);
    case.reported_delete("a", "d/2", "a/40", 16);
    case.history.operations.last_mut().expect("the delete").done_us = 101_000;
    assert_eq!(case.violations(), []);
    let accounting = case.judged().accounting;
    assert_eq!((accounting.current, accounting.superseded), (1, 2));
}

/// Times that touch overlap.
#[test]
fn a_delete_answered_as_a_put_was_sent_may_follow_it() {
    let judged = |answered_ms: u64| {
        let mut case = case(&[20], &[30]);
        delete(&mut case, "d/1", 10, answered_ms, OperationOutcome::Unreported);
        wrong(&case)
    };
    assert_eq!(judged(20), (vec![], 0));
    assert_eq!(judged(19), (vec![], 1));
}
