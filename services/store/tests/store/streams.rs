//! Streams: every applied change once, in order, through shards that close and go on, for a day.

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::{ManualClock, WallClock};
use beringia_item::{Cause, Item, KeyBytes, Region, TableId};
use beringia_store::{
    Aspect, DEFAULT_LOG_RETENTION_MS, Edit, LogPosition, MemoryDisk, RemoteBatch, RemoteKind, ShardKey, SqliteStore,
    Store, StoreError, Stream, StreamChange, StreamPage, StreamRead, StreamRecord, StreamView, TableStream,
};
use proptest::prelude::*;

use crate::support::*;

const SHARD_AGE_MS: u64 = 10_000;
const DAY_MS: u64 = DEFAULT_LOG_RETENTION_MS;

fn open(name: &str, disk: &MemoryDisk, clock: &Arc<ManualClock>) -> SqliteStore {
    let mut options = memory_options(name, disk, clock.clone());
    options.log_retention_ms = DAY_MS;
    options.shard_age_ms = SHARD_AGE_MS;
    SqliteStore::open(options).unwrap()
}

/// A region whose log is kept for a day, with shards of ten seconds.
fn site(name: &str) -> Site {
    let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(START_MS)));
    let store = open(name, &disk, &clock);
    Site { store, disk, clock }
}

fn restarted(site: Site) -> Site {
    let Site { store, disk, clock } = site;
    let name = store.region().to_string();
    drop(store);
    let store = open(&name, &disk, &clock);
    Site { store, disk, clock }
}

async fn set_stream(site: &Site, view: Option<StreamView>) -> Option<Stream> {
    let latest = site.store.catalog().by_id[&TABLE].latest_stream;
    let stream = view.map(|view| Stream {
        view,
        enabled_ms: site
            .clock
            .now_ms()
            .max(latest.map_or(0, |latest| latest.enabled_ms + 1)),
    });
    edit(&site.store, vec![set(TABLE, Aspect::Stream(stream))]).await;
    stream
}

async fn streams(site: &Site) -> Vec<Arc<TableStream>> {
    site.store.streams().await.unwrap().streams
}

