//! Three regions that write at random and receive each other's writes in any order converge, and
//! their journals contain exactly the true conflicts.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::WallClock;
use beringia_item::{KeyBytes, Mutation, TableId, Version, VersionVector};
use proptest::prelude::*;

use super::{DiskMaker, fixture::*, run::plain};
use crate::{RemoteBatch, RemoteKind};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-south-1"];

#[derive(Debug, Clone)]
enum Step {
    Put {
        site: usize,
        key: u64,
        color: u64,
    },
    Delete {
        site: usize,
        key: u64,
    },
    /// A transaction over two items.
    Both {
        site: usize,
        first: u64,
        second: u64,
    },
    /// At most this many of the writes that the second region is missing, of all origins; possibly
    /// delivered twice.
    Ship {
        from: usize,
        to: usize,
        max: usize,
        twice: bool,
    },
    /// A repair with all rows. It does not advance the vector, so rows that the vector does not
    /// cover are left out.
    Repair {
        from: usize,
        to: usize,
    },
    /// All rows, of a copy that breaks off before its progress.
    Copy {
        from: usize,
        to: usize,
    },
    Crash {
        site: usize,
    },
    Tick {
        site: usize,
        ms: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let site = 0..REGIONS.len();
    let key = 0..4_u64;
    prop_oneof![
        4 => (site.clone(), key.clone(), 0..3_u64).prop_map(|(site, key, color)| Step::Put { site, key, color }),
        2 => (site.clone(), key.clone()).prop_map(|(site, key)| Step::Delete { site, key }),
        1 => (site.clone(), key, 1..4_u64)
            .prop_map(|(site, first, other)| Step::Both { site, first, second: (first + other) % 4 }),
        5 => (site.clone(), site.clone(), 1..6_usize, any::<bool>())
            .prop_map(|(from, to, max, twice)| Step::Ship { from, to, max, twice }),
        1 => (site.clone(), site.clone()).prop_map(|(from, to)| Step::Repair { from, to }),
        1 => (site.clone(), site.clone()).prop_map(|(from, to)| Step::Copy { from, to }),
        1 => site.clone().prop_map(|site| Step::Crash { site }),
        2 => (site, -20..40_i64).prop_map(|(site, ms)| Step::Tick { site, ms }),
    ]
}

/// The rows and the journal that a region should have, by the table in docs/replication.md,
/// "Reconciliation".
#[derive(Default)]
struct Model {
    current: BTreeMap<KeyBytes, Mutation>,
    applied: VersionVector,
    /// Pairs of winner and loser.
    conflicts: BTreeSet<(Version, Version)>,
}

impl Model {
    fn reconcile(&mut self, mutation: &Mutation) {
        match self.current.get(&mutation.key) {
            Some(current) if current.version == mutation.version => {}
            Some(current) => {
                if !mutation.depends_on(&current.version) && !current.depends_on(&mutation.version) {
                    let (greater, less) = if mutation.version > current.version {
                        (mutation, current)
                    } else {
                        (current, mutation)
                    };
                    self.conflicts.insert((greater.version.clone(), less.version.clone()));
                }
                if mutation.version > current.version {
                    self.current.insert(mutation.key.clone(), mutation.clone());
                }
            }
            None => {
                self.current.insert(mutation.key.clone(), mutation.clone());
            }
        }
    }

    fn stream(&mut self, mutation: &Mutation) {
        if !self.applied.covers(&mutation.version) {
            self.reconcile(mutation);
            self.applied.advance(mutation.origin(), mutation.version.sequence);
        }
    }
}

/// The regions, and what each of them should contain.
struct ModelledRegions {
    sites: Vec<Option<Site>>,
    models: Vec<Model>,
    /// The mutations of all acknowledged writes.
    acknowledged: Vec<Mutation>,
    /// For each acknowledged write, the writes to the same item that it causally depends on: those
    /// that its region had applied, and those that the replaced write depended on.
    context: BTreeMap<Version, BTreeSet<Version>>,
}

impl ModelledRegions {
    async fn new(backend: &dyn DiskMaker) -> Self {
        let sites = REGIONS.map(|name| Site::new(backend, name));
        create_global_table(&sites.each_ref(), true).await;
        let models = sites.iter().map(|_| Model::default()).collect();
        Self {
            sites: sites.into_iter().map(Some).collect(),
            models,
            acknowledged: Vec::new(),
            context: BTreeMap::new(),
        }
    }

