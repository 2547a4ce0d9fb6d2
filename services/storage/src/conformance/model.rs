//! One store against a simple model: for all commands in all orders, both agree after every commit.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::HybridTime;
use beringia_item::{
    Cause, Item, KeyBytes, Mutation, Origin, Transaction, Version, VersionVector, decode_item, encode_item,
};
use proptest::prelude::*;

use super::{DiskMaker, fixture::*, run::plain};
use crate::{AspectName, CommitError, Edit, LogFilter, LogPosition, Refusal, RemoteBatch, RemoteKind};

const OTHERS: [&str; 2] = ["eu-west-1", "ap-south-1"];
const KEYS: u64 = 4;

#[derive(Debug, Clone)]
enum Local {
    Put {
        key: u64,
        color: u64,
    },
    Delete {
        key: u64,
    },
    /// Puts the item only if one exists.
    IfThere {
        key: u64,
    },
}

#[derive(Debug, Clone)]
struct Remote {
    origin: usize,
    key: u64,
    /// The item's color; `None` for a delete.
    color: Option<u64>,
    /// Milliseconds after the start.
    ms: u64,
    /// Whether it causally depends on everything that the store had applied when the step ran.
    context: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Transaction(Vec<Local>),
    /// New mutations of other regions, in order.
    Stream(Vec<Remote>),
    /// Earlier mutations again, in another order.
    Again {
        first: usize,
        count: usize,
        kind: RemoteKind,
    },
    Copy(Vec<Remote>),
    Restart,
    AddIndex,
    RemoveIndex,
    CollectGarbage,
}

fn local() -> impl Strategy<Value = Local> {
    prop_oneof![
        3 => (0..KEYS, 0..3_u64).prop_map(|(key, color)| Local::Put { key, color }),
        2 => (0..KEYS).prop_map(|key| Local::Delete { key }),
        1 => (0..KEYS).prop_map(|key| Local::IfThere { key }),
    ]
}