/// The one stream that there is.
async fn only_stream(site: &Site) -> Arc<TableStream> {
    let mut all = streams(site).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn read(stream: &TableStream, shard: usize, from: Option<LogPosition>) -> StreamRead {
    StreamRead {
        shard: ShardKey {
            table: stream.table,
            enabled_ms: stream.stream.enabled_ms,
            opened_ms: stream.shards[shard].opened_ms,
        },
        from,
        max_records: 1000,
        max_bytes: 1 << 20,
    }
}

async fn page(site: &Site, read: StreamRead) -> StreamPage {
    site.store.read_stream(read).await.unwrap()
}

/// Makes the committer look at the time.
async fn wake(site: &Site) {
    site.store.forget(&BTreeMap::new()).await.unwrap();
}

/// A change of an item: key, before, after.
type Change = (KeyBytes, Option<Item>, Option<Item>);

fn told(record: &StreamRecord) -> Change {
    let key = keys().key_of(&record.keys).unwrap();
    (key, record.before.clone(), record.after.clone())
}

/// Reads a stream as the Kinesis Client Library does: every shard from its oldest record on, children only after their parents.
#[derive(Default)]
struct Consumer {
    /// Where to read on in each shard that was begun; `None` where it was read to its end.
    cursors: BTreeMap<u64, Option<LogPosition>>,
    seen: Vec<Change>,
}

impl Consumer {
    /// Reads one page of each shard whose turn it is; false where nothing was new.
    async fn read(&mut self, site: &Site, enabled_ms: u64, max_records: usize, max_bytes: usize) -> bool {
        let all = streams(site).await;
        let stream = all
            .iter()
            .find(|stream| stream.stream.enabled_ms == enabled_ms)
            .unwrap();
        let mut progressed = false;
        for shard in 0..stream.shards.len() {
            let Shard { opened_ms, parent_ms } = Shard::of(stream, shard);
            let parent_is_read = parent_ms.is_none_or(|parent| self.cursors.get(&parent) == Some(&None));
            let from = match self.cursors.get(&opened_ms) {
                Some(None) => continue,
                Some(Some(from)) => Some(*from),
                None if parent_is_read => None,
                None => continue,
            };
            let read = StreamRead {
                max_records,
                max_bytes,
                ..read(stream, shard, from)
            };
            let page = page(site, read).await;
            assert!(page.records.len() <= max_records);
            progressed |= !page.records.is_empty() || page.next.is_none();
            self.seen.extend(page.records.iter().map(told));
            self.cursors.insert(opened_ms, page.next);
        }
        progressed
    }
}

/// What a consumer needs to know of a shard.
struct Shard {
    opened_ms: u64,
    parent_ms: Option<u64>,
}

impl Shard {
    fn of(stream: &TableStream, shard: usize) -> Self {
        let shard = stream.shards[shard];
        Self {
            opened_ms: shard.opened_ms,
            parent_ms: shard.parent_ms,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put {
        peer: bool,
        key: u64,
        color: u64,
    },
    Delete {
        peer: bool,
        key: u64,
    },
    Both {
        first: u64,
        second: u64,
        color: u64,
    },
    /// What the peer wrote comes by stream, unit by unit.
    Ship,
    /// The peer's rows come by repair.
    Repair,
    Back,
    Toggle {
        view: u8,
    },
    Tick {
        ms: u64,
    },
    Wake,
    Crash,
    Consume {
        max_records: usize,
        max_bytes: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..4_u64;
    prop_oneof![
        6 => (any::<bool>(), key.clone(), 0..3_u64).prop_map(|(peer, key, color)| Step::Put { peer, key, color }),
        3 => (any::<bool>(), key.clone()).prop_map(|(peer, key)| Step::Delete { peer, key }),
        2 => (key, 1..4_u64, 0..3_u64)
            .prop_map(|(first, other, color)| Step::Both { first, second: (first + other) % 4, color }),
        3 => Just(Step::Ship),
        1 => Just(Step::Repair),
        1 => Just(Step::Back),
        1 => (0..4_u8).prop_map(|view| Step::Toggle { view }),
        3 => (0..SHARD_AGE_MS).prop_map(|ms| Step::Tick { ms }),
        1 => Just(Step::Wake),
        1 => Just(Step::Crash),
        3 => (1..5_usize, 1..200_usize).prop_map(|(max_records, max_bytes)| Step::Consume { max_records, max_bytes }),
    ]
}

fn view(number: u8) -> StreamView {
    [
        StreamView::KeysOnly,
        StreamView::NewImage,
        StreamView::OldImage,
        StreamView::NewAndOldImages,
    ][usize::from(number)]
}

/// A region with a table that has a replica elsewhere, what its streams must tell, and who reads them.
struct World {
    site: Option<Site>,
    peer: Site,
    stream: Option<Stream>,
    expected: BTreeMap<u64, Vec<Change>>,
    consumers: BTreeMap<u64, Consumer>,
}

impl World {
    async fn new() -> Self {
        let (site, peer) = (site("us-east-1"), site("eu-west-1"));
        create_global_table(&[&site, &peer], true).await;
        let mut world = Self {
            site: Some(site),
            peer,
            stream: None,
            expected: BTreeMap::new(),
            consumers: BTreeMap::new(),
        };
        world.toggle(3).await;
        world
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    async fn items(&self) -> BTreeMap<KeyBytes, Item> {
        let rows = scan(&self.site().store, None).await.rows;
        rows.into_iter().map(|row| (row.key, row.item)).collect()
    }

    async fn toggle(&mut self, number: u8) {
        let wanted = self.stream.is_none().then(|| view(number));
        self.stream = set_stream(self.site(), wanted).await;
        if let Some(stream) = self.stream {
            self.expected.insert(stream.enabled_ms, Vec::new());
            self.consumers.insert(stream.enabled_ms, Consumer::default());
        }
    }

    /// Notes what became of these items since they were `before`.
    async fn note(&mut self, before: &BTreeMap<KeyBytes, Item>, keys: &[KeyBytes]) {
        let after = self.items().await;
        let Some(stream) = self.stream else { return };
        let expected = self.expected.get_mut(&stream.enabled_ms).unwrap();
        for key in keys {
            let (old, new) = (before.get(key), after.get(key));
            if old == new {
                continue;
            }
            let shown =
                |shown: [StreamView; 2], image: Option<&Item>| image.filter(|_| shown.contains(&stream.view)).cloned();
            expected.push((
                key.clone(),
                shown([StreamView::OldImage, StreamView::NewAndOldImages], old),
                shown([StreamView::NewImage, StreamView::NewAndOldImages], new),
            ));
        }
    }

    async fn write(&mut self, peer: bool, unit: Vec<(u64, Do)>) {
        let keys: Vec<_> = unit.iter().map(|(n, _)| key("k", *n)).collect();
        let unit = unit.into_iter().map(|(n, what)| write(key("k", n), what)).collect();
        if peer {
            commit(&self.peer.store, unit).await.unwrap();
            return;
        }
        let before = self.items().await;
        commit(&self.site().store, unit).await.unwrap();
        self.note(&before, &keys).await;
    }

    async fn apply(&mut self, batch: RemoteBatch) {
        let keys: Vec<_> = batch.mutations.iter().map(|mutation| mutation.key.clone()).collect();
        let before = self.items().await;
        self.site().store.apply(batch).await.unwrap();
        self.note(&before, &keys).await;
    }

    async fn ship(&mut self) {
        let lacks = read_all(&self.peer.store, &wants(&self.peer, self.site(), TABLE)).await;
        for unit in lacks.chunk_by(|a, b| a.unit == b.unit) {
            let mutations = unit.to_vec();
            self.apply(RemoteBatch {
                mutations,
                ..RemoteBatch::default()
            })
            .await;
        }
    }

    async fn repair(&mut self) {
        let keys = (0..4).map(|n| key("k", n)).collect();
        let mutations = self.peer.store.mutations_of(TABLE, keys).await.unwrap();
        let kind = RemoteKind::Repair;
        self.apply(RemoteBatch {
            mutations,
            kind,
            ..RemoteBatch::default()
        })
        .await;
    }

    async fn consume(&mut self, max_records: usize, max_bytes: usize) -> bool {
        let site = self.site.as_ref().unwrap();
        let mut progressed = false;
        for (enabled_ms, consumer) in &mut self.consumers {
            progressed |= consumer.read(site, *enabled_ms, max_records, max_bytes).await;
            let expected = &self.expected[enabled_ms];
            assert_eq!(
                consumer.seen,
                expected[..consumer.seen.len().min(expected.len())],
                "nothing is missed, repeated or told otherwise"
            );
        }
        progressed
    }

    async fn step(&mut self, step: Step) {
        let colored = |key: u64, color: u64| Do::Put(item("k", key, &[("color", text(&format!("c{color}")))]));
        match step {
            Step::Put { peer, key, color } => self.write(peer, vec![(key, colored(key, color))]).await,
            Step::Delete { peer, key } => self.write(peer, vec![(key, Do::Delete)]).await,
            Step::Both { first, second, color } => {
                let unit = vec![(first, colored(first, color)), (second, Do::Delete)];
                self.write(false, unit).await;
            }
            Step::Ship => self.ship().await,
            Step::Repair => self.repair().await,
            Step::Back => drop(ship(self.site(), &self.peer, TABLE).await),
            Step::Toggle { view } => self.toggle(view).await,
            Step::Tick { ms } => {
                self.site().advance_ms(ms);
                self.peer.advance_ms(ms);
            }
            Step::Wake => wake(self.site()).await,
            Step::Crash => {
                let site = self.site.take().unwrap();
                self.site = Some(restarted(site));
            }
            Step::Consume { max_records, max_bytes } => drop(self.consume(max_records, max_bytes).await),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_consumer_that_walks_the_shards_sees_every_applied_change_once_and_in_order(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        runtime().block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.step(step).await;
            }
            while world.consume(3, 500).await {}
            for (enabled_ms, consumer) in &world.consumers {
                assert_eq!(consumer.seen, world.expected[enabled_ms]);
            }
        });
    }
}

#[tokio::test]
async fn a_shard_that_is_old_enough_goes_over_into_a_child_also_where_nobody_writes() {
    let site = site("us-east-1");
    create_table(&site.store, false).await;
    set_stream(&site, Some(StreamView::KeysOnly)).await;
    put(&site.store, item("a", 1, &[])).await;
    let first = only_stream(&site).await;
    assert_eq!(first.shards.len(), 1);
    assert_eq!((first.shards[0].end, first.shards[0].parent_ms), (None, None));
    for round in 1..=2 {
        site.advance_ms(SHARD_AGE_MS - 1);
        wake(&site).await;
        assert_eq!(only_stream(&site).await.shards.len(), round, "a millisecond too early");
        site.advance_ms(1);
        wake(&site).await;
        assert_eq!(only_stream(&site).await.shards.len(), round + 1);
    }
    let stream = only_stream(&restarted(site)).await;
    let [parent, child, grandchild] = stream.shards[..] else {
        panic!("three shards")
    };
    assert_eq!(
        parent,
        beringia_store::Shard {
            end: parent.end,
            ..first.shards[0]
        }
    );
    let end = parent.end.unwrap();
    assert_eq!(end.closed_ms, START_MS + SHARD_AGE_MS);
    assert_eq!(child.first.0, end.last.0 + 1);
    assert_eq!(child.parent_ms, Some(parent.opened_ms));
    assert_eq!(child.end.unwrap().last, end.last, "nothing was written meanwhile");
    assert_eq!((grandchild.parent_ms, grandchild.end), (Some(child.opened_ms), None));
}

#[tokio::test]
async fn a_page_ends_with_the_limits_and_a_closed_shard_with_its_last_record() {
    let site = site("us-east-1");
    create_table(&site.store, false).await;
    set_stream(&site, Some(StreamView::NewImage)).await;
    for n in 1..=5 {
        put(&site.store, item("a", n, &[("color", text("red"))])).await;
    }
    set_stream(&site, None).await;
    let stream = only_stream(&site).await;
    assert!(!stream.is_enabled());
    let three = page(
        &site,
        StreamRead {
            max_records: 3,
            ..read(&stream, 0, None)
        },
    )
    .await;
    assert_eq!(three.records.len(), 3);
    let rest = page(&site, read(&stream, 0, three.next)).await;
    assert_eq!((rest.records.len(), rest.next), (2, None));
    let size = three.records[0].size_bytes();
    let small = page(
        &site,
        StreamRead {
            max_bytes: 2 * size,
            ..read(&stream, 0, None)
        },
    )
    .await;
    assert_eq!((small.records.len(), small.next), (2, Some(three.records[2].position)));
    let tiny = page(
        &site,
        StreamRead {
            max_bytes: 1,
            ..read(&stream, 0, small.next)
        },
    )
    .await;
    assert_eq!(tiny.records.len(), 1, "one record is returned whatever its size");
    let unknown = ShardKey {
        opened_ms: 7,
        ..read(&stream, 0, None).shard
    };
    let nowhere = StreamRead {
        shard: unknown,
        ..read(&stream, 0, None)
    };
    assert_eq!(
        site.store.read_stream(nowhere).await.unwrap_err(),
        StoreError::UnknownShard(unknown)
    );
}

#[tokio::test]
async fn records_and_closed_shards_can_be_read_for_a_day_and_not_longer() {
    let site = site("us-east-1");
    create_table(&site.store, false).await;
    set_stream(&site, Some(StreamView::NewAndOldImages)).await;
    put(&site.store, item("a", 1, &[])).await;
    let first = only_stream(&site).await;
    let old = page(&site, read(&first, 0, None)).await.records[0].position;
    site.advance_ms(DAY_MS / 2);
    put(&site.store, item("a", 1, &[("color", text("red"))])).await;
    site.advance_ms(DAY_MS / 2 - 1);
    wake(&site).await;
    assert_eq!(
        page(&site, read(&first, 0, Some(old))).await.records.len(),
        2,
        "not quite a day"
    );
    site.advance_ms(1);
    wake(&site).await;
    assert_eq!(
        site.store.read_stream(read(&first, 0, Some(old))).await.unwrap_err(),
        StoreError::Trimmed(old)
    );
    let kept = page(&site, read(&first, 0, None)).await;
    assert_eq!(kept.records.len(), 1);
    assert_eq!(kept.records[0].change, StreamChange::Modify);
    assert_eq!(
        kept.records[0].before,
        Some(item("a", 1, &[])),
        "the image before is there though its record is older"
    );
    site.advance_ms(DAY_MS);
    wake(&site).await;
    let last = only_stream(&site).await;
    assert!(last.is_enabled());
    let opened_ms = first.shards[0].opened_ms;
    assert!(
        last.shards.iter().all(|shard| shard.opened_ms > opened_ms),
        "the first shard is gone"
    );
    assert_eq!(
        site.store.read_stream(read(&first, 0, None)).await.unwrap_err(),
        StoreError::UnknownShard(read(&first, 0, None).shard)
    );
}

#[tokio::test]
async fn a_stream_that_was_disabled_and_that_of_a_deleted_table_stay_for_a_day() {
    let site = site("us-east-1");
    create_table(&site.store, false).await;
    let disabled = set_stream(&site, Some(StreamView::NewImage)).await;
    put(&site.store, item("a", 1, &[])).await;
    set_stream(&site, None).await;
    put(&site.store, item("a", 2, &[])).await;
    let latest = set_stream(&site, Some(StreamView::OldImage)).await;
    put(&site.store, item("a", 3, &[])).await;
    delete(&site.store, key("a", 3)).await;
    edit(&site.store, vec![Edit::Drop { table: TABLE }]).await;
    let site = restarted(site);
    wake(&site).await;
    let kept = streams(&site).await;
    assert_eq!(
        kept.iter().map(|stream| Some(stream.stream)).collect::<Vec<_>>(),
        [disabled, latest]
    );
    assert!(
        kept.iter()
            .all(|stream| !stream.is_enabled() && stream.table_name == "things")
    );
    let records = page(&site, read(&kept[0], 0, None)).await.records;
    assert_eq!(
        records.iter().map(told).collect::<Vec<_>>(),
        [(key("a", 1), None, Some(item("a", 1, &[])))]
    );
    let records = page(&site, read(&kept[1], 0, None)).await.records;
    assert_eq!(
        records.iter().map(told).collect::<Vec<_>>(),
        [(key("a", 3), None, None), (key("a", 3), Some(item("a", 3, &[])), None)]
    );
    site.advance_ms(DAY_MS - 1);
    assert_eq!(streams(&site).await.len(), 2);
    site.advance_ms(1);
    assert_eq!(streams(&site).await, [], "without a commit in between too");
    wake(&site).await;
    assert_eq!(streams(&restarted(site)).await, []);
}

#[tokio::test]
async fn the_definition_tells_of_the_latest_stream_as_long_as_it_can_be_read() {
    let site = site("us-east-1");
    create_table(&site.store, false).await;
    let latest = async |site: &Site| {
        let catalog = site.store.catalog();
        (catalog.by_id[&TABLE].stream, catalog.by_id[&TABLE].latest_stream)
    };
    let stream = set_stream(&site, Some(StreamView::NewImage)).await;
    assert_eq!(latest(&site).await, (stream, stream));
    set_stream(&site, None).await;
    assert_eq!(latest(&site).await, (None, stream));
    site.advance_ms(DAY_MS);
    wake(&site).await;
    assert_eq!(latest(&site).await, (None, None));
}

#[tokio::test]
async fn a_replicas_stream_begins_when_its_rows_are_complete_and_tells_what_comes_from_then_on() {
    let (east, west) = (site("us-east-1"), site("eu-west-1"));
    create_table(&east.store, false).await;
    set_stream(&east, Some(StreamView::NewAndOldImages)).await;
    put(&east.store, item("a", 1, &[])).await;
    let creating = beringia_store::ReplicaStatus::Creating {
        from: region("us-east-1"),
    };
    edit(&east.store, vec![set_replica(TABLE, "eu-west-1", creating)]).await;
    ship(&east, &west, TableId::CATALOG).await;
    assert_eq!(streams(&west).await, [], "its rows are not complete");
    copy(&east, &west, TABLE).await;
    let stream = only_stream(&west).await;
    assert_eq!(
        page(&west, read(&stream, 0, None)).await.records,
        [],
        "what a copy brings is no change"
    );
    put(&east.store, item("a", 1, &[("color", text("red"))])).await;
    let gone = beringia_item::Mutation {
        cause: Cause::TimeToLive,
        ..read_all(&east.store, &wants(&east, &west, TABLE)).await.remove(0)
    };
    let batch = RemoteBatch {
        mutations: vec![gone],
        ..RemoteBatch::default()
    };
    west.store.apply(batch).await.unwrap();
    let records = page(&west, read(&stream, 0, None)).await.records;
    let [record] = &records[..] else { panic!("one record") };
    assert_eq!(
        told(record),
        (
            key("a", 1),
            Some(item("a", 1, &[])),
            Some(item("a", 1, &[("color", text("red"))]))
        )
    );
    assert_eq!(
        (&record.origin, record.cause),
        (&Region::new("us-east-1").unwrap(), Cause::TimeToLive)
    );
}
