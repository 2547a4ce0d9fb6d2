//! Applying the writes of other regions.

use beringia_clock::{HybridOffset, HybridTime, WallClock};
use beringia_item::{Item, Mutation, TableId, Transaction, Version, encode_item};

use super::{DiskMaker, fixture::*};
use crate::{
    Applied, Aspect, Catalog, CommitError, ConflictRule, RemoteBatch, RemoteKind, ReplicaStatus, SchemaError,
    StoreError,
};

/// Two regions with the table in both.
async fn pair(backend: &dyn DiskMaker) -> (Site, Site) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    (east, west)
}

async fn mutations(from: &Site) -> Vec<Mutation> {
    read_all(&*from.store, &all_of(from.store.origin())).await
}

fn stream(mutations: Vec<Mutation>) -> RemoteBatch {
    RemoteBatch {
        mutations,
        ..RemoteBatch::default()
    }
}

pub(super) async fn applied_write_keeps_its_version_and_is_indexed(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    put(&*east.store, item("a", 2, &[("color", text("blue"))])).await;
    delete(&*east.store, key("a", 2)).await;
    let applied = ship(&east, &west, TABLE).await;
    assert_eq!(
        applied,
        Applied {
            newer: 3,
            ..Applied::default()
        }
    );
    assert_eq!(
        assert_agrees(&*west.store, TABLE).await,
        assert_agrees(&*east.store, TABLE).await
    );
    assert_eq!(
        west.store.digest(TABLE).await.unwrap(),
        east.store.digest(TABLE).await.unwrap()
    );
    assert_eq!(west.store.vectors()[&TABLE], east.store.vectors()[&TABLE]);
}

pub(super) async fn duplicate_delivery_is_applied_once(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    let batch = stream(mutations(&east).await);
    assert_eq!(west.store.apply(batch.clone()).await.unwrap().newer, 1);
    assert_eq!(
        west.store.apply(batch.clone()).await.unwrap(),
        Applied {
            skipped: 1,
            ..Applied::default()
        }
    );
    let copied = RemoteBatch {
        kind: RemoteKind::Copy,
        ..batch
    };
    assert_eq!(
        west.store.apply(copied).await.unwrap(),
        Applied {
            skipped: 1,
            ..Applied::default()
        }
    );
    assert_eq!(read_all(&*west.store, &all_of(east.store.origin())).await.len(), 1);
}

/// Even if this region's clock is behind.
pub(super) async fn local_write_is_newer_than_an_applied_one(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    west.clock.set(START_MS - 400);
    let remote = put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    let local = put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    assert!(local > remote);
    assert_eq!(
        ship(&west, &east, TABLE).await,
        Applied {
            newer: 1,
            ..Applied::default()
        }
    );
}

pub(super) async fn concurrent_writes_conflict_equally_in_both_regions(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let red = item("a", 1, &[("color", text("red"))]);
    let blue = item("a", 1, &[("color", text("blue"))]);
    let lost = put(&*east.store, red.clone()).await;
    west.advance_ms(5);
    east.advance_ms(5);
    let won = put(&*west.store, blue.clone()).await;
    let (to_west, to_east) = (mutations(&east).await, mutations(&west).await);
    let expected = Applied {
        stale: 1,
        conflicts: 1,
        ..Applied::default()
    };
    assert_eq!(west.store.apply(stream(to_west.clone())).await.unwrap(), expected);
    let expected = Applied {
        newer: 1,
        conflicts: 1,
        ..Applied::default()
    };
    assert_eq!(east.store.apply(stream(to_east)).await.unwrap(), expected);
    assert_eq!(
        assert_agrees(&*west.store, TABLE).await,
        assert_agrees(&*east.store, TABLE).await
    );
    for site in [&east, &west] {
        let journal = site.store.conflicts(Some(TABLE), 0, 10).await.unwrap();
        let [conflict] = journal.as_slice() else {
            panic!("{journal:?}")
        };
        assert_eq!(
            (&conflict.winner.version, &conflict.winner.image),
            (&won, &Some(blue.clone()))
        );
        assert_eq!(
            (&conflict.loser.version, &conflict.loser.image),
            (&lost, &Some(red.clone()))
        );
        assert_eq!(
            (conflict.rule, conflict.seen_ms),
            (ConflictRule::LaterTime, START_MS + 5)
        );
        assert_eq!(
            site.store
                .explain(TABLE, &key("a", 1))
                .await
                .unwrap()
                .unwrap()
                .conflicts,
            journal
        );
        assert_eq!(site.store.conflicts(None, conflict.id, 10).await.unwrap(), vec![]);
    }
    // The copy brings the winner again; the journal already has the conflict.
    let copied = RemoteBatch {
        kind: RemoteKind::Copy,
        ..stream(to_west)
    };
    assert_eq!(
        west.store.apply(copied).await.unwrap(),
        Applied {
            stale: 1,
            ..Applied::default()
        }
    );
    assert_eq!(west.store.conflicts(None, 0, 10).await.unwrap().len(), 1);
}

