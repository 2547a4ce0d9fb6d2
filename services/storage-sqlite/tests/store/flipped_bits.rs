//! Bits that the disk changed: no read returns them, scrubs find them, and a peer has the rest.

use std::collections::BTreeMap;

use beringia_item::{RANGES, TableId, VersionVector};
use beringia_storage::{
    Applied, Aspect, CommitError, ItemWrite, LogPosition, RemoteBatch, ReplicaStatus, Store, StoreError,
    conformance::fixture::*,
};

use crate::pair::Pair;

/// The newest record is that of the item p49.
const NEWEST_RECORD: &str = "log WHERE pos = (SELECT max(pos) FROM log)";
/// The row of the item p49.
const ROW_OF_NEWEST: &str = "item WHERE pos = (SELECT max(pos) FROM log)";

/// The values of the item p49: the column, the place, and bytes from the end.
const VALUES: [(&str, &str, [usize; 3]); 3] = [
    ("image", NEWEST_RECORD, [0, 7, 30]),
    ("v", NEWEST_RECORD, [0, 20, 70]),
    ("v", ROW_OF_NEWEST, [0, 30, 54]),
];

/// A changed image used to be returned, and an update of another attribute sent it to all regions.
#[tokio::test]
async fn no_read_returns_changed_bits() {
    for (column, place, bytes) in VALUES {
        for byte in bytes {
            let pair = Pair::new().await;
            pair.flip(column, place, byte);
            let found = pair.store.get(TABLE, &key("p49", 49)).await;
            // Of a record only the image is read, so the rest may be damaged.
            let is_read = (column, place) != ("v", NEWEST_RECORD);
            assert_eq!(matches!(found, Err(StoreError::Corrupt { .. })), is_read, "{found:?}");
            pair.scrub().await;
            assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Ok(None));
            assert_eq!(pair.repair().await, 1);
            pair.assert_whole().await;
            assert_eq!(pair.store.damage().ranges, []);
        }
    }
}

#[tokio::test]
async fn scrub_finds_changed_bits() {
    for (column, place, bytes) in VALUES {
        for byte in bytes {
            let pair = Pair::new().await;
            pair.flip(column, place, byte);
            assert!(pair.scrub().await > 0, "{column} of {place}, {byte} from the end");
            // Index entries of the item may be in ranges that were verified before.
            pair.scrub().await;
            assert_eq!(pair.scrub().await, 0);
            assert_eq!(pair.repair().await, 1);
            pair.assert_whole().await;
        }
    }
}

/// What a copy would send is checked, and so is what an update is based on.
#[tokio::test]
async fn changed_bits_are_neither_copied_nor_updated() {
    for (column, place, bytes) in VALUES {
        let pair = Pair::new().await;
        pair.flip(column, place, bytes[1]);
        let sent = pair.store.mutations_of(TABLE, vec![key("p49", 49)]).await;
        assert!(matches!(sent, Err(StoreError::Corrupt { .. })), "{sent:?}");
        assert_eq!(pair.repair().await, 1);

        pair.flip(column, place, bytes[2]);
        let update = |_: Option<&beringia_item::Item>| item("p49", 49, &[("weight", number(7))]);
        let refused = commit(&pair.store, vec![write(key("p49", 49), Do::Update(update))]).await;
        let is_read = (column, place) != ("v", NEWEST_RECORD);
        assert_eq!(refused.is_err(), is_read, "{refused:?}");
        if is_read {
            assert_eq!(pair.repair().await, 1);
            pair.scrub().await;
            pair.assert_whole().await;
        }
    }
}

/// A session skips a damaged record, which nobody can restore, and the store counts it.
#[tokio::test]
async fn log_is_read_past_a_damaged_record() {
    let pair = Pair::new().await;
    // Records of this region alone would be read from memory.
    let mut filter = all_of(pair.store.origin());
    filter.origins.push(pair.peer.store.origin().clone());
    let before = read_all(&pair.store, &filter).await;
    pair.flip("image", NEWEST_RECORD, 3);
    assert_eq!(pair.store.damage().records, 0);
    for _ in 0..2 {
        let page = pair.store.read_log(LogPosition(1), &filter, usize::MAX).await.unwrap();
        assert_eq!(page.mutations, before[..before.len() - 1]);
        assert!(page.end.is_some());
        assert_eq!(pair.store.damage().records, 1);
    }
}

/// Where SQLite cannot read a page, nothing can be repaired, and the damage remains known.
#[tokio::test]
async fn unreadable_pages_are_known_as_damage() {
    let mut pair = with_many_items().await;
    pair.overwrite_pages_of(b"p1399").await;
    assert_eq!(pair.store.damage().ranges, []);
    for _ in 0..2 {
        let mut failed = 0;
        for range in 0..RANGES {
            let verified = pair.store.verify_range(TABLE, range).await;
            failed += usize::from(matches!(verified, Err(StoreError::Unreadable(_))));
        }
        assert!(failed > 0);
        let damage = pair.store.damage();
        assert_eq!(damage.ranges.len(), failed);
        assert!(damage.ranges.iter().all(|damaged| damaged.table == TABLE));
    }
}

