//! Anti-entropy: compares digests with peers as of a vector that both cover, and repairs the ranges
//! that differ.
//!
//! The idea and the word are those of Demers et al., "Epidemic algorithms for replicated database
//! maintenance", 1987. Other databases compare Merkle trees (1987); the digests here are the leaves
//! of one, a sum for each range. Streams bring every write, so a difference as of one vector means
//! damage, or the remains of an interrupted copy. Writes need not pause for that: the source
//! chooses the vector when it answers, and each store takes back what it has applied since.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};
use beringia_storage_types::TableDigest;

use crate::{
    change::RepairChange,
    context::Context,
    difference::{Goal, Orphans},
    event::{DialId, StoreCall},
    message::Question,
    out::{Out, Purpose, RangeSyncId},
    range_sync::RangeSyncs,
    session::{Asked, Session},
};

/// The last comparison of a table with a peer.
#[derive(Debug, Clone)]
struct Last {
    at_ms: u64,
    /// The vector as of which the two were compared; `None` if they were not.
    vector: Option<VersionVector>,
}

/// A comparison of which the digest of one side is still missing.
#[derive(Debug, Clone)]
struct Underway {
    link: DialId,
    table: TableId,
    theirs: Option<TableDigest>,
    /// A repair from the peer ended meanwhile: the comparison may be older than the rows that the
    /// repair left to the streams.
    early: bool,
}

/// A repair in progress. Only one runs at a time, so that a region that comes back damaged does not
/// starve its clients.
#[derive(Debug, Clone)]
pub(crate) struct Repair {
    pub(crate) peer: Region,
    pub(crate) syncs: RangeSyncs,
}

/// All comparisons with peers, and the one repair.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparisons {
    underway: BTreeMap<Region, Underway>,
    pause_until_ms: BTreeMap<Region, u64>,
    last: BTreeMap<(TableId, Region), Last>,
    pub(crate) divergent: BTreeMap<TableId, BTreeMap<Region, Vec<u16>>>,
    /// The vector as of which all ranges were last equal, in the life of the peer's session.
    agreed: BTreeMap<TableId, BTreeMap<Region, VersionVector>>,
    pub(crate) repair: Option<Repair>,
    /// Rows that the last repair saw at a peer and left to the streams.
    uncovered: BTreeMap<(TableId, Region), Orphans>,
    pub(crate) repaired_rows: BTreeMap<TableId, u64>,
}

impl Comparisons {
    /// Numbers the streams by their peers (see
    /// [`Replicator::description`](crate::Replicator::description)).
    pub(crate) fn normalize(&mut self, numbers: &BTreeMap<Region, DialId>) {
        for (peer, underway) in &mut self.underway {
            if let Some(number) = numbers.get(peer) {
                underway.link = *number;
            }
        }
    }

    /// Requests the peer's digests of the table whose comparison is most overdue.
    pub(crate) fn tick(&mut self, context: &Context, out: &mut Out, peer: &Region, session: &mut Session) {
        let now_ms = context.now.elapsed_ms;
        let is_paused = self.pause_until_ms.get(peer).is_some_and(|until_ms| now_ms < *until_ms);
        if is_paused || self.underway.contains_key(peer) {
            return;
        }
        let candidates = session.announced.vectors.iter().filter(|(table, theirs)| {
            let ours = context.local.get(*table).filter(|_| context.serves(**table));
            ours.is_some_and(|ours| self.is_due(context, &(**table, peer.clone()), (ours, theirs)))
        });
        let at = |table: &TableId| self.last.get(&(*table, peer.clone())).map(|last| last.at_ms);
        let Some(table) = candidates.map(|(table, _)| *table).min_by_key(at) else {
            return;
        };
        self.underway.insert(
            peer.clone(),
            Underway {
                link: session.link,
                table,
                theirs: None,
                early: false,
            },
        );
        self.pause_until_ms
            .insert(peer.clone(), now_ms + context.tuning.digest_pause_ms);
        let as_of = Some(context.vector(table));
        session.ask(out, Asked::Compare(table), table, Question::Digest { as_of });
    }

