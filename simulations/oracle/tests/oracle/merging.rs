//! Conflict policies: the items that every region must hold if attributes win by themselves,
//! numbers add up, and sets unite.

use std::collections::BTreeMap;

use beringia_history::{Content, Effect, Merging};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, put, put_number, tombstone, with_number};

fn fields(marker: &str, fields: &[(&str, &str)]) -> Content {
    Content {
        fields: fields
            .iter()
            .map(|(field, marker)| ((*field).to_owned(), (*marker).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        ..content(marker)
    }
}

fn set(marker: &str, elements: &[&str]) -> Content {
    Content {
        set: elements.iter().map(|element| (*element).to_owned()).collect(),
        ..content(marker)
    }
}

fn update(field: &str) -> Effect {
    Effect::Update {
        fields: vec![field.to_owned()],
    }
}

fn elements(add: &[&str], delete: &[&str]) -> Effect {
    let own = |elements: &[&str]| elements.iter().map(|element| (*element).to_owned()).collect();
    Effect::Set {
        add: own(add),
        delete: own(delete),
    }
}

/// Two concurrent updates of one put: `a/1` and the greater `b/1`.
fn concurrent(merging: Merging, base: (Effect, Content), ours: (Effect, Content), theirs: (Effect, Content)) -> Case {
    let mut case = Case::new(merging);
    case.reported("a", "a/0", base.0, 1)
        .reported("a", "a/1", ours.0, 2)
        .reported("b", "b/1", theirs.0, 3);
    case.logged(&held(base.1, 1, "a")).logged(&held(ours.1, 2, "a"));
    case.logged_knowing(&held(theirs.1, 3, "b"), &[("a", 1)]);
    case
}

fn is_wrong_merge(case: &Case) -> bool {
    let violations = case.violations();
    violations.len() == 2
        && violations
            .iter()
            .all(|wrong| matches!(wrong, Violation::WrongMerge { .. }))
}

#[test]
fn attributes_win_or_lose_individually() {
    let case = |ours: &str, theirs: &str| {
        let (ours, theirs) = (update(ours), update(theirs));
        let field = |effect: &Effect, marker: &str| match effect {
            Effect::Update { fields: names } => fields(marker, &[(&names[0], marker)]),
            _ => content(marker),
        };
        let (our_content, their_content) = (field(&ours, "a/1"), field(&theirs, "b/1"));
        concurrent(
            Merging::Attribute,
            (put(), content("a/0")),
            (ours, our_content),
            (theirs, their_content),
        )
    };
    let mut different = case("f0", "f1");
    different.both_hold(&held(fields("b/1", &[("f0", "a/1"), ("f1", "b/1")]), 3, "b"));
    let judged = different.judged();
    assert_eq!(judged.violations, []);
    assert_eq!(
        judged.accounting.current, 3,
        "both, and the item that they were made to"
    );
    different.both_hold(&held(fields("b/1", &[("f1", "b/1")]), 3, "b"));
    assert!(is_wrong_merge(&different), "as whole items would win");

    let mut same = case("f0", "f0");
    same.both_hold(&held(fields("b/1", &[("f0", "b/1")]), 3, "b"));
    let judged = same.judged();
    assert_eq!(judged.violations, []);
    assert_eq!((judged.accounting.current, judged.accounting.lost_to_conflicts), (2, 1));
}

#[test]
fn numbers_add_up_under_merge_and_compete_under_attribute() {
    let case = |merging| {
        let (base, add) = (put_number(10), Effect::Add(1));
        let (ours, theirs) = (with_number("a/1", 11), with_number("b/1", 12));
        concurrent(
            merging,
            (base, with_number("a/0", 10)),
            (add, ours),
            (Effect::Add(2), theirs),
        )
    };
    let mut merged = case(Merging::Merge);
    merged.both_hold(&held(with_number("b/1", 13), 3, "b"));
    assert_eq!(merged.violations(), []);
    assert_eq!(merged.anomaly("lost-update").0, 0);
    assert_eq!(merged.judged().accounting.current, 3);
    merged.both_hold(&held(with_number("b/1", 12), 3, "b"));
    assert!(is_wrong_merge(&merged));

    let mut won = case(Merging::Attribute);
    won.both_hold(&held(with_number("b/1", 12), 3, "b"));
    assert_eq!(won.violations(), []);
    assert_eq!(won.anomaly("lost-update").0, 1);
    assert_eq!(won.judged().accounting.lost_to_conflicts, 1);
}

#[test]
fn sets_unite_and_the_last_write_to_an_element_decides() {
    let base = (elements(&["x", "y"], &[]), set("a/0", &["x", "y"]));
    let ours = (elements(&["z"], &["x"]), set("a/1", &["y", "z"]));
    let theirs = (elements(&["x"], &["y"]), set("b/1", &["x"]));
    let mut case = concurrent(Merging::Merge, base, ours, theirs);
    case.both_hold(&held(set("b/1", &["x", "z"]), 3, "b"));
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("lost-update").0, 0);
    case.both_hold(&held(set("b/1", &["x"]), 3, "b"));
    assert!(is_wrong_merge(&case));
}

#[test]
fn additions_to_a_losing_item_are_lost() {
    let base = (put_number(10), with_number("a/0", 10));
    let ours = (Effect::Add(1), with_number("a/1", 11));
    let theirs = (put_number(50), with_number("b/1", 50));
    let mut case = concurrent(Merging::Merge, base, ours, theirs);
    case.both_hold(&held(with_number("b/1", 50), 3, "b"));
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("lost-update").0, 1);
    let accounting = case.judged().accounting;
    assert_eq!(
        (accounting.superseded, accounting.current, accounting.lost_to_conflicts),
        (1, 1, 1)
    );
}

#[test]
fn a_delete_removes_all_that_is_not_written_later() {
    let mut case = Case::new(Merging::Merge);
    case.reported("a", "a/0", put_number(10), 1)
        .reported_delete("a", "a/1", "a/0", 2)
        .reported("b", "b/1", Effect::Add(5), 3);
    case.logged(&held(with_number("a/0", 10), 1, "a"))
        .logged(&tombstone(2, "a"));
    case.logged_knowing(&held(with_number("b/1", 15), 3, "b"), &[("a", 1)]);
    // The addition is later than the delete, so the item exists. The region's own addition stays,
    // without the number that it was added to.
    case.both_hold(&held(with_number("b/1", 5), 3, "b"));
    assert_eq!(case.violations(), []);
    assert_eq!(case.anomaly("lost-update").0, 0);
}