    fn site(&self, place: usize) -> &Site {
        self.sites[place].as_ref().unwrap()
    }

    /// Commits a transaction and updates the model from its log records.
    async fn local(&mut self, place: usize, transaction: Vec<(u64, Do)>) {
        let site = self.site(place);
        let transaction = transaction
            .into_iter()
            .map(|(n, what)| write(key("k", n), what))
            .collect();
        let outcomes = commit(&*site.store, transaction).await.unwrap();
        let before = self.models[place].applied.get(site.store.origin());
        let mut filter = all_of(site.store.origin());
        filter.tables = BTreeMap::from([(TABLE, [(site.store.origin().clone(), before)].into_iter().collect())]);
        let logged = read_all(&*site.store, &filter).await;
        let versions: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.version).collect();
        assert_eq!(
            logged
                .iter()
                .map(|mutation| mutation.version.clone())
                .collect::<Vec<_>>(),
            versions
        );
        for mutation in logged {
            let model = &mut self.models[place];
            let same_item = self.acknowledged.iter().filter(|other| other.key == mutation.key);
            let mut context: BTreeSet<Version> = same_item
                .map(|other| other.version.clone())
                .filter(|version| model.applied.covers(version))
                .collect();
            if let Some(current) = model.current.get(&mutation.key) {
                context.extend(self.context[&current.version].iter().cloned());
                context.insert(current.version.clone());
            }
            self.context.insert(mutation.version.clone(), context);
            model.applied.advance(mutation.origin(), mutation.version.sequence);
            self.acknowledged.push(mutation.clone());
            model.current.insert(mutation.key.clone(), mutation);
        }
    }

    /// Checks that the causal context of each mutation covers exactly the writes that it depends
    /// on.
    fn check_knowledge(&self) {
        for mutation in &self.acknowledged {
            let others = self.acknowledged.iter();
            let others = others.filter(|other| other.key == mutation.key && other.version != mutation.version);
            let acked = others
                .map(|other| &other.version)
                .filter(|other| mutation.depends_on(other));
            assert_eq!(
                acked.collect::<BTreeSet<_>>(),
                self.context[&mutation.version].iter().collect(),
                "the causal context of {mutation:?}"
            );
        }
    }

    async fn ship(&mut self, from: usize, to: usize, max: usize, twice: bool) -> usize {
        let (source, target) = (self.site(from), self.site(to));
        let mut missing = read_all(&*source.store, &wants(source, target, TABLE)).await;
        let cut = (max..missing.len())
            .find(|cut| missing[*cut].transaction != missing[cut - 1].transaction)
            .unwrap_or(missing.len());
        missing.truncate(cut);
        for _ in 0..=usize::from(twice) {
            let batch = RemoteBatch {
                mutations: missing.clone(),
                ..Default::default()
            };
            target.store.apply(batch).await.unwrap();
        }
        for mutation in &missing {
            self.models[to].stream(mutation);
        }
        missing.len()
    }

