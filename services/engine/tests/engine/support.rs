//! What the tests of all operations share: an engine on a store, and short ways to write items and requests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::{ManualClock, SeededRandomness};
use beringia_engine::{
    ApiError, Behaviour, Engine,
    api::{
        AttributeDefinition, BillingMode, CreateTableInput, DescribeTableInput, GetItemInput, GlobalSecondaryIndex,
        KeyRole, KeySchemaElement, LocalSecondaryIndex, ProjectionSpecification, ProjectionType, PutItemInput,
        ScalarAttributeType, TableDescription, TableStatus,
    },
};
use beringia_item::{AttributeValue, Item, Region};
use beringia_storage::{Store, StoreOptions};
use beringia_storage_memory::{Execution, MemoryState, Options, RegionStore};

use crate::fake::FakeStore;

/// When the tests begin, ms since the epoch.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// A region under test: `us-east-1`, of three.
pub(crate) struct Harness<S = RegionStore> {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<S>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

impl Harness {
    /// On memory of its own.
    pub(crate) fn new() -> Self {
        Self::on_state(MemoryState::new())
    }

    /// On what a store left there.
    pub(crate) fn on_state(state: MemoryState) -> Self {
        Self::with(state, |_| {})
    }

    /// On a disk where every commit takes so long.
    pub(crate) fn slow(commit: Duration) -> Self {
        Self::with(MemoryState::new(), |options| {
            options.disk_faults.set_commit_delay(commit);
        })
    }

    /// With reads that are as old as that.
    pub(crate) fn stale(by: Duration) -> Self {
        let mut harness = Self::with(MemoryState::new(), |options| options.store.look_back = by);
        harness.engine = harness.engine.behaving(Behaviour {
            stale_reads: by,
            ..Behaviour::default()
        });
        harness
    }

    /// Where what a change does to a table shows for so long.
    pub(crate) fn with_slow_changes(by: Duration) -> Self {
        let mut harness = Self::new();
        harness.engine = harness.engine.behaving(Behaviour {
            slow_changes: by,
            ..Behaviour::default()
        });
        harness
    }

    fn with(state: MemoryState, set: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let mut options = Options::new(
            StoreOptions::new(region("us-east-1"), clock.clone()),
            state,
            Execution::Inline,
        );
        set(&mut options);
        Self::on(Arc::new(beringia_storage_memory::open(&options).unwrap()), clock)
    }
}

impl Harness<FakeStore> {
    /// On a store that can be brought into any state and made to fail.
    pub(crate) fn faked() -> Self {
        Self::on(
            Arc::new(FakeStore::new(&region("us-east-1"))),
            Arc::new(ManualClock::new(NOW_MS)),
        )
    }
}

impl<S: Store> Harness<S> {
    fn on(store: Arc<S>, clock: Arc<ManualClock>) -> Self {
        let regions = ["us-east-1", "eu-west-1", "ap-northeast-1"].map(region);
        let randomness = Arc::new(SeededRandomness::new(7));
        Self {
            engine: Engine::new(store.clone(), clock.clone(), randomness, regions),
            store,
            clock,
        }
    }

    /// Held to the throughput of tables and indexes.
    pub(crate) fn throttling(mut self) -> Self {
        self.engine = self.engine.behaving(Behaviour {
            throttling: true,
            ..Behaviour::default()
        });
        self
    }

    /// How many items all tables hold, tokens too.
    pub(crate) fn items(&self) -> u64 {
        self.store
            .catalog()
            .by_name
            .values()
            .map(|table| table.size.items())
            .sum()
    }

    /// Waits until nothing goes on with the table.
    pub(crate) async fn settled(&self, table: &str) -> TableDescription {
        loop {
            let changed = self.store.catalog_changed().notified();
            let input = DescribeTableInput {
                table_name: table.to_owned(),
            };
            let described = self.engine.describe_table(input).await.unwrap();
            if described.table_status == TableStatus::Active {
                return described;
            }
            changed.await;
        }
    }

    /// With a table `music` of [`music`].
    pub(crate) async fn with_music(self) -> Self {
        self.engine.create_table(music()).await.unwrap();
        self
    }

