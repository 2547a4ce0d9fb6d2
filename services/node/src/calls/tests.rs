//! Tests of store calls that share a group with other commands.

use beringia_clock::ManualClock;
use beringia_item::{AttributeValue, Cause, Item, KeyPart, KeySchema, KeyType};
use beringia_storage::{Catalog, Change, Core, ItemEffect, ItemWrite, Refusal, StoreOptions};
use beringia_storage_sqlite::{Database, Execution, MemoryDisk, Options};

use super::*;

const TABLE: TableId = TableId(4711);
const NOW_MS: u64 = 1_700_000_000_000;

struct Put(Item);

impl Change for Put {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        Ok(ItemEffect::Put(Arc::new(self.0.clone())))
    }
}

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn keys() -> KeySchema {
    let id = KeyPart {
        name: "id".to_owned(),
        kind: KeyType::S,
    };
    KeySchema {
        partition: vec![id],
        sort: Vec::new(),
    }
}

/// The put of an item with this key.
fn put(id: &str) -> ItemWrite {
    let item = Item::from([("id".to_owned(), AttributeValue::S(id.to_owned()))]);
    ItemWrite {
        table: TABLE,
        replica_epoch: None,
        key: keys().key_of(&item).unwrap(),
        cause: Cause::Client,
        change: Box::new(Put(item)),
    }
}

fn replica_is(name: &str, status: ReplicaStatus) -> Edit {
    let replica = Replica {
        status,
        since_ms: NOW_MS,
    };
    let region = region(name);
    let aspect = Aspect::Replica { region, replica };
    Edit::Set { table: TABLE, aspect }
}

/// Opens the store of region `eu` with an active replica of one table, which `us` has too.
async fn calls() -> Calls {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let options = StoreOptions::new(region("eu"), clock.clone());
    // The committer is a task of this thread, so commands that are submitted together are decided
    // in one group.
    let options = Options::new(options, Database::Memory(MemoryDisk::new()), Execution::Inline);
    let calls = Calls {
        store: Arc::new(beringia_storage_sqlite::open(&options).unwrap()),
        clock,
        lag: Lag::new(),
        observer: None,
    };
    let core = Core {
        name: "carts".to_owned(),
        keys: keys(),
        local_indexes: [].into(),
        created_ms: NOW_MS,
    };
    let create = Edit::Set {
        table: TABLE,
        aspect: Aspect::Core(core),
    };
    let global = replica_is("us", ReplicaStatus::Active);
    edit(&calls, vec![create, global]).await;
    calls
}

async fn edit(calls: &Calls, edits: Vec<Edit>) {
    let change = move |_: &Catalog| Ok(edits.clone());
    calls.store.change_schema(Box::new(change)).await.unwrap();
}

/// Leaves if this region wrote nothing above the sequence.
async fn leave(calls: &Calls, sequence: u64) {
    let answer = calls.call(StoreCall::Leave { table: TABLE, sequence }).await;
    assert!(matches!(answer, Ok(StoreAnswer::Done)), "{answer:?}");
}

/// The sequence of this region's last write to the table.
fn written(calls: &Calls) -> u64 {
    calls.store.vectors()[&TABLE].get(calls.store.origin())
}

/// The peers have everything that this region published. A write that the committer decides before
/// the leave, in the same group, must keep the replica.
#[tokio::test(start_paused = true)]
async fn leave_sees_a_write_earlier_in_its_group() {
    let calls = calls().await;
    calls.store.commit(vec![put("a")]).await.unwrap();
    edit(&calls, vec![replica_is("eu", ReplicaStatus::Deleting)]).await;
    let acknowledged = written(&calls);
    let (wrote, ()) = tokio::join!(calls.store.commit(vec![put("b")]), leave(&calls, acknowledged));
    let version = wrote.unwrap()[0].version.clone().unwrap();
    assert!(calls.store.catalog().by_id[&TABLE].held, "the replica was removed");
    let kept = calls.store.get(TABLE, &put("b").key).await.unwrap();
    assert_eq!(kept.map(|(version, _)| version), Some(version.clone()));
    assert_eq!(written(&calls), version.sequence);
    // Once the peers have that write too, the replica is removed.
    leave(&calls, version.sequence).await;
    assert!(!calls.store.vectors().contains_key(&TABLE));
}

/// A leave that was called for before the replica was wanted again does nothing.
#[tokio::test(start_paused = true)]
async fn active_replica_does_not_leave() {
    let calls = calls().await;
    leave(&calls, u64::MAX).await;
    assert!(calls.store.catalog().by_id[&TABLE].held);
}
