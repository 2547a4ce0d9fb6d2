//! Conflict policies: the items that every region must hold if attributes win by themselves,
//! numbers add up, and sets unite.

use std::collections::BTreeMap;

use beringia_history::{Content, Effect, MARKER, Merging};
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

/// What a write left follows from the effects of the writes that its causal context covers, not
/// from what its region logged.
#[test]
fn a_wrong_result_is_found_where_writes_merge() {
    for merging in [Merging::Attribute, Merging::Merge] {
        let logged = |number: i64| {
            let mut case = Case::new(merging);
            case.reported("a", "a/1", put_number(10), 1)
                .reported("b", "b/1", Effect::Add(2), 2)
                .reported("a", "a/2", Effect::Add(1), 3);
            case.logged(&held(with_number("a/1", 10), 1, "a"));
            case.logged_knowing(&held(with_number("b/1", 12), 2, "b"), &[("a", 1)]);
            case.logged_knowing(&held(with_number("a/2", number), 3, "a"), &[("b", 2)]);
            case.both_hold(&held(with_number("a/2", number), 3, "a"));
            case.violations()
        };
        assert_eq!(logged(13), [], "{merging:?}");
        let wrong = logged(12);
        let is_found = |violation: &Violation| matches!(violation, Violation::WrongContent { marker, region, .. } if marker == "a/2" && region == "a");
        assert!(wrong.iter().any(is_found), "{merging:?}: {wrong:?}");
    }
}

/// A list shows every append that its region had.
#[test]
fn an_append_that_forgets_an_earlier_one_is_found() {
    let list = |marker: &str, elements: &[&str]| Content {
        list: elements.iter().map(|element| (*element).to_owned()).collect(),
        ..content(marker)
    };
    let logged = |elements: &[&str]| {
        let mut case = Case::new(Merging::Attribute);
        case.reported("a", "a/1", Effect::Append, 1)
            .reported("a", "a/2", Effect::Append, 2);
        case.logged(&held(list("a/1", &["a/1"]), 1, "a"));
        let last = held(list("a/2", elements), 2, "a");
        case.logged(&last).both_hold(&last);
        case.violations()
    };
    assert_eq!(logged(&["a/1", "a/2"]), []);
    let wrong = logged(&["a/2"]);
    assert!(
        matches!(&wrong[0], Violation::WrongContent { marker, .. } if marker == "a/2"),
        "{wrong:?}"
    );
}

/// Whatever a write loses, it loses its write marker. If it lost more, the journal must say so.
#[test]
fn a_partial_loss_must_be_journalled_as_what_it_is() {
    let (ours, theirs) = (fields("a/1", &[("f0", "a/1")]), fields("b/1", &[("f0", "b/1")]));
    let case = |attributes: Option<&[&str]>| {
        let mut case = concurrent(
            Merging::Attribute,
            (put(), content("a/0")),
            (update("f0"), ours.clone()),
            (update("f0"), theirs.clone()),
        );
        let (loser, winner) = (held(ours.clone(), 2, "a"), held(theirs.clone(), 3, "b"));
        case.both_hold(&winner);
        case.journal("a");
        if let Some(attributes) = attributes {
            case.journalled("a", &winner, &loser);
            case.journal("a").entries[0].attributes = attributes.iter().map(ToString::to_string).collect();
        }
        case.violations()
    };
    assert_eq!(case(Some(&[MARKER, "f0"])), []);
    for missing in [None, Some(&[MARKER][..])] {
        let found = case(missing);
        assert!(
            matches!(found.as_slice(), [Violation::UnseenConflict { region, .. }] if region == "a"),
            "{missing:?}: {found:?}"
        );
    }
}

/// An addition of region a that is later than a put in region b, which it does not know. It was to
/// another number, and goes with that one.
#[test]
fn an_addition_to_another_number_does_not_count() {
    let judged = |number: i64| {
        let mut case = Case::new(Merging::Merge);
        case.reported("a", "a/0", put_number(10), 1)
            .reported("b", "b/1", put_number(50), 2)
            .reported("a", "a/1", Effect::Add(1), 3);
        case.logged(&held(with_number("a/0", 10), 1, "a"))
            .logged_knowing(&held(with_number("b/1", 50), 2, "b"), &[("a", 1)])
            .logged(&held(with_number("a/1", 11), 3, "a"));
        case.both_hold(&held(with_number("a/1", number), 3, "a"));
        case
    };
    assert_eq!(judged(50).violations(), []);
    assert!(is_wrong_merge(&judged(51)));
}

