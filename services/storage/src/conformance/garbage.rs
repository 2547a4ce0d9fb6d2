//! Trimming of the log and collection of tombstones.

use std::collections::BTreeMap;

use beringia_item::{TableId, VersionVector};

use super::{DiskMaker, fixture::*};
use crate::{LogFilter, RemoteBatch, RemoteKind, ReplicaStatus};

/// By table and peer, the vector that the peer has applied.
pub(super) type PeerVectors = BTreeMap<TableId, BTreeMap<beringia_item::Region, VersionVector>>;

/// The vectors of the peers, as they acknowledged them.
pub(super) fn acknowledged(peers: &[&Site]) -> PeerVectors {
    let mut acknowledged = PeerVectors::new();
    for table in [TABLE, TableId::CATALOG] {
        for peer in peers {
            let vector = peer.store.vectors().get(&table).cloned().unwrap_or_default();
            acknowledged
                .entry(table)
                .or_default()
                .insert(peer.store.region().clone(), vector);
        }
    }
    acknowledged
}

pub(super) async fn pair(backend: &dyn DiskMaker) -> (Site, Site) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    (east, west)
}

/// Whether `site` can still serve all of its own writes from its log.
pub(super) async fn serves_all(site: &Site) -> bool {
    site.store
        .log_position(&all_of(site.store.origin()))
        .await
        .unwrap()
        .is_ok()
}

pub(super) async fn unacknowledged_records_are_kept(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    for n in 0..10 {
        put(&*east.store, item("a", n, &[])).await;
    }
    let acked = acknowledged(&[&west]);
    east.store.collect_garbage(&acked.clone().into()).await.unwrap();
    assert!(serves_all(&east).await);
    let mut missing = acked.clone();
    ship(&east, &west, TABLE).await;
    missing.remove(&TABLE);
    east.store.collect_garbage(&missing.clone().into()).await.unwrap();
    assert!(serves_all(&east).await, "a table that is missing keeps everything");
    let mut nobody = acknowledged(&[&west]);
    nobody.insert(TABLE, BTreeMap::new());
    east.store.collect_garbage(&nobody.clone().into()).await.unwrap();
    assert!(serves_all(&east).await, "a replica that is not listed keeps everything");
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    assert!(!serves_all(&east).await);
}

pub(super) async fn trimming_raises_the_low_watermark_and_changes_no_item(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let mut middle = None;
    for round in 0..3 {
        for n in 0..10 {
            middle = Some(put(&*east.store, item("a", n, &[("color", text(&format!("c{round}")))])).await);
        }
        if round < 2 {
            ship(&east, &west, TABLE).await;
        }
    }
    let before = assert_agrees(&*east.store, TABLE).await;
    let known = west.store.vectors()[&TABLE].clone();
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    for east in [&east] {
        assert_eq!(assert_agrees(&*east.store, TABLE).await, before);
    }
    let origins = vec![east.store.origin().clone()];
    let from_there = LogFilter {
        origins: origins.clone(),
        tables: BTreeMap::from([(TABLE, known.clone())]),
    };
    assert_eq!(
        read_all(&*east.store, &from_there).await.len(),
        10,
        "the records that the peer is missing are there"
    );
    let below: VersionVector = known
        .iter()
        .map(|(origin, sequence)| (origin.clone(), sequence - 1))
        .collect();
    let refused = LogFilter {
        origins: origins.clone(),
        tables: BTreeMap::from([(TABLE, below)]),
    };
    assert_eq!(
        east.store.log_position(&refused).await.unwrap(),
        Err(vec![(TABLE, origins[0].clone())])
    );
    let east = east.restarted();
    assert_eq!(assert_agrees(&*east.store, TABLE).await, before);
    assert_eq!(
        east.store.log_position(&refused).await.unwrap(),
        Err(vec![(TABLE, origins[0].clone())])
    );
    // Items whose records are below the low watermark are still found, copied and replaced.
    assert_eq!(
        east.store.mutations_of(TABLE, vec![key("a", 3)]).await.unwrap().len(),
        1
    );
    assert_eq!(ship(&east, &west, TABLE).await.newer, 10);
    assert!(middle.is_some());
}

/// A tombstone is collected once every peer has acknowledged the delete, and once the peers' own
/// writes from before that have arrived.
pub(super) async fn tombstone_stays_until_acked_and_peer_writes_arrived(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    delete(&*east.store, key("a", 1)).await;
    let tombstone = || async { east.store.explain(TABLE, &key("a", 1)).await.unwrap() };
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    assert!(tombstone().await.is_some(), "the west does not have the delete");
    // The west writes before it has received the delete, and that write is still in transit.
    put(&*west.store, item("a", 2, &[])).await;
    ship(&east, &west, TABLE).await;
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    assert!(
        tombstone().await.is_some(),
        "the west's write from before the delete has not arrived"
    );
    ship(&west, &east, TABLE).await;
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    assert_eq!(tombstone().await, None);
    let digest = east.store.digest(TABLE).await.unwrap();
    assert_eq!(
        west.store.digest(TABLE).await.unwrap().ranges,
        digest.ranges,
        "tombstones are not digested"
    );
    put(&*east.store, item("a", 1, &[])).await;
    assert_agrees(&*east.store, TABLE).await;
}

