//! Tables and indexes are created, changed and removed with their definitions.

use std::collections::BTreeMap;

use beringia_item::TableId;

use super::{DiskMaker, fixture::*};
use crate::{
    Aspect, AspectName, Catalog, Core, Edit, EncryptionKey, IndexState, LocalSettings, RemoteBatch, RemoteKind,
    ReplicaStatus, SchemaError, StoreError, Throughput,
};

/// Waits until the global index has this state, or is gone.
async fn index_is(site: &Site, wanted: Option<IndexState>) {
    loop {
        let mut changed = std::pin::pin!(site.store.catalog_changed().notified());
        changed.as_mut().enable();
        let table = site.store.catalog().by_id[&TABLE].clone();
        if table.global_indexes.get("by_color").map(|(_, state)| *state) == wanted {
            return;
        }
        changed.await;
    }
}

pub(super) async fn catalog_contains_all_aspects_also_after_a_restart(backend: &dyn DiskMaker) {
    let mut site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    let settings = LocalSettings {
        deletion_protection: true,
        tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
    };
    let throughput = Throughput::Provisioned {
        read_units: 5,
        write_units: 6,
    };
    let edits = vec![
        set(TABLE, Aspect::Local(settings.clone())),
        set(TABLE, Aspect::Throughput(throughput)),
        set(TABLE, Aspect::Encryption(Some(EncryptionKey::Managed))),
    ];
    edit(&*site.store, edits).await;
    for _ in 0..2 {
        let table = site.store.catalog().by_name["things"].clone();
        assert_eq!((table.id, &table.core), (TABLE, &core("things", true)));
        assert_eq!((&table.local, table.throughput), (&settings, throughput));
        assert_eq!(table.encryption, Some(EncryptionKey::Managed));
        assert!(table.held && table.bootstrapped && !table.is_global());
        assert_eq!(table.global_indexes["by_color"], (by_color(), IndexState::Active));
        site = site.restarted();
    }
}

pub(super) async fn refused_schema_change_returns_the_callers_reason(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    let refused = site.store.change_schema(Box::new(|catalog: &Catalog| {
        assert!(catalog.by_name.is_empty());
        Err("not today".into())
    }));
    let Err(SchemaError::Refused(reason)) = refused.await else {
        panic!("it was not refused")
    };
    assert_eq!(reason.to_string(), "not today");
}

pub(super) async fn inconsistent_definitions_are_refused(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    let bad = [
        vec![set(TableId(7), Aspect::Core(core("things", false)))],
        vec![set(TableId(7), Aspect::Throughput(Throughput::OnDemand))],
        vec![set(TABLE, Aspect::Core(core("others", false)))],
        vec![
            Edit::Remove {
                table: TABLE,
                aspect: AspectName::Core,
            },
            set_index(TABLE),
        ],
    ];
    for edits in bad {
        let shown = format!("{edits:?}");
        let refused = site
            .store
            .change_schema(Box::new(move |_: &Catalog| Ok(edits.clone())))
            .await;
        assert!(
            matches!(refused, Err(SchemaError::Store(StoreError::Definition(_)))),
            "{shown}: {refused:?}"
        );
    }
    assert_eq!(site.store.catalog().by_id.len(), 1);
}

pub(super) async fn dropping_a_table_frees_its_name_in_the_same_change(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    put(&*site.store, item("a", 1, &[])).await;
    let edits = vec![
        Edit::Drop { table: TABLE },
        set(TableId(7), Aspect::Core(core("things", false))),
    ];
    edit(&*site.store, edits).await;
    let catalog = site.store.catalog();
    assert_eq!(catalog.by_name["things"].id, TableId(7));
    assert_eq!(catalog.by_id.len(), 1);
    assert_eq!(catalog.by_name["things"].size.items(), 0);
}

/// Its local settings stay in their region.
pub(super) async fn first_replica_makes_a_table_global(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_table(&*east.store, true).await;
    edit(
        &*east.store,
        vec![set(
            TABLE,
            Aspect::Local(LocalSettings {
                deletion_protection: true,
                ..Default::default()
            }),
        )],
    )
    .await;
    ship(&east, &west, TableId::CATALOG).await;
    assert!(
        west.store.catalog().by_id.is_empty(),
        "a regional table stays in its region"
    );
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&*east.store, vec![set_replica(TABLE, "eu-west-1", creating.clone())]).await;
    let table = east.store.catalog().by_name["things"].clone();
    assert_eq!(table.replicas[east.store.region()].status, ReplicaStatus::Active);
    ship(&east, &west, TableId::CATALOG).await;
    let there = west.store.catalog().by_name["things"].clone();
    assert_eq!(there.replicas, table.replicas);
    assert_eq!(there.core, table.core);
    assert_eq!(there.global_indexes, table.global_indexes);
    assert!(there.held && !there.bootstrapped);
    assert!(table.local.deletion_protection && !there.local.deletion_protection);
    let east = east.restarted();
    assert_eq!(east.store.catalog().by_name["things"].replicas, table.replicas);
    assert_eq!(
        assert_agrees(&*east.store, TableId::CATALOG).await,
        assert_agrees(&*west.store, TableId::CATALOG).await
    );
}

