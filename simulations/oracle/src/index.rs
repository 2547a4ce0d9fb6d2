//! A table's operations and commits, by key in the order of versions, with what each commit
//! causally depends on.

use std::collections::BTreeMap;

use beringia_history::{Effect, Evidence, History, Logged, LostDisk, Operation, OperationOutcome, Rules, Write};
use beringia_item::{Origin, Version, VersionVector};

/// How many lesser writes are looked through for the next one that a causal context covers.
const LOOK_BACK: usize = 1_000;

/// The operations, commits and evidence of one table in one run.
pub(crate) struct Table<'a> {
    pub(crate) name: &'a str,
    pub(crate) rules: Rules,
    pub(crate) evidence: &'a Evidence,
    pub(crate) lost_disks: &'a [LostDisk],
    pub(crate) keys: BTreeMap<&'a str, Key<'a>>,
    /// The operations of the load, in the order in which they were sent.
    pub(crate) operations: Vec<&'a Operation>,
    /// The writes from before the load.
    pub(crate) loaded: Vec<&'a Operation>,
    /// The outcomes of unshipped writes.
    pub(crate) unshipped: Unshipped<'a>,
}

/// The outcomes of the unshipped writes of dropped replicas, by key and marker.
pub(crate) type Unshipped<'a> = BTreeMap<(&'a str, &'a str), Missing>;

/// The writes that clients asked for under a key, and those that regions committed.
#[derive(Default)]
pub(crate) struct Key<'a> {
    /// The commits in the order of versions. The index of a commit is its *position*: of two
    /// commits, the one with the greater version has the greater position.
    pub(crate) commits: Vec<Commit<'a>>,
    pub(crate) asked: Vec<Asked<'a>>,
    by_marker: BTreeMap<&'a str, usize>,
    /// For each origin, when its commits were sent, ascending.
    sent_us: BTreeMap<&'a str, Vec<u64>>,
}

/// A write that a client asked for.
pub(crate) struct Asked<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) write: &'a Write,
    pub(crate) is_load: bool,
    /// The position of the write's commit, if it was found.
    pub(crate) position: Option<usize>,
}

/// A write that a region committed.
pub(crate) struct Commit<'a> {
    pub(crate) origin: &'a str,
    pub(crate) logged: &'a Logged,
    /// The index of the asked write that this commit is, if it is matched.
    pub(crate) asked: Option<usize>,
    /// For a delete, when the first operation that can have made it was sent; 0 if none can.
    pub(crate) since_us: u64,
    /// The position of the greatest write that this one causally depends on, which is the one that
    /// it replaced at its origin.
    pub(crate) replaced: Option<usize>,
    /// Whether a later write causally depends on this one.
    pub(crate) is_known: bool,
}

impl<'a> Asked<'a> {
    /// The marker of the item that was there before, if the answer said so.
    pub(crate) fn replaced(&self) -> Option<&'a str> {
        let seen = self.operation.reads.iter().find(|seen| seen.key == self.write.key);
        seen?.marker.as_deref()
    }

    pub(crate) fn is_acknowledged(&self) -> bool {
        self.operation.outcome == OperationOutcome::Ok
    }

    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(
            self.operation.outcome,
            OperationOutcome::Ok | OperationOutcome::Unknown | OperationOutcome::Unreported
        )
    }
}

impl<'a> Commit<'a> {
    pub(crate) fn version(&self) -> &'a Version {
        &self.logged.held.version
    }

    pub(crate) fn is_delete(&self) -> bool {
        self.logged.held.content.is_none()
    }

    pub(crate) fn depends_on(&self, other: &Version) -> bool {
        other.sequence <= self.known_of(&other.origin)
    }

    /// The greatest sequence of an origin that the commit causally depends on.
    pub(crate) fn known_of(&self, origin: &Origin) -> u64 {
        let mine = self.version();
        if mine.origin == *origin {
            mine.sequence.saturating_sub(1)
        } else {
            self.logged.causal_context.get(origin)
        }
    }

    pub(crate) fn is_concurrent_with(&self, other: &Self) -> bool {
        !self.depends_on(other.version()) && !other.depends_on(self.version())
    }
}

