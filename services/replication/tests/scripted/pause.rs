//! A table whose replication is paused: nothing of it is sent or taken, nothing of it is trimmed,
//! and all of it continues afterwards.

use std::collections::BTreeSet;

use beringia_item::{RANGES, TableId};
use beringia_replication::{
    AcceptId, Command, DialId, Event, StoreAnswer, StoreCall, Tuning,
    message::{Acknowledgement, Batch, PeerAnswer, Question, Reply, Request, Subscription, ToReceiver, ToSource},
};
use beringia_storage_types::{LogPage, LogPosition, RangeDigest, ReplicaStatus, TableDigest};

use crate::support::{
    CARTS, ScriptedRegion, acknowledged_in, apply_in, call_in, mutation, origin, region, subscription_in, vectors,
};

/// `eu` has its own writes up to 9 and those of `us` up to 5, dials `us`, and serves `us` from 9
/// on; the cursor is at the end of the log.
fn running() -> (ScriptedRegion, DialId, AcceptId) {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "eu", 9), (CARTS, "us", 5)]));
    let (dialled, _) = script.connected("us");
    let accepted = script.accepted(1, "us");
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", 9), (TableId::CATALOG, "eu", 0)]),
        origins: vec![origin("eu")],
    };
    let commands = script.receiver_says(accepted, ToSource::Subscribe(subscription));
    let (ticket, _) = call_in(&commands).unwrap();
    let commands = script.answer(ticket, StoreAnswer::Position(Ok(LogPosition(40))));
    let (ticket, _) = call_in(&commands).unwrap();
    let end = StoreAnswer::Log(LogPage {
        mutations: Vec::new(),
        next: LogPosition(40),
        end: Some(vectors(&[(CARTS, "eu", 9)]).into_iter().collect()),
    });
    assert_eq!(script.answer(ticket, end), []);
    (script, dialled, accepted)
}

fn from_us(number: u64, generation: u64, sequence: u64) -> ToReceiver {
    ToReceiver::Batch(Batch {
        number,
        generation,
        mutations: vec![mutation(CARTS, "us", sequence)],
        progress: vec![(CARTS, origin("us"), sequence)],
    })
}

fn filter_in(commands: &[Command]) -> Option<Vec<TableId>> {
    commands.iter().find_map(|command| match command {
        Command::Call(_, StoreCall::Position(filter)) => Some(filter.tables.keys().copied().collect()),
        _ => None,
    })
}

fn has_message(commands: &[Command], wanted: &ToReceiver) -> bool {
    commands
        .iter()
        .any(|command| matches!(command, Command::SendToReceiver(_, message) if message == wanted))
}

#[test]
fn paused_table_is_unsubscribed_and_its_batches_dropped() {
    let (mut script, dialled, _) = running();
    let subscription = subscription_in(&script.feed(Event::Pause(CARTS))).unwrap();
    assert_eq!(subscription.generation, 2);
    assert_eq!(subscription.tables.keys().collect::<Vec<_>>(), [&TableId::CATALOG]);
    let commands = script.source_says(dialled, from_us(1, 1, 6));
    assert_eq!(apply_in(&commands), None);
    assert_eq!(acknowledged_in(&commands), Some(1), "the window opens again");

    let subscription = subscription_in(&script.feed(Event::Resume(CARTS))).unwrap();
    assert_eq!(subscription.generation, 3);
    assert_eq!(
        subscription.tables[&CARTS].get(&origin("us")),
        5,
        "from where it was paused: 6 is requested again"
    );
    let commands = script.source_says(dialled, from_us(2, 1, 7));
    assert_eq!(apply_in(&commands), None, "6 is missing before it");
    let commands = script.source_says(dialled, from_us(3, 3, 6));
    assert_eq!(apply_in(&commands).unwrap().1.mutations, [mutation(CARTS, "us", 6)]);
}

#[test]
fn paused_table_is_withdrawn_and_its_log_not_read() {
    let (mut script, _, accepted) = running();
    let commands = script.feed(Event::Pause(CARTS));
    assert!(
        has_message(&commands, &ToReceiver::Withdraw(vec![CARTS])),
        "{commands:?}"
    );
    assert_eq!(filter_in(&commands), Some(vec![TableId::CATALOG]));
    let commands = script.tick_with(600, vectors(&[(CARTS, "eu", 12)]));
    let announces = |command: &Command| matches!(command, Command::SendToReceiver(_, ToReceiver::Vectors(vectors)) if vectors.contains_key(&CARTS));
    assert!(!commands.iter().any(announces), "{commands:?}");

    let commands = script.feed(Event::Resume(CARTS));
    assert_eq!(filter_in(&commands), None, "the catalog's position is still looked for");
    let has = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", 9)]),
    };
    script.receiver_says(accepted, ToSource::Acknowledge(has));
    assert!(script.tick(600).iter().any(announces));
}

