//! The journal under the policies that keep more than one writer's changes lists exactly what was
//! lost.

use beringia_item::{AttributeValue, ConflictPolicy, Item, KeyBytes, TableId, Touch, Touched, Version};
use bytes::Bytes;

use super::{DiskMaker, fixture::*};
use crate::{Aspect, Change, Conflict, ConflictRule, ItemEffect, RangeDigest, Refusal};

/// Sets or removes attributes, or adds to `n`.
struct Update(Vec<(&'static str, Option<u64>)>, Option<u64>);

impl Change for Update {
    fn needs_current(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let mut after = current.cloned().unwrap_or_else(|| item("a", 1, &[]));
        let mut touched = Touched::new();
        for (name, value) in &self.0 {
            match value {
                Some(value) => after.insert((*name).to_owned(), number(*value)),
                None => after.remove(*name),
            };
            touched.insert((*name).to_owned(), Touch::Assign);
        }
        if let Some(added) = self.1 {
            let added = beringia_item::Number::from(added);
            let sum = match after.get("n") {
                Some(AttributeValue::N(before)) => before.checked_add(&added).unwrap(),
                _ => added,
            };
            after.insert("n".to_owned(), AttributeValue::N(sum));
            touched.insert("n".to_owned(), Touch::Add(added));
        }
        Ok(ItemEffect::Update { item: after, touched })
    }
}

fn the_key() -> KeyBytes {
    key("a", 1)
}

async fn update(site: &Site, change: Update) -> Version {
    let mut transaction = write(the_key(), Do::Delete);
    transaction.change = Box::new(change);
    commit(&*site.store, vec![transaction])
        .await
        .unwrap()
        .remove(0)
        .version
        .unwrap()
}

async fn assign(site: &Site, name: &'static str, value: u64) -> Version {
    update(site, Update(vec![(name, Some(value))], None)).await
}

async fn add(site: &Site, n: u64) -> Version {
    update(site, Update(vec![], Some(n))).await
}

/// Two regions with the table under a policy, in which both have an item with `n` and `t`. The
/// clock of the second is ahead, so that its writes win.
async fn pair(backend: &dyn DiskMaker, policy: ConflictPolicy) -> (Site, Site) {
    let (east, west) = (Site::new(backend, "us-east-1"), Site::new(backend, "eu-west-1"));
    create_global_table(&[&east, &west], true).await;
    edit(&*east.store, vec![set(TABLE, Aspect::ConflictPolicy(Some(policy)))]).await;
    put(&*east.store, item("a", 1, &[("n", number(10)), ("t", number(1))])).await;
    ship(&east, &west, TableId::CATALOG).await;
    ship(&east, &west, TABLE).await;
    west.advance_ms(10);
    (east, west)
}

/// Ships in both directions. Returns the item that both regions then have, and the journal of the
/// first.
async fn reconcile(east: &Site, west: &Site) -> (Option<Item>, Vec<Conflict>) {
    ship(east, west, TABLE).await;
    ship(west, east, TABLE).await;
    let held = assert_agrees(&*east.store, TABLE).await;
    assert_eq!(assert_agrees(&*west.store, TABLE).await, held);
    assert_eq!(
        west.store.digest(TABLE).await.unwrap(),
        east.store.digest(TABLE).await.unwrap()
    );
    let journal = east.store.conflicts(Some(TABLE), 0, 10).await.unwrap();
    let summary = |journal: &[Conflict]| {
        let entry = |conflict: &Conflict| {
            let versions = (conflict.winner.version.clone(), conflict.loser.version.clone());
            (versions, conflict.attributes.clone())
        };
        journal.iter().map(entry).collect::<Vec<_>>()
    };
    let other = west.store.conflicts(Some(TABLE), 0, 10).await.unwrap();
    assert_eq!(summary(&other), summary(&journal), "both regions saw the same");
    (held.into_values().next().map(|(_, item)| item), journal)
}

async fn ranges(site: &Site) -> Vec<RangeDigest> {
    site.store.digest(TABLE).await.unwrap().ranges
}

async fn metadata(site: &Site) -> Option<Bytes> {
    let mut rows = site.store.mutations_of(TABLE, vec![the_key()]).await.unwrap();
    rows.remove(0).metadata
}

fn with(attributes: &[(&str, u64)]) -> Option<Item> {
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, number(*value))).collect();
    Some(item("a", 1, &attributes))
}

