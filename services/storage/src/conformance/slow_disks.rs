//! Writes and crashes while a commit is in progress.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{DiskMaker, fixture::*};

/// The duration of a commit on a disk that is made slow.
const SLOW: Duration = Duration::from_millis(40);

pub(super) async fn writes_that_arrive_during_a_commit_share_the_next(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let before = Instant::now();
    put(&*site.store, item("a", 0, &[])).await;
    assert_eq!(before.elapsed(), Duration::ZERO);

    site.disk.slow(SLOW);
    let before = Instant::now();
    let write = |n| put(&*site.store, item("a", n, &[]));
    tokio::join!(write(1), write(2), write(3));
    assert!(before.elapsed() <= 2 * SLOW, "{:?}", before.elapsed());
    assert!(before.elapsed() >= SLOW);
}

pub(super) async fn crash_during_a_commit_loses_only_unacknowledged_writes(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    site.disk.slow(SLOW);
    let transaction = vec![write(key("a", 1), Do::Put(item("a", 1, &[])))];
    let under_way = timeout(SLOW / 2, site.store.commit(transaction)).await;
    assert!(under_way.is_err(), "it is not acknowledged yet");
    let site = site.restarted();
    site.disk.slow(Duration::ZERO);
    assert_eq!(scan(&*site.store, None).await.rows.len(), 0);
}
