//! Replicas that the others dropped while they were unreachable: what the others trim, and what
//! becomes of the rows.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, TableId, VersionVector};

use super::{DiskMaker, fixture::*};
use crate::{
    Acknowledged, Aspect, AspectName, CommitError, Edit, ItemWrite, LocalSettings, RemoteBatch, RemoteKind, Replica,
    ReplicaStatus, StoreError, Unshipped,
};

/// Writes in one region that another one's replica was dropped, up to what has arrived here.
async fn drop_replica(at: &Site, of: &Site) {
    let region = of.store.region().clone();
    let has = at.store.vectors()[&TABLE].clone();
    let status = ReplicaStatus::Dropped { has, returns: true };
    let since_ms = START_MS;
    let replica = Replica { status, since_ms };
    edit(&*at.store, vec![set(TABLE, Aspect::Dropped { region, replica })]).await;
}

fn status_of(site: &Site, of: &Site) -> ReplicaStatus {
    site.store.catalog().by_id[&TABLE].replicas[of.store.region()]
        .status
        .clone()
}

/// The unshipped writes once the rows are gone: key number, and the color or `None` for a delete.
async fn kept(site: &Site, count: usize) -> Vec<(u64, Option<String>)> {
    loop {
        let kept = site.store.unshipped(0, 100).await.unwrap();
        if kept.len() >= count {
            let text = |value: Option<&beringia_item::AttributeValue>| match value {
                Some(beringia_item::AttributeValue::S(text)) => text.clone(),
                other => format!("{other:?}"),
            };
            let number = |write: &Unshipped| match &write.key["sk"] {
                beringia_item::AttributeValue::N(number) => number.to_string().parse().unwrap(),
                other => panic!("{other:?}"),
            };
            let shown = |write: &Unshipped| {
                assert_eq!((write.table, write.table_name.as_str()), (TABLE, "things"));
                let color = write.write.image.as_ref().map(|image| text(image.get("color")));
                (number(write), color)
            };
            let mut all: Vec<_> = kept.iter().map(shown).collect();
            all.sort();
            return all;
        }
        tokio::task::yield_now().await;
    }
}

/// The regions east, west and far, with a table that contains `a`/1 to `a`/3.
async fn three(backend: &dyn DiskMaker) -> [Site; 3] {
    let sites = [
        Site::new(backend, "us-east-1"),
        Site::new(backend, "eu-west-1"),
        Site::new(backend, "ap-south-1"),
    ];
    create_global_table(&sites.each_ref(), true).await;
    let [east, west, far] = &sites;
    for n in 1..4 {
        put(&*east.store, item("a", n, &[("color", text("red"))])).await;
    }
    put(&*far.store, item("a", 4, &[("color", text("shipped"))])).await;
    for (from, to) in [(east, west), (east, far), (far, east), (far, west)] {
        ship(from, to, TABLE).await;
    }
    sites
}

