//! Reads of a disk that hangs leave other kinds of read their slots, and a worker to the rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use beringia_item::RANGES;
use beringia_storage::{
    LogFilter, LogPosition, Store, StoreError,
    backend::{ReadScope, Snapshot, StorageBackend, StorageSizes, Writer},
    conformance::fixture::*,
};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, Options, RegionStore, SqliteBackend};
use parking_lot::{Condvar, Mutex};
use tokio::time::{Instant, timeout};

use crate::support::options;

/// A bound on waits that end at once, unless all slots or workers are taken.
const SOON: Duration = Duration::from_secs(60);
/// More reads than there are slots of any kind.
const MANY: usize = 20;

/// A backend whose reads hang on request.
struct Hanging {
    backend: SqliteBackend,
    gate: Mutex<Gate>,
    opened: Condvar,
    /// The number of reads that hang now.
    hanging: AtomicUsize,
}

#[derive(Default)]
struct Gate {
    /// So many of the next reads hang.
    next: usize,
    /// Changes when the reads go on that hang.
    openings: u64,
}

impl Hanging {
    fn hang(&self, next: usize) {
        self.gate.lock().next = next;
    }

    fn open(&self) {
        let mut gate = self.gate.lock();
        *gate = Gate {
            next: 0,
            openings: gate.openings + 1,
        };
        self.opened.notify_all();
    }

    async fn wait_for(&self, hanging: usize) {
        let all = async {
            while self.hanging.load(Ordering::Relaxed) != hanging {
                tokio::task::yield_now().await;
            }
        };
        let waited = timeout(SOON, all).await;
        assert!(waited.is_ok(), "{} reads hang", self.hanging.load(Ordering::Relaxed));
    }
}

impl StorageBackend for Hanging {
    fn read(
        &self,
        scope: ReadScope,
        work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        {
            let mut gate = self.gate.lock();
            if gate.next > 0 {
                gate.next -= 1;
                let openings = gate.openings;
                self.hanging.fetch_add(1, Ordering::Relaxed);
                while gate.openings == openings {
                    self.opened.wait(&mut gate);
                }
                self.hanging.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.backend.read(scope, work)
    }

    fn lease(&self) -> Result<Box<dyn Writer>, StoreError> {
        self.backend.lease()
    }

    fn watch(&self, listener: Arc<dyn Fn() + Send + Sync>) {
        self.backend.watch(listener);
    }

    fn sizes(&self) -> Result<StorageSizes, StoreError> {
        self.backend.sizes()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.backend.check()
    }

    fn close(&self) {
        self.backend.close();
    }
}

/// Opens the gate even when a test fails: a runtime waits for its threads.
struct Fixture {
    store: Arc<RegionStore>,
    disk: Arc<Hanging>,
    _directory: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.disk.open();
    }
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::File(directory.path().join("region.db"));
        let options = Options::new(options("us-east-1"), database, Execution::Threads);
        let disk = Arc::new(Hanging {
            backend: SqliteBackend::open(&options).unwrap(),
            gate: Mutex::default(),
            opened: Condvar::new(),
            hanging: AtomicUsize::new(0),
        });
        let opened = RegionStore::open(disk.clone(), &options.store, options.execution, DiskFaults::default());
        let store = Arc::new(opened.unwrap());
        create_table(&*store, true).await;
        for n in 0..10 {
            put(&*store, item("a", n, &[])).await;
        }
        Self {
            store,
            disk,
            _directory: directory,
        }
    }

    fn scan(&self) -> tokio::task::JoinHandle<usize> {
        let store = self.store.clone();
        tokio::spawn(async move { scan(&*store, None).await.rows.len() })
    }

    /// Reads rows as a peer's copy does, every second time with their contents.
    fn copy(&self, n: usize) -> tokio::task::JoinHandle<usize> {
        let store = self.store.clone();
        tokio::spawn(async move {
            if n.is_multiple_of(2) {
                let rows = store.raw_rows(TABLE, 0..=RANGES - 1, None, 100).await;
                return rows.unwrap().len();
            }
            let keys = (0..10).map(|n| key("a", n)).collect();
            store.mutations_of(TABLE, keys).await.unwrap().len()
        })
    }

