//! Local writes and reads.

use std::ops::Bound;

use beringia_item::{KeyBytes, TableId};

use super::{DiskMaker, fixture::*};
use crate::{CommitError, RangeRead, Refusal, StoreError};

pub(super) async fn item_is_read_as_it_was_put(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    let thing = item("a", 1, &[("color", text("red"))]);
    let version = put(&*site.store, thing.clone()).await;
    assert_eq!(
        site.store.get(TABLE, &key("a", 1)).await.unwrap(),
        Some((version.clone(), thing))
    );
    assert_eq!(version.origin, origin("us-east-1"));
    assert_eq!(site.store.get(TABLE, &key("a", 2)).await.unwrap(), None);
    assert_agrees(&*site.store, TABLE).await;
}

pub(super) async fn versions_grow_over_a_restart_with_the_clock_set_back(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let first = put(&*site.store, item("a", 1, &[])).await;
    let second = put(&*site.store, item("a", 1, &[])).await;
    assert!(second > first && second.sequence == first.sequence + 1);
    site.clock.set(START_MS - 500);
    let site = site.restarted();
    let third = put(&*site.store, item("a", 1, &[])).await;
    assert!(third > second && third.sequence > second.sequence);
    assert!(
        first.sequence > START_MS << 20,
        "a new database starts its sequence at its wall clock"
    );
}

pub(super) async fn committed_writes_survive_a_crash(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    for n in 0..20 {
        put(
            &*site.store,
            item("a", n, &[("color", text("red")), ("weight", number(n * 7 % 5))]),
        )
        .await;
    }
    delete(&*site.store, key("a", 3)).await.unwrap();
    let before = assert_agrees(&*site.store, TABLE).await;
    let digest = site.store.digest(TABLE).await.unwrap();
    let site = site.restarted();
    assert_eq!(assert_agrees(&*site.store, TABLE).await, before);
    assert_eq!(site.store.digest(TABLE).await.unwrap(), digest);
    assert_eq!(before.len(), 19);
}

pub(super) async fn transaction_is_atomic(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 1, &[])).await;
    let absent = |current: Option<&beringia_item::Item>| current.is_none();
    let transaction = vec![
        write(key("a", 2), Do::Put(item("a", 2, &[]))),
        write(key("a", 1), Do::If(absent, item("a", 1, &[("color", text("red"))]))),
    ];
    let Err(CommitError::Refused(refusals)) = commit(&*site.store, transaction).await else {
        panic!("it was not refused")
    };
    let was = item("a", 1, &[]);
    assert_eq!(
        refusals,
        vec![None, Some((Refusal::ConditionFailed, Some(was.clone())))]
    );
    let items = assert_agrees(&*site.store, TABLE).await;
    assert_eq!(items.into_values().map(|(_, item)| item).collect::<Vec<_>>(), vec![was]);

    let transaction = vec![
        write(key("a", 2), Do::Put(item("a", 2, &[]))),
        write(key("a", 3), Do::Put(item("a", 3, &[]))),
    ];
    let outcomes = commit(&*site.store, transaction).await.unwrap();
    let versions: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.version.clone().unwrap())
        .collect();
    assert_eq!(versions[0].time, versions[1].time, "a transaction has one time");
    assert_eq!(versions[0].sequence + 1, versions[1].sequence);
    let log = read_all(&*site.store, &all_of(site.store.origin())).await;
    assert_eq!(
        (log[1].transaction.first, log[1].transaction.last),
        (versions[0].sequence, versions[1].sequence)
    );
    assert_eq!(log[1].transaction, log[2].transaction);
}

pub(super) async fn item_cannot_be_written_twice_in_a_transaction(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let transaction = vec![
        write(key("a", 1), Do::Put(item("a", 1, &[]))),
        write(key("a", 1), Do::Delete),
    ];
    let Err(CommitError::Refused(refusals)) = commit(&*site.store, transaction).await else {
        panic!("it was not refused")
    };
    assert_eq!(refusals[1], Some((Refusal::Repeated, None)));
    assert_eq!(scan(&*site.store, None).await.rows, vec![]);
}

pub(super) async fn deleting_a_missing_item_writes_nothing(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    assert_eq!(delete(&*site.store, key("a", 1)).await, None);
    put(&*site.store, item("a", 1, &[])).await;
    assert!(delete(&*site.store, key("a", 1)).await.is_some());
    assert_eq!(delete(&*site.store, key("a", 1)).await, None);
    assert_eq!(read_all(&*site.store, &all_of(site.store.origin())).await.len(), 2);
}

