//! A region whose database is an older copy: peers have own writes that it never made.

use beringia_replication::{
    AcceptId, Command, RebootstrapCause, ReplicaChange, StateChange, StoreAnswer, StoreCall, Ticket,
    message::{Acknowledgement, Subscription, ToReceiver, ToSource},
};
use beringia_storage_types::{OwnSequences, ReplicaStatus};

use crate::support::{CARTS, ScriptedRegion, origin, region, vectors};

/// Wrote up to 10 and was opened then, so that it continues after 100. A copy has made `CARTS`
/// complete up to `copied`.
fn opened_at_100(copied: u64) -> OwnSequences {
    let mut own = OwnSequences::new(0);
    own.skip(10, 100);
    own.opened = 100;
    own.copied.insert(CARTS, copied);
    own
}

fn replicator(copied: u64) -> ScriptedRegion {
    let mut script = ScriptedRegion::with_sequences(opened_at_100(copied));
    script.tick_with(100, vectors(&[(CARTS, "eu", 10)]));
    script
}

/// A stream from the peer, which has the writes of `eu` to `CARTS` up to `sequence`.
fn subscribed(script: &mut ScriptedRegion, peer: &str, sequence: u64) -> Vec<Command> {
    let link = script.accepted(1, peer);
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", sequence)]),
        origins: vec![origin("eu")],
    };
    script.receiver_says(link, ToSource::Subscribe(subscription))
}

fn epochs_in(commands: &[Command]) -> Vec<(Ticket, u64)> {
    let epoch = |command: &Command| match command {
        Command::Call(ticket, StoreCall::BeginEpoch(known)) => Some((*ticket, *known)),
        _ => None,
    };
    commands.iter().filter_map(epoch).collect()
}

fn reads_log(commands: &[Command]) -> bool {
    commands
        .iter()
        .any(|command| matches!(command, Command::Call(_, StoreCall::Position(_))))
}

fn statuses_in(commands: &[Command]) -> Vec<ReplicaStatus> {
    let status = |command: &Command| match command {
        Command::Call(_, StoreCall::SetReplica { status, .. }) => Some(status.clone()),
        _ => None,
    };
    commands.iter().filter_map(status).collect()
}

#[test]
fn peer_with_the_same_own_writes_is_served() {
    let mut script = replicator(0);
    let commands = subscribed(&mut script, "us", 10);
    assert!(reads_log(&commands));
    assert_eq!(epochs_in(&commands), []);
}

/// From that moment nothing of the table is served, and the replica is started over from the peer.
#[test]
fn skipped_sequence_at_a_peer_begins_an_epoch() {
    let mut script = replicator(0);
    let commands = subscribed(&mut script, "us", 50);
    assert!(!reads_log(&commands), "nothing is sent from the gap");
    let [(ticket, 50)] = epochs_in(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert!(script.replicator.status().missing_own.contains(&CARTS));
    script.answer(ticket, StoreAnswer::Done);
    let commands = script.tick(100);
    assert_eq!(statuses_in(&commands), [ReplicaStatus::Creating { from: region("us") }]);
    let cause = RebootstrapCause::OlderCopy;
    let change = ReplicaChange::Rebootstrapped { cause };
    let expected = StateChange::Replica { table: CARTS, change };
    assert!(script.replicator.changes().contains(&expected));
    assert_eq!(epochs_in(&script.pass(2000)), [], "one epoch for one loss");
}

#[test]
fn announced_own_write_begins_an_epoch_too() {
    let mut script = replicator(0);
    let (us, _) = script.connected("us");
    let commands = script.source_says(us, ToReceiver::Vectors(vectors(&[(CARTS, "eu", 50)])));
    assert_eq!(epochs_in(&commands).len(), 1);
}

/// The region has those writes since the copy, whatever peers report.
#[test]
fn writes_that_a_copy_brought_are_not_missing() {
    let mut script = replicator(50);
    let commands = subscribed(&mut script, "us", 50);
    assert!(reads_log(&commands));
    assert_eq!(epochs_in(&commands), []);
    let acknowledgement = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", 60)]),
    };
    let commands = script.receiver_says(AcceptId(1), ToSource::Acknowledge(acknowledgement));
    assert_eq!(epochs_in(&commands).len(), 1, "60 came after that copy");
}

/// A report of a write of this life may arrive before this region's own vector of it. A write
/// beyond what this life has made is another life's.
#[test]
fn writes_since_the_start_are_judged_on_a_tick() {
    let mut script = replicator(0);
    assert_eq!(epochs_in(&subscribed(&mut script, "us", 101)), []);
    let commands = script.tick_with(600, vectors(&[(CARTS, "eu", 101)]));
    assert_eq!(epochs_in(&commands), []);
    let acknowledgement = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", 102)]),
    };
    script.receiver_says(AcceptId(1), ToSource::Acknowledge(acknowledgement));
    let commands = script.tick_with(600, vectors(&[(CARTS, "eu", 101)]));
    assert_eq!(epochs_in(&commands).len(), 1);
}

#[test]
fn epoch_that_failed_to_begin_is_asked_for_again() {
    let mut script = replicator(0);
    let commands = subscribed(&mut script, "us", 50);
    let (ticket, _) = epochs_in(&commands)[0];
    script.fail(ticket, beringia_storage_types::StoreError::DiskFull("full".to_owned()));
    assert_eq!(epochs_in(&script.pass(1000)).len(), 1);
}

/// Streams continue to bring the writes of others meanwhile.
#[test]
fn region_still_subscribes_to_the_table() {
    let mut script = replicator(0);
    subscribed(&mut script, "us", 50);
    let (_, subscription) = script.connected("ap");
    assert!(subscription.tables.contains_key(&CARTS), "{subscription:?}");
}