pub(super) async fn region_without_a_replica_keeps_only_the_definition(backend: &dyn DiskMaker) {
    let (east, west, far) = (
        Site::new(backend, "us-east-1"),
        Site::new(backend, "eu-west-1"),
        Site::new(backend, "ap-south-1"),
    );
    create_global_table(&[&east, &west], false).await;
    ship(&east, &far, TableId::CATALOG).await;
    let catalog = far.store.catalog();
    assert!(catalog.by_name.is_empty() && !catalog.by_id[&TABLE].held);
    assert_eq!(far.store.vectors().keys().collect::<Vec<_>>(), vec![&TableId::CATALOG]);
    put(&*east.store, item("a", 1, &[])).await;
    let mutations = read_all(&*east.store, &all_of(east.store.origin())).await;
    assert_eq!(
        far.store
            .apply(RemoteBatch {
                mutations,
                ..Default::default()
            })
            .await
            .unwrap()
            .skipped,
        1
    );
}

pub(super) async fn concurrent_changes_of_different_aspects_both_survive(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    let throughput = Throughput::Provisioned {
        read_units: 5,
        write_units: 6,
    };
    edit(&*east.store, vec![set(TABLE, Aspect::Throughput(throughput))]).await;
    edit(&*west.store, vec![set_index(TABLE)]).await;
    ship(&east, &west, TableId::CATALOG).await;
    ship(&west, &east, TableId::CATALOG).await;
    for site in [&east, &west] {
        let table = site.store.catalog().by_name["things"].clone();
        assert_eq!(table.throughput, throughput);
        assert!(table.global_indexes.contains_key("by_color"));
    }
    let digest = east.store.digest(TableId::CATALOG).await.unwrap();
    assert_eq!(west.store.digest(TableId::CATALOG).await.unwrap(), digest);
}

/// The reason reaches all regions, and the replica is created once the name is free.
pub(super) async fn replica_fails_where_its_name_is_taken(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    edit(&*west.store, vec![set(TableId(7), Aspect::Core(core("things", false)))]).await;
    create_table(&*east.store, false).await;
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&*east.store, vec![set_replica(TABLE, "eu-west-1", creating.clone())]).await;
    ship(&east, &west, TableId::CATALOG).await;
    assert_eq!(west.store.catalog().by_name["things"].id, TableId(7));
    assert!(!west.store.catalog().by_id[&TABLE].held);
    ship(&west, &east, TableId::CATALOG).await;
    let status = &east.store.catalog().by_id[&TABLE].replicas[west.store.region()].status;
    let ReplicaStatus::CreationFailed { reason } = status else {
        panic!("{status:?}")
    };
    assert!(reason.contains("things"), "{reason}");
    // Once the name is free, the replica is created without a further request.
    edit(&*west.store, vec![Edit::Drop { table: TableId(7) }]).await;
    let there = west.store.catalog().by_name["things"].clone();
    assert_eq!((there.id, there.held, there.bootstrapped), (TABLE, true, false));
    ship(&west, &east, TableId::CATALOG).await;
    assert_eq!(status_in(&east, TABLE, &west), creating);
}

/// The status of a replica, as one region sees it.
fn status_in(site: &Site, table: TableId, of: &Site) -> ReplicaStatus {
    site.store.catalog().by_id[&table].replicas[of.store.region()]
        .status
        .clone()
}

/// Another table with the same name as the tests' table.
const NAMESAKE: TableId = TableId(7);

fn creating_from(site: &Site) -> ReplicaStatus {
    ReplicaStatus::Creating {
        from: site.store.region().clone(),
    }
}

/// Creates the table in one region, with replicas in others that have not received the definition
/// yet.
async fn create_with_replicas(at: &Site, id: TableId, created_ms: u64, others: &[&Site]) {
    let core = Core {
        created_ms,
        ..core("things", false)
    };
    edit(&*at.store, vec![set(id, Aspect::Core(core))]).await;
    for other in others {
        let name = other.store.region().as_str();
        edit(&*at.store, vec![set_replica(id, name, creating_from(at))]).await;
    }
}

