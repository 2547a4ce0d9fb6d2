//! Prints the throughput of the store: puts, gets, and mutations of another region.
//!
//! `cargo run --release -p beringia-storage-sqlite --example store_bench [items] [directory]
//! [tables]` uses 1 KiB items, random keys, a file with `synchronous=FULL` and 64 concurrent
//! callers, as the project's figures are measured. The database has this many tables, by default
//! one, of which up to three are written.
//!
//! With `memory` as the directory, three regions in memory each commit every write alone and ship
//! it to the two others immediately, as a simulation does. A receiver subscribes to all tables. Run
//! it under `valgrind --tool=callgrind` to compare instructions: the same calls give the same work.
//! The difference of two runs with different numbers of items excludes the creation of the tables.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{HybridTime, Randomness, SeededRandomness, SystemClock, WallClock};
use beringia_item::{
    AttributeValue, Cause, Item, KeyBytes, KeyPart, KeySchema, KeyType, Mutation, Origin, Region, TableId, Transaction,
    Version, VersionVector, encode_item,
};
use beringia_storage::{
    Aspect, Catalog, Change, Core, Edit, ItemEffect, ItemWrite, LogFilter, LogPosition, Refusal, RemoteBatch, Store,
    StoreOptions,
};
use beringia_storage_sqlite::{Database, Execution, MemoryDisk, Options, RegionStore};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

/// The first table; the others follow.
const TABLE: TableId = TableId(7);
/// The number of tables that are written, if there are that many.
const WRITTEN_MAX: u64 = 3;
const CALLERS: u64 = 64;
/// The number of mutations in a remote batch.
const BATCH: u64 = 256;
/// The size of an item's value on a disk, and in memory.
const VALUE_BYTES: usize = 1000;
const SMALL_VALUE_BYTES: usize = 100;

fn keys() -> KeySchema {
    KeySchema {
        partition: vec![KeyPart {
            name: "pk".to_owned(),
            kind: KeyType::S,
        }],
        sort: vec![],
    }
}

fn item(n: u64, value_bytes: usize) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("item-{n:08}"))),
        ("data".to_owned(), AttributeValue::S("x".repeat(value_bytes))),
    ])
}

struct Put(Arc<Item>);

impl Change for Put {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        Ok(ItemEffect::Put(Arc::clone(&self.0)))
    }
}

fn key(n: u64) -> KeyBytes {
    keys().key_of(&item(n, 0)).unwrap()
}

/// The ids of the first so many tables.
fn ids(tables: u64) -> impl Iterator<Item = TableId> {
    (0..tables).map(|place| TableId(TABLE.0 + u128::from(place)))
}

/// The table that write number `n` goes to.
fn written(n: u64, tables: u64) -> TableId {
    TableId(TABLE.0 + u128::from(n % tables.min(WRITTEN_MAX)))
}

fn put(table: TableId, n: u64, value_bytes: usize) -> ItemWrite {
    ItemWrite {
        table,
        replica_epoch: None,
        key: key(n),
        cause: Cause::Client,
        change: Box::new(Put(Arc::new(item(n, value_bytes)))),
    }
}

/// Opens a store and creates the tables.
async fn open(region: &str, database: Database, execution: Execution, tables: u64) -> RegionStore {
    let region = Region::new(region).unwrap();
    let options = Options::new(StoreOptions::new(region, Arc::new(SystemClock)), database, execution);
    let store = beringia_storage_sqlite::open(&options).unwrap();
    let set = |table: TableId| Edit::Set {
        table,
        aspect: Aspect::Core(Core {
            name: format!("bench-{}", table.0),
            keys: keys(),
            local_indexes: [].into(),
            created_ms: 0,
        }),
    };
    let create: Vec<Edit> = ids(tables).map(set).collect();
    store
        .change_schema(Box::new(move |_: &Catalog| Ok(create.clone())))
        .await
        .unwrap();
    store
}

/// The times at which calls ended.
struct Ends {
    last: Instant,
    longest_gap: Duration,
}