pub(super) async fn table_without_a_replica_is_unknown(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let other = TableId(99);
    assert_eq!(
        site.store.get(other, &key("a", 1)).await,
        Err(StoreError::UnknownTable(other))
    );
    let mut transaction = vec![write(key("a", 1), Do::Put(item("a", 1, &[])))];
    transaction[0].table = TableId::LOCAL;
    let refused = commit(&*site.store, transaction).await;
    assert!(matches!(
        refused,
        Err(CommitError::Store(StoreError::UnknownTable(TableId::LOCAL)))
    ));
    let index = RangeRead {
        index: Some("by_taste".to_owned()),
        ..whole(TABLE, None)
    };
    let unknown = StoreError::UnknownIndex {
        table: TABLE,
        index: "by_taste".to_owned(),
    };
    assert_eq!(site.store.range(index).await.unwrap_err(), unknown);
}

pub(super) async fn get_many_keeps_the_order_of_keys(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    for n in [1, 2, 4] {
        put(&*site.store, item("a", n, &[])).await;
    }
    let keys = [4, 3, 1].map(|n| (TABLE, key("a", n))).to_vec();
    let found = site.store.get_many(keys).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.map(|(_, item)| item)).collect();
    assert_eq!(found, vec![Some(item("a", 4, &[])), None, Some(item("a", 1, &[]))]);
}

async fn ten_items(site: &Site) -> Vec<KeyBytes> {
    create_table(&*site.store, true).await;
    for n in 0..10 {
        put(&*site.store, item("a", n, &[("weight", number(9 - n))])).await;
    }
    (0..10).map(|n| key("a", n)).collect()
}

fn shown(page: &crate::RangePage) -> Vec<u64> {
    let number = |row: &crate::Row| row.item["sk"].clone();
    page.rows
        .iter()
        .map(|row| (0..10).find(|n| super::fixture::number(*n) == number(row)).unwrap())
        .collect()
}

pub(super) async fn range_read_obeys_direction_and_bounds(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    let keys = ten_items(&site).await;
    let at = |n: usize| keys[n].0.to_vec();
    let read = |from, to, reverse| RangeRead {
        from,
        to,
        reverse,
        ..whole(TABLE, None)
    };
    let cases = [
        (
            read(Bound::Included(at(2)), Bound::Included(at(4)), false),
            vec![2, 3, 4],
        ),
        (read(Bound::Excluded(at(2)), Bound::Excluded(at(4)), false), vec![3]),
        (read(Bound::Excluded(at(2)), Bound::Included(at(4)), true), vec![4, 3]),
        (read(Bound::Unbounded, Bound::Excluded(at(2)), true), vec![1, 0]),
        (read(Bound::Included(at(8)), Bound::Unbounded, false), vec![8, 9]),
        (read(Bound::Included(at(4)), Bound::Included(at(2)), false), vec![]),
    ];
    for (read, expected) in cases {
        let page = site.store.range(read.clone()).await.unwrap();
        assert_eq!(shown(&page), expected, "{read:?}");
        assert!(!page.limited);
    }
}