impl<'a> Key<'a> {
    /// Returns the asked write with this marker.
    pub(crate) fn of_marker(&self, marker: &str) -> Option<&Asked<'a>> {
        self.index_of_marker(marker).map(|index| &self.asked[index])
    }

    /// Returns the index, among the writes asked for, of the one with this marker.
    pub(crate) fn index_of_marker(&self, marker: &str) -> Option<usize> {
        self.by_marker.get(marker).copied()
    }

    /// Returns the position of a version.
    pub(crate) fn position_of(&self, version: &Version) -> Option<usize> {
        self.commits
            .binary_search_by(|commit| commit.version().cmp(version))
            .ok()
    }

    /// Returns the effect that a commit's client asked for; `None` if no client made or asked for
    /// the commit.
    pub(crate) fn effect(&self, position: usize) -> Option<&'a Effect> {
        let asked = self.commits[position].asked?;
        Some(&self.asked[asked].write.effect)
    }

    /// Returns whether a commit replaces everything that was there: a put, a delete or an expiry.
    pub(crate) fn is_base(&self, position: usize) -> bool {
        self.commits[position].is_delete() || self.effect(position).is_some_and(Effect::is_whole)
    }

    fn ask(&mut self, operation: &'a Operation, write: &'a Write, is_load: bool) {
        self.by_marker.insert(&write.marker, self.asked.len());
        self.asked.push(Asked {
            operation,
            write,
            is_load,
            position: None,
        });
    }

    /// Matches every commit that has a marker to its asked write. If a marker is in the logs twice,
    /// the first commit is matched and the other one stays unmatched, except that a write from
    /// before the load may have been sent twice.
    fn match_markers(&mut self) {
        for (position, commit) in self.commits.iter_mut().enumerate() {
            let Some(marker) = commit.logged.held.marker() else {
                continue;
            };
            let Some(index) = self.by_marker.get(marker) else {
                continue;
            };
            let asked = &mut self.asked[*index];
            let is_free = asked.position.is_none() || asked.is_load;
            let is_possible = asked.may_have_happened() && asked.operation.region == commit.origin;
            if is_free && is_possible && asked.write.effect != Effect::Delete {
                asked.position = Some(position);
                commit.asked = Some(*index);
            }
        }
    }

    /// Records that a commit is this asked write.
    pub(crate) fn claim(&mut self, position: usize, asked: usize) {
        debug_assert!(
            self.asked[asked].position.is_none() && self.commits[position].asked.is_none(),
            "a commit is one write's, and a write has one commit"
        );
        self.asked[asked].position = Some(position);
        self.commits[position].asked = Some(asked);
    }

    fn link(&mut self) {
        let all: Vec<usize> = (0..self.commits.len()).collect();
        let replaced = replaced(&self.commits, &all);
        let known = known_to_any(self.commits.iter());
        let is_known = |commit: &Commit<'_>| {
            known
                .get(commit.origin)
                .is_some_and(|known| *known >= commit.version().sequence)
        };
        let known: Vec<bool> = self.commits.iter().map(is_known).collect();
        for (position, commit) in self.commits.iter_mut().enumerate() {
            commit.replaced = replaced[position];
            commit.is_known = known[position];
            if let Some(asked) = commit.asked {
                let sent_us = self.asked[asked].operation.sent_us;
                self.sent_us.entry(commit.origin).or_default().push(sent_us);
            }
        }
        for sent_us in self.sent_us.values_mut() {
            sent_us.sort_unstable();
        }
    }

    /// Returns whether a region committed a write that was sent between these two times, in
    /// microseconds.
    pub(crate) fn has_commit(&self, origin: &str, from_us: u64, to_us: u64) -> bool {
        let sent_us = self.sent_us.get(origin).map_or(&[][..], Vec::as_slice);
        let first = sent_us.partition_point(|sent_us| *sent_us < from_us);
        sent_us.get(first).is_some_and(|sent_us| *sent_us <= to_us)
    }
}

/// Returns, for each of some commits (positions, ascending), the index among them of the greatest
/// one that it causally depends on.
pub(crate) fn replaced(commits: &[Commit<'_>], of: &[usize]) -> Vec<Option<usize>> {
    let among = Among::new(commits, of);
    of.iter()
        .map(|position| among.last_known_to(&commits[*position]))
        .collect()
}

/// Some commits by origin, for finding those that another one causally depends on.
pub(crate) struct Among<'a> {
    origins: BTreeMap<&'a str, OfOrigin>,
}

/// The sequences of an origin's commits, ascending, and their indexes.
struct OfOrigin {
    origin: Origin,
    places: Vec<(u64, usize)>,
}

