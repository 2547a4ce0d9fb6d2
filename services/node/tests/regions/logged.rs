//! The log of regions: the spans of a write and of its arrival, and the state changes of
//! replication.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tracing::Level;

use crate::{
    capture::{Capture, EventSeen, Seen, SpanSeen},
    support::TestCluster,
};

// Traces one write from the request to the peer that applied it: through the spans of one region by
// `follows_from`, between regions by origin and sequence.
#[tokio::test(start_paused = true)]
async fn put_item_is_traced_to_its_arrival_at_a_peer() {
    let (capture, _guard) = Capture::start(Level::DEBUG);
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    let item = json!({"pk": {"S": "k"}, "v": {"S": "1"}});
    let put = json!({"TableName": "Carts", "Item": item});
    let (status, request_id, _) = cluster.send(0, "PutItem", put).await;
    assert_eq!(status, 200);
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    cluster
        .until(async || {
            cluster.status(0).await.peers[&cluster.region(1)]
                .backlog
                .is_some_and(|b| b.mutations == 0)
        })
        .await;
    let seen = capture.seen();

    // The span of the request.
    let is_put = |span: &&SpanSeen| span.fields.get("operation").is_some_and(|name| name == "PutItem");
    let puts: Vec<_> = seen.spans.iter().filter(is_put).collect();
    let [put] = puts[..] else {
        panic!("one PutItem: {puts:#?}")
    };
    assert_eq!((put.name, put.parent), ("request", None));
    let fields = [
        ("operation", "PutItem"),
        ("region", "eu-west-1"),
        ("request_id", &request_id),
        ("service", "dynamodb"),
        ("table", "Carts"),
    ];
    assert!(
        put.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .eq(fields),
        "{put:#?}"
    );
    let in_put = |message: &str| {
        let events = seen.events_named(message).into_iter();
        let found: Vec<_> = events
            .filter(|event| std::ptr::eq(seen.span_of(event).1, put))
            .collect();
        assert_eq!(found.len(), 1, "{message}: {found:#?}");
        found[0].clone()
    };
    assert_eq!(in_put("answered").fields["status"], "200");
    let written = in_put("written");
    let sequence = written.fields["sequence"].as_str();
    let version = [("origin", "eu-west-1"), ("sequence", sequence), ("table", "Carts")];
    assert_eq!(written.fields["origin"], "eu-west-1");

    // The commit of the request.
    let committed = seen.event("committed", &version);
    let (_, commit) = seen.span_of(committed);
    assert_eq!((commit.name, commit.parent), ("commit", None));
    assert_eq!(commit.fields["region"], "eu-west-1");
    assert_eq!((&*commit.fields["commands"], &*commit.fields["records"]), ("1", "1"));
    let position = &committed.fields["position"];
    assert_eq!((&commit.fields["first"], &commit.fields["last"]), (position, position));
    let asked: Vec<_> = commit.follows.iter().map(|place| &seen.spans[*place]).collect();
    assert!(matches!(asked[..], [asked] if std::ptr::eq(asked, put)), "{asked:#?}");

    // The peer applied it in a commit that follows from the session with the source.
    let applied = seen.event("applied", &version);
    assert_eq!(applied.fields["is_current"], "true");
    let (_, arrival) = seen.span_of(applied);
    assert_eq!((arrival.name, &*arrival.fields["region"]), ("commit", "us-east-1"));
    let sessions: Vec<_> = arrival.follows.iter().map(|place| &seen.spans[*place]).collect();
    let [session] = sessions[..] else {
        panic!("one session: {sessions:#?}")
    };
    assert_eq!((session.name, session.parent), ("session", None));
    let of_session = ["region", "peer", "side"].map(|name| &*session.fields[name]);
    assert_eq!(of_session, ["us-east-1", "eu-west-1", "receiving"]);

    assert_batch_on_both_ends(&seen, session);
    assert!(seen.without_region().is_empty(), "{:#?}", seen.without_region());
}

/// Asserts that the source's session logged the last batch of the receiving session as sent and
/// acknowledged.
fn assert_batch_on_both_ends(seen: &Seen, session: &SpanSeen) {
    let mut received = seen.events_named("batch received").into_iter();
    let received = received.rfind(|event| std::ptr::eq(seen.span_of(event).1, session));
    let number = &received.unwrap().fields["batch"];
    let is_of_source = |event: &&EventSeen| {
        let source = &seen.span_of(event).1.fields;
        let of_source = ["region", "peer", "side"].map(|name| source.get(name).map(String::as_str));
        of_source == ["eu-west-1", "us-east-1", "sending"].map(Some) && event.fields["batch"] == *number
    };
    for message in ["batch sent", "batch acknowledged"] {
        let found = seen.events_named(message).into_iter().filter(is_of_source).count();
        assert_eq!(
            found,
            1,
            "{message} of batch {number}: {:#?}",
            seen.events_named(message)
        );
    }
}

// At level `info`, state changes are logged, but no write, request or batch.
#[tokio::test(start_paused = true)]
async fn writes_log_nothing_at_level_info() {
    let (capture, _guard) = Capture::start(Level::INFO);
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    let before = capture.seen();
    assert!(before.events.len() < 30, "{:#?}", before.events);
    assert!(before.events.iter().all(|event| event.level == Level::INFO));
    for number in 0..50 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    let after = capture.seen();
    assert_eq!(
        (after.events.len(), after.spans.len()),
        (before.events.len(), before.spans.len())
    );
    assert!(after.without_region().is_empty(), "{:#?}", after.without_region());
}

