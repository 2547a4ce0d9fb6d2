//! Streams: every applied change once, in order, through shards that close and continue, for a day.

mod consumer;

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::WallClock;
use beringia_item::{Cause, Item, KeyBytes, TableId};

pub(super) use self::consumer::stream_consumer_sees_every_change_once_and_in_order;
use super::{DiskMaker, fixture::*};
use crate::{
    Aspect, Edit, LogPosition, RemoteBatch, RemoteKind, ShardKey, StoreError, Stream, StreamChange, StreamPage,
    StreamRead, StreamRecord, StreamView, TableStream,
};

const SHARD_AGE_MS: u64 = 10_000;
const DAY_MS: u64 = crate::DEFAULT_LOG_RETENTION_MS;

/// A region whose log is kept for a day, with shards of ten seconds.
fn site(backend: &dyn DiskMaker, name: &str) -> Site {
    Site::with(backend, name, |options| {
        options.log_retention_ms = DAY_MS;
        options.shard_age_ms = SHARD_AGE_MS;
    })
}

async fn set_stream(site: &Site, view: Option<StreamView>) -> Option<Stream> {
    let latest = site.store.catalog().by_id[&TABLE].latest_stream;
    let stream = view.map(|view| Stream {
        view,
        enabled_ms: site
            .clock
            .now_ms()
            .max(latest.map_or(0, |latest| latest.enabled_ms + 1)),
    });
    edit(&*site.store, vec![set(TABLE, Aspect::Stream(stream))]).await;
    stream
}

async fn streams(site: &Site) -> Vec<Arc<TableStream>> {
    site.store.streams().await.unwrap().streams
}

