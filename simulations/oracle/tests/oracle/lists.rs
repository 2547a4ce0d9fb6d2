//! Lists that clients saw: those that appends cannot have left are found, and so are vectors that
//! lists contradict.

use beringia_history::{Content, Effect, Merging, Operation, OperationOutcome, VersionedItem};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, seen, tombstone, write};

const POLICIES: [Merging; 3] = [Merging::Item, Merging::Attribute, Merging::Merge];

fn with_list(marker: &str, list: &[&str]) -> Content {
    Content {
        list: list.iter().map(|element| (*element).to_owned()).collect(),
        ..content(marker)
    }
}

/// An item as an append left it.
fn list(list: &[&str], time: u64, origin: &str) -> VersionedItem {
    held(with_list(list.last().expect("an append"), list), time, origin)
}

/// Adds a read of `k` by a client of its own.
fn reads<'a>(case: &'a mut Case, region: &str, at_ms: u64, marker: &str, list: &[&str]) -> &'a mut Operation {
    let mut read = seen("k", Some(marker));
    read.list = Some(list.iter().map(|element| (*element).to_owned()).collect());
    let operation = case.operation(region, 9, at_ms, OperationOutcome::Ok);
    operation.name = "GetItem".to_owned();
    operation.reads = vec![read];
    operation
}

/// Region a appends `a/1` at 10 ms and `a/2` at 20 ms, region b `b/1` at 30 ms, which follows both.
fn three_appends(merging: Merging) -> Case {
    let (first, second) = (list(&["a/1"], 1, "a"), list(&["a/1", "a/2"], 2, "a"));
    let third = list(&["a/1", "a/2", "b/1"], 3, "b");
    let mut case = Case::new(merging);
    case.reported("a", "a/1", Effect::Append, 10)
        .reported("a", "a/2", Effect::Append, 20)
        .reported("b", "b/1", Effect::Append, 30);
    case.logged(&first)
        .logged(&second)
        .logged_knowing(&third, &[("a", 2)])
        .both_hold(&third);
    case
}

/// The violations where clients of region a saw these lists with their last elements, the last read
/// with this marker.
fn seen_lists(marker: &str, lists: &[&[&str]]) -> Vec<Vec<Violation>> {
    let of_policy = |merging: Merging| {
        let mut case = three_appends(merging);
        for (place, list) in lists.iter().enumerate() {
            let last = list.last().copied().unwrap_or(marker);
            let marker = if place + 1 == lists.len() { marker } else { last };
            reads(&mut case, "a", 50 + place as u64, marker, list);
        }
        case.violations()
    };
    POLICIES.map(of_policy).into()
}

#[test]
fn lists_that_grow_are_permitted() {
    let all: &[&[&str]] = &[&["a/1"], &["a/1", "a/2"], &["a/1"], &["a/1", "a/2", "b/1"]];
    for found in seen_lists("b/1", all) {
        assert_eq!(found, []);
    }
}

#[test]
fn elements_in_the_opposite_order_are_found() {
    for lists in [&[&["a/2", "a/1", "b/1"][..]][..], &[&["a/1", "a/2"], &["a/2", "a/1"]]] {
        for found in seen_lists("b/1", lists) {
            assert!(
                matches!(&found[..], [Violation::ListReordered { first, second, region, .. }]
                    if first == "a/2" && second == "a/1" && region == "a"),
                "{found:?}"
            );
        }
    }
}

/// Neither append is in a log, so only what other clients saw contradicts.
#[test]
fn lists_of_lost_appends_must_agree_with_each_other() {
    let orders = [(["a/2", "a/1"], 1), (["a/1", "a/2"], 0)];
    for (merging, (list, count)) in POLICIES
        .into_iter()
        .flat_map(|merging| orders.map(|order| (merging, order)))
    {
        let mut case = Case::new(merging);
        case.reported_so("a", "a/1", Effect::Append, 10, OperationOutcome::Unknown)
            .reported_so("a", "a/2", Effect::Append, 10, OperationOutcome::Unknown)
            .lost_disk("a", 90);
        reads(&mut case, "a", 20, "a/2", &["a/1", "a/2"]);
        reads(&mut case, "a", 30, list[1], &list);
        let found = case.violations();
        assert_eq!(found.len(), count, "{found:?}");
        assert!(
            found
                .iter()
                .all(|wrong| matches!(wrong, Violation::ListReordered { .. }))
        );
    }
}

#[test]
fn an_element_that_is_there_twice_is_found() {
    for list in [
        &["a/1", "a/2", "a/1"][..],
        &["a/1", "a/2", "b/1", "b/1"],
        &["a/1", "a/1"],
    ] {
        for found in seen_lists("b/1", &[list]) {
            assert!(matches!(&found[..], [Violation::ElementRepeated { .. }]), "{found:?}");
        }
    }
}