/// The winner, the loser and its lost attributes in the only entry of a journal.
fn only(journal: &[Conflict]) -> (Version, Version, Vec<String>) {
    let [conflict] = journal else {
        panic!("one conflict: {journal:?}")
    };
    (
        conflict.winner.version.clone(),
        conflict.loser.version.clone(),
        conflict.attributes.clone(),
    )
}

pub(super) async fn changes_of_different_attributes_are_no_conflict(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Attribute).await;
    assign(&east, "n", 11).await;
    assign(&west, "t", 2).await;
    assert_eq!(reconcile(&east, &west).await, (with(&[("n", 11), ("t", 2)]), vec![]));
}

/// The same changes as in the test above conflict over the whole item.
pub(super) async fn policy_item_makes_such_changes_a_conflict(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Item).await;
    let loser = assign(&east, "n", 11).await;
    let winner = assign(&west, "t", 2).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("n", 10), ("t", 2)]));
    assert_eq!(only(&journal), (winner, loser, vec![]));
}

pub(super) async fn later_assignment_wins_and_journal_names_the_attribute(backend: &dyn DiskMaker) {
    for policy in [ConflictPolicy::Attribute, ConflictPolicy::Merge] {
        let (east, west) = pair(backend, policy).await;
        let loser = update(&east, Update(vec![("n", Some(11)), ("t", Some(3))], None)).await;
        let winner = assign(&west, "t", 2).await;
        let (held, journal) = reconcile(&east, &west).await;
        assert_eq!(held, with(&[("n", 11), ("t", 2)]));
        assert_eq!(only(&journal), (winner, loser, vec!["t".to_owned()]));
        assert_eq!(journal[0].loser.image, with(&[("n", 11), ("t", 3)]));
        assert_eq!(journal[0].winner.image, with(&[("n", 10), ("t", 2)]));
    }
}

pub(super) async fn equal_assignments_lose_nothing(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Attribute).await;
    assign(&east, "t", 2).await;
    assign(&west, "t", 2).await;
    assert_eq!(reconcile(&east, &west).await, (with(&[("n", 10), ("t", 2)]), vec![]));
}

pub(super) async fn concurrent_additions_add_up_only_under_merge(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    add(&east, 1).await;
    add(&east, 2).await;
    add(&west, 4).await;
    assert_eq!(reconcile(&east, &west).await, (with(&[("n", 17), ("t", 1)]), vec![]));

    let (east, west) = pair(backend, ConflictPolicy::Attribute).await;
    let loser = add(&east, 1).await;
    let winner = add(&west, 4).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("n", 14), ("t", 1)]));
    assert_eq!(only(&journal), (winner, loser, vec!["n".to_owned()]));
}

pub(super) async fn addition_concurrent_with_an_assignment_is_lost(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    let loser = add(&east, 1).await;
    let winner = assign(&west, "n", 50).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("n", 50), ("t", 1)]));
    assert_eq!(only(&journal), (winner, loser, vec!["n".to_owned()]));
    // Additions to the new number count.
    add(&east, 1).await;
    add(&west, 2).await;
    assert_eq!(reconcile(&east, &west).await.0, with(&[("n", 53), ("t", 1)]));

    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    let winner = assign(&east, "n", 50).await;
    let loser = add(&west, 1).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("n", 50), ("t", 1)]), "later, but added to another number");
    assert_eq!(journal[0].rule, ConflictRule::NewValue);
    assert_eq!(only(&journal), (winner, loser, vec!["n".to_owned()]));
}

