//! Regions that reconcile concurrent writes by attribute, or by merging, converge for all messages
//! in all orders, also while the policy changes.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::WallClock;
use beringia_item::{
    AttributeValue, ConflictPolicy, Item, ItemState, KeyBytes, Mutation, Number, Region, TableId, Touch, Touched,
    Version, VersionVector, decode_item,
};
use proptest::prelude::*;

use super::{DiskMaker, fixture::*, run::plain};
use crate::{Applied, Aspect, Change, ItemEffect, LogFilter, Refusal, RemoteBatch, RemoteKind};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-south-1"];
const KEYS: u64 = 2;

/// The action of an update on an attribute.
#[derive(Debug, Clone)]
enum Action {
    /// Assigns `color` (of an index) or `t`.
    Assign(&'static str, u64),
    Remove(&'static str),
    /// Adds to `weight`, of an index.
    Add(u64),
    /// Adds a member to `s`.
    Unite(u64),
    /// Removes a member from `s`.
    Subtract(u64),
}

impl Action {
    const fn name(&self) -> &'static str {
        match self {
            Self::Assign(name, _) | Self::Remove(name) => name,
            Self::Add(_) => "weight",
            Self::Unite(_) | Self::Subtract(_) => "s",
        }
    }

    fn apply(&self, item: &mut Item) -> Touch {
        let name = self.name().to_owned();
        let members = |member: &u64| BTreeSet::from([Number::from(*member)]);
        let old = match item.get("s") {
            Some(AttributeValue::Ns(members)) => members.clone(),
            _ => BTreeSet::new(),
        };
        let mut put_set = |members: BTreeSet<Number>| {
            if members.is_empty() {
                item.remove("s");
            } else {
                item.insert("s".to_owned(), AttributeValue::Ns(members));
            }
        };
        match self {
            Self::Assign(name, value) => {
                let value = if *name == "color" {
                    text(&format!("c{value}"))
                } else {
                    number(*value)
                };
                item.insert((*name).to_owned(), value);
                Touch::Assign
            }
            Self::Remove(name) => {
                item.remove(*name);
                Touch::Assign
            }
            Self::Add(n) => {
                let before = match item.get("weight") {
                    Some(AttributeValue::N(before)) => *before,
                    _ => Number::ZERO,
                };
                let sum = before.checked_add(&Number::from(*n)).unwrap();
                item.insert(name, AttributeValue::N(sum));
                Touch::Add(Number::from(*n))
            }
            Self::Unite(member) => {
                put_set(&old | &members(member));
                Touch::Unite(AttributeValue::Ns(members(member)))
            }
            Self::Subtract(member) => {
                put_set(&old - &members(member));
                Touch::Subtract(AttributeValue::Ns(members(member)))
            }
        }
    }
}

/// An update of an item, which creates the item if necessary.
struct Update {
    key: u64,
    actions: Vec<Action>,
}

impl Change for Update {
    fn needs_current(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let mut item = current.cloned().unwrap_or_else(|| item("k", self.key, &[]));
        let mut touched = Touched::new();
        for action in &self.actions {
            if !touched.contains_key(action.name()) {
                let touch = action.apply(&mut item);
                touched.insert(action.name().to_owned(), touch);
            }
        }
        Ok(ItemEffect::Update { item, touched })
    }
}

#[derive(Debug, Clone)]
enum Step {
    Update {
        site: usize,
        key: u64,
        actions: Vec<Action>,
    },
    Put {
        site: usize,
        key: u64,
        color: u64,
    },
    Delete {
        site: usize,
        key: u64,
    },
    Ship {
        from: usize,
        to: usize,
        max: usize,
        twice: bool,
    },
    Repair {
        from: usize,
        to: usize,
    },
    /// A copy of all rows and the vector, as for a replica whose gap no log can fill.
    Copy {
        from: usize,
        to: usize,
    },
    CollectGarbage {
        site: usize,
    },
    Crash {
        site: usize,
    },
    Tick {
        site: usize,
        ms: i64,
    },
    SetPolicy {
        site: usize,
        policy: ConflictPolicy,
    },
    ShipCatalog {
        from: usize,
        to: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (prop_oneof![Just("color"), Just("t"), Just("weight")], 0..9_u64)
            .prop_map(|(name, value)| Action::Assign(name, value)),
        1 => prop_oneof![Just("color"), Just("t"), Just("weight"), Just("s")].prop_map(Action::Remove),
        3 => (1..9_u64).prop_map(Action::Add),
        2 => (0..3_u64).prop_map(Action::Unite),
        2 => (0..3_u64).prop_map(Action::Subtract),
    ]
}

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop_oneof![
        1 => Just(ConflictPolicy::Item),
        2 => Just(ConflictPolicy::Attribute),
        3 => Just(ConflictPolicy::Merge),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let site = 0..REGIONS.len();
    let pair = (site.clone(), 1..REGIONS.len()).prop_map(|(from, by)| (from, (from + by) % REGIONS.len()));
    let key = 0..KEYS;
    prop_oneof![
        6 => (site.clone(), key.clone(), prop::collection::vec(action(), 0..3))
            .prop_map(|(site, key, actions)| Step::Update { site, key, actions }),
        1 => (site.clone(), key.clone(), 0..3_u64).prop_map(|(site, key, color)| Step::Put { site, key, color }),
        1 => (site.clone(), key).prop_map(|(site, key)| Step::Delete { site, key }),
        6 => (pair.clone(), 1..4_usize, any::<bool>())
            .prop_map(|((from, to), max, twice)| Step::Ship { from, to, max, twice }),
        1 => pair.clone().prop_map(|(from, to)| Step::Repair { from, to }),
        1 => pair.clone().prop_map(|(from, to)| Step::Copy { from, to }),
        1 => site.clone().prop_map(|site| Step::CollectGarbage { site }),
        1 => site.clone().prop_map(|site| Step::Crash { site }),
        2 => (site.clone(), -20..40_i64).prop_map(|(site, ms)| Step::Tick { site, ms }),
        1 => (site, policy()).prop_map(|(site, policy)| Step::SetPolicy { site, policy }),
        1 => pair.prop_map(|(from, to)| Step::ShipCatalog { from, to }),
    ]
}

async fn set_policy(site: &Site, policy: ConflictPolicy) {
    edit(&*site.store, vec![set(TABLE, Aspect::ConflictPolicy(Some(policy)))]).await;
}

async fn update(site: &Site, key_number: u64, actions: &[Action]) -> Version {
    let change = Update {
        key: key_number,
        actions: actions.to_vec(),
    };
    let mut transaction = write(key("k", key_number), Do::Delete);
    transaction.change = Box::new(change);
    let mut outcomes = commit(&*site.store, vec![transaction]).await.unwrap();
    outcomes.remove(0).version.unwrap()
}

/// Three regions with the table under a policy.
async fn three(backend: &dyn DiskMaker, policy: ConflictPolicy) -> [Site; 3] {
    let sites = REGIONS.map(|name| Site::new(backend, name));
    create_global_table(&sites.each_ref(), true).await;
    set_policy(&sites[0], policy).await;
    for to in &sites[1..] {
        ship(&sites[0], to, TableId::CATALOG).await;
    }
    sites
}

/// The writes of each origin that `to` is missing, as far as `from` can serve them.
async fn missing_writes(from: &Site, to: &Site) -> Vec<Vec<Mutation>> {
    let all = wants(from, to, TABLE);
    let mut found = Vec::new();
    for origin in all.origins {
        let filter = LogFilter {
            origins: vec![origin],
            tables: all.tables.clone(),
        };
        if from.store.log_position(&filter).await.unwrap().is_ok() {
            found.push(read_all(&*from.store, &filter).await);
        }
    }
    found
}

async fn apply(to: &Site, mutations: Vec<Mutation>, kind: RemoteKind) -> Applied {
    let batch = RemoteBatch {
        mutations,
        kind,
        ..RemoteBatch::default()
    };
    to.store.apply(batch).await.unwrap()
}

/// Ships until no region is missing anything.
async fn ship_all(sites: &[&Site]) {
    loop {
        let mut moved = 0;
        for from in sites {
            for to in sites.iter().filter(|to| to.store.region() != from.store.region()) {
                for missing in missing_writes(from, to).await {
                    moved += missing.len();
                    apply(to, missing, RemoteKind::Stream).await;
                }
            }
        }
        if moved == 0 && !copy_gap(sites).await {
            return;
        }
    }
}

/// Copies into a region that is missing writes which no log contains. Returns false if no region is
/// missing anything.
async fn copy_gap(sites: &[&Site]) -> bool {
    for from in sites {
        for to in sites {
            if !to.store.vectors()[&TABLE].dominates(&from.store.vectors()[&TABLE]) {
                copy(from, to, TABLE).await;
                return true;
            }
        }
    }
    false
}

/// A region's item under a key.
async fn held(site: &Site, key_number: u64) -> Option<Item> {
    let row = site.store.get(TABLE, &key("k", key_number)).await.unwrap();
    row.map(|(_, item)| item)
}

fn state_of(mutation: &Mutation) -> ItemState {
    let image = mutation.image.as_deref().map(|image| decode_item(image).unwrap());
    let attributes = keys().attributes_of(&mutation.key).unwrap();
    ItemState::read(
        &mutation.version,
        image.as_ref(),
        mutation.metadata.as_deref(),
        &attributes,
    )
    .unwrap()
}

/// The regions, whose copies of an item merge, and the writes that they have to contain.
struct MergingRegions {
    sites: Vec<Option<Site>>,
    /// Every acknowledged write, as its region logged it.
    written: BTreeMap<Version, Mutation>,
}

impl MergingRegions {
    async fn new(backend: &dyn DiskMaker) -> Self {
        Self {
            sites: three(backend, ConflictPolicy::Merge)
                .await
                .into_iter()
                .map(Some)
                .collect(),
            written: BTreeMap::new(),
        }
    }

