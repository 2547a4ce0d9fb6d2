//! What the log and the tombstones may forget, and when.

use std::collections::BTreeMap;

use beringia_item::{TableId, VersionVector};
use beringia_storage::{Aspect, Edit, LogFilter, RemoteBatch, RemoteKind, ReplicaStatus, Store, Stream, StreamView};
use beringia_storage_sqlite::{Database, Execution, SqliteStore};

use crate::support::*;

type Acknowledged = BTreeMap<TableId, BTreeMap<beringia_item::Region, VersionVector>>;

/// What `site` knows that its peers have applied.
fn acknowledged(peers: &[&Site]) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for table in [TABLE, TableId::CATALOG] {
        for peer in peers {
            let vector = peer.store.vectors().get(&table).cloned().unwrap_or_default();
            acknowledged
                .entry(table)
                .or_default()
                .insert(peer.store.region().clone(), vector);
        }
    }
    acknowledged
}

async fn pair() -> (Site, Site) {
    let (east, west) = (Site::new("us-east-1"), Site::new("eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    (east, west)
}

/// Whether `site` can still serve everything that it wrote.
async fn serves_all(site: &Site) -> bool {
    site.store
        .log_position(&all_of(site.store.region()))
        .await
        .unwrap()
        .is_ok()
}

#[tokio::test]
async fn what_a_peer_has_not_acknowledged_is_kept() {
    let (east, west) = pair().await;
    for n in 0..10 {
        put(&east.store, item("a", n, &[])).await;
    }
    let lacking = acknowledged(&[&west]);
    east.store.forget(&lacking.clone().into()).await.unwrap();
    assert!(serves_all(&east).await);
    let mut missing = lacking.clone();
    ship(&east, &west, TABLE).await;
    missing.remove(&TABLE);
    east.store.forget(&missing.clone().into()).await.unwrap();
    assert!(serves_all(&east).await, "a table that is missing keeps everything");
    let mut nobody = acknowledged(&[&west]);
    nobody.insert(TABLE, BTreeMap::new());
    east.store.forget(&nobody.clone().into()).await.unwrap();
    assert!(serves_all(&east).await, "a replica that is not listed keeps everything");
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(!serves_all(&east).await);
}

#[tokio::test]
async fn forgetting_changes_no_item_and_the_floor_tells_what_is_gone() {
    let (east, west) = pair().await;
    let mut middle = None;
    for round in 0..3 {
        for n in 0..10 {
            middle = Some(put(&east.store, item("a", n, &[("color", text(&format!("c{round}")))])).await);
        }
        if round < 2 {
            ship(&east, &west, TABLE).await;
        }
    }
    let before = assert_agrees(&east.store, TABLE).await;
    let known = west.store.vectors()[&TABLE].clone();
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    for east in [&east] {
        assert_eq!(assert_agrees(&east.store, TABLE).await, before);
    }
    let origins = vec![east.store.region().clone()];
    let from_there = LogFilter {
        origins: origins.clone(),
        tables: BTreeMap::from([(TABLE, known.clone())]),
    };
    assert_eq!(
        read_all(&east.store, &from_there).await.len(),
        10,
        "what the peer lacks is there"
    );
    let below: VersionVector = known
        .iter()
        .map(|(origin, sequence)| (origin.clone(), sequence - 1))
        .collect();
    let refused = LogFilter {
        origins: origins.clone(),
        tables: BTreeMap::from([(TABLE, below)]),
    };
    assert_eq!(
        east.store.log_position(&refused).await.unwrap(),
        Err(vec![(TABLE, origins[0].clone())])
    );
    let east = east.restarted();
    assert_eq!(assert_agrees(&east.store, TABLE).await, before);
    assert_eq!(
        east.store.log_position(&refused).await.unwrap(),
        Err(vec![(TABLE, origins[0].clone())])
    );
    // Items whose records are below the floor are still found, copied and replaced.
    assert_eq!(
        east.store.mutations_of(TABLE, vec![key("a", 3)]).await.unwrap().len(),
        1
    );
    assert_eq!(ship(&east, &west, TABLE).await.newer, 10);
    assert!(middle.is_some());
}

/// How many rows the log and the items of a file have.
fn rows_of(path: &std::path::Path) -> (u64, u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let count = |table: &str| {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    (count("log").cast_unsigned(), count("item").cast_unsigned())
}

/// A store in that file, with a table.
async fn in_file(path: &std::path::Path) -> SqliteStore {
    let site = Site::new("us-east-1");
    let mut options = memory_options("us-east-1", &site.disk, site.clock.clone());
    options.database = Database::File(path.to_owned());
    options.execution = Execution::Threads;
    let store = SqliteStore::open(options).unwrap();
    create_table(&store, false).await;
    store
}

#[tokio::test]
async fn nothing_is_left_of_an_item_that_a_copy_removed_for_a_stream_to_tell_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    let stream = Stream {
        view: StreamView::NewAndOldImages,
        enabled_ms: START_MS,
    };
    edit(&store, vec![set(TABLE, Aspect::Stream(Some(stream)))]).await;
    let nothing = Acknowledged::from([(TableId::CATALOG, BTreeMap::new())]);
    store.forget(&nothing.clone().into()).await.unwrap();
    let (_, definitions) = rows_of(&path);
    let version = put(&store, item("a", 1, &[])).await;
    let batch = RemoteBatch {
        obsolete: vec![(TABLE, key("a", 1), version.into())],
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    store.apply(batch).await.unwrap();
    put(&store, item("a", 1, &[])).await;
    assert_eq!(rows_of(&path), (3 + definitions, 1 + definitions), "put, removed, put");
    store.forget(&nothing.clone().into()).await.unwrap();
    assert_eq!(rows_of(&path), (1 + definitions, 1 + definitions));
}

#[tokio::test]
async fn nothing_is_left_of_a_regional_tables_history_but_its_items() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    let nothing = Acknowledged::from([(TableId::CATALOG, BTreeMap::new())]);
    store.forget(&nothing.clone().into()).await.unwrap();
    let (_, definitions) = rows_of(&path);
    for round in 0..3 {
        let put = |n| write(key("a", n), Do::Put(item("a", n, &[("round", number(round))])));
        commit(&store, (0..700).map(put).collect()).await.unwrap();
    }
    commit(&store, (0..300).map(|n| write(key("a", n), Do::Delete)).collect())
        .await
        .unwrap();
    store.forget(&nothing.clone().into()).await.unwrap();
    assert_eq!(
        rows_of(&path),
        (400 + definitions, 400 + definitions),
        "one record for each item, no tombstone"
    );
    commit(&store, (300..700).map(|n| write(key("a", n), Do::Delete)).collect())
        .await
        .unwrap();
    commit(
        &store,
        (300..700)
            .map(|n| write(key("a", n), Do::Put(item("a", n, &[]))))
            .collect(),
    )
    .await
    .unwrap();
    store.forget(&nothing.clone().into()).await.unwrap();
    assert_eq!(
        rows_of(&path),
        (400 + definitions, 400 + definitions),
        "what was pinned goes with its successor"
    );
    assert_agrees(&store, TABLE).await;
    edit(&store, vec![Edit::Drop { table: TABLE }]).await;
    loop {
        store.forget(&nothing.clone().into()).await.unwrap();
        if rows_of(&path) == (0, 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_tombstone_stays_until_every_peer_has_acknowledged_it_and_its_own_writes_have_arrived() {
    let (east, west) = pair().await;
    put(&east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    delete(&east.store, key("a", 1)).await;
    let tombstone = || async { east.store.explain(TABLE, &key("a", 1)).await.unwrap() };
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(tombstone().await.is_some(), "the west does not know of the delete");
    // The west writes something before it hears of the delete, and that is still on its way.
    put(&west.store, item("a", 2, &[])).await;
    ship(&east, &west, TABLE).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(
        tombstone().await.is_some(),
        "what the west wrote before it heard of the delete has not arrived"
    );
    ship(&west, &east, TABLE).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert_eq!(tombstone().await, None);
    let digest = east.store.digest(TABLE).await.unwrap();
    assert_eq!(
        west.store.digest(TABLE).await.unwrap().ranges,
        digest.ranges,
        "tombstones are not digested"
    );
    put(&east.store, item("a", 1, &[])).await;
    assert_agrees(&east.store, TABLE).await;
}

#[tokio::test]
async fn no_tombstone_goes_while_a_replica_is_being_made() {
    let (east, west) = pair().await;
    put(&east.store, item("a", 1, &[])).await;
    delete(&east.store, key("a", 1)).await;
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&east.store, vec![set_replica(TABLE, "ap-south-1", creating)]).await;
    ship(&east, &west, TABLE).await;
    ship(&east, &west, TableId::CATALOG).await;
    let far = Site::new("ap-south-1");
    ship(&east, &far, TableId::CATALOG).await;
    let mut all = acknowledged(&[&west, &far]);
    let vector = east.store.vectors()[&TABLE].clone();
    all.get_mut(&TABLE).unwrap().insert(far.store.region().clone(), vector);
    east.store.forget(&all.clone().into()).await.unwrap();
    assert!(east.store.explain(TABLE, &key("a", 1)).await.unwrap().is_some());
    edit(
        &east.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Active)],
    )
    .await;
    ship(&east, &west, TableId::CATALOG).await;
    ship(&east, &far, TableId::CATALOG).await;
    east.store.forget(&all.clone().into()).await.unwrap();
    assert_eq!(east.store.explain(TABLE, &key("a", 1)).await.unwrap(), None);
}

#[tokio::test]
async fn the_conflict_journal_outlives_the_log() {
    let (east, west) = pair().await;
    put(&east.store, item("a", 1, &[("color", text("red"))])).await;
    put(&west.store, item("a", 1, &[("color", text("blue"))])).await;
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    let journal = east.store.conflicts(None, 0, 10).await.unwrap();
    delete(&east.store, key("a", 1)).await;
    ship(&east, &west, TABLE).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(!serves_all(&east).await);
    assert_eq!(east.store.conflicts(None, 0, 10).await.unwrap(), journal);
    assert!(journal[0].loser.image.is_some() && journal[0].winner.image.is_some());
}

#[tokio::test]
async fn records_stay_a_day_for_streams_however_much_was_acknowledged() {
    let (first, west) = pair().await;
    let Site {
        store,
        disk,
        clock,
        disk_faults,
    } = first;
    drop(store);
    let mut options = memory_options("us-east-1", &disk, clock.clone());
    options.log_retention_ms = beringia_storage_sqlite::DEFAULT_LOG_RETENTION_MS;
    let east = Site {
        store: SqliteStore::open(options).unwrap(),
        disk,
        clock,
        disk_faults,
    };
    put(&east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(serves_all(&east).await);
    east.advance_ms(beringia_storage_sqlite::DEFAULT_LOG_RETENTION_MS - 1);
    put(&east.store, item("a", 2, &[])).await;
    ship_over_time(&east, &west).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(serves_all(&east).await);
    east.advance_ms(1);
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    assert!(!serves_all(&east).await);
    assert_eq!(scan(&east.store, None).await.rows.len(), 2);
}

async fn ship_over_time(from: &Site, to: &Site) {
    to.clock.set(beringia_clock::WallClock::now_ms(&*from.clock));
    ship(from, to, TABLE).await;
}

#[tokio::test]
async fn a_peer_that_has_less_than_the_log_holds_copies_and_then_follows() {
    let (east, west) = pair().await;
    for n in 0..5 {
        put(&east.store, item("a", n, &[])).await;
    }
    delete(&east.store, key("a", 0)).await;
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    east.store.forget(&acknowledged(&[&west]).into()).await.unwrap();
    let far = Site::new("ap-south-1");
    edit(
        &east.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Active)],
    )
    .await;
    copy(&east, &far, TableId::CATALOG).await;
    assert!(
        east.store
            .log_position(&wants(&east, &far, TABLE))
            .await
            .unwrap()
            .is_err()
    );
    assert_eq!(copy(&east, &far, TABLE).await.newer, 4);
    put(&east.store, item("a", 7, &[])).await;
    assert_eq!(ship(&east, &far, TABLE).await.newer, 1);
    assert_eq!(
        assert_agrees(&far.store, TABLE).await,
        assert_agrees(&east.store, TABLE).await
    );
    // Forgetting passes rows that came by copy, too.
    let all = acknowledged(&[&east, &west]);
    far.store.forget(&all.clone().into()).await.unwrap();
    let repair = RemoteBatch {
        kind: RemoteKind::Repair,
        ..Default::default()
    };
    far.store.apply(repair).await.unwrap();
    assert_eq!(
        assert_agrees(&far.store, TABLE).await,
        assert_agrees(&east.store, TABLE).await
    );
}