pub(super) async fn pages_together_are_the_whole_range(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    ten_items(&site).await;
    for (index, reverse) in [
        (None, false),
        (None, true),
        (Some("by_weight"), false),
        (Some("by_weight"), true),
    ] {
        let mut seen = Vec::new();
        let mut read = RangeRead {
            reverse,
            max_rows: 3,
            ..whole(TABLE, index)
        };
        loop {
            let page = site.store.range(read.clone()).await.unwrap();
            seen.extend(shown(&page));
            let Some(last) = page.rows.last().filter(|_| page.limited) else {
                break;
            };
            let bound = Bound::Excluded(last.key.0.to_vec());
            if reverse { read.to = bound } else { read.from = bound }
        }
        let mut expected: Vec<u64> = (0..10).collect();
        if index.is_some() != reverse {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{index:?} {reverse}");
    }
}

pub(super) async fn page_ends_with_the_row_that_reaches_the_byte_limit(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    ten_items(&site).await;
    let size = beringia_item::item_size(&item("a", 1, &[("weight", number(8))]));
    let page = site
        .store
        .range(RangeRead {
            max_bytes: 2 * size + 1,
            ..whole(TABLE, None)
        })
        .await
        .unwrap();
    assert_eq!((page.rows.len(), page.limited), (3, true));
    let none = site
        .store
        .range(RangeRead {
            max_rows: 0,
            ..whole(TABLE, None)
        })
        .await
        .unwrap();
    assert_eq!((none.rows.len(), none.limited), (0, true));
}

pub(super) async fn index_size_counts_only_projected_attributes(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    for n in 0..4 {
        put(
            &*site.store,
            item("a", n, &[("color", text("red")), ("blob", text(&"x".repeat(1000)))]),
        )
        .await;
    }
    let keys_only = beringia_item::item_size(&item("a", 1, &[("color", text("red"))]));
    let read = RangeRead {
        max_bytes: 4 * keys_only,
        ..whole(TABLE, Some("by_color"))
    };
    assert_eq!(site.store.range(read).await.unwrap().rows.len(), 4);
}

pub(super) async fn index_contains_only_items_with_a_valid_index_key(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    put(&*site.store, item("a", 1, &[("color", text("red"))])).await;
    put(&*site.store, item("a", 2, &[("color", number(7))])).await;
    put(&*site.store, item("a", 3, &[])).await;
    assert_eq!(shown(&scan(&*site.store, Some("by_color")).await), vec![1]);
    put(&*site.store, item("a", 1, &[])).await;
    put(&*site.store, item("a", 3, &[("color", text("blue"))])).await;
    assert_eq!(shown(&scan(&*site.store, Some("by_color")).await), vec![3]);
    delete(&*site.store, key("a", 3)).await;
    assert_eq!(scan(&*site.store, Some("by_color")).await.rows, vec![]);
    assert_agrees(&*site.store, TABLE).await;
}

pub(super) async fn write_to_an_indexed_table_is_decided_once(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    for n in 0..20 {
        let (sk, weight) = (n % 4, number(n % 3));
        let item = item("a", sk, &[("color", text(&format!("c{n}"))), ("weight", weight)]);
        assert_eq!(put_counted(&*site.store, item).await, 1, "put {n}");
    }
    let items = assert_agrees(&*site.store, TABLE).await;
    assert_eq!(items.len(), 4);
}

pub(super) async fn command_sees_earlier_writes_of_its_group(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let count = |current: Option<&beringia_item::Item>| {
        let seen = current.map_or(0, |item| (0..100).find(|n| item["n"] == number(*n)).unwrap());
        item("a", 1, &[("n", number(seen + 1))])
    };
    let increments: Vec<_> = (0..50)
        .map(|_| commit(&*site.store, vec![write(key("a", 1), Do::Update(count))]))
        .collect();
    for outcome in futures(increments).await {
        outcome.unwrap();
    }
    let (_, counted) = site.store.get(TABLE, &key("a", 1)).await.unwrap().unwrap();
    assert_eq!(counted["n"], number(50));
}

/// Runs all futures concurrently on this task.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().map(Option::unwrap).collect()
}

pub(super) async fn closed_store_returns_closed(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 1, &[])).await;
    site.store.close().await;
    let refused = commit(&*site.store, vec![write(key("a", 1), Do::Delete)]).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Closed))));
    assert_eq!(site.store.get(TABLE, &key("a", 1)).await, Err(StoreError::Closed));
    let site = site.restarted();
    assert_eq!(scan(&*site.store, None).await.rows.len(), 1);
}

pub(super) async fn disk_that_was_taken_away_is_not_written(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    site.disk.crash();
    let refused = commit(&*site.store, vec![write(key("a", 1), Do::Put(item("a", 1, &[])))]).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Closed))));
    let site = site.restarted();
    assert_eq!(scan(&*site.store, None).await.rows.len(), 0);
}

pub(super) async fn panicking_change_writes_nothing_and_blocks_no_caller(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    let panics = |_: Option<&beringia_item::Item>| -> beringia_item::Item { panic!("on purpose") };
    let transaction = vec![write(key("a", 2), Do::Update(panics))];
    assert!(matches!(
        commit(&*site.store, transaction).await,
        Err(CommitError::Store(StoreError::Database(_)))
    ));
    let transaction = vec![write(key("a", 3), Do::Put(item("a", 3, &[])))];
    assert!(matches!(
        commit(&*site.store, transaction).await,
        Err(CommitError::Store(StoreError::CannotCommit(_)))
    ));
    let site = site.restarted();
    put(&*site.store, item("a", 4, &[])).await;
    let items = assert_agrees(&*site.store, TABLE).await;
    assert_eq!(items.into_keys().collect::<Vec<_>>(), vec![key("a", 4)]);
}
