//! Common parts of the tests of all operations: an engine on a store, and short notations for items
//! and requests.

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

/// The time when the tests begin, in ms since the epoch.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// A region under test: `us-east-1`, one of three.
pub(crate) struct Harness<S = RegionStore> {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<S>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

impl Harness {
    /// A harness on new memory.
    pub(crate) fn new() -> Self {
        Self::on_state(MemoryState::new())
    }

    /// A harness on the state that an earlier store left.
    pub(crate) fn on_state(state: MemoryState) -> Self {
        Self::with(state, |_| {})
    }

    /// A harness on a disk where every commit takes the given time.
    pub(crate) fn slow(commit: Duration) -> Self {
        Self::with(MemoryState::new(), |options| {
            options.disk_faults.set_commit_delay(commit);
        })
    }

    /// A harness whose eventually consistent reads are as old as that.
    pub(crate) fn stale(by: Duration) -> Self {
        let mut harness = Self::with(MemoryState::new(), |options| options.store.look_back = by);
        harness.engine = harness.engine.behaving(Behaviour {
            stale_reads: by,
            ..Behaviour::default()
        });
        harness
    }

    /// A harness in which changes of tables show for the given time.
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
    /// A harness on a fake store, which can be put into any state and made to fail.
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

    /// Limits requests to the throughput of tables and indexes.
    pub(crate) fn throttling(mut self) -> Self {
        self.engine = self.engine.behaving(Behaviour {
            throttling: true,
            ..Behaviour::default()
        });
        self
    }

    /// The number of items in all tables, including tokens.
    pub(crate) fn items(&self) -> u64 {
        self.store
            .catalog()
            .by_name
            .values()
            .map(|table| table.size.items())
            .sum()
    }

    /// Waits until the table is active, and returns its description.
    pub(crate) async fn once_active(&self, table: &str) -> TableDescription {
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

    /// Adds a table `music`, defined by [`music`].
    pub(crate) async fn with_music(self) -> Self {
        self.engine.create_table(music()).await.unwrap();
        self
    }

    /// Adds a table `simple` that has only the partition key `p`.
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

/// Values by `:name`, for an expression.
pub(crate) fn values<const N: usize>(values: [(&str, AttributeValue); N]) -> Option<BTreeMap<String, AttributeValue>> {
    Some(item(values))
}

/// Attribute names by `#name`, for an expression.
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

/// A table by artist and song, with indexes by genre (keys) and by year (with title), and local
/// ones by length (everything) and by label (keys).
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
