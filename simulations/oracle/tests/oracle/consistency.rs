//! Consistency inside a region: consistent reads, refusals and cancellations that no order of the
//! region's writes explains are found, and only these.

use beringia_history::{Basis, Effect, Merging, OperationOutcome, READ_MODIFY_WRITE};
use beringia_oracle::Violation;

use crate::case::{Case, held, item, put, put_number, seen, seen_for_sure, tombstone, with_number, write};

/// `a/1` in region a at 10 ms, `b/1` in region b at 20 ms without knowing of it, and `a/2` in a at
/// 40 ms; each was answered a millisecond later.
fn three_writes(merging: Merging) -> Case {
    let (first, theirs, second) = (item("a/1", 1, "a"), item("b/1", 2, "b"), item("a/2", 3, "a"));
    let mut case = Case::new(merging);
    case.reported("a", "a/1", put(), 10)
        .reported("b", "b/1", put(), 20)
        .reported("a", "a/2", put(), 40);
    case.logged(&first)
        .logged(&theirs)
        .logged_knowing(&second, &[("b", 2)])
        .both_hold(&second);
    case
}

fn read(case: &mut Case, region: &str, at_ms: u64, marker: Option<&str>) {
    case.operation(region, 9, at_ms, OperationOutcome::Ok).reads = vec![seen_for_sure(marker)];
}

fn refused(kind: &str) -> OperationOutcome {
    OperationOutcome::Refused(kind.to_owned())
}

/// A write to `k` in region a that was refused because of its condition.
fn refusal(case: &mut Case, at_ms: u64, based_on: &Basis) {
    let outcome = refused("ConditionalCheckFailedException");
    case.reported_so("a", &format!("a/refused-{at_ms}"), put(), at_ms, outcome)
        .depending(based_on);
}

#[test]
fn consistent_reads_see_the_regions_last_write() {
    for merging in [Merging::Item, Merging::Attribute, Merging::Merge] {
        let case = |reads: &[(u64, Option<&str>)]| {
            let mut case = three_writes(merging);
            for (at_ms, marker) in reads {
                read(&mut case, "a", *at_ms, *marker);
            }
            case.violations()
        };
        assert_eq!(
            case(&[
                (5, None),
                (10, None),
                (15, Some("a/1")),
                (40, Some("a/1")),
                (50, Some("a/2"))
            ]),
            []
        );
        let stale = case(&[(50, Some("a/1"))]);
        assert!(
            matches!(&stale[..], [Violation::InconsistentRead { region, seen, held, sent_ms: 50, .. }]
                if region == "a" && seen == "a/1" && held == "a/2"),
            "{stale:?}"
        );
        assert!(matches!(&case(&[(15, None)])[..], [Violation::InconsistentRead { held, .. }] if held == "a/1"));
        assert_eq!(case(&[(40, Some("a/2")), (41, Some("a/1"))]), [], "the reads overlap");
        assert_eq!(case(&[(40, Some("a/2")), (43, Some("a/1"))]).len(), 1);
    }
}

#[test]
fn eventually_consistent_reads_may_be_stale() {
    let mut case = three_writes(Merging::Item);
    case.operation("a", 9, 50, OperationOutcome::Ok).reads = vec![seen("k", Some("a/1"))];
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("stale-read").0, 1);
}

/// Another region's write is seen at any time after it was sent, or never; but once it was seen, it
/// stays.
#[test]
fn replicated_writes_take_effect_at_any_time() {
    let case = |reads: &[(u64, &str)]| {
        let mut case = three_writes(Merging::Item);
        for (at_ms, marker) in reads {
            read(&mut case, "a", *at_ms, Some(marker));
        }
        case.violations()
    };
    assert_eq!(case(&[(20, "a/1"), (25, "b/1"), (30, "b/1"), (50, "a/2")]), []);
    assert_eq!(case(&[(30, "a/1"), (39, "a/1"), (45, "a/2")]), []);
    assert_eq!(case(&[(25, "b/1"), (30, "a/1")]).len(), 1, "it went back");
    assert_eq!(case(&[(15, "b/1")]).len(), 1, "it was not sent yet");
    let mut remote = three_writes(Merging::Item);
    read(&mut remote, "b", 30, Some("a/2"));
    assert_eq!(remote.violations().len(), 1);
    remote.history.operations.last_mut().expect("the read").done_us = 40_000;
    assert_eq!(remote.violations(), [], "it was answered when a/2 was sent");
}

