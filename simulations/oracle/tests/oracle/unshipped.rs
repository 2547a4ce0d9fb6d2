//! Writes of a region whose replica the others dropped. They are unshipped, replaced or lost to a
//! conflict if the region's own record says so, and lost if it does not.

use beringia_history::{Effect, Merging, OperationOutcome, VersionedItem};
use beringia_oracle::{Accounting, Violation};

use crate::case::{Case, held, item, put, put_number, seen, tombstone, with_number, write};

/// A run in which region `a` shipped some writes and was then unreachable, with what region `b`
/// holds after `a` came back.
fn case(merging: Merging) -> Case {
    let mut case = Case::new(merging);
    let (shipped, after) = (item("a/1", 1, "a"), item("b/1", 9_000, "b"));
    case.reported("a", "a/1", put(), 1).reported("b", "b/1", put(), 9_000);
    case.logged(&shipped)
        .logged_knowing(&after, &[("a", 1)])
        .both_hold(&after);
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

fn account(case: &Case) -> Accounting {
    let account = case.judged().accounting;
    let sum = account.current
        + account.superseded
        + account.lost_to_conflicts
        + account.lost_with_disk
        + account.unshipped
        + account.lost;
    assert_eq!(sum, account.acknowledged);
    account
}

#[test]
fn last_writes_are_unshipped_and_earlier_ones_replaced() {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200).reported("a", "a/3", put(), 300);
    assert_eq!(lost(&case), ["a/2", "a/3"], "no record says that they are kept");
    case.unshipped("b", &[("k", &item("a/3", 300, "a"))]);
    assert_eq!(lost(&case), ["a/2", "a/3"], "their region does not say so");
    case.evidence.unshipped.clear();
    case.unshipped("a", &[]);
    assert_eq!(lost(&case), ["a/2", "a/3"], "their region kept something else");
    case.unshipped("a", &[("k", &item("a/3", 300, "a"))]);
    assert_eq!(lost(&case), [""; 0]);
    let account = account(&case);
    assert_eq!((account.unshipped, account.superseded, account.lost), (1, 2, 0));
}

#[test]
fn writes_after_the_unshipped_one_are_lost() {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200).reported("a", "a/3", put(), 300);
    case.unshipped("a", &[("k", &item("a/2", 200, "a"))]);
    assert_eq!(lost(&case), ["a/3"], "it would have replaced it");
    assert_eq!(account(&case).unshipped, 1);
}

#[test]
fn missing_writes_to_other_keys_are_lost() {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200);
    case.operation("a", 1, 300, OperationOutcome::Ok).writes = vec![write("other", "a/3", put())];
    case.unshipped("a", &[("k", &item("a/2", 200, "a"))]);
    assert_eq!(lost(&case), ["a/3"]);
}

/// A run in which region `a` has an unshipped delete, a tombstone, and with `again` deletes once
/// more when it is back.
fn deleted(again: bool) -> Case {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200)
        .reported_delete("a", "d/1", "a/2", 300);
    case.unshipped("a", &[("k", &tombstone(300, "a"))]);
    let later = item("a/9", 9_500, "a");
    case.operation("a", 1, 9_500, OperationOutcome::Ok).writes = vec![write("other", "a/9", put())];
    case.logged_under("other", &later, &[]);
    case.holds_under("other", "a", &later).holds_under("other", "b", &later);
    if again {
        case.reported_delete("a", "d/2", "b/1", 9_600);
    }
    case
}

#[test]
fn unshipped_deletes_are_not_taken_for_later_ones() {
    let mut case = deleted(true);
    let last = tombstone(9_600, "a");
    case.logged_knowing(&last, &[("b", 9_000)]).both_hold(&last);
    assert_eq!(lost(&case), [""; 0]);
    let account = account(&case);
    assert_eq!((account.unshipped, account.superseded, account.current), (1, 3, 2));
    // Nor is a later delete of the same item by the region taken for it.
    case.evidence.unshipped.clear();
    case.unshipped("a", &[]);
    assert_eq!(lost(&case), ["a/2", "d/1"]);
}

