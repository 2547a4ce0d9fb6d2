//! Promises: each broken promise is found, and nothing else is reported.

use beringia_history::{Basis, Content, Effect, Merging, OperationOutcome};
use beringia_oracle::Violation;

use crate::case::{Case, content, held, item, put, put_number, seen, tombstone, version, with_number, write};

/// Asserts that there is exactly one `Violation`, and that it matches.
macro_rules! assert_only {
    ($case:expr, $pattern:pat $(if $guard:expr)?) => {
        let violations = $case.violations();
        assert!(matches!(&violations[..], [$pattern] $(if $guard)?), "{violations:#?}");
    };
}

/// Like `assert_only`, for a write that is also out of turn in its region.
macro_rules! assert_out_of_turn {
    ($case:expr, $pattern:pat $(if $guard:expr)?) => {
        let violations = $case.violations();
        assert!(
            matches!(&violations[..], [$pattern, Violation::WrittenOutOfTurn { .. }] $(if $guard)?),
            "{violations:#?}"
        );
    };
}

fn case() -> Case {
    Case::new(Merging::Item)
}

#[test]
fn accepts_the_greatest_version_in_every_region() {
    let (older, newer) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1).reported("b", "b/1", put(), 2);
    case.logged(&older).logged(&newer).both_hold(&newer);
    assert_eq!(case.violations(), []);
    case.holds("a", &older);
    let wrong = Violation::Wrong {
        table: "load".to_owned(),
        region: "a".to_owned(),
        key: "k".to_owned(),
        expected: Some(newer.version),
        found: Some(older.version),
    };
    assert_eq!(case.violations(), [wrong]);
}

#[test]
fn an_item_that_differs_under_its_version_is_found() {
    let first = item("a/1", 1, "a");
    let mut other = first.clone();
    other.content.as_mut().expect("an item").image_hash = 7;
    let mut case = case();
    case.reported("a", "a/1", put(), 1).logged(&first).both_hold(&first);
    assert_eq!(case.violations(), []);
    case.holds("b", &other);
    assert_only!(case, Violation::WrongMerge { region, .. } if region == "b");
}

