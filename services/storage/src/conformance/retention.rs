//! How long log records are kept, and that each table is trimmed by itself.

use std::collections::BTreeMap;

use beringia_clock::WallClock;
use beringia_item::{Region, TableId, Version};

use super::{
    DiskMaker,
    fixture::*,
    garbage::{PeerVectors, acknowledged, pair, serves_all},
};
use crate::{Aspect, DEFAULT_LOG_RETENTION_MS, Edit, LogFilter, LogPosition, ShardKey, Stream, StreamRead, StreamView};

/// A table that only its own region has.
const REGIONAL: TableId = TableId(0x77);
/// Longer than the trim waits for a record before it leaves the record's table behind.
const LONG_MS: u64 = 60_000;

async fn create_regional_table(site: &Site) {
    edit(&*site.store, vec![set(REGIONAL, Aspect::Core(core("regional", false)))]).await;
}

/// Writes an item of the regional table.
async fn put_regional(site: &Site, sk: u64) -> Version {
    let mut write = write(key("a", sk), Do::Put(item("a", sk, &[])));
    write.table = REGIONAL;
    commit(&*site.store, vec![write]).await.unwrap()[0]
        .version
        .clone()
        .unwrap()
}

async fn collect(site: &Site, acknowledged: &PeerVectors) {
    site.store.collect_garbage(&acknowledged.clone().into()).await.unwrap();
}

/// Whether the log has all records of the region's own writes to the table.
async fn has_all(site: &Site, table: TableId) -> bool {
    let everything = LogFilter {
        tables: BTreeMap::from([(table, Default::default())]),
        ..all_of(site.store.origin())
    };
    site.store.log_position(&everything).await.unwrap().is_ok()
}

async fn set_stream(site: &Site, view: Option<StreamView>) {
    let enabled_ms = site.clock.now_ms();
    let stream = view.map(|view| Stream { view, enabled_ms });
    edit(&*site.store, vec![set(TABLE, Aspect::Stream(stream))]).await;
}

fn keep_a_day(options: &mut crate::StoreOptions) {
    options.log_retention_ms = DEFAULT_LOG_RETENTION_MS;
}

/// With the retention that regions have. No reader could ask for the records.
pub(super) async fn records_without_a_stream_wait_only_for_peers(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let east = east.reopened(keep_a_day);
    put(&*east.store, item("a", 1, &[])).await;
    collect(&east, &acknowledged(&[&west])).await;
    assert!(serves_all(&east).await, "the west does not have the record");
    ship(&east, &west, TABLE).await;
    collect(&east, &acknowledged(&[&west])).await;
    assert!(!serves_all(&east).await);
}

/// Also if every peer has acknowledged them, and if the stream was disabled since.
pub(super) async fn records_of_a_stream_are_kept_for_a_day(backend: &dyn DiskMaker) {
    for disable in [false, true] {
        let (east, west) = pair(backend).await;
        let east = east.reopened(keep_a_day);
        set_stream(&east, Some(StreamView::NewImage)).await;
        put(&*east.store, item("a", 1, &[])).await;
        if disable {
            set_stream(&east, None).await;
        }
        east.advance_ms(DEFAULT_LOG_RETENTION_MS - 1);
        west.clock.set(east.clock.now_ms());
        put(&*east.store, item("a", 2, &[])).await;
        ship(&east, &west, TABLE).await;
        ship(&east, &west, TableId::CATALOG).await;
        collect(&east, &acknowledged(&[&west])).await;
        assert!(serves_all(&east).await);
        let east = east.restarted();
        east.advance_ms(1);
        collect(&east, &acknowledged(&[&west])).await;
        assert!(!serves_all(&east).await);
        assert_eq!(scan(&*east.store, None).await.rows.len(), 2);
    }
}

pub(super) async fn records_from_before_a_stream_are_not_kept(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let east = east.reopened(keep_a_day);
    put(&*east.store, item("a", 1, &[])).await;
    set_stream(&east, Some(StreamView::NewAndOldImages)).await;
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    ship(&east, &west, TABLE).await;
    ship(&east, &west, TableId::CATALOG).await;
    collect(&east, &acknowledged(&[&west])).await;
    assert!(!serves_all(&east).await);
    let stream = east.store.streams().await.unwrap().streams.remove(0);
    let shard = ShardKey {
        table: TABLE,
        enabled_ms: stream.stream.enabled_ms,
        opened_ms: stream.shards[0].opened_ms,
    };
    let page = east.store.read_stream(read(shard, None)).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert_eq!(
        page.records[0].before,
        Some(item("a", 1, &[])),
        "the old image is there"
    );
}

fn read(shard: ShardKey, from: Option<LogPosition>) -> StreamRead {
    StreamRead {
        shard,
        from,
        max_records: 100,
        max_bytes: 1 << 20,
    }
}

/// A peer that has not acknowledged a record, and a peer of which nothing is known.
pub(super) async fn table_that_waits_does_not_hold_up_others(backend: &dyn DiskMaker) {
    for peers_known in [true, false] {
        let (east, west) = pair(backend).await;
        create_regional_table(&east).await;
        let mut acked = acknowledged(&[&west]);
        if !peers_known {
            acked.remove(&TABLE);
        }
        put(&*east.store, item("a", 1, &[])).await;
        put_regional(&east, 1).await;
        collect(&east, &acked).await;
        assert!(has_all(&east, REGIONAL).await, "the peer may still answer");
        east.advance_ms(LONG_MS);
        collect(&east, &acked).await;
        assert!(!has_all(&east, REGIONAL).await);
        assert!(serves_all(&east).await);
    }
}

