//! Readers beside the committer, on real threads: no reader sees part of a transaction, and no
//! reader of the log misses a record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{DiskMaker, fixture::*};
use crate::{LogPosition, Store};

const WRITERS: u64 = 4;
const UNITS: u64 = 60;

async fn site(backend: &dyn DiskMaker) -> Site {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    site
}

/// Repeatedly writes the same number to both items of its pair.
async fn write_pairs(store: Arc<dyn Store>, writer: u64) {
    let name = format!("w{writer}");
    for n in 0..UNITS {
        let put = |sk| {
            write(
                key(&name, sk),
                Do::Put(item(&name, sk, &[("n", number(n)), ("color", text("red"))])),
            )
        };
        commit(&*store, vec![put(0), put(1)]).await.unwrap();
    }
}

async fn read_pairs(store: Arc<dyn Store>, done: Arc<AtomicBool>) -> u64 {
    let mut reads = 0;
    while !done.load(Ordering::Acquire) {
        for writer in 0..WRITERS {
            let name = format!("w{writer}");
            let pair = store
                .get_many(vec![(TABLE, key(&name, 0)), (TABLE, key(&name, 1))])
                .await
                .unwrap();
            let shown = |at: usize| pair[at].as_ref().map(|(_, item)| item["n"].clone());
            assert_eq!(shown(0), shown(1), "both items of a transaction are seen or none");
        }
        for index in [None, Some("by_color")] {
            let page = scan(&*store, index).await;
            for pair in page.rows.chunks(2).filter(|_| index.is_none()) {
                assert_eq!(pair[0].item["n"], pair[1].item["n"]);
            }
            assert_eq!(page.rows.len() % 2, 0);
        }
        reads += 1;
        tokio::task::yield_now().await;
    }
    reads
}

pub(super) async fn reader_sees_only_complete_transactions(backend: &dyn DiskMaker) {
    let site = site(backend).await;
    let store = &site.store;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read_pairs(store.clone(), done.clone()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write_pairs(store.clone(), writer)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Release);
    assert!(reader.await.unwrap() > 0);
    assert_agrees(&**store, TABLE).await;
}

/// Follows the log from its beginning until it has seen `records` records.
async fn follow(store: Arc<dyn Store>, records: usize) -> Vec<u64> {
    let filter = all_of(store.origin());
    let (mut from, mut seen) = (LogPosition(1), Vec::new());
    while seen.len() < records {
        let mut appended = std::pin::pin!(store.log_appended().notified());
        appended.as_mut().enable();
        let page = store.read_log(from, &filter, 2_000).await.unwrap();
        seen.extend(page.mutations.iter().map(|mutation| mutation.version.sequence));
        if let Some(vector) = page.end.as_ref().and_then(|vectors| vectors.get(&TABLE)) {
            assert_eq!(
                vector.get(store.origin()),
                seen.last().copied().unwrap_or(0),
                "the vector is that of the end"
            );
        }
        from = page.next;
        if page.end.is_some() && seen.len() < records {
            appended.await;
        }
    }
    seen
}

pub(super) async fn log_reader_sees_every_record_once_and_in_order(backend: &dyn DiskMaker) {
    let site = site(backend).await;
    let store = &site.store;
    let records = usize::try_from(WRITERS * UNITS * 2).unwrap();
    let follower = tokio::spawn(follow(store.clone(), records));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write_pairs(store.clone(), writer)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let seen = tokio::time::timeout(Duration::from_secs(60), follower)
        .await
        .expect("the reader of the log got stuck")
        .unwrap();
    let first = seen[0];
    assert_eq!(seen, (first..first + records as u64).collect::<Vec<_>>());
}