/// Runs `work` from `callers` concurrent callers until there were `count` calls. Prints the rate,
/// how long calls took, and the longest time in which none ended.
async fn measure<F>(name: &str, count: u64, callers: u64, each: u64, work: impl Fn(u64) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let ends = Arc::new(Mutex::new(Ends {
        last: start,
        longest_gap: Duration::ZERO,
    }));
    let callers = (0..callers).map(|caller| {
        let (work, ends) = (work.clone(), ends.clone());
        let calls = (caller * count / callers)..((caller + 1) * count / callers);
        tokio::spawn(async move {
            let mut took = Histogram::<u64>::new(3).unwrap();
            for call in calls {
                let begun = Instant::now();
                work(call).await;
                let now = Instant::now();
                took.record((now - begun).as_micros().try_into().unwrap()).unwrap();
                let mut ends = ends.lock();
                ends.longest_gap = ends.longest_gap.max(now.duration_since(ends.last));
                ends.last = now;
            }
            took
        })
    });
    let mut took = Histogram::<u64>::new(3).unwrap();
    for caller in callers.collect::<Vec<_>>() {
        took.add(caller.await.unwrap()).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let done = (count * each) as f64;
    let cpu_us = (cpu_ticks() - cpu) as f64 * 10_000.0 / done;
    let ms = |quantile| took.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "{name:<20} {:>9.0}/s   {cpu_us:>6.1} µs of processor each   p50 {:.2}, p90 {:.2}, p99 {:.2}, longest \
         {:.1} ms, longest gap {:.1} ms   ({done} in {seconds:.2} s)",
        done / seconds,
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(1.0),
        ends.lock().longest_gap.as_secs_f64() * 1_000.0,
    );
}

fn mutation(origin: &Origin, sequence: u64, n: u64, now_ms: u64) -> Mutation {
    let item = item(n, VALUE_BYTES);
    Mutation {
        table: TABLE,
        key: keys().key_of(&item).unwrap(),
        version: Version {
            time: HybridTime::from_parts(now_ms, 0),
            origin: origin.clone(),
            sequence,
        },
        causal_context: VersionVector::default(),
        image: Some(encode_item(&item)),
        metadata: None,
        cause: Cause::Client,
        transaction: Transaction {
            first: sequence,
            last: sequence,
        },
    }
}

/// Processor time of this process, in hundredths of a second. It is more reliable than the rate if
/// others use the machine too.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc(5): user and system time.
    [11, 12]
        .iter()
        .filter_map(|place| fields.get(*place)?.parse::<u64>().ok())
        .sum()
}

fn resident_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or("VmRSS: unknown");
    line.to_owned()
}

/// An open store, and the randomness of keys.
#[derive(Clone)]
struct Bench {
    store: Arc<RegionStore>,
    random: Arc<SeededRandomness>,
    items: u64,
    tables: u64,
}

impl Bench {
    async fn open(items: u64, tables: u64, file: PathBuf) -> Self {
        let opening = Instant::now();
        let store = open("us-east-1", Database::File(file), Execution::Threads, tables).await;
        println!("a new database opened in {} ms", opening.elapsed().as_millis());
        Self {
            store: Arc::new(store),
            random: Arc::new(SeededRandomness::new(7)),
            items,
            tables,
        }
    }

    fn any(&self) -> u64 {
        self.random.next_u64() % self.items
    }

    async fn put(self) {
        let n = self.any();
        let write = put(written(n, self.tables), n, VALUE_BYTES);
        self.store.commit(vec![write]).await.unwrap();
    }

    async fn get(self) {
        let n = self.any();
        drop(self.store.get(written(n, self.tables), &key(n)).await.unwrap());
    }

    /// Applies a batch of another region's mutations, for call number `call`.
    async fn apply(self, call: u64) {
        let origin = "eu-west-1".parse().unwrap();
        let now_ms = SystemClock.now_ms();
        let sequences = call * BATCH + 1..=(call + 1) * BATCH;
        let mutations = sequences
            .map(|sequence| mutation(&origin, sequence, self.any(), now_ms))
            .collect();
        self.store
            .apply(RemoteBatch {
                mutations,
                ..RemoteBatch::default()
            })
            .await
            .unwrap();
    }