pub(super) async fn write_that_depends_on_the_replaced_one_is_no_conflict(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    assert_eq!(
        ship(&west, &east, TABLE).await,
        Applied {
            newer: 1,
            ..Applied::default()
        }
    );
    for site in [&east, &west] {
        assert_eq!(site.store.conflicts(None, 0, 10).await.unwrap(), vec![]);
    }
}

/// The row is ahead of the table's vector.
pub(super) async fn write_over_a_copied_row_depends_on_it(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    put(&*east.store, item("a", 1, &[])).await;
    let behind = put(&*east.store, item("a", 2, &[])).await;
    let rows = east.store.mutations_of(TABLE, vec![key("a", 2)]).await.unwrap();
    let copied = RemoteBatch {
        kind: RemoteKind::Copy,
        ..stream(rows)
    };
    west.store.apply(copied).await.unwrap();
    assert_eq!(west.store.vectors()[&TABLE].get(&behind.origin), 0);
    // The second write replaces the region's own, but still causally depends on the copied one.
    for color in ["red", "blue"] {
        put(&*west.store, item("a", 2, &[("color", text(color))])).await;
    }
    let written = mutations(&west).await;
    assert_eq!(
        written
            .iter()
            .map(|mutation| mutation.causal_context.get(&behind.origin))
            .collect::<Vec<_>>(),
        vec![behind.sequence; 2]
    );
    // The causal context of the write to the other item is just what had been applied.
    put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    assert_eq!(mutations(&west).await[2].causal_context.get(&behind.origin), 0);
    let late = ship(&east, &west, TABLE).await;
    assert_eq!(
        (late.stale, late.conflicts),
        (2, 1),
        "only the other item had two writes at once"
    );
    ship(&east, &far, TABLE).await;
    for site in [&east, &far] {
        let applied = ship(&west, site, TABLE).await;
        assert_eq!((applied.newer, applied.conflicts), (3, 1));
    }
}

pub(super) async fn write_inherits_the_causal_context_of_the_replaced_one(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    let first = put(&*east.store, item("a", 1, &[])).await;
    let unread = put(&*east.store, item("a", 2, &[])).await;
    ship(&east, &west, TABLE).await;
    put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    // The west's write arrives before the write that the west had read.
    far.store.apply(stream(mutations(&west).await)).await.unwrap();
    put(&*far.store, item("a", 1, &[("color", text("blue"))])).await;
    put(&*far.store, item("a", 2, &[("color", text("blue"))])).await;
    let written = mutations(&far).await;
    assert!(written[0].depends_on(&first));
    assert!(!written[1].depends_on(&unread), "it replaced nothing");
    let late = far.store.apply(stream(mutations(&east).await)).await.unwrap();
    assert_eq!((late.stale, late.conflicts), (2, 1));
    let journal = far.store.conflicts(Some(TABLE), 0, 10).await.unwrap();
    assert_eq!(journal[0].loser.version, unread);
}

pub(super) async fn stale_write_that_was_superseded_is_no_conflict(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    put(&*east.store, item("a", 1, &[])).await;
    let first = mutations(&east).await;
    ship(&east, &west, TABLE).await;
    put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    far.store.apply(stream(mutations(&west).await)).await.unwrap();
    let late = far.store.apply(stream(first)).await.unwrap();
    assert_eq!(
        late,
        Applied {
            stale: 1,
            ..Applied::default()
        }
    );
    assert_eq!(far.store.conflicts(None, 0, 10).await.unwrap(), vec![]);
}