#[test]
fn deletes_are_matched_by_the_tombstones_time() {
    assert_eq!(lost(&deleted(false)), [""; 0]);
    assert_eq!(
        (account(&deleted(false)).unshipped, account(&deleted(false)).superseded),
        (1, 2)
    );
    assert_eq!(
        lost(&deleted(true)),
        ["d/2"],
        "the region was back, so nothing of it is unshipped"
    );
}

#[test]
fn the_journal_excuses_writes_that_lost_a_conflict_before() {
    let theirs = item("b/0", 250, "b");
    let conflicting = |region: &str| {
        let mut case = case(Merging::Item);
        case.reported("a", "a/2", put(), 100)
            .reported("a", "a/3", put(), 200)
            .reported("b", "b/0", put(), 240);
        case.logged_knowing(&theirs, &[("a", 1)]);
        case.journalled(region, &theirs, &item("a/3", 200, "a"));
        case
    };
    let mut left = conflicting("a");
    left.unshipped("a", &[]);
    assert_eq!(lost(&left), [""; 0]);
    let account = account(&left);
    assert_eq!((account.lost_to_conflicts, account.superseded, account.lost), (1, 3, 0));
    left.evidence.unshipped.clear();
    let strict = left.violations();
    assert!(
        matches!(
            &strict[..],
            [
                Violation::Lost { .. },
                Violation::Lost { .. },
                Violation::NoConflict { .. }
            ]
        ),
        "a region whose replica was not dropped must have its writes in its log: {strict:?}"
    );
    let mut elsewhere = conflicting("b");
    elsewhere.unshipped("a", &[]);
    assert_eq!(elsewhere.violations().len(), 3, "no other client can have seen them");
}

#[test]
fn unshipped_merged_rows_contain_earlier_writes() {
    let with = |first: Effect, second: Effect, unshipped: &VersionedItem| {
        let mut case = case(Merging::Merge);
        case.reported("a", "a/2", first, 200).reported("a", "a/3", second, 300);
        case.unshipped("a", &[("k", unshipped)]);
        assert_eq!(lost(&case), [""; 0]);
        (account(&case).unshipped, account(&case).superseded)
    };
    let sum = held(with_number("a/3", 5), 300, "a");
    assert_eq!(with(Effect::Add(2), Effect::Add(3), &sum), (2, 1));
    assert_eq!(with(Effect::Add(2), put_number(3), &sum), (1, 2), "a put replaces all");
    assert_eq!(
        with(Effect::Add(2), Effect::Add(3), &held(with_number("a/3", 5), 310, "b")),
        (2, 1),
        "a write of another region's in it"
    );
}

/// The journal says that `a/4` lost a field. The item had been merged with a later write of another
/// region and has its marker, which says nothing of when `a/4` was made.
#[test]
fn markers_of_merged_losers_do_not_tell_times() {
    let mut case = case(Merging::Merge);
    let other = item("b/0", 100, "b");
    case.operation("b", 2, 100, OperationOutcome::Ok).writes = vec![write("j", "b/0", put())];
    case.logged_under("j", &other, &[])
        .holds_under("j", "a", &other)
        .holds_under("j", "b", &other);
    case.reported("a", "a/2", Effect::Add(2), 200)
        .reported("a", "a/3", Effect::Add(3), 300)
        .unshipped("a", &[("k", &held(with_number("a/3", 5), 300, "a"))]);
    let update = Effect::Update {
        fields: vec!["f0".to_owned()],
    };
    case.operation("a", 4, 400, OperationOutcome::Ok).writes = vec![write("j", "a/4", update)];
    case.journalled("a", &other, &item("b/0", 400, "a"));
    let entry = &mut case.evidence.journals.get_mut("a").expect("a journal").entries[0];
    (entry.key, entry.attributes) = ("j".to_owned(), vec!["f0".to_owned()]);
    assert_eq!(lost(&case), [""; 0]);
}

