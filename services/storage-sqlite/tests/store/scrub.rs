//! Damage to the database from outside: verification detects it, repairs what this region can
//! repair alone, and repair from a peer restores the rest.

use beringia_storage::{CommitError, RemoteBatch, Store, StoreError, conformance::fixture::*};
use rusqlite::Connection;

use crate::pair::Pair;

#[tokio::test]
async fn intact_state_needs_no_repair() {
    let pair = Pair::new().await;
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

#[tokio::test]
async fn deleted_rows_are_restored_by_repair() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM item WHERE k IN (SELECT k FROM item ORDER BY k DESC LIMIT 20)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0, "nothing is left to repair");
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 30);
    assert_eq!(pair.repair().await, 20);
    pair.assert_whole().await;
}

/// Verification removes rows whose log records were deleted. Repair restores both.
#[tokio::test]
async fn rows_without_log_records_are_restored_by_repair() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos IN (SELECT max(pos) - 7 FROM log)");
    pair.vandalize("UPDATE log SET image = x'0102' WHERE pos = (SELECT max(pos) - 3 FROM log)");
    pair.vandalize("UPDATE log SET image = NULL WHERE pos = (SELECT max(pos) - 4 FROM log)");
    assert!(pair.scrub().await > 0);
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 47);
    assert_eq!(pair.repair().await, 3);
    pair.assert_whole().await;
}

#[tokio::test]
async fn verification_repairs_index_entries() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM entries WHERE k IN (SELECT k FROM entries LIMIT 13)");
    pair.vandalize("UPDATE entries SET k = k || x'61' WHERE k = (SELECT max(k) FROM entries)");
    pair.vandalize("UPDATE entries SET k = substr(k, 1, length(k) - 3) WHERE k = (SELECT min(k) FROM entries)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

/// The put finds an index entry that should not exist, and is decided again.
#[tokio::test]
async fn put_over_a_stale_index_entry_counts_it_once() {
    let pair = Pair::new().await;
    let colored = |color| item("p1", 1, &[("color", text(color)), ("weight", number(1))]);
    assert_eq!(put_counted(&pair.store, colored("left")).await, 1);
    let database = Connection::open(&pair.path).unwrap();
    let mut entries = database.prepare("SELECT k, v FROM entries").unwrap();
    let left: Vec<(Vec<u8>, Vec<u8>)> = entries
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(put_counted(&pair.store, colored("right")).await, 1);
    let mut changed = 0;
    for entry in left {
        let insert = "INSERT OR IGNORE INTO entries (k, v) VALUES (?1, ?2)";
        changed += database.execute(insert, entry).unwrap();
    }
    assert_eq!(changed, 1);
    assert_eq!(put_counted(&pair.store, colored("left")).await, 2);
    assert_eq!(pair.scrub().await, 0);
    assert_agrees(&pair.store, TABLE).await;
}

#[tokio::test]
async fn changed_row_is_repaired() {
    let pair = Pair::new().await;
    pair.flip("v", "item WHERE k = (SELECT max(k) FROM item)", 20);
    pair.vandalize("UPDATE item SET pos = pos - 1 WHERE k = (SELECT min(k) FROM item WHERE k > x'00000010')");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.repair().await, 2);
    pair.assert_whole().await;
}

#[tokio::test]
async fn changed_digest_is_repaired() {
    let pair = Pair::new().await;
    pair.vandalize("UPDATE digests SET v = zeroblob(512) WHERE k >= 3 * 16");
    assert!(pair.scrub().await > 0);
    pair.assert_whole().await;
}

/// The error for the item of this number.
fn corrupt(n: u64) -> StoreError {
    StoreError::Corrupt {
        table: TABLE,
        key: key(&format!("p{n}"), n),
    }
}

/// A put that needs nothing of the item that it replaces.
#[tokio::test]
async fn item_without_its_log_record_can_be_put() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos > (SELECT max(pos) - 50 FROM log)");
    for n in 0..50 {
        put(&pair.store, item(&format!("p{n}"), n, &[("color", text("new"))])).await;
    }
    pair.scrub().await;
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 50);
}

/// The read that finds the damage has the range repaired, so that a peer can restore the item.
#[tokio::test]
async fn read_of_an_item_without_its_log_record_fails() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos > (SELECT max(pos) - 4 FROM log)");
    let keys = |n: u64| vec![(TABLE, key(&format!("p{n}"), n))];
    assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Err(corrupt(49)));
    assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Ok(None));
    assert_eq!(pair.store.get_many(keys(48)).await, Err(corrupt(48)));
    assert_eq!(pair.store.get_many(keys(48)).await, Ok(vec![None]));
    let sent = pair.store.mutations_of(TABLE, vec![key("p47", 47)]).await;
    assert_eq!(sent, Err(corrupt(47)));
    for index in [None, Some("by_color")] {
        let page = pair.store.range(whole(TABLE, index)).await;
        match index {
            None => assert_eq!(page.map(drop), Err(corrupt(46))),
            Some(_) => assert_eq!(page.unwrap().rows.len(), 46),
        }
    }
    // The index entries are in other ranges.
    pair.scrub().await;
    assert_eq!(pair.repair().await, 4);
    pair.assert_whole().await;
}

#[tokio::test]
async fn condition_on_an_item_without_its_log_record_fails() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos = (SELECT max(pos) FROM log)");
    let put_if_absent = || write(key("p49", 49), Do::If(|item| item.is_none(), item("p49", 49, &[])));
    let refused = commit(&pair.store, vec![put_if_absent()]).await;
    assert!(
        matches!(&refused, Err(CommitError::Store(error)) if *error == corrupt(49)),
        "{refused:?}"
    );
    assert_eq!(pair.repair().await, 1);
    let refused = commit(&pair.store, vec![put_if_absent()]).await;
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    pair.assert_whole().await;
}

/// A mutation that is concurrent with the item cannot be reconciled. The batch is refused as a
/// whole, and the client's write that is decided in the same group is not.
#[tokio::test]
async fn mutation_over_an_item_without_its_log_record_is_refused() {
    let pair = Pair::new().await;
    pair.peer.advance_ms(5);
    for n in [7, 8] {
        put(&*pair.peer.store, item(&format!("p{n}"), n, &[("color", text("east"))])).await;
    }
    put(&pair.store, item("p8", 8, &[("color", text("west"))])).await;
    pair.vandalize("DELETE FROM log WHERE pos = (SELECT max(pos) FROM log)");
    let batch = RemoteBatch {
        mutations: read_all(&*pair.peer.store, &all_of(pair.peer.store.origin())).await,
        ..RemoteBatch::default()
    };
    let before = pair.store.vectors();
    let (wrote, refused) = tokio::join!(
        put(&pair.store, item("p9", 9, &[("color", text("west"))])),
        pair.store.apply(batch.clone())
    );
    assert_eq!(refused, Err(corrupt(8)));
    let origin = pair.peer.store.origin();
    let vectors = pair.store.vectors();
    assert_eq!(vectors[&TABLE].get(origin), before[&TABLE].get(origin));
    let written = pair.store.get(TABLE, &key("p9", 9)).await.unwrap();
    assert_eq!(written.map(|(version, _)| version), Some(wrote));
    let untouched = pair.store.get(TABLE, &key("p7", 7)).await.unwrap().unwrap();
    assert_eq!(untouched.1["color"], text("c1"));
    // The range was repaired, so the batch is applied when it arrives again.
    assert_eq!(pair.store.apply(batch).await.unwrap().newer, 2);
    pair.scrub().await;
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 50);
}
