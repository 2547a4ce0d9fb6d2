//! The log as replication reads it.

use std::collections::BTreeMap;

use beringia_item::{Mutation, TableId, VersionVector};

use super::{DiskMaker, fixture::*};
use crate::{Aspect, Backlog, LogFilter, LogPosition, RemoteBatch, RemoteKind, SharedVectors, StoreError};

const OTHER: TableId = TableId(0x9999);

/// A busy table and a quiet one, with thousands of records of the busy one between two of the quiet
/// one.
async fn busy_and_quiet(backend: &dyn DiskMaker) -> (Site, Vec<u64>) {
    filled(Site::new(backend, "us-east-1")).await
}

async fn filled(site: Site) -> (Site, Vec<u64>) {
    create_table(&*site.store, false).await;
    edit(&*site.store, vec![set(OTHER, Aspect::Core(core("others", false)))]).await;
    let mut quiet = Vec::new();
    for n in 0..5200 {
        put(&*site.store, item("a", n % 50, &[("n", number(n))])).await;
        if [0, 1, 1500, 4900].contains(&n) {
            let mut transaction = vec![write(key("q", n), Do::Put(item("q", n, &[])))];
            transaction[0].table = OTHER;
            quiet.push(
                commit(&*site.store, transaction).await.unwrap()[0]
                    .version
                    .clone()
                    .unwrap()
                    .sequence,
            );
        }
    }
    (site, quiet)
}

fn above(site: &Site, table: TableId, sequence: u64) -> BTreeMap<TableId, VersionVector> {
    BTreeMap::from([(table, [(site.store.origin().clone(), sequence)].into_iter().collect())])
}

pub(super) async fn reading_starts_close_to_the_first_wanted_record(backend: &dyn DiskMaker) {
    let (site, quiet) = busy_and_quiet(backend).await;
    let origins = vec![site.store.origin().clone()];
    let all = read_all(&*site.store, &all_of(site.store.origin())).await;
    assert_eq!(all.len(), 5200);
    assert!(
        all.windows(2).all(|pair| pair[0].version < pair[1].version),
        "the log is in commit order"
    );
    for place in [0, 1, 700, 1023, 1024, 1025, 3000, 5100, 5199] {
        let tables = above(&site, TABLE, all[place].version.sequence);
        let filter = LogFilter {
            origins: origins.clone(),
            tables,
        };
        let read = read_all(&*site.store, &filter).await;
        assert_eq!(read, all[place + 1..], "above the record at {place}");
        let LogPosition(start) = site.store.log_position(&filter).await.unwrap().unwrap();
        assert!(start + 1040 >= place as u64, "reading above {place} begins at {start}");
    }
    let ends = [0, quiet[0], quiet[1], quiet[2], quiet[3]];
    for (already, sequence) in ends.into_iter().enumerate() {
        let filter = LogFilter {
            origins: origins.clone(),
            tables: above(&site, OTHER, sequence),
        };
        assert_eq!(read_all(&*site.store, &filter).await.len(), 4 - already);
        let LogPosition(start) = site.store.log_position(&filter).await.unwrap().unwrap();
        let wanted = [1, 3, 1503, 4904, 5205][already];
        assert!(
            start + 1040 >= wanted,
            "reading above {already} of the quiet table begins at {start}"
        );
    }
}

pub(super) async fn backlog_is_exact(backend: &dyn DiskMaker) {
    let (site, quiet) = busy_and_quiet(backend).await;
    let all = read_all(&*site.store, &all_of(site.store.origin())).await;
    let bytes = |mutation: &Mutation| mutation.key.0.len() + mutation.image.as_ref().unwrap().len();
    for place in [0, 1, 700, 1023, 1024, 1025, 3000, 5100, 5199] {
        let missing = &all[place + 1..];
        let expected = Backlog {
            mutations: missing.len() as u64,
            bytes: missing.iter().map(bytes).sum::<usize>() as u64,
            oldest: missing.first().map(|mutation| mutation.version.time),
            first_sequence: missing.first().map(|mutation| mutation.version.sequence),
        };
        let peer = above(&site, TABLE, all[place].version.sequence);
        assert_eq!(
            site.store.backlog(&peer).await.unwrap(),
            expected,
            "above the record at {place}"
        );
    }
    let mut both = above(&site, TABLE, all[5000].version.sequence);
    both.extend(above(&site, OTHER, quiet[1]));
    assert_eq!(site.store.backlog(&both).await.unwrap().mutations, 199 + 2);
    let acknowledged = BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]);
    site.store.collect_garbage(&acknowledged.into()).await.unwrap();
    let own = site.store.vectors().into_iter().collect();
    assert_eq!(site.store.backlog(&own).await.unwrap(), Backlog::default());
}

