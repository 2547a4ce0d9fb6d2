//! Anomalies: each that clients could see is counted, and nothing else is.

use beringia_history::{Effect, Merging, Operation, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, TABLE, held, item, put, put_number, seen, tombstone, with_number, write};

/// `a/1`, then `b/1`, which depends on it, acknowledged at 11 and 21 ms.
fn two_writes() -> Case {
    let (first, second) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 10).reported("b", "b/1", put(), 20);
    case.logged(&first)
        .logged_knowing(&second, &[("a", 1)])
        .both_hold(&second);
    case
}

fn read<'a>(case: &'a mut Case, region: &str, at_ms: u64, marker: Option<&str>) -> &'a mut Operation {
    let operation = case.operation(region, 9, at_ms, OperationOutcome::Ok);
    operation.reads = vec![seen("k", marker)];
    operation
}

/// A read is stale by as long as something newer had been acknowledged when it was sent.
#[test]
fn staleness_counts_from_the_newer_writes_acknowledgement() {
    let mut case = two_writes();
    read(&mut case, "a", 15, Some("a/1"));
    read(&mut case, "a", 20, Some("a/1"));
    read(&mut case, "a", 21, Some("a/1"));
    read(&mut case, "a", 25, Some("b/1"));
    assert_eq!(
        case.anomaly("stale-read"),
        (0, None),
        "what was acknowledged while it was read may be missed"
    );
    read(&mut case, "b", 50, Some("a/1"));
    read(&mut case, "b", 40, None);
    assert_eq!(case.anomaly("stale-read"), (2, Some(29.0)));
    assert_eq!(case.violations(), []);
}

#[test]
fn a_read_of_nothing_is_as_new_as_the_last_possible_delete() {
    let mut case = two_writes();
    let deleted = tombstone(3, "a");
    case.reported_delete("a", "a/2", "b/1", 30);
    case.evidence
        .logs
        .get_mut("a")
        .and_then(|log| log.get_mut("k"))
        .expect("logged")
        .truncate(1);
    case.logged_knowing(&deleted, &[("b", 2)]).both_hold(&deleted);
    read(&mut case, "b", 30, None);
    read(&mut case, "b", 60, None);
    assert_eq!(case.anomaly("stale-read"), (0, None));
    read(&mut case, "b", 28, None);
    assert_eq!(
        case.anomaly("stale-read"),
        (1, Some(17.0)),
        "before it was sent it explains nothing"
    );
    assert_eq!(case.violations(), []);
}

#[test]
fn a_client_that_sees_less_than_before_is_counted() {
    let mut case = two_writes();
    read(&mut case, "b", 30, Some("b/1"));
    assert_eq!(case.anomaly("non-monotonic-read"), (0, None));
    read(&mut case, "a", 40, Some("a/1"));
    assert_eq!(case.anomaly("non-monotonic-read").0, 1);
    case.operation("a", 8, 50, OperationOutcome::Ok).reads = vec![seen("k", Some("a/1"))];
    assert_eq!(
        case.anomaly("non-monotonic-read").0,
        1,
        "another client has not seen more"
    );
}

#[test]
fn a_client_that_does_not_see_its_own_write_is_counted() {
    let mut case = two_writes();
    case.operation("a", 1, 30, OperationOutcome::Ok).reads = vec![seen("k", Some("b/1"))];
    assert_eq!(case.anomaly("read-your-writes"), (0, None));
    case.operation("a", 1, 40, OperationOutcome::Ok).reads = vec![seen("k", Some("a/1"))];
    assert_eq!(case.anomaly("read-your-writes").0, 1, "client 1 wrote both");
    read(&mut case, "a", 50, Some("a/1"));
    assert_eq!(case.anomaly("read-your-writes").0, 1);
}

#[test]
fn additions_that_lose_a_conflict_are_lost_updates() {
    let first = held(with_number("a/0", 0), 1, "a");
    let (ours, again) = (held(with_number("a/1", 1), 2, "a"), held(with_number("a/2", 2), 3, "a"));
    let theirs = held(with_number("b/1", 1), 4, "b");
    let last = held(with_number("b/2", 2), 5, "b");
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/0", put_number(0), 1);
    for (marker, region, at_ms) in [("a/1", "a", 2), ("a/2", "a", 3), ("b/1", "b", 4), ("b/2", "b", 5)] {
        case.reported(region, marker, Effect::Add(1), at_ms);
    }
    case.logged(&first)
        .logged(&ours)
        .logged(&again)
        .logged_knowing(&theirs, &[("a", 1)]);
    case.logged_knowing(&last, &[("a", 3)]).both_hold(&last);
    assert_eq!(case.violations(), []);
    assert_eq!(
        case.anomaly("lost-update").0,
        2,
        "the one that lost, and the one that it was made of"
    );
    let accounting = case.judged().accounting;
    assert_eq!(
        (accounting.superseded, accounting.lost_to_conflicts, accounting.current),
        (3, 1, 1)
    );
}

