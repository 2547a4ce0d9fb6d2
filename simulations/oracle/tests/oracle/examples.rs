//! The examples of anomalies: the worst, or the first, in words.

use beringia_history::{Merging, OperationOutcome, READ_MODIFY_WRITE};

use crate::case::{Case, item, put, seen, write};

/// `a/1` to `x` in a by client 1 at 10 ms, and `b/1` to `y` in b by client 2 at 20 ms, which knows
/// of the first if `context` says so.
fn two_writes(context: &[(&str, u64)]) -> Case {
    let (one, other) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = Case::new(Merging::Item);
    case.operation("a", 1, 10, OperationOutcome::Ok).writes = vec![write("x", "a/1", put())];
    case.operation("b", 2, 20, OperationOutcome::Ok).writes = vec![write("y", "b/1", put())];
    case.logged_under("x", &one, &[]).logged_under("y", &other, context);
    for region in ["a", "b"] {
        case.holds_under("x", region, &one).holds_under("y", region, &other);
    }
    case
}

fn reads(case: &mut Case, region: &str, client: u32, at_ms: u64, what: &[(&str, Option<&str>)]) {
    case.operation(region, client, at_ms, OperationOutcome::Ok).reads =
        what.iter().map(|(key, marker)| seen(key, *marker)).collect();
}

fn example(case: &Case, name: &str) -> String {
    assert_eq!(case.violations(), []);
    let anomalies = case.judged().anomalies;
    let of_name = anomalies.into_iter().find(|anomaly| anomaly.name == name);
    of_name.and_then(|anomaly| anomaly.example).expect("it was seen")
}

/// Reads that are stale by 4, 19, 19 and 9 milliseconds.
#[test]
fn the_first_of_the_worst_cases_is_shown() {
    let mut case = two_writes(&[]);
    for (client, at_ms) in [(3, 15), (4, 30), (5, 30), (6, 20)] {
        reads(&mut case, "b", client, at_ms, &[("x", None)]);
    }
    assert_eq!(case.anomaly("stale-read"), (4, Some(19.0)));
    assert_eq!(
        example(&case, "stale-read"),
        "30 ms: client 4 in b saw nothing under load x 19 ms after a newer write was acknowledged"
    );
}

#[test]
fn a_causal_violation_names_what_was_missed() {
    let mut case = two_writes(&[("a", 1)]);
    for (client, at_ms) in [(7, 40), (8, 50)] {
        reads(&mut case, "b", client, at_ms, &[("y", Some("b/1")), ("x", None)]);
    }
    assert_eq!(
        example(&case, "causal-violation"),
        "40 ms: client 7 in b saw nothing under load x and not a/1, on which something causally depends that the \
         client had seen"
    );
}

#[test]
fn a_long_fork_names_both_readers() {
    let mut case = two_writes(&[]);
    reads(&mut case, "a", 3, 30, &[("x", Some("a/1")), ("y", None)]);
    reads(&mut case, "b", 4, 40, &[("x", None), ("y", Some("b/1"))]);
    assert_eq!(
        example(&case, "long-fork"),
        "client 4 in b at 40 ms, and client 3 in a at 30 ms: the first has a newer load y and the second a newer x"
    );
}

#[test]
fn write_skew_names_both_transactions() {
    let mut case = two_writes(&[]);
    for operation in &mut case.history.operations {
        operation.name = READ_MODIFY_WRITE.to_owned();
        operation.reads = vec![seen("x", None), seen("y", None)];
    }
    assert_eq!(
        example(&case, "write-skew"),
        "client 1 in a at 10 ms wrote load x, and client 2 in b at 20 ms wrote y: each read both and saw neither write"
    );
}
