//! Walks over the ranges of a table: compare a peer's keys with ours, fetch what is missing or newer, apply it.
//!
//! A join and a repair are the same walk. A join takes everything that is newer there, and drops what the source knew of and no
//! longer holds; a repair takes only what our vector covers, and the next one what turned out to be covered by none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beringia_item::{KeyBytes, Mutation, RANGES, Stamp, TableId, Version, VersionVector, range_of};
use beringia_storage_types::{RemoteBatch, RemoteKind};

use crate::{
    event::StoreCall,
    message::{KeyPage, Question, RowPage, Span},
    out::{Out, Purpose, WalkId},
    session::{Asked, Session},
    world::World,
};

/// Neighbouring ranges that one walk takes: a small table is walked over in a few questions, a large one by many walks at once.
const SPAN_RANGES: u16 = 16;

/// Rows by key and version.
pub(crate) type Orphans = BTreeSet<(KeyBytes, Version)>;

/// What the walks are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The source's rows become ours.
    Join {
        /// The vector that the source had before the first page.
        before: VersionVector,
        /// Nothing else writes to the table here meanwhile: a row of an earlier attempt that nobody vouches for goes too.
        alone: bool,
    },
    /// What was lost here comes back.
    Repair,
    /// Rows that neither vector covers come here too: no stream may bring them, if their origin lost them before others had them.
    Adopt(Orphans),
}

/// Why an attempt ends before it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

#[derive(Debug)]
enum Step {
    /// The source lists keys.
    Keys,
    /// Our store lists keys of the same part.
    Local(KeyPage),
    /// The source sends rows.
    Rows,
    /// Our store applies them.
    Applying,
}

#[derive(Debug)]
struct Walk {
    /// Everything up to this key is done.
    after: Option<KeyBytes>,
    step: Step,
    /// Of the part between `after` and `until`: what to fetch still, and what to drop.
    fetch: VecDeque<KeyBytes>,
    obsolete: Vec<(TableId, KeyBytes, Stamp)>,
    /// Where the part ends; `None` where that is the span's end.
    until: Option<KeyBytes>,
}

/// The walks of one attempt.
#[derive(Debug)]
pub(crate) struct Walks {
    pub(crate) attempt: u64,
    pub(crate) table: TableId,
    goal: Goal,
    waiting: VecDeque<Span>,
    active: BTreeMap<Span, Walk>,
    finished_ranges: u16,
    pub(crate) rows: u64,
    /// Rows that the store took as newer than what it had.
    pub(crate) newer: u64,
    /// Covers every row of the source that was seen.
    seen: VersionVector,
    /// Of a repair: rows of the source that are newer than ours and that our vector does not cover, no more than one page.
    pub(crate) uncovered: Orphans,
}