#[test]
fn a_read_of_half_a_transaction_is_a_violation() {
    let old = [item("a/1", 1, "a"), item("a/2", 2, "a")];
    let new = [item("a/3", 3, "a"), item("a/4", 4, "a")];
    let mut case = Case::new(Merging::Item);
    for (at_ms, markers) in [(1, ["a/1", "a/2"]), (10, ["a/3", "a/4"])] {
        case.operation("a", 1, at_ms, OperationOutcome::Ok).writes =
            vec![write("k", markers[0], put()), write("other", markers[1], put())];
    }
    for [one, other] in [&old, &new] {
        case.logged(one).logged_under("other", other, &[]);
    }
    case.both_hold(&new[0]);
    case.holds_under("other", "a", &new[1])
        .holds_under("other", "b", &new[1]);
    for (one, other) in [("a/1", "a/2"), ("a/3", "a/4"), ("a/3", "a/2"), ("a/1", "a/4")] {
        let operation = case.operation("b", 2, 12, OperationOutcome::Ok);
        operation.name = "TransactGetItems".to_owned();
        operation.reads = vec![seen("k", Some(one)), seen("other", Some(other))];
    }
    let torn = |seen: &str, missed: &str| Violation::TornRead {
        table: TABLE.to_owned(),
        region: "b".to_owned(),
        key: if seen == "a/3" { "k" } else { "other" }.to_owned(),
        sent_ms: 12,
        seen: seen.to_owned(),
        missed: missed.to_owned(),
    };
    assert_eq!(case.violations(), [torn("a/3", "a/4"), torn("a/4", "a/3")]);
    assert_eq!(case.anomaly("torn-transaction").0, 2);
    // A replica that was bootstrapped shows rows in the order of their keys.
    case.evidence.bootstrapped.insert("b".to_owned());
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("torn-transaction").0, 2);
}

#[test]
fn selling_the_same_stock_in_two_regions_is_oversold() {
    let first = held(with_number("a/0", 5), 1, "a");
    let (ours, theirs) = (held(with_number("a/1", 2), 2, "a"), held(with_number("b/1", 1), 3, "b"));
    let mut case = Case::new(Merging::Item);
    case.rules().never_below_zero = true;
    case.reported("a", "a/0", put_number(5), 1)
        .reported("a", "a/1", Effect::Add(-3), 2);
    case.logged(&first).logged(&ours).both_hold(&ours);
    assert_eq!(case.anomaly("oversold"), (0, None));
    case.reported("b", "b/1", Effect::Add(-4), 3)
        .logged_knowing(&theirs, &[("a", 1)])
        .both_hold(&theirs);
    assert_eq!(case.anomaly("oversold").0, 2, "seven of five");
    assert_eq!(case.violations(), []);
}

/// This holds whichever of the two is answered first.
#[test]
fn a_sale_after_a_refill_is_not_oversold() {
    let written = [(0, "a/0", 1), (1, "a/1", 0), (2, "a/2", 10), (3, "a/3", 8)];
    let effects = [put_number(1), Effect::Add(-1), Effect::Add(10), Effect::Add(-2)];
    let mut case = Case::new(Merging::Item);
    case.rules().never_below_zero = true;
    for ((time, marker, number), effect) in written.into_iter().zip(effects) {
        case.reported("a", marker, effect, 10 + time);
        case.logged(&held(with_number(marker, number), time + 1, "a"));
    }
    case.history.operations[2].done_us = 90_000;
    case.both_hold(&held(with_number("a/3", 8), 4, "a"));
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("oversold"), (0, None));
}

