//! Causal contexts: those that what clients saw contradicts are found.

use beringia_history::{Basis, Merging, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, item, put, seen, tombstone};

/// `b/1` in region b at 10 ms, and at 20 ms a write of region a with this condition and context.
fn following(basis: &Basis, context: &[(&str, u64)]) -> Case {
    let (first, second) = (item("b/1", 1, "b"), item("a/1", 2, "a"));
    let mut case = Case::new(Merging::Merge);
    case.reported("b", "b/1", put(), 10)
        .reported("a", "a/1", put(), 20)
        .depending(basis);
    case.logged(&first).logged_knowing(&second, context).both_hold(&second);
    case
}

#[test]
fn a_context_covers_the_write_that_a_condition_names() {
    let marker = Basis::Marker("b/1".to_owned());
    assert_eq!(following(&marker, &[("b", 1)]).violations(), []);
    assert_eq!(following(&Basis::Anything, &[]).violations(), []);
    let found = following(&marker, &[]).violations();
    assert!(
        matches!(&found[..], [Violation::ContextTooSmall { marker, missed, .. }]
            if marker == "a/1" && missed.sequence == 1),
        "{found:?}"
    );
}

#[test]
fn a_context_covers_the_write_that_a_delete_removed() {
    let deleted = |context: &[(&str, u64)]| {
        let (first, second) = (item("b/1", 1, "b"), tombstone(2, "a"));
        let mut case = Case::new(Merging::Merge);
        case.reported("b", "b/1", put(), 10)
            .reported_delete("a", "a/1", "b/1", 20);
        case.logged(&first).logged_knowing(&second, context).both_hold(&second);
        case.violations()
    };
    assert_eq!(deleted(&[("b", 1)]), []);
    let found = deleted(&[]);
    assert!(matches!(&found[..], [Violation::ContextTooSmall { .. }]), "{found:?}");
}

#[test]
fn a_context_covers_no_write_that_came_later() {
    let later = |sent_ms: u64, lost_at_ms: Option<u64>| {
        let (first, theirs) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
        let mut case = Case::new(Merging::Merge);
        case.reported("a", "a/1", put(), 10)
            .reported("b", "b/1", put(), sent_ms);
        case.logged_knowing(&first, &[("b", 2)])
            .logged(&theirs)
            .both_hold(&theirs);
        if let Some(at_ms) = lost_at_ms {
            case.lost_disk("b", at_ms);
        }
        case.violations()
    };
    assert_eq!(later(11, None), [], "it may have been sent when a/1 was made");
    let found = later(12, None);
    assert!(
        matches!(&found[..], [Violation::ContextTooLarge { origin, sequence: 2, .. }] if origin == "b"),
        "{found:?}"
    );
    assert_eq!(later(30, Some(20)), [], "a lost write may have had the sequence");
    assert_eq!(later(30, Some(40)).len(), 1, "the disk was lost afterwards");
}

/// A client of region a saw `b/1` there before `a/1` was sent.
#[test]
fn a_context_covers_what_its_region_had_shown() {
    let shown = |region: &str, at_ms: u64, context: &[(&str, u64)]| {
        let mut case = following(&Basis::Anything, context);
        case.operation(region, 9, at_ms, OperationOutcome::Ok).reads = vec![seen("k", Some("b/1"))];
        case
    };
    assert_eq!(shown("a", 15, &[("b", 1)]).violations(), []);
    assert_eq!(shown("b", 15, &[]).violations(), [], "another region showed it");
    assert_eq!(shown("a", 19, &[]).violations(), [], "it may have arrived after a/1");
    let mut case = shown("a", 18, &[]);
    let found = case.violations();
    assert!(
        matches!(&found[..], [Violation::ContextTooSmall { marker, missed, .. }]
            if marker == "a/1" && missed.sequence == 1),
        "{found:?}"
    );
    for (region, at_ms, expected) in [("a", 5, 1), ("a", 19, 0), ("a", 20, 0), ("a", 22, 1), ("b", 19, 1)] {
        case.lost_disks.clear();
        case.lost_disk(region, at_ms);
        let found = case.violations();
        assert_eq!(found.len(), expected, "{region} started over at {at_ms} ms: {found:?}");
    }
}
