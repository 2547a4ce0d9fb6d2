//! Tests that every state change is logged with its fields and its region.

#[path = "../../tests/regions/capture.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the module is shared with other tests, which use all of it"
)]
mod capture;

use beringia_replication::{
    BootstrapChange as Bootstrap, OriginChange as OfOrigin, RebootstrapCause, RepairChange as Repair,
    ReplicaChange as Replica, SessionChange as Stream,
};

use self::capture::{Capture, Seen};
use super::*;

const TABLE: TableId = TableId(4711);

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// The spans and events that region `eu` logs for these changes.
fn logged(changes: &[StateChange]) -> Seen {
    let (capture, _guard) = Capture::start(Level::DEBUG);
    let mut log = ChangeLog::new(region("eu"));
    for change in changes {
        log.log(&Catalog::default(), change);
    }
    assert!(
        log.bootstraps.is_empty() && log.repair.is_none(),
        "no span is left over"
    );
    capture.seen()
}

/// Asserts that a change logs one event with this level, this message, these fields and the region.
fn assert_logs(change: StateChange, level: Level, message: &str, fields: &[(&str, &str)]) {
    let seen = logged(&[change]);
    let event = seen.event(message, fields);
    assert_eq!(event.level, level, "{event:?}");
    assert_eq!(event.fields["region"], "eu", "{event:?}");
    assert_eq!(event.fields.len(), fields.len() + 1, "{event:?}");
    assert_eq!(seen.events.len(), 1);
}

#[test]
fn stream_changes_log_peer_side_and_reason() {
    let stream = |side, change| StateChange::Stream {
        peer: region("us"),
        side,
        change,
    };
    let reason = || "gone".to_owned();
    assert_logs(
        stream(StreamSide::Receiving, Stream::Connected { clock_ahead_ms: -7 }),
        Level::INFO,
        "connected",
        &[("peer", "us"), ("side", "receiving"), ("clock_ahead_ms", "-7")],
    );
    assert_logs(
        stream(StreamSide::Sending, Stream::Disconnected { reason: reason() }),
        Level::INFO,
        "disconnected",
        &[("peer", "us"), ("side", "sending"), ("reason", "gone")],
    );
    assert_logs(
        stream(StreamSide::Receiving, Stream::Failed { reason: reason() }),
        Level::DEBUG,
        "connection failed",
        &[("peer", "us"), ("side", "receiving"), ("reason", "gone")],
    );
    assert_logs(
        stream(StreamSide::Sending, Stream::Refused { reason: reason() }),
        Level::INFO,
        "connection refused",
        &[("peer", "us"), ("side", "sending"), ("reason", "gone")],
    );
}

#[test]
fn origin_changes_log_origin_and_relay() {
    let of = |change| StateChange::Origin {
        origin: Origin::of_only_shard(&region("us")),
        change,
    };
    let quarantined = OfOrigin::Quarantined {
        ahead_ms: 900,
        limit_ms: 500,
    };
    assert_logs(
        of(quarantined),
        Level::INFO,
        "quarantine began",
        &[("origin", "us"), ("ahead_ms", "900"), ("limit_ms", "500")],
    );
    assert_logs(
        of(OfOrigin::QuarantineEnded),
        Level::INFO,
        "quarantine ended",
        &[("origin", "us")],
    );
    let fields = [("origin", "us"), ("via", "ap")];
    let via = || region("ap");
    assert_logs(
        of(OfOrigin::RelayBegan { via: via() }),
        Level::INFO,
        "relay began",
        &fields,
    );
    assert_logs(
        of(OfOrigin::RelayEnded { via: via() }),
        Level::INFO,
        "relay ended",
        &fields,
    );
}