#[test]
fn refusals_need_a_condition_that_can_have_failed() {
    let marker = |marker: &str| Basis::Marker(marker.to_owned());
    let case = |refusals: &[(u64, Basis)]| {
        let mut case = three_writes(Merging::Item);
        for (at_ms, basis) in refusals {
            refusal(&mut case, *at_ms, basis);
        }
        case.violations()
    };
    assert_eq!(
        case(&[(5, marker("a/1")), (15, Basis::NoItem), (50, marker("a/1"))]),
        []
    );
    assert_eq!(case(&[(30, marker("a/1"))]), [], "b/1 can have arrived");
    assert_eq!(case(&[(5, Basis::Item), (10, Basis::Item)]), []);
    assert_eq!(case(&[(30, Basis::Recorded)]), [], "its condition is not known");
    for (at_ms, basis) in [
        (15, marker("a/1")),
        (50, marker("a/2")),
        (15, Basis::Item),
        (5, Basis::NoItem),
        (15, Basis::Anything),
    ] {
        let found = case(&[(at_ms, basis.clone())]);
        assert!(
            matches!(&found[..], [Violation::RefusedWithoutCause { sent_ms, .. }] if *sent_ms == at_ms),
            "{basis:?}: {found:?}"
        );
    }
    let seen_between = case(&[(30, marker("b/1")), (32, marker("a/1"))]);
    assert_eq!(seen_between, [], "a/1 until 31 ms, then b/1");
    let arrived = case(&[(30, marker("a/1")), (32, marker("b/1"))]);
    assert_eq!(arrived.len(), 1, "b/1 was there, and nothing came after it");
}

#[test]
fn stock_that_is_there_is_not_refused() {
    let (first, second) = (held(with_number("a/0", 5), 1, "a"), held(with_number("a/1", 2), 2, "a"));
    let sold = |merging, at_ms, count| {
        let mut case = Case::new(merging);
        case.reported("a", "a/0", put_number(5), 10)
            .reported("a", "a/1", Effect::Add(-3), 20)
            .depending(&Basis::AtLeast(3));
        case.logged(&first).logged(&second).both_hold(&second);
        refusal(&mut case, at_ms, &Basis::AtLeast(count));
        case.violations()
    };
    assert_eq!(sold(Merging::Item, 15, 6), []);
    assert_eq!(sold(Merging::Item, 20, 5), []);
    assert_eq!(sold(Merging::Item, 30, 3), []);
    assert_eq!(sold(Merging::Item, 15, 5).len(), 1);
    assert_eq!(sold(Merging::Item, 30, 2).len(), 1);
    assert_eq!(
        sold(Merging::Merge, 30, 2),
        [],
        "of merged numbers nothing is known here"
    );
}

/// The two additions were made of the same item, one after the other: the first one's result is
/// lost inside the region, whatever causal contexts say.
#[test]
fn an_addition_to_an_older_item_is_out_of_turn() {
    let first = held(with_number("a/0", 1), 1, "a");
    let (one, other) = (held(with_number("a/1", 2), 2, "a"), held(with_number("b/1", 2), 3, "a"));
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/0", put_number(1), 10)
        .reported("a", "a/1", Effect::Add(1), 20)
        .reported("a", "b/1", Effect::Add(1), 30);
    case.logged(&first).logged(&one).logged(&other).both_hold(&other);
    let found = case.violations();
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Violation::WrittenOutOfTurn { marker, held, .. }
            if marker == "b/1" && held == "a/1")),
        "{found:?}"
    );
}

#[test]
fn a_delete_removes_what_the_region_held() {
    let (first, second, deleted) = (item("a/1", 1, "a"), item("a/2", 2, "a"), tombstone(3, "a"));
    let removing = |removed: &str| {
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
        case.reported_delete("a", "a/3", removed, 30);
        case.logged(&first).logged(&second).logged(&deleted).both_hold(&deleted);
        read(&mut case, "a", 40, None);
        case.violations()
    };
    assert_eq!(removing("a/2"), []);
    let found = removing("a/1");
    assert!(
        matches!(&found[..], [Violation::WrittenOutOfTurn { marker, held, .. }] if marker == "a/3" && held == "a/2"),
        "{found:?}"
    );
}

