//! How far a peer is known to have this region's own writes.

use beringia_replication::{
    AcceptId, Event, LinkEvent, ReplicaProgress, Tuning, Watermark,
    message::{Acknowledgement, Subscription, ToReceiver, ToSource},
};
use beringia_storage_types::ReplicaStatus;

use crate::support::{CARTS, ScriptedRegion, WALL_MS, origin, region, vectors};

fn progress(script: &ScriptedRegion, peer: &str) -> ReplicaProgress {
    script.replicator.replica_progress()[&CARTS][&region(peer)].clone()
}

fn has(script: &mut ScriptedRegion, number: u64, sequence: u64) {
    let acknowledgement = Acknowledgement {
        batch: 0,
        tables: vectors(&[(CARTS, "eu", sequence), (CARTS, "us", 99)]),
    };
    script.receiver_says(AcceptId(number), ToSource::Acknowledge(acknowledgement));
}

/// A stream from `us`, which has the writes of `eu` up to 3.
fn subscribed(script: &mut ScriptedRegion, number: u64) {
    let link = script.accepted(number, "us");
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", 3)]),
        origins: vec![origin("eu")],
    };
    script.receiver_says(link, ToSource::Subscribe(subscription));
}

#[test]
fn watermark_keeps_the_time_of_the_first_report() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let nothing = ReplicaProgress {
        status: ReplicaStatus::Active,
        is_reachable: false,
        watermark: None,
    };
    assert_eq!(progress(&script, "us"), nothing);
    subscribed(&mut script, 1);
    let watermark = |sequence, after_ms| Watermark {
        sequence,
        reported_ms: WALL_MS + after_ms,
    };
    assert_eq!(progress(&script, "us").watermark, Some(watermark(3, 0)));
    assert!(progress(&script, "us").is_reachable);
    script.tick(100);
    has(&mut script, 1, 5);
    script.tick(100);
    has(&mut script, 1, 5);
    assert_eq!(
        progress(&script, "us").watermark,
        Some(watermark(5, 100)),
        "since 100 ms"
    );
    assert_eq!(progress(&script, "ap"), nothing);
}

#[test]
fn reports_from_before_a_lost_stream_do_not_count() {
    let mut script = ScriptedRegion::new(Tuning::default());
    subscribed(&mut script, 1);
    has(&mut script, 1, 9);
    script.feed(Event::Accepted(AcceptId(1), LinkEvent::Closed("cut".to_owned())));
    assert_eq!(progress(&script, "us").watermark, None);
    assert!(!progress(&script, "us").is_reachable);
    subscribed(&mut script, 2);
    assert_eq!(
        progress(&script, "us").watermark.unwrap().sequence,
        3,
        "it lost its disk"
    );
}

#[test]
fn announcements_count_for_a_peer_that_cannot_dial() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (us, _) = script.connected("us");
    assert!(progress(&script, "us").is_reachable);
    script.tick(100);
    let reported_ms = WALL_MS + script.elapsed_ms;
    script.source_says(us, ToReceiver::Vectors(vectors(&[(CARTS, "eu", 7)])));
    let announced = Watermark {
        sequence: 7,
        reported_ms,
    };
    assert_eq!(
        progress(&script, "us").watermark,
        Some(announced),
        "a relay brought it there"
    );
}

#[test]
fn leaving_replica_is_not_waited_for() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.catalog(&[
        ("eu", ReplicaStatus::Active),
        ("us", ReplicaStatus::Deleting),
        ("ap", ReplicaStatus::Active),
    ]);
    let replica_progress = script.replicator.replica_progress();
    assert_eq!(replica_progress[&CARTS].keys().collect::<Vec<_>>(), [&region("ap")]);
}