    async fn run(self) {
        let items = self.items;
        let bench = self.clone();
        let put = move |_| bench.clone().put();
        measure("puts", items, CALLERS, 1, put.clone()).await;
        measure("puts over existing", items / 2, CALLERS, 1, put.clone()).await;
        measure("puts, 16 callers", items / 4, 16, 1, put.clone()).await;
        measure("puts, one caller", 2_000, 1, 1, put).await;
        let bench = self.clone();
        measure("gets", items / 2, CALLERS, 1, move |_| bench.clone().get()).await;
        let bench = self.clone();
        measure("applied mutations", items / 4 / BATCH, 1, BATCH, move |call| {
            bench.clone().apply(call)
        })
        .await;
        let table = self.store.catalog().by_id[&TABLE].clone();
        println!("items {}, {}", table.size.items(), resident_memory());
        let digest = Instant::now();
        self.store.digest(TABLE).await.unwrap();
        println!("digest in {} µs", digest.elapsed().as_micros());
        let verify = Instant::now();
        assert!(!self.store.verify_range(TABLE, 3).await.unwrap());
        println!("one range verified in {} µs", verify.elapsed().as_micros());
        self.store.close().await;
    }
}

/// A region in memory, and its positions in the others' logs, with what it wants of them.
struct Site {
    store: RegionStore,
    from: [LogPosition; 3],
    filters: [LogFilter; 3],
}

/// Three regions write in turn, and ship every write to each other.
async fn in_memory(writes: u64, tables: u64) {
    let mut sites = Vec::new();
    let regions = ["us-east-1", "eu-west-1", "ap-northeast-1"];
    for region in regions {
        let store = open(region, Database::Memory(MemoryDisk::new()), Execution::Inline, tables).await;
        let from = [LogPosition(1); 3];
        let filters = regions.map(|region| LogFilter {
            origins: vec![region.parse().unwrap()],
            tables: ids(tables).map(|table| (table, VersionVector::default())).collect(),
        });
        sites.push(Site { store, from, filters });
    }
    let random = SeededRandomness::new(7);
    let (start, cpu) = (Instant::now(), cpu_ticks());
    for n in 0..writes {
        let writer = usize::try_from(n % 3).unwrap();
        let table = written(n / 3, tables);
        let write = put(table, random.next_u64() % 1_000, SMALL_VALUE_BYTES);
        sites[writer].store.commit(vec![write]).await.unwrap();
        for receiver in (0..3).filter(|receiver| *receiver != writer) {
            let from = sites[receiver].from[writer];
            let filter = &sites[receiver].filters[writer];
            let page = sites[writer].store.read_log(from, filter, 1 << 20).await.unwrap();
            sites[receiver].from[writer] = page.next;
            let batch = RemoteBatch {
                mutations: page.mutations,
                ..RemoteBatch::default()
            };
            assert_eq!(sites[receiver].store.apply(batch).await.unwrap().newer, 1);
            let vector = sites[receiver].store.vectors()[&table].clone();
            sites[receiver].filters[writer].tables.insert(table, vector);
        }
    }
    let cpu_us = (cpu_ticks() - cpu) as f64 * 10_000.0 / writes as f64;
    println!(
        "{writes} writes in memory, each applied in two other regions: {:.0}/s, {cpu_us:.1} µs of processor each",
        writes as f64 / start.elapsed().as_secs_f64()
    );
    let digest = sites[0].store.digest(TABLE).await.unwrap();
    for site in &sites[1..] {
        assert_eq!(site.store.digest(TABLE).await.unwrap().ranges, digest.ranges);
    }
}

async fn on_disk(items: u64, directory: &str, tables: u64) {
    let directory = tempfile::tempdir_in(directory).unwrap();
    println!("{items} random keys, {CALLERS} callers, 1 KiB items, {tables} tables");
    let file = directory.path().join("bench.db");
    Bench::open(items, tables, file).await.run().await;
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let items: Option<u64> = arguments.next().map(|items| items.parse().unwrap());
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let tables: u64 = arguments.next().map_or(1, |tables| tables.parse().unwrap());
    if directory == "memory" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(in_memory(items.unwrap_or(10_000), tables));
    } else {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build();
        runtime
            .unwrap()
            .block_on(on_disk(items.unwrap_or(1_000_000), &directory, tables));
    }
}