    fn site(&self, place: usize) -> &Site {
        self.sites[place].as_ref().unwrap()
    }

    fn all(&self) -> Vec<&Site> {
        self.sites.iter().flatten().collect()
    }

    /// Records how the region logged its own write.
    async fn note(&mut self, place: usize, version: Version) {
        let site = self.site(place);
        let above: VersionVector = [(version.origin.clone(), version.sequence - 1)].into_iter().collect();
        let filter = LogFilter {
            origins: vec![version.origin.clone()],
            tables: BTreeMap::from([(TABLE, above)]),
        };
        let [logged] = &read_all(&*site.store, &filter).await[..] else {
            panic!("one write")
        };
        assert_eq!(logged.version, version);
        let after = held(site, u64::from(logged.key == key("k", 1))).await;
        assert_eq!(logged.image.as_deref().map(|image| decode_item(image).unwrap()), after);
        self.written.insert(version, logged.clone());
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Update { site, key, actions } => {
                let version = update(self.site(site), key, &actions).await;
                self.note(site, version).await;
            }
            Step::Put { site, key, color } => {
                let thing = item(
                    "k",
                    key,
                    &[("color", text(&format!("p{color}"))), ("weight", number(color))],
                );
                let version = put(&*self.site(site).store, thing).await;
                self.note(site, version).await;
            }
            Step::Delete { site, key: number } => {
                if let Some(version) = delete(&*self.site(site).store, key("k", number)).await {
                    self.note(site, version).await;
                }
            }
            Step::Ship { from, to, max, twice } => {
                for mut missing in missing_writes(self.site(from), self.site(to)).await {
                    missing.truncate(max);
                    for _ in 0..=usize::from(twice) {
                        apply(self.site(to), missing.clone(), RemoteKind::Stream).await;
                    }
                }
            }
            Step::Repair { from, to } => {
                let keys = (0..KEYS).map(|n| key("k", n)).collect();
                let rows = self.site(from).store.mutations_of(TABLE, keys).await.unwrap();
                apply(self.site(to), rows, RemoteKind::Repair).await;
            }
            Step::Copy { from, to } => drop(copy(self.site(from), self.site(to), TABLE).await),
            Step::CollectGarbage { site } => self.collect_garbage(site).await,
            Step::Crash { site } => {
                let crashed = self.sites[site].take().unwrap();
                self.sites[site] = Some(crashed.restarted());
            }
            Step::Tick { site, ms } => {
                let clock = &self.site(site).clock;
                let next = clock.now_ms().saturating_add_signed(ms);
                // Within the offset that regions accept from each other.
                clock.set(next.clamp(START_MS - 200, START_MS + 200));
            }
            Step::SetPolicy { site, policy } => set_policy(self.site(site), policy).await,
            Step::ShipCatalog { from, to } => drop(ship(self.site(from), self.site(to), TableId::CATALOG).await),
        }
    }

