//! Streams whose log records were deleted from outside, or damaged.

use beringia_storage::{
    Aspect, RemoteBatch, RemoteKind, ShardKey, Store, Stream, StreamChange, StreamPage, StreamRead, StreamRecord,
    StreamView, conformance::fixture::*,
};

use crate::pair::Pair;

/// Enables a stream with both images. Returns the read of its only shard.
async fn enable_stream(pair: &Pair) -> StreamRead {
    let stream = Stream {
        view: StreamView::NewAndOldImages,
        enabled_ms: START_MS,
    };
    edit(&pair.store, vec![set(TABLE, Aspect::Stream(Some(stream)))]).await;
    let opened_ms = pair.store.streams().await.unwrap().streams[0].shards[0].opened_ms;
    StreamRead {
        shard: ShardKey {
            table: TABLE,
            enabled_ms: START_MS,
            opened_ms,
        },
        from: None,
        max_records: 1000,
        max_bytes: 1 << 20,
    }
}

/// Modifies p49, deletes p48, inserts p47, which is a tombstone when the stream is enabled, and
/// removes p46 as a copy does. Returns the read of the stream, and the stream's page.
async fn changed(pair: &Pair) -> (StreamRead, StreamPage) {
    delete(&pair.store, key("p47", 47)).await;
    let read = enable_stream(pair).await;
    put(&pair.store, item("p49", 49, &[("color", text("new"))])).await;
    delete(&pair.store, key("p48", 48)).await;
    put(&pair.store, item("p47", 47, &[])).await;
    let (version, item) = pair.store.get(TABLE, &key("p46", 46)).await.unwrap().unwrap();
    let removed = RemoteBatch {
        obsolete: vec![(TABLE, key("p46", 46), fingerprint(version, &item))],
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    pair.store.apply(removed).await.unwrap();
    let page = pair.store.read_stream(read).await.unwrap();
    let changes: Vec<StreamChange> = page.records.iter().map(|record| record.change).collect();
    assert_eq!(
        changes,
        [
            StreamChange::Modify,
            StreamChange::Remove,
            StreamChange::Insert,
            StreamChange::Remove
        ]
    );
    (read, page)
}

/// These records without the image before.
fn without_before(records: &[StreamRecord]) -> Vec<StreamRecord> {
    let records = records.iter().cloned();
    records.map(|record| StreamRecord { before: None, ..record }).collect()
}

/// A MODIFY used to become an INSERT, and a REMOVE vanished, with nothing but a line in the log.
#[tokio::test]
async fn event_remains_when_its_previous_record_is_missing() {
    let pair = Pair::new().await;
    let (read, whole) = changed(&pair).await;
    let first = whole.records[0].position.0;
    pair.vandalize(&format!("DELETE FROM log WHERE pos < {first}"));
    assert_eq!(pair.store.damage().records, 0);
    for _ in 0..2 {
        let page = pair.store.read_stream(read).await.unwrap();
        assert_eq!(page.records, without_before(&whole.records));
        assert_eq!(page.next, whole.next);
        assert_eq!(pair.store.damage().records, 4, "each missing record counts once");
    }
}

#[tokio::test]
async fn event_remains_when_its_previous_record_is_damaged() {
    let pair = Pair::new().await;
    let (read, whole) = changed(&pair).await;
    let first = whole.records[0].position.0;
    // Before the stream's records are the definition of the stream, and then the records of p49
    // and p48.
    for back in [1, 2] {
        let records = format!("SELECT pos FROM log WHERE pos < {first} AND image NOT NULL");
        let place = format!("log WHERE pos = ({records} ORDER BY pos DESC LIMIT 1 OFFSET {back})");
        pair.flip("image", &place, 3);
    }
    for _ in 0..2 {
        let page = pair.store.read_stream(read).await.unwrap();
        assert_eq!(page.records[..2], without_before(&whole.records[..2]));
        assert_eq!(page.records[2..], whole.records[2..]);
        assert_eq!(pair.store.damage().records, 2, "each damaged record counts once");
    }
}
