//! A few regions in one process, connected by a switchboard.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use beringia_clock::{SeededRandomness, SkewedClock, TokioClock, WallClock};
use beringia_item::{KeyBytes, Origin, Region, TableId};
use beringia_node::{
    Arrival, Authentication, Behaviour, BoxedIo, Connector, Incoming, Node, NodeConfig, NodeStatus, NodeTuning,
    Observer, Peer,
};
use beringia_storage::{Store, StoreOptions};
use beringia_storage_sqlite::{Database, Execution, MemoryDisk, Options};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::Request;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Wall time at the start, milliseconds since the Unix epoch: November 2023.
const EPOCH_MS: u64 = 1_700_000_000_000;
const PIPE_BYTES: usize = 64 << 10;

type Acceptor = mpsc::UnboundedSender<io::Result<BoxedIo>>;

/// The reachable regions, and the open connections.
#[derive(Default)]
pub struct Switchboard {
    acceptors: Mutex<BTreeMap<Region, Acceptor>>,
    cuts: Mutex<Vec<(Region, Region)>>,
    open: Mutex<Vec<(Region, Region, CancellationToken)>>,
    /// For a dialling region and the region that it dials, the region that it reaches instead.
    misled: Mutex<BTreeMap<(Region, Region), Region>>,
    /// The delay of bytes on connections opened from now on, milliseconds.
    pub delay_ms: AtomicU64,
    /// While set, no bytes are delivered and no connection breaks.
    silent: watch::Sender<bool>,
}

/// Carries bytes both ways until either side ends. `simulations/network` has a more precise model
/// of a network.
async fn pump(near: DuplexStream, far: DuplexStream, delay: Duration, silent: watch::Receiver<bool>) {
    let (near_reads, near_writes) = split(near);
    let (far_reads, far_writes) = split(far);
    tokio::select! {
        biased;
        () = carry(near_reads, far_writes, delay, silent.clone()) => {}
        () = carry(far_reads, near_writes, delay, silent.clone()) => {}
    }
}

async fn carry(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    delay: Duration,
    mut silent: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; PIPE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let _ = silent.wait_for(|silent| !silent).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

impl Switchboard {
    fn is_cut(&self, a: &Region, b: &Region) -> bool {
        let cuts = self.cuts.lock().unwrap();
        cuts.contains(&(a.clone(), b.clone())) || cuts.contains(&(b.clone(), a.clone()))
    }

    /// Stops or resumes the delivery of all bytes.
    pub fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    fn connect(&self, from: &Region, to: &Region) -> io::Result<BoxedIo> {
        if self.is_cut(from, to) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the line is cut"));
        }
        let (near, near_inside) = duplex(PIPE_BYTES);
        let (far, far_inside) = duplex(PIPE_BYTES);
        let acceptors = self.acceptors.lock().unwrap();
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "no region listens");
        let misled = self.misled.lock().unwrap();
        let reached = misled.get(&(from.clone(), to.clone())).unwrap_or(to);
        let acceptor = acceptors.get(reached).ok_or_else(refused)?;
        acceptor.send(Ok(Box::new(far))).map_err(|_| refused())?;
        let cut = CancellationToken::new();
        let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
        let silent = self.silent.subscribe();
        self.open.lock().unwrap().push((from.clone(), to.clone(), cut.clone()));
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                () = pump(near_inside, far_inside, delay, silent) => {}
            }
        });
        Ok(Box::new(near))
    }

    fn listen(&self, region: &Region) -> Incoming {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.acceptors.lock().unwrap().insert(region.clone(), sender);
        Box::pin(stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        }))
    }

    fn connector(self: &Arc<Self>, from: &Region, to: &Region) -> Connector {
        let (board, from, to) = (Arc::clone(self), from.clone(), to.clone());
        Arc::new(move || {
            let connection = board.connect(&from, &to);
            async move { connection }.boxed()
        })
    }
}

/// One region. Its disk survives the node.
pub struct Site {
    pub region: Region,
    pub clock: Arc<SkewedClock<TokioClock>>,
    disk: MemoryDisk,
    file: Option<PathBuf>,
    pub node: Option<Node>,
    pub arrivals: Arc<Arrivals>,
    runs: u64,
}

/// Everything that was reported to a region's observer, over all its runs.
#[derive(Default)]
pub struct Arrivals(Mutex<Vec<Arrival>>, AtomicBool);

impl Observer for Arrivals {
    fn arrived(&self, arrivals: &[Arrival]) {
        assert!(!self.1.load(Ordering::Relaxed), "a planted panic");
        self.0.lock().unwrap().extend_from_slice(arrivals);
    }
}

