//! Prints what the store does a second: puts, gets, and mutations of another region.
//!
//! `cargo run --release -p beringia-store --example store_bench [items] [directory]`: 1 KiB items, random keys, a file with
//! `synchronous=FULL`, 64 callers at a time, as the project's figures are measured.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{path::PathBuf, sync::Arc};

use beringia_clock::{HybridTime, Randomness, SeededRandomness, SystemClock, WallClock};
use beringia_item::{
    AttributeValue, Cause, Item, KeyBytes, KeyPart, KeySchema, KeyType, Mutation, Region, TableId, Unit, Version,
    VersionVector, encode_item,
};
use beringia_store::{
    Aspect, Change, Core, Database, Edit, Effect, Execution, ItemWrite, Options, Refusal, RemoteBatch, SqliteStore,
    Store,
};
use tokio::time::Instant;

const TABLE: TableId = TableId(7);
const CALLERS: u64 = 64;
/// Mutations in a remote batch.
const BATCH: u64 = 256;

fn keys() -> KeySchema {
    KeySchema {
        partition: vec![KeyPart {
            name: "pk".to_owned(),
            kind: KeyType::S,
        }],
        sort: vec![],
    }
}

fn item(n: u64) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("item-{n:08}"))),
        ("data".to_owned(), AttributeValue::S("x".repeat(1000))),
    ])
}

struct Put(Option<Item>);

impl Change for Put {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<Effect, Refusal> {
        Ok(self.0.take().map_or(Effect::Keep, Effect::Put))
    }
}

fn key(n: u64) -> KeyBytes {
    keys().key_of(&item(n)).unwrap()
}

/// Runs `work` from so many callers at once until there were `count` calls, and prints the rate.
async fn measure<F>(name: &str, count: u64, callers: u64, each: u64, work: impl Fn(u64) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let callers = (0..callers).map(|caller| {
        let work = work.clone();
        let calls = (caller * count / callers)..((caller + 1) * count / callers);
        tokio::spawn(async move {
            for call in calls {
                work(call).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let done = (count * each) as f64;
    let cpu_us = (cpu_ticks() - cpu) as f64 * 10_000.0 / done;
    println!(
        "{name:<20} {:>9.0}/s   {cpu_us:>6.1} µs of processor each   ({done} in {seconds:.2} s)",
        done / seconds
    );
}

fn mutation(origin: &Region, sequence: u64, n: u64, now_ms: u64) -> Mutation {
    let item = item(n);
    Mutation {
        table: TABLE,
        key: keys().key_of(&item).unwrap(),
        version: Version {
            time: HybridTime::from_parts(now_ms, 0),
            origin: origin.clone(),
            sequence,
        },
        vector: VersionVector::default(),
        image: Some(encode_item(&item)),
        metadata: None,
        cause: Cause::Client,
        unit: Unit {
            first: sequence,
            last: sequence,
        },
    }
}

/// Processor time of this process in hundredths of a second: tells more than the rate where others use the machine too.
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

/// An open store, and the keys' randomness.
#[derive(Clone)]
struct Bench {
    store: Arc<SqliteStore>,
    random: Arc<SeededRandomness>,
    items: u64,
}

impl Bench {
    async fn open(items: u64, file: PathBuf) -> Self {
        let region = Region::new("us-east-1").unwrap();
        let opening = Instant::now();
        let options = Options::new(region, Database::File(file), Execution::Threads, Arc::new(SystemClock));
        let store = SqliteStore::open(options).unwrap();
        println!("a new database opened in {} ms", opening.elapsed().as_millis());
        let core = Core {
            name: "bench".to_owned(),
            keys: keys(),
            local_indexes: [].into(),
            created_ms: 0,
        };
        let create = vec![Edit::Set {
            table: TABLE,
            aspect: Aspect::Core(core),
        }];
        store.change_schema(Box::new(move |_| Ok(create))).await.unwrap();
        Self {
            store: Arc::new(store),
            random: Arc::new(SeededRandomness::new(7)),
            items,
        }
    }

    fn any(&self) -> u64 {
        self.random.next_u64() % self.items
    }

    async fn put(self) {
        let n = self.any();
        let change = Box::new(Put(Some(item(n))));
        let write = ItemWrite {
            table: TABLE,
            key: key(n),
            cause: Cause::Client,
            change,
        };
        self.store.commit(vec![write]).await.unwrap();
    }

    async fn get(self) {
        let key = key(self.any());
        drop(self.store.get(TABLE, &key).await.unwrap());
    }

    /// A batch of another region's mutations, the `call`th.
    async fn apply(self, call: u64) {
        let origin = Region::new("eu-west-1").unwrap();
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
        measure("puts over existing", items / 4, CALLERS, 1, put.clone()).await;
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

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let items: u64 = arguments.next().map_or(1_000_000, |items| items.parse().unwrap());
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let directory = tempfile::tempdir_in(directory).unwrap();
    println!("{items} random keys, {CALLERS} callers, 1 KiB items");
    Bench::open(items, directory.path().join("bench.db")).await.run().await;
}
