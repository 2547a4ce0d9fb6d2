//! Recorded operations: their outcomes follow from what they did to which attribute, and from the
//! conflict policy.

use beringia_history::{Effect, Merging, RecordedTouch};

use crate::case::{Case, item, tombstone};

const ADD: (&str, RecordedTouch) = ("n", RecordedTouch::Add);
const ASSIGN: (&str, RecordedTouch) = ("n", RecordedTouch::Assign);
const MEMBERS: (&str, RecordedTouch) = ("n", RecordedTouch::Members);

fn recorded(whole: bool, touches: &[(&str, RecordedTouch)]) -> Effect {
    let own = |(attribute, touch): &(&str, RecordedTouch)| ((*attribute).to_owned(), *touch);
    Effect::Recorded {
        whole,
        touches: touches.iter().map(own).collect(),
    }
}

/// `a/0`, and then two updates of it. The second, with the greater version, has seen the writes of
/// region `a` up to `context`.
fn case(merging: Merging, base: Effect, ours: Effect, theirs: Effect, context: u64) -> Case {
    let mut case = Case::new(merging);
    case.reported("a", "a/0", base, 1)
        .reported("a", "a/1", ours, 2)
        .reported("b", "b/1", theirs, 3);
    let last = item("b/1", 3, "b");
    case.logged(&item("a/0", 1, "a")).logged(&item("a/1", 2, "a"));
    case.logged_knowing(&last, &[("a", context)]).both_hold(&last);
    assert_eq!(case.violations(), []);
    case
}

/// Returns how many of two concurrent updates to an item that has `n` are lost, and how many lost
/// updates there are.
fn lost(merging: Merging, ours: &[(&str, RecordedTouch)], theirs: &[(&str, RecordedTouch)]) -> (u64, u64) {
    lost_on_top_of(recorded(true, &[ASSIGN]), merging, ours, theirs)
}

fn lost_on_top_of(
    base: Effect,
    merging: Merging,
    ours: &[(&str, RecordedTouch)],
    theirs: &[(&str, RecordedTouch)],
) -> (u64, u64) {
    let case = case(merging, base, recorded(false, ours), recorded(false, theirs), 1);
    let accounting = case.judged().accounting;
    assert_eq!(
        accounting.current + accounting.superseded + accounting.lost_to_conflicts,
        3
    );
    (accounting.lost_to_conflicts, case.anomaly("lost-update").0)
}

#[test]
fn concurrent_increments_are_lost_updates_unless_merged() {
    for touch in [ADD, MEMBERS] {
        assert_eq!(lost(Merging::Item, &[touch], &[touch]), (1, 1));
        assert_eq!(lost(Merging::Attribute, &[touch], &[touch]), (1, 1));
        assert_eq!(lost(Merging::Merge, &[touch], &[touch]), (0, 0));
    }
}

#[test]
fn causally_ordered_increments_are_not_lost() {
    for merging in [Merging::Item, Merging::Attribute, Merging::Merge] {
        let (base, add) = (recorded(true, &[ASSIGN]), || recorded(false, &[ADD]));
        let case = case(merging, base, add(), add(), 2);
        assert_eq!(case.judged().accounting.lost_to_conflicts, 0);
        assert_eq!(case.anomaly("lost-update").0, 0);
    }
}

#[test]
fn attributes_of_recorded_updates_win_individually() {
    let other = ("m", RecordedTouch::Add);
    assert_eq!(lost(Merging::Item, &[ADD], &[other]), (1, 1));
    assert_eq!(lost(Merging::Attribute, &[ADD], &[other]), (0, 0));
    assert_eq!(lost(Merging::Merge, &[ADD], &[other]), (0, 0));
    let named = ("m", RecordedTouch::Assign);
    assert_eq!(lost(Merging::Item, &[ASSIGN], &[named]), (1, 0), "nothing was added");
    assert_eq!(lost(Merging::Attribute, &[ASSIGN], &[named]), (0, 0));
    for merging in [Merging::Item, Merging::Attribute, Merging::Merge] {
        assert_eq!(lost(merging, &[ASSIGN], &[ASSIGN]), (1, 0));
        assert_eq!(lost(merging, &[], &[]), (1, 0), "their effect is unknown");
    }
}

#[test]
fn a_lost_assignment_beside_an_increment_is_no_lost_update() {
    let both = [ADD, ("name", RecordedTouch::Assign)];
    assert_eq!(lost(Merging::Item, &both, &both), (1, 1));
    assert_eq!(lost(Merging::Attribute, &both, &[both[1]]), (1, 0));
    assert_eq!(lost(Merging::Attribute, &both, &both), (1, 1));
    assert_eq!(lost(Merging::Merge, &both, &both), (1, 0));
}

#[test]
fn additions_fall_with_concurrent_assignments() {
    for merging in [Merging::Attribute, Merging::Merge] {
        assert_eq!(lost(merging, &[ADD], &[ASSIGN]), (1, 1));
        assert_eq!(lost(merging, &[MEMBERS], &[ASSIGN]), (1, 1));
    }
    // An addition that is later than a concurrent assignment.
    assert_eq!(lost(Merging::Attribute, &[ASSIGN], &[ADD]), (1, 0));
    assert_eq!(
        lost(Merging::Merge, &[ASSIGN], &[ADD]),
        (1, 1),
        "it was to another number"
    );
    assert_eq!(lost(Merging::Merge, &[ASSIGN], &[MEMBERS]), (0, 0), "sets unite");
}

/// An increment that is later than a concurrent write of the whole item counts if that item does
/// not have the number.
#[test]
fn increments_later_than_an_item_without_the_number_count() {
    let put = |touches: &[(&str, RecordedTouch)]| {
        let (base, add) = (recorded(true, &[ASSIGN]), recorded(false, &[ADD]));
        let case = case(Merging::Merge, base, recorded(true, touches), add, 1);
        case.anomaly("lost-update").0
    };
    assert_eq!(put(&[ASSIGN]), 1);
    assert_eq!(put(&[("m", RecordedTouch::Assign)]), 0);

    let (first, deleted, last) = (item("a/0", 1, "a"), tombstone(2, "a"), item("b/1", 3, "b"));
    let mut case = Case::new(Merging::Merge);
    case.reported("a", "a/0", recorded(true, &[ASSIGN]), 1)
        .reported_delete("a", "a/1", "a/0", 2)
        .reported("b", "b/1", recorded(false, &[ADD]), 3);
    case.logged(&first)
        .logged(&deleted)
        .logged_knowing(&last, &[("a", 1)])
        .both_hold(&last);
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("lost-update").0, 0);
}

/// An operation that touches several attributes is one write, whatever became of each.
#[test]
fn a_write_to_several_attributes_counts_once() {
    let adds = [ADD, ("m", RecordedTouch::Add)];
    let assigns = [ASSIGN, ("m", RecordedTouch::Assign)];
    let base = || recorded(true, &assigns);
    for merging in [Merging::Attribute, Merging::Merge] {
        assert_eq!(lost_on_top_of(base(), merging, &adds, &assigns), (1, 1), "{merging:?}");
    }
    let kept = case(
        Merging::Merge,
        base(),
        recorded(false, &adds),
        recorded(false, &adds),
        1,
    );
    assert_eq!(kept.judged().accounting.current, 3);
    assert_eq!(lost_on_top_of(base(), Merging::Attribute, &adds, &adds), (1, 1));
}