#[test]
fn events_of_a_bootstrap_share_one_span() {
    let began = |is_resumed| Bootstrap::Began {
        source: region("us"),
        in_place: false,
        is_resumed,
    };
    let reason = "the source refused".to_owned();
    let changes = [
        began(false),
        Bootstrap::Interrupted,
        began(true),
        Bootstrap::Restarted { reason },
        began(false),
        Bootstrap::Held {
            origin: "ap".parse().unwrap(),
            ahead_ms: 2500,
            limit_ms: 500,
        },
        Bootstrap::Copied { rows: 12 },
        Bootstrap::Ended,
        began(false),
        Bootstrap::Cancelled,
    ];
    let seen = logged(&changes.map(|change| StateChange::Bootstrap { table: TABLE, change }));
    let table = TABLE.to_string();
    let table = ("table", table.as_str());
    for (message, field) in [
        ("bootstrap interrupted", None),
        ("bootstrap restarted", Some(("reason", "the source refused"))),
        ("bootstrap held by a clock", Some(("ahead_ms", "2500"))),
        ("bootstrap copied all rows", Some(("rows", "12"))),
        ("bootstrap ended", None),
        ("bootstrap cancelled", None),
    ] {
        let fields: Vec<_> = [table, ("region", "eu")].into_iter().chain(field).collect();
        let (_, span) = seen.span_of(seen.event(message, &fields));
        assert_eq!((span.name, span.parent), ("bootstrap", None));
        assert_eq!(span.fields["source"], "us");
    }
    let began = seen.events_named("bootstrap began");
    let places: Vec<usize> = began.iter().map(|event| seen.span_of(event).0).collect();
    assert_eq!(places, [0, 0, 1, 2], "one span for each attempt: {began:#?}");
    assert_eq!(began[1].fields["is_resumed"], "true");
    assert!(seen.events.iter().all(|event| event.level == Level::INFO));
}

#[test]
fn events_of_a_repair_share_one_span() {
    let reason = "the stream to the peer ended".to_owned();
    let changes = [
        Repair::Began { ranges: 3 },
        Repair::Ended { rows: 30 },
        Repair::Began { ranges: 2 },
        Repair::Interrupted { reason },
    ];
    let peer = || region("us");
    let seen = logged(&changes.map(|change| StateChange::Repair {
        table: TABLE,
        peer: peer(),
        change,
    }));
    let table = TABLE.to_string();
    let of = |field| [("region", "eu"), ("table", table.as_str()), ("peer", "us"), field];
    let began = seen.event("repair began", &of(("ranges", "3")));
    let ended = seen.event("repair ended", &of(("rows", "30")));
    let again = seen.event("repair began", &of(("ranges", "2")));
    let interrupted = seen.event("repair interrupted", &of(("reason", "the stream to the peer ended")));
    assert_eq!(seen.span_of(began).0, seen.span_of(ended).0);
    assert_eq!(seen.span_of(again).0, seen.span_of(interrupted).0);
    assert_eq!(seen.spans.len(), 2);
    assert!(
        seen.spans
            .iter()
            .all(|span| span.name == "repair" && span.fields["peer"] == "us")
    );
}

#[test]
fn replica_changes_log_table_and_region() {
    let table = TABLE.to_string();
    let of = |change| StateChange::Replica { table: TABLE, change };
    let assert = |change, message: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = [("table", table.as_str())]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        assert_logs(of(change), Level::INFO, message, &fields);
    };
    let dropping = Replica::Dropping {
        region: region("us"),
        unreachable_ms: 20_000,
    };
    assert(
        dropping,
        "dropping a replica",
        &[("dropped", "us"), ("unreachable_ms", "20000")],
    );
    assert(
        Replica::Dropped { region: region("us") },
        "replica dropped",
        &[("dropped", "us")],
    );
    for (cause, word) in [
        (RebootstrapCause::Dropped, "other regions dropped it"),
        (RebootstrapCause::LostRows, "its rows are gone"),
    ] {
        assert(
            Replica::Rebootstrapped { cause },
            "re-bootstrap began",
            &[("cause", word)],
        );
    }
    assert(Replica::Paused, "replication paused", &[]);
    assert(Replica::Resumed, "replication resumed", &[]);
}