#[test]
fn a_list_without_a_middle_element_is_found() {
    for list in [&["a/1", "b/1"][..], &["a/2"], &[]] {
        for found in seen_lists("b/1", &[list]) {
            assert!(
                matches!(&found[..], [Violation::WrongList { marker, found, .. }]
                    if marker == "b/1" && found == list),
                "{found:?}"
            );
        }
    }
}

/// A write that is in no log, since it was lost with a disk, shows one list.
#[test]
fn two_lists_with_one_write_are_found() {
    let mut case = three_appends(Merging::Item);
    case.lost_disk("a", 90)
        .reported("a", "a/3", Effect::Update { fields: Vec::new() }, 40);
    reads(&mut case, "a", 50, "a/3", &["a/1", "a/2"]);
    reads(&mut case, "a", 60, "a/3", &["a/1", "a/2"]);
    assert_eq!(case.violations(), []);
    reads(&mut case, "a", 70, "a/3", &["a/1"]);
    let found = case.violations();
    assert!(matches!(&found[..], [Violation::WrongList { .. }]), "{found:?}");
}

#[test]
fn an_element_that_no_client_appended_is_found() {
    for element in ["a/3", "a/9"] {
        let refused = OperationOutcome::Refused("TransactionConflictException".to_owned());
        let mut case = three_appends(Merging::Attribute);
        case.reported_so("a", "a/3", Effect::Append, 40, refused);
        reads(&mut case, "a", 50, "b/1", &["a/1", "a/2", "b/1", element]);
        let found = case.violations();
        let invented = |wrong: &Violation| matches!(wrong, Violation::SeenInvented { marker, .. } if marker == element);
        assert!(found.iter().any(invented), "{found:?}");
    }
}

#[test]
fn an_element_that_never_became_durable_is_found() {
    for (lost, expected) in [(false, 1), (true, 0)] {
        let mut case = three_appends(Merging::Merge);
        case.reported_so("a", "a/3", Effect::Append, 40, OperationOutcome::Unknown);
        reads(&mut case, "a", 50, "a/3", &["a/1", "a/2", "b/1", "a/3"]).region = "b".to_owned();
        if lost {
            case.lost_disk("a", 60);
        }
        let found = case.violations();
        let undurable = |wrong: &&Violation| matches!(wrong, Violation::SeenUndurable { .. });
        // The marker and the element each show it.
        assert_eq!(found.iter().filter(undurable).count(), 2 * expected, "{found:?}");
    }
}

#[test]
fn an_element_that_was_sent_after_the_read_is_found() {
    for (at_ms, expected) in [(28, 1), (29, 0)] {
        let mut case = three_appends(Merging::Item);
        reads(&mut case, "a", at_ms, "b/1", &["a/1", "a/2", "b/1"]);
        let found = case.violations();
        assert_eq!(found.len(), expected, "{found:?}");
        assert!(
            found
                .iter()
                .all(|wrong| matches!(wrong, Violation::ListAgainstTime { later, .. } if later == "b/1"))
        );
    }
}

/// `a/1` was acknowledged before `b/1` was sent, and is behind it in the list.
#[test]
fn an_element_behind_one_that_came_later_is_found() {
    for (at_ms, expected) in [(11, 0), (12, 1)] {
        let mut case = Case::new(Merging::Attribute);
        let (theirs, ours) = (list(&["b/1"], 1, "b"), list(&["b/1", "a/1"], 2, "a"));
        case.reported("a", "a/1", Effect::Append, 10)
            .reported("b", "b/1", Effect::Append, at_ms);
        case.logged(&theirs).logged_knowing(&ours, &[("b", 1)]).both_hold(&ours);
        reads(&mut case, "b", 50, "a/1", &["b/1", "a/1"]);
        let found = case.violations();
        let is_found = |wrong: &&Violation| matches!(wrong, Violation::ListAgainstTime { later, earlier, .. } if later == "b/1" && earlier == "a/1");
        assert_eq!(found.iter().filter(is_found).count(), expected, "{found:?}");
    }
}

/// The versions say that `b/1` came last, and the list that `a/1` did.
#[test]
fn versions_in_another_order_than_the_list_are_found() {
    let mut case = Case::new(Merging::Merge);
    let (ours, theirs) = (list(&["b/1", "a/1"], 1, "a"), list(&["b/1"], 2, "b"));
    case.reported("b", "b/1", Effect::Append, 10)
        .reported("a", "a/1", Effect::Append, 10);
    case.logged_knowing(&ours, &[("b", 2)])
        .logged(&theirs)
        .both_hold(&theirs);
    reads(&mut case, "a", 50, "a/1", &["b/1", "a/1"]);
    let found = case.violations();
    let is_found = |wrong: &Violation| {
        matches!(wrong, Violation::ListAgainstTime { sent_ms: 50, later, earlier, .. }
            if later == "b/1" && earlier == "a/1")
    };
    assert!(found.iter().any(is_found), "{found:?}");
}

