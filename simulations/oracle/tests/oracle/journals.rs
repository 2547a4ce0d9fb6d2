//! Conflict journals: what each must say about the writes that a concurrent one overruled.

use beringia_history::{Content, Effect, MARKER, Merging, VersionedItem};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, tombstone};

fn update(field: &str) -> Effect {
    Effect::Update {
        fields: vec![field.to_owned()],
    }
}

fn fields(marker: &str, fields: &[(&str, &str)]) -> Content {
    let own = |(field, marker): &(&str, &str)| ((*field).to_owned(), (*marker).to_owned());
    Content {
        fields: fields.iter().map(own).collect(),
        ..content(marker)
    }
}

/// `a/0`, and two concurrent writes: `a/1`, and the greater `b/1`. Every region holds `last` at the
/// end. With `is_marker_only`, the journal of region a has an entry that says so.
fn concurrent(
    merging: Merging,
    ours: (&Effect, &VersionedItem),
    theirs: (&Effect, &VersionedItem),
    last: &VersionedItem,
    is_marker_only: Option<bool>,
) -> Vec<Violation> {
    let mut case = Case::new(merging);
    case.reported("a", "a/0", put(), 1);
    case.logged(&item("a/0", 1, "a"));
    for (region, marker, at_ms, (effect, held)) in [("a", "a/1", 2, ours), ("b", "b/1", 3, theirs)] {
        if *effect == Effect::Delete {
            case.reported_delete(region, marker, "a/0", at_ms);
        } else {
            case.reported(region, marker, effect.clone(), at_ms);
        }
        case.logged_knowing(held, &[("a", 1)]);
    }
    case.both_hold(last).journal("a");
    if let Some(is_marker_only) = is_marker_only {
        case.journalled("a", theirs.1, ours.1);
        let attributes = is_marker_only.then(|| MARKER.to_owned());
        case.journal("a").entries[0].attributes = attributes.into_iter().collect();
    }
    case.violations()
}

fn is_unseen(violations: &[Violation]) -> bool {
    matches!(violations, [Violation::UnseenConflict { region, version, .. }] if region == "a" && version.sequence == 2)
}

/// Both removed the same, so where writes merge, nothing is lost.
#[test]
fn two_deletes_at_once_conflict_only_as_whole_items() {
    let (ours, theirs) = (tombstone(2, "a"), tombstone(3, "b"));
    let journalled = |merging, entry| {
        concurrent(
            merging,
            (&Effect::Delete, &ours),
            (&Effect::Delete, &theirs),
            &theirs,
            entry,
        )
    };
    for merging in [Merging::Attribute, Merging::Merge] {
        assert_eq!(journalled(merging, None), [], "{merging:?}");
    }
    assert!(is_unseen(&journalled(Merging::Item, None)));
    assert_eq!(journalled(Merging::Item, Some(false)), []);
}

#[test]
fn a_delete_that_an_update_outlives_is_journalled() {
    let (ours, theirs) = (tombstone(2, "a"), held(fields("b/1", &[("f0", "b/1")]), 3, "b"));
    let journalled = |entry| {
        concurrent(
            Merging::Attribute,
            (&Effect::Delete, &ours),
            (&update("f0"), &theirs),
            &theirs,
            entry,
        )
    };
    assert_eq!(journalled(Some(false)), []);
    assert!(is_unseen(&journalled(None)));
}

#[test]
fn an_update_that_a_delete_removes_is_journalled() {
    let (ours, theirs) = (held(fields("a/1", &[("f0", "a/1")]), 2, "a"), tombstone(3, "b"));
    let journalled = |entry| {
        concurrent(
            Merging::Attribute,
            (&update("f0"), &ours),
            (&Effect::Delete, &theirs),
            &theirs,
            entry,
        )
    };
    assert_eq!(journalled(Some(false)), []);
    assert!(is_unseen(&journalled(None)));
    assert!(is_unseen(&journalled(Some(true))), "it lost a field, too");
}

/// A put and an append that lose are lost as a whole.
#[test]
fn a_lost_put_or_append_lost_more_than_its_marker() {
    let list = |marker: &str| Content {
        list: vec![marker.to_owned()],
        ..content(marker)
    };
    for (effect, ours, theirs) in [
        (put(), item("a/1", 2, "a"), item("b/1", 3, "b")),
        (Effect::Append, held(list("a/1"), 2, "a"), held(list("b/1"), 3, "b")),
    ] {
        let journalled = |entry| concurrent(Merging::Attribute, (&effect, &ours), (&effect, &theirs), &theirs, entry);
        assert_eq!(journalled(Some(false)), [], "{effect:?}");
        for entry in [None, Some(true)] {
            assert!(is_unseen(&journalled(entry)), "{effect:?}, {entry:?}");
        }
    }
}

/// What they wrote is there in the end, but for the marker.
#[test]
fn a_write_beside_another_loses_its_marker_only() {
    let theirs = held(fields("b/1", &[("f1", "b/1")]), 3, "b");
    for (effect, ours, last) in [
        (
            update("f0"),
            held(fields("a/1", &[("f0", "a/1")]), 2, "a"),
            held(fields("b/1", &[("f0", "a/1"), ("f1", "b/1")]), 3, "b"),
        ),
        (put(), item("a/1", 2, "a"), theirs.clone()),
    ] {
        let journalled = |entry| {
            concurrent(
                Merging::Attribute,
                (&effect, &ours),
                (&update("f1"), &theirs),
                &last,
                entry,
            )
        };
        assert_eq!(journalled(Some(true)), [], "{effect:?}");
        assert!(is_unseen(&journalled(None)), "{effect:?}");
    }
}

#[test]
fn a_write_cannot_lose_to_itself() {
    let first = item("a/1", 1, "a");
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 1).logged(&first).both_hold(&first);
    case.journalled("a", &first, &first);
    let found = case.violations();
    assert!(matches!(&found[..], [Violation::NoConflict { .. }]), "{found:?}");
}
