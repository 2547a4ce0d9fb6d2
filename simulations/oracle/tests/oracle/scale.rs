//! The oracle at the size of real runs: its work per operation must not grow with the number of
//! operations.

use beringia_history::{Effect, Merging, OperationOutcome};

use crate::case::{Case, content, held, item, put, seen, tombstone, write};

/// Two regions take turns writing and reading one key. They see each other's writes so late that
/// every write is concurrent with others. Anything quadratic in the hundred thousand operations
/// would take minutes.
#[test]
fn a_hundred_thousand_operations_on_one_hot_key_are_judged() {
    const WRITES: u64 = 50_000;
    let mut case = Case::new(Merging::Item);
    case.journal("a").is_complete = false;
    for number in 1..=WRITES {
        let origin = if number % 2 == 0 { "a" } else { "b" };
        let other = if number % 2 == 0 { "b" } else { "a" };
        let marker = format!("{origin}/{number}");
        let effect = if number < 3 {
            put()
        } else {
            Effect::Update { fields: Vec::new() }
        };
        let reader = case.operation(other, 7, number * 2, OperationOutcome::Ok);
        reader.reads = vec![seen(
            "k",
            (number > 9).then(|| format!("{origin}/{}", number - 8)).as_deref(),
        )];
        case.operation(origin, 1, number * 2 + 1, OperationOutcome::Ok).writes = vec![write("k", &marker, effect)];
        case.logged_knowing(
            &held(content(&marker), number, origin),
            &[(other, number.saturating_sub(5))],
        );
    }
    case.both_hold(&held(content(&format!("a/{WRITES}")), WRITES, "a"));
    let judged = case.judged();
    assert_eq!(judged.violations, []);
    let accounting = judged.accounting;
    assert_eq!(accounting.acknowledged, WRITES);
    assert_eq!(
        (accounting.current, accounting.lost_to_conflicts),
        (1, 1),
        "each is built upon by the next of its region"
    );
    let stale = judged
        .anomalies
        .iter()
        .find(|anomaly| anomaly.name == "stale-read")
        .map(|stale| stale.count);
    assert!(stale.is_some_and(|stale| stale > WRITES - 20), "{stale:?}");
}

/// One key is put and deleted in turn by deletes whose answers do not show what they removed, and
/// as many more deletes find nothing.
#[test]
fn a_hundred_thousand_deletes_of_one_hot_key_are_judged() {
    const ROUNDS: u64 = 50_000;
    let mut case = Case::new(Merging::Item);
    for round in 1..=ROUNDS {
        let (at_ms, marker) = (round * 6, format!("a/{round}"));
        case.reported("a", &marker, put(), at_ms)
            .reported_so(
                "a",
                &format!("d/{round}"),
                Effect::Delete,
                at_ms + 2,
                OperationOutcome::Unreported,
            )
            .reported_so(
                "a",
                &format!("n/{round}"),
                Effect::Delete,
                at_ms + 4,
                OperationOutcome::Unreported,
            );
        case.logged(&item(&marker, round * 2, "a"))
            .logged(&tombstone(round * 2 + 1, "a"));
    }
    case.both_hold(&tombstone(ROUNDS * 2 + 1, "a"));
    let judged = case.judged();
    assert_eq!(judged.violations, []);
    assert_eq!(judged.accounting.superseded, ROUNDS);
}
