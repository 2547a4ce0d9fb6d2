//! Contents: what each write left, and what every region holds, image by image.

use beringia_history::{Content, Effect, Merging, OperationOutcome, Seen, VersionedItem};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, put_number, seen, with_number};

fn with_image(marker: &str, image_hash: u64) -> Content {
    Content {
        image_hash,
        ..content(marker)
    }
}

/// One put, which its region logged so, and what both regions hold at the end.
fn holding(merging: Merging, logged: &Content, [ours, theirs]: [&Content; 2]) -> Vec<Violation> {
    let of = |content: &Content| held(content.clone(), 1, "a");
    let mut case = Case::new(merging);
    case.reported("a", "a/1", put(), 1).logged(&of(logged));
    case.holds("a", &of(ours)).holds("b", &of(theirs));
    case.violations()
}

/// Where writes merge, attributes that workloads do not know may differ from what the log says, but
/// not between regions.
#[test]
fn regions_with_different_images_are_found() {
    let (plain, one, other) = (content("a/1"), with_image("a/1", 7), with_image("a/1", 8));
    for merging in [Merging::Attribute, Merging::Merge] {
        assert_eq!(holding(merging, &plain, [&one, &one]), [], "{merging:?}");
        let found = holding(merging, &plain, [&one, &other]);
        assert!(
            matches!(&found[..], [Violation::WrongMerge { region, .. }] if region == "b"),
            "{merging:?}: {found:?}"
        );
    }
    assert_eq!(holding(Merging::Item, &plain, [&one, &one]).len(), 2, "whole items win");
}

/// A wrong item under the right version is reported once, as what it is.
#[test]
fn a_region_with_other_contents_is_found_once() {
    let (right, wrong) = (with_number("a/1", 1), with_number("a/1", 2));
    for merging in [Merging::Attribute, Merging::Merge] {
        let mut case = Case::new(merging);
        let of = |content: &Content| held(content.clone(), 1, "a");
        case.reported("a", "a/1", put_number(1), 1).logged(&of(&right));
        case.holds("a", &of(&right)).holds("b", &of(&wrong));
        let found = case.violations();
        assert!(
            matches!(&found[..], [Violation::WrongMerge { region, .. }] if region == "b"),
            "{merging:?}: {found:?}"
        );
    }
}

/// Where attributes win or lose by themselves, a region may show a write with what others left.
#[test]
fn a_read_shows_the_item_that_the_write_left() {
    let read = |merging: Merging, image_hash: Option<u64>| {
        let mut case = Case::new(merging);
        let item = held(with_image("a/1", 7), 1, "a");
        case.reported("a", "a/1", put(), 1).logged(&item).both_hold(&item);
        let seen = Seen {
            image_hash,
            ..seen("k", Some("a/1"))
        };
        case.operation("b", 2, 9, OperationOutcome::Ok).reads = vec![seen];
        case.violations()
    };
    for hash in [Some(7), None] {
        assert_eq!(read(Merging::Item, hash), [], "{hash:?}");
    }
    let found = read(Merging::Item, Some(8));
    assert!(
        matches!(&found[..], [Violation::WrongRead { region, marker, sent_ms: 9, .. }]
            if region == "b" && marker == "a/1"),
        "{found:?}"
    );
    assert_eq!(read(Merging::Attribute, Some(8)), []);
}

#[test]
fn a_put_replaces_the_whole_item() {
    let full = Content {
        set: vec!["x".to_owned()],
        list: vec!["a/0".to_owned()],
        ..with_number("a/1", 1)
    };
    let put_over = |merging, left: &Content| {
        let add = Effect::Set {
            add: vec!["x".to_owned()],
            delete: Vec::new(),
        };
        let first = Content {
            set: vec!["x".to_owned()],
            ..content("a/0")
        };
        let last = held(left.clone(), 2, "a");
        let mut case = Case::new(merging);
        case.reported("a", "a/0", add, 1).reported("a", "a/1", put_number(1), 2);
        case.logged(&held(first, 1, "a")).logged(&last).both_hold(&last);
        case.violations()
    };
    for merging in [Merging::Item, Merging::Attribute, Merging::Merge] {
        assert_eq!(put_over(merging, &with_number("a/1", 1)), [], "{merging:?}");
        let found = put_over(merging, &full);
        let is_wrong = |found: &Violation| matches!(found, Violation::WrongContent { marker, .. } if marker == "a/1");
        assert!(found.iter().any(is_wrong), "{merging:?}: {found:?}");
    }
    let found = put_over(Merging::Item, &full);
    assert_eq!(found.len(), 1, "it is wrong, and not out of turn: {found:?}");
}

/// A disk that was lost before all regions had a write excuses those that did not journal it.
#[test]
fn what_was_shipped_before_a_loss_is_no_excuse() {
    let journalled = |shipped: u64| {
        let (loser, winner) = (item("b/1", 2, "b"), item("a/1", 3, "a"));
        let mut case = Case::new(Merging::Item);
        case.reported("b", "b/1", put(), 1).reported("a", "a/1", put(), 2);
        case.logged(&loser).logged(&winner).both_hold(&winner);
        case.lost_disk_after("b", 5, shipped).journal("a");
        case.violations().len()
    };
    assert_eq!([1, 2, 3].map(journalled), [0, 1, 1]);
}

/// A region that lost its disk may have lost its clock's bound with it.
#[test]
fn versions_may_go_down_only_after_a_lost_disk() {
    let went_down = |lost_disk: Option<&str>| {
        let (low, high) = (item("a/2", 1, "a"), item("a/1", 2, "a"));
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
        case.logged(&low).logged(&high).both_hold(&high);
        if let Some(region) = lost_disk {
            case.lost_disk(region, 15);
        }
        let is_it = |found: &Violation| matches!(found, Violation::VersionWentDown { .. });
        case.violations().iter().filter(|found| is_it(found)).count()
    };
    assert_eq!([None, Some("b"), Some("a")].map(went_down), [1, 1, 0]);
}

/// `a/0` is a put, `a/1` a recorded write after it, and `a/2` an update, which left this item.
fn after_a_recorded_write(effects: [Effect; 3], left: Content) -> Vec<Violation> {
    let mut case = Case::new(Merging::Attribute);
    let markers = ["a/0", "a/1", "a/2"];
    for (time, (marker, effect)) in (1..).zip(markers.into_iter().zip(effects)) {
        case.reported("a", marker, effect, time);
    }
    let last: VersionedItem = held(left, 3, "a");
    case.logged(&item("a/0", 1, "a"))
        .logged(&item("a/1", 2, "a"))
        .logged(&last)
        .both_hold(&last);
    case.violations()
}

/// What a recorded write did is not known, until the whole item is written.
#[test]
fn nothing_is_known_after_a_recorded_write() {
    let recorded = || Effect::Recorded {
        whole: false,
        touches: Default::default(),
    };
    let update = || Effect::Update { fields: Vec::new() };
    let changed = || with_number("a/2", 5);
    assert_eq!(after_a_recorded_write([put(), recorded(), update()], changed()), []);
    let known = after_a_recorded_write([recorded(), put(), update()], changed());
    let is_wrong = |found: &Violation| matches!(found, Violation::WrongContent { marker, .. } if marker == "a/2");
    assert!(known.iter().any(is_wrong), "{known:?}");
    assert_eq!(
        after_a_recorded_write([recorded(), put(), update()], content("a/2")),
        []
    );
}