impl Arrivals {
    /// Makes the next arrivals panic, on the task that applies them.
    pub fn panic(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// The arrivals of one table.
    pub fn of(&self, table: TableId) -> Vec<Arrival> {
        let arrivals = self.0.lock().unwrap();
        arrivals
            .iter()
            .filter(|arrival| arrival.table == table)
            .cloned()
            .collect()
    }
}

/// All regions, running or killed.
pub struct TestCluster {
    pub board: Arc<Switchboard>,
    pub sites: Vec<Site>,
    pub tuning: NodeTuning,
    /// How long logs are kept for streams, milliseconds.
    pub log_retention_ms: u64,
    /// How old a stream's shards get, milliseconds.
    pub shard_age_ms: u64,
}

impl TestCluster {
    /// Starts regions with these names.
    pub async fn start(names: &[&str]) -> Self {
        Self::start_in(names, None, |_| {}).await
    }

    /// As [`TestCluster::start`], with this delay on all connections, and copies in small pages, so
    /// that they take a while.
    pub async fn start_with_delay(names: &[&str], delay_ms: u64) -> Self {
        let small_pages = |tuning: &mut NodeTuning| tuning.replication.keys_per_page = 50;
        let cluster = Self::start_in(names, None, small_pages).await;
        cluster.board.delay_ms.store(delay_ms, Ordering::Relaxed);
        cluster.hang_up(|_, _| true);
        cluster
    }

    /// As [`TestCluster::start`], with a database file for each region in a directory, and other
    /// bounds.
    pub async fn start_in(names: &[&str], directory: Option<&Path>, tune: impl FnOnce(&mut NodeTuning)) -> Self {
        let mut cluster = Self::prepared(names, directory);
        tune(&mut cluster.tuning);
        cluster.run_all().await;
        cluster
    }

    /// As [`TestCluster::start`], with logs kept for a day, stream shards of this age, and no
    /// scrub.
    pub async fn start_streaming(names: &[&str], shard_age_ms: u64) -> Self {
        let mut cluster = Self::prepared(names, None);
        cluster.tuning.scrub_pause = None;
        cluster.log_retention_ms = beringia_storage::DEFAULT_LOG_RETENTION_MS;
        cluster.shard_age_ms = shard_age_ms;
        cluster.run_all().await;
        cluster
    }

    fn prepared(names: &[&str], directory: Option<&Path>) -> Self {
        let sites = names.iter().map(|name| Site {
            region: Region::new(name).unwrap(),
            clock: Arc::new(SkewedClock::new(TokioClock::new(EPOCH_MS))),
            disk: MemoryDisk::new(),
            file: directory.map(|directory| directory.join(name)),
            node: None,
            arrivals: Arc::default(),
            runs: 0,
        });
        Self {
            board: Arc::default(),
            sites: sites.collect(),
            tuning: NodeTuning {
                scrub_pause: Some(Duration::from_millis(5)),
                ..NodeTuning::default()
            },
            log_retention_ms: 0,
            shard_age_ms: beringia_storage::DEFAULT_SHARD_AGE_MS,
        }
    }

    async fn run_all(&mut self) {
        for site in 0..self.sites.len() {
            self.run(site).await;
        }
    }

    /// Makes the region `from` reach `reached` when it dials `to`.
    pub fn mislead(&self, from: usize, to: usize, reached: usize) {
        let mut misled = self.board.misled.lock().unwrap();
        misled.insert((self.region(from), self.region(to)), self.region(reached));
        self.hang_up(|a, b| *a == self.sites[from].region && *b == self.sites[to].region);
    }

    /// A bare connection to the region's replication endpoint.
    pub fn dial(&self, site: usize) -> BoxedIo {
        let stranger = Region::new("stranger").unwrap();
        self.board.connect(&stranger, &self.sites[site].region).unwrap()
    }

    /// A cluster of nodes that were started elsewhere.
    pub fn of(nodes: Vec<Node>) -> Self {
        let site = |node: Node| Site {
            region: node.store().region().clone(),
            clock: Arc::new(SkewedClock::new(TokioClock::new(EPOCH_MS))),
            disk: MemoryDisk::new(),
            file: None,
            node: Some(node),
            arrivals: Arc::default(),
            runs: 1,
        };
        Self {
            board: Arc::default(),
            sites: nodes.into_iter().map(site).collect(),
            tuning: NodeTuning::default(),
            log_retention_ms: 0,
            shard_age_ms: beringia_storage::DEFAULT_SHARD_AGE_MS,
        }
    }

