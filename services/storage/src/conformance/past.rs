//! Reads as of a past position.

use std::{ops::Bound, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_item::{Item, KeyBytes, Version};
use tokio::time::Instant;

use super::{DiskMaker, fixture::*};
use crate::{LogPosition, RangePage, RangeRead, Row, Store};

const WINDOW: Duration = Duration::from_secs(10);

/// A region that looks ten seconds back.
fn looking_back(backend: &dyn DiskMaker) -> Site {
    Site::with(backend, "us-east-1", |options| {
        options.look_back = WINDOW;
    })
}

const KEYS: u64 = 7;

fn key(number: u64) -> KeyBytes {
    keys().key_of(&item("a", number, &[])).unwrap()
}

/// Everything that can be read at one position: the table and two indexes in both directions, and
/// each item.
#[derive(Debug, PartialEq)]
struct Seen {
    ranges: Vec<Vec<Row>>,
    items: Vec<Option<(Version, Item)>>,
}

async fn range(store: &dyn Store, read: RangeRead, at: Option<LogPosition>) -> RangePage {
    match at {
        None => store.range(read).await.unwrap(),
        Some(at) => store.range_at(read, at).await.unwrap(),
    }
}

/// Reads everything in pages of `max_rows` rows.
async fn seen(store: &dyn Store, at: Option<LogPosition>, max_rows: usize) -> Seen {
    let mut ranges = Vec::new();
    for index in [None, Some("by_weight"), Some("by_color")] {
        for reverse in [false, true] {
            let mut rows = Vec::new();
            let mut read = RangeRead {
                reverse,
                max_rows,
                ..whole(TABLE, index)
            };
            loop {
                let page = range(store, read.clone(), at).await;
                let next = page.rows.last().filter(|_| page.limited).map(|row| row.key.0.to_vec());
                rows.extend(page.rows);
                let Some(next) = next else { break };
                let bound = Bound::Excluded(next);
                if reverse { read.to = bound } else { read.from = bound }
            }
            ranges.push(rows);
        }
    }
    let wanted = (0..KEYS).map(|number| (TABLE, key(number))).collect();
    let items = match at {
        None => store.get_many(wanted).await.unwrap(),
        Some(at) => store.get_many_at(wanted, at).await.unwrap(),
    };
    Seen { ranges, items }
}

/// Writes a random change, one millisecond after the previous one.
async fn step(store: &dyn Store, dice: &SeededRandomness) {
    tokio::time::advance(Duration::from_millis(1)).await;
    let pick = |of: u64| dice.next_u64() % of;
    let at = pick(KEYS);
    if pick(4) == 0 {
        delete(store, key(at)).await;
        return;
    }
    let mut attributes = vec![("weight", number(pick(5)))];
    if pick(3) > 0 {
        attributes.push(("color", text(if pick(2) == 0 { "red" } else { "blue" })));
    }
    put(store, item("a", at, &attributes)).await;
}

pub(super) async fn past_read_sees_what_reads_saw_at_that_time(backend: &dyn DiskMaker) {
    let site = looking_back(backend);
    let store = &*site.store;
    create_table(store, true).await;
    let dice = SeededRandomness::new(11);
    let mut then = Vec::new();
    for _ in 0..120 {
        step(store, &dice).await;
        then.push((Instant::now(), seen(store, None, usize::MAX).await));
    }
    let (mut looked_back, now) = (0, Instant::now());
    for (at, seen_then) in &then {
        let as_of = store.as_of(now - *at);
        looked_back += usize::from(as_of.is_some());
        for max_rows in [1, 3, usize::MAX] {
            assert_eq!(seen(store, as_of, max_rows).await, *seen_then, "{:?} ago", now - *at);
        }
    }
    assert!(looked_back > 80, "{looked_back}");
}

pub(super) async fn past_range_read_obeys_bounds_and_byte_limit(backend: &dyn DiskMaker) {
    let site = looking_back(backend);
    let store = &*site.store;
    create_table(store, true).await;
    for number in 0..KEYS {
        put(store, item("a", number, &[])).await;
    }
    tokio::time::advance(Duration::from_millis(5)).await;
    for number in 0..4 {
        delete(store, key(number)).await;
    }
    let at = store.as_of(Duration::from_millis(1));
    let read = RangeRead {
        from: Bound::Included(key(2).0.to_vec()),
        to: Bound::Excluded(key(6).0.to_vec()),
        ..whole(TABLE, None)
    };
    let keys_of = |page: &RangePage| page.rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
    let page = range(store, read.clone(), at).await;
    assert_eq!(keys_of(&page), (2..6).map(key).collect::<Vec<_>>());
    assert!(!page.limited);
    let size = beringia_item::item_size(&item("a", 1, &[]));
    let read = RangeRead {
        max_bytes: size + 1,
        ..read
    };
    let page = range(store, read, at).await;
    assert_eq!((keys_of(&page), page.limited), (vec![key(2), key(3)], true));
}

pub(super) async fn past_read_of_trimmed_records_sees_the_present(backend: &dyn DiskMaker) {
    let site = looking_back(backend);
    let store = &*site.store;
    create_table(store, false).await;
    put(store, item("a", 0, &[("weight", number(1))])).await;
    tokio::time::advance(Duration::from_millis(5)).await;
    put(store, item("a", 0, &[("weight", number(2))])).await;
    let at = store.as_of(Duration::from_millis(1)).unwrap();
    let weight = async || {
        store.get_many_at(vec![(TABLE, key(0))], at).await.unwrap()[0]
            .clone()
            .unwrap()
            .1["weight"]
            .clone()
    };
    assert_eq!(weight().await, number(1));
    tokio::time::advance(WINDOW).await;
    store.collect_garbage(&Default::default()).await.unwrap();
    assert_eq!(weight().await, number(2));
    let page = range(store, whole(TABLE, None), Some(at)).await;
    assert_eq!(page.rows[0].item["weight"], number(2));
}

pub(super) async fn old_images_stay_while_reads_of_the_past_need_them(backend: &dyn DiskMaker) {
    let site = looking_back(backend);
    let store = &*site.store;
    create_table(store, false).await;
    for weight in 1..=2 {
        put(store, item("a", 0, &[("weight", number(weight))])).await;
        tokio::time::advance(WINDOW / 4).await;
    }
    let at = store.as_of(WINDOW / 2).unwrap();
    store.collect_garbage(&Default::default()).await.unwrap();
    let past = store.get_many_at(vec![(TABLE, key(0))], at).await.unwrap();
    let (_, then) = past[0].as_ref().unwrap();
    assert_eq!(then["weight"], number(1));
}

pub(super) async fn store_without_look_back_has_no_past_positions(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    let store = &*site.store;
    create_table(store, false).await;
    put(store, item("a", 0, &[])).await;
    tokio::time::advance(Duration::from_millis(5)).await;
    put(store, item("a", 0, &[("weight", number(2))])).await;
    assert_eq!(store.as_of(Duration::from_millis(1)), None);
}