#[test]
fn a_context_covers_what_its_list_follows() {
    for (merging, context) in POLICIES
        .into_iter()
        .flat_map(|merging| [(merging, 2), (merging, 1), (merging, 0)])
    {
        let mut case = three_appends(merging);
        let log = case.evidence.logs.get_mut("b").expect("b's log");
        log.get_mut("k").expect("b's write")[0].causal_context =
            [("a".parse().expect("a name"), context)].into_iter().collect();
        reads(&mut case, "b", 50, "b/1", &["a/1", "a/2", "b/1"]);
        let found = case.violations();
        let is_found = |wrong: &&Violation| {
            matches!(wrong, Violation::ContextTooSmall { marker, missed, region, .. }
                if marker == "b/1" && missed.sequence == 2 && region == "b")
        };
        assert_eq!(
            found.iter().filter(is_found).count(),
            usize::from(context < 2),
            "{found:?}"
        );
        assert!(context < 2 || found.is_empty(), "{found:?}");
    }
}

/// Two appends at once: the policy keeps the later one.
#[test]
fn a_lost_append_breaks_no_promise() {
    for merging in POLICIES {
        let mut case = Case::new(merging);
        let (ours, theirs) = (list(&["a/1"], 1, "a"), list(&["b/1"], 2, "b"));
        case.reported("a", "a/1", Effect::Append, 10)
            .reported("b", "b/1", Effect::Append, 10);
        case.logged(&ours).logged(&theirs).both_hold(&theirs);
        for (region, at_ms, element) in [("a", 20, "a/1"), ("b", 20, "b/1"), ("a", 30, "b/1")] {
            reads(&mut case, region, at_ms, element, &[element]);
        }
        assert_eq!(case.violations(), []);
        assert_eq!(case.anomaly("lost-update").0, 1);
    }
}

/// `b/1` updates another attribute at the same time as `a/1` appends, and wins.
fn beside_an_update(merging: Merging, list: &[&str]) -> Vec<Violation> {
    let mut case = Case::new(merging);
    let first = item("a/0", 1, "a");
    let (ours, theirs) = (held(with_list("a/1", &["a/1"]), 2, "a"), item("b/1", 3, "b"));
    case.reported("a", "a/0", put(), 1)
        .reported("a", "a/1", Effect::Append, 10)
        .reported("b", "b/1", Effect::Update { fields: Vec::new() }, 10);
    case.logged(&first).logged(&ours).logged_knowing(&theirs, &[("a", 1)]);
    let last = if merging == Merging::Item { &[][..] } else { &["a/1"] };
    case.both_hold(&held(with_list("b/1", last), 3, "b"));
    reads(&mut case, "a", 50, "b/1", list);
    case.violations()
}

/// Where attributes win by themselves, regions show the list of one write with the marker of
/// another.
#[test]
fn a_list_beside_a_concurrent_update_is_kept() {
    for merging in POLICIES {
        let is_item = merging == Merging::Item;
        assert_eq!(beside_an_update(merging, &[]), [], "{merging:?}");
        let found = beside_an_update(merging, &["a/1"]);
        assert_eq!(found.len(), usize::from(is_item), "{merging:?}: {found:?}");
        assert!(found.iter().all(|wrong| matches!(wrong, Violation::WrongList { .. })));
    }
}

/// A region that shows a write shows what that write had followed.
#[test]
fn a_list_that_the_shown_write_had_overcome_is_found() {
    for merging in POLICIES {
        let mut case = three_appends(merging);
        reads(&mut case, "a", 50, "b/1", &["a/1", "a/2"]);
        let found = case.violations();
        assert!(
            matches!(&found[..], [Violation::WrongList { sent_ms: 50, .. }]),
            "{merging:?}: {found:?}"
        );
    }
}

/// A lost disk explains a list only if it took a write that decides about the list.
#[test]
fn a_lost_disk_explains_only_lists_of_lost_writes() {
    let judged = |region: &str, at_ms: u64, shipped: u64| {
        let of_policy = |merging: Merging| {
            let mut case = three_appends(merging);
            reads(&mut case, "a", 50, "b/1", &["a/1", "a/2"]);
            case.lost_disk_after(region, at_ms, shipped);
            let wrong = |found: &Violation| matches!(found, Violation::WrongList { sent_ms: 50, .. });
            case.violations().into_iter().filter(wrong).count()
        };
        [Merging::Attribute, Merging::Merge].map(of_policy)
    };
    assert_eq!(judged("b", 90, 2), [0, 0], "b/1 may be lost");
    assert_eq!(judged("b", 90, 3), [1, 1], "every region had b/1");
    assert_eq!(judged("b", 29, 0), [1, 1], "b/1 was sent after the loss");
    assert_eq!(judged("a", 15, 1), [1, 1], "every region had a/1, and a/2 came later");
    assert_eq!(judged("a", 90, 1), [0, 0], "a/2 may be lost");
}

