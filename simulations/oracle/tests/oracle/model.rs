//! A model of correct regions that merge states. The oracle, which works on versions instead, must
//! find nothing wrong.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_history::{
    Basis, ConflictEntry, Content, Effect, Evidence, History, Journal, Logged, MARKER, Merging, Operation,
    OperationOutcome, Rules, Seen, VersionedItem, Write,
};
use beringia_item::{Origin, Version, VersionVector};
use beringia_oracle::judge;
use proptest::prelude::*;

const REGIONS: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 2] = ["k", "l"];

/// The state of an item that regions merge.
#[derive(Debug, Clone, Default, PartialEq)]
struct Row {
    /// The last write to the whole item; a delete has no content.
    base: Option<(Version, Option<Content>)>,
    marker: Option<(Version, String)>,
    fields: BTreeMap<String, (Version, String)>,
    list: Option<(Version, Vec<String>)>,
    /// Under `attribute`, a number and a set as their last writers left them.
    number: Option<(Version, Option<i64>)>,
    set: Option<(Version, Vec<String>)>,
    /// Under `merge`, the additions since the base version: for each origin its last sequence and
    /// sum, and for each element its last writer.
    sums: BTreeMap<Origin, (u64, i64)>,
    elements: BTreeMap<String, (Version, bool)>,
}

impl Row {
    fn base_version(&self) -> Option<&Version> {
        self.base.as_ref().map(|(version, _)| version)
    }

    fn join(&mut self, other: &Self) {
        if other.base_version() > self.base_version() {
            let mine = std::mem::replace(self, other.clone());
            self.merge_attributes(&mine);
        } else {
            let is_same = other.base_version() == self.base_version();
            self.merge_attributes(other);
            if is_same {
                for (origin, theirs) in &other.sums {
                    let ours = self.sums.entry(origin.clone()).or_default();
                    *ours = (*ours).max(*theirs);
                }
            }
        }
    }

    fn merge_attributes(&mut self, other: &Self) {
        fn later<T: Clone>(ours: &mut Option<(Version, T)>, theirs: Option<&(Version, T)>, base: Option<&Version>) {
            if let Some(theirs) = theirs
                && Some(&theirs.0) > base
                && ours.as_ref().is_none_or(|ours| theirs.0 > ours.0)
            {
                *ours = Some(theirs.clone());
            }
        }
        let base = self.base_version().cloned();
        later(&mut self.marker, other.marker.as_ref(), base.as_ref());
        later(&mut self.list, other.list.as_ref(), base.as_ref());
        later(&mut self.number, other.number.as_ref(), base.as_ref());
        later(&mut self.set, other.set.as_ref(), base.as_ref());
        for (element, theirs) in other
            .elements
            .iter()
            .filter(|(_, (version, _))| Some(version) > base.as_ref())
        {
            let ours = self.elements.entry(element.clone()).or_insert_with(|| theirs.clone());
            *ours = ours.clone().max(theirs.clone());
        }
        for (field, theirs) in &other.fields {
            let mut ours = self.fields.get(field).cloned();
            later(&mut ours, Some(theirs), base.as_ref());
            self.fields.extend(ours.map(|ours| (field.clone(), ours)));
        }
    }

    fn held(&self) -> Option<VersionedItem> {
        let version = self.version()?.clone();
        let base = self.base.as_ref().and_then(|(_, content)| content.clone());
        if base.is_none() && self.marker.is_none() {
            return Some(VersionedItem { version, content: None });
        }
        let mut content = base.unwrap_or_default();
        if let Some((_, marker)) = &self.marker {
            content.marker.clone_from(marker);
        }
        content.fields.extend(
            self.fields
                .iter()
                .map(|(field, (_, marker))| (field.clone(), marker.clone())),
        );
        if let Some((_, list)) = &self.list {
            content.list.clone_from(list);
        }
        if let Some((_, number)) = &self.number {
            content.number = *number;
        }
        if let Some((_, set)) = &self.set {
            content.set.clone_from(set);
        }
        if !self.sums.is_empty() {
            let sum: i64 = self.sums.values().map(|(_, sum)| sum).sum();
            content.number = Some(content.number.unwrap_or(0) + sum);
        }
        content.set.retain(|element| !self.elements.contains_key(element));
        content.set.extend(
            self.elements
                .iter()
                .filter(|(_, (_, is_in))| *is_in)
                .map(|(element, _)| element.clone()),
        );
        content.set.sort_unstable();
        Some(VersionedItem {
            version,
            content: Some(content),
        })
    }