/// Also after a restart, and with records of the other table between.
pub(super) async fn table_is_trimmed_from_where_it_waited(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    create_regional_table(&east).await;
    let behind = acknowledged(&[&west]);
    for n in 0..1500 {
        put(&*east.store, item("a", n % 7, &[])).await;
        if n % 3 == 0 {
            put_regional(&east, n % 5).await;
        }
    }
    delete(&*east.store, key("a", 0)).await;
    east.advance_ms(LONG_MS);
    collect(&east, &behind).await;
    assert!(!has_all(&east, REGIONAL).await);
    let east = east.restarted();
    put(&*east.store, item("a", 9, &[])).await;
    west.clock.set(east.clock.now_ms());
    ship(&east, &west, TABLE).await;
    collect(&east, &acknowledged(&[&west])).await;
    assert!(!serves_all(&east).await);
    assert_eq!(
        east.store.explain(TABLE, &key("a", 0)).await.unwrap(),
        None,
        "the tombstone is collected"
    );
    let items = assert_agrees(&*east.store, TABLE).await;
    assert_eq!(items.len(), 7);
    // From here on the table is trimmed with the others.
    put(&*east.store, item("a", 9, &[])).await;
    assert!(read_all(&*east.store, &wants(&east, &west, TABLE)).await.len() == 1);
    ship(&east, &west, TABLE).await;
    collect(&east, &acknowledged(&[&west])).await;
    assert!(
        read_all(&*east.store, &wants(&east, &west, TABLE)).await.is_empty(),
        "a reader behind the low watermark would be refused"
    );
    assert_agrees(&*east.store, TABLE).await;
}

/// A table that still has to wait does not keep others from going on, however far behind it is.
pub(super) async fn tables_that_wait_take_turns(backend: &dyn DiskMaker) {
    const TABLES: u64 = 5;
    let east = Site::new(backend, "us-east-1");
    let ids: Vec<TableId> = (0..TABLES).map(|n| TableId(u128::from(100 + n))).collect();
    let peer = region("eu-west-1");
    for id in &ids {
        let name = format!("t{}", id.0);
        edit(&*east.store, vec![set(*id, Aspect::Core(core(&name, false)))]).await;
        let mut replica = set_replica(TABLE, peer.as_str(), crate::ReplicaStatus::Active);
        if let Edit::Set { table, .. } = &mut replica {
            *table = *id;
        }
        edit(&*east.store, vec![replica]).await;
    }
    for id in &ids {
        for n in 0..300 {
            let mut write = write(key("a", n % 3), Do::Put(item("a", n % 3, &[])));
            write.table = *id;
            commit(&*east.store, vec![write]).await.unwrap();
        }
    }
    east.advance_ms(LONG_MS);
    let own = east.store.vectors();
    let acked = |tables: &[TableId]| {
        let of = |table: &TableId| {
            let vector = if tables.contains(table) || *table == TableId::CATALOG {
                own[table].clone()
            } else {
                Default::default()
            };
            (*table, BTreeMap::<Region, _>::from([(peer.clone(), vector)]))
        };
        ids.iter().chain([&TableId::CATALOG]).map(of).collect::<PeerVectors>()
    };
    collect(&east, &acked(&[])).await;
    for (place, id) in ids.iter().enumerate().rev() {
        assert!(has_all(&east, *id).await);
        east.advance_ms(LONG_MS);
        collect(&east, &acked(&ids[place..])).await;
        assert!(!has_all(&east, *id).await, "table {place}");
        assert_agrees(&*east.store, *id).await;
    }
}

pub(super) async fn deleted_table_leaves_no_hold(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let behind = acknowledged(&[&west]);
    put(&*east.store, item("a", 1, &[])).await;
    east.advance_ms(LONG_MS);
    collect(&east, &behind).await;
    assert_eq!(east.store.log_state().holds.len(), 1);
    let east = east.restarted();
    assert_eq!(east.store.log_state().holds.len(), 1);
    edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
    for _ in 0..100 {
        collect(&east, &PeerVectors::from([(TableId::CATALOG, BTreeMap::new())])).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(east.store.log_state().holds, []);
}

/// The trim goes on behind the place where the reader of a stream without records waits.
pub(super) async fn idle_stream_reader_is_not_refused(backend: &dyn DiskMaker) {
    let east = Site::with(backend, "us-east-1", keep_a_day);
    create_table(&*east.store, false).await;
    create_regional_table(&east).await;
    set_stream(&east, Some(StreamView::NewImage)).await;
    let stream = east.store.streams().await.unwrap().streams.remove(0);
    let shard = ShardKey {
        table: TABLE,
        enabled_ms: stream.stream.enabled_ms,
        opened_ms: stream.shards[0].opened_ms,
    };
    let next = east.store.read_stream(read(shard, None)).await.unwrap().next;
    for n in 0..10 {
        put_regional(&east, n).await;
    }
    collect(&east, &PeerVectors::from([(TableId::CATALOG, BTreeMap::new())])).await;
    assert!(!has_all(&east, REGIONAL).await);
    put(&*east.store, item("a", 1, &[])).await;
    let page = east.store.read_stream(read(shard, next)).await.unwrap();
    assert_eq!(page.records.len(), 1);
}
