//! A replica that is being deleted: it serves its writes, and is removed once every replica that
//! stays has them.

use beringia_item::TableId;
use beringia_replication::{
    AcceptId, Command, Event, LinkEvent, StoreAnswer, StoreCall, Tuning,
    message::{Acknowledgement, Subscription, ToSource},
};
use beringia_storage_types::{LogPosition, ReplicaStatus};

use crate::support::{CARTS, ScriptedRegion, call_in, origin, region, vectors};

/// `eu` wrote up to 9 and is being deleted; `us` and `ap` stay, and subscribe with what they have.
fn leaving(us: u64, ap: u64) -> ScriptedRegion {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "eu", 9)]));
    script.catalog(&[
        ("eu", ReplicaStatus::Deleting),
        ("us", ReplicaStatus::Active),
        ("ap", ReplicaStatus::Active),
    ]);
    for (number, peer, has) in [(1, "us", us), (2, "ap", ap)] {
        let link = script.accepted(number, peer);
        let subscription = Subscription {
            generation: 1,
            tables: vectors(&[(CARTS, "eu", has)]),
            origins: vec![origin("eu")],
        };
        script.receiver_says(link, ToSource::Subscribe(subscription));
    }
    script
}

fn leave_in(commands: &[Command]) -> bool {
    let leave = StoreCall::Leave {
        table: CARTS,
        sequence: 9,
    };
    commands
        .iter()
        .any(|command| matches!(command, Command::Call(_, call) if *call == leave))
}

#[test]
fn replica_is_removed_once_all_others_have_its_writes() {
    let mut script = leaving(9, 9);
    assert!(leave_in(&script.tick(100)));
    assert!(!leave_in(&script.tick(100)), "the call is pending");
}

#[test]
fn replica_stays_while_a_peer_is_missing_a_write() {
    let mut script = leaving(9, 8);
    assert!(!leave_in(&script.tick(100)));
    let has = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", 9)]),
    };
    script.receiver_says(AcceptId(2), ToSource::Acknowledge(has));
    assert!(leave_in(&script.tick(100)));
}

#[test]
fn leaving_replica_still_sends_its_log() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "eu", 9)]));
    script.catalog(&[("eu", ReplicaStatus::Deleting), ("us", ReplicaStatus::Active)]);
    let link = script.accepted(1, "us");
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", 3)]),
        origins: vec![origin("eu")],
    };
    let commands = script.receiver_says(link, ToSource::Subscribe(subscription));
    let Some((ticket, StoreCall::Position(filter))) = call_in(&commands) else {
        panic!("expected a call for the log position: {commands:?}");
    };
    assert!(filter.tables.contains_key(&CARTS), "{filter:?}");
    let commands = script.answer(ticket, StoreAnswer::Position(Ok(LogPosition(4))));
    assert!(
        matches!(call_in(&commands), Some((_, StoreCall::Read { .. }))),
        "{commands:?}"
    );
}

#[test]
fn replica_stays_while_a_peer_is_unreachable() {
    let mut script = leaving(9, 9);
    script.feed(Event::Accepted(AcceptId(1), LinkEvent::Closed("cut".to_owned())));
    assert!(!leave_in(&script.tick(100)), "what it had before, it may have lost");
}

#[test]
fn does_not_wait_for_a_replica_that_leaves_too() {
    let mut script = leaving(9, 3);
    script.catalog(&[
        ("eu", ReplicaStatus::Deleting),
        ("us", ReplicaStatus::Active),
        ("ap", ReplicaStatus::Deleting),
    ]);
    assert!(leave_in(&script.tick(100)));
}

/// What other regions wrote may be in no other replica, even if this region wrote nothing.
#[test]
fn replica_stays_until_one_that_is_filled_is_active() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let leaving = |us: ReplicaStatus| [("eu", ReplicaStatus::Deleting), ("us", us)];
    script.catalog(&leaving(ReplicaStatus::Creating { from: region("eu") }));
    let leaves = |script: &mut ScriptedRegion| matches!(call_in(&script.tick(100)), Some((_, StoreCall::Leave { .. })));
    assert!(!leaves(&mut script));
    script.catalog(&leaving(ReplicaStatus::Active));
    assert!(leaves(&mut script));
}

/// The others dropped the replica and deleted theirs, and did not know yet that it was back.
#[test]
fn replica_that_can_never_be_filled_is_removed() {
    let new = |from: &str| ReplicaStatus::Creating { from: region(from) };
    let has_same_catalog = |script: &mut ScriptedRegion, number: u64, peer: &str, has: u64| {
        let link = script.accepted(number, peer);
        let subscription = Subscription {
            generation: 1,
            tables: vectors(&[(TableId::CATALOG, "us", has)]),
            origins: vec![origin("eu")],
        };
        script.receiver_says(link, ToSource::Subscribe(subscription));
    };
    let leaves = |replicas: &[(&str, ReplicaStatus)], ap: u64| {
        let mut script = ScriptedRegion::new(Tuning::default());
        script.tick_with(0, vectors(&[(TableId::CATALOG, "us", 5)]));
        script.catalog(replicas);
        has_same_catalog(&mut script, 1, "us", 5);
        has_same_catalog(&mut script, 2, "ap", ap);
        let left = |command: &Command| matches!(command, Command::Call(_, StoreCall::Leave { .. }));
        script.tick(100).iter().any(left)
    };
    assert!(leaves(&[("eu", new("us"))], 5));
    assert!(!leaves(&[("eu", new("us"))], 4), "ap may know of a replica");
    assert!(!leaves(&[("eu", new("us")), ("ap", ReplicaStatus::Active)], 5));
    assert!(!leaves(&[("eu", new("us")), ("ap", new("us"))], 5));
    assert!(
        !leaves(&[("eu", new("eu"))], 5),
        "after a lost disk an operator decides"
    );
}