#[test]
fn additions_from_before_a_put_do_not_count() {
    let judged = |number: i64| {
        let mut case = Case::new(Merging::Merge);
        case.reported("a", "a/1", Effect::Add(2), 1)
            .reported("b", "b/1", put_number(50), 2)
            .reported("a", "a/2", Effect::Add(3), 3);
        case.logged(&held(with_number("a/1", 2), 1, "a"))
            .logged_knowing(&held(with_number("b/1", 50), 2, "b"), &[("a", 1)])
            .logged_knowing(&held(with_number("a/2", 53), 3, "a"), &[("b", 2)]);
        case.both_hold(&held(with_number("a/2", number), 3, "a"));
        case
    };
    assert_eq!(judged(53).violations(), []);
    assert!(is_wrong_merge(&judged(55)));
}

/// A delete leaves no number, so an addition that depends on it begins at nothing.
#[test]
fn an_addition_after_a_delete_counts_alone() {
    let judged = |number: i64| {
        let mut case = Case::new(Merging::Merge);
        case.reported("b", "b/1", Effect::Add(10), 1)
            .reported_delete("a", "a/1", "b/1", 2)
            .reported("a", "a/2", Effect::Add(5), 3);
        case.logged(&held(with_number("b/1", 10), 1, "b"))
            .logged_knowing(&tombstone(2, "a"), &[("b", 1)])
            .logged_knowing(&held(with_number("a/2", 5), 3, "a"), &[("b", 1)]);
        case.both_hold(&held(with_number("a/2", number), 3, "a"));
        case
    };
    assert_eq!(judged(5).violations(), []);
    assert!(is_wrong_merge(&judged(15)));
}

#[test]
fn an_element_that_is_added_and_deleted_at_once_is_gone() {
    let (ours, theirs) = (elements(&["x"], &["x"]), elements(&["y"], &[]));
    let mut case = concurrent(
        Merging::Merge,
        (elements(&["x"], &[]), set("a/0", &["x"])),
        (ours, set("a/1", &[])),
        (theirs, set("b/1", &["x", "y"])),
    );
    case.both_hold(&held(set("b/1", &["y"]), 3, "b"));
    assert_eq!(case.violations(), []);
}

/// The account of two concurrent updates of one put: how many are current, and how many lost.
fn account(merging: Merging, ours: (Effect, Content), theirs: (Effect, Content), last: Content) -> (u64, u64) {
    let mut case = concurrent(merging, (put(), content("a/0")), ours, theirs);
    case.both_hold(&held(last, 3, "b"));
    assert_eq!(case.violations(), []);
    let accounting = case.judged().accounting;
    (accounting.current, accounting.lost_to_conflicts)
}

#[test]
fn an_update_of_several_fields_is_one_write() {
    let both = |marker| {
        let update = Effect::Update {
            fields: ["f0", "f1"].map(str::to_owned).into(),
        };
        (update, fields(marker, &[("f0", marker), ("f1", marker)]))
    };
    let last = fields("b/1", &[("f0", "b/1"), ("f1", "b/1")]);
    assert_eq!(account(Merging::Attribute, both("a/1"), both("b/1"), last), (2, 1));
}

/// Such an update competes for its marker. An append keeps its place beside it.
#[test]
fn an_update_of_nothing_loses_to_another_one() {
    let nothing = |marker| (Effect::Update { fields: Vec::new() }, content(marker));
    let account = |ours, theirs, last| account(Merging::Attribute, ours, theirs, last);
    assert_eq!(account(nothing("a/1"), nothing("b/1"), content("b/1")), (2, 1));
    let list = |marker: &str| Content {
        list: vec!["a/1".to_owned()],
        ..content(marker)
    };
    let append = (Effect::Append, list("a/1"));
    assert_eq!(account(append, nothing("b/1"), list("b/1")), (3, 0));
}

/// A region deletes an item and loses its disk. The copy that is put back has the item, and the
/// region updates it. The update's causal context covers the delete, which another region has.
#[test]
fn a_lost_delete_leaves_open_what_an_update_followed() {
    let wrong_results = |shipped: u64| {
        let of_policy = |merging: Merging| {
            let mut case = Case::new(merging);
            case.reported("a", "a/1", put_number(10), 1)
                .reported_delete("a", "a/2", "a/1", 2)
                .reported("a", "a/3", update("f0"), 10);
            let updated = Content {
                number: Some(10),
                ..fields("a/3", &[("f0", "a/3")])
            };
            case.logged(&held(with_number("a/1", 10), 1, "a"))
                .logged(&tombstone(2, "a"))
                .logged(&held(updated, 3, "a"));
            case.both_hold(&held(fields("a/3", &[("f0", "a/3")]), 3, "a"));
            case.lost_disk_after("a", 5, shipped);
            let violations = case.violations();
            assert!(
                violations
                    .iter()
                    .all(|found| matches!(found, Violation::WrongContent { .. })),
                "{violations:?}"
            );
            violations.len()
        };
        [Merging::Attribute, Merging::Merge].map(of_policy)
    };
    assert_eq!(wrong_results(1), [0, 0], "the delete may be lost");
    assert_eq!(wrong_results(2), [1, 1], "the copy has the delete");
}