/// The region far after its replica was dropped, with two unshipped writes.
pub(super) async fn with_unshipped(backend: &dyn DiskMaker) -> Site {
    let [east, _, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    delete(&*far.store, key("a", 2)).await;
    drop_replica(&east, &far).await;
    ship(&east, &far, TableId::CATALOG).await;
    assert_eq!(kept(&far, 2).await.len(), 2);
    far
}

pub(super) async fn dropped_replica_starts_over_and_keeps_unshipped_writes(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    put(&*far.store, item("a", 9, &[("color", text("new"))])).await;
    delete(&*far.store, key("a", 2)).await;
    delete(&*east.store, key("a", 1)).await;
    drop_replica(&east, &far).await;
    ship(&east, &west, TableId::CATALOG).await;
    assert!(far.store.unshipped(0, 10).await.unwrap().is_empty());
    // Regions that know of the drop accept none of the writes that it ships now.
    let mutations = read_all(&*far.store, &wants(&far, &west, TABLE)).await;
    assert_eq!(mutations.len(), 3);
    let sent = |kind| RemoteBatch {
        mutations: mutations.clone(),
        progress: vec![(TABLE, far.store.origin().clone(), u64::MAX >> 1)],
        kind,
        from: Some(far.store.region().clone()),
        ..RemoteBatch::default()
    };
    let before = (west.store.vectors(), assert_agrees(&*west.store, TABLE).await);
    for kind in [RemoteKind::Stream, RemoteKind::Copy, RemoteKind::Repair] {
        west.store.apply(sent(kind)).await.unwrap();
    }
    assert_eq!((west.store.vectors(), assert_agrees(&*west.store, TABLE).await), before);
    // Writes that the others made since may arrive before it learns of the drop. The others have
    // those themselves.
    put(&*west.store, item("a", 3, &[("color", text("later"))])).await;
    assert_eq!(ship(&west, &far, TABLE).await.newer, 1);
    let former = far.store.catalog().by_id[&TABLE].replica_epoch;
    ship(&east, &far, TableId::CATALOG).await;
    let creating = ReplicaStatus::Creating {
        from: west.store.region().clone(),
    };
    assert_eq!(status_of(&far, &far), creating);
    let table = far.store.catalog().by_name["things"].clone();
    assert!(table.held && !table.bootstrapped);
    assert_ne!(table.replica_epoch, former);
    // A copy that began before the drop ends now. It says nothing about the rows of the next copy.
    let end_of_copy = RemoteBatch {
        progress: vec![(TABLE, west.store.origin().clone(), 1)],
        kind: RemoteKind::Copy,
        replica_epoch: Some(former),
        ..RemoteBatch::default()
    };
    far.store.apply(end_of_copy).await.unwrap();
    assert!(!far.store.catalog().by_id[&TABLE].bootstrapped);
    assert_eq!(far.store.vectors()[&TABLE].get(west.store.origin()), 0);
    let unshipped = [
        (1, Some("unshipped".to_owned())),
        (2, None),
        (9, Some("new".to_owned())),
    ];
    assert_eq!(kept(&far, 3).await, unshipped);
    assert!(assert_agrees(&*far.store, TABLE).await.is_empty());
    ship(&far, &east, TableId::CATALOG).await;
    assert_eq!(status_of(&east, &far), creating);
    copy(&east, &far, TABLE).await;
    let held = assert_agrees(&*far.store, TABLE).await;
    assert_eq!(held, assert_agrees(&*east.store, TABLE).await);
    assert_eq!(
        held.keys().collect::<BTreeSet<&KeyBytes>>(),
        [&key("a", 2), &key("a", 3), &key("a", 4)].into()
    );
    let far = far.restarted();
    assert_eq!(kept(&far, 3).await, unshipped, "also after a restart");
}

/// A write waits in the committer's queue while the region learns that its replica was dropped.
pub(super) async fn write_for_a_former_replica_is_refused(backend: &dyn DiskMaker) {
    let [east, _, far] = three(backend).await;
    let epoch = |site: &Site| site.store.catalog().by_id[&TABLE].replica_epoch;
    let put_for = |replica_epoch| ItemWrite {
        replica_epoch: Some(replica_epoch),
        ..write(key("a", 1), Do::Put(item("a", 1, &[("color", text("partial"))])))
    };
    let former = epoch(&far);
    commit(&*far.store, vec![put_for(former)]).await.unwrap();
    drop_replica(&east, &far).await;
    ship(&east, &far, TableId::CATALOG).await;
    let vectors = far.store.vectors();
    // It is refused with the rest of its transaction.
    let other = write(key("b", 1), Do::Put(item("b", 1, &[])));
    for transaction in [vec![put_for(former)], vec![other, put_for(former)]] {
        let refused = commit(&*far.store, transaction).await.unwrap_err();
        assert!(
            matches!(refused, CommitError::Store(StoreError::UnknownTable(TABLE))),
            "{refused:?}"
        );
    }
    assert!(assert_agrees(&*far.store, TABLE).await.is_empty());
    assert_eq!(far.store.vectors(), vectors);
    copy(&east, &far, TABLE).await;
    assert!(commit(&*far.store, vec![put_for(former)]).await.is_err());
    commit(&*far.store, vec![put_for(epoch(&far))]).await.unwrap();
}

/// A region cannot answer the drop of its replica while its clock is far behind. Commands that are
/// decided together with that batch do not fail with it.
pub(super) async fn batch_that_cannot_be_applied_fails_alone(backend: &dyn DiskMaker) {
    let [east, _, far] = three(backend).await;
    drop_replica(&east, &far).await;
    far.clock.set(START_MS + 20_000);
    put(&*far.store, item("a", 5, &[])).await;
    far.clock.set(START_MS);
    let drops = RemoteBatch {
        mutations: read_all(&*east.store, &wants(&east, &far, TableId::CATALOG)).await,
        ..RemoteBatch::default()
    };
    let nothing = || commit(&*far.store, vec![write(key("a", 77), Do::Delete)]);
    let (first, dropped, last) = tokio::join!(nothing(), far.store.apply(drops.clone()), nothing());
    let behind = StoreError::ClockBehind(far.store.hybrid_offset());
    assert_eq!(dropped.unwrap_err(), behind);
    assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
    assert_eq!(
        status_of(&far, &far),
        ReplicaStatus::Active,
        "nothing of the batch is applied"
    );
    far.clock.set(START_MS + 19_500);
    far.store.apply(drops).await.unwrap();
    assert!(matches!(status_of(&far, &far), ReplicaStatus::Creating { .. }));
}

/// The crash and the trimming happen while the rows of the dropped replica are being removed.
pub(super) async fn unshipped_writes_survive_a_crash_and_trimming(backend: &dyn DiskMaker) {
    let [east, _, far] = three(backend).await;
    let many = (100..1400).map(|n| write(key("a", n), Do::Put(item("a", n, &[("color", text("mine"))]))));
    commit(&*far.store, many.collect()).await.unwrap();
    drop_replica(&east, &far).await;
    ship(&east, &far, TableId::CATALOG).await;
    let mut far = far;
    for _ in 0..4 {
        far.store.collect_garbage(&Acknowledged::default()).await.unwrap();
        far = far.restarted();
    }
    let everything: BTreeMap<TableId, BTreeMap<_, VersionVector>> =
        BTreeMap::from([(TABLE, BTreeMap::new()), (TableId::CATALOG, BTreeMap::new())]);
    far.store.collect_garbage(&everything.into()).await.unwrap();
    let kept = async |after| far.store.unshipped(after, 5000).await.unwrap();
    assert!(
        far.store.is_saving_unshipped() && kept(0).await.len() < 1300,
        "it continues after a restart"
    );
    while far.store.is_saving_unshipped() {
        tokio::task::yield_now().await;
    }
    let all = kept(0).await;
    assert!(all.iter().all(|write| write.write.image.is_some()));
    let keys: BTreeSet<String> = all.iter().map(|write| format!("{:?}", write.key)).collect();
    assert_eq!((all.len(), keys.len()), (1300, 1300));
    assert_eq!(kept(all[1200].id).await.len(), 99);
}

pub(super) async fn write_of_the_dropped_region_does_not_undo_the_drop(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    drop_replica(&east, &far).await;
    far.advance_ms(1000);
    edit(
        &*far.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Deleting)],
    )
    .await;
    for site in [&east, &west] {
        site.advance_ms(1000);
        ship(&far, site, TableId::CATALOG).await;
    }
    assert!(matches!(status_of(&east, &far), ReplicaStatus::Dropped { .. }));
    ship(&east, &far, TableId::CATALOG).await;
    assert!(matches!(status_of(&far, &far), ReplicaStatus::Creating { .. }));
}

