//! The disk of a simulated region: it can be slow, and it can be full.

use std::time::Duration;

use beringia_store::{CommitError, Store, StoreError};
use tokio::time::Instant;

use crate::support::{Do, Site, create_table, item, key, put, scan, text, write};

#[tokio::test(start_paused = true)]
async fn commits_take_as_long_as_the_disk_says_and_what_comes_meanwhile_goes_together() {
    let site = Site::new("us-east-1");
    create_table(&site.store, false).await;
    let before = Instant::now();
    put(&site.store, item("a", 0, &[])).await;
    assert_eq!(before.elapsed(), Duration::ZERO);

    site.disk.set_commit_delay(Duration::from_millis(40));
    let before = Instant::now();
    let first = put(&site.store, item("a", 1, &[]));
    let (second, third) = (put(&site.store, item("a", 2, &[])), put(&site.store, item("a", 3, &[])));
    tokio::join!(first, second, third);
    assert!(before.elapsed() <= Duration::from_millis(80), "{:?}", before.elapsed());
    assert!(before.elapsed() >= Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_the_disk_works_loses_what_was_not_acknowledged() {
    let site = Site::new("us-east-1");
    create_table(&site.store, false).await;
    site.disk.set_commit_delay(Duration::from_secs(1));
    let unit = vec![write(key("a", 1), Do::Put(item("a", 1, &[])))];
    let under_way = tokio::time::timeout(Duration::from_millis(500), site.store.commit(unit)).await;
    assert!(under_way.is_err(), "it is not acknowledged yet");
    let site = site.restarted();
    site.disk.set_commit_delay(Duration::ZERO);
    assert_eq!(scan(&site.store, None).await.rows.len(), 0);
}

#[tokio::test]
async fn a_full_memory_disk_refuses_writes_over_a_restart_until_it_has_room_again() {
    let site = Site::new("us-east-1");
    create_table(&site.store, false).await;
    put(&site.store, item("a", 0, &[])).await;
    site.disk.set_full(true).unwrap();
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
    site.disk.set_full(false).unwrap();
    site.store.commit(large()).await.unwrap();
    assert_eq!(scan(&site.store, None).await.rows.len(), 2);
}