#[test]
fn log_read_across_a_pause_is_repeated_without_the_table() {
    let (mut script, _, _) = running();
    let commands = script.grown(&[(CARTS, "eu", 10)]);
    let (ticket, _) = call_in(&commands).unwrap();
    script.feed(Event::Pause(CARTS));
    let log = StoreAnswer::Log(LogPage {
        mutations: vec![mutation(CARTS, "eu", 10)],
        next: LogPosition(41),
        end: Some(vectors(&[(CARTS, "eu", 10)]).into_iter().collect()),
    });
    let commands = script.answer(ticket, log);
    let batch = |command: &Command| matches!(command, Command::SendToReceiver(_, ToReceiver::Batch(_)));
    assert!(!commands.iter().any(batch), "{commands:?}");
    assert_eq!(filter_in(&commands), Some(vec![TableId::CATALOG]));
}

/// This includes requests that the store is already working on.
#[test]
fn requests_about_a_paused_table_get_the_reason() {
    let (mut script, _, accepted) = running();
    let ask = |id| {
        ToSource::Request(Request {
            id,
            table: CARTS,
            question: Question::Digest { as_of: None },
        })
    };
    let commands = script.receiver_says(accepted, ask(1));
    let (ticket, _) = call_in(&commands).unwrap();
    script.feed(Event::Pause(CARTS));
    let reason = "the replication of table 00000000-0000-0000-0000-000000000007 is paused in eu";
    let paused = |id| {
        ToReceiver::Reply(Reply {
            id,
            answer: PeerAnswer::Unavailable(reason.to_owned()),
        })
    };
    let digest = TableDigest {
        vector: [].into_iter().collect(),
        ranges: vec![RangeDigest::default(); usize::from(RANGES)],
        unknown: BTreeSet::new(),
    };
    let commands = script.answer(ticket, StoreAnswer::Digest(digest));
    assert_eq!(commands, [Command::SendToReceiver(accepted, paused(1))]);
    let commands = script.receiver_says(accepted, ask(2));
    assert_eq!(commands, [Command::SendToReceiver(accepted, paused(2))]);
}

#[test]
fn paused_table_is_not_compared() {
    let (mut script, dialled, _) = running();
    script.feed(Event::Pause(CARTS));
    let announced = vectors(&[(CARTS, "eu", 9), (CARTS, "us", 5)]);
    script.source_says(dialled, ToReceiver::Vectors(announced));
    let compares = |commands: &[Command]| {
        commands
            .iter()
            .any(|command| matches!(command, Command::SendToSource(_, ToSource::Request(_))))
    };
    assert!(!compares(&script.tick(600)));
    script.feed(Event::Resume(CARTS));
    assert!(compares(&script.tick(600)));
}

#[test]
fn paused_table_is_not_trimmed() {
    let (mut script, _, _) = running();
    script.catalog(&[("eu", ReplicaStatus::Active), ("us", ReplicaStatus::Active)]);
    let link = script.accepted(2, "ap");
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(TableId::CATALOG, "eu", 0)]),
        origins: vec![origin("eu")],
    };
    script.receiver_says(link, ToSource::Subscribe(subscription));
    assert!(script.replicator.acknowledged().vectors.contains_key(&CARTS));
    script.feed(Event::Pause(CARTS));
    assert!(!script.replicator.acknowledged().vectors.contains_key(&CARTS));
    script.feed(Event::Resume(CARTS));
    assert!(script.replicator.acknowledged().vectors.contains_key(&CARTS));
}

/// A peer that withdraws a table does not send its own writes to it any more, so another region
/// relays them.
#[test]
fn another_peer_relays_for_a_peer_that_withdraws_a_table() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "us", 5)]));
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    script.source_says(us, ToReceiver::Vectors(vectors(&[(CARTS, "us", 7)])));
    script.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 6)])));
    script.tick(3000);
    script.tick(3000);
    let relay = |script: &ScriptedRegion| script.replicator.status().peers[&region("us")].relayed_through.clone();
    assert_eq!(relay(&script), None, "us sends itself");
    script.source_says(us, ToReceiver::Withdraw(vec![CARTS]));
    script.tick(600);
    script.tick(3000);
    assert_eq!(relay(&script), Some(region("ap")), "ap has one that us will not send");
}

#[test]
fn pause_ignores_unknown_tables_and_the_catalog() {
    let (mut script, _, _) = running();
    assert_eq!(script.feed(Event::Pause(TableId(99))), []);
    assert_eq!(script.feed(Event::Pause(TableId::CATALOG)), []);
    assert!(script.replicator.status().paused.is_empty());
    script.feed(Event::Pause(CARTS));
    assert_eq!(
        script.replicator.status().paused.into_iter().collect::<Vec<_>>(),
        [CARTS]
    );
    script.feed(Event::Catalog(std::collections::BTreeMap::new()));
    assert!(script.replicator.status().paused.is_empty(), "the table is gone");
}
