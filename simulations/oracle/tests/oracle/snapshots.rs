//! Anomalies of reads of several items: long forks and write skew.

use beringia_history::{Merging, Operation, OperationOutcome, READ_MODIFY_WRITE, Seen};
use beringia_oracle::Violation;

use crate::case::{Case, item, put, seen, write};

/// `x` and `y` as they were loaded by a, then `a/1` to `x` in a and `b/1` to `y` in b. `context` is
/// what b had applied of a's writes.
fn two_writes(context: &[(&str, u64)]) -> Case {
    let loaded = [item("a/x", 1, "a"), item("a/y", 2, "a")];
    let (one, other) = (item("a/1", 3, "a"), item("b/1", 4, "b"));
    let mut case = Case::new(Merging::Item);
    case.operation("a", 1, 1, OperationOutcome::Ok).writes = vec![write("x", "a/x", put()), write("y", "a/y", put())];
    case.operation("a", 1, 10, OperationOutcome::Ok).writes = vec![write("x", "a/1", put())];
    case.operation("b", 2, 11, OperationOutcome::Ok).writes = vec![write("y", "b/1", put())];
    case.logged_under("x", &loaded[0], &[])
        .logged_under("y", &loaded[1], &[])
        .logged_under("x", &one, &[])
        .logged_under("y", &other, context);
    for region in ["a", "b"] {
        case.holds_under("x", region, &one).holds_under("y", region, &other);
    }
    case
}

fn reads<'a>(case: &'a mut Case, region: &str, client: u32, at_ms: u64, [x, y]: [&str; 2]) -> &'a mut Operation {
    let operation = case.operation(region, client, at_ms, OperationOutcome::Ok);
    operation.name = "TransactGetItems".to_owned();
    operation.reads = vec![seen("x", Some(x)), seen("y", Some(y))];
    operation
}

fn count(case: &Case, name: &str) -> u64 {
    assert_eq!(case.violations(), []);
    case.anomaly(name).0
}

#[test]
fn readers_of_concurrent_writes_in_either_order_are_a_long_fork() {
    let mut case = two_writes(&[("a", 2)]);
    reads(&mut case, "a", 3, 20, ["a/1", "a/y"]);
    reads(&mut case, "b", 5, 30, ["a/1", "b/1"]);
    assert_eq!(count(&case, "long-fork"), 0, "one saw more than the other");
    reads(&mut case, "b", 4, 25, ["a/x", "b/1"]);
    assert_eq!(count(&case, "long-fork"), 1);
    reads(&mut case, "c", 6, 40, ["a/1", "b/1"]);
    assert_eq!(count(&case, "long-fork"), 1, "both writes are there now");
}

/// The second reader then sees an effect without its cause, which is a causal violation.
#[test]
fn writes_that_depend_on_each_other_are_no_long_fork() {
    let mut case = two_writes(&[("a", 3)]);
    reads(&mut case, "a", 3, 20, ["a/1", "a/y"]);
    reads(&mut case, "c", 4, 25, ["a/x", "b/1"]);
    assert_eq!(count(&case, "long-fork"), 0);
    assert_eq!(count(&case, "causal-violation"), 1);
}

#[test]
fn reads_of_one_item_are_no_long_fork() {
    let mut case = two_writes(&[("a", 2)]);
    for (region, [x, y]) in [("a", ["a/1", "a/y"]), ("b", ["a/x", "b/1"])] {
        case.operation(region, 3, 20, OperationOutcome::Ok).reads = vec![seen("x", Some(x))];
        case.operation(region, 3, 30, OperationOutcome::Ok).reads = vec![seen("y", Some(y))];
    }
    assert_eq!(count(&case, "long-fork"), 0);
}

/// Makes the two writes of [`two_writes`] transactions that read both items.
fn transactions(case: &mut Case, read: [[&str; 2]; 2]) {
    for (operation, [x, y]) in case.history.operations[1..].iter_mut().zip(read) {
        operation.name = READ_MODIFY_WRITE.to_owned();
        operation.reads = vec![seen("x", Some(x)), seen("y", Some(y))];
    }
}

#[test]
fn transactions_that_each_miss_the_others_write_are_write_skew() {
    let mut case = two_writes(&[("a", 2)]);
    transactions(&mut case, [["a/x", "a/y"], ["a/x", "a/y"]]);
    assert_eq!(count(&case, "write-skew"), 1, "the pair counts once");
}

/// A third transaction writes `y` between, and reads nothing that the first one wrote.
#[test]
fn transactions_on_other_items_hide_no_write_skew() {
    let mut case = two_writes(&[("a", 2)]);
    transactions(&mut case, [["a/x", "a/y"], ["a/x", "b/0"]]);
    let between = item("b/0", 3, "b");
    let operation = case.operation("b", 3, 9, OperationOutcome::Ok);
    operation.name = READ_MODIFY_WRITE.to_owned();
    operation.reads = vec![seen("y", Some("a/y")), seen("z", None)];
    operation.writes = vec![write("y", "b/0", put())];
    case.operation("a", 4, 2, OperationOutcome::Ok).writes = vec![write("z", "a/z", put())];
    let other = item("a/z", 5, "a");
    case.logged_under("y", &between, &[("a", 2)])
        .logged_under("z", &other, &[]);
    for region in ["a", "b"] {
        case.holds_under("z", region, &other);
    }
    case.evidence.sort_logs();
    assert_eq!(count(&case, "write-skew"), 1);
}