    async fn collect_garbage(&self, place: usize) {
        let site = self.site(place);
        let mut acknowledged: BTreeMap<TableId, BTreeMap<Region, VersionVector>> = BTreeMap::new();
        for peer in self
            .all()
            .into_iter()
            .filter(|peer| peer.store.region() != site.store.region())
        {
            for (table, vector) in peer.store.vectors().iter() {
                acknowledged
                    .entry(*table)
                    .or_default()
                    .insert(peer.store.region().clone(), vector.clone());
            }
        }
        site.store.collect_garbage(&acknowledged.into()).await.unwrap();
    }

    async fn check(&self) {
        for site in self.all() {
            assert_agrees(&*site.store, TABLE).await;
        }
    }

    /// Checks that all regions have the merge of all writes, with equal digests.
    async fn check_converged(&self) {
        let mut expected: BTreeMap<KeyBytes, ItemState> = BTreeMap::new();
        for mutation in self.written.values() {
            let state = state_of(mutation);
            let merged = expected
                .get(&mutation.key)
                .map_or_else(|| state.clone(), |known| known.merge(&state));
            expected.insert(mutation.key.clone(), merged);
        }
        let expected: BTreeMap<KeyBytes, (Version, Item)> = expected
            .into_iter()
            .filter_map(|(key, state)| {
                let image = state.image(&keys().attributes_of(&key).unwrap())?;
                Some((key, (state.version().clone(), image)))
            })
            .collect();
        let digest = self.site(0).store.digest(TABLE).await.unwrap();
        for site in self.all() {
            assert_eq!(
                assert_agrees(&*site.store, TABLE).await,
                expected,
                "in {}",
                site.store.region()
            );
            assert_eq!(
                site.store.digest(TABLE).await.unwrap(),
                digest,
                "in {}",
                site.store.region()
            );
        }
    }