#[test]
fn a_changed_sum_is_counted() {
    let mut case = Case::new(Merging::Item);
    case.rules().constant_sum = true;
    let mut loaded = case.operation("a", 0, 0, OperationOutcome::Ok).clone();
    case.history.operations.clear();
    loaded.writes = vec![
        write("k", "loaded/0", put_number(10)),
        write("other", "loaded/1", put_number(10)),
    ];
    case.history.loaded.push(loaded);
    let (one, other) = (
        held(with_number("loaded/0", 10), 1, "a"),
        held(with_number("loaded/1", 10), 2, "a"),
    );
    case.logged(&one).logged_under("other", &other, &[]).both_hold(&one);
    case.holds_under("other", "a", &other).holds_under("other", "b", &other);
    for numbers in [[10, 10], [7, 13], [7, 10]] {
        let operation = case.operation("b", 2, 12, OperationOutcome::Ok);
        operation.name = "TransactGetItems".to_owned();
        operation.reads = vec![seen("k", Some("loaded/0")), seen("other", Some("loaded/1"))];
        for (read, number) in operation.reads.iter_mut().zip(numbers) {
            read.number = Some(number);
        }
    }
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("sum-not-constant").0, 1);
}

/// `a/1` was followed by a write without an answer, and that by one with an answer.
#[test]
fn any_newer_write_makes_a_read_stale() {
    let (first, second, third) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("a/3", 3, "a"));
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 10)
        .reported_so("a", "a/2", put(), 20, OperationOutcome::Unknown)
        .reported("a", "a/3", put(), 30);
    case.logged(&first).logged(&second).logged(&third).both_hold(&third);
    read(&mut case, "b", 25, Some("a/1"));
    assert_eq!(case.anomaly("stale-read"), (0, None));
    read(&mut case, "b", 40, Some("a/1"));
    assert_eq!(case.anomaly("stale-read"), (1, Some(9.0)));
}

#[test]
fn a_client_that_sees_the_same_again_is_not_counted() {
    let mut case = two_writes();
    for at_ms in [30, 40] {
        read(&mut case, "b", at_ms, Some("a/1"));
    }
    assert_eq!(case.anomaly("non-monotonic-read"), (0, None));
}

/// `other` was written once more, alone, after the transaction.
#[test]
fn a_read_of_something_newer_than_a_transaction_is_not_torn() {
    let (one, other, newer) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("a/3", 3, "a"));
    let mut case = Case::new(Merging::Item);
    case.operation("a", 1, 10, OperationOutcome::Ok).writes =
        vec![write("k", "a/1", put()), write("other", "a/2", put())];
    case.operation("a", 1, 20, OperationOutcome::Ok).writes = vec![write("other", "a/3", put())];
    case.logged(&one).both_hold(&one);
    case.logged_under("other", &other, &[])
        .logged_under("other", &newer, &[]);
    case.holds_under("other", "a", &newer).holds_under("other", "b", &newer);
    let operation = case.operation("b", 2, 30, OperationOutcome::Ok);
    operation.name = "TransactGetItems".to_owned();
    operation.reads = vec![seen("k", Some("a/1")), seen("other", Some("a/3"))];
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("torn-transaction").0, 0);
}

/// A sale counts from its answer on, and if no answer came and it is in the log, it counts, too.
#[test]
fn sales_count_when_they_may_have_happened() {
    let sold = |sale: (u64, OperationOutcome), refilled_ms: u64| {
        let written = [("a/0", 1), ("a/1", -1), ("a/2", 4)];
        let mut case = Case::new(Merging::Item);
        case.rules().never_below_zero = true;
        case.reported("a", "a/0", put_number(1), 1)
            .reported_so("a", "a/1", Effect::Add(-2), 10, sale.1);
        case.history.operations[1].done_us = sale.0;
        case.reported("a", "a/2", Effect::Add(5), refilled_ms);
        for (time, (marker, number)) in (1..).zip(written) {
            case.logged(&held(with_number(marker, number), time, "a"));
        }
        case.both_hold(&held(with_number("a/2", 4), 3, "a"));
        case.anomaly("oversold").0
    };
    assert_eq!(sold((11_000, OperationOutcome::Ok), 15), 1);
    assert_eq!(
        sold((20_000, OperationOutcome::Ok), 15),
        0,
        "refilled before the answer"
    );
    assert_eq!(sold((15_000, OperationOutcome::Ok), 15), 0, "at the same time");
    assert_eq!(sold((11_000, OperationOutcome::Unknown), 15), 1);
}

/// Only a transactional read shows all accounts at one time.
#[test]
fn an_ordinary_read_of_accounts_is_no_audit() {
    let mut case = two_writes();
    case.rules().constant_sum = true;
    read(&mut case, "b", 40, Some("b/1")).reads[0].number = Some(7);
    assert_eq!(case.anomaly("sum-not-constant").0, 0);
    case.history.operations.last_mut().expect("the read").name = "TransactGetItems".to_owned();
    assert_eq!(case.anomaly("sum-not-constant").0, 1, "nothing was loaded");
}