    /// Whether a table should be compared again: after a while, and soon after writes have ended.
    fn is_due(
        &self,
        context: &Context,
        pair: &(TableId, Region),
        (ours, theirs): (&VersionVector, &VersionVector),
    ) -> bool {
        let Some(last) = self.last.get(pair) else { return true };
        let age_ms = context.now.elapsed_ms.saturating_sub(last.at_ms);
        let is_news = ours == theirs && last.vector.as_ref() != Some(ours);
        age_ms >= context.tuning.digest_ms || (is_news && age_ms >= 2 * context.tuning.announce_ms)
    }

    /// Stores the peer's digests and requests this region's as of the same vector.
    pub(crate) fn on_theirs(&mut self, out: &mut Out, peer: &Region, table: TableId, digest: TableDigest) {
        if let Some(underway) = self.underway.get_mut(peer).filter(|underway| underway.table == table) {
            let as_of = Some(digest.vector.clone());
            underway.theirs = Some(digest);
            out.call(
                Purpose::Compare(underway.link, table),
                StoreCall::Digest { table, as_of },
            );
        }
    }

    /// Compares this region's digests with the peer's. Returns the ranges that differ, if both are
    /// as of one vector and a repair may begin.
    pub(crate) fn on_ours(
        &mut self,
        context: &Context,
        peer: &Region,
        ours: &TableDigest,
    ) -> Option<(TableId, Vec<u16>)> {
        let underway = self.underway.remove(peer).filter(|underway| !underway.early)?;
        let table = underway.table;
        // The table may have stopped being served while the comparison was under way.
        let theirs = underway.theirs.filter(|_| context.serves(table))?;
        let is_equal = theirs.vector == ours.vector && theirs.ranges.len() == ours.ranges.len();
        let vector = is_equal.then(|| ours.vector.clone());
        let last = Last {
            at_ms: context.now.elapsed_ms,
            vector,
        };
        self.last.insert((table, peer.clone()), last);
        if !is_equal {
            return None;
        }
        let is_known = |range: &u16| !theirs.unknown.contains(range) && !ours.unknown.contains(range);
        let differing: Vec<u16> = (0..)
            .zip(theirs.ranges.iter().zip(&ours.ranges))
            .filter(|(range, (of_peer, of_us))| of_peer != of_us && is_known(range))
            .map(|(range, _)| range)
            .collect();
        if differing.is_empty() && theirs.unknown.is_empty() && ours.unknown.is_empty() {
            let agreed = self.agreed.entry(table).or_default();
            agreed.insert(peer.clone(), ours.vector.clone());
        }
        let by_peer = self.divergent.entry(table).or_default();
        if differing.is_empty() {
            by_peer.remove(peer);
        } else {
            by_peer.insert(peer.clone(), differing.clone());
        }
        self.divergent.retain(|_, by_peer| !by_peer.is_empty());
        (!differing.is_empty() && self.repair.is_none()).then_some((table, differing))
    }

    /// Records that the peer or this region's store did not answer.
    pub(crate) fn on_failed(&mut self, context: &Context, peer: &Region) {
        if let Some(underway) = self.underway.remove(peer) {
            let last = Last {
                at_ms: context.now.elapsed_ms,
                vector: None,
            };
            self.last.insert((underway.table, peer.clone()), last);
        }
    }

    /// Begins to fetch from the peer what is missing here in the ranges.
    pub(crate) fn repair(
        &mut self,
        context: &Context,
        out: &mut Out,
        (peer, session): (&Region, &mut Session),
        (table, ranges): (TableId, Vec<u16>),
        attempt: u64,
    ) {
        debug_assert!(self.repair.is_none(), "one repair at a time");
        // The last repair saw these rows at the peer, and neither vector covers them yet: the peer
        // has them without having everything before them. A stream may never bring them; if one
        // does, fetching them does no harm.
        let mut orphans = self.uncovered.remove(&(table, peer.clone())).unwrap_or_default();
        let mut vector = context.vector(table);
        if let Some(theirs) = session.announced.vectors.get(&table) {
            vector.merge(theirs);
        }
        orphans.retain(|(_, version)| !vector.covers(version));
        let goal = if orphans.is_empty() {
            Goal::Repair
        } else {
            Goal::Adopt(orphans)
        };
        let began = RepairChange::Began { ranges: ranges.len() };
        out.report_repair(table, peer.clone(), began);
        let mut syncs = RangeSyncs::new(attempt, table, goal, ranges);
        syncs.start(context, out, session);
        self.repair = Some(Repair {
            peer: peer.clone(),
            syncs,
        });
    }