/// A table is deleted and created again. The region adopts the new one, whether it receives the
/// removal of the old table or the new definition first.
pub(super) async fn recreated_table_wins_in_any_order_of_arrival(backend: &dyn DiskMaker) {
    for new_first in [false, true] {
        let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
        create_global_table(&[&east, &west], false).await;
        put(&*west.store, item("a", 1, &[])).await;
        let aspect = AspectName::Replica(west.store.region().clone());
        edit(&*east.store, vec![Edit::Remove { table: TABLE, aspect }]).await;
        edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
        let ended = east.store.vectors()[&TableId::CATALOG].get(east.store.origin());
        create_with_replicas(&east, NAMESAKE, START_MS + 1, &[&west]).await;
        let news = read_all(&*east.store, &wants(&east, &west, TableId::CATALOG)).await;
        let (end, new): (Vec<_>, Vec<_>) = news.into_iter().partition(|write| write.version.sequence <= ended);
        let order = if new_first { [new, end] } else { [end, new] };
        for mutations in order {
            let batch = RemoteBatch {
                mutations,
                kind: RemoteKind::Copy,
                ..RemoteBatch::default()
            };
            west.store.apply(batch).await.unwrap();
        }
        let catalog = west.store.catalog();
        let there = &catalog.by_name["things"];
        assert_eq!((there.id, there.held, there.bootstrapped), (NAMESAKE, true, false));
        assert_eq!(status_in(&west, NAMESAKE, &west), creating_from(&east));
        assert!(assert_agrees(&*west.store, NAMESAKE).await.is_empty());
        assert_eq!(catalog.by_id.len(), 1);
        let west = west.restarted();
        assert_eq!(west.store.catalog().by_name["things"].id, NAMESAKE);
    }
}

/// A region that lost its disk had dropped the previous table of the same name itself. It does not
/// fail the new replica, but waits until its own drop has come back to it.
pub(super) async fn region_without_disk_waits_for_its_own_earlier_drop(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
    edit(
        &*east.store,
        vec![set_replica(TABLE, "eu-west-1", ReplicaStatus::Deleting)],
    )
    .await;
    ship(&east, &west, TableId::CATALOG).await;
    edit(&*west.store, vec![Edit::Drop { table: TABLE }]).await;
    ship(&west, &east, TableId::CATALOG).await;
    create_with_replicas(&east, NAMESAKE, START_MS + 1, &[&west]).await;
    let west = Site::new(backend, "eu-west-1");
    // The writes of others arrive first. Its own arrive later, through a relay.
    ship(&east, &west, TableId::CATALOG).await;
    assert_eq!(
        status_in(&west, NAMESAKE, &west),
        creating_from(&east),
        "it has not failed"
    );
    let mut own = wants(&east, &west, TableId::CATALOG);
    own.origins = vec![west.store.origin().clone()];
    let mutations = read_all(&*east.store, &own).await;
    let batch = RemoteBatch {
        mutations,
        ..RemoteBatch::default()
    };
    west.store.apply(batch).await.unwrap();
    assert_eq!(west.store.catalog().by_name["things"].id, NAMESAKE);
    assert_eq!(west.store.catalog().by_id.len(), 1);
}

/// Each region keeps its own table, and marks the other's replica as failed.
pub(super) async fn concurrent_tables_of_one_name_stay_in_their_regions(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_with_replicas(&east, TABLE, START_MS, &[&west]).await;
    create_with_replicas(&west, NAMESAKE, START_MS + 1, &[&east]).await;
    put(&*east.store, item("a", 1, &[])).await;
    for _ in 0..2 {
        ship(&east, &west, TableId::CATALOG).await;
        ship(&west, &east, TableId::CATALOG).await;
    }
    let failed = |status: ReplicaStatus| matches!(status, ReplicaStatus::CreationFailed { .. });
    for site in [&east, &west] {
        assert!(failed(status_in(site, TABLE, &west)) && failed(status_in(site, NAMESAKE, &east)));
        assert_eq!(status_in(site, TABLE, &east), ReplicaStatus::Active);
        assert_eq!(status_in(site, NAMESAKE, &west), ReplicaStatus::Active);
    }
    assert_eq!(east.store.catalog().by_name["things"].id, TABLE);
    assert_eq!(west.store.catalog().by_name["things"].id, NAMESAKE);
    assert_eq!(assert_agrees(&*east.store, TABLE).await.len(), 1);
    // Once one of the two tables is dropped, the other gets its replicas everywhere.
    edit(&*west.store, vec![Edit::Drop { table: NAMESAKE }]).await;
    ship(&west, &east, TableId::CATALOG).await;
    for site in [&east, &west] {
        assert_eq!(site.store.catalog().by_id.len(), 1);
        assert_eq!(site.store.catalog().by_name["things"].id, TABLE);
        assert_eq!(status_in(site, TABLE, &west), creating_from(&east));
    }
}

