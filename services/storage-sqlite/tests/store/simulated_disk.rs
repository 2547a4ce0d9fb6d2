//! A disk that is made slow or full.

use std::{sync::Arc, time::Duration};

use beringia_clock::ManualClock;
use beringia_storage::{CommitError, Store, StoreError, StoreOptions, conformance::fixture::*};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, MemoryDisk, Options, RegionStore};
use tokio::time::Instant;

use crate::support::options;

/// A region in memory.
struct Simulated {
    store: RegionStore,
    disk: MemoryDisk,
    disk_faults: DiskFaults,
}

impl Simulated {
    fn new() -> Self {
        Self::open(MemoryDisk::new(), DiskFaults::default())
    }

    /// The region after a crash.
    fn restarted(self) -> Self {
        drop(self.store);
        Self::open(self.disk, self.disk_faults)
    }

    fn open(disk: MemoryDisk, disk_faults: DiskFaults) -> Self {
        let options = Options {
            disk_faults: disk_faults.clone(),
            ..Options::new(options("us-east-1"), Database::Memory(disk.clone()), Execution::Inline)
        };
        Self {
            store: beringia_storage_sqlite::open(&options).unwrap(),
            disk,
            disk_faults,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commits_take_as_long_as_the_disk_says_and_what_comes_meanwhile_goes_together() {
    let site = Simulated::new();
    create_table(&site.store, false).await;
    let before = Instant::now();
    put(&site.store, item("a", 0, &[])).await;
    assert_eq!(before.elapsed(), Duration::ZERO);

    site.disk_faults.set_commit_delay(Duration::from_millis(40));
    let before = Instant::now();
    let first = put(&site.store, item("a", 1, &[]));
    let (second, third) = (put(&site.store, item("a", 2, &[])), put(&site.store, item("a", 3, &[])));
    tokio::join!(first, second, third);
    assert!(before.elapsed() <= Duration::from_millis(80), "{:?}", before.elapsed());
    assert!(before.elapsed() >= Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_the_disk_works_loses_what_was_not_acknowledged() {
    let site = Simulated::new();
    create_table(&site.store, false).await;
    site.disk_faults.set_commit_delay(Duration::from_secs(1));
    let unit = vec![write(key("a", 1), Do::Put(item("a", 1, &[])))];
    let under_way = tokio::time::timeout(Duration::from_millis(500), site.store.commit(unit)).await;
    assert!(under_way.is_err(), "it is not acknowledged yet");
    let site = site.restarted();
    site.disk_faults.set_commit_delay(Duration::ZERO);
    assert_eq!(scan(&site.store, None).await.rows.len(), 0);
}

#[tokio::test]
async fn a_full_memory_disk_refuses_writes_over_a_restart_until_it_has_room_again() {
    let site = Simulated::new();
    create_table(&site.store, false).await;
    put(&site.store, item("a", 0, &[])).await;
    site.disk_faults.set_full(true);
    let large = || {
        vec![write(
            key("a", 1),
            Do::Put(item("a", 1, &[("blob", text(&"x".repeat(300_000)))])),
        )]
    };
    let refused = site.store.commit(large()).await;
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::DiskFull(_)))),
        "{refused:?}"
    );
    let site = site.restarted();
    let refused = site.store.commit(large()).await;
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::DiskFull(_)))),
        "{refused:?}"
    );
    assert_eq!(scan(&site.store, None).await.rows.len(), 1, "reads go on");
    site.disk_faults.set_full(false);
    site.store.commit(large()).await.unwrap();
    assert_eq!(scan(&site.store, None).await.rows.len(), 2);
}

#[tokio::test]
async fn the_disk_of_a_file_that_a_thread_writes_can_be_slow_and_full_too() {
    let directory = tempfile::tempdir().unwrap();
    let disk_faults = DiskFaults::default();
    let options = Options {
        disk_faults: disk_faults.clone(),
        ..Options::new(
            StoreOptions::new(region("us-east-1"), Arc::new(ManualClock::new(START_MS))),
            Database::File(directory.path().join("region.db")),
            Execution::Threads,
        )
    };
    let store = beringia_storage_sqlite::open(&options).unwrap();
    create_table(&store, false).await;
    let large = |n: u32| {
        let blob = item("a", n.into(), &[("blob", text(&"x".repeat(300_000)))]);
        store.commit(vec![write(key("a", n.into()), Do::Put(blob))])
    };
    disk_faults.set_full(true);
    let refused = large(1).await;
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::DiskFull(_)))),
        "{refused:?}"
    );
    disk_faults.set_full(false);
    large(1).await.unwrap();
    disk_faults.set_commit_delay(Duration::from_millis(40));
    let before = Instant::now();
    large(2).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(40), "{:?}", before.elapsed());
    assert_eq!(scan(&store, None).await.rows.len(), 2);
}