pub(super) async fn concurrent_delete_and_update_converge_in_any_order(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    west.advance_ms(1);
    delete(&*west.store, key("a", 1)).await.unwrap();
    ship(&east, &west, TABLE).await;
    ship(&west, &east, TABLE).await;
    for site in [&east, &west] {
        assert!(assert_agrees(&*site.store, TABLE).await.is_empty());
        let journal = site.store.conflicts(None, 0, 10).await.unwrap();
        assert_eq!(journal[0].winner.image, None);
        assert_eq!(journal[0].loser.image, Some(item("a", 1, &[("color", text("red"))])));
    }
}

pub(super) async fn stale_write_does_not_revive_a_deleted_item(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    let late = mutations(&east).await;
    delete(&*east.store, key("a", 1)).await;
    ship(&east, &west, TABLE).await;
    let copied = RemoteBatch {
        kind: RemoteKind::Copy,
        ..stream(late)
    };
    assert_eq!(
        west.store.apply(copied).await.unwrap(),
        Applied {
            stale: 1,
            ..Applied::default()
        }
    );
    assert!(assert_agrees(&*west.store, TABLE).await.is_empty());
    let explained = west.store.explain(TABLE, &key("a", 1)).await.unwrap().unwrap();
    assert_eq!(explained.item, None);
}

/// It does not advance the clock.
pub(super) async fn write_from_too_far_in_the_future_is_quarantined(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    east.clock.set(START_MS + 501);
    put(&*east.store, item("a", 2, &[])).await;
    let batch = stream(mutations(&east).await);
    let held = west.store.apply(batch.clone()).await.unwrap_err();
    let origin = east.store.origin().clone();
    assert_eq!(
        held,
        StoreError::Quarantined {
            origin,
            ahead_ms: 501,
            limit_ms: 500
        }
    );
    assert!(
        assert_agrees(&*west.store, TABLE).await.is_empty(),
        "nothing of the batch is applied"
    );
    assert!(put(&*west.store, item("a", 9, &[])).await.time < HybridTime::from_parts(START_MS + 1, 0));
    west.clock.set(START_MS + 1);
    assert_eq!(west.store.apply(batch).await.unwrap().newer, 2);
    let next = put(&*west.store, item("a", 2, &[])).await;
    assert!(next.time > HybridTime::from_parts(START_MS + 501, 0));
}

/// The wall clock steps ahead for one write and is corrected. Peers would quarantine what the
/// region wrote until its time has come.
pub(super) async fn region_whose_clock_went_back_takes_no_writes(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    east.clock.set(START_MS + 20_000);
    put(&*east.store, item("a", 1, &[])).await;
    east.clock.set(START_MS);
    put(&*west.store, item("a", 7, &[])).await;
    let offset = HybridOffset {
        ahead_ms: 20_000,
        limit_ms: 500,
    };
    let behind = StoreError::ClockBehind(offset);
    let before = east.store.vectors();
    let mut east = east;
    for _ in 0..2 {
        let store = &*east.store;
        for what in [Do::Put(item("a", 1, &[])), Do::Delete] {
            let refused = commit(store, vec![write(key("a", 1), what)]).await.unwrap_err();
            assert!(
                matches!(&refused, CommitError::Store(error) if *error == behind),
                "{refused:?}"
            );
        }
        let change = set(TABLE, Aspect::TimeToLive(Some("expires".to_owned())));
        let change = move |_: &Catalog| Ok(vec![change.clone()]);
        let refused = store.change_schema(Box::new(change)).await;
        assert!(
            matches!(&refused, Err(SchemaError::Store(error)) if *error == behind),
            "{refused:?}"
        );
        assert_eq!(store.vectors(), before, "nothing is written");
        assert_eq!(store.hybrid_offset(), offset);
        east = east.restarted();
    }
    // It takes in what its peers write, and writes again once its clock has caught up.
    assert_eq!(ship(&west, &east, TABLE).await.newer, 1);
    east.clock.set(START_MS + 19_499);
    assert!(!east.store.hybrid_offset().is_allowed());
    assert_eq!(
        delete(&*east.store, key("a", 2)).await,
        None,
        "there is nothing to write"
    );
    let delete_it = || commit(&*east.store, vec![write(key("a", 1), Do::Delete)]);
    assert!(delete_it().await.is_err());
    east.clock.set(START_MS + 19_500);
    assert!(east.store.hybrid_offset().is_allowed());
    assert!(delete_it().await.is_ok());
}

