//! A record may be trimmed from the log only if every replica is known to have it, by the replica's
//! reports on an open stream.

use beringia_item::TableId;
use beringia_replication::{
    AcceptId, Event, LinkEvent, Tuning,
    message::{Acknowledgement, Subscription, ToSource},
};
use beringia_storage_types::ReplicaStatus;

use crate::support::{CARTS, ScriptedRegion, origin, region, vectors};

/// The peer subscribes and reports what it has.
fn subscribed(script: &mut ScriptedRegion, number: u64, peer: &str, has: u64, catalog: u64) -> AcceptId {
    let link = script.accepted(number, peer);
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", has), (TableId::CATALOG, "eu", catalog)]),
        origins: vec![origin("eu")],
    };
    script.receiver_says(link, ToSource::Subscribe(subscription));
    link
}

/// Both peers are connected and have the writes of `eu` up to 5 (`us`) and 8 (`ap`).
fn both() -> ScriptedRegion {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "eu", 9), (TableId::CATALOG, "eu", 2)]));
    subscribed(&mut script, 1, "us", 5, 2);
    subscribed(&mut script, 2, "ap", 8, 2);
    script
}

fn acked(script: &ScriptedRegion, table: TableId) -> Option<Vec<(String, u64)>> {
    let acknowledged = script.replicator.acknowledged().vectors;
    let of_table = acknowledged.get(&table)?;
    Some(
        of_table
            .iter()
            .map(|(peer, vector)| (peer.to_string(), vector.get(&origin("eu"))))
            .collect(),
    )
}

#[test]
fn all_replicas_are_listed_with_what_they_have() {
    let mut script = both();
    let expected = vec![("ap".to_owned(), 8), ("us".to_owned(), 5)];
    assert_eq!(acked(&script, CARTS), Some(expected));
    let more = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", 7)]),
    };
    script.receiver_says(AcceptId(1), ToSource::Acknowledge(more));
    assert_eq!(acked(&script, CARTS).unwrap()[1], ("us".to_owned(), 7));
}

#[test]
fn trims_nothing_while_a_replica_is_unreachable() {
    let mut script = both();
    script.feed(Event::Accepted(AcceptId(1), LinkEvent::Closed("cut".to_owned())));
    assert_eq!(acked(&script, CARTS), None);
    assert_eq!(acked(&script, TableId::CATALOG), None);
    assert!(
        script.replicator.status().peers[&region("us")].acknowledged.is_some(),
        "the status still shows it"
    );
}

#[test]
fn a_replica_that_lost_its_disk_counts_with_what_it_has_now() {
    let mut script = both();
    script.feed(Event::Accepted(AcceptId(1), LinkEvent::Closed("crash".to_owned())));
    subscribed(&mut script, 3, "us", 0, 0);
    assert_eq!(acked(&script, CARTS).unwrap()[1], ("us".to_owned(), 0));
}

#[test]
fn trims_nothing_while_a_replica_is_bootstrapped() {
    let mut script = both();
    let creating = ReplicaStatus::Creating { from: region("eu") };
    script.catalog(&[
        ("eu", ReplicaStatus::Active),
        ("us", ReplicaStatus::Active),
        ("ap", creating),
    ]);
    assert_eq!(acked(&script, CARTS), None);
}

#[test]
fn trims_nothing_while_a_peer_has_newer_definitions() {
    let mut script = both();
    let news = Acknowledgement {
        batch: 0,
        tables: vectors(&[(TableId::CATALOG, "ap", 77)]),
    };
    script.receiver_says(AcceptId(1), ToSource::Acknowledge(news));
    assert_eq!(acked(&script, CARTS), None, "they may name one more replica");
    script.tick_with(100, vectors(&[(TableId::CATALOG, "ap", 77)]));
    assert!(acked(&script, CARTS).is_some());
}

/// A region that reads the log may become a replica before this region's catalog names it.
#[test]
fn log_readers_outside_the_catalog_count() {
    let mut script = both();
    script.catalog(&[("eu", ReplicaStatus::Active), ("us", ReplicaStatus::Active)]);
    let expected = vec![("ap".to_owned(), 8), ("us".to_owned(), 5)];
    assert_eq!(acked(&script, CARTS), Some(expected));
}