    /// Starts the region on its disk.
    pub async fn run(&mut self, site: usize) {
        let names: Vec<Region> = self.sites.iter().map(|site| site.region.clone()).collect();
        let board = Arc::clone(&self.board);
        let site = &mut self.sites[site];
        site.runs += 1;
        let region = site.region.clone();
        let clock: Arc<dyn WallClock> = Arc::clone(&site.clock) as _;
        let options = StoreOptions {
            log_retention_ms: self.log_retention_ms,
            shard_age_ms: self.shard_age_ms,
            ..StoreOptions::new(region.clone(), Arc::clone(&clock))
        };
        let database = match &site.file {
            Some(file) => Database::File(file.clone()),
            None => Database::Memory(site.disk.clone()),
        };
        let options = Options::new(options, database, Execution::Inline);
        let store: Arc<dyn Store> = Arc::new(beringia_storage_sqlite::open(&options).unwrap());
        let others = names.iter().filter(|other| **other != region);
        let config = NodeConfig {
            region: region.clone(),
            peers: others
                .map(|other| Peer {
                    region: other.clone(),
                    connector: board.connector(&region, other),
                })
                .collect(),
            clock,
            randomness: Arc::new(SeededRandomness::new(site.runs).derive(region.as_str())),
            authentication: Authentication::AcceptAny,
            services: Vec::new(),
            tuning: self.tuning.clone(),
            behaviour: Behaviour::default(),
            observer: Some(Arc::clone(&site.arrivals) as _),
        };
        let replication = board.listen(&region);
        let node = Node::start(config, store, Box::pin(stream::pending()), replication)
            .await
            .unwrap();
        site.node = Some(node);
    }

    /// Kills the region and breaks its connections.
    pub fn kill(&mut self, site: usize) {
        self.sites[site].disk.detach();
        self.sites[site].node.take().unwrap().kill();
        let region = self.sites[site].region.clone();
        self.board.acceptors.lock().unwrap().remove(&region);
        self.hang_up(|a, b| *a == region || *b == region);
    }

    /// Stops the region cleanly.
    pub async fn stop(&mut self, site: usize) {
        let node = self.sites[site].node.take().unwrap();
        let region = self.sites[site].region.clone();
        self.board.acceptors.lock().unwrap().remove(&region);
        node.halt().await;
        node.store().close().await;
        self.hang_up(|a, b| *a == region || *b == region);
    }

    /// Discards the disk of a killed region.
    pub fn lose_disk(&mut self, site: usize) {
        self.sites[site].disk = MemoryDisk::new();
    }

    fn hang_up(&self, which: impl Fn(&Region, &Region) -> bool) {
        self.board.open.lock().unwrap().retain(|(a, b, cut)| {
            let hit = which(a, b);
            if hit {
                cut.cancel();
            }
            !hit
        });
    }

    pub fn cut(&self, a: usize, b: usize) {
        let (a, b) = (self.sites[a].region.clone(), self.sites[b].region.clone());
        self.board.cuts.lock().unwrap().push((a.clone(), b.clone()));
        self.hang_up(|from, to| (from, to) == (&a, &b) || (from, to) == (&b, &a));
    }

    pub fn heal(&self) {
        self.board.cuts.lock().unwrap().clear();
    }

    pub fn set_skew(&self, site: usize, skew_ms: u64) {
        let clock = &self.sites[site].clock;
        clock.step(i64::try_from(skew_ms).unwrap() - clock.ahead_ms());
    }

    pub fn node(&self, site: usize) -> &Node {
        self.sites[site].node.as_ref().unwrap()
    }

    pub fn region(&self, site: usize) -> Region {
        self.sites[site].region.clone()
    }

    pub fn origin(&self, site: usize) -> Origin {
        Origin::of_only_shard(&self.region(site))
    }

    pub fn store(&self, site: usize) -> Arc<dyn Store> {
        self.node(site).store()
    }

    pub async fn status(&self, site: usize) -> NodeStatus {
        self.node(site).status().await
    }

    /// A request to the region's API; the answer must be 200.
    pub async fn ask(&self, site: usize, operation: &str, body: Value) -> Value {
        let (status, answer) = self.try_ask(site, operation, body).await;
        assert_eq!(status, 200, "{operation} in {}: {answer}", self.sites[site].region);
        answer
    }

    pub async fn try_ask(&self, site: usize, operation: &str, body: Value) -> (u16, Value) {
        let (status, _, answer) = self.send(site, operation, body).await;
        (status, answer)
    }