/// A write without an answer may take effect late, but only once, and what it showed stays.
#[test]
fn a_write_without_an_answer_may_take_effect_late() {
    let (first, late, last) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("a/3", 3, "a"));
    let case = |reads: &[(u64, &str)]| {
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10)
            .reported_so("a", "a/2", put(), 20, OperationOutcome::Unknown)
            .reported("a", "a/3", put(), 60);
        case.logged(&first).logged(&late).logged(&last).both_hold(&last);
        for (at_ms, marker) in reads {
            read(&mut case, "a", *at_ms, Some(marker));
        }
        case.violations()
    };
    assert_eq!(case(&[(30, "a/1"), (40, "a/2"), (50, "a/2"), (70, "a/3")]), []);
    assert_eq!(case(&[(30, "a/2"), (40, "a/1")]).len(), 1);
    assert_eq!(case(&[(70, "a/2")]).len(), 1);
}

#[test]
fn a_write_that_was_seen_becomes_durable() {
    let first = item("a/1", 1, "a");
    let seen_undurable = |lost_at_ms: Option<u64>, is_bootstrapped: bool| {
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10)
            .reported_so("a", "a/2", put(), 20, OperationOutcome::Unknown);
        case.logged(&first).both_hold(&first);
        read(&mut case, "a", 30, Some("a/2"));
        if let Some(at_ms) = lost_at_ms {
            case.lost_disk("a", at_ms);
        }
        if is_bootstrapped {
            case.evidence.bootstrapped.insert("a".to_owned());
        }
        case.violations()
    };
    let found = seen_undurable(None, false);
    assert!(
        matches!(&found[..], [Violation::SeenUndurable { marker, .. }] if marker == "a/2"),
        "{found:?}"
    );
    assert_eq!(seen_undurable(Some(40), false), []);
    assert_eq!(seen_undurable(Some(15), false).len(), 1, "the disk was lost before");
    assert_eq!(seen_undurable(None, true), []);
}

/// A lost disk excuses its own region, and what was there before, and nothing else.
#[test]
fn a_lost_disk_excuses_no_other_staleness() {
    let case = |lost: &str, reads: &[(&str, u64, Option<&str>)]| {
        let mut case = three_writes(Merging::Item);
        case.lost_disk(lost, 60);
        for (region, at_ms, marker) in reads {
            read(&mut case, region, *at_ms, *marker);
        }
        case.violations()
    };
    let back = |region| {
        [
            (region, 50, Some("a/2")),
            (region, 70, None),
            (region, 80, Some("b/1")),
            (region, 90, Some("a/2")),
        ]
    };
    assert_eq!(case("a", &back("a")), []);
    assert_eq!(case("b", &back("a")).len(), 1, "another region's disk");
    assert_eq!(case("a", &[("a", 50, Some("a/1"))]).len(), 1, "before the loss");
    assert_eq!(
        case("a", &[("a", 70, Some("a/2")), ("a", 80, Some("b/1"))]).len(),
        1,
        "after it"
    );
}

/// Where the time of a new start is not known, the region may start over, and still shows no write
/// before it was sent.
/// Region a loses its disk at 30 ms; the other regions had what it wrote up to this sequence.
#[test]
fn a_region_has_what_it_had_shipped_after_its_loss() {
    let read_nothing = |shipped: u64| {
        let mut case = three_writes(Merging::Item);
        case.lost_disk_after("a", 30, shipped);
        read(&mut case, "a", 35, None);
        case.violations()
    };
    assert_eq!(read_nothing(0), [], "a/1 may be lost there");
    let found = read_nothing(1);
    assert!(
        matches!(&found[..], [Violation::InconsistentRead { region, held, sent_ms: 35, .. }]
            if region == "a" && held == "a/1"),
        "{found:?}"
    );
}

#[test]
fn a_bootstrapped_replica_may_start_over() {
    let case = |reads: &[(u64, Option<&str>)]| {
        let mut case = three_writes(Merging::Item);
        case.evidence.bootstrapped.insert("a".to_owned());
        for (at_ms, marker) in reads {
            read(&mut case, "a", *at_ms, *marker);
        }
        case.violations()
    };
    assert_eq!(
        case(&[(50, Some("a/2")), (60, None), (70, Some("a/1")), (80, Some("a/2"))]),
        []
    );
    assert_eq!(case(&[(5, Some("a/1"))]).len(), 1);
}