/// Two tables of one name are new to a region. It adopts the one whose replica is active, or else
/// the older one, in any order of arrival.
pub(super) async fn region_adopts_active_or_else_older_table_of_a_name(backend: &dyn DiskMaker) {
    let third = "ap-south-1";
    for (active, expected) in [(None, TABLE), (Some(NAMESAKE), NAMESAKE)] {
        for east_first in [false, true] {
            let (east, west, far) = (
                Site::new(backend, "us-east-1"),
                Site::new(backend, "eu-west-1"),
                Site::new(backend, third),
            );
            create_with_replicas(&east, TABLE, START_MS, &[&far]).await;
            create_with_replicas(&west, NAMESAKE, START_MS + 1, &[&far]).await;
            if let Some(active) = active {
                let at = if active == TABLE { &east } else { &west };
                edit(&*at.store, vec![set_replica(active, third, ReplicaStatus::Active)]).await;
            }
            let order = if east_first { [&east, &west] } else { [&west, &east] };
            for from in order {
                ship(from, &far, TableId::CATALOG).await;
            }
            assert_eq!(far.store.catalog().by_name["things"].id, expected);
            let other = if expected == TABLE { NAMESAKE } else { TABLE };
            assert!(matches!(
                status_in(&far, other, &far),
                ReplicaStatus::CreationFailed { .. }
            ));
            assert!(!far.store.catalog().by_id[&other].held);
        }
    }
}

pub(super) async fn removed_replica_returns_empty(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    ship(&east, &west, TABLE).await;
    edit(&*west.store, vec![set(TABLE, Aspect::Local(LocalSettings::default()))]).await;
    let replica = AspectName::Replica(west.store.region().clone());
    edit(
        &*east.store,
        vec![Edit::Remove {
            table: TABLE,
            aspect: replica,
        }],
    )
    .await;
    ship(&east, &west, TableId::CATALOG).await;
    assert!(!west.store.catalog().by_id[&TABLE].held);
    assert_eq!(
        west.store.get(TABLE, &key("a", 1)).await,
        Err(StoreError::UnknownTable(TABLE))
    );
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&*east.store, vec![set_replica(TABLE, "eu-west-1", creating)]).await;
    ship(&east, &west, TableId::CATALOG).await;
    let table = west.store.catalog().by_name["things"].clone();
    assert!(table.held && !table.bootstrapped);
    assert!(assert_agrees(&*west.store, TABLE).await.is_empty());
    assert_eq!(west.store.vectors()[&TABLE].iter().count(), 0);
    let west = west.restarted();
    assert!(assert_agrees(&*west.store, TABLE).await.is_empty());
}

/// Even if the store decides the write and the removal of the replica in one group.
pub(super) async fn leaving_replica_stays_for_an_unacked_write(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    let leave = |acknowledged| {
        let table = TABLE;
        edit(&*east.store, vec![Edit::Leave { table, acknowledged }])
    };
    leave(u64::MAX).await;
    assert!(
        east.store.catalog().by_id[&TABLE].held,
        "an active replica does not leave"
    );
    let acked = put(&*east.store, item("a", 1, &[])).await;
    let deleting = set_replica(TABLE, "us-east-1", ReplicaStatus::Deleting);
    edit(&*east.store, vec![deleting]).await;
    let (unacked, ()) = tokio::join!(put(&*east.store, item("a", 2, &[])), leave(acked.sequence));
    assert!(east.store.catalog().by_id[&TABLE].held);
    assert_eq!(
        east.store.get(TABLE, &key("a", 2)).await.unwrap(),
        Some((unacked.clone(), item("a", 2, &[])))
    );
    leave(unacked.sequence).await;
    assert!(!east.store.vectors().contains_key(&TABLE));
}

pub(super) async fn last_region_that_drops_a_table_removes_its_definition(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    edit(&*east.store, vec![Edit::Drop { table: TABLE }]).await;
    assert!(!east.store.catalog().by_id[&TABLE].held);
    ship(&east, &west, TableId::CATALOG).await;
    assert_eq!(west.store.catalog().by_id[&TABLE].replicas.len(), 1);
    edit(&*west.store, vec![Edit::Drop { table: TABLE }]).await;
    assert!(west.store.catalog().by_id.is_empty());
    ship(&west, &east, TableId::CATALOG).await;
    assert!(east.store.catalog().by_id.is_empty());
}