pub(super) async fn write_to_a_table_without_a_replica_is_skipped(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    let mut batch = stream(mutations(&east).await);
    batch.mutations[0].table = TableId(77);
    batch.progress.push((TableId(77), east.store.origin().clone(), 7));
    assert_eq!(
        west.store.apply(batch.clone()).await.unwrap(),
        Applied {
            skipped: 1,
            ..Applied::default()
        }
    );
    batch.mutations[0].table = TableId::LOCAL;
    assert_eq!(
        west.store.apply(batch).await.unwrap(),
        Applied {
            skipped: 1,
            ..Applied::default()
        }
    );
}

pub(super) async fn malformed_mutation_is_refused_with_its_batch(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    put(&*east.store, item("a", 2, &[])).await;
    let good = mutations(&east).await;
    let mut torn = good.clone();
    torn[1].image = Some(bytes::Bytes::from_static(&[1, 200, 3]));
    let mut odd = good.clone();
    odd[1].transaction = Transaction {
        first: odd[1].version.sequence + 1,
        last: odd[1].version.sequence + 1,
    };
    for bad in [torn, odd] {
        let refused = west.store.apply(stream(bad)).await;
        assert!(
            matches!(refused, Err(StoreError::Malformed { table: TABLE, .. })),
            "{refused:?}"
        );
        assert!(assert_agrees(&*west.store, TABLE).await.is_empty());
    }
    assert_eq!(west.store.apply(stream(good)).await.unwrap().newer, 2);
}

/// The second of east's two mutations, with the image of this item.
fn with_image_of(good: &[Mutation], item: &Item) -> Vec<Mutation> {
    let mut bad = good.to_vec();
    bad[1].image = Some(encode_item(item));
    bad
}