pub(super) async fn backlog_counted_in_memory_is_the_same(backend: &dyn DiskMaker) {
    let (read, quiet) = busy_and_quiet(backend).await;
    let site = Site::new(backend, "us-east-1");
    // From now on there is a reader, so the end of the log is kept in memory.
    let wanted = all_of(site.store.origin());
    site.store.read_log(LogPosition(1), &wanted, 1).await.unwrap();
    let (kept, same) = filled(site).await;
    assert_eq!(quiet, same, "alike to the sequence");
    let all = read_all(&*read.store, &all_of(read.store.origin())).await;
    for place in [0, 1, 700, 3000, 4900, 5100, 5198, 5199] {
        let mut peer = above(&read, TABLE, all[place].version.sequence);
        peer.extend(above(&read, OTHER, quiet[place % 4]));
        let counted = kept.store.backlog(&peer).await.unwrap();
        assert_eq!(
            counted,
            read.store.backlog(&peer).await.unwrap(),
            "above the record at {place}"
        );
    }
}

pub(super) async fn backlog_is_unchanged_by_trimming(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    for n in 0..1500 {
        put(&*east.store, item("a", n, &[])).await;
        if n == 700 {
            ship(&east, &west, TABLE).await;
        }
    }
    let peer = west.store.vectors().into_iter().collect();
    let before = east.store.backlog(&peer).await.unwrap();
    assert_eq!(before.mutations, 799);
    let acknowledge = |table: TableId| {
        (
            table,
            BTreeMap::from([(west.store.region().clone(), peer[&table].clone())]),
        )
    };
    let acknowledged = BTreeMap::from([TABLE, TableId::CATALOG].map(acknowledge));
    east.store.collect_garbage(&acknowledged.into()).await.unwrap();
    assert_eq!(east.store.backlog(&peer).await.unwrap(), before);
}

pub(super) async fn log_page_never_splits_a_transaction(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    for first in [0, 10, 20] {
        let transaction = (first..first + 10).map(|n| write(key("a", n), Do::Put(item("a", n, &[]))));
        commit(&*site.store, transaction.collect()).await.unwrap();
    }
    let filter = all_of(site.store.origin());
    let mut from = site.store.log_position(&filter).await.unwrap().unwrap();
    let mut sizes = Vec::new();
    loop {
        let page = site.store.read_log(from, &filter, 1).await.unwrap();
        sizes.push(page.mutations.len());
        from = page.next;
        if let Some(vectors) = page.end {
            assert_eq!(vectors.get(&TABLE), site.store.vectors().get(&TABLE));
            break;
        }
    }
    assert_eq!(sizes, vec![10, 10, 10]);
    let nothing = site.store.read_log(from, &filter, 1).await.unwrap();
    assert!(nothing.end.is_some() && nothing.mutations.is_empty() && nothing.next == from);
}

pub(super) async fn local_table_and_unknown_tables_are_never_served(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let origin = site.store.origin().clone();
    for table in [TableId::LOCAL, TableId(5)] {
        let tables = BTreeMap::from([(table, VersionVector::default())]);
        let filter = LogFilter {
            origins: vec![origin.clone()],
            tables,
        };
        assert_eq!(
            site.store.log_position(&filter).await.unwrap(),
            Err(vec![(table, origin.clone())])
        );
        let page = site.store.read_log(LogPosition(1), &filter, usize::MAX).await.unwrap();
        assert!(page.mutations.is_empty());
        assert!(page.end.is_some_and(|vectors| !vectors.contains_key(&table)));
    }
    assert!(!site.store.vectors().contains_key(&TableId::LOCAL));
}