    /// Writes of two regions: those of this region alone would be read from memory.
    fn log(&self) -> LogFilter {
        let mut filter = all_of(self.store.origin());
        filter.origins.push(origin("eu-west-1"));
        filter
    }

    fn get(&self, n: u64) -> tokio::task::JoinHandle<bool> {
        let store = self.store.clone();
        tokio::spawn(async move { store.get(TABLE, &key("a", n)).await.unwrap().is_some() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_that_hang_do_not_stop_replication() {
    let fixture = Fixture::new().await;
    fixture.disk.hang(MANY);
    let scans: Vec<_> = (0..MANY).map(|_| fixture.scan()).collect();
    fixture.disk.wait_for(4).await;
    fixture.disk.hang(0);
    let store = fixture.store.clone();
    let others = async {
        let rows = store.raw_rows(TABLE, 0..=RANGES - 1, None, 100).await.unwrap();
        assert_eq!(rows.len(), 10);
        store.digest(TABLE).await.unwrap();
        assert!(store.verify_range(TABLE, 0).await.is_ok());
        let page = store.read_log(LogPosition(1), &fixture.log(), 1 << 20).await.unwrap();
        assert_eq!(page.mutations.len(), 10);
        assert!(store.get(TABLE, &key("a", 3)).await.unwrap().is_some());
    };
    assert!(timeout(SOON, others).await.is_ok(), "they have slots of their own");
    assert_eq!(fixture.disk.hanging.load(Ordering::Relaxed), 4);
    fixture.disk.open();
    for scan in scans {
        assert_eq!(scan.await.unwrap(), 10);
    }
}

/// A copy reads many rows that are not in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_hang_do_not_stop_the_log() {
    let fixture = Fixture::new().await;
    fixture.disk.hang(MANY);
    let copies: Vec<_> = (0..MANY).map(|n| fixture.copy(n)).collect();
    fixture.disk.wait_for(4).await;
    fixture.disk.hang(0);
    let store = fixture.store.clone();
    let others = async {
        let position = store.log_position(&fixture.log()).await.unwrap().unwrap();
        let page = store.read_log(position, &fixture.log(), 1 << 20).await.unwrap();
        assert_eq!(page.mutations.len(), 10);
        store.digest(TABLE).await.unwrap();
    };
    assert!(timeout(SOON, others).await.is_ok(), "they have slots of their own");
    assert_eq!(fixture.disk.hanging.load(Ordering::Relaxed), 4);
    fixture.disk.open();
    for copy in copies {
        assert_eq!(copy.await.unwrap(), 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_that_hang_leave_a_worker_free() {
    let fixture = Fixture::new().await;
    // From the first slow read on, reads are expected to be slow.
    fixture.disk.hang(1);
    let slow = fixture.get(1);
    fixture.disk.wait_for(1).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    fixture.disk.open();
    assert!(slow.await.unwrap());
    fixture.disk.hang(5);
    let gets: Vec<_> = (0..5).map(|n| fixture.get(n)).collect();
    fixture.disk.wait_for(5).await;
    let free = tokio::spawn(async { 7 });
    assert_eq!(timeout(SOON, free).await.unwrap().unwrap(), 7);
    fixture.disk.open();
    for get in gets {
        assert!(get.await.unwrap());
    }
}

/// A read whose caller has given up still occupies a thread, so it keeps its slot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_reads_keep_their_slots() {
    let fixture = Fixture::new().await;
    fixture.disk.hang(MANY);
    for hanging in 1..=4 {
        let scan = fixture.scan();
        fixture.disk.wait_for(hanging).await;
        scan.abort();
        assert!(scan.await.is_err());
    }
    let later = fixture.scan();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.disk.hanging.load(Ordering::Relaxed), 4);
    fixture.disk.open();
    assert_eq!(later.await.unwrap(), 10);
}
