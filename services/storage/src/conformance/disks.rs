//! Ownership of a disk, what it stores besides tables, and writes while it is full or slow.

use std::{sync::Arc, time::Duration};

use beringia_clock::{ManualClock, WallClock as _};
use beringia_item::TableId;
use tokio::time::Instant;

use super::{Disk, DiskMaker, fixture::*, garbage};
use crate::{Aspect, CommitError, ReplicaStatus, StoreError, StoreOptions};

/// The duration of a commit on a disk that is made slow.
const SLOW: Duration = Duration::from_millis(40);

/// The state is left unchanged.
pub(super) async fn state_of_another_region_or_topology_is_refused(backend: &dyn DiskMaker) {
    let disk = backend.disk();
    let options = |name: &str, topology: Option<&str>| {
        let clock = Arc::new(ManualClock::new(START_MS));
        StoreOptions {
            topology: topology.map(str::to_owned),
            ..StoreOptions::new(region(name), clock)
        }
    };
    let refusal = |options| match disk.open(options) {
        Err(StoreError::Unusable { what, .. }) => what,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the database was opened"),
    };
    let store = disk.open(options("us-east-1", None)).unwrap();
    create_table(&*store, false).await;
    store.close().await;
    // A state without a topology takes the first one with which it is opened.
    disk.open(options("us-east-1", Some("three"))).unwrap().close().await;
    assert_eq!(
        refusal(options("eu-west-1", None)),
        "belongs to region us-east-1, not to eu-west-1"
    );
    assert_eq!(
        refusal(options("us-east-1", Some("two"))),
        "belongs to another topology: three, not two"
    );
    let store = disk.open(options("us-east-1", Some("three"))).unwrap();
    assert!(store.catalog().by_name.contains_key("things"));
}

pub(super) async fn unreachable_times_of_peers_survive_a_restart(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    assert_eq!(site.store.unreachable().await.unwrap(), [].into());
    let both = [(region("eu-west-1"), 7), (region("ap-south-1"), 8)];
    site.store.note_unreachable(both.into()).await.unwrap();
    site.store
        .note_unreachable([(region("eu-west-1"), 9)].into())
        .await
        .unwrap();
    let site = site.restarted();
    assert_eq!(
        site.store.unreachable().await.unwrap(),
        [(region("eu-west-1"), 9)].into()
    );
}

/// The own sequence in the vector of the only table.
fn last_own(site: &Site) -> u64 {
    let table = site.store.catalog().by_name["things"].id;
    site.store.vectors()[&table].get(site.store.origin())
}

/// What another life of the database wrote with the skipped sequences is recognised. Sequences of
/// writes are not skipped ones, also after several restarts.
pub(super) async fn opened_database_skips_sequences_and_remembers_it(backend: &dyn DiskMaker) {
    let mut site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let mut written = Vec::new();
    for life in 0..3 {
        put(&*site.store, item("a", life, &[])).await;
        written.push(last_own(&site));
        site.clock.set(site.clock.now_ms() + 1000);
        site = site.restarted();
        site = site.restarted();
    }
    let own = site.store.own_sequences();
    assert_eq!(own.gaps.len(), 3, "{own:?}");
    for sequence in written {
        assert!(!own.has_skipped(sequence), "{sequence}: {own:?}");
        assert!(own.has_skipped(sequence + 1), "{sequence}: {own:?}");
    }
    assert_eq!((own.epoch, own.copied.len()), (1, 0));
    put(&*site.store, item("a", 9, &[])).await;
    assert!(last_own(&site) > own.opened && own.opened >= own.gaps[2].until);
}

/// Also after a restart. The writes that follow have greater sequences than the lost ones.
pub(super) async fn store_epoch_begins_once_for_each_loss(backend: &dyn DiskMaker) {
    let mut site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 0, &[])).await;
    let written = last_own(&site);
    site.store.begin_epoch(written).await.unwrap();
    assert_eq!(site.store.own_sequences().epoch, 1, "the database made that write");
    site.clock.set(site.clock.now_ms() + 1000);
    site = site.restarted();
    for _ in 0..2 {
        site.store.begin_epoch(written + 5).await.unwrap();
        assert_eq!(site.store.own_sequences().epoch, 2);
        site = site.restarted();
    }
    let beyond = site.store.own_sequences().opened + (1 << 40);
    site.store.begin_epoch(beyond).await.unwrap();
    assert_eq!(site.store.own_sequences().epoch, 3);
    put(&*site.store, item("a", 1, &[])).await;
    assert!(last_own(&site) > beyond);
}

/// Also after a restart.
pub(super) async fn full_disk_refuses_writes_until_space_is_free(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 0, &[])).await;
    site.disk.fill(true);
    let large = async |site: &Site| {
        let blob = item("a", 1, &[("blob", text(&"x".repeat(300_000)))]);
        site.store.commit(vec![write(key("a", 1), Do::Put(blob))]).await
    };
    let is_refused = |answer| matches!(answer, Err(CommitError::Store(StoreError::DiskFull(_))));
    assert!(is_refused(large(&site).await));
    let site = site.restarted();
    assert!(is_refused(large(&site).await));
    assert_eq!(scan(&*site.store, None).await.rows.len(), 1, "reads continue");
    site.disk.fill(false);
    large(&site).await.unwrap();
    assert_eq!(scan(&*site.store, None).await.rows.len(), 2);
}