/// A transaction that was cancelled, in region a at 30 ms, for these reasons.
fn cancelled(codes: [&str; 2], other_at_ms: Option<u64>) -> Vec<Violation> {
    let mut case = three_writes(Merging::Item);
    if let Some(at_ms) = other_at_ms {
        let other = case.operation("a", 3, at_ms, refused("TransactionCanceledException"));
        other.name = "TransactWriteItems".to_owned();
        other.cancellations = vec!["None".to_owned(), "ConditionalCheckFailed".to_owned()];
        other.writes = vec![write("l", "a/8", put()), write("k", "a/9", put())];
        other.writes[1].based_on = Basis::NoItem;
    }
    let operation = case.operation("a", 2, 30, refused("TransactionCanceledException"));
    operation.name = "TransactWriteItems".to_owned();
    operation.cancellations = codes.map(str::to_owned).into();
    operation.writes = vec![write("k", "a/6", put()), write("l", "a/7", put())];
    operation.writes[0].based_on = Basis::Item;
    case.violations()
}

#[test]
fn a_transaction_is_cancelled_only_with_cause() {
    let found = cancelled(["ConditionalCheckFailed", "None"], None);
    assert!(
        matches!(&found[..], [Violation::RefusedWithoutCause { marker, .. }] if marker == "a/6"),
        "{found:?}"
    );
    for codes in [
        ["TransactionConflict", "None"],
        ["None", "TransactionConflict"],
        ["None", "None"],
    ] {
        let found = cancelled(codes, None);
        assert!(
            matches!(&found[..], [Violation::CancelledWithoutConflict { .. }]),
            "{codes:?}: {found:?}"
        );
        let found = cancelled(codes, Some(30));
        assert_eq!(
            found.is_empty(),
            codes != ["None", "None"],
            "another one was in progress: {found:?}"
        );
    }
    assert_eq!(
        cancelled(["TransactionConflict", "None"], Some(25)).len(),
        1,
        "it was over"
    );
    assert_eq!(cancelled(["ThrottlingError", "None"], None), []);
}

#[test]
fn a_write_conflicts_only_with_a_transaction() {
    let mut case = three_writes(Merging::Item);
    case.reported_so("a", "a/5", put(), 40, refused("TransactionConflictException"));
    let found = case.violations();
    assert!(
        matches!(&found[..], [Violation::CancelledWithoutConflict { .. }]),
        "a/2 was no transaction: {found:?}"
    );
    case.history.operations[2].name = "TransactWriteItems".to_owned();
    assert_eq!(case.violations(), []);
}

/// Thousands of operations on one key, many at once, and a region that was cut off for long.
#[test]
fn a_hot_key_is_decided() {
    let mut case = Case::new(Merging::Item);
    for index in 1..=2_000_u64 {
        let region = if index % 2 == 0 { "a" } else { "b" };
        let item = item(&format!("m{index}"), index, region);
        case.reported(region, &format!("m{index}"), put(), index);
        case.history.operations.last_mut().expect("the write").done_us += 250_000;
        case.logged_knowing(&item, &[(if region == "a" { "b" } else { "a" }, index - 1)]);
        if index % 5 == 0 && index < 2_000 {
            read(&mut case, "a", index + 10, Some(&format!("m{}", index + 2 - index % 2)));
        }
        if index % 7 == 0 {
            refusal(&mut case, index + 9, &Basis::Marker("m1".to_owned()));
        }
    }
    let last = item("m2000", 2_000, "a");
    case.both_hold(&last);
    let judgement = case.judged();
    assert_eq!(judgement.undecided, 0);
    assert_eq!(judgement.violations, []);
}