    /// With a table `simple` that has only the partition key `p`.
    pub(crate) async fn with_simple(self) -> Self {
        self.engine.create_table(simple()).await.unwrap();
        self
    }

    pub(crate) async fn put(&self, table: &str, item: Item) {
        let input = PutItemInput {
            table_name: table.to_owned(),
            item,
            ..PutItemInput::default()
        };
        self.engine.put_item(input).await.unwrap();
    }

    pub(crate) async fn get(&self, table: &str, key: Item) -> Option<Item> {
        let input = GetItemInput {
            table_name: table.to_owned(),
            key,
            ..GetItemInput::default()
        };
        self.engine.get_item(input).await.unwrap().item
    }
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string().parse().unwrap())
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// `:values`.
pub(crate) fn values<const N: usize>(values: [(&str, AttributeValue); N]) -> Option<BTreeMap<String, AttributeValue>> {
    Some(item(values))
}

/// `#names`.
pub(crate) fn names<const N: usize>(names: [(&str, &str); N]) -> Option<BTreeMap<String, String>> {
    Some(
        names
            .into_iter()
            .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()))
            .collect(),
    )
}

pub(crate) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn definition(name: &str, attribute_type: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type,
    }
}

pub(crate) fn hash(name: &str) -> KeySchemaElement {
    KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: KeyRole::Hash,
    }
}

pub(crate) fn range(name: &str) -> KeySchemaElement {
    KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: KeyRole::Range,
    }
}

pub(crate) fn projection(projection_type: ProjectionType, names: &[&str]) -> ProjectionSpecification {
    let non_key_attributes = (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
    ProjectionSpecification {
        projection_type: Some(projection_type),
        non_key_attributes,
    }
}

pub(crate) fn global(
    name: &str,
    key_schema: Vec<KeySchemaElement>,
    projection: ProjectionSpecification,
) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex {
        index_name: name.to_owned(),
        key_schema,
        projection,
        provisioned_throughput: None,
        on_demand_throughput: None,
        warm_throughput: None,
    }
}

pub(crate) fn simple() -> CreateTableInput {
    CreateTableInput {
        table_name: "simple".to_owned(),
        attribute_definitions: vec![definition("p", ScalarAttributeType::S)],
        key_schema: vec![hash("p")],
        billing_mode: Some(BillingMode::PayPerRequest),
        ..CreateTableInput::default()
    }
}

/// Artist and song; by genre (keys), by year (title included), and locally by length (everything) and label (keys).
pub(crate) fn music() -> CreateTableInput {
    CreateTableInput {
        table_name: "music".to_owned(),
        attribute_definitions: vec![
            definition("artist", ScalarAttributeType::S),
            definition("song", ScalarAttributeType::S),
            definition("genre", ScalarAttributeType::S),
            definition("year", ScalarAttributeType::N),
            definition("length", ScalarAttributeType::N),
            definition("label", ScalarAttributeType::S),
        ],
        key_schema: vec![hash("artist"), range("song")],
        global_secondary_indexes: Some(vec![
            global(
                "by-genre",
                vec![hash("genre")],
                projection(ProjectionType::KeysOnly, &[]),
            ),
            global(
                "by-year",
                vec![hash("genre"), range("year")],
                projection(ProjectionType::Include, &["title"]),
            ),
            global("by-song", vec![hash("song")], projection(ProjectionType::All, &[])),
        ]),
        local_secondary_indexes: Some(vec![
            LocalSecondaryIndex {
                index_name: "by-length".to_owned(),
                key_schema: vec![hash("artist"), range("length")],
                projection: projection(ProjectionType::All, &[]),
            },
            LocalSecondaryIndex {
                index_name: "by-label".to_owned(),
                key_schema: vec![hash("artist"), range("label")],
                projection: projection(ProjectionType::KeysOnly, &[]),
            },
        ]),
        billing_mode: Some(BillingMode::PayPerRequest),
        ..CreateTableInput::default()
    }
}

/// The message of a ValidationException.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    match result {
        Err(ApiError::Validation(message)) => message,
        other => panic!("expected a ValidationException, got {other:?}"),
    }
}
