//! Commits that fail as a database server's do: no acknowledged write is lost, nothing is applied
//! twice, and no sequence is reused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use beringia_clock::ManualClock;
use beringia_item::{AttributeValue, Item, Version};
use beringia_storage::{
    CommitError, Store as _, StoreError, StoreOptions,
    conformance::fixture::{
        Do, START_MS, TABLE, all_of, assert_agrees, commit, create_table, item, key, number, put, put_counted,
        read_all, region, scan, text, write,
    },
};
use beringia_storage_memory::{Execution, Fault, MemoryState, Options, RegionStore};

/// Opens a store on this memory.
fn open(state: &MemoryState) -> RegionStore {
    open_with(state, Execution::Inline)
}

fn open_with(state: &MemoryState, execution: Execution) -> RegionStore {
    let clock = Arc::new(ManualClock::new(START_MS));
    let options = StoreOptions::new(region("us-east-1"), clock);
    beringia_storage_memory::open(&Options::new(options, state.clone(), execution)).unwrap()
}

/// A store on new memory, with an indexed table.
async fn with_table() -> (MemoryState, RegionStore) {
    let state = MemoryState::new();
    let store = open(&state);
    create_table(&store, true).await;
    (state, store)
}

/// Appends a character to an item's text.
async fn extend(store: &RegionStore) -> Version {
    let add = |current: Option<&Item>| {
        let before = current.and_then(|item| match &item["marks"] {
            AttributeValue::S(text) => Some(text.clone()),
            _ => None,
        });
        item("a", 1, &[("marks", text(&(before.unwrap_or_default() + "x")))])
    };
    let outcomes = commit(store, vec![write(key("a", 1), Do::Update(add))]).await.unwrap();
    outcomes[0].version.clone().unwrap()
}

#[tokio::test]
async fn serialization_failure_is_decided_again() {
    let (state, store) = with_table().await;
    let before = put(&store, item("a", 1, &[])).await;
    for _ in 0..3 {
        state.faults().plan(Fault::SerializationFailure);
    }
    let after = put(&store, item("a", 1, &[("color", number(7))])).await;
    assert_eq!(
        after.sequence,
        before.sequence + 1,
        "a discarded decision uses no sequence"
    );
    let records = read_all(&store, &all_of(store.origin())).await;
    assert_eq!(records.len(), 2);
    assert_agrees(&store, TABLE).await;
}

#[tokio::test]
async fn repeated_serialization_failure_returns_an_error() {
    let (state, store) = with_table().await;
    for _ in 0..8 {
        state.faults().plan(Fault::SerializationFailure);
    }
    let refused = commit(&store, vec![write(key("a", 1), Do::Put(item("a", 1, &[])))]).await;
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::Database(_)))),
        "{refused:?}"
    );
    assert!(scan(&store, None).await.rows.is_empty());
    put(&store, item("a", 1, &[])).await;
}

#[tokio::test]
async fn store_recovers_after_a_commit_of_unknown_outcome() {
    for durable in [false, true] {
        let (state, store) = with_table().await;
        let first = put(&store, item("a", 1, &[])).await;
        state.faults().plan(Fault::UnknownOutcome { durable });
        let failed = commit(&store, vec![write(key("a", 2), Do::Put(item("a", 2, &[])))]).await;
        assert!(
            matches!(failed, Err(CommitError::Store(StoreError::Database(_)))),
            "{failed:?}"
        );
        let second = put(&store, item("a", 3, &[])).await;
        assert!(
            second.sequence > first.sequence + 1,
            "the sequence in doubt is not reused"
        );
        assert!(second > first);
        let rows = scan(&store, None).await.rows;
        assert_eq!(rows.len(), if durable { 3 } else { 2 }, "durable: {durable}");
        assert_agrees(&store, TABLE).await;
        let sequences: Vec<u64> = read_all(&store, &all_of(store.origin()))
            .await
            .iter()
            .map(|record| record.version.sequence)
            .collect();
        assert_eq!(sequences.len(), rows.len());
        assert!(sequences.is_sorted());
    }
}

#[tokio::test]
async fn store_without_its_lease_stops_and_another_continues() {
    let (state, store) = with_table().await;
    put(&store, item("a", 1, &[])).await;
    state.faults().plan(Fault::LostLease);
    let refused = commit(&store, vec![write(key("a", 2), Do::Put(item("a", 2, &[])))]).await;
    assert!(
        matches!(refused, Err(CommitError::Store(StoreError::Closed))),
        "{refused:?}"
    );
    let again = commit(&store, vec![write(key("a", 2), Do::Put(item("a", 2, &[])))]).await;
    assert!(
        matches!(again, Err(CommitError::Store(StoreError::Closed))),
        "{again:?}"
    );
    let next = open(&state);
    assert_eq!(scan(&next, None).await.rows.len(), 1);
    put(&next, item("a", 3, &[])).await;
    assert_agrees(&next, TABLE).await;
}

/// The slow holder has decided its commit when the other takes the lease.
#[tokio::test(flavor = "multi_thread")]
async fn slow_holder_commits_nothing_after_losing_the_lease() {
    let state = MemoryState::new();
    let slow = open_with(&state, Execution::Threads);
    create_table(&slow, false).await;
    put(&slow, item("a", 1, &[])).await;
    let held = state.faults().hold();
    let late = tokio::spawn(async move { commit(&slow, vec![write(key("a", 1), Do::Put(item("a", 1, &[])))]).await });
    assert!(held.wait());
    let quick = open(&state);
    put(&quick, item("a", 1, &[("color", number(2))])).await;
    drop(held);
    let late = late.await.unwrap();
    assert!(matches!(late, Err(CommitError::Store(StoreError::Closed))), "{late:?}");
    let rows = scan(&quick, None).await.rows;
    assert_eq!(rows[0].item["color"], number(2));
}

/// Both stores believe that they hold the lease, and each has decided when the other commits. Only
/// the condition of commits makes them take turns.
#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_holders_lose_no_writes() {
    let state = MemoryState::new();
    let one = Arc::new(open_with(&state, Execution::Threads));
    create_table(&*one, false).await;
    let two = open(&state);
    state.faults().tolerate_former_holders(true);
    let mut versions = Vec::new();
    for round in 0..20 {
        let held = state.faults().hold();
        let store = one.clone();
        let late = tokio::spawn(async move { extend(&store).await });
        assert!(held.wait());
        versions.push(extend(&two).await);
        drop(held);
        versions.push(late.await.unwrap());

        let held = state.faults().hold();
        let store = one.clone();
        let late = tokio::spawn(async move { put_counted(&*store, item("one", round, &[])).await });
        assert!(held.wait());
        put(&two, item("two", round, &[])).await;
        drop(held);
        assert_eq!(late.await.unwrap(), 2, "decided again on the other's write");
    }
    assert!(versions.is_sorted(), "each write is later than all before it");
    let last = open(&state);
    assert_eq!(assert_agrees(&last, TABLE).await.len(), 41);
    assert_eq!(read_all(&last, &all_of(last.origin())).await.len(), 80);
    let extended = last.get(TABLE, &key("a", 1)).await.unwrap().unwrap();
    assert_eq!(
        extended.1["marks"],
        text(&"x".repeat(40)),
        "each saw all writes before it"
    );
}
