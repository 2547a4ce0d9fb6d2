//! The cost of a write does not depend on the number of tables. It is counted in allocated bytes,
//! which are the same in every run: a copy or a list of all tables shows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use beringia_clock::ManualClock;
use beringia_item::{TableId, VersionVector};
use beringia_storage::{
    Aspect, LogFilter, LogPosition, RemoteBatch, Store, StoreOptions, Stream, StreamView,
    conformance::fixture::{START_MS, TABLE, core, edit, item, put, region, set},
};
use beringia_storage_memory::{Execution, MemoryState, Options, open};

/// The writes of a measurement.
const WRITES: u64 = 10;

/// A region that has this many tables with streams, and another one.
struct Regions {
    here: Box<dyn Store>,
    there: Box<dyn Store>,
    /// What the other region wants of this one: everything.
    filter: LogFilter,
    from: LogPosition,
}

async fn store(name: &str, ids: &[TableId]) -> Box<dyn Store> {
    let options = StoreOptions::new(region(name), Arc::new(ManualClock::new(START_MS)));
    let store = open(&Options::new(options, MemoryState::new(), Execution::Inline)).unwrap();
    let stream = Stream {
        view: StreamView::NewAndOldImages,
        enabled_ms: START_MS,
    };
    let aspects = |id: &TableId| {
        let core = Aspect::Core(core(&format!("table-{}", id.0), false));
        [set(*id, core), set(*id, Aspect::Stream(Some(stream)))]
    };
    edit(&store, ids.iter().flat_map(aspects).collect()).await;
    Box::new(store)
}

impl Regions {
    async fn new(tables: u128) -> Self {
        let ids: Vec<TableId> = (0..tables).map(|place| TableId(TABLE.0 + place)).collect();
        let (here, there) = (store("us-east-1", &ids).await, store("eu-west-1", &ids).await);
        let filter = LogFilter {
            origins: vec![here.origin().clone()],
            tables: ids.into_iter().map(|id| (id, VersionVector::default())).collect(),
        };
        let from = LogPosition(1);
        Self {
            here,
            there,
            filter,
            from,
        }
    }

    /// One write here, read by the other region and applied there.
    async fn write(&mut self, n: u64) {
        put(&*self.here, item("a", n, &[])).await;
        let page = self.here.read_log(self.from, &self.filter, 1 << 20).await.unwrap();
        assert!(page.end.is_some_and(|vectors| vectors == self.here.vectors()));
        assert!(!page.mutations.is_empty());
        self.from = page.next;
        let batch = RemoteBatch {
            mutations: page.mutations,
            from: Some(self.here.region().clone()),
            ..RemoteBatch::default()
        };
        self.there.apply(batch).await.unwrap();
        assert!(self.there.vectors()[&TABLE].get(self.here.origin()) > 0);
    }
}

/// The bytes that a write allocates in a region with this many tables.
fn cost(tables: u128) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut regions = runtime.block_on(Regions::new(tables));
    let mut writes = |numbers: std::ops::Range<u64>| {
        runtime.block_on(async {
            for n in numbers {
                regions.write(n).await;
            }
        });
    };
    writes(0..WRITES);
    allocation_counter::measure(|| writes(WRITES..2 * WRITES)).bytes_total / WRITES
}

/// With 2,000 tables a write allocates less than five bytes more for each table than with three:
/// the way to one table in the trees of tables.
#[test]
fn write_costs_the_same_with_thousands_of_tables() {
    let (few, many) = (cost(3), cost(2_000));
    assert!(few > 0, "something was measured");
    assert!(many < few + 10_000, "{few} bytes with three tables, {many} with 2,000");
}