impl<'a> Among<'a> {
    /// Groups the commits given by position, ascending.
    pub(crate) fn new(commits: &[Commit<'a>], of: &[usize]) -> Self {
        debug_assert!(of.is_sorted(), "positions ascend");
        let mut origins: BTreeMap<&str, OfOrigin> = BTreeMap::new();
        for (place, position) in of.iter().enumerate() {
            let version = commits[*position].version();
            let of_origin = origins.entry(commits[*position].origin).or_insert_with(|| OfOrigin {
                origin: version.origin.clone(),
                places: Vec::new(),
            });
            of_origin.places.push((version.sequence, place));
        }
        for of_origin in origins.values_mut() {
            of_origin.places.sort_unstable();
        }
        Self { origins }
    }

    /// Returns the index of the greatest commit up to a known sequence of its origin.
    fn last(&self, known_of: impl Fn(&Origin) -> u64) -> Option<usize> {
        let of_origin = |OfOrigin { origin, places }: &OfOrigin| {
            let known = known_of(origin);
            let end = places.partition_point(|(sequence, _)| *sequence <= known);
            end.checked_sub(1).map(|last| places[last].1)
        };
        self.origins.values().filter_map(of_origin).max()
    }

    /// Returns the index of the greatest commit that a version vector covers.
    pub(crate) fn last_covered(&self, vector: &VersionVector) -> Option<usize> {
        self.last(|origin| vector.get(origin))
    }

    /// Returns the index of the last commit, by sequence, that the origin of this one, which may be
    /// to another key, made before it.
    pub(crate) fn last_before(&self, commit: &Commit<'_>) -> Option<usize> {
        let OfOrigin { places, .. } = self.origins.get(commit.origin)?;
        let end = places.partition_point(|(sequence, _)| *sequence < commit.version().sequence);
        end.checked_sub(1).map(|last| places[last].1)
    }

    /// Returns the index of the greatest commit that this one causally depends on.
    pub(crate) fn last_known_to(&self, commit: &Commit<'_>) -> Option<usize> {
        self.last(|origin| commit.known_of(origin))
    }
}

/// Returns, for each origin, the greatest sequence that any of these commits causally depends on.
pub(crate) fn known_to_any<'a>(commits: impl Iterator<Item = &'a Commit<'a>>) -> BTreeMap<&'a str, u64> {
    let mut greatest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut raise = |origin, sequence: u64| {
        let known = greatest.entry(origin).or_default();
        *known = sequence.max(*known);
    };
    for commit in commits {
        // A commit depends on its origin's earlier ones.
        raise(commit.origin, commit.version().sequence.saturating_sub(1));
        for (origin, sequence) in commit.logged.causal_context.iter() {
            if origin.region().as_str() != commit.origin {
                raise(origin.region().as_str(), sequence);
            }
        }
    }
    greatest
}

impl<'a> Table<'a> {
    /// Builds the index of a table and matches the commits that have markers.
    pub(crate) fn new(name: &'a str, history: &'a History, evidence: &'a Evidence, lost_disks: &'a [LostDisk]) -> Self {
        let of_table =
            |operations: &'a [Operation]| operations.iter().filter(move |operation| operation.workload == name);
        let mut table = Self {
            name,
            rules: history.tables.get(name).copied().unwrap_or_default(),
            evidence,
            lost_disks,
            keys: BTreeMap::new(),
            operations: of_table(&history.operations).collect(),
            loaded: of_table(&history.loaded).collect(),
            unshipped: Unshipped::new(),
        };
        for (operations, is_load) in [(&table.loaded, true), (&table.operations, false)] {
            for operation in operations {
                for write in &operation.writes {
                    table.keys.entry(&write.key).or_default().ask(operation, write, is_load);
                }
            }
        }
        for (origin, log) in &evidence.logs {
            for (key, logged) in log {
                let commits = logged.iter().map(|logged| Commit {
                    origin,
                    logged,
                    asked: None,
                    since_us: 0,
                    replaced: None,
                    is_known: false,
                });
                table.keys.entry(key).or_default().commits.extend(commits);
            }
        }
        for key in table.keys.values_mut() {
            key.commits.sort_by_key(Commit::version);
            key.match_markers();
        }
        table
    }

    /// Returns the position of the commit with this marker, if it was found.
    pub(crate) fn position_of(&self, key: &str, marker: &str) -> Option<usize> {
        self.keys.get(key)?.of_marker(marker)?.position
    }

    /// Records what each commit replaced and which commits others depend on. Called when all
    /// commits that can be matched are.
    pub(crate) fn link(&mut self) {
        self.keys.values_mut().for_each(Key::link);
    }

    /// Returns the first disk that was lost after a write was sent to its region, and with which
    /// the write may have been lost.
    pub(crate) fn lost_after(&self, asked: &Asked<'_>) -> Option<usize> {
        let is_it = |disk: &LostDisk| disk.region == asked.operation.region && disk.at_us >= asked.operation.sent_us;
        self.lost_disks.iter().position(is_it)
    }