#[test]
fn reads_of_unshipped_writes_are_not_invented() {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200);
    case.operation("a", 3, 250, OperationOutcome::Ok).reads = vec![seen("k", Some("a/2"))];
    case.unshipped("a", &[("k", &item("a/2", 200, "a"))]);
    assert_eq!(lost(&case), [""; 0]);
}

/// A row that another region wrote says nothing of this region's writes before it.
#[test]
fn an_unshipped_row_of_another_region_excuses_nothing() {
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200);
    case.unshipped("a", &[("k", &item("b/0", 250, "b"))]);
    assert_eq!(lost(&case), ["a/2"]);
    case.evidence.unshipped.clear();
    case.reported_delete("a", "d/1", "a/2", 300)
        .unshipped("a", &[("k", &tombstone(300, "b"))]);
    assert_eq!(lost(&case), ["a/2", "d/1"]);
}

/// What is in a log was shipped, and with it all that the region wrote before.
#[test]
fn a_logged_loser_in_the_journal_excuses_nothing() {
    let (theirs, ours) = (item("b/0", 350, "b"), item("a/3", 300, "a"));
    let mut case = case(Merging::Item);
    case.reported("a", "a/2", put(), 200)
        .reported("a", "a/3", put(), 300)
        .reported("b", "b/0", put(), 340);
    case.logged(&ours).logged_knowing(&theirs, &[("a", 1)]);
    case.journalled("a", &theirs, &ours).unshipped("a", &[]);
    case.journal("a").is_complete = false;
    assert_eq!(lost(&case), ["a/2"]);
}

#[test]
fn an_unshipped_tombstone_is_an_acknowledged_deletes() {
    let tombstone_of = |add: fn(&mut Case)| {
        let mut case = case(Merging::Item);
        case.reported_delete("a", "d/1", "a/1", 300);
        add(&mut case);
        case.unshipped("a", &[("k", &tombstone(300, "a"))]);
        (lost(&case), account(&case).unshipped)
    };
    assert_eq!(tombstone_of(|_| {}), (vec![], 1));
    let unanswered = |case: &mut Case| {
        case.reported_so("a", "d/2", Effect::Delete, 310, OperationOutcome::Unknown);
    };
    assert_eq!(tombstone_of(unanswered), (vec![], 1), "the later one got no answer");
    let put = |case: &mut Case| {
        case.reported("a", "a/2", put(), 310);
    };
    assert_eq!(tombstone_of(put), (vec![], 1), "it may have come before the delete");
}

/// A run in which region `a` discarded a delete of `a/1`, and deleted `removed` when it was back.
/// Nothing that it wrote in between bounds the times of the two.
fn deleted_twice(removed: &str) -> Case {
    let mut case = case(Merging::Item);
    let last = tombstone(9_600, "a");
    case.reported_delete("a", "d/1", "a/1", 300)
        .reported_delete("a", "d/2", removed, 9_600);
    case.logged_knowing(&last, &[("b", 9_000)]).both_hold(&last);
    case.unshipped("a", &[("k", &tombstone(300, "a"))]);
    case
}

#[test]
fn a_later_tombstone_is_not_a_discarded_deletes() {
    for removed in ["b/1", "a/1"] {
        let case = deleted_twice(removed);
        assert_eq!(lost(&case), [""; 0], "the second one removed {removed}");
        let account = account(&case);
        assert_eq!((account.unshipped, account.current, account.superseded), (1, 1, 2));
    }
    // Nor is it if the answers do not say what the deletes removed.
    let mut case = deleted_twice("b/1");
    case.history
        .operations
        .iter_mut()
        .for_each(|operation| operation.reads.clear());
    assert_eq!(lost(&case), [""; 0]);
    assert_eq!((account(&case).unshipped, account(&case).current), (1, 1));
}

#[test]
fn a_discarded_tombstone_may_be_an_expirys() {
    let mut case = deleted_twice("b/1");
    case.history.operations.retain(|operation| operation.sent_us != 300_000);
    assert_eq!(lost(&case), [""; 0]);
    assert_eq!(account(&case).current, 1);
}