pub(super) async fn update_loses_to_a_later_delete_but_not_an_earlier_one(backend: &dyn DiskMaker) {
    for policy in [ConflictPolicy::Attribute, ConflictPolicy::Merge] {
        let (east, west) = pair(backend, policy).await;
        let loser = assign(&east, "t", 2).await;
        let winner = delete(&*west.store, the_key()).await.unwrap();
        let (held, journal) = reconcile(&east, &west).await;
        assert_eq!(held, None);
        assert_eq!(only(&journal), (winner, loser, vec!["t".to_owned()]));

        let (east, west) = pair(backend, policy).await;
        let loser = delete(&*east.store, the_key()).await.unwrap();
        let winner = assign(&west, "t", 2).await;
        let (held, journal) = reconcile(&east, &west).await;
        assert_eq!(
            held,
            with(&[("t", 2)]),
            "the attributes from before the delete are gone"
        );
        assert_eq!(only(&journal), (winner, loser, vec![]));
        assert_eq!(journal[0].loser.image, None);
    }
}

pub(super) async fn later_of_two_puts_wins_whole(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    let loser = put(&*east.store, item("a", 1, &[("n", number(1))])).await;
    let winner = put(&*west.store, item("a", 1, &[("t", number(9))])).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("t", 9)]));
    assert_eq!(only(&journal), (winner, loser, vec![]));
}

pub(super) async fn later_update_applies_on_top_of_a_concurrent_put(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Attribute).await;
    let loser = put(&*east.store, item("a", 1, &[("n", number(1)), ("t", number(7))])).await;
    let winner = assign(&west, "t", 2).await;
    let (held, journal) = reconcile(&east, &west).await;
    assert_eq!(held, with(&[("n", 1), ("t", 2)]));
    assert_eq!(only(&journal), (winner, loser, vec!["t".to_owned()]));
}

/// Two rows of one version were merged from different writes, so digests and row fingerprints
/// differ.
pub(super) async fn merged_rows_of_one_version_differ_in_digest(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Attribute).await;
    let south = Site::new(backend, "ap-south-1");
    add_replica(&east, &south).await;
    ship(&east, &south, TABLE).await;
    assign(&east, "n", 11).await;
    assign(&west, "t", 2).await;
    ship(&west, &south, TABLE).await;
    reconcile(&east, &west).await;
    let range = beringia_item::range_of(&the_key());
    let (here, there) = (
        south.store.raw_rows(TABLE, range..=range, None, 9).await.unwrap(),
        east.store.raw_rows(TABLE, range..=range, None, 9).await.unwrap(),
    );
    assert_eq!(here[0].fingerprint.version, there[0].fingerprint.version);
    assert_ne!(here[0].fingerprint, there[0].fingerprint);
    assert_ne!(ranges(&south).await, ranges(&east).await);
    ship(&east, &south, TABLE).await;
    assert_eq!(ranges(&south).await, ranges(&east).await);
}

pub(super) async fn relay_sends_the_original_write_not_the_merged_row(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    add(&east, 1).await;
    add(&west, 2).await;
    let written = read_all(&*east.store, &all_of(east.store.origin())).await;
    reconcile(&east, &west).await;
    let relayed = read_all(&*west.store, &all_of(east.store.origin())).await;
    assert_eq!(relayed, written);
}

pub(super) async fn write_under_policy_item_removes_the_metadata(backend: &dyn DiskMaker) {
    let (east, west) = pair(backend, ConflictPolicy::Merge).await;
    add(&east, 1).await;
    add(&west, 2).await;
    reconcile(&east, &west).await;
    assert!(metadata(&west).await.is_some());
    edit(&*west.store, vec![set(TABLE, Aspect::ConflictPolicy(None))]).await;
    add(&west, 4).await;
    assert_eq!(metadata(&west).await, None);
    assert_eq!(reconcile(&east, &west).await, (with(&[("n", 17), ("t", 1)]), vec![]));
    // The other region has not received the new policy and continues to merge; the result contains
    // writes under both policies.
    add(&east, 1).await;
    assert_eq!(reconcile(&east, &west).await, (with(&[("n", 18), ("t", 1)]), vec![]));
}