/// However it arrives: it would show as a second item of that key in a scan.
pub(super) async fn mutation_of_another_items_key_is_refused(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    put(&*east.store, item("a", 2, &[])).await;
    let good = mutations(&east).await;
    let mut unsorted = item("a", 2, &[]);
    unsorted.remove("sk");
    let reasons = [
        (item("a", 1, &[]), r#"has the key {"pk":{"S":"a"},"sk":{"N":"1"}}"#),
        (unsorted, "has no key of the table: missing the key sk"),
    ];
    let apply = async |item: &Item, kind| {
        let batch = RemoteBatch {
            kind,
            ..stream(with_image_of(&good, item))
        };
        west.store.apply(batch).await
    };
    let refused = |item: &Item, reason: &str| {
        let under = r#"in table things, the item under the key {"pk":{"S":"a"},"sk":{"N":"2"}}"#;
        let what = format!("{under} {reason}");
        let origin = east.store.origin().clone();
        (
            item.clone(),
            Err(StoreError::Malformed {
                table: TABLE,
                origin,
                what,
            }),
        )
    };
    for (item, expected) in reasons.iter().map(|(item, reason)| refused(item, reason)) {
        for kind in [RemoteKind::Stream, RemoteKind::Copy] {
            assert_eq!(apply(&item, kind).await, expected, "{kind:?}");
        }
        assert!(assert_agrees(&*west.store, TABLE).await.is_empty());
    }
    assert_eq!(west.store.apply(stream(good.clone())).await.unwrap().newer, 2);
    for (item, expected) in reasons.iter().map(|(item, reason)| refused(item, reason)) {
        assert_eq!(apply(&item, RemoteKind::Repair).await, expected);
    }
    assert_eq!(assert_agrees(&*west.store, TABLE).await.len(), 2);
}

/// The table and its key schema are unknown until the batch is being applied.
pub(super) async fn mutation_is_checked_in_a_batch_that_defines_its_table(backend: &dyn DiskMaker) {
    let (east, _west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    put(&*east.store, item("a", 2, &[])).await;
    let good = mutations(&east).await;
    let far = Site::new(backend, "ap-south-1");
    let creating = ReplicaStatus::Creating {
        from: east.store.region().clone(),
    };
    edit(&*east.store, vec![set_replica(TABLE, "ap-south-1", creating)]).await;
    let apply = async |mutations: Vec<Mutation>| {
        let mut batch = rows_of(&east, TableId::CATALOG).await;
        batch.mutations.extend(mutations);
        far.store.apply(batch).await
    };
    // A change that is decided in the same group is carried out.
    let (refused, ()) = tokio::join!(
        apply(with_image_of(&good, &item("a", 1, &[]))),
        edit(&*far.store, vec![set(TableId(7), Aspect::Core(core("others", false)))])
    );
    assert!(matches!(refused, Err(StoreError::Malformed { .. })), "{refused:?}");
    assert_eq!(far.store.catalog().by_id.keys().collect::<Vec<_>>(), [&TableId(7)]);
    apply(good).await.unwrap();
    assert_eq!(assert_agrees(&*far.store, TABLE).await.len(), 2);
}

pub(super) async fn delete_under_a_damaged_key_is_refused(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    delete(&*east.store, key("a", 1)).await;
    let mut bad = mutations(&east).await;
    let mut damaged = bad[1].key.0.to_vec();
    // Another hash, and so another range of the table.
    damaged[0] ^= 1;
    bad[1].key = damaged.into();
    let refused = west.store.apply(stream(bad)).await;
    assert!(matches!(refused, Err(StoreError::Malformed { .. })), "{refused:?}");
}

pub(super) async fn region_relays_even_writes_that_lost_there(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    put(&*east.store, item("a", 1, &[])).await;
    west.advance_ms(9);
    put(&*west.store, item("a", 1, &[("color", text("red"))])).await;
    ship(&east, &west, TABLE).await;
    // East's write lost in the west. The far region still receives it, and sees the conflict
    // itself.
    let applied = ship(&west, &far, TABLE).await;
    assert_eq!((applied.newer + applied.stale, applied.conflicts), (2, 1));
    assert_eq!(far.store.vectors()[&TABLE], west.store.vectors()[&TABLE]);
    assert_eq!(far.store.conflicts(None, 0, 9).await.unwrap().len(), 1);
}

/// They are applied, relayed and stored under that shard.
pub(super) async fn writes_of_another_shard_keep_their_origin(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    for n in 1..5 {
        put(&*east.store, item("a", n, &[("color", text("red"))])).await;
    }
    // The second half is attributed to another shard, which gave it the sequences of the first.
    let shard = origin("us-east-1/3");
    let mut written = mutations(&east).await;
    for place in [2, 3] {
        written[place].version.origin = shard.clone();
        written[place].version.sequence = written[place - 2].version.sequence;
        written[place].transaction = written[place - 2].transaction;
    }
    let (first, second) = (&written[..2], &written[2..]);
    let complete = second[1].version.sequence + 7;
    let batch = RemoteBatch {
        progress: vec![(TABLE, shard.clone(), complete)],
        ..stream(written.clone())
    };
    assert_eq!(west.store.apply(batch.clone()).await.unwrap().newer, 4);
    let check = async |site: &Site| {
        let vector = &site.store.vectors()[&TABLE];
        assert_eq!(vector.get(&shard), complete);
        assert_eq!(vector.get(east.store.origin()), first[1].version.sequence);
        assert_eq!(read_all(&*site.store, &all_of(&shard)).await, second);
        assert_eq!(read_all(&*site.store, &all_of(east.store.origin())).await, first);
        let held = assert_agrees(&*site.store, TABLE).await;
        let versions: Vec<_> = held.values().map(|(version, _)| version).collect();
        assert_eq!(
            versions,
            written.iter().map(|mutation| &mutation.version).collect::<Vec<_>>()
        );
    };
    check(&west).await;
    let west = west.restarted();
    check(&west).await;
    let again = west.store.apply(batch).await.unwrap();
    assert_eq!((again.newer, again.skipped), (0, 4));
    put(&*west.store, item("a", 3, &[("color", text("blue"))])).await;
    let local = mutations(&west).await.remove(0);
    assert!(local.depends_on(&second[1].version) && local.depends_on(&first[1].version));
    let relayed = ship(&west, &far, TABLE).await;
    assert_eq!((relayed.newer, relayed.conflicts), (5, 0));
    assert_eq!(read_all(&*far.store, &all_of(&shard)).await, second);
    assert_eq!(
        far.store.digest(TABLE).await.unwrap().ranges,
        west.store.digest(TABLE).await.unwrap().ranges
    );
}

/// The low watermark rises with it.
pub(super) async fn only_progress_of_a_copy_advances_the_vector(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let far = Site::new(backend, "ap-south-1");
    ship(&east, &far, TableId::CATALOG).await;
    edit(
        &*east.store,
        vec![set_replica(TABLE, "ap-south-1", ReplicaStatus::Active)],
    )
    .await;
    ship(&east, &far, TableId::CATALOG).await;
    assert!(
        !far.store.catalog().by_id[&TABLE].bootstrapped,
        "a table known from the catalog must be copied first"
    );
    let version = put(&*east.store, item("a", 1, &[])).await;
    let keys = vec![key("a", 1), key("a", 2)];
    let rows = east.store.mutations_of(TABLE, keys).await.unwrap();
    assert_eq!(rows, mutations(&east).await, "keys without a row are left out");
    let mut batch = RemoteBatch {
        kind: RemoteKind::Copy,
        ..stream(rows)
    };
    assert_eq!(far.store.apply(batch.clone()).await.unwrap().newer, 1);
    assert_eq!(far.store.vectors()[&TABLE].iter().count(), 0);
    assert!(!far.store.catalog().by_id[&TABLE].bootstrapped);
    batch.progress.push((TABLE, version.origin.clone(), version.sequence));
    assert_eq!(far.store.apply(batch).await.unwrap().skipped, 1);
    assert!(far.store.vectors()[&TABLE].covers(&version));
    assert!(far.store.catalog().by_id[&TABLE].bootstrapped);
    let refused = far.store.log_position(&wants(&far, &west, TABLE)).await.unwrap();
    assert_eq!(refused, Err(vec![(TABLE, version.origin.clone())]));
    // The stream continues from there, and can be served from there.
    put(&*east.store, item("a", 2, &[])).await;
    ship(&east, &far, TABLE).await;
    let mut filter = all_of(&version.origin);
    filter.tables.insert(
        TABLE,
        [(version.origin.clone(), version.sequence)].into_iter().collect(),
    );
    assert_eq!(read_all(&*far.store, &filter).await.len(), 1);
    let far = far.restarted();
    assert!(far.store.catalog().by_id[&TABLE].bootstrapped);
    assert_eq!(
        far.store.log_position(&wants(&far, &west, TABLE)).await.unwrap(),
        refused
    );
}

/// It keeps rows that were written since.
pub(super) async fn copy_removes_rows_that_its_source_has_collected(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let old = put(&*east.store, item("a", 1, &[("color", text("red"))])).await;
    let kept = put(&*east.store, item("a", 2, &[])).await;
    ship(&east, &west, TABLE).await;
    put(&*west.store, item("a", 2, &[("color", text("blue"))])).await;
    let obsolete = vec![
        (
            TABLE,
            key("a", 1),
            fingerprint(old, &item("a", 1, &[("color", text("red"))])),
        ),
        (TABLE, key("a", 2), fingerprint(kept.clone(), &item("a", 2, &[]))),
        (TABLE, key("a", 3), fingerprint(kept, &item("a", 3, &[]))),
    ];
    let batch = RemoteBatch {
        obsolete,
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    west.store.apply(batch.clone()).await.unwrap();
    let left = assert_agrees(&*west.store, TABLE).await;
    assert_eq!(left.into_keys().collect::<Vec<_>>(), vec![key("a", 2)]);
    assert_eq!(
        west.store.explain(TABLE, &key("a", 1)).await.unwrap(),
        None,
        "not even a tombstone remains"
    );
    let east_before = assert_agrees(&*east.store, TABLE).await;
    east.store
        .apply(RemoteBatch {
            kind: RemoteKind::Stream,
            ..batch
        })
        .await
        .unwrap();
    assert_eq!(assert_agrees(&*east.store, TABLE).await, east_before);
}

pub(super) async fn copied_and_then_streamed_writes_can_be_relayed(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    put(&*east.store, item("a", 1, &[])).await;
    let batch = stream(mutations(&east).await);
    west.store
        .apply(RemoteBatch {
            kind: RemoteKind::Copy,
            ..batch.clone()
        })
        .await
        .unwrap();
    assert_eq!(read_all(&*west.store, &all_of(east.store.origin())).await, vec![]);
    assert_eq!(
        west.store.apply(batch.clone()).await.unwrap(),
        Applied {
            skipped: 1,
            ..Applied::default()
        }
    );
    assert_eq!(
        read_all(&*west.store, &all_of(east.store.origin())).await,
        batch.mutations
    );
}

pub(super) async fn repair_applies_only_what_the_vector_covers(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let old = put(&*east.store, item("a", 1, &[])).await;
    put(&*east.store, item("a", 2, &[])).await;
    let mutations = mutations(&east).await;
    let progress = vec![(TABLE, old.origin.clone(), old.sequence)];
    west.store
        .apply(RemoteBatch {
            progress,
            ..RemoteBatch::default()
        })
        .await
        .unwrap();
    let repair = RemoteBatch {
        kind: RemoteKind::Repair,
        ..stream(mutations)
    };
    let expected = Applied {
        newer: 1,
        skipped: 1,
        ..Applied::default()
    };
    assert_eq!(west.store.apply(repair).await.unwrap(), expected);
    assert_eq!(west.store.vectors()[&TABLE].get(&old.origin), old.sequence);
    assert_eq!(scan(&*west.store, None).await.rows.len(), 1);
}

pub(super) async fn region_that_lost_its_disk_reuses_no_sequence(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let last = put(&*east.store, item("a", 1, &[])).await;
    ship(&east, &west, TABLE).await;
    let empty = Site::new(backend, "us-east-1");
    // Its wall clock is behind that of its former self.
    empty.clock.set(START_MS - 400);
    copy(&west, &empty, TableId::CATALOG).await;
    assert!(
        !empty.store.catalog().by_id[&TABLE].bootstrapped,
        "the table must be copied, regardless of its replica's status"
    );
    assert_eq!(copy(&west, &empty, TABLE).await.newer, 1);
    assert!(empty.store.catalog().by_id[&TABLE].bootstrapped);
    let next = put(&*empty.store, item("a", 1, &[])).await;
    assert!(next > last && next.sequence > last.sequence);
}

pub(super) async fn equal_times_are_decided_by_region_everywhere(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend).await;
    let version = |origin: &Site, sequence| Version {
        time: HybridTime::from_parts(START_MS, 7),
        origin: origin.store.origin().clone(),
        sequence,
    };
    let mutation = |version: Version, color| Mutation {
        table: TABLE,
        key: key("a", 1),
        transaction: Transaction {
            first: version.sequence,
            last: version.sequence,
        },
        causal_context: beringia_item::VersionVector::default(),
        image: Some(encode_item(&item("a", 1, &[("color", text(color))]))),
        metadata: None,
        cause: beringia_item::Cause::TimeToLive,
        version,
    };
    let far = Site::new(backend, "ap-south-1");
    add_replica(&east, &far).await;
    let both = [mutation(version(&east, 5), "red"), mutation(version(&west, 9), "blue")];
    far.store.apply(stream(both.to_vec())).await.unwrap();
    let journal = far.store.conflicts(None, 0, 9).await.unwrap();
    assert_eq!(journal[0].rule, ConflictRule::GreaterRegion);
    assert_eq!(journal[0].winner.version, version(&east, 5));
    let rows = far.store.mutations_of(TABLE, vec![key("a", 1)]).await.unwrap();
    assert_eq!(rows, both[..1], "the whole mutation is stored");
    assert_eq!(far.clock.now_ms(), START_MS);
}
