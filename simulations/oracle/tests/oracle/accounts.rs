//! The account: every acknowledged write is in one place of it, and writes lost with a disk are
//! distinguished from writes lost without an excuse.

use beringia_history::{Merging, OperationOutcome};
use beringia_oracle::{Accounting, Violation, WriteOutcome};

use crate::case::{Case, item, put, tombstone, write};

fn case() -> Case {
    Case::new(Merging::Item)
}

#[test]
fn every_acknowledged_write_is_counted_once() {
    let (first, lost, last) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("b/1", 3, "b"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .reported("a", "a/2", put(), 2)
        .reported("b", "b/1", put(), 3);
    case.reported_so("b", "b/2", put(), 4, OperationOutcome::Unknown)
        .reported_so("b", "b/3", put(), 4, OperationOutcome::Unreachable);
    case.reported("b", "b/4", put(), 5);
    case.logged(&first)
        .logged(&lost)
        .logged_knowing(&last, &[("a", 1)])
        .both_hold(&last);
    let judged = case.judged();
    let expected = Accounting {
        acknowledged: 4,
        unknown: 1,
        current: 1,
        superseded: 1,
        lost_to_conflicts: 1,
        lost_with_disk: 0,
        unshipped: 0,
        lost: 1,
    };
    assert_eq!(judged.accounting, expected);
    assert!(matches!(&judged.violations[..], [Violation::Lost { marker, .. }] if marker == "b/4"));
    let outcomes = |region: &str| -> Vec<(Option<u64>, WriteOutcome)> {
        let of_region = judged.writes[region].iter();
        of_region.map(|write| (write.sequence, write.outcome)).collect()
    };
    let (superseded, overruled) = (WriteOutcome::Superseded, WriteOutcome::LostToConflict);
    assert_eq!(outcomes("a"), [(Some(1), superseded), (Some(2), overruled)]);
    assert_eq!(
        outcomes("b"),
        [(Some(3), WriteOutcome::Current), (None, WriteOutcome::Lost)]
    );
}

/// They are counted as the loss.
#[test]
fn writes_unshipped_at_a_disk_loss_break_no_promise() {
    let first = item("a/1", 1, "a");
    let mut case = case();
    case.reported("a", "a/1", put(), 100)
        .reported("a", "a/2", put(), 200)
        .reported("a", "a/3", put(), 300);
    case.logged(&first).both_hold(&first).lost_disk("a", 1_000);
    let judged = case.judged();
    assert_eq!(judged.violations, []);
    assert_eq!((judged.accounting.lost_with_disk, judged.accounting.lost), (2, 0));
    let [loss] = &judged.losses[..] else { panic!("one disk") };
    assert_eq!((loss.region.as_str(), loss.writes, loss.bytes), ("a", 2, 200));
    assert!(
        (loss.seconds - 0.799).abs() < 1e-9,
        "from the first acknowledgement that is lost: {}",
        loss.seconds
    );

    case.reported("a", "a/4", put(), 1_100);
    let judged = case.judged();
    assert!(
        matches!(&judged.violations[..], [Violation::Lost { marker, .. }] if marker == "a/4"),
        "what was acknowledged after the loss has no excuse"
    );
    case.lost_disks.clear();
    assert_eq!(case.violations().len(), 3);
}

/// The later delete removes the same item.
#[test]
fn a_delete_lost_with_a_disk_is_not_matched_to_a_later_one() {
    let (first, later, gone) = (item("a/1", 1, "a"), item("a/2", 2_000, "a"), tombstone(2_001, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 100)
        .reported_delete("a", "d/1", "a/1", 200);
    case.operation("a", 1, 1_100, OperationOutcome::Ok).writes = vec![write("other", "a/2", put())];
    case.reported_delete("a", "d/2", "a/1", 1_200);
    case.logged(&first).logged_under("other", &later, &[]).logged(&gone);
    case.both_hold(&gone).lost_disk("a", 1_000);
    case.holds_under("other", "a", &later).holds_under("other", "b", &later);
    let judged = case.judged();
    assert_eq!(judged.violations, []);
    assert_eq!(
        (
            judged.losses[0].writes,
            judged.accounting.superseded,
            judged.accounting.current
        ),
        (1, 1, 2)
    );
}

#[test]
fn a_missing_write_before_a_shipped_one_is_found() {
    let later = item("a/2", 2, "a");
    let mut case = case();
    case.reported("a", "a/1", put(), 100);
    case.operation("a", 1, 200, OperationOutcome::Ok).writes = vec![write("other", "a/2", put())];
    case.logged_under("other", &later, &[]).lost_disk("a", 1_000);
    case.holds_under("other", "a", &later).holds_under("other", "b", &later);
    let judged = case.judged();
    assert!(
        matches!(&judged.violations[..], [Violation::LostAmidst { marker, .. }] if marker == "a/1"),
        "{:?}",
        judged.violations
    );
}

#[test]
fn writes_replaced_before_a_disk_loss_may_be_missing() {
    let later = item("a/2", 2, "a");
    let mut case = case();
    case.reported("a", "a/1", put(), 100).reported("a", "a/2", put(), 200);
    case.logged(&later).both_hold(&later).lost_disk("a", 1_000);
    let judged = case.judged();
    assert_eq!(judged.violations, []);
    assert_eq!((judged.accounting.superseded, judged.accounting.lost_with_disk), (1, 0));
}

/// Times that touch overlap: a write that was sent when another was answered may precede it.
#[test]
fn a_write_sent_as_another_was_answered_may_precede_it() {
    let judged = |at_ms: u64, key: &str| {
        let later = item("a/2", 2, "a");
        let mut case = case();
        case.reported("a", "a/1", put(), 100);
        case.operation("a", 1, at_ms, OperationOutcome::Ok).writes = vec![write(key, "a/2", put())];
        case.logged_under(key, &later, &[]).lost_disk("a", 1_000);
        case.holds_under(key, "a", &later).holds_under(key, "b", &later);
        case.judged()
    };
    assert_eq!(judged(101, "other").violations, []);
    assert_eq!(
        judged(102, "other").violations.len(),
        1,
        "it was shipped, and a/1 was not"
    );
    assert_eq!(judged(101, "k").accounting.superseded, 1, "it can have replaced a/1");
    assert_eq!(judged(100, "k").accounting.superseded, 0, "it can have come first");
}
