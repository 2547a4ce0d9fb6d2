//! Anomalies between items: each is counted where a client could see it, and nowhere else.

use beringia_history::{Merging, Operation, OperationOutcome};

use crate::case::{Case, item, put, seen, write};

/// The reader that sees anomalies. It lives where nobody writes.
const READER: u32 = 9;

/// Client 1 writes `x` in a; client 2 reads it in b, and then writes `y` there.
fn a_then_b() -> Case {
    let (first, second) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = Case::new(Merging::Item);
    writes(&mut case, "a", 1, 10, ("x", "a/1"));
    reads(&mut case, "b", 2, 20, &[("x", Some("a/1"))]);
    writes(&mut case, "b", 2, 30, ("y", "b/1"));
    case.logged_under("x", &first, &[])
        .logged_under("y", &second, &[("a", 1)]);
    everywhere(&mut case, "x", &first);
    everywhere(&mut case, "y", &second);
    case
}

fn everywhere(case: &mut Case, key: &str, held: &beringia_history::VersionedItem) {
    case.holds_under(key, "a", held).holds_under(key, "b", held);
}

fn writes(case: &mut Case, region: &str, client: u32, at_ms: u64, (key, marker): (&str, &str)) {
    case.operation(region, client, at_ms, OperationOutcome::Ok).writes = vec![write(key, marker, put())];
}

fn reads<'a>(
    case: &'a mut Case,
    region: &str,
    client: u32,
    at_ms: u64,
    what: &[(&str, Option<&str>)],
) -> &'a mut Operation {
    let operation = case.operation(region, client, at_ms, OperationOutcome::Ok);
    operation.name = "GetItem".to_owned();
    operation.reads = what.iter().map(|(key, marker)| seen(key, *marker)).collect();
    operation
}

fn counts(case: &Case) -> [u64; 3] {
    assert_eq!(case.violations(), []);
    ["causal-violation", "writes-follow-reads", "monotonic-writes"].map(|name| case.anomaly(name).0)
}

#[test]
fn seeing_a_write_without_its_cause_is_counted() {
    let mut case = a_then_b();
    reads(&mut case, "c", READER, 40, &[("x", None)]);
    reads(&mut case, "c", READER, 50, &[("y", Some("b/1"))]);
    assert_eq!(counts(&case), [0, 0, 0], "the cause was read before the effect");
    reads(&mut case, "c", 8, 60, &[("x", None)]);
    assert_eq!(counts(&case), [0, 0, 0], "another client saw no effect");
    reads(&mut case, "c", READER, 70, &[("x", Some("a/1"))]);
    assert_eq!(counts(&case), [0, 0, 0], "the cause is there");
    reads(&mut case, "c", 7, 80, &[("y", Some("b/1"))]);
    reads(&mut case, "c", 7, 90, &[("x", None)]);
    assert_eq!(counts(&case), [1, 1, 0], "client 2 had read the cause");
}

/// The order within one request does not matter.
#[test]
fn a_request_that_shows_an_effect_without_its_cause_is_counted() {
    for what in [[("x", None), ("y", Some("b/1"))], [("y", Some("b/1")), ("x", None)]] {
        let mut case = a_then_b();
        reads(&mut case, "c", READER, 40, &what).name = "TransactGetItems".to_owned();
        assert_eq!(counts(&case), [1, 1, 0]);
    }
}

/// A region's causal context has more than what the writing client had read.
#[test]
fn a_cause_that_no_client_read_is_only_a_causal_violation() {
    let mut case = a_then_b();
    case.history.operations.retain(|operation| operation.reads.is_empty());
    reads(&mut case, "c", READER, 40, &[("y", Some("b/1"))]);
    reads(&mut case, "c", READER, 50, &[("x", None)]);
    assert_eq!(counts(&case), [1, 0, 0]);
}

/// Without vectors, sessions still tell what came first.
#[test]
fn sessions_show_the_order_that_a_wrong_vector_hides() {
    let mut case = a_then_b();
    let log = case.evidence.logs.get_mut("b").expect("b's log");
    log.get_mut("y").expect("b's write")[0].causal_context = Default::default();
    reads(&mut case, "c", READER, 40, &[("y", Some("b/1"))]);
    reads(&mut case, "c", READER, 50, &[("x", None)]);
    assert_eq!(counts(&case), [0, 1, 0]);
}

/// The reader itself had seen more of the item before, which is another anomaly.
#[test]
fn what_the_reader_had_seen_itself_is_another_anomaly() {
    let mut case = a_then_b();
    reads(&mut case, "c", READER, 40, &[("x", Some("a/1"))]);
    reads(&mut case, "c", READER, 50, &[("y", Some("b/1"))]);
    reads(&mut case, "c", READER, 60, &[("x", None)]);
    assert_eq!(counts(&case), [0, 0, 0]);
    assert_eq!(case.anomaly("non-monotonic-read").0, 1);
}

/// Client 1 writes `x` in a, moves to b, where that write has not arrived, and writes `y`.
fn moved(second: OperationOutcome) -> Case {
    let (first, moved) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = Case::new(Merging::Item);
    writes(&mut case, "a", 1, 10, ("x", "a/1"));
    case.operation("b", 1, 20, second).writes = vec![write("y", "b/1", put())];
    case.logged_under("x", &first, &[]).logged_under("y", &moved, &[]);
    everywhere(&mut case, "x", &first);
    everywhere(&mut case, "y", &moved);
    case
}