/// The append that may be lost came after the read.
#[test]
fn a_later_lost_append_explains_no_list() {
    for (at_ms, expected) in [(40, 0), (60, 1)] {
        let mut case = three_appends(Merging::Attribute);
        case.reported_so("a", "a/3", Effect::Append, at_ms, OperationOutcome::Unknown)
            .lost_disk_after("a", 90, 2);
        reads(&mut case, "a", 50, "b/1", &["a/1", "a/2"]);
        assert_eq!(case.violations().len(), expected, "sent at {at_ms} ms");
    }
}

#[test]
fn a_list_begins_again_after_a_delete_or_a_put() {
    for (merging, is_delete) in POLICIES
        .into_iter()
        .flat_map(|merging| [(merging, true), (merging, false)])
    {
        let mut case = Case::new(merging);
        let base = if is_delete {
            tombstone(2, "a")
        } else {
            item("a/2", 2, "a")
        };
        let again = list(&["a/3"], 3, "a");
        case.reported("a", "a/1", Effect::Append, 10);
        if is_delete {
            case.reported_delete("a", "a/2", "a/1", 20);
            case.history.operations[1].reads[0].list = Some(vec!["a/1".to_owned()]);
        } else {
            case.reported("a", "a/2", put(), 20);
        }
        case.reported("a", "a/3", Effect::Append, 30);
        case.logged(&list(&["a/1"], 1, "a"))
            .logged(&base)
            .logged(&again)
            .both_hold(&again);
        reads(&mut case, "a", 15, "a/1", &["a/1"]);
        reads(&mut case, "a", 40, "a/3", &["a/3"]);
        reads(&mut case, "b", 50, "a/1", &["a/1"]);
        assert_eq!(case.violations(), [], "{merging:?}, {is_delete}");
        reads(&mut case, "a", 60, "a/3", &["a/1", "a/3"]);
        let found = case.violations();
        assert!(matches!(&found[..], [Violation::WrongList { .. }]), "{found:?}");
    }
}

/// A concurrent put that wins over the append takes the list away, also beside a later update.
#[test]
fn a_list_is_gone_after_a_concurrent_put() {
    let mut case = Case::new(Merging::Attribute);
    let ours = list(&["a/1"], 1, "a");
    let theirs = item("b/1", 2, "b");
    let later = held(with_list("a/2", &["a/1"]), 3, "a");
    case.reported("a", "a/1", Effect::Append, 10)
        .reported("b", "b/1", put(), 10)
        .reported("a", "a/2", Effect::Update { fields: Vec::new() }, 20);
    case.logged(&ours).logged(&theirs).logged(&later);
    case.both_hold(&item("a/2", 3, "a"));
    reads(&mut case, "a", 30, "a/2", &["a/1"]);
    reads(&mut case, "a", 40, "a/2", &[]);
    assert_eq!(case.violations(), []);
}

/// An append without an answer may be there or not.
#[test]
fn an_append_without_an_answer_may_be_seen() {
    for merging in POLICIES {
        let mut case = Case::new(merging);
        let (first, second) = (list(&["a/1"], 1, "a"), list(&["a/1", "a/2"], 2, "a"));
        for marker in ["a/1", "a/2", "a/3"] {
            case.reported_so("a", marker, Effect::Append, 10, OperationOutcome::Unknown);
        }
        case.logged(&first).logged(&second).both_hold(&second);
        reads(&mut case, "a", 10, "a/2", &["a/1", "a/2"]);
        reads(&mut case, "b", 20, "a/1", &["a/1"]);
        assert_eq!(case.violations(), []);
    }
}

/// A transaction's reads of several items are judged one by one.
#[test]
fn items_without_appends_have_no_list() {
    let mut case = three_appends(Merging::Item);
    let other = item("a/4", 4, "a");
    case.operation("a", 1, 40, OperationOutcome::Ok).writes = vec![write("other", "a/4", put())];
    case.logged_under("other", &other, &[])
        .holds_under("other", "a", &other)
        .holds_under("other", "b", &other);
    let read = seen("other", Some("a/4"));
    reads(&mut case, "a", 50, "b/1", &["a/1", "a/2", "b/1"])
        .reads
        .push(read);
    assert_eq!(case.violations(), []);
}