impl Walks {
    pub(crate) fn new(attempt: u64, table: TableId, goal: Goal, ranges: impl IntoIterator<Item = u16>) -> Self {
        Self {
            attempt,
            table,
            goal,
            waiting: Span::over(ranges, SPAN_RANGES).into(),
            active: BTreeMap::new(),
            finished_ranges: 0,
            rows: 0,
            newer: 0,
            seen: VersionVector::default(),
            uncovered: Orphans::new(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.active.is_empty()
    }

    /// Ranges that are done, those of the spans under way too.
    pub(crate) fn ranges_done(&self) -> u16 {
        let begun = |(span, walk): (&Span, &Walk)| {
            walk.after
                .as_ref()
                .map_or(0, |after| range_of(after).saturating_sub(span.first))
        };
        self.finished_ranges + self.active.iter().map(begun).sum::<u16>()
    }

    /// Of a join: the source's vector before the first page, and one that covers everything that the pages showed.
    pub(crate) fn joined(&self) -> Option<(&VersionVector, VersionVector)> {
        let Goal::Join { before, .. } = &self.goal else {
            return None;
        };
        let mut after = before.clone();
        after.merge(&self.seen);
        Some((before, after))
    }

    /// After the stream broke: the walks under way start at the source again, after the last key that is done.
    pub(crate) fn resume(&mut self, world: &World, out: &mut Out, session: &mut Session, attempt: u64) {
        self.attempt = attempt;
        for (span, walk) in &mut self.active {
            walk.fetch.clear();
            walk.obsolete.clear();
            walk.ask_keys(out, session, self.table, WalkId { attempt, span: *span });
        }
        self.start(world, out, session);
    }

    /// Begins as many walks as may run at once.
    pub(crate) fn start(&mut self, world: &World, out: &mut Out, session: &mut Session) {
        while self.active.len() < world.tuning.walks_max {
            let Some(span) = self.waiting.pop_front() else { return };
            let mut walk = Walk {
                after: None,
                step: Step::Keys,
                fetch: VecDeque::new(),
                obsolete: Vec::new(),
                until: None,
            };
            walk.ask_keys(
                out,
                session,
                self.table,
                WalkId {
                    attempt: self.attempt,
                    span,
                },
            );
            let before = self.active.insert(span, walk);
            debug_assert!(before.is_none(), "one walk over a span at a time");
        }
    }

    /// The source listed keys.
    pub(crate) fn on_keys(&mut self, world: &World, out: &mut Out, id: WalkId, page: KeyPage) -> Result<(), Broken> {
        let Some(walk) = self.active.get_mut(&id.span) else {
            return Ok(());
        };
        let mut previous = walk.after.as_ref();
        for (key, Stamp { version, .. }) in &page.rows {
            self.seen.advance(&version.origin, version.sequence);
            if previous.is_some_and(|previous| previous >= key) || !id.span.contains(key) {
                return Err(Broken(
                    "the source lists keys out of order, or others than those it was asked for".to_owned(),
                ));
            }
            previous = Some(key);
        }
        if page.rows.is_empty() && !page.last {
            return Err(Broken(
                "the source lists no keys and says that there are more".to_owned(),
            ));
        }
        let call = StoreCall::Keys {
            table: self.table,
            span: id.span,
            after: walk.after.clone(),
            max: world.tuning.keys_per_page,
        };
        walk.step = Step::Local(page);
        out.call(Purpose::Walk(id), call);
        Ok(())
    }

    /// Our store listed keys.
    pub(crate) fn on_local(&mut self, world: &World, out: &mut Out, session: &mut Session, id: WalkId, ours: &KeyPage) {
        let Some(walk) = self.active.get_mut(&id.span) else {
            return;
        };
        let Step::Local(theirs) = std::mem::replace(&mut walk.step, Step::Keys) else {
            return;
        };
        let difference = difference(&self.goal, &world.vector(self.table), &theirs, ours);
        walk.fetch = difference.fetch.into();
        if self.goal == Goal::Repair {
            let space = world.tuning.keys_per_page.saturating_sub(self.uncovered.len());
            self.uncovered.extend(difference.uncovered.into_iter().take(space));
        }
        walk.obsolete = difference
            .obsolete
            .into_iter()
            .map(|(key, stamp)| (self.table, key, stamp))
            .collect();
        debug_assert!(
            difference.until.is_none() || difference.until > walk.after,
            "a walk moves on with every page"
        );
        walk.until = difference.until;
        self.rows += difference.examined;
        self.proceed(world, out, session, id, Vec::new());
    }

    /// The source sent rows.
    pub(crate) fn on_rows(
        &mut self,
        world: &World,
        out: &mut Out,
        session: &mut Session,
        id: WalkId,
        page: RowPage,
    ) -> Result<(), Broken> {
        let Some(walk) = self.active.get_mut(&id.span) else {
            return Ok(());
        };
        if page.answered == 0 || page.answered > walk.fetch.len() {
            return Err(Broken(
                "the source answers other rows than those it was asked for".to_owned(),
            ));
        }
        let asked: BTreeSet<KeyBytes> = walk.fetch.drain(..page.answered).collect();
        let fits = |mutation: &Mutation| mutation.table == self.table && asked.contains(&mutation.key);
        if !page.mutations.iter().all(fits) {
            return Err(Broken("the source sends rows that it was not asked for".to_owned()));
        }
        for Mutation { version, .. } in &page.mutations {
            self.seen.advance(&version.origin, version.sequence);
        }
        let mut mutations = page.mutations;
        if let Goal::Adopt(orphans) = &self.goal {
            // What replaced one meanwhile comes by stream.
            mutations.retain(|row| orphans.contains(&(row.key.clone(), row.version.clone())));
        }
        self.proceed(world, out, session, id, mutations);
        Ok(())
    }

    /// Our store applied rows.
    pub(crate) fn on_applied(&mut self, world: &World, out: &mut Out, session: &mut Session, id: WalkId, newer: usize) {
        self.newer += newer as u64;
        self.proceed(world, out, session, id, Vec::new());
    }

    /// The next step of a walk: apply, fetch, list on, or end.
    fn proceed(&mut self, world: &World, out: &mut Out, session: &mut Session, id: WalkId, mutations: Vec<Mutation>) {
        let Some(walk) = self.active.get_mut(&id.span) else {
            return;
        };
        let obsolete = std::mem::take(&mut walk.obsolete);
        if !mutations.is_empty() || !obsolete.is_empty() {
            let kind = match self.goal {
                Goal::Join { .. } | Goal::Adopt(_) => RemoteKind::Copy,
                Goal::Repair => RemoteKind::Repair,
            };
            walk.step = Step::Applying;
            let apply = RemoteBatch {
                kind,
                from: Some(session.region().clone()),
                mutations,
                obsolete,
                progress: Vec::new(),
                holding: None,
            };
            out.call(Purpose::Walk(id), StoreCall::Apply(apply));
        } else if !walk.fetch.is_empty() {
            walk.step = Step::Rows;
            let keys = walk.fetch.iter().take(world.tuning.keys_per_fetch).cloned().collect();
            session.ask(out, Asked::WalkRows(id), self.table, Question::Rows { keys });
        } else if let Some(until) = walk.until.take() {
            walk.after = Some(until);
            walk.ask_keys(out, session, self.table, id);
        } else {
            self.active.remove(&id.span);
            self.finished_ranges += id.span.len();
            debug_assert!(self.finished_ranges <= RANGES, "no range is walked over twice");
            self.start(world, out, session);
        }
    }
}

impl Walk {
    fn ask_keys(&mut self, out: &mut Out, session: &mut Session, table: TableId, id: WalkId) {
        self.step = Step::Keys;
        let question = Question::Keys {
            span: id.span,
            after: self.after.clone(),
        };
        session.ask(out, Asked::WalkKeys(id), table, question);
    }
}

/// What two pages of keys that begin after the same key say.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    fetch: Vec<KeyBytes>,
    obsolete: Vec<(KeyBytes, Stamp)>,
    /// With news there, and not covered by our vector.
    uncovered: Vec<(KeyBytes, Version)>,
    /// Up to where both pages speak; `None`: the span's end.
    until: Option<KeyBytes>,
    /// How many of their rows that concerns.
    examined: u64,
}

fn difference(goal: &Goal, vector: &VersionVector, theirs: &KeyPage, ours: &KeyPage) -> Difference {
    let end = |page: &KeyPage| match page.rows.last() {
        Some((key, _)) if !page.last => Some(key.clone()),
        _ => None,
    };
    let until = match (end(theirs), end(ours)) {
        (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
        (theirs, ours) => theirs.or(ours),
    };
    let inside = |key: &KeyBytes| until.as_ref().is_none_or(|until| key <= until);
    let their_rows: BTreeMap<&KeyBytes, &Stamp> = theirs
        .rows
        .iter()
        .filter(|(key, _)| inside(key))
        .map(|(key, stamp)| (key, stamp))
        .collect();
    let our_rows: BTreeMap<&KeyBytes, &Stamp> = ours
        .rows
        .iter()
        .filter(|(key, _)| inside(key))
        .map(|(key, stamp)| (key, stamp))
        .collect();

    let mut obsolete = Vec::new();
    if let Goal::Join { before, alone } = goal {
        for (key, here) in &our_rows {
            let version = &here.version;
            let known = before.covers(version);
            let gone = known && !their_rows.contains_key(key);
            // It came in an attempt that ended, from a source that may have lost it since. If it is still anywhere, it comes by stream.
            let unvouched = *alone && !known && !vector.covers(version);
            if gone || (unvouched && their_rows.get(key).is_none_or(|there| there.version < *version)) {
                obsolete.push(((*key).clone(), (*here).clone()));
            }
        }
    }
    let goes = |key: &KeyBytes| obsolete.iter().any(|(obsolete, _)| obsolete == key);
    let mut fetch = Vec::new();
    let mut uncovered = Vec::new();
    for (key, there) in &their_rows {
        let version = &there.version;
        let has_news = our_rows.get(key).is_none_or(|here| may_add_to(here, there)) || goes(key);
        let allowed = match goal {
            Goal::Join { .. } => true,
            Goal::Repair => vector.covers(version),
            Goal::Adopt(orphans) => orphans.contains(&((*key).clone(), version.clone())),
        };
        if has_news && allowed {
            fetch.push((*key).clone());
        }
        if has_news && !vector.covers(version) {
            uncovered.push(((*key).clone(), version.clone()));
        }
    }
    Difference {
        fetch,
        obsolete,
        uncovered,
        examined: their_rows.len() as u64,
        until,
    }
}

/// Whether a row there can hold something that the row here does not: a newer write, or, where the row here was not written as a whole
/// last, an older one that was not joined to it.
fn may_add_to(here: &Stamp, there: &Stamp) -> bool {
    there.version > here.version || (here.state != 0 && here != there)
}

#[cfg(test)]
mod tests {
    use beringia_clock::HybridTime;
    use beringia_item::{Origin, Region};
    use bytes::Bytes;

    use super::*;

    fn version(sequence: u64) -> Version {
        let time = HybridTime::from_u64(sequence);
        Version {
            time,
            origin: Region::new("eu").unwrap().into(),
            sequence,
        }
    }

    fn key(number: u8) -> KeyBytes {
        KeyBytes(Bytes::from(vec![0, 0, number]))
    }

    /// A page of rows: key and sequence of its version.
    fn page(rows: &[(u8, u64)], last: bool) -> KeyPage {
        let rows = rows
            .iter()
            .map(|(number, sequence)| (key(*number), version(*sequence).into()))
            .collect();
        KeyPage { rows, last }
    }

    fn covering(sequence: u64) -> VersionVector {
        [(Origin::from(Region::new("eu").unwrap()), sequence)]
            .into_iter()
            .collect()
    }

    /// A copy into a table that others write to, from a source that knew of everything up to that.
    fn join(sequence: u64) -> Goal {
        Goal::Join {
            before: covering(sequence),
            alone: false,
        }
    }

    fn keys(numbers: &[u8]) -> Vec<KeyBytes> {
        numbers.iter().map(|number| key(*number)).collect()
    }

    #[test]
    fn a_join_takes_what_is_missing_or_older_here_whatever_the_vector_says() {
        let theirs = page(&[(1, 5), (2, 6), (3, 7), (4, 99)], true);
        let ours = page(&[(1, 5), (2, 4), (3, 8)], true);
        let found = difference(&join(10), &covering(0), &theirs, &ours);
        assert_eq!(found.fetch, keys(&[2, 4]));
        assert_eq!((found.obsolete, found.until, found.examined), (vec![], None, 4));
    }

    #[test]
    fn a_join_drops_what_the_source_knew_of_and_no_longer_holds() {
        let theirs = page(&[(1, 5)], true);
        let ours = page(&[(1, 5), (2, 6), (3, 11)], true);
        let found = difference(&join(10), &covering(99), &theirs, &ours);
        assert_eq!(
            found.obsolete,
            [(key(2), version(6).into())],
            "the write of 3 is newer than what the source knew"
        );
        assert_eq!(found.fetch, keys(&[]));
    }

    #[test]
    fn a_row_of_an_earlier_attempt_that_nobody_vouches_for_gives_way_to_the_sources() {
        let theirs = page(&[(1, 5), (2, 30), (4, 40)], true);
        let ours = page(&[(1, 20), (2, 21), (3, 22), (4, 40), (5, 13)], true);
        let alone = Goal::Join {
            before: covering(10),
            alone: true,
        };
        let found = difference(&alone, &covering(15), &theirs, &ours);
        assert_eq!(
            found.obsolete,
            [(key(1), version(20).into()), (key(3), version(22).into())]
        );
        assert_eq!(found.fetch, keys(&[1, 2]), "the newer one would win by itself");
        let found = difference(&join(10), &covering(15), &theirs, &ours);
        assert_eq!(found.obsolete, [], "where others write, it may have come just now");
    }

    #[test]
    fn orphans_are_taken_whatever_the_vector_says_and_nothing_else() {
        let theirs = page(&[(1, 20), (2, 21), (3, 5)], true);
        let ours = page(&[(2, 22)], true);
        let orphans = [(key(1), version(20)), (key(2), version(21)), (key(3), version(4))].into();
        let found = difference(&Goal::Adopt(orphans), &covering(10), &theirs, &ours);
        assert_eq!((found.fetch, found.obsolete), (keys(&[1]), vec![]));
    }

    #[test]
    fn a_repair_takes_only_what_the_own_vector_covers_and_drops_nothing() {
        let theirs = page(&[(1, 5), (2, 11)], true);
        let ours = page(&[(3, 6)], true);
        let found = difference(&Goal::Repair, &covering(10), &theirs, &ours);
        assert_eq!((found.fetch, found.obsolete), (keys(&[1]), vec![]));
    }

    #[test]
    fn a_row_to_which_other_writes_were_joined_is_fetched_though_no_version_is_newer() {
        let stamped = |rows: &[(u8, u64, u64)]| KeyPage {
            rows: rows
                .iter()
                .map(|(number, sequence, state)| {
                    let version = version(*sequence);
                    (key(*number), Stamp { version, state: *state })
                })
                .collect(),
            last: true,
        };
        let theirs = stamped(&[(1, 5, 7), (2, 5, 7), (3, 4, 7), (4, 4, 0), (5, 4, 7)]);
        let ours = stamped(&[(1, 5, 7), (2, 5, 8), (3, 5, 8), (4, 5, 8), (5, 5, 0)]);
        for goal in [join(10), Goal::Repair] {
            let found = difference(&goal, &covering(10), &theirs, &ours);
            assert_eq!(found.fetch, keys(&[2, 3, 4]), "5 was written as a whole later");
        }
    }

    #[test]
    fn pages_are_compared_only_up_to_where_both_speak() {
        let theirs = page(&[(1, 5), (4, 5), (6, 5)], false);
        let ours = page(&[(2, 5), (5, 5)], false);
        let found = difference(&join(10), &covering(0), &theirs, &ours);
        assert_eq!(found.until, Some(key(5)));
        assert_eq!(found.fetch, keys(&[1, 4]), "6 comes with the next page");
        assert_eq!(
            found.obsolete,
            [(key(2), version(5).into()), (key(5), version(5).into())]
        );
        let ours_ends = page(&[(2, 5)], true);
        let found = difference(&join(10), &covering(0), &theirs, &ours_ends);
        assert_eq!((found.until, found.fetch), (Some(key(6)), keys(&[1, 4, 6])));
    }
}