    /// Checks that each journal entry's loser lost something to a concurrent write.
    async fn check_journals(&self) {
        for site in self.all() {
            for conflict in site.store.conflicts(Some(TABLE), 0, 10_000).await.unwrap() {
                let (winner, loser) = (
                    &self.written[&conflict.winner.version],
                    &self.written[&conflict.loser.version],
                );
                assert_eq!(winner.key, loser.key);
                assert!(
                    !winner.depends_on(&loser.version) && !loser.depends_on(&winner.version),
                    "{}: {conflict:?}",
                    site.store.region()
                );
            }
        }
    }
}

/// Deliveries include any order, duplicates and copies; policies change, and tombstones are
/// collected.
pub(super) fn regions_converge_under_any_policies_and_deliveries(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 40, ..ProptestConfig::default() }, |(steps in prop::collection::vec(step(), 1..60))| {
        plain(async {
            let mut regions = MergingRegions::new(backend).await;
            let mut is_covered = true;
            for (number, step) in steps.into_iter().enumerate() {
                // A row of a repair may contain writes that the receiver's vector does not cover.
                is_covered &= !matches!(step, Step::Copy { .. } | Step::Repair { .. });
                regions.run(step).await;
                if is_covered {
                    assert_equal_as_of_common_vectors(&regions.all(), TABLE).await;
                }
                if number % 10 == 0 {
                    regions.check().await;
                }
            }
            ship_all(&regions.all()).await;
            regions.check_converged().await;
            regions.check_journals().await;
        });
    });
}

pub(super) fn merged_additions_and_members_cause_no_conflict(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 40, ..ProptestConfig::default() }, |(steps in prop::collection::vec(
            (0..REGIONS.len(), prop_oneof![(1..9_u64).prop_map(Action::Add), (0..9_u64).prop_map(Action::Unite)]),
            1..20,
        ),
        ships in prop::collection::vec((0..REGIONS.len(), 1..REGIONS.len()), 0..20))| {
        plain(async {
            let sites = three(backend, ConflictPolicy::Merge).await;
            let (mut total, mut members) = (0, BTreeSet::new());
            let mut ships = ships.into_iter();
            for (site, action) in steps {
                update(&sites[site], 0, std::slice::from_ref(&action)).await;
                match action {
                    Action::Add(n) => total += n,
                    Action::Unite(member) => drop(members.insert(Number::from(member))),
                    _ => unreachable!(),
                }
                if let Some((from, by)) = ships.next() {
                    let to = &sites[(from + by) % REGIONS.len()];
                    for missing in missing_writes(&sites[from], to).await {
                        apply(to, missing, RemoteKind::Stream).await;
                    }
                }
            }
            ship_all(&sites.each_ref()).await;
            for site in &sites {
                let item = held(site, 0).await.unwrap();
                assert_eq!(item.get("weight").cloned(), (total > 0).then(|| number(total)));
                assert_eq!(item.get("s").cloned(), (!members.is_empty()).then(|| AttributeValue::Ns(members.clone())));
                assert_eq!(site.store.conflicts(None, 0, 10).await.unwrap(), []);
            }
        });
    });
}