async fn thousand_colors(site: &Site, table_indexed: bool) {
    create_table(&*site.store, table_indexed).await;
    for n in 0..1000 {
        put(
            &*site.store,
            item(
                if n % 2 == 0 { "a" } else { "b" },
                n,
                &[("color", text(&format!("c{}", n % 7)))],
            ),
        )
        .await;
    }
}

pub(super) async fn new_index_is_filled_during_writes(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    thousand_colors(&site, false).await;
    edit(&*site.store, vec![set_index(TABLE)]).await;
    assert_eq!(
        site.store.catalog().by_id[&TABLE].global_indexes["by_color"].1,
        IndexState::Backfilling
    );
    for n in [0, 1, 500, 998, 999] {
        put(
            &*site.store,
            item(if n % 2 == 0 { "a" } else { "b" }, n, &[("color", text("new"))]),
        )
        .await;
        delete(&*site.store, key("a", n + 2)).await;
    }
    index_is(&site, Some(IndexState::Active)).await;
    assert_agrees(&*site.store, TABLE).await;
}

pub(super) async fn filling_an_index_continues_after_a_crash(backend: &dyn DiskMaker) {
    let mut site = Site::new(backend, "us-east-1");
    thousand_colors(&site, false).await;
    edit(&*site.store, vec![set_index(TABLE)]).await;
    for n in 0..3 {
        site = site.restarted();
        put(&*site.store, item("a", n * 2, &[("color", text("new"))])).await;
    }
    index_is(&site, Some(IndexState::Active)).await;
    let site = site.restarted();
    assert_eq!(
        site.store.catalog().by_id[&TABLE].global_indexes["by_color"].1,
        IndexState::Active
    );
    assert_agrees(&*site.store, TABLE).await;
}

pub(super) async fn removed_index_is_listed_until_gone_and_can_return(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    thousand_colors(&site, true).await;
    let remove = Edit::Remove {
        table: TABLE,
        aspect: AspectName::GlobalIndex("by_color".to_owned()),
    };
    edit(&*site.store, vec![remove]).await;
    index_is(&site, Some(IndexState::Deleting)).await;
    let site = site.restarted();
    index_is(&site, None).await;
    edit(&*site.store, vec![set_index(TABLE)]).await;
    index_is(&site, Some(IndexState::Active)).await;
    assert_agrees(&*site.store, TABLE).await;
}

pub(super) async fn unknown_catalog_aspects_are_kept_and_relayed(backend: &dyn DiskMaker) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], false).await;
    let mut filter = all_of(east.store.origin());
    filter.tables = BTreeMap::from([(TableId::CATALOG, Default::default())]);
    let known = read_all(&*east.store, &filter).await;
    let mut strange = known[0].clone();
    let mut thing = beringia_item::decode_item(strange.image.as_ref().unwrap()).unwrap();
    thing.insert("a".to_owned(), text("replica/Not A Region"));
    strange.image = Some(beringia_item::encode_item(&thing));
    strange.key = beringia_item::KeySchema {
        partition: vec![beringia_item::KeyPart {
            name: "t".to_owned(),
            kind: beringia_item::KeyType::B,
        }],
        sort: vec![beringia_item::KeyPart {
            name: "a".to_owned(),
            kind: beringia_item::KeyType::S,
        }],
    }
    .key_of(&thing)
    .unwrap();
    strange.version.origin = origin("mars");
    let batch = RemoteBatch {
        mutations: vec![strange.clone()],
        kind: RemoteKind::Stream,
        ..Default::default()
    };
    assert_eq!(west.store.apply(batch).await.unwrap().newer, 1);
    let west = west.restarted();
    assert_eq!(
        west.store
            .mutations_of(TableId::CATALOG, vec![strange.key.clone()])
            .await
            .unwrap(),
        vec![strange]
    );
    assert_eq!(west.store.catalog().by_id.len(), 1);
}

pub(super) async fn schema_change_returns_the_catalog_right_after_it(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    let create = |_: &Catalog| Ok(vec![set(TABLE, Aspect::Core(core("things", true))), set_index(TABLE)]);
    let drop = |_: &Catalog| Ok(vec![Edit::Drop { table: TABLE }]);
    // Both wait for the committer, which carries them out in one group.
    let (created, dropped) = tokio::join!(
        site.store.change_schema(Box::new(create)),
        site.store.change_schema(Box::new(drop))
    );
    assert_eq!(created.unwrap().by_name["things"].id, TABLE);
    assert!(dropped.unwrap().by_name.is_empty());
    assert!(site.store.catalog().by_name.is_empty());
}