#[test]
fn seeing_a_later_write_without_an_earlier_one_is_counted() {
    for outcome in [OperationOutcome::Ok, OperationOutcome::Unknown] {
        let mut case = moved(outcome);
        reads(&mut case, "c", READER, 40, &[("x", None)]);
        assert_eq!(counts(&case), [0, 0, 0]);
        reads(&mut case, "c", READER, 50, &[("y", Some("b/1"))]);
        reads(&mut case, "c", READER, 60, &[("x", None)]);
        assert_eq!(counts(&case), [0, 0, 1]);
    }
}

/// A write without an answer may take effect at any time.
#[test]
fn an_earlier_write_without_an_answer_may_be_missed() {
    let mut case = moved(OperationOutcome::Ok);
    case.history.operations[0].outcome = OperationOutcome::Unknown;
    reads(&mut case, "c", READER, 50, &[("y", Some("b/1"))]);
    reads(&mut case, "c", READER, 60, &[("x", None)]);
    assert_eq!(counts(&case), [0, 0, 0]);
}

#[test]
fn a_later_write_that_loses_to_an_earlier_one_is_counted() {
    for (times, lost) in [([1, 2], 0), ([2, 1], 1)] {
        let (first, second) = (item("a/1", times[0], "a"), item("b/1", times[1], "b"));
        let mut case = Case::new(Merging::Item);
        writes(&mut case, "a", 1, 10, ("k", "a/1"));
        writes(&mut case, "b", 1, 20, ("k", "b/1"));
        case.logged(&first).logged(&second);
        let (winner, loser) = if lost == 1 {
            (&first, &second)
        } else {
            (&second, &first)
        };
        case.both_hold(winner)
            .journalled("a", winner, loser)
            .journalled("b", winner, loser);
        assert_eq!(counts(&case), [0, 0, lost]);
    }
}

/// Client 2 read the cause only after its write.
#[test]
fn what_a_client_read_afterwards_is_no_cause() {
    let mut case = a_then_b();
    case.evidence
        .logs
        .get_mut("b")
        .and_then(|log| log.get_mut("y"))
        .expect("b's write")[0]
        .causal_context = Default::default();
    for operation in &mut case.history.operations {
        if !operation.reads.is_empty() {
            (operation.sent_us, operation.done_us) = (35_000, 36_000);
        }
    }
    reads(&mut case, "c", READER, 40, &[("y", Some("b/1")), ("x", None)]);
    assert_eq!(counts(&case), [0, 0, 0]);
}

/// Client 2 reads `x` and writes `y` by one operation.
#[test]
fn what_an_operation_read_comes_before_its_write() {
    let mut case = a_then_b();
    case.history.operations.remove(1);
    case.history.operations[1].reads = vec![seen("x", Some("a/1"))];
    reads(&mut case, "c", READER, 40, &[("y", Some("b/1")), ("x", None)]);
    assert_eq!(counts(&case), [1, 1, 0]);
}

/// Of one transaction, no write comes before the other. Who sees half of it sees another anomaly.
#[test]
fn writes_of_one_transaction_are_in_no_order() {
    let (first, second) = (item("a/1", 1, "a"), item("a/2", 2, "a"));
    let mut case = Case::new(Merging::Item);
    case.operation("a", 1, 10, OperationOutcome::Ok).writes = vec![write("x", "a/1", put()), write("y", "a/2", put())];
    case.logged_under("x", &first, &[]).logged_under("y", &second, &[]);
    everywhere(&mut case, "x", &first);
    everywhere(&mut case, "y", &second);
    reads(&mut case, "c", READER, 40, &[("y", Some("a/2"))]);
    reads(&mut case, "c", READER, 50, &[("x", None)]);
    assert_eq!(counts(&case), [1, 0, 0], "by its context, y follows x");
}

/// The reader has seen an old cause, then the effect of the new one, and then the old cause again.
#[test]
fn an_old_cause_after_the_effect_is_counted() {
    let mut case = a_then_b();
    let mut older = item("b/0", 0, "b");
    older.version.sequence = 1;
    writes(&mut case, "b", 3, 5, ("x", "b/0"));
    case.logged_under("x", &older, &[]);
    reads(&mut case, "c", READER, 40, &[("x", Some("b/0"))]);
    reads(&mut case, "c", READER, 50, &[("y", Some("b/1"))]);
    assert_eq!(counts(&case), [0, 0, 0]);
    reads(&mut case, "c", READER, 60, &[("x", Some("b/0"))]);
    assert_eq!(counts(&case), [1, 1, 0]);
}

/// A client that misses its own write misses what the effect of that write depends on, too, which
/// is one anomaly and not two.
#[test]
fn what_the_reader_had_written_itself_is_another_anomaly() {
    let mut case = a_then_b();
    reads(&mut case, "c", 1, 40, &[("y", Some("b/1"))]);
    reads(&mut case, "c", 1, 50, &[("x", None)]);
    assert_eq!(counts(&case), [0, 0, 0]);
    assert_eq!(case.anomaly("read-your-writes").0, 1);
}