    /// Returns whether a version may have been lost with its origin's disk: some region did not
    /// have it when a disk of the origin was lost. Versions from after the loss count, too.
    pub(crate) fn was_unshipped(&self, version: &Version) -> bool {
        let origin = version.origin.region().as_str();
        let mut disks = self.lost_disks.iter().filter(|disk| disk.region == origin);
        disks.any(|disk| self.is_unshipped(disk, version))
    }

    /// Returns whether a version of a disk's region may have been lost with the disk: some other
    /// region did not have it then.
    pub(crate) fn is_unshipped(&self, disk: &LostDisk, version: &Version) -> bool {
        disk.shipped
            .get(self.name)
            .is_none_or(|shipped| version.sequence > *shipped)
    }

    /// Returns whether a commit was sent before its origin lost a disk, and some region did not
    /// have it then. Such a region may have gone on without it, although causal contexts cover it.
    pub(crate) fn may_be_lost(&self, key: &Key<'_>, commit: &Commit<'_>) -> bool {
        let asked = commit.asked.map(|asked| &key.asked[asked]);
        let sent_us = asked.map_or(commit.since_us, |asked| asked.operation.sent_us);
        let is_before = |disk: &&LostDisk| disk.region == commit.origin && sent_us <= disk.at_us;
        let mut disks = self.lost_disks.iter().filter(is_before);
        !asked.is_some_and(|asked| asked.is_load) && disks.any(|disk| self.is_unshipped(disk, commit.version()))
    }

    /// Returns the positions of the writes that a commit may have replaced at its origin: the
    /// greatest one that it causally depends on and, as long as that one may be lost with a disk,
    /// the next lesser one. `None` stands for no write.
    pub(crate) fn may_have_replaced(&self, key: &Key<'_>, commit: &Commit<'_>) -> impl Iterator<Item = Option<usize>> {
        let covered_below = |position: usize| {
            let mut lesser = (0..position).rev().take(LOOK_BACK);
            lesser.find(|position| commit.depends_on(key.commits[*position].version()))
        };
        std::iter::successors(Some(commit.replaced), move |before| {
            before
                .filter(|position| self.may_be_lost(key, &key.commits[*position]))
                .map(covered_below)
        })
    }

    /// Returns whether a write that is in no log, but may have happened, can have been lost with a
    /// disk or a replica of its region. If it was acknowledged, its loss is reported by itself.
    pub(crate) fn may_be_gone(&self, key: &Key<'_>, asked: &Asked<'_>) -> bool {
        let region = &asked.operation.region;
        asked.is_acknowledged() && self.missing(key, asked) == Missing::Lost
            || !asked.may_have_happened()
            || self.lost_after(asked).is_some()
            || self.evidence.bootstrapped.contains(region)
            || self.evidence.unshipped.contains_key(region)
    }

    /// Returns whether rows can have been copied or repaired one by one, instead of in the order of
    /// the log, in the region of an operation and by the time when it was done: a disk was lost,
    /// the region's replica was bootstrapped or removed, or some replica was dropped.
    pub(crate) fn may_be_copied(&self, operation: &Operation) -> bool {
        let is_before = |disk: &LostDisk| disk.at_us <= operation.done_us;
        self.lost_disks.iter().any(is_before)
            || self.evidence.bootstrapped.contains(&operation.region)
            || !self.evidence.unshipped.is_empty()
    }

    /// Returns what became of an acknowledged write that is in no log.
    pub(crate) fn missing(&self, key: &Key<'_>, asked: &Asked<'_>) -> Missing {
        let name = (asked.write.key.as_str(), asked.write.marker.as_str());
        if let Some(missing) = self.unshipped.get(&name) {
            return *missing;
        }
        let Some(disk) = self.lost_after(asked) else {
            return Missing::Lost;
        };
        let (region, done_us) = (&asked.operation.region, asked.operation.done_us);
        if key.has_commit(region, done_us, self.lost_disks[disk].at_us) {
            Missing::Replaced
        } else {
            Missing::WithDisk(disk)
        }
    }
}

/// The outcome of an acknowledged write that is in no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The write was lost with its region's disk or replica, and the write that replaced it there
    /// is accounted for, so no region needs to have it.
    Replaced,
    /// The write is unshipped: its region keeps it, apart from its replica.
    UnshippedWrite,
    /// The write was lost with its region's replica, where it had already lost to a concurrent
    /// write.
    LostToConflict,
    /// The write was lost with the disk at this index.
    WithDisk(usize),
    /// The write was lost without an excuse.
    Lost,
}