#[tokio::test(start_paused = true)]
async fn cut_and_heal_log_disconnect_relay_and_connect() {
    let (capture, _guard) = Capture::start(Level::DEBUG);
    let cluster = TestCluster::start(&["ap", "eu", "us"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    let seen = capture.seen();
    for (region, peer) in [("ap", "eu"), ("eu", "us"), ("us", "ap")] {
        for side in ["receiving", "sending"] {
            seen.event("connected", &[("region", region), ("peer", peer), ("side", side)]);
        }
    }
    for region in ["eu", "us"] {
        let fields = [("region", region), ("table", "Carts")];
        for message in ["bootstrap began", "bootstrap copied all rows", "bootstrap ended"] {
            let (_, span) = seen.span_of(seen.event(message, &fields));
            assert_eq!((span.name, &*span.fields["source"]), ("bootstrap", "ap"));
        }
    }
    let connects = seen.events_named("connected").len();
    cluster.cut(0, 1);
    cluster.until(async || capture.has("disconnected")).await;
    cluster.put(0, "Carts", "k", "v").await;
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    let seen = capture.seen();
    for (region, peer) in [("ap", "eu"), ("eu", "ap")] {
        let disconnected = seen.event(
            "disconnected",
            &[("region", region), ("peer", peer), ("side", "receiving")],
        );
        assert!(!disconnected.fields["reason"].is_empty());
        seen.event("connection failed", &[("region", region), ("peer", peer)]);
    }
    let relayed = [("region", "eu"), ("origin", "ap"), ("via", "us")];
    seen.event("relay began", &relayed);
    assert!(!capture.has("relay ended"));
    cluster.heal();
    cluster.until(async || capture.has("relay ended")).await;
    let seen = capture.seen();
    seen.event("relay ended", &relayed);
    assert!(
        seen.events_named("connected").len() >= connects + 2,
        "they connected again"
    );
    assert!(seen.without_region().is_empty(), "{:#?}", seen.without_region());
}

#[tokio::test(start_paused = true)]
async fn quarantine_is_logged_at_begin_and_end() {
    let (capture, _guard) = Capture::start(Level::INFO);
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.set_skew(0, 60_000);
    cluster.put(0, "Carts", "k", "from the future").await;
    cluster.until(async || capture.has("quarantine began")).await;
    let fields = [("region", "us-east-1"), ("origin", "eu-west-1"), ("limit_ms", "500")];
    let seen = capture.seen();
    let ahead_ms: u64 = seen.event("quarantine began", &fields).fields["ahead_ms"]
        .parse()
        .unwrap();
    assert!((50_000..=60_000).contains(&ahead_ms), "{ahead_ms}");
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    cluster.until(async || capture.has("quarantine ended")).await;
    let seen = capture.seen();
    seen.event("quarantine ended", &[("region", "us-east-1"), ("origin", "eu-west-1")]);
    // It is logged once, not with every attempt.
    assert_eq!(seen.events_named("quarantine began").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn drop_and_later_re_bootstrap_are_logged() {
    let (capture, _guard) = Capture::start(Level::INFO);
    let names = ["ap", "eu", "us"];
    let cluster = TestCluster::start_in(&names, None, |tuning| tuning.replication.unreachable_ms_max = 20_000).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    for site in [0, 1] {
        cluster
            .until(async || cluster.replica_status(site, "Carts", 2).await == "REGION_DISABLED")
            .await;
    }
    let seen = capture.seen();
    let of_us = [("table", "Carts"), ("dropped", "us")];
    let dropping = seen.event("dropping a replica", &of_us);
    assert_eq!(
        dropping.fields["region"], "ap",
        "the first of the remaining regions drops it"
    );
    let unreachable_ms: u64 = dropping.fields["unreachable_ms"].parse().unwrap();
    assert!((20_000..25_000).contains(&unreachable_ms), "{unreachable_ms}");
    for region in ["ap", "eu"] {
        let of_region = [("region", region), of_us[0], of_us[1]];
        seen.event("replica dropped", &of_region);
    }
    cluster.heal();
    let cause = ("cause", "other regions dropped it");
    let again = [("region", "us"), ("table", "Carts"), cause];
    cluster
        .until(async || cluster.replica_status(0, "Carts", 2).await == "ACTIVE")
        .await;
    let seen = capture.seen();
    seen.event("re-bootstrap began", &again);
    seen.event("bootstrap ended", &[("region", "us"), ("table", "Carts")]);
    assert!(seen.without_region().is_empty(), "{:#?}", seen.without_region());
}

#[tokio::test(start_paused = true)]
async fn lost_disk_is_logged_as_a_re_bootstrap() {
    let mut cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.put(0, "Carts", "k", "v").await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    let (capture, _guard) = Capture::start(Level::INFO);
    cluster.kill(1);
    cluster.lose_disk(1);
    cluster.run(1).await;
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    sleep(Duration::from_secs(5)).await;
    let seen = capture.seen();
    let lost = [("region", "us-east-1"), ("cause", "its rows are gone")];
    let lost = seen.event("re-bootstrap began", &lost);
    assert_eq!(lost.fields["table"], "Carts");
    seen.event("bootstrap ended", &[("region", "us-east-1"), ("table", "Carts")]);
}