/// The command that was under way may have been written; later ones were not. Reads continue, and
/// a restart ends the failure.
pub(super) async fn panic_of_the_committer_is_reported(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 0, &[])).await;
    assert_eq!(site.store.failed(), None);
    let fatal = commit(
        &*site.store,
        vec![write(key("a", 1), Do::Update(|_| panic!("a planted panic")))],
    );
    let (fatal, reason) = tokio::join!(fatal, site.store.failure());
    assert!(
        matches!(fatal, Err(CommitError::Store(StoreError::Database(_)))),
        "{fatal:?}"
    );
    assert_eq!(reason, "the committer panicked: a planted panic");
    assert_eq!(site.store.failed(), Some(reason.clone()));
    let later = commit(&*site.store, vec![write(key("a", 0), Do::Delete)]).await;
    let Err(CommitError::Store(later)) = later else {
        panic!("it was committed: {later:?}")
    };
    assert_eq!(later, StoreError::CannotCommit(reason));
    assert_eq!(scan(&*site.store, None).await.rows.len(), 1, "reads continue");
    let site = site.restarted();
    assert_eq!(site.store.failed(), None);
    put(&*site.store, item("a", 2, &[])).await;
    assert_eq!(scan(&*site.store, None).await.rows.len(), 2);
}

/// Puts and updates are refused meanwhile, also in the group of a delete. Deletes of other regions
/// arrive, rows of a dropped table go, and what was trimmed is space for later writes.
pub(super) async fn deletes_and_trims_go_on_while_the_disk_is_full(backend: &dyn DiskMaker) {
    let (east, west) = garbage::pair(backend).await;
    let blob = || ("blob", text(&"x".repeat(10_000)));
    for n in 0..40 {
        put(&*east.store, item("a", n, &[blob()])).await;
    }
    ship(&east, &west, TABLE).await;
    let other = TableId(0x77);
    edit(&*east.store, vec![set(other, Aspect::Core(core("other", false)))]).await;
    east.disk.fill(true);
    let put_at = async |n: u64| {
        let blob = item("b", n, &[("blob", text(&"x".repeat(300_000)))]);
        east.store.commit(vec![write(key("b", n), Do::Put(blob))]).await
    };
    let is_refused = |answer| matches!(answer, Err(CommitError::Store(StoreError::DiskFull(_))));
    assert!(is_refused(put_at(0).await));
    let mixed = vec![
        write(key("a", 0), Do::Delete),
        write(
            key("b", 0),
            Do::Put(item("b", 0, &[("blob", text(&"x".repeat(300_000)))])),
        ),
    ];
    assert!(is_refused(east.store.commit(mixed).await), "one of them is a put");
    let (refused, _) = tokio::join!(put_at(1), delete(&*east.store, key("a", 0)));
    assert!(is_refused(refused));
    for n in 1..30 {
        delete(&*east.store, key("a", n)).await;
    }
    delete(&*west.store, key("a", 30)).await;
    ship(&west, &east, TABLE).await;
    edit(&*east.store, vec![crate::Edit::Drop { table: other }]).await;
    assert_eq!(scan(&*east.store, None).await.rows.len(), 9);
    assert_agrees(&*east.store, TABLE).await;
    let east = east.restarted();
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    while east
        .store
        .collect_garbage(&garbage::acknowledged(&[&west]).into())
        .await
        .unwrap()
    {}
    assert!(!garbage::serves_all(&east).await, "the log is trimmed");
    east.disk.fill(false);
    let blob = item("b", 2, &[("blob", text(&"x".repeat(300_000)))]);
    put(&*east.store, blob).await;
    ship(&east, &west, TABLE).await;
    let held = assert_agrees(&*east.store, TABLE).await;
    assert_eq!(held.len(), 10, "nothing is lost");
    assert_eq!(held, assert_agrees(&*west.store, TABLE).await);
}

/// A region lost its disk, and the next one is full from the beginning: the region opens, and is
/// bootstrapped as soon as there is space, with or without a restart before.
pub(super) async fn bootstrap_on_a_full_disk_continues_with_space(backend: &dyn DiskMaker) {
    let east = Site::new(backend, "us-east-1");
    create_table(&*east.store, false).await;
    edit(
        &*east.store,
        vec![set_replica(TABLE, "eu-west-1", ReplicaStatus::Active)],
    )
    .await;
    for number in 0..3 {
        let blob = ("blob", text(&"x".repeat(300_000)));
        put(&*east.store, item("a", number, &[blob])).await;
    }
    for is_restarted in [false, true] {
        let disk: Arc<dyn Disk> = backend.disk().into();
        disk.fill(true);
        let mut west = Site::on(disk, "eu-west-1", |_| {});
        west.disk.fill(false);
        ship(&east, &west, TableId::CATALOG).await;
        west.disk.fill(true);
        for _ in 0..2 {
            let refused = west.store.apply(rows_of(&east, TABLE).await).await;
            assert!(matches!(refused, Err(StoreError::DiskFull(_))), "{refused:?}");
        }
        if is_restarted {
            west = west.restarted();
        }
        assert_eq!(scan(&*west.store, None).await.rows.len(), 0, "nothing of it is there");
        west.disk.fill(false);
        copy(&east, &west, TABLE).await;
        let held = assert_agrees(&*west.store, TABLE).await;
        assert_eq!(held, assert_agrees(&*east.store, TABLE).await);
        assert_eq!(held.len(), 3);
    }
}

pub(super) async fn commit_takes_as_long_as_the_disk(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    site.disk.slow(SLOW);
    let before = Instant::now();
    put(&*site.store, item("a", 1, &[])).await;
    assert!(before.elapsed() >= SLOW, "{:?}", before.elapsed());
}