#[test]
fn a_deleted_item_that_comes_back_is_found() {
    let (first, deleted) = (item("a/1", 1, "a"), tombstone(2, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .reported_delete("a", "a/2", "a/1", 2);
    case.logged(&first).logged(&deleted).both_hold(&deleted);
    assert_eq!(case.violations(), []);
    case.holds("b", &first);
    assert_only!(case, Violation::Wrong { region, .. } if region == "b");
    case.both_hold(&deleted);
    case.evidence.held.get_mut("b").expect("b").clear();
    assert_only!(case, Violation::Wrong { found: None, .. });
}

#[test]
fn an_acknowledged_write_that_is_in_no_log_is_lost() {
    let second = item("a/2", 2, "a");
    let mut case = case();
    case.reported("a", "a/1", put(), 1).reported("a", "a/2", put(), 2);
    case.logged(&second).both_hold(&second);
    assert_only!(case, Violation::Lost { marker, .. } if marker == "a/1");
    case.reported_delete("a", "a/3", "a/2", 3);
    assert_eq!(case.violations().len(), 2, "a delete too");
}

#[test]
fn a_write_without_an_answer_may_be_there_or_not() {
    let (first, second, deleted) = (item("a/1", 1, "a"), item("a/2", 2, "a"), tombstone(3, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .reported_so("a", "a/2", put(), 2, OperationOutcome::Unknown)
        .reported_so("a", "a/3", Effect::Delete, 3, OperationOutcome::Unknown);
    case.logged(&first).both_hold(&first);
    assert_eq!(case.violations(), []);
    case.logged(&second);
    assert_eq!(case.violations().len(), 2, "but if it is there, it is the greatest");
    case.both_hold(&second);
    assert_eq!(case.violations(), []);
    case.logged(&deleted).both_hold(&deleted);
    assert_eq!(case.violations(), []);
}

#[test]
fn a_write_that_no_client_asked_for_is_found() {
    let (asked, refused, foreign) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("x", 3, "b"));
    let mut case = case();
    let refusal = OperationOutcome::Refused("ConditionalCheckFailedException".to_owned());
    case.reported("a", "a/1", put(), 1)
        .reported_so("a", "a/2", put(), 2, refusal)
        .depending(&Basis::NoItem);
    case.logged(&asked).both_hold(&asked);
    assert_eq!(case.violations(), []);
    case.logged(&refused).both_hold(&refused);
    assert_only!(case, Violation::Invented { marker: Some(marker), .. } if marker == "a/2");
    case.logged(&foreign).both_hold(&foreign);
    assert_eq!(case.violations().len(), 2);
    case.logged(&tombstone(4, "b")).both_hold(&tombstone(4, "b"));
    assert!(matches!(
        &case.violations()[..],
        [_, _, Violation::Invented { marker: None, .. }]
    ));
}

#[test]
fn repeated_writes_and_writes_of_other_regions_are_found() {
    let (once, twice) = (item("a/1", 1, "a"), item("a/1", 2, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .logged(&once)
        .logged(&twice)
        .both_hold(&twice);
    assert_only!(case, Violation::Invented { version: twice, .. } if *twice == version(2, "a"));

    let elsewhere = item("a/1", 1, "b");
    let mut case = self::case();
    case.reported("a", "a/1", put(), 1)
        .logged(&elsewhere)
        .both_hold(&elsewhere);
    let violations = case.violations();
    assert!(
        matches!(&violations[..], [Violation::Lost { .. }, Violation::Invented { .. }]),
        "{violations:#?}"
    );
}

#[test]
fn versions_that_go_down_or_are_shared_are_found() {
    let mut case = case();
    let (mut high, low) = (item("a/1", 5, "a"), item("a/2", 4, "a"));
    high.version.sequence = 1;
    case.reported("a", "a/1", put(), 1)
        .reported_so("a", "a/2", put(), 1, OperationOutcome::Ok);
    case.logged(&high).logged(&low).both_hold(&high);
    assert_only!(case, Violation::VersionWentDown { version: low, .. } if *low == version(4, "a"));

    let mut case = self::case();
    let (one, other) = (item("a/1", 5, "a"), item("a/2", 5, "a"));
    case.reported("a", "a/1", put(), 1);
    case.operation("a", 2, 1, OperationOutcome::Ok).writes = vec![write("other", "a/2", put())];
    case.logged(&one).both_hold(&one);
    case.logged_under("other", &other, &[]);
    case.holds_under("other", "a", &other).holds_under("other", "b", &other);
    assert_only!(case, Violation::SharedVersion { version: shared, .. } if *shared == version(5, "a"));
}

/// The version must not be below that of a write that was acknowledged before this one was sent.
#[test]
fn a_version_below_an_earlier_acknowledged_one_is_found() {
    let (low, high) = (item("a/2", 1, "a"), item("a/1", 2, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
    case.logged(&low).logged(&high).both_hold(&high);
    assert_out_of_turn!(case, Violation::VersionWentDown { version: low, .. } if *low == version(1, "a"));
    case.history.operations[1].sent_us = 10_500;
    assert_eq!(case.violations(), [], "two writes at once may come in either order");
}

/// A lost disk excuses a lower version only across its loss, and only below what was lost.
#[test]
fn a_lower_version_is_found_on_each_side_of_a_loss() {
    let judged = |region: &str, at_ms: u64, shipped: u64| {
        let (low, high) = (item("a/2", 1, "a"), item("a/1", 2, "a"));
        let mut case = case();
        case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
        case.logged(&low).logged(&high).both_hold(&high);
        case.lost_disk_after(region, at_ms, shipped);
        let lower = |found: &Violation| matches!(found, Violation::VersionWentDown { .. });
        case.violations().into_iter().filter(lower).count()
    };
    for (at_ms, expected) in [(5, 1), (10, 0), (15, 0), (21, 0), (22, 1)] {
        assert_eq!(judged("a", at_ms, 0), expected, "lost at {at_ms} ms");
        assert_eq!(judged("b", at_ms, 0), 1, "another region lost a disk at {at_ms} ms");
    }
    assert_eq!(judged("a", 15, 2), 1, "the greater version was not lost");
}

#[test]
fn every_region_journals_conflicts_and_nothing_else() {
    let (older, newer) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let concurrent = || {
        let mut case = case();
        case.reported("a", "a/1", put(), 1).reported("b", "b/1", put(), 2);
        case.logged(&older).logged(&newer).both_hold(&newer);
        case
    };
    let mut case = concurrent();
    case.journalled("a", &newer, &older).journalled("b", &newer, &older);
    assert_eq!(case.violations(), []);
    case.journal("b").entries.clear();
    assert_only!(case, Violation::UnseenConflict { region, version, .. } if region == "b" && *version == older.version);
    case.journal("b").is_complete = false;
    assert_eq!(case.violations(), [], "a region that was not there need not say so");

    let mut case = concurrent();
    case.journalled("a", &older, &newer);
    let violations = case.violations();
    assert!(
        matches!(
            &violations[..],
            [Violation::NoConflict { .. }, Violation::UnseenConflict { .. }]
        ),
        "the lesser version won: {violations:#?}"
    );
}

#[test]
fn a_causally_dependent_write_is_no_conflict() {
    let (first, second) = (item("a/1", 1, "a"), item("b/1", 2, "b"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1).reported("b", "b/1", put(), 2);
    case.logged(&first)
        .logged_knowing(&second, &[("a", 1)])
        .both_hold(&second);
    case.journal("a");
    assert_eq!(case.violations(), []);
    case.journalled("a", &second, &first);
    assert_only!(case, Violation::NoConflict { .. });
}

#[test]
fn superseded_losers_need_not_be_journalled_everywhere() {
    // `b` writes concurrently with `a`'s write, then `a` writes once more, depending on both.
    let (first, second, third) = (item("a/1", 1, "a"), item("b/1", 2, "b"), item("a/2", 3, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .reported("b", "b/1", put(), 2)
        .reported("a", "a/2", put(), 3);
    case.logged(&first)
        .logged(&second)
        .logged_knowing(&third, &[("b", 2)])
        .both_hold(&third);
    case.journalled("a", &second, &first).journal("b");
    assert_eq!(case.violations(), []);
}

#[test]
fn a_condition_on_a_replaced_write_is_found() {
    let (first, second, third) = (item("a/1", 1, "a"), item("a/2", 2, "a"), item("a/3", 3, "a"));
    let rewritten = |based_on: Option<&str>| {
        let mut case = case();
        case.reported("a", "a/1", put(), 1).reported("a", "a/2", put(), 2);
        let operation = case.operation("a", 2, 3, OperationOutcome::Ok);
        operation.writes = vec![write("k", "a/3", Effect::Update { fields: Vec::new() })];
        operation.writes[0].based_on = Basis::unchanged(based_on.map(str::to_owned));
        case.logged(&first).logged(&second).logged(&third).both_hold(&third);
        case
    };
    assert_eq!(rewritten(Some("a/2")).violations(), []);
    assert_out_of_turn!(rewritten(Some("a/1")), Violation::ConditionIgnored { marker, expected, .. } if marker == "a/3" && expected == "a/1");
    assert_out_of_turn!(rewritten(None), Violation::ConditionIgnored { .. });
    assert_out_of_turn!(rewritten(Some("a/3")), Violation::ConditionIgnored { .. });
}

/// A condition on a write that another region had replaced is found if the conditional write
/// causally depends on the replacement.
#[test]
fn ignored_conditions_are_found_between_regions() {
    let (first, theirs, ours) = (item("a/1", 1, "a"), item("b/1", 2, "b"), item("a/2", 3, "a"));
    let rewritten = |context: &[(&str, u64)]| {
        let mut case = case();
        case.reported("a", "a/1", put(), 1).reported("b", "b/1", put(), 2);
        let operation = case.operation("a", 2, 3, OperationOutcome::Ok);
        operation.writes = vec![write("k", "a/2", Effect::Update { fields: Vec::new() })];
        operation.writes[0].based_on = Basis::Marker("a/1".to_owned());
        case.logged(&first)
            .logged(&theirs)
            .logged_knowing(&ours, context)
            .both_hold(&ours);
        case
    };
    assert_eq!(rewritten(&[]).violations(), []);
    assert_only!(rewritten(&[("b", 2)]), Violation::ConditionIgnored { .. });
}

#[test]
fn taking_more_than_available_is_found() {
    let (first, second) = (
        held(with_number("a/1", 1), 1, "a"),
        held(with_number("a/2", -1), 2, "a"),
    );
    let mut case = case();
    case.reported("a", "a/1", put_number(1), 1)
        .reported("a", "a/2", Effect::Add(-2), 2);
    case.logged(&first).logged(&second).both_hold(&second);
    assert_only!(case, Violation::BelowZero { number: -1, .. });
}

#[test]
fn a_write_with_a_wrong_result_is_found() {
    let (first, mut second) = (held(with_number("a/1", 1), 1, "a"), held(with_number("a/2", 3), 2, "a"));
    let mut case = case();
    case.reported("a", "a/1", put_number(1), 1)
        .reported("a", "a/2", Effect::Add(2), 2);
    case.logged(&first).logged(&second).both_hold(&second);
    assert_eq!(case.violations(), []);
    second.content.as_mut().expect("an item").number = Some(2);
    case.evidence.logs.get_mut("a").expect("a").clear();
    case.logged(&first).logged(&second).both_hold(&second);
    assert_out_of_turn!(case, Violation::WrongContent { marker, .. } if marker == "a/2");
    // The result is right for a write before the one that it says it replaced. Only the loss of the
    // disk that had that one explains it.
    let skipped = |lost_disk: Option<(&str, u64)>| {
        let third = held(with_number("a/3", 2), 3, "a");
        let mut case = self::case();
        case.reported("a", "a/1", put_number(1), 1)
            .reported("a", "a/2", Effect::Add(2), 2)
            .reported("a", "a/3", Effect::Add(1), 3);
        let second = held(with_number("a/2", 3), 2, "a");
        case.logged(&first).logged(&second).logged(&third).both_hold(&third);
        if let Some((region, at_ms)) = lost_disk {
            case.lost_disk(region, at_ms);
        }
        case
    };
    for unrelated in [None, Some(("b", 10)), Some(("a", 1))] {
        assert_out_of_turn!(skipped(unrelated), Violation::WrongContent { marker, .. } if marker == "a/3");
    }
    assert_eq!(skipped(Some(("a", 3))).violations(), []);
}

#[test]
fn half_a_transaction_in_the_log_is_found() {
    let (one, other) = (item("a/1", 1, "a"), item("a/2", 2, "a"));
    let mut case = case();
    case.operation("a", 1, 1, OperationOutcome::Unknown).writes =
        vec![write("k", "a/1", put()), write("other", "a/2", put())];
    assert_eq!(case.violations(), [], "none of it may be there");
    case.logged(&one).both_hold(&one);
    assert_only!(case, Violation::TornTransaction { committed: 1, asked: 2, marker, .. } if marker == "a/2");
    case.logged_under("other", &other, &[]);
    case.holds_under("other", "a", &other).holds_under("other", "b", &other);
    assert_eq!(case.violations(), []);
}

#[test]
fn items_expire_at_their_time_and_not_before() {
    let expiring = Content {
        expires_s: Some(2),
        ..content("a/1")
    };
    let expired_at = |time| {
        let (first, gone) = (held(expiring.clone(), 1, "a"), tombstone(time, "b"));
        let mut case = case();
        case.reported("a", "a/1", put(), 1);
        case.logged(&first).logged_knowing(&gone, &[("a", 1)]).both_hold(&gone);
        let log = case
            .evidence
            .logs
            .get_mut("b")
            .and_then(|log| log.get_mut("k"))
            .expect("logged");
        log[0].is_expiry = true;
        case
    };
    assert_eq!(expired_at(2_000).violations(), []);
    assert_only!(expired_at(1_999), Violation::ExpiredEarly { region, .. } if region == "b");
}

/// Region `b` did not have the write that put the expiry off when `a` lost its disk. Later writes
/// of `a` cover it.
#[test]
fn an_item_whose_later_write_may_be_lost_can_expire() {
    let expiring = |marker: &str, expires_s| Content {
        expires_s: Some(expires_s),
        ..content(marker)
    };
    let (first, second) = (held(expiring("a/1", 2), 1, "a"), held(expiring("a/2", 9), 5, "a"));
    let gone = tombstone(2_000, "b");
    let mut case = case();
    case.reported("a", "a/1", put(), 1).reported("a", "a/2", put(), 5);
    case.logged(&first)
        .logged(&second)
        .logged_knowing(&gone, &[("a", 5)])
        .both_hold(&gone);
    let log = case.evidence.logs.get_mut("b").and_then(|log| log.get_mut("k"));
    log.expect("logged")[0].is_expiry = true;
    assert_only!(case, Violation::ExpiredEarly { region, .. } if region == "b");
    case.lost_disk_after("a", 10, 1);
    assert_eq!(case.violations(), []);
    case.lost_disks.clear();
    case.lost_disk_after("a", 10, 5);
    assert_only!(case, Violation::ExpiredEarly { region, .. } if region == "b");
}

#[test]
fn two_regions_that_find_the_same_item_expired_do_not_conflict() {
    let expiring = Content {
        expires_s: Some(2),
        ..content("a/1")
    };
    let (first, ours, theirs) = (held(expiring, 1, "a"), tombstone(2_000, "a"), tombstone(2_001, "b"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1)
        .logged(&first)
        .logged(&ours)
        .logged_knowing(&theirs, &[("a", 1)]);
    case.both_hold(&theirs).journal("a");
    for region in ["a", "b"] {
        let log = case
            .evidence
            .logs
            .get_mut(region)
            .and_then(|log| log.get_mut("k"))
            .expect("logged");
        log.last_mut().expect("a tombstone").is_expiry = true;
    }
    assert_eq!(case.violations(), []);
}

#[test]
fn reads_must_have_been_written() {
    let first = item("a/1", 1, "a");
    let mut case = case();
    let refusal = OperationOutcome::Refused("ConditionalCheckFailedException".to_owned());
    case.reported("a", "a/1", put(), 1)
        .reported_so("a", "a/2", put(), 2, refusal)
        .depending(&Basis::NoItem)
        .logged(&first)
        .both_hold(&first);
    case.operation("b", 2, 5, OperationOutcome::Ok).reads = vec![seen("k", Some("a/1"))];
    assert_eq!(case.violations(), []);
    case.operation("b", 2, 6, OperationOutcome::Ok).reads = vec![seen("k", Some("a/2"))];
    assert_only!(case, Violation::SeenInvented { marker, .. } if marker == "a/2");
}

#[test]
fn deletes_are_distinguished_by_what_they_removed() {
    // Two deletes are answered in the opposite order of their commits, each with what it removed.
    let (first, second) = (item("a/1", 1, "a"), item("a/2", 3, "a"));
    let mut case = case();
    case.reported("a", "a/1", put(), 1).reported("a", "a/2", put(), 2);
    case.reported_delete("a", "a/4", "a/2", 3)
        .reported_delete("a", "a/3", "a/1", 3);
    case.logged(&first)
        .logged(&tombstone(2, "a"))
        .logged(&second)
        .logged(&tombstone(4, "a"))
        .both_hold(&tombstone(4, "a"));
    assert_eq!(case.violations(), []);
    let judged = case.judged().accounting;
    assert_eq!((judged.acknowledged, judged.current, judged.superseded), (4, 1, 3));
    case.evidence
        .logs
        .get_mut("a")
        .and_then(|log| log.get_mut("k"))
        .expect("logged")
        .pop();
    case.both_hold(&second);
    assert_only!(case, Violation::Lost { marker, .. } if marker == "a/4");
}

/// A conflict of a lost write may be in some journals only, one between others must be in all.
#[test]
fn a_lost_disk_excuses_its_own_conflicts_only() {
    let journal_of = |lost_disk: &str| {
        let (loser, winner) = (item("b/1", 1, "b"), item("a/1", 2, "a"));
        let mut case = case();
        case.reported("b", "b/1", put(), 1).reported("a", "a/1", put(), 2);
        case.logged(&loser).logged(&winner).both_hold(&winner);
        case.journal("a");
        case.lost_disk(lost_disk, 5);
        case
    };
    assert_eq!(journal_of("b").violations(), [], "the loser may never have arrived");
    assert_eq!(journal_of("a").violations(), [], "the winner may never have left");
    assert_only!(journal_of("c"), Violation::UnseenConflict { region, .. } if region == "a");
    // What every region had when the disk was lost was not lost with it.
    let mut shipped = journal_of("c");
    shipped.lost_disk_after("b", 5, 1);
    assert_only!(shipped, Violation::UnseenConflict { region, .. } if region == "a");
    // An entry may name a write that is in no log if that write's disk was lost.
    let named = |lost_disk: &str| {
        let (loser, winner) = (item("b/1", 1, "b"), item("a/1", 2, "a"));
        let mut case = case();
        case.reported("a", "a/1", put(), 2).logged(&winner).both_hold(&winner);
        case.journalled("a", &winner, &loser).lost_disk(lost_disk, 5);
        case
    };
    assert_eq!(named("b").violations(), []);
    assert_only!(named("a"), Violation::NoConflict { region, .. } if region == "a");
}