#[test]
fn transactions_of_which_one_saw_the_other_are_no_write_skew() {
    let mut case = two_writes(&[("a", 3)]);
    transactions(&mut case, [["a/x", "a/y"], ["a/1", "a/y"]]);
    assert_eq!(count(&case, "write-skew"), 0);
    let mut case = two_writes(&[("a", 2)]);
    transactions(&mut case, [["a/x", "a/y"], ["a/x", "a/y"]]);
    case.history.operations[2].outcome = OperationOutcome::Unknown;
    assert_eq!(count(&case, "write-skew"), 0, "nobody knows what it checked");
}

/// A transaction reads `y` and `x`, writes `y` and checks `x`. Region a commits it after `a/1`.
#[test]
fn a_check_of_an_item_that_its_region_changed_is_found() {
    let checked = |region: &str, read: Option<&str>| {
        let mut case = two_writes(&[("a", 3)]);
        let last = item("c/2", 6, region);
        let operation = case.operation(region, 3, 20, OperationOutcome::Ok);
        operation.name = READ_MODIFY_WRITE.to_owned();
        operation.reads = vec![seen("y", Some("b/1")), seen("x", read)];
        operation.writes = vec![write("y", "c/2", put())];
        operation.checked = vec!["x".to_owned()];
        let context = if region == "a" { ("b", 4) } else { ("a", 3) };
        case.logged_under("y", &last, &[context]);
        for region in ["a", "b"] {
            case.holds_under("y", region, &last);
        }
        case.evidence.sort_logs();
        case.violations()
    };
    assert_eq!(checked("a", Some("a/1")), []);
    assert_eq!(checked("b", Some("a/x")), [], "a/1 may not have arrived");
    for (read, expects) in [(Some("a/x"), "a/x"), (None, "nothing")] {
        let found = checked("a", read);
        assert!(
            matches!(&found[..], [Violation::ConditionIgnored { region, key, marker, expected, .. }]
                if region == "a" && key == "x" && marker == "c/2" && expected == expects),
            "{found:?}"
        );
    }
}

/// A client in region c sees `a/1`, and then not `a/y`, which region a had written before.
#[test]
fn reads_that_miss_an_earlier_write_of_an_origin_are_found() {
    let read = |regions: [&str; 2], is_consistent: bool| {
        let mut case = two_writes(&[("a", 2)]);
        let (first, then) = (seen("x", Some("a/1")), seen("y", None));
        for (region, (at_ms, read)) in regions.into_iter().zip([(20, first), (25, then)]) {
            case.operation(region, 9, at_ms, OperationOutcome::Ok).reads = vec![Seen { is_consistent, ..read }];
        }
        case
    };
    let found = read(["c", "c"], true).violations();
    assert!(
        matches!(&found[..], [Violation::ReadOutOfOrder { region, key, seen, missed, sent_ms: 25, .. }]
            if region == "c" && key == "y" && seen == "nothing" && missed == "a/y"),
        "{found:?}"
    );
    assert_eq!(read(["c", "c"], false).violations(), [], "they may be stale");
    assert_eq!(read(["d", "c"], true).violations(), [], "the client moved");
    let mut copied = read(["c", "c"], true);
    copied.evidence.bootstrapped.insert("c".to_owned());
    assert_eq!(copied.violations(), [], "rows arrive in the order of keys");
}

/// They overwrite each other, which is a conflict and perhaps a lost update.
#[test]
fn transactions_that_write_the_same_item_are_no_write_skew() {
    let mut case = two_writes(&[("a", 2)]);
    transactions(&mut case, [["a/x", "a/y"], ["a/x", "a/y"]]);
    let also = item("a/2", 5, "a");
    case.history.operations[1].writes.push(write("y", "a/2", put()));
    case.logged_under("y", &also, &[]);
    for region in ["a", "b"] {
        case.holds_under("y", region, &also);
    }
    assert_eq!(case.anomaly("write-skew").0, 0);
}

#[test]
fn a_read_of_one_item_hides_no_long_fork() {
    let mut case = two_writes(&[("a", 2)]);
    reads(&mut case, "a", 3, 20, ["a/1", "a/y"]);
    case.operation("a", 5, 22, OperationOutcome::Ok).reads = vec![seen("x", Some("a/1"))];
    reads(&mut case, "b", 4, 25, ["a/x", "b/1"]);
    assert_eq!(count(&case, "long-fork"), 1);
}
