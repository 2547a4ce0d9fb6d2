//! The index by expiry time, and deletes of expired items.

use beringia_item::{Cause, Item};

use super::{DiskMaker, fixture::*};
use crate::{Aspect, EXPIRY_INDEX, ItemWrite, RangeRead, StoreError};

fn expires(attribute: Option<&str>) -> Vec<crate::Edit> {
    vec![set(TABLE, Aspect::TimeToLive(attribute.map(str::to_owned)))]
}

fn until(pk: &str, at: u64) -> Item {
    item(pk, 1, &[("until", number(at))])
}

/// The partition keys in the index by expiry time, in its order.
async fn in_order(site: &Site) -> Vec<String> {
    let rows = scan(&*site.store, Some(EXPIRY_INDEX)).await.rows;
    let name = |item: &Item| match &item["pk"] {
        beringia_item::AttributeValue::S(name) => name.clone(),
        other => panic!("{other:?} is not a string"),
    };
    rows.iter().map(|row| name(&row.item)).collect()
}

async fn expire(site: &Site, pk: &str) {
    let write = ItemWrite {
        cause: Cause::TimeToLive,
        ..write(key(pk, 1), Do::Delete)
    };
    commit(&*site.store, vec![write]).await.unwrap();
}

pub(super) async fn expiry_index_orders_items_over_all_partitions(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, true).await;
    edit(&*site.store, expires(Some("until"))).await;
    for (pk, at) in [("c", 30), ("a", 1_700_000_000), ("d", 5), ("b", 200)] {
        put(&*site.store, until(pk, at)).await;
    }
    put(&*site.store, item("text", 1, &[("until", text("7"))])).await;
    put(&*site.store, item("nothing", 1, &[])).await;
    assert_eq!(in_order(&site).await, ["d", "c", "b", "a"]);
    put(&*site.store, until("d", 1000)).await;
    put(&*site.store, item("c", 1, &[])).await;
    delete(&*site.store, key("a", 1)).await;
    assert_eq!(in_order(&site).await, ["b", "d"]);
    assert_agrees(&*site.store, TABLE).await;
    let site = site.restarted();
    assert_eq!(in_order(&site).await, ["b", "d"]);
    let page = site.store.range(RangeRead {
        max_rows: 1,
        ..whole(TABLE, Some(EXPIRY_INDEX))
    });
    assert!(page.await.unwrap().limited);
}

pub(super) async fn expiry_attribute_can_change_on_a_table_with_items(backend: &dyn DiskMaker) {
    let site = Site::new(backend, "us-east-1");
    create_table(&*site.store, false).await;
    for i in 0..600 {
        put(
            &*site.store,
            item(
                &format!("{i:03}"),
                1,
                &[("until", number(i)), ("back", number(1000 - i))],
            ),
        )
        .await;
    }
    let ascending: Vec<String> = (0..600).map(|i| format!("{i:03}")).collect();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    for (attribute, order) in [("until", &ascending), ("back", &descending)] {
        edit(&*site.store, expires(Some(attribute))).await;
        assert_eq!(
            site.store.catalog().by_id[&TABLE].time_to_live.as_deref(),
            Some(attribute)
        );
        loop {
            let mut changed = std::pin::pin!(site.store.catalog_changed().notified());
            changed.as_mut().enable();
            if in_order(&site).await == *order {
                break;
            }
            changed.await;
        }
        assert_agrees(&*site.store, TABLE).await;
    }
    edit(&*site.store, expires(None)).await;
    assert_eq!(site.store.catalog().by_id[&TABLE].time_to_live, None);
    let gone = site.store.range(whole(TABLE, Some(EXPIRY_INDEX))).await;
    assert_eq!(
        gone.unwrap_err(),
        StoreError::UnknownIndex {
            table: TABLE,
            index: EXPIRY_INDEX.to_owned()
        }
    );
}

pub(super) async fn expiry_setting_replicates_and_indexes_replicas(backend: &dyn DiskMaker) {
    let (a, b) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&a, &b], false).await;
    edit(&*b.store, expires(Some("until"))).await;
    ship(&b, &a, beringia_item::TableId::CATALOG).await;
    assert_eq!(a.store.catalog().by_id[&TABLE].time_to_live.as_deref(), Some("until"));
    put(&*b.store, until("later", 9)).await;
    put(&*b.store, until("sooner", 8)).await;
    ship(&b, &a, TABLE).await;
    assert_eq!(in_order(&a).await, ["sooner", "later"]);
    assert_agrees(&*a.store, TABLE).await;
}

pub(super) async fn concurrent_expiry_of_one_item_is_no_conflict(backend: &dyn DiskMaker) {
    let (a, b) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&a, &b], false).await;
    edit(&*a.store, expires(Some("until"))).await;
    put(&*a.store, until("x", 1)).await;
    ship(&a, &b, TABLE).await;
    expire(&a, "x").await;
    expire(&b, "x").await;
    let (there, back) = (ship(&a, &b, TABLE).await, ship(&b, &a, TABLE).await);
    assert_eq!((there.conflicts, back.conflicts), (0, 0));
    assert_eq!(there.newer + back.newer, 1, "{there:?} {back:?}");
    for site in [&a, &b] {
        assert_eq!(site.store.conflicts(None, 0, 10).await.unwrap(), []);
        assert!(assert_agrees(&*site.store, TABLE).await.is_empty());
    }
    assert_eq!(
        a.store.digest(TABLE).await.unwrap(),
        b.store.digest(TABLE).await.unwrap()
    );
}

pub(super) async fn write_concurrent_with_an_expiry_is_a_conflict(backend: &dyn DiskMaker) {
    let (a, b) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&a, &b], false).await;
    put(&*a.store, until("x", 1)).await;
    ship(&a, &b, TABLE).await;
    expire(&a, "x").await;
    b.advance_ms(1);
    put(&*b.store, until("x", 2_000_000_000)).await;
    assert_eq!(ship(&b, &a, TABLE).await.conflicts, 1);
    assert_eq!(ship(&a, &b, TABLE).await.conflicts, 1);
    assert_eq!(
        assert_agrees(&*a.store, TABLE).await,
        assert_agrees(&*b.store, TABLE).await
    );
}