/// A rewrite that checks other items than it writes does so in a transaction with its write.
#[test]
fn a_rewrite_that_checks_other_items_is_a_transaction() {
    let conflict_with = |checked: &[&str], writes: &str| {
        let mut case = three_writes(Merging::Item);
        case.reported_so("a", "a/5", put(), 50, refused("TransactionConflictException"));
        let rewrite = case.operation("a", 3, 50, OperationOutcome::Unreachable);
        rewrite.name = READ_MODIFY_WRITE.to_owned();
        rewrite.outcome = OperationOutcome::Unknown;
        rewrite.reads = checked.iter().map(|key| seen(key, None)).collect();
        rewrite.writes = vec![write(writes, "a/6", put())];
        rewrite.checked = checked.iter().map(|key| (*key).to_owned()).collect();
        case.violations()
    };
    assert_eq!(conflict_with(&["k"], "l"), [], "it checks k");
    assert_eq!(conflict_with(&["l"], "k"), [], "it writes k");
    for (checked, writes) in [(&[][..], "k"), (&["m"], "l")] {
        let found = conflict_with(checked, writes);
        assert!(
            matches!(&found[..], [Violation::CancelledWithoutConflict { sent_ms: 50, .. }]),
            "{checked:?}: {found:?}"
        );
    }
}

/// A rewrite of `l`, sent at 50 ms, that was cancelled since `k` was not as it had been read.
#[test]
fn a_check_of_another_item_is_refused_only_with_cause() {
    let refused_after = |marker: Option<&str>| {
        let mut case = three_writes(Merging::Item);
        let rewrite = case.operation("a", 3, 50, refused("TransactionCanceledException"));
        rewrite.name = READ_MODIFY_WRITE.to_owned();
        rewrite.cancellations = ["None", "ConditionalCheckFailed"].map(str::to_owned).into();
        rewrite.reads = vec![seen("l", None), seen("k", marker)];
        rewrite.writes = vec![write("l", "a/6", put())];
        rewrite.checked = vec!["k".to_owned()];
        case.violations()
    };
    let found = refused_after(Some("a/2"));
    assert!(
        matches!(&found[..], [Violation::RefusedWithoutCause { key, sent_ms: 50, .. }] if key == "k"),
        "{found:?}"
    );
    for marker in [Some("a/1"), None] {
        assert_eq!(refused_after(marker), [], "{marker:?} was read too early");
    }
}

/// A transactional read of `l` and `k`, at 40 ms, that was cancelled because of `k`, beside another
/// operation on `k`, or one that found nothing there.
#[test]
fn a_transactional_read_is_cancelled_only_by_a_write() {
    let cancelled_beside = |name: &str, region: &str, at_ms: u64| {
        let mut case = Case::new(Merging::Item);
        let read = case.operation("a", 3, 40, refused("TransactionCanceledException"));
        read.name = "TransactGetItems".to_owned();
        read.cancellations = ["None", "TransactionConflict"].map(str::to_owned).into();
        read.checked = ["l", "k"].map(str::to_owned).into();
        let other = case.operation(region, 4, at_ms, OperationOutcome::Ok);
        other.name = name.to_owned();
        match name {
            "PutItem" => {
                other.outcome = refused("ConditionalCheckFailedException");
                other.writes = vec![write("k", "a/6", put())];
                other.writes[0].based_on = Basis::Item;
            }
            _ => other.reads = vec![seen("k", None)],
        }
        case.violations()
    };
    assert_eq!(cancelled_beside("PutItem", "a", 40), []);
    assert_eq!(cancelled_beside("DeleteItem", "a", 39), []);
    for (name, region, at_ms) in [("PutItem", "a", 38), ("PutItem", "b", 40), ("GetItem", "a", 40)] {
        let found = cancelled_beside(name, region, at_ms);
        assert!(
            matches!(&found[..], [Violation::CancelledWithoutConflict { key, operation, .. }]
                if key == "k" && operation == "TransactGetItems"),
            "{name} in {region} at {at_ms} ms: {found:?}"
        );
    }
}

#[test]
fn a_cancelled_transaction_without_reasons_is_not_judged() {
    let mut case = three_writes(Merging::Item);
    let operation = case.operation("a", 2, 50, refused("TransactionCanceledException"));
    operation.name = "TransactWriteItems".to_owned();
    operation.writes = vec![write("k", "a/6", put()), write("l", "a/7", put())];
    assert_eq!(case.violations(), []);
}

/// An answer may have come before the loss or after it.
#[test]
fn a_read_that_was_answered_at_the_loss_is_not_judged() {
    let stale = |lost_at_ms: u64| {
        let mut case = three_writes(Merging::Item);
        case.lost_disk("a", lost_at_ms);
        read(&mut case, "a", 50, Some("a/1"));
        case.violations().len()
    };
    assert_eq!(stale(51), 0);
    assert_eq!(stale(52), 1);
}
