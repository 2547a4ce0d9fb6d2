//! How long conflicts and unshipped writes are kept, and that they can be removed before.

use std::sync::atomic::Ordering;

use super::{DiskMaker, dropped, fixture::*, garbage::pair};
use crate::{Acknowledged, DEFAULT_CONFLICT_RETENTION_MS, PruneFilter, PruneTable, Pruned};

/// Writes an item in both regions, and ships both writes.
async fn conflict(east: &Site, west: &Site, sk: u64) {
    put(&*east.store, item("a", sk, &[("color", text("red"))])).await;
    put(&*west.store, item("a", sk, &[("color", text("blue"))])).await;
    ship(east, west, TABLE).await;
    ship(west, east, TABLE).await;
}

/// The number of journalled conflicts, as far as they fit on a page.
async fn journalled(site: &Site) -> usize {
    site.store.conflicts(None, 0, 1000).await.unwrap().len()
}

async fn collect(site: &Site) {
    while site.store.collect_garbage(&Acknowledged::default()).await.unwrap() {}
}

fn all_until(until_ms: u64) -> PruneFilter {
    PruneFilter {
        until_ms,
        table: None,
        dry_run: false,
    }
}

/// Also those that one step does not reach, and after a restart. The conflict that is a millisecond
/// younger stays.
pub(super) async fn conflicts_are_removed_after_30_days(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    for n in 0..100 {
        conflict(&east, &west, n).await;
    }
    east.advance_ms(1);
    conflict(&east, &west, 100).await;
    assert_eq!(journalled(&east).await, 101);
    east.advance_ms(DEFAULT_CONFLICT_RETENTION_MS - 2);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 101, "the oldest are younger than 30 days");
    let east = east.restarted();
    collect(&east).await;
    assert_eq!(journalled(&east).await, 101);
    east.advance_ms(1);
    collect(&east).await;
    let left = east.store.conflicts(None, 0, 1000).await.unwrap();
    assert_eq!(left.iter().map(|left| &left.key).collect::<Vec<_>>(), [&key("a", 100)]);
    let explained = |sk| {
        let store = east.store.clone();
        async move {
            store
                .explain(TABLE, &key("a", sk))
                .await
                .unwrap()
                .unwrap()
                .conflicts
                .len()
        }
    };
    assert_eq!((explained(1).await, explained(100).await), (0, 1));
    east.advance_ms(1);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 0);
    let east = east.restarted();
    assert_eq!(journalled(&east).await, 0);
    assert_eq!(journalled(&west).await, 101, "each region removes its own");
    west.advance_ms(DEFAULT_CONFLICT_RETENTION_MS + 1);
    conflict(&east, &west, 7).await;
    assert_eq!(journalled(&east).await, 1, "the item can be in conflict again");
}

pub(super) async fn unshipped_writes_are_removed_after_30_days(backend: &dyn DiskMaker) {
    let far = dropped::with_unshipped(backend).await;
    far.advance_ms(DEFAULT_CONFLICT_RETENTION_MS - 1);
    collect(&far).await;
    assert_eq!(far.store.unshipped(0, 100).await.unwrap().len(), 2);
    far.advance_ms(1);
    collect(&far).await;
    assert_eq!(far.store.unshipped(0, 100).await.unwrap(), []);
}

/// Drills and simulations judge by them what became of writes.
pub(super) async fn conflicts_stay_while_the_log_is_kept(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    conflict(&east, &west, 1).await;
    let mut keeps_log = None;
    let east = east.reopened(|options| {
        options.keeps_log.store(true, Ordering::Relaxed);
        keeps_log = Some(options.keeps_log.clone());
    });
    east.advance_ms(2 * DEFAULT_CONFLICT_RETENTION_MS);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 1);
    keeps_log.unwrap().store(false, Ordering::Relaxed);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 0);
}

/// With a retention of a second, in a journal that was empty when it was read last.
pub(super) async fn retention_follows_the_clock_of_the_region(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let east = east.reopened(|options| options.conflict_retention_ms = 1000);
    collect(&east).await;
    conflict(&east, &west, 1).await;
    east.advance_ms(999);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 1);
    east.advance_ms(1);
    collect(&east).await;
    assert_eq!(journalled(&east).await, 0);
}

/// What is only counted stays; then the same is removed, and nothing else.
pub(super) async fn journals_are_pruned_by_age_and_table(backend: &dyn DiskMaker) {
    let far = dropped::with_unshipped(backend).await;
    let (east, west) = pair(backend).await;
    for n in 0..300 {
        conflict(&east, &west, n).await;
    }
    let until_ms = START_MS;
    east.advance_ms(1);
    conflict(&east, &west, 300).await;
    let named = |site: &Site, name: &str| PruneFilter {
        table: Some(PruneTable {
            id: site.store.catalog().by_name.get(name).map(|table| table.id),
            name: name.to_owned(),
        }),
        ..all_until(until_ms)
    };
    for filter in [named(&east, "others"), all_until(until_ms - 1)] {
        assert_eq!(east.store.prune_conflicts(&filter).await.unwrap(), Pruned::default());
        assert_eq!(far.store.prune_conflicts(&filter).await.unwrap(), Pruned::default());
    }
    let dry = |filter: &PruneFilter| PruneFilter {
        dry_run: true,
        ..filter.clone()
    };
    let filter = named(&east, "things");
    let counted = east.store.prune_conflicts(&dry(&filter)).await.unwrap();
    assert_eq!((counted.conflicts, counted.unshipped), (300, 0));
    assert!(counted.bytes > 300 * 50, "{counted:?}");
    assert_eq!(journalled(&east).await, 301);
    assert_eq!(east.store.prune_conflicts(&filter).await.unwrap(), counted);
    assert_eq!(journalled(&east).await, 1);
    let filter = named(&far, "things");
    let counted = far.store.prune_conflicts(&dry(&filter)).await.unwrap();
    assert_eq!(counted.unshipped, 2);
    assert_eq!(far.store.unshipped(0, 9).await.unwrap().len(), 2);
    assert_eq!(far.store.prune_conflicts(&filter).await.unwrap(), counted);
    assert_eq!(far.store.unshipped(0, 9).await.unwrap(), []);
    let rest = east.store.prune_conflicts(&all_until(u64::MAX)).await.unwrap();
    assert_eq!((rest.conflicts, journalled(&east).await), (1, 0));
}