pub(super) async fn waiter_is_woken_by_an_appending_commit(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let mut appended = std::pin::pin!(site.store.log_appended().notified());
    appended.as_mut().enable();
    put(&*site.store, item("a", 1, &[])).await;
    appended.await;
    let mut quiet = std::pin::pin!(site.store.log_appended().notified());
    quiet.as_mut().enable();
    delete(&*site.store, key("a", 2)).await;
    let empty = RemoteBatch {
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    site.store.apply(empty).await.unwrap();
    let waited = std::future::poll_fn(|context| std::task::Poll::Ready(quiet.as_mut().poll(context))).await;
    assert!(waited.is_pending(), "nothing was appended");
}

/// Reads everything from a position on, in pages, with the vectors at the end.
async fn follow(
    site: &Site,
    mut from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
) -> (Vec<Mutation>, SharedVectors, LogPosition) {
    let mut mutations = Vec::new();
    loop {
        let page = site.store.read_log(from, filter, max_bytes).await.unwrap();
        mutations.extend(page.mutations);
        if let Some(vectors) = page.end {
            return (mutations, vectors, page.next);
        }
        assert!(page.next > from, "each page but the last advances");
        from = page.next;
    }
}

/// The log's end in memory answers readers that keep up. A read for an unknown region has to ask
/// the database instead.
pub(super) async fn log_read_from_memory_equals_log_read_from_database(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    let own = LogFilter {
        tables: BTreeMap::from([
            (TABLE, VersionVector::default()),
            (TableId::CATALOG, VersionVector::default()),
        ]),
        ..all_of(east.store.origin())
    };
    let mut with_unknown = own.clone();
    with_unknown.origins.push(origin("nowhere-1"));
    let mut end = LogPosition(1);
    let mut compared = 0;
    for n in 0..1200_u64 {
        match n % 6 {
            0 | 1 => {
                put(&*east.store, item("a", n % 40, &[("n", number(n))])).await;
            }
            2 => {
                let items = (n..n + 3).map(|sk| item("b", sk % 50, &[("n", number(n))]));
                let transaction = items.map(|item| write(keys().key_of(&item).unwrap(), Do::Put(item)));
                drop(commit(&*east.store, transaction.collect()).await.unwrap());
            }
            3 => {
                delete(&*east.store, key("a", (n + 3) % 40)).await;
            }
            4 => drop(
                commit(
                    &*east.store,
                    vec![write(key("a", 1), Do::If(|_| false, item("a", 1, &[])))],
                )
                .await,
            ),
            _ => {
                put(&*west.store, item("a", n % 40, &[])).await;
                ship(&west, &east, TABLE).await;
            }
        }
        for back in [0, 1, 2, 3, 7, 300] {
            let from = LogPosition(end.0.saturating_sub(back).max(1));
            let max_bytes = if n % 2 == 0 { 100 } else { 1 << 20 };
            let read = follow(&east, from, &own, max_bytes).await;
            assert_eq!(
                read,
                follow(&east, from, &with_unknown, max_bytes).await,
                "after {n}, from {from:?}"
            );
            compared += read.0.len();
            if back == 0 {
                end = read.2;
            }
        }
    }
    assert!(compared > 100_000, "{compared} records were compared");
}

pub(super) async fn store_without_its_disk_answers_nothing_from_memory(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let filter = all_of(site.store.origin());
    let page = site.store.read_log(LogPosition(1), &filter, 1000).await.unwrap();
    put(&*site.store, item("a", 1, &[])).await;
    let page = site.store.read_log(page.next, &filter, 1000).await.unwrap();
    assert_eq!(page.mutations.len(), 1);
    site.disk.crash();
    let read = site.store.read_log(page.next, &filter, 1000).await;
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
}