    /// Sends all rows: for a repair those that the target's vector covers, for a copy all.
    async fn pull(&mut self, from: usize, to: usize, kind: RemoteKind) {
        let (source, target) = (self.site(from), self.site(to));
        let keys = (0..4).map(|n| key("k", n)).collect();
        let mutations = source.store.mutations_of(TABLE, keys).await.unwrap();
        let batch = RemoteBatch {
            mutations: mutations.clone(),
            kind,
            ..Default::default()
        };
        target.store.apply(batch).await.unwrap();
        let model = &mut self.models[to];
        for mutation in &mutations {
            if kind == RemoteKind::Copy || model.applied.covers(&mutation.version) {
                model.reconcile(mutation);
            }
        }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Put { site, key, color } => {
                let thing = item("k", key, &[("color", text(&format!("c{color}")))]);
                self.local(site, vec![(key, Do::Put(thing))]).await;
            }
            Step::Delete { site, key } => self.local(site, vec![(key, Do::Delete)]).await,
            Step::Both { site, first, second } => {
                let transaction = vec![(first, Do::Put(item("k", first, &[]))), (second, Do::Delete)];
                self.local(site, transaction).await;
            }
            Step::Ship { from, to, max, twice } if from != to => drop(self.ship(from, to, max, twice).await),
            Step::Repair { from, to } if from != to => self.pull(from, to, RemoteKind::Repair).await,
            Step::Copy { from, to } if from != to => self.pull(from, to, RemoteKind::Copy).await,
            Step::Ship { .. } | Step::Repair { .. } | Step::Copy { .. } => {}
            Step::Crash { site } => {
                let crashed = self.sites[site].take().unwrap();
                self.sites[site] = Some(crashed.restarted());
            }
            Step::Tick { site, ms } => {
                let clock = &self.site(site).clock;
                // Within the offset that regions accept from each other.
                let next = clock
                    .now_ms()
                    .saturating_add_signed(ms)
                    .clamp(START_MS - 200, START_MS + 200);
                clock.set(next);
            }
        }
    }

    /// Checks that each region is exactly as its model says.
    async fn check(&self) {
        for (place, model) in self.models.iter().enumerate() {
            let site = self.site(place);
            let held = assert_agrees(&*site.store, TABLE).await;
            let expected: BTreeMap<_, _> = model
                .current
                .iter()
                .filter_map(|(key, mutation)| {
                    let item = beringia_item::decode_item(mutation.image.as_ref()?).unwrap();
                    Some((key.clone(), (mutation.version.clone(), item)))
                })
                .collect();
            assert_eq!(held, expected, "the items of {}", REGIONS[place]);
            assert_eq!(site.store.vectors()[&TABLE], model.applied);
            let journal = site.store.conflicts(Some(TABLE), 0, 10_000).await.unwrap();
            let found: BTreeSet<_> = journal
                .iter()
                .map(|entry| (entry.winner.version.clone(), entry.loser.version.clone()))
                .collect();
            assert_eq!(found.len(), journal.len(), "no conflict is journalled twice");
            assert_eq!(found, model.conflicts, "the journal of {}", REGIONS[place]);
        }
    }

    async fn check_digests(&self) {
        let sites = self.sites.iter().flatten().collect::<Vec<_>>();
        assert_equal_as_of_common_vectors(&sites, TABLE).await;
    }

    /// Ships until no region is missing anything.
    async fn ship_all(&mut self) {
        loop {
            let mut moved = 0;
            for from in 0..REGIONS.len() {
                for to in (0..REGIONS.len()).filter(|to| *to != from) {
                    moved += self.ship(from, to, 7, false).await;
                }
            }
            if moved == 0 {
                return;
            }
        }
    }

    async fn check_converged(&self) {
        let mut greatest: BTreeMap<&KeyBytes, &Version> = BTreeMap::new();
        for mutation in &self.acknowledged {
            let entry = greatest.entry(&mutation.key).or_insert(&mutation.version);
            *entry = (*entry).max(&mutation.version);
        }
        let digest = self.site(0).store.digest(TABLE).await.unwrap();
        for place in 0..REGIONS.len() {
            assert_eq!(self.site(place).store.digest(TABLE).await.unwrap(), digest);
            let current = &self.models[place].current;
            let versions: BTreeMap<_, _> = current.iter().map(|(key, current)| (key, &current.version)).collect();
            assert_eq!(
                versions, greatest,
                "the greatest acknowledged version of each item is kept"
            );
        }
        let catalogs = self.site(0).store.digest(TableId::CATALOG).await.unwrap();
        assert_eq!(
            self.site(1).store.digest(TableId::CATALOG).await.unwrap().ranges,
            catalogs.ranges
        );
    }
}

pub(super) fn regions_converge_and_journal_exactly_the_true_conflicts(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 40, ..ProptestConfig::default() }, |(steps in prop::collection::vec(step(), 1..60))| {
        plain(async {
            let mut regions = ModelledRegions::new(backend).await;
            let mut is_covered = true;
            for step in steps {
                is_covered &= !matches!(step, Step::Copy { .. });
                regions.run(step).await;
                if is_covered {
                    regions.check_digests().await;
                }
            }
            regions.check().await;
            regions.ship_all().await;
            regions.check().await;
            regions.check_converged().await;
            regions.check_knowledge();
        });
    });
}