pub(super) async fn no_tombstone_is_collected_during_a_bootstrap(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    delete(&*east.store, key("a", 1)).await;
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&*east.store, vec![set_replica(TABLE, "ap-south-1", creating)]).await;
    ship(&east, &west, TABLE).await;
    ship(&east, &west, TableId::CATALOG).await;
    let far = Site::new(backend, "ap-south-1");
    ship(&east, &far, TableId::CATALOG).await;
    let mut all = acknowledged(&[&west, &far]);
    let vector = east.store.vectors()[&TABLE].clone();
    all.get_mut(&TABLE).unwrap().insert(far.store.region().clone(), vector);
    east.store.collect_garbage(&all.clone().into()).await.unwrap();
    assert!(east.store.explain(TABLE, &key("a", 1)).await.unwrap().is_some());
    edit(
        &*east.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Active)],
    )
    .await;
    ship(&east, &west, TableId::CATALOG).await;
    ship(&east, &far, TableId::CATALOG).await;
    east.store.collect_garbage(&all.clone().into()).await.unwrap();
    assert_eq!(east.store.explain(TABLE, &key("a", 1)).await.unwrap(), None);
}

/// The west may cover the delete without having applied it, since its origin lost its disk.
pub(super) async fn tombstone_stays_until_the_digests_agree(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    let before = east.store.vectors()[&TABLE].clone();
    delete(&*east.store, key("a", 1)).await;
    ship(&east, &west, TABLE).await;
    let acknowledged: crate::Acknowledged = acknowledged(&[&west]).into();
    let after = acknowledged.agreed[&TABLE][west.store.region()].clone();
    for (agreed, is_collected) in [(None, false), (Some(before), false), (Some(after), true)] {
        let mut acknowledged = acknowledged.clone();
        let by_peer = agreed.map(|vector| (west.store.region().clone(), vector));
        acknowledged.agreed.insert(TABLE, by_peer.into_iter().collect());
        east.store.collect_garbage(&acknowledged).await.unwrap();
        let tombstone = east.store.explain(TABLE, &key("a", 1)).await.unwrap();
        assert_eq!(tombstone.is_none(), is_collected);
    }
}

pub(super) async fn conflict_journal_outlives_the_log(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    put(&*west.store, item("a", 1, &[("color", text("blue"))])).await;
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    let journal = east.store.conflicts(None, 0, 10).await.unwrap();
    delete(&*east.store, key("a", 1)).await;
    ship(&east, &west, TABLE).await;
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    assert!(!serves_all(&east).await);
    assert_eq!(east.store.conflicts(None, 0, 10).await.unwrap(), journal);
    assert!(journal[0].loser.image.is_some() && journal[0].winner.image.is_some());
}

pub(super) async fn peer_below_the_low_watermark_copies_then_streams(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    for n in 0..5 {
        put(&*east.store, item("a", n, &[])).await;
    }
    delete(&*east.store, key("a", 0)).await;
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    east.store
        .collect_garbage(&acknowledged(&[&west]).into())
        .await
        .unwrap();
    let far = Site::new(backend, "ap-south-1");
    edit(
        &*east.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Active)],
    )
    .await;
    copy(&east, &far, TableId::CATALOG).await;
    assert!(
        east.store
            .log_position(&wants(&east, &far, TABLE))
            .await
            .unwrap()
            .is_err()
    );
    assert_eq!(copy(&east, &far, TABLE).await.newer, 4);
    put(&*east.store, item("a", 7, &[])).await;
    assert_eq!(ship(&east, &far, TABLE).await.newer, 1);
    assert_eq!(
        assert_agrees(&*far.store, TABLE).await,
        assert_agrees(&*east.store, TABLE).await
    );
    // Trimming also copes with rows that came by copy.
    let all = acknowledged(&[&east, &west]);
    far.store.collect_garbage(&all.clone().into()).await.unwrap();
    let repair = RemoteBatch {
        kind: RemoteKind::Repair,
        ..Default::default()
    };
    far.store.apply(repair).await.unwrap();
    assert_eq!(
        assert_agrees(&*far.store, TABLE).await,
        assert_agrees(&*east.store, TABLE).await
    );
}