    /// The version of the last write of all.
    fn version(&self) -> Option<&Version> {
        self.marker
            .as_ref()
            .map(|(version, _)| version)
            .max(self.base_version())
    }

    /// What this row lost when it was merged with another: each loser with the winner, and whether
    /// it lost its write marker alone.
    fn losses(&self, other: &Self, merged: &Self) -> BTreeMap<Version, (Version, bool)> {
        let mut lost = BTreeMap::new();
        let now = merged.base_version();
        if let Some((base, content)) = &self.base {
            let is_gone = |row: &Self| row.base.as_ref().is_some_and(|(_, content)| content.is_none());
            if let Some(winner) = now.filter(|now| *now != base && !(content.is_none() && is_gone(merged))) {
                lost.insert(base.clone(), (winner.clone(), false));
            } else if content.is_none() && other.base_version() < Some(base) {
                let outlived = other.version().filter(|version| *version > base);
                lost.extend(outlived.map(|winner| (base.clone(), (winner.clone(), false))));
            }
        }
        let mut compare = |ours: Option<&Version>, theirs: Option<&Version>| {
            if let (Some(ours), Some(winner)) = (ours.filter(|ours| theirs != Some(ours)), theirs.or(now)) {
                lost.insert(ours.clone(), (winner.clone(), false));
            }
        };
        for (field, (version, _)) in &self.fields {
            compare(Some(version), merged.fields.get(field).map(|(version, _)| version));
        }
        let of_list = |row: &Self| row.list.as_ref().map(|(version, _)| version.clone());
        compare(of_list(self).as_ref(), of_list(merged).as_ref());
        // A number or a set that another write left the same is not lost.
        let left = merged.held().and_then(|held| held.content);
        if let Some((ours, number)) = &self.number
            && left.as_ref().is_none_or(|left| left.number != *number)
        {
            compare(Some(ours), merged.number.as_ref().map(|(version, _)| version));
        }
        if let Some((ours, set)) = &self.set
            && left.as_ref().is_none_or(|left| left.set != *set)
        {
            compare(Some(ours), merged.set.as_ref().map(|(version, _)| version));
        }
        if let (Some(ours), Some(winner)) = (
            self.version(),
            merged.version().filter(|now| self.version() != Some(now)),
        ) && self.held().is_some_and(|held| held.content.is_some())
        {
            lost.entry(ours.clone()).or_insert_with(|| (winner.clone(), true));
        }
        lost
    }

    /// Applies a local write to this state.
    fn write(&mut self, version: &Version, write: &Write, merging: Merging) {
        let before = self.held().and_then(|held| held.content).unwrap_or_default();
        let after = made_of(before, write);
        if merging == Merging::Item || matches!(write.effect, Effect::Put { .. } | Effect::Delete) {
            *self = Self {
                base: Some((version.clone(), after)),
                ..Self::default()
            };
            return;
        }
        let after = after.expect("only a delete leaves nothing");
        self.marker = Some((version.clone(), write.marker.clone()));
        match &write.effect {
            Effect::Update { fields } => {
                let set = fields
                    .iter()
                    .map(|field| (field.clone(), (version.clone(), write.marker.clone())));
                self.fields.extend(set);
            }
            Effect::Append => self.list = Some((version.clone(), after.list)),
            Effect::Add(by) if merging == Merging::Merge => {
                let sum = self.sums.entry(version.origin.clone()).or_default();
                *sum = (version.sequence, sum.1 + by);
            }
            Effect::Set { add, delete } if merging == Merging::Merge => {
                for (elements, is_in) in [(add, true), (delete, false)] {
                    self.elements.extend(
                        elements
                            .iter()
                            .map(|element| (element.clone(), (version.clone(), is_in))),
                    );
                }
            }
            Effect::Add(_) => self.number = Some((version.clone(), after.number)),
            Effect::Set { .. } => self.set = Some((version.clone(), after.set)),
            Effect::Put { .. } | Effect::Delete | Effect::Recorded { .. } => {}
        }
    }
}

