//! One region in memory behind real HTTP, and what its store shows at the end.

use std::{collections::BTreeMap, io, sync::Arc};

use async_trait::async_trait;
use beringia_clock::{ManualClock, SeededRandomness, WallClock};
use beringia_endpoint::{
    Authentication, BoxedIo, ConnectionLimits, OneRegion, RegionServices, Server, SharedService, serve,
};
use beringia_engine::Engine;
use beringia_gateway::Gateway;
use beringia_history::{EXPIRES, Evidence, Journal, Logged, VersionedItem, key_text};
use beringia_item::{Cause, Mutation, RANGES, Region, VersionVector, decode_item};
use beringia_storage::{LogFilter, LogPosition, Store, StoreOptions};
use beringia_storage_memory::{Execution, MemoryState, Options};
use beringia_workload::{Dial, HttpTarget, HttpTargets, Targets, WorkloadTable};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use tokio_stream::{StreamExt as _, wrappers::UnboundedReceiverStream};

pub(crate) const REGION: &str = "eu-west-1";

/// Opens pipes to the one region.
pub(crate) struct OneRegionPipes(mpsc::UnboundedSender<io::Result<DuplexStream>>);

#[async_trait]
impl Dial for OneRegionPipes {
    type Stream = DuplexStream;

    async fn dial(&self, region: &str) -> io::Result<DuplexStream> {
        let (near, far) = duplex(1 << 16);
        let is_there = region == REGION && self.0.send(Ok(far)).is_ok();
        is_there
            .then_some(near)
            .ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

/// A region that serves as long as it can be dialled.
pub(crate) struct RegionServer {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    targets: Arc<HttpTargets<OneRegionPipes>>,
}

impl RegionServer {
    pub(crate) fn start() -> Self {
        let region = Region::new(REGION).expect("a name");
        let clock = Arc::new(ManualClock::new(1_735_689_600_000));
        let options = Options::new(
            StoreOptions::new(region.clone(), clock.clone()),
            MemoryState::new(),
            Execution::Inline,
        );
        let store: Arc<dyn Store> = Arc::new(beringia_storage_memory::open(&options).expect("a store"));
        let randomness = Arc::new(SeededRandomness::new(7));
        let engine = Engine::new(Arc::clone(&store), clock.clone(), randomness.clone(), [region]);
        let services = RegionServices::new(
            REGION,
            Authentication::AcceptAny,
            clock.clone(),
            randomness.clone(),
            SharedService::new(Arc::new(Gateway::new(Arc::new(engine)))),
        );
        let resolver = Arc::new(OneRegion(Arc::new(services)));
        let server = Server::new(resolver, clock.clone(), randomness, ConnectionLimits::default());
        let (running, incoming) = mpsc::unbounded_channel();
        let incoming = UnboundedReceiverStream::new(incoming).map(|accepted| Ok(Box::new(accepted?) as BoxedIo));
        let forever = Box::pin(std::future::pending());
        tokio::spawn(serve(Arc::new(server), Box::pin(incoming), forever));
        Self {
            store,
            clock,
            targets: Arc::new(HttpTargets::new(OneRegionPipes(running))),
        }
    }

    pub(crate) fn targets(&self) -> Arc<dyn Targets> {
        self.targets.clone()
    }

    pub(crate) fn client(&self) -> HttpTarget<OneRegionPipes> {
        self.targets.client(REGION)
    }

    pub(crate) fn clock(&self) -> Arc<dyn WallClock> {
        self.clock.clone()
    }

    /// The evidence of each table.
    pub(crate) async fn evidence(&self, tables: &[WorkloadTable]) -> BTreeMap<String, Evidence> {
        let mut evidence = BTreeMap::new();
        for table in tables {
            evidence.insert(table.name.clone(), self.of_table(table).await);
        }
        evidence
    }

    async fn of_table(&self, table: &WorkloadTable) -> Evidence {
        let id = self.store.catalog().by_name.get(&table.name).expect("the table").id;
        let filter = LogFilter {
            origins: vec![self.store.origin().clone()],
            tables: BTreeMap::from([(id, VersionVector::default())]),
        };
        let mut log: BTreeMap<String, Vec<Logged>> = BTreeMap::new();
        let mut position = LogPosition::default();
        loop {
            let page = self.store.read_log(position, &filter, 1 << 20).await.expect("the log");
            for mutation in &page.mutations {
                let logged = Logged {
                    held: held(mutation),
                    causal_context: mutation.causal_context.clone(),
                    is_expiry: mutation.cause == Cause::TimeToLive,
                };
                log.entry(self.key(table, mutation)).or_default().push(logged);
            }
            position = page.next;
            if page.end.is_some() {
                break;
            }
        }
        let mut rows = BTreeMap::new();
        let keys = self.store.raw_rows(id, 0..=RANGES - 1, None, 100_000).await;
        let keys = keys.expect("rows").into_iter().map(|row| row.key).collect();
        for mutation in self.store.mutations_of(id, keys).await.expect("rows") {
            rows.insert(self.key(table, &mutation), held(&mutation));
        }
        let journal = Journal {
            entries: Vec::new(),
            is_complete: true,
        };
        let region = || REGION.to_owned();
        Evidence {
            logs: BTreeMap::from([(region(), log)]),
            held: BTreeMap::from([(region(), rows)]),
            journals: BTreeMap::from([(region(), journal)]),
            ..Evidence::default()
        }
    }

    fn key(&self, table: &WorkloadTable, mutation: &Mutation) -> String {
        let catalog = self.store.catalog();
        let keys = &catalog.by_name.get(&table.name).expect("the table").core.keys;
        let attributes = keys.attributes_of(&mutation.key).expect("a key");
        key_text(table.key.iter().map(String::as_str), &attributes).expect("a key")
    }
}

fn held(mutation: &Mutation) -> VersionedItem {
    let item = mutation
        .image
        .as_ref()
        .map(|image| decode_item(image).expect("an item"));
    VersionedItem::new(mutation.version.clone(), item.as_ref(), Some(EXPIRES))
}