    /// The range sync of the repair, if this is its attempt, and the peer that it reads from.
    pub(crate) fn syncs_of(&mut self, id: RangeSyncId) -> Option<(&mut RangeSyncs, Region)> {
        let repair = self.repair.as_mut();
        let repair = repair.filter(|repair| repair.syncs.attempt == id.attempt)?;
        Some((&mut repair.syncs, repair.peer.clone()))
    }

    /// Ends the repair, if this is its attempt.
    pub(crate) fn end_repair(&mut self, out: &mut Out, attempt: u64, reason: &str) {
        self.interrupt_repair(out, reason, |repair| repair.syncs.attempt == attempt);
    }

    fn interrupt_repair(&mut self, out: &mut Out, reason: &str, is_meant: impl Fn(&Repair) -> bool) {
        if let Some(repair) = self.repair.take_if(|repair| is_meant(repair)) {
            let reason = reason.to_owned();
            out.report_repair(repair.syncs.table, repair.peer, RepairChange::Interrupted { reason });
        }
    }

    /// Ends the repair once its range sync is done. A table of which rows were restored is compared
    /// again at once.
    pub(crate) fn check_done(&mut self, out: &mut Out) {
        let Some(mut repair) = self.repair.take_if(|repair| repair.syncs.is_done()) else {
            return;
        };
        let rows = repair.syncs.newer;
        out.report_repair(repair.syncs.table, repair.peer.clone(), RepairChange::Ended { rows });
        let uncovered = std::mem::take(&mut repair.syncs.uncovered);
        if !uncovered.is_empty() {
            let pair = (repair.syncs.table, repair.peer.clone());
            self.uncovered.insert(pair, uncovered);
            if let Some(underway) = self.underway.get_mut(&repair.peer) {
                underway.early = true;
            }
        }
        if repair.syncs.newer > 0 {
            *self.repaired_rows.entry(repair.syncs.table).or_default() += repair.syncs.newer;
            self.last.remove(&(repair.syncs.table, repair.peer));
        }
    }

    /// By table and peer, the vector as of which all digests were last equal. A peer without a
    /// session is not contained, since it may return with another disk.
    pub(crate) const fn agreed(&self) -> &BTreeMap<TableId, BTreeMap<Region, VersionVector>> {
        &self.agreed
    }

    /// Drops the requests that were pending on the stream to the peer, which has ended.
    pub(crate) fn on_down(&mut self, out: &mut Out, peer: &Region) {
        self.underway.remove(peer);
        for agreed in self.agreed.values_mut() {
            agreed.remove(peer);
        }
        self.interrupt_repair(out, "the stream to the peer ended", |repair| repair.peer == *peer);
        self.uncovered.retain(|(_, held_by), _| held_by != peer);
    }

    /// Drops the state of tables that are not served here any more.
    pub(crate) fn keep(&mut self, context: &Context, out: &mut Out) {
        self.last.retain(|(table, _), _| context.serves(*table));
        self.uncovered.retain(|(table, _), _| context.serves(*table));
        self.divergent.retain(|table, _| context.serves(*table));
        // A replica that is bootstrapped may copy rows from a region with which this one does not
        // agree yet.
        self.agreed.retain(|table, by_peer| {
            by_peer.retain(|peer, _| context.is_active(peer, *table));
            context.serves(*table)
        });
        self.interrupt_repair(out, "the table is not served here any more", |repair| {
            !context.serves(repair.syncs.table)
        });
    }
}
