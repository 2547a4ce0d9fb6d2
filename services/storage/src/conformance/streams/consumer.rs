//! A stream consumer that follows the shards as the Kinesis Client Library does, over everything
//! that can happen to a table.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::conformance::run::plain;

/// Reads a stream as the Kinesis Client Library does: every shard from its oldest record on,
/// children only after their parents.
#[derive(Default)]
struct Consumer {
    /// The next position in each shard that was started; `None` if it was read to its end.
    cursors: BTreeMap<u64, Option<LogPosition>>,
    seen: Vec<Change>,
}

impl Consumer {
    /// Reads one page of each shard whose turn it is. Returns false if there was nothing new.
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
            self.seen.extend(page.records.iter().map(reported));
            self.cursors.insert(opened_ms, page.next);
        }
        progressed
    }
}

/// The parts of a shard that a consumer needs.
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
    /// The peer's writes arrive by stream, one transaction at a time.
    Ship,
    /// The peer's rows arrive by repair.
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

/// A region with a table that has a replica elsewhere, the expected stream records, and the
/// consumers.
struct StreamModel {
    site: Option<Site>,
    peer: Site,
    stream: Option<Stream>,
    expected: BTreeMap<u64, Vec<Change>>,
    consumers: BTreeMap<u64, Consumer>,
}

impl StreamModel {
    async fn new(backend: &dyn DiskMaker) -> Self {
        let (site, peer) = (site(backend, "us-east-1"), site(backend, "eu-west-1"));
        create_global_table(&[&site, &peer], true).await;
        let mut model = Self {
            site: Some(site),
            peer,
            stream: None,
            expected: BTreeMap::new(),
            consumers: BTreeMap::new(),
        };
        model.toggle(3).await;
        model
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    async fn items(&self) -> BTreeMap<KeyBytes, Item> {
        let rows = scan(&*self.site().store, None).await.rows;
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

    /// Records what became of these items since they were `before`.
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

    async fn write(&mut self, peer: bool, transaction: Vec<(u64, Do)>) {
        let keys: Vec<_> = transaction.iter().map(|(n, _)| key("k", *n)).collect();
        let transaction = transaction
            .into_iter()
            .map(|(n, what)| write(key("k", n), what))
            .collect();
        if peer {
            commit(&*self.peer.store, transaction).await.unwrap();
            return;
        }
        let before = self.items().await;
        commit(&*self.site().store, transaction).await.unwrap();
        self.note(&before, &keys).await;
    }

    async fn apply(&mut self, batch: RemoteBatch) {
        let keys: Vec<_> = batch.mutations.iter().map(|mutation| mutation.key.clone()).collect();
        let before = self.items().await;
        self.site().store.apply(batch).await.unwrap();
        self.note(&before, &keys).await;
    }

    async fn ship(&mut self) {
        let missing = read_all(&*self.peer.store, &wants(&self.peer, self.site(), TABLE)).await;
        for transaction in missing.chunk_by(|a, b| a.transaction == b.transaction) {
            let mutations = transaction.to_vec();
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
                "no change is missed, repeated or altered"
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
                let transaction = vec![(first, colored(first, color)), (second, Do::Delete)];
                self.write(false, transaction).await;
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
                self.site = Some(site.restarted());
            }
            Step::Consume { max_records, max_bytes } => drop(self.consume(max_records, max_bytes).await),
        }
    }
}

pub(in crate::conformance) fn stream_consumer_sees_every_change_once_and_in_order(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 200, ..ProptestConfig::default() }, |(steps in prop::collection::vec(step(), 1..80))| {
        plain(async {
            let mut model = StreamModel::new(backend).await;
            for step in steps {
                model.step(step).await;
            }
            while model.consume(3, 500).await {}
            for (enabled_ms, consumer) in &model.consumers {
                assert_eq!(consumer.seen, model.expected[enabled_ms]);
            }
        });
    });
}