    /// Sends a request to the region's API. Returns status, request id and body of the answer.
    pub async fn send(&self, site: usize, operation: &str, body: Value) -> (u16, String, Value) {
        let region = &self.sites[site].region;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=someone/20231114/{region}/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let service = match operation {
            "ListStreams" | "DescribeStream" | "GetShardIterator" | "GetRecords" => "DynamoDBStreams_20120810",
            _ => "DynamoDB_20120810",
        };
        let target = format!("{service}.{operation}");
        let request = Request::post("/")
            .header("host", "localhost")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20231114T221320Z")
            .header("x-amz-target", target)
            .header("authorization", authorization)
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let response = self.node(site).services().handle(request).await;
        let status = response.status().as_u16();
        let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
        let bytes = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        // TagResource has an empty answer.
        let answer = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        (status, id, answer)
    }

    /// Creates a table with the key `pk` in one region.
    pub async fn create_table(&self, site: usize, table: &str) {
        let body = json!({
            "TableName": table,
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        });
        self.ask(site, "CreateTable", body).await;
        self.until(async || self.table_status(site, table).await == "ACTIVE")
            .await;
    }

    async fn table_status(&self, site: usize, table: &str) -> String {
        let (_, answer) = self.try_ask(site, "DescribeTable", json!({"TableName": table})).await;
        answer["Table"]["TableStatus"].as_str().unwrap_or_default().to_owned()
    }

    /// The status of a replica as one region reports it; empty if it does not know the replica.
    pub async fn replica_status(&self, site: usize, table: &str, of: usize) -> String {
        let (_, answer) = self.try_ask(site, "DescribeTable", json!({"TableName": table})).await;
        if site == of {
            // A table lists only the other regions as its replicas.
            return answer["Table"]["TableStatus"].as_str().unwrap_or_default().to_owned();
        }
        let name = self.sites[of].region.as_str();
        let replicas = answer["Table"]["Replicas"].as_array().cloned().unwrap_or_default();
        let replica = replicas.iter().find(|replica| replica["RegionName"] == name);
        replica
            .and_then(|replica| replica["ReplicaStatus"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// Requests a replica and waits until it is active in both regions.
    pub async fn add_replica(&self, site: usize, table: &str, at: usize) {
        self.ask_for_replica(site, table, at).await;
        self.until(async || {
            self.replica_status(site, table, at).await == "ACTIVE"
                && self.replica_status(at, table, at).await == "ACTIVE"
        })
        .await;
    }

    pub async fn ask_for_replica(&self, site: usize, table: &str, at: usize) {
        let update = json!([{"Create": {"RegionName": self.sites[at].region.as_str()}}]);
        self.ask(
            site,
            "UpdateTable",
            json!({"TableName": table, "ReplicaUpdates": update}),
        )
        .await;
    }

    pub async fn put(&self, site: usize, table: &str, key: &str, value: &str) {
        let item = json!({"pk": {"S": key}, "v": {"S": value}});
        self.ask(site, "PutItem", json!({"TableName": table, "Item": item}))
            .await;
    }

    pub async fn delete(&self, site: usize, table: &str, key: &str) {
        self.ask(
            site,
            "DeleteItem",
            json!({"TableName": table, "Key": {"pk": {"S": key}}}),
        )
        .await;
    }

    /// The value under the key in one region.
    pub async fn get(&self, site: usize, table: &str, key: &str) -> Option<String> {
        let body = json!({"TableName": table, "Key": {"pk": {"S": key}}, "ConsistentRead": true});
        let (_, answer) = self.try_ask(site, "GetItem", body).await;
        answer["Item"]["v"]["S"].as_str().map(str::to_owned)
    }

    pub fn table_id(&self, site: usize, table: &str) -> TableId {
        self.store(site).catalog().by_name[table].id
    }

    /// The stored key of an item of a table with key `pk`.
    pub fn key(&self, site: usize, table: &str, key: &str) -> KeyBytes {
        let item = [("pk".to_owned(), beringia_item::AttributeValue::S(key.to_owned()))].into();
        self.store(site).catalog().by_name[table]
            .core
            .keys
            .key_of(&item)
            .unwrap()
    }

    /// Whether the table is equal in these regions.
    pub async fn same(&self, sites: &[usize], table: &str) -> bool {
        let mut digests = Vec::new();
        for site in sites {
            let store = self.store(*site);
            let Some(table) = store.catalog().by_name.get(table).map(|table| table.id) else {
                return false;
            };
            digests.push(store.digest(table).await.unwrap());
        }
        digests.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Waits in virtual time until the condition is met. Fails after two minutes.
    pub async fn until(&self, mut condition: impl AsyncFnMut() -> bool) {
        let since = Instant::now();
        while !condition().await {
            if since.elapsed() > Duration::from_secs(120) {
                for site in self.sites.iter().filter(|site| site.node.is_some()) {
                    println!("{:#?}", site.node.as_ref().unwrap().status().await);
                }
                panic!("the condition was not met within two minutes");
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}