fn remote() -> impl Strategy<Value = Remote> {
    (
        0..OTHERS.len(),
        0..KEYS,
        prop::option::of(0..3_u64),
        0..400_u64,
        any::<bool>(),
    )
        .prop_map(|(origin, key, color, ms, context)| Remote {
            origin,
            key,
            color,
            ms,
            context,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        Just(RemoteKind::Stream),
        Just(RemoteKind::Copy),
        Just(RemoteKind::Repair)
    ];
    prop_oneof![
        6 => prop::collection::vec(local(), 1..4).prop_map(Step::Transaction),
        4 => prop::collection::vec(remote(), 1..5).prop_map(Step::Stream),
        2 => prop::collection::vec(remote(), 1..3).prop_map(Step::Copy),
        3 => (0..20_usize, 1..6_usize, kind).prop_map(|(first, count, kind)| Step::Again { first, count, kind }),
        1 => Just(Step::Restart),
        1 => Just(Step::AddIndex),
        1 => Just(Step::RemoveIndex),
        1 => Just(Step::CollectGarbage),
    ]
}

#[derive(Default)]
struct Model {
    current: BTreeMap<KeyBytes, Mutation>,
    vector: VersionVector,
    /// The records that the log must serve, in order, since the last trim.
    log: Vec<Mutation>,
    collected: VersionVector,
    conflicts: BTreeSet<(Version, Version)>,
    /// All remote mutations so far.
    known: Vec<Mutation>,
    sequences: [u64; OTHERS.len()],
}

impl Model {
    fn item(&self, key: &KeyBytes) -> Option<Item> {
        decode_item(self.current.get(key)?.image.as_ref()?).ok()
    }

    /// The causal context of a local write over `current`, for other origins.
    fn context(&self, current: Option<&Mutation>, own: &Origin) -> VersionVector {
        let mut context = self.vector.clone();
        if let Some(current) = current {
            context.merge(&current.causal_context);
            context.advance(current.origin(), current.version.sequence);
        }
        let others = context.iter().filter(|(origin, _)| *origin != own);
        others.map(|(origin, sequence)| (origin.clone(), sequence)).collect()
    }

    /// Creates the mutation that a remote region sends now.
    fn make(&mut self, remote: &Remote) -> Mutation {
        self.sequences[remote.origin] += 1;
        let sequence = self.sequences[remote.origin];
        let image = remote
            .color
            .map(|color| item("k", remote.key, &[("color", text(&format!("r{color}")))]));
        let mutation = Mutation {
            table: TABLE,
            key: key("k", remote.key),
            version: Version {
                time: HybridTime::from_parts(START_MS + remote.ms, u16::try_from(sequence).unwrap()),
                origin: origin(OTHERS[remote.origin]),
                sequence,
            },
            causal_context: if remote.context {
                self.vector.clone()
            } else {
                VersionVector::default()
            },
            image: image.as_ref().map(encode_item),
            metadata: None,
            cause: Cause::Client,
            transaction: Transaction {
                first: sequence,
                last: sequence,
            },
        };
        self.known.push(mutation.clone());
        mutation
    }

    fn apply(&mut self, mutation: &Mutation, kind: RemoteKind) {
        let covered = self.vector.covers(&mutation.version);
        match kind {
            RemoteKind::Stream if covered => return,
            RemoteKind::Repair if !covered => return,
            RemoteKind::Stream => {
                self.vector.advance(mutation.origin(), mutation.version.sequence);
                self.log.push(mutation.clone());
            }
            RemoteKind::Copy | RemoteKind::Repair => {}
        }
        if let Some(current) = self.current.get(&mutation.key) {
            let newer = mutation.version > current.version;
            let concurrent = mutation.version != current.version
                && !mutation.depends_on(&current.version)
                && !current.depends_on(&mutation.version);
            if concurrent {
                let (winner, loser) = if newer {
                    (mutation, current)
                } else {
                    (current, mutation)
                };
                self.conflicts.insert((winner.version.clone(), loser.version.clone()));
            }
            if !newer {
                return;
            }
        }
        self.current.insert(mutation.key.clone(), mutation.clone());
    }
}

/// A region, and what it should contain.
struct ModelledRegion {
    site: Option<Site>,
    model: Model,
}

impl ModelledRegion {
    async fn new(backend: &dyn DiskMaker) -> Self {
        let site = Site::new(backend, "us-east-1");
        create_table(&*site.store, true).await;
        Self {
            site: Some(site),
            model: Model::default(),
        }
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    async fn transaction(&mut self, mut writes: Vec<Local>) {
        let place = |write: &Local| match write {
            Local::Put { key, .. } | Local::Delete { key } | Local::IfThere { key } => *key,
        };
        writes.sort_by_key(place);
        writes.dedup_by_key(|write| place(write));
        let refused = writes.iter().any(|write| match write {
            Local::IfThere { key: n } => self.model.item(&key("k", *n)).is_none(),
            _ => false,
        });
        let transaction = writes.iter().map(|local| {
            let what = match local {
                Local::Put { key, color } => Do::Put(item("k", *key, &[("color", text(&format!("l{color}")))])),
                Local::Delete { .. } => Do::Delete,
                Local::IfThere { key } => {
                    Do::If(|current| current.is_some(), item("k", *key, &[("weight", number(7))]))
                }
            };
            write(key("k", place(local)), what)
        });
        let store = &*self.site().store;
        let outcomes = match commit(store, transaction.collect()).await {
            Ok(outcomes) => outcomes,
            Err(CommitError::Refused(refusals)) => {
                let failed = |refusal: &Option<(Refusal, Option<Item>)>| {
                    refusal
                        .as_ref()
                        .is_some_and(|(why, _)| *why == Refusal::ConditionFailed)
                };
                assert!(refused && refusals.iter().any(failed));
                return;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(!refused);
        let versions: Vec<Version> = outcomes.iter().filter_map(|outcome| outcome.version.clone()).collect();
        for (write, outcome) in writes.iter().zip(outcomes) {
            let key = key("k", place(write));
            let live = self.model.item(&key);
            let Some(version) = outcome.version else {
                assert!(
                    matches!(write, Local::Delete { .. }) && live.is_none(),
                    "only such a delete writes nothing"
                );
                continue;
            };
            if !matches!(write, Local::Put { .. }) {
                assert_eq!(outcome.before, live);
            }
            let current = self.model.current.get(&key);
            assert!(
                current.is_none_or(|current| version > current.version),
                "the version of an item only grows"
            );
            let mutation = Mutation {
                table: TABLE,
                key: key.clone(),
                causal_context: self.model.context(current, &version.origin),
                image: outcome.after.as_deref().map(encode_item),
                metadata: None,
                cause: Cause::Client,
                transaction: Transaction {
                    first: versions[0].sequence,
                    last: versions[versions.len() - 1].sequence,
                },
                version,
            };
            self.model.log.push(mutation.clone());
            self.model.current.insert(key, mutation);
        }
        for version in versions {
            self.model.vector.advance(&version.origin, version.sequence);
        }
    }

    async fn batch(&mut self, mutations: Vec<Mutation>, kind: RemoteKind) {
        let count = mutations.len();
        let batch = RemoteBatch {
            mutations: mutations.clone(),
            kind,
            ..Default::default()
        };
        let journalled = self.model.conflicts.len();
        for mutation in &mutations {
            self.model.apply(mutation, kind);
        }
        let applied = self.site().store.apply(batch).await.unwrap();
        assert_eq!(applied.newer + applied.stale + applied.skipped, count);
        assert_eq!(applied.conflicts, self.model.conflicts.len() - journalled);
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Transaction(writes) => self.transaction(writes).await,
            Step::Stream(remotes) => {
                let mutations = remotes.iter().map(|remote| self.model.make(remote)).collect();
                self.batch(mutations, RemoteKind::Stream).await;
            }
            Step::Copy(remotes) => {
                let mutations = remotes.iter().map(|remote| self.model.make(remote)).collect();
                self.batch(mutations, RemoteKind::Copy).await;
            }
            Step::Again { first, count, kind } => {
                let mut mutations: Vec<_> = self.model.known.iter().skip(first).take(count).cloned().collect();
                if kind != RemoteKind::Stream {
                    mutations.reverse();
                }
                self.batch(mutations, kind).await;
            }
            Step::Restart => self.site = self.site.take().map(Site::restarted),
            Step::AddIndex => edit(&*self.site().store, vec![set_index(TABLE)]).await,
            Step::RemoveIndex => {
                let aspect = AspectName::GlobalIndex("by_color".to_owned());
                edit(&*self.site().store, vec![Edit::Remove { table: TABLE, aspect }]).await;
                // Its entries are removed in the background; a new index of that name may be
                // created before they are gone.
            }
            Step::CollectGarbage => {
                self.site()
                    .store
                    .collect_garbage(&BTreeMap::new().into())
                    .await
                    .unwrap();
                // The catalog is not acknowledged, but is empty: this table is regional.
                self.model.current.retain(|_, current| current.image.is_some());
                self.model.log.clear();
                self.model.collected = self.model.vector.clone();
            }
        }
    }

    async fn check(&self) {
        let (store, model) = (&*self.site().store, &self.model);
        self.index_settled().await;
        let held = assert_agrees(store, TABLE).await;
        let expected = model.current.iter().filter_map(|(key, current)| {
            Some((
                key.clone(),
                (
                    current.version.clone(),
                    model.item(key).filter(|_| current.image.is_some())?,
                ),
            ))
        });
        assert_eq!(held, expected.collect());
        assert_eq!(store.vectors()[&TABLE], model.vector);
        for n in 0..KEYS {
            let explained = store.explain(TABLE, &key("k", n)).await.unwrap();
            let current = model.current.get(&key("k", n));
            assert_eq!(
                explained.map(|explained| explained.version),
                current.map(|current| current.version.clone())
            );
        }
        let origins = OTHERS.iter().chain(&["us-east-1"]).map(|name| origin(name)).collect();
        let filter = LogFilter {
            origins,
            tables: BTreeMap::from([(TABLE, model.collected.clone())]),
        };
        assert_eq!(read_all(store, &filter).await, model.log);
        let page = store.read_log(LogPosition(1), &filter, usize::MAX).await.unwrap();
        assert!(page.end.is_some());
        let journal = store.conflicts(None, 0, 10_000).await.unwrap();
        let journalled = journal
            .iter()
            .map(|entry| (entry.winner.version.clone(), entry.loser.version.clone()));
        assert_eq!(journalled.collect::<BTreeSet<_>>(), model.conflicts);
        assert_eq!(journal.len(), model.conflicts.len());
    }

    /// Waits until no index is being filled or removed.
    async fn index_settled(&self) {
        loop {
            let mut changed = std::pin::pin!(self.site().store.catalog_changed().notified());
            changed.as_mut().enable();
            let table = self.site().store.catalog().by_id[&TABLE].clone();
            if table
                .global_indexes
                .values()
                .all(|(_, state)| *state == crate::IndexState::Active)
            {
                return;
            }
            changed.await;
        }
    }
}

/// Items, indexes, digests, log and vectors.
pub(super) fn all_parts_of_the_state_agree_at_every_commit(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 40, ..ProptestConfig::default() }, |(steps in prop::collection::vec(step(), 1..40))| {
        plain(async {
            let mut region = ModelledRegion::new(backend).await;
            for step in steps {
                region.run(step).await;
                region.check().await;
            }
        });
    });
}