/// Once it learns of the removal, the replica is gone, and its unshipped writes are kept.
pub(super) async fn dropped_replica_that_was_then_removed_keeps_its_writes(backend: &dyn DiskMaker) {
    let [east, _, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    drop_replica(&east, &far).await;
    let region = far.store.region().clone();
    let has = east.store.vectors()[&TABLE].clone();
    let status = ReplicaStatus::Dropped { has, returns: false };
    let replica = Replica {
        status,
        since_ms: START_MS,
    };
    edit(&*east.store, vec![set(TABLE, Aspect::Dropped { region, replica })]).await;
    ship(&east, &far, TableId::CATALOG).await;
    assert!(!far.store.catalog().by_id[&TABLE].held);
    assert_eq!(kept(&far, 1).await, [(1, Some("unshipped".to_owned()))]);
    ship(&far, &east, TableId::CATALOG).await;
    assert!(
        !east.store.catalog().by_id[&TABLE]
            .replicas
            .contains_key(far.store.region())
    );
}

pub(super) async fn replica_removed_by_others_keeps_its_unshipped_writes(backend: &dyn DiskMaker) {
    let [east, _, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    let aspect = AspectName::Replica(far.store.region().clone());
    edit(&*east.store, vec![Edit::Remove { table: TABLE, aspect }]).await;
    ship(&east, &far, TableId::CATALOG).await;
    let expected = [(1, Some("unshipped".to_owned())), (4, Some("shipped".to_owned()))];
    assert_eq!(
        kept(&far, 2).await,
        expected,
        "it cannot know which region has which writes"
    );
}

pub(super) async fn dropped_replica_of_a_deleted_table_continues_alone(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    drop_replica(&east, &far).await;
    edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
    ship(&east, &west, TableId::CATALOG).await;
    edit(&*west.store, vec![Edit::Drop { table: TABLE }]).await;
    ship(&west, &far, TableId::CATALOG).await;
    ship(&east, &far, TableId::CATALOG).await;
    assert_eq!(status_of(&far, &far), ReplicaStatus::Active);
    let held = assert_agrees(&*far.store, TABLE).await;
    assert_eq!(held.len(), 4);
    assert_eq!(held[&key("a", 1)].1["color"], text("unshipped"));
    assert!(far.store.unshipped(0, 10).await.unwrap().is_empty());
}

/// The others delete the table, and do not know yet that the dropped replica is back. Its rows are
/// gone by then, and no region is left to copy them from.
pub(super) async fn replica_that_can_never_be_filled_leaves(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    put(&*far.store, item("a", 1, &[("color", text("unshipped"))])).await;
    drop_replica(&east, &far).await;
    ship(&east, &far, TableId::CATALOG).await;
    ship(&east, &west, TableId::CATALOG).await;
    let leave = || Edit::Leave {
        table: TABLE,
        acknowledged: 0,
    };
    edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
    ship(&east, &far, TableId::CATALOG).await;
    edit(&*far.store, vec![leave()]).await;
    assert!(
        matches!(status_of(&far, &far), ReplicaStatus::Creating { .. }),
        "the west still has the table"
    );
    ship(&east, &west, TableId::CATALOG).await;
    edit(&*west.store, vec![Edit::Drop { table: TABLE }]).await;
    ship(&west, &far, TableId::CATALOG).await;
    assert!(matches!(status_of(&far, &far), ReplicaStatus::Creating { .. }));
    edit(&*far.store, vec![leave()]).await;
    assert!(far.store.catalog().by_id.is_empty());
    assert_eq!(kept(&far, 1).await, [(1, Some("unshipped".to_owned()))]);
    for site in [&east, &west] {
        ship(&far, site, TableId::CATALOG).await;
        assert!(site.store.catalog().by_id.is_empty());
    }
}

/// All replicas were dropped. One becomes active again, and the others start over from it.
pub(super) async fn after_mutual_drops_one_replica_continues(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    put(&*east.store, item("a", 1, &[("color", text("of the east"))])).await;
    put(&*west.store, item("a", 2, &[("color", text("of the west"))])).await;
    drop_replica(&east, &west).await;
    drop_replica(&west, &east).await;
    let acked = read_all(&*east.store, &wants(&east, &west, TableId::CATALOG)).await;
    ship(&west, &east, TableId::CATALOG).await;
    assert!(
        matches!(status_of(&east, &east), ReplicaStatus::Dropped { .. }),
        "it waits for the west"
    );
    assert_eq!(assert_agrees(&*east.store, TABLE).await.len(), 1);
    let batch = RemoteBatch {
        mutations: acked,
        ..RemoteBatch::default()
    };
    west.store.apply(batch).await.unwrap();
    assert_eq!(status_of(&west, &west), ReplicaStatus::Active);
    ship(&west, &east, TableId::CATALOG).await;
    assert!(matches!(status_of(&east, &east), ReplicaStatus::Creating { .. }));
    assert_eq!(kept(&east, 1).await, [(1, Some("of the east".to_owned()))]);
    assert_eq!(assert_agrees(&*west.store, TABLE).await.len(), 1);
}

/// Log and tombstones of the table need not wait for it.
pub(super) async fn dropped_replica_holds_back_only_catalog_tombstones(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    delete(&*east.store, key("a", 1)).await;
    ship(&east, &west, TABLE).await;
    let acked = || {
        let of = |table: TableId| {
            (
                table,
                BTreeMap::from([(west.store.region().clone(), west.store.vectors()[&table].clone())]),
            )
        };
        Acknowledged {
            keeps_tombstones: BTreeSet::from([TableId::CATALOG]),
            ..BTreeMap::from([of(TABLE), of(TableId::CATALOG)]).into()
        }
    };
    let remove_index = Edit::Remove {
        table: TABLE,
        aspect: AspectName::GlobalIndex("by_color".to_owned()),
    };
    edit(&*east.store, vec![remove_index]).await;
    ship(&east, &west, TableId::CATALOG).await;
    let catalog_rows = async || {
        let all = 0..=beringia_item::RANGES - 1;
        let rows = east.store.raw_rows(TableId::CATALOG, all, None, 25_600).await;
        rows.unwrap().len()
    };
    let definitions = catalog_rows().await;
    east.store.collect_garbage(&acked()).await.unwrap();
    assert!(
        east.store.explain(TABLE, &key("a", 1)).await.unwrap().is_some(),
        "the far region may not have the delete"
    );
    drop_replica(&east, &far).await;
    ship(&east, &west, TableId::CATALOG).await;
    east.store.collect_garbage(&acked()).await.unwrap();
    assert_eq!(east.store.explain(TABLE, &key("a", 1)).await.unwrap(), None);
    let all = all_of(east.store.origin());
    assert!(
        east.store.log_position(&all).await.unwrap().is_err(),
        "the log is trimmed"
    );
    assert_eq!(
        catalog_rows().await,
        definitions + 1,
        "including the tombstone of the removed index"
    );
    assert_agrees(&*east.store, TABLE).await;
    assert_agrees(&*east.store, TableId::CATALOG).await;
}

pub(super) async fn local_settings_and_journal_survive_rebootstraps(backend: &dyn DiskMaker) {
    let [east, west, far] = three(backend).await;
    let local = LocalSettings {
        deletion_protection: true,
        ..LocalSettings::default()
    };
    edit(&*far.store, vec![set(TABLE, Aspect::Local(local.clone()))]).await;
    let lost = put(&*far.store, item("a", 1, &[("color", text("lost"))])).await;
    east.advance_ms(5);
    let won = put(&*east.store, item("a", 1, &[("color", text("won"))])).await;
    ship(&east, &far, TABLE).await;
    for times in 1..3 {
        let journal = far.store.conflicts(Some(TABLE), 0, 10).await.unwrap();
        let versions: Vec<_> = journal
            .iter()
            .map(|entry| (&entry.winner.version, &entry.loser.version))
            .collect();
        assert_eq!(versions, [(&won, &lost)], "before drop {times}");
        assert_eq!(far.store.catalog().by_id[&TABLE].local, local);
        drop_replica(&east, &far).await;
        ship(&east, &far, TableId::CATALOG).await;
        ship(&far, &east, TableId::CATALOG).await;
        assert!(matches!(status_of(&east, &far), ReplicaStatus::Creating { .. }));
    }
    ship(&east, &west, TableId::CATALOG).await;
    copy(&east, &far, TABLE).await;
    assert_eq!(far.store.conflicts(Some(TABLE), 0, 10).await.unwrap().len(), 1);
}