fn made_of(mut content: Content, write: &Write) -> Option<Content> {
    content.marker.clone_from(&write.marker);
    let own = |fields: &[String]| {
        fields
            .iter()
            .map(|field| (field.clone(), write.marker.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    match &write.effect {
        Effect::Put { fields, number } => {
            content = Content {
                marker: write.marker.clone(),
                fields: own(fields),
                number: *number,
                ..Content::default()
            };
        }
        Effect::Update { fields } => content.fields.extend(own(fields)),
        Effect::Add(by) => content.number = Some(content.number.unwrap_or(0) + by),
        Effect::Set { add, delete } => {
            content
                .set
                .retain(|element| !delete.contains(element) && !add.contains(element));
            content.set.extend(add.iter().cloned());
            content.set.sort_unstable();
        }
        Effect::Append => content.list.push(write.marker.clone()),
        Effect::Delete => return None,
        Effect::Recorded { .. } => {}
    }
    Some(content)
}

/// A transaction as it travels: the writes of one operation, with their rows at the origin.
#[derive(Clone)]
struct Transaction {
    writes: Vec<(&'static str, Row, Logged)>,
}

#[derive(Default)]
struct Site {
    rows: BTreeMap<&'static str, Row>,
    /// For each key, what the writes merged into its row causally depend on, themselves included.
    known: BTreeMap<&'static str, VersionVector>,
    vector: VersionVector,
    time: u64,
    sequence: u64,
    log: Vec<Transaction>,
    /// For each origin, how much of its log this region has read.
    read: BTreeMap<usize, usize>,
    journal: Vec<ConflictEntry>,
}

struct Model {
    merging: Merging,
    offsets: [u64; 3],
    sites: [Site; 3],
    operations: Vec<Operation>,
    now_ms: u64,
    markers: u64,
    /// The state of each key that clients saw when they last read it, in any region.
    known: BTreeMap<&'static str, Option<String>>,
}

#[derive(Debug, Clone)]
enum Step {
    Write {
        region: usize,
        key: usize,
        effect: Effect,
    },
    Rewrite {
        region: usize,
        key: usize,
    },
    /// A delete whose answer does not say what it removed.
    Blind {
        region: usize,
        key: usize,
        outcome: OperationOutcome,
    },
    Transaction {
        region: usize,
    },
    Read {
        region: usize,
    },
    Deliver {
        from: usize,
        to: usize,
    },
}

impl Model {
    fn new(merging: Merging, offsets: [u64; 3]) -> Self {
        Self {
            merging,
            offsets,
            sites: Default::default(),
            operations: Vec::new(),
            now_ms: 0,
            markers: 0,
            known: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        self.now_ms += 2;
        match step {
            Step::Write { region, key, effect } => {
                let (key, effect) = (KEYS[*key], effect.clone());
                let before = self.seen(*region, key);
                let write = self.new_write(key, effect);
                let finds_nothing = write.effect == Effect::Delete && before.marker.is_none();
                let reads = if write.effect == Effect::Delete {
                    vec![before]
                } else {
                    Vec::new()
                };
                let writes = if finds_nothing { Vec::new() } else { vec![write] };
                self.operate(*region, "write", reads, writes, OperationOutcome::Ok);
            }
            Step::Rewrite { region, key } => {
                let key = KEYS[*key];
                let expected = self.known.get(key).cloned().flatten();
                let mut write = self.new_write(key, Effect::Add(1));
                write.based_on = Basis::unchanged(expected.clone());
                let fits = self.seen(*region, key).marker == expected;
                let refused = OperationOutcome::Refused("ConditionalCheckFailedException".to_owned());
                let outcome = if fits { OperationOutcome::Ok } else { refused };
                self.operate(*region, "rewrite", Vec::new(), vec![write], outcome);
            }
            Step::Blind { region, key, outcome } => {
                let key = KEYS[*key];
                let removes = self.seen(*region, key).marker.is_some();
                let write = self.new_write(key, Effect::Delete);
                if removes {
                    self.commit(*region, std::slice::from_ref(&write));
                }
                if removes || *outcome != OperationOutcome::Ok {
                    self.note(*region, "blind", Vec::new(), vec![write], outcome.clone());
                }
            }
            Step::Transaction { region } => {
                let effect = || Effect::Put {
                    fields: Vec::new(),
                    number: Some(7),
                };
                let writes = KEYS.map(|key| self.new_write(key, effect())).into();
                self.operate(*region, "TransactWriteItems", Vec::new(), writes, OperationOutcome::Ok);
            }
            Step::Read { region } => {
                let reads: Vec<Seen> = KEYS.iter().map(|key| self.seen(*region, key)).collect();
                for (key, seen) in KEYS.into_iter().zip(&reads) {
                    self.known.insert(key, seen.marker.clone());
                }
                self.operate(*region, "TransactGetItems", reads, Vec::new(), OperationOutcome::Ok);
            }
            Step::Deliver { from, to } => self.deliver(*from, *to),
        }
    }

    fn new_write(&mut self, key: &str, effect: Effect) -> Write {
        self.markers += 1;
        Write {
            key: key.to_owned(),
            marker: format!("m{}", self.markers),
            effect,
            based_on: Basis::Anything,
            expires_s: None,
            bytes: 1,
        }
    }

    fn seen(&self, region: usize, key: &str) -> Seen {
        let content = self.sites[region]
            .rows
            .get(key)
            .and_then(Row::held)
            .and_then(|held| held.content);
        Seen {
            key: key.to_owned(),
            marker: content.as_ref().map(|content| content.marker.clone()),
            number: content.as_ref().and_then(|content| content.number),
            image_hash: content.as_ref().map(|content| content.image_hash),
            list: content.map(|content| content.list),
            is_consistent: true,
        }
    }

    fn operate(&mut self, region: usize, name: &str, reads: Vec<Seen>, writes: Vec<Write>, outcome: OperationOutcome) {
        if outcome == OperationOutcome::Ok && !writes.is_empty() {
            self.commit(region, &writes);
        }
        self.note(region, name, reads, writes, outcome);
    }

    fn note(&mut self, region: usize, name: &str, reads: Vec<Seen>, writes: Vec<Write>, outcome: OperationOutcome) {
        self.operations.push(Operation {
            workload: "t".to_owned(),
            client: u32::try_from(region).expect("few"),
            part: 0,
            home: REGIONS[region].to_owned(),
            region: REGIONS[region].to_owned(),
            name: name.to_owned(),
            due_us: self.now_ms * 1_000,
            sent_us: self.now_ms * 1_000,
            done_us: self.now_ms * 1_000 + 500,
            outcome,
            cancellations: Vec::new(),
            failure: None,
            reads,
            writes,
            checked: Vec::new(),
        });
    }

    fn commit(&mut self, region: usize, writes: &[Write]) {
        let (merging, now) = (self.merging, self.now_ms + self.offsets[region]);
        let site = &mut self.sites[region];
        let origin: Origin = REGIONS[region].parse().expect("a name");
        let applied = site.vector.clone();
        let mut transaction = Transaction { writes: Vec::new() };
        for write in writes {
            site.time = now.max(site.time + 1);
            site.sequence += 1;
            let version = Version {
                time: HybridTime::from_parts(site.time, 0),
                origin: origin.clone(),
                sequence: site.sequence,
            };
            let key = *KEYS.iter().find(|key| **key == write.key).expect("a key");
            let row = site.rows.entry(key).or_default();
            row.write(&version, write, merging);
            // The write that it replaces may have arrived before writes that the replaced write
            // depends on.
            let known = site.known.entry(key).or_default();
            known.merge(&applied);
            let vector = known.clone();
            known.advance(&origin, site.sequence);
            let logged = Logged {
                held: row.held().expect("just written"),
                causal_context: vector,
                is_expiry: false,
            };
            site.vector.advance(&origin, site.sequence);
            transaction.writes.push((key, row.clone(), logged));
        }
        site.log.push(transaction);
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let read = self.sites[to].read.get(&from).copied().unwrap_or(0);
        let Some(transaction) = self.sites[from].log.get(read).cloned() else {
            return;
        };
        let site = &mut self.sites[to];
        site.read.insert(from, read + 1);
        for (key, row, logged) in transaction.writes {
            let version = logged.held.version.clone();
            site.time = site.time.max(version.time.millis());
            let ours = site.rows.entry(key).or_default();
            if let Some(current) = ours.held() {
                let known_here = site.known.get(key).is_some_and(|known| known.covers(&version));
                let context =
                    logged.causal_context.covers(&current.version) || current.version.origin == version.origin;
                if !known_here && !context && self.merging == Merging::Item {
                    let (winner, loser) = (
                        current.version.clone().max(version.clone()),
                        current.version.min(version.clone()),
                    );
                    let key = key.to_owned();
                    // The marker is only used if replicas are dropped.
                    let loser_marker = None;
                    site.journal.push(ConflictEntry {
                        key,
                        winner,
                        loser,
                        loser_marker,
                        attributes: Vec::new(),
                    });
                }
            }
            let before = ours.clone();
            ours.join(&row);
            let known = site.known.entry(key).or_default();
            if self.merging != Merging::Item {
                let is_own = |loser: &Version| loser.origin == version.origin && loser.sequence < version.sequence;
                let theirs = before.losses(&row, ours).into_iter();
                let theirs = theirs.filter(|(loser, _)| !logged.causal_context.covers(loser) && !is_own(loser));
                let own = row.losses(&before, ours).into_iter();
                let own = own.filter(|(loser, _)| !known.covers(loser));
                site.journal.extend(
                    theirs
                        .chain(own)
                        .map(|(loser, (winner, is_marker_only))| ConflictEntry {
                            key: key.to_owned(),
                            winner,
                            loser,
                            loser_marker: None,
                            attributes: is_marker_only.then(|| MARKER.to_owned()).into_iter().collect(),
                        }),
                );
                known.merge(&logged.causal_context);
                known.advance(&version.origin, version.sequence);
            } else if ours.held().is_some_and(|held| held.version == version) {
                *known = logged.causal_context;
                known.advance(&version.origin, version.sequence);
            }
            site.vector.advance(&version.origin, version.sequence);
        }
    }

    fn judged(mut self) -> beringia_oracle::Judgement {
        for (from, to) in (0..9).map(|pair| (pair / 3, pair % 3)).filter(|(from, to)| from != to) {
            for _ in 0..self.sites[from].log.len() {
                self.deliver(from, to);
            }
        }
        let mut evidence = Evidence::default();
        for (site, name) in self.sites.iter().zip(REGIONS) {
            let log = evidence.logs.entry(name.to_owned()).or_default();
            for (key, _, logged) in site.log.iter().flat_map(|transaction| &transaction.writes) {
                log.entry((*key).to_owned()).or_default().push(logged.clone());
            }
            let rows = site
                .rows
                .iter()
                .filter_map(|(key, row)| Some(((*key).to_owned(), row.held()?)));
            evidence.held.insert(name.to_owned(), rows.collect());
            let journal = Journal {
                entries: site.journal.clone(),
                is_complete: true,
            };
            evidence.journals.insert(name.to_owned(), journal);
        }
        let rules = Rules {
            merging: self.merging,
            ..Rules::default()
        };
        let history = History {
            tables: BTreeMap::from([("t".to_owned(), rules)]),
            loaded: Vec::new(),
            operations: self.operations,
        };
        judge(&history, &BTreeMap::from([("t".to_owned(), evidence)]), &[])
    }
}

fn effects() -> impl Strategy<Value = Effect> {
    let element = || prop::sample::select(vec!["x", "y", "z"]).prop_map(|element| vec![element.to_owned()]);
    let field = || prop::sample::select(vec!["f0", "f1"]).prop_map(|field| vec![field.to_owned()]);
    prop_oneof![
        (field(), prop::option::of(0..9_i64)).prop_map(|(fields, number)| Effect::Put { fields, number }),
        field().prop_map(|fields| Effect::Update { fields }),
        (1..9_i64).prop_map(Effect::Add),
        element().prop_map(|add| Effect::Set {
            add,
            delete: Vec::new()
        }),
        element().prop_map(|delete| Effect::Set {
            add: Vec::new(),
            delete
        }),
        Just(Effect::Append),
        Just(Effect::Delete),
    ]
}

fn steps(regions: usize) -> impl Strategy<Value = Vec<Step>> {
    // If a delete got no answer, it is uncertain what a read of no item saw. That may count as an
    // anomaly, but never as a broken promise.
    let mut blind = vec![OperationOutcome::Ok, OperationOutcome::Unreported];
    blind.extend((regions > 1).then_some(OperationOutcome::Unknown));
    let blind = prop::sample::select(blind);
    let step = prop_oneof![
        4 => (0..regions, 0..2_usize, effects()).prop_map(|(region, key, effect)| Step::Write { region, key, effect }),
        1 => (0..regions, 0..2_usize).prop_map(|(region, key)| Step::Rewrite { region, key }),
        1 => (0..regions, 0..2_usize, blind).prop_map(|(region, key, outcome)| Step::Blind { region, key, outcome }),
        1 => (0..regions).prop_map(|region| Step::Transaction { region }),
        2 => (0..regions).prop_map(|region| Step::Read { region }),
        4 => (0..3_usize, 1..3_usize).prop_map(|(from, by)| Step::Deliver { from, to: (from + by) % 3 }),
    ];
    prop::collection::vec(step, 1..60)
}

fn policies() -> impl Strategy<Value = Merging> {
    prop::sample::select(vec![Merging::Item, Merging::Attribute, Merging::Merge])
}

fn sum(accounting: &beringia_oracle::Accounting) -> u64 {
    accounting.current
        + accounting.superseded
        + accounting.lost_to_conflicts
        + accounting.lost_with_disk
        + accounting.unshipped
        + accounting.lost
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn correct_regions_break_no_promise(
        merging in policies(),
        offsets in prop::array::uniform3(0..100_u64),
        steps in steps(3),
    ) {
        let mut model = Model::new(merging, offsets);
        steps.iter().for_each(|step| model.step(step));
        let judged = model.judged();
        prop_assert_eq!(&judged.violations, &[]);
        prop_assert_eq!(judged.accounting.acknowledged, sum(&judged.accounting));
        prop_assert_eq!(judged.accounting.lost + judged.accounting.lost_with_disk, 0);
        let torn = judged.anomalies.iter().find(|anomaly| anomaly.name == "torn-transaction");
        prop_assert_eq!(torn.map(|torn| torn.count), Some(0));
    }

    #[test]
    fn one_region_alone_shows_no_anomaly(merging in policies(), steps in steps(1)) {
        let mut model = Model::new(merging, [0; 3]);
        steps.iter().for_each(|step| model.step(step));
        let judged = model.judged();
        prop_assert_eq!(&judged.violations, &[]);
        prop_assert_eq!(judged.accounting.lost_to_conflicts, 0);
        for anomaly in &judged.anomalies {
            prop_assert_eq!(anomaly.count, 0, "{:?}", anomaly);
        }
    }
}