/// The only stream of the region.
async fn only_stream(site: &Site) -> Arc<TableStream> {
    let mut all = streams(site).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn read(stream: &TableStream, shard: usize, from: Option<LogPosition>) -> StreamRead {
    StreamRead {
        shard: ShardKey {
            table: stream.table,
            enabled_ms: stream.stream.enabled_ms,
            opened_ms: stream.shards[shard].opened_ms,
        },
        from,
        max_records: 1000,
        max_bytes: 1 << 20,
    }
}

async fn page(site: &Site, read: StreamRead) -> StreamPage {
    site.store.read_stream(read).await.unwrap()
}

/// Makes the committer check the time.
async fn wake(site: &Site) {
    site.store.collect_garbage(&BTreeMap::new().into()).await.unwrap();
}

/// A change of an item: key, old image, new image.
type Change = (KeyBytes, Option<Item>, Option<Item>);

fn reported(record: &StreamRecord) -> Change {
    let key = keys().key_of(&record.keys).unwrap();
    (key, record.before.clone(), record.after.clone())
}

pub(super) async fn old_shard_continues_in_a_child_even_without_writes(backend: &dyn DiskMaker) {
    let site = site(backend, "us-east-1");
    create_table(&*site.store, false).await;
    set_stream(&site, Some(StreamView::KeysOnly)).await;
    put(&*site.store, item("a", 1, &[])).await;
    let first = only_stream(&site).await;
    assert_eq!(first.shards.len(), 1);
    assert_eq!((first.shards[0].end, first.shards[0].parent_ms), (None, None));
    for round in 1..=2 {
        site.advance_ms(SHARD_AGE_MS - 1);
        wake(&site).await;
        assert_eq!(only_stream(&site).await.shards.len(), round, "a millisecond too early");
        site.advance_ms(1);
        wake(&site).await;
        assert_eq!(only_stream(&site).await.shards.len(), round + 1);
    }
    let stream = only_stream(&site.restarted()).await;
    let [parent, child, grandchild] = stream.shards[..] else {
        panic!("three shards")
    };
    assert_eq!(
        parent,
        crate::Shard {
            end: parent.end,
            ..first.shards[0]
        }
    );
    let end = parent.end.unwrap();
    assert_eq!(end.closed_ms, START_MS + SHARD_AGE_MS);
    assert_eq!(child.first.0, end.last.0 + 1);
    assert_eq!(child.parent_ms, Some(parent.opened_ms));
    assert_eq!(child.end.unwrap().last, end.last, "nothing was written meanwhile");
    assert_eq!((grandchild.parent_ms, grandchild.end), (Some(child.opened_ms), None));
}

pub(super) async fn stream_page_obeys_limits_and_closed_shard_ends(backend: &dyn DiskMaker) {
    let site = site(backend, "us-east-1");
    create_table(&*site.store, false).await;
    set_stream(&site, Some(StreamView::NewImage)).await;
    for n in 1..=5 {
        put(&*site.store, item("a", n, &[("color", text("red"))])).await;
    }
    set_stream(&site, None).await;
    let stream = only_stream(&site).await;
    assert!(!stream.is_enabled());
    let three = page(
        &site,
        StreamRead {
            max_records: 3,
            ..read(&stream, 0, None)
        },
    )
    .await;
    assert_eq!(three.records.len(), 3);
    let rest = page(&site, read(&stream, 0, three.next)).await;
    assert_eq!((rest.records.len(), rest.next), (2, None));
    let size = three.records[0].size_bytes();
    let small = page(
        &site,
        StreamRead {
            max_bytes: 2 * size,
            ..read(&stream, 0, None)
        },
    )
    .await;
    assert_eq!((small.records.len(), small.next), (2, Some(three.records[2].position)));
    let tiny = page(
        &site,
        StreamRead {
            max_bytes: 1,
            ..read(&stream, 0, small.next)
        },
    )
    .await;
    assert_eq!(tiny.records.len(), 1, "one record is returned regardless of its size");
    let unknown = ShardKey {
        opened_ms: 7,
        ..read(&stream, 0, None).shard
    };
    let nowhere = StreamRead {
        shard: unknown,
        ..read(&stream, 0, None)
    };
    assert_eq!(
        site.store.read_stream(nowhere).await.unwrap_err(),
        StoreError::UnknownShard(unknown)
    );
}

pub(super) async fn records_and_closed_shards_are_readable_for_a_day(backend: &dyn DiskMaker) {
    let site = site(backend, "us-east-1");
    create_table(&*site.store, false).await;
    set_stream(&site, Some(StreamView::NewAndOldImages)).await;
    put(&*site.store, item("a", 1, &[])).await;
    let first = only_stream(&site).await;
    let old = page(&site, read(&first, 0, None)).await.records[0].position;
    site.advance_ms(DAY_MS / 2);
    put(&*site.store, item("a", 1, &[("color", text("red"))])).await;
    site.advance_ms(DAY_MS / 2 - 1);
    wake(&site).await;
    assert_eq!(
        page(&site, read(&first, 0, Some(old))).await.records.len(),
        2,
        "not quite a day"
    );
    site.advance_ms(1);
    wake(&site).await;
    assert_eq!(
        site.store.read_stream(read(&first, 0, Some(old))).await.unwrap_err(),
        StoreError::Trimmed(old)
    );
    let kept = page(&site, read(&first, 0, None)).await;
    assert_eq!(kept.records.len(), 1);
    assert_eq!(kept.records[0].change, StreamChange::Modify);
    assert_eq!(
        kept.records[0].before,
        Some(item("a", 1, &[])),
        "the old image is available although its record is older"
    );
    site.advance_ms(DAY_MS);
    wake(&site).await;
    let last = only_stream(&site).await;
    assert!(last.is_enabled());
    let opened_ms = first.shards[0].opened_ms;
    assert!(
        last.shards.iter().all(|shard| shard.opened_ms > opened_ms),
        "the first shard is gone"
    );
    assert_eq!(
        site.store.read_stream(read(&first, 0, None)).await.unwrap_err(),
        StoreError::UnknownShard(read(&first, 0, None).shard)
    );
}

/// Also the stream of a deleted table.
pub(super) async fn disabled_streams_are_readable_for_a_day(backend: &dyn DiskMaker) {
    let site = site(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let disabled = set_stream(&site, Some(StreamView::NewImage)).await;
    put(&*site.store, item("a", 1, &[])).await;
    set_stream(&site, None).await;
    put(&*site.store, item("a", 2, &[])).await;
    let latest = set_stream(&site, Some(StreamView::OldImage)).await;
    put(&*site.store, item("a", 3, &[])).await;
    delete(&*site.store, key("a", 3)).await;
    edit(&*site.store, vec![Edit::Drop { table: TABLE }]).await;
    let site = site.restarted();
    wake(&site).await;
    let kept = streams(&site).await;
    assert_eq!(
        kept.iter().map(|stream| Some(stream.stream)).collect::<Vec<_>>(),
        [disabled, latest]
    );
    assert!(
        kept.iter()
            .all(|stream| !stream.is_enabled() && stream.table_name == "things")
    );
    let records = page(&site, read(&kept[0], 0, None)).await.records;
    assert_eq!(
        records.iter().map(reported).collect::<Vec<_>>(),
        [(key("a", 1), None, Some(item("a", 1, &[])))]
    );
    let records = page(&site, read(&kept[1], 0, None)).await.records;
    assert_eq!(
        records.iter().map(reported).collect::<Vec<_>>(),
        [(key("a", 3), None, None), (key("a", 3), Some(item("a", 3, &[])), None)]
    );
    site.advance_ms(DAY_MS - 1);
    assert_eq!(streams(&site).await.len(), 2);
    site.advance_ms(1);
    assert_eq!(streams(&site).await, [], "without a commit in between too");
    wake(&site).await;
    assert_eq!(streams(&site.restarted()).await, []);
}

pub(super) async fn definition_names_the_latest_readable_stream(backend: &dyn DiskMaker) {
    let site = site(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let latest = async |site: &Site| {
        let catalog = site.store.catalog();
        (catalog.by_id[&TABLE].stream, catalog.by_id[&TABLE].latest_stream)
    };
    let stream = set_stream(&site, Some(StreamView::NewImage)).await;
    assert_eq!(latest(&site).await, (stream, stream));
    set_stream(&site, None).await;
    assert_eq!(latest(&site).await, (None, stream));
    site.advance_ms(DAY_MS);
    wake(&site).await;
    assert_eq!(latest(&site).await, (None, None));
}

pub(super) async fn replica_stream_starts_when_its_rows_are_complete(backend: &dyn DiskMaker) {
    let (east, west) = (site(backend, "us-east-1"), site(backend, "eu-west-1"));
    create_table(&*east.store, false).await;
    set_stream(&east, Some(StreamView::NewAndOldImages)).await;
    put(&*east.store, item("a", 1, &[])).await;
    let creating = crate::ReplicaStatus::Creating {
        from: region("us-east-1"),
    };
    edit(&*east.store, vec![set_replica(TABLE, "eu-west-1", creating)]).await;
    ship(&east, &west, TableId::CATALOG).await;
    assert_eq!(streams(&west).await, [], "its rows are not complete");
    copy(&east, &west, TABLE).await;
    let stream = only_stream(&west).await;
    assert_eq!(
        page(&west, read(&stream, 0, None)).await.records,
        [],
        "the rows of a copy are not changes"
    );
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    let gone = beringia_item::Mutation {
        cause: Cause::TimeToLive,
        ..read_all(&*east.store, &wants(&east, &west, TABLE)).await.remove(0)
    };
    let batch = RemoteBatch {
        mutations: vec![gone],
        ..RemoteBatch::default()
    };
    west.store.apply(batch).await.unwrap();
    let records = page(&west, read(&stream, 0, None)).await.records;
    let [record] = &records[..] else { panic!("one record") };
    assert_eq!(
        reported(record),
        (
            key("a", 1),
            Some(item("a", 1, &[])),
            Some(item("a", 1, &[("color", text("red"))]))
        )
    );
    assert_eq!(
        (&record.origin, record.cause),
        (&origin("us-east-1"), Cause::TimeToLive)
    );
}

pub(super) async fn stream_reports_items_that_a_copy_removes(backend: &dyn DiskMaker) {
    let (east, west) = (site(backend, "us-east-1"), site(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    set_stream(&west, Some(StreamView::NewAndOldImages)).await;
    let version = put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    let batch = RemoteBatch {
        obsolete: vec![(TABLE, key("a", 1), fingerprint(version, &item("a", 1, &[])))],
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    west.store.apply(batch).await.unwrap();
    assert_eq!(assert_agrees(&*west.store, TABLE).await, BTreeMap::new());
    let stream = only_stream(&west).await;
    let changes = |page: StreamPage| page.records.iter().map(reported).collect::<Vec<_>>();
    let gone = [
        (key("a", 1), None, Some(item("a", 1, &[]))),
        (key("a", 1), Some(item("a", 1, &[])), None),
    ];
    assert_eq!(changes(page(&west, read(&stream, 0, None)).await), gone);
    assert_eq!(
        read_all(&*west.store, &all_of(east.store.origin())).await.len(),
        1,
        "replication sees only the write"
    );
    put(&*west.store, item("a", 1, &[])).await;
    let back = (key("a", 1), None, Some(item("a", 1, &[])));
    assert_eq!(changes(page(&west, read(&stream, 0, None)).await)[2..], [back]);
}
