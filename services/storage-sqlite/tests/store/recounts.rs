//! The count of an index's entries after damage: in steps, beside writes, and across restarts.

use beringia_item::Item;
use beringia_storage::{RemoteBatch, Store, conformance::fixture::*};
use rusqlite::Connection;

use crate::pair::Pair;

/// The number of items: several steps for each of the two indexes.
const ITEMS: u64 = 1_000;
/// The least number of steps in which 256 entries at a time of one index are counted, less the one
/// that the store does after the put.
const STEPS_MIN: u32 = 3;
/// More steps than any count of these tests takes.
const STEPS_MAX: u32 = 100;

fn colored(n: u64, color: &str) -> Item {
    item(&format!("p{n}"), n, &[("color", text(color)), ("weight", number(n))])
}

/// A region whose indexes are to be counted: a put found an entry in the file that should not have
/// been there, so the size of the index by color is less by one than its number of entries.
async fn with_unknown_size() -> Pair {
    let pair = Pair::new().await;
    for n in 0..ITEMS {
        put(&pair.store, colored(n, &format!("c{}", n % 3))).await;
    }
    let database = Connection::open(&pair.path).unwrap();
    put(&pair.store, colored(5, "left")).await;
    let left = "SELECT k, v FROM entries WHERE instr(k, x'6c656674') > 0";
    let entry: (Vec<u8>, Vec<u8>) = database
        .query_row(left, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    put(&pair.store, colored(5, "right")).await;
    database
        .execute("INSERT INTO entries (k, v) VALUES (?1, ?2)", entry)
        .unwrap();
    put(&pair.store, colored(5, "left")).await;
    assert_eq!(sizes(&pair), [ITEMS - 1, ITEMS]);
    pair
}

/// The number of entries of the indexes by color and by weight, as the catalog shows it.
fn sizes(pair: &Pair) -> [u64; 2] {
    let sizes = &pair.store.catalog().by_id[&TABLE].index_sizes;
    ["by_color", "by_weight"].map(|index| sizes[index].items())
}

/// Commits a group without writes, after which the store does a step.
async fn step(pair: &Pair) {
    pair.store.apply(RemoteBatch::default()).await.unwrap();
}

/// Does steps until both indexes are counted, and returns their number.
async fn count(pair: &Pair) -> u32 {
    for steps in 0..STEPS_MAX {
        if sizes(pair) == [ITEMS; 2] {
            return steps;
        }
        step(pair).await;
    }
    panic!("the sizes of the indexes remain {:?}", sizes(pair));
}

#[tokio::test]
async fn indexes_are_counted_in_steps() {
    let pair = with_unknown_size().await;
    let steps = count(&pair).await;
    assert!(steps >= STEPS_MIN, "{steps} steps");
    assert_agrees(&pair.store, TABLE).await;
}

/// Entries that the count has passed, and entries that it has not, are written and removed.
#[tokio::test]
async fn writes_beside_a_count_are_counted_once() {
    let pair = with_unknown_size().await;
    for n in 0..u64::from(STEPS_MAX) {
        let (early, late) = (n * 7 % ITEMS, n * 11 % ITEMS);
        put(&pair.store, colored(early, "a")).await;
        put(&pair.store, colored(late, "z-and-longer")).await;
        if n % 3 == 0 {
            delete(&pair.store, key(&format!("p{}", n * 13 % ITEMS), n * 13 % ITEMS)).await;
        }
        put(&pair.store, colored(ITEMS + n, "c1")).await;
    }
    assert_agrees(&pair.store, TABLE).await;
}

#[tokio::test]
async fn a_count_begins_anew_after_a_restart() {
    let mut pair = with_unknown_size().await;
    step(&pair).await;
    pair.store.close().await;
    pair.store = Pair::open(pair.path.clone());
    assert_eq!(sizes(&pair), [ITEMS - 1, ITEMS]);
    count(&pair).await;
    pair.store.close().await;
    pair.store = Pair::open(pair.path.clone());
    assert_agrees(&pair.store, TABLE).await;
}