/// A pair with so many more items that the later ones share no page with the definitions.
async fn with_many_items() -> Pair {
    let pair = Pair::new().await;
    for n in 1000..1400 {
        put(&pair.store, item(&format!("p{n}"), n, &[])).await;
    }
    pair
}

/// An item in the middle of the table and of the log. A write of another table's row, even of one
/// that is not on a damaged page, may read the pages beside it.
fn middle_item() -> (String, u64) {
    let name = |n: u64| format!("p{n}");
    let distance = |n: &u64| key(&name(*n), *n).0[0].abs_diff(0x80);
    let n = (1100..1300).min_by_key(distance).unwrap();
    (name(n), n)
}

/// The whole group of a command that met an unreadable page used to fail: clients failed at each
/// trim, and at each attempt of another region to send a write of an item there.
#[tokio::test]
async fn unreadable_page_fails_only_the_commands_that_meet_it() {
    let mut pair = with_many_items().await;
    create_others(&pair.store).await;
    let (name, n) = middle_item();
    pair.overwrite_pages_of(name.as_bytes()).await;
    let store = &pair.store;
    let acknowledged = [(TABLE, [(region("eu-west-1"), store.vectors()[&TABLE].clone())].into())];
    let acknowledged = BTreeMap::from(acknowledged).into();
    put(&*pair.peer.store, item(&name, n, &[])).await;
    let batch = stream(&pair.peer, [TABLE]).await;
    let lost = || vec![write(key(&name, n), Do::Put(item(&name, n, &[])))];
    for round in 0..3 {
        let (trimmed, first, refused, second, applied) = tokio::join!(
            store.collect_garbage(&acknowledged),
            commit(store, put_other(2 * round)),
            commit(store, lost()),
            commit(store, put_other(2 * round + 1)),
            store.apply(batch.clone()),
        );
        assert!(matches!(trimmed, Err(StoreError::Unreadable(_))), "{trimmed:?}");
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, CommitError::Store(StoreError::Unreadable(_))),
            "{refused:?}"
        );
        assert_names_the_table(&pair, applied);
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
    for n in 0..6 {
        assert!(store.get(OTHERS, &key("o", n)).await.unwrap().is_some());
    }
}

/// Of a batch of several tables the error names the table to set aside; the others go on.
#[tokio::test]
async fn batch_that_meets_an_unreadable_page_names_its_table() {
    let mut pair = with_many_items().await;
    let (name, n) = middle_item();
    pair.overwrite_pages_of(name.as_bytes()).await;
    edit(
        &*pair.peer.store,
        vec![
            set(OTHERS, Aspect::Core(core("others", false))),
            set_replica(OTHERS, "eu-west-1", ReplicaStatus::Active),
        ],
    )
    .await;
    put(&*pair.peer.store, item(&name, n, &[])).await;
    let whole = stream(&pair.peer, [TableId::CATALOG, TABLE]).await;
    assert_eq!(whole.tables().len(), 2);
    assert_names_the_table(&pair, pair.store.apply(whole).await);
    assert!(!pair.store.catalog().by_id.contains_key(&OTHERS), "nothing is applied");
    pair.store
        .apply(stream(&pair.peer, [TableId::CATALOG]).await)
        .await
        .unwrap();
    assert!(pair.store.catalog().by_id.contains_key(&OTHERS));
}

/// Checks that the error names the damaged table and the origin of the write to it.
fn assert_names_the_table(pair: &Pair, applied: Result<Applied, StoreError>) {
    let Err(StoreError::Inapplicable { among, .. }) = applied else {
        panic!("{applied:?}");
    };
    assert_eq!(among, [(TABLE, pair.peer.store.origin().clone())].into());
}

/// A table of its own.
const OTHERS: TableId = TableId(7);

async fn create_others(store: &dyn Store) {
    edit(store, vec![set(OTHERS, Aspect::Core(core("others", false)))]).await;
}

/// A transaction that puts an item into the other table.
fn put_other(n: u64) -> Vec<ItemWrite> {
    vec![ItemWrite {
        table: OTHERS,
        ..write(key("o", n), Do::Put(item("o", n, &[])))
    }]
}

/// The own writes of a region to tables, as a stream sends them.
async fn stream<const N: usize>(from: &Site, tables: [TableId; N]) -> RemoteBatch {
    let mut filter = all_of(from.store.origin());
    filter.tables = tables.map(|table| (table, VersionVector::default())).into();
    RemoteBatch {
        mutations: read_all(&*from.store, &filter).await,
        ..RemoteBatch::default()
    }
}
