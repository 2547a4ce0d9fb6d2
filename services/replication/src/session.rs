//! An open stream from one peer: subscribing, applying in order what the source sends, and acknowledging it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beringia_item::{Mutation, Origin, Region, TableId};
use beringia_storage_types::{RemoteBatch, RemoteKind};

use crate::{
    event::{Command, DialId, StoreCall, Ticket},
    message::{Acknowledgement, Batch, Goodbye, Question, Request, Subscription, TableVectors, ToSource},
    out::{Out, Purpose, WalkId},
    quarantine::TooFarAhead,
    watermark::Said,
    world::{World, merge_tables},
};

/// A generation that no batch has.
const NEVER: u64 = u64::MAX;

/// Why a question was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A join begins: the source's vector.
    JoinStart(TableId, u64),
    /// A walk's page of keys.
    WalkKeys(WalkId),
    /// A walk's rows.
    WalkRows(WalkId),
    /// A comparison of digests.
    Compare(TableId),
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Session {
    region: Region,
    pub(crate) link: DialId,
    /// The source's, once it said hello.
    pub(crate) incarnation: u128,
    generation: u64,
    /// The tables subscribed to, and since which generation without a pause: older batches may have a gap before theirs.
    tables: BTreeMap<TableId, u64>,
    /// The origins subscribed to, likewise; [`NEVER`] where nothing more is taken in this subscription.
    origins: BTreeMap<Origin, u64>,
    inbox: VecDeque<Batch>,
    inbox_bytes: usize,
    applying: Option<Applying>,
    received: u64,
    /// What the source knows of our vectors.
    told: TableVectors,
    told_batch: u64,
    /// The source's own vectors, as it announced them.
    pub(crate) theirs: TableVectors,
    /// Whom the source has not reached for too long.
    pub(crate) lost: BTreeSet<Region>,
    /// Since when the source itself has what of this region's own writes.
    pub(crate) said: Said,
    /// What the source's log does not reach down to.
    pub(crate) refused: BTreeSet<(TableId, Origin)>,
    refused_until_ms: u64,
    requests: BTreeMap<u64, Asked>,
    next_request: u64,
    /// The next subscription begins anew even where it asks for the same.
    anew: bool,
}

/// The commit under way.
#[derive(Debug)]
struct Applying {
    ticket: Ticket,
    /// The last batch that it covers.
    last: u64,
    /// What it is, until the store has said how far ahead writes may be: it may refuse it for one of them.
    kept: Option<RemoteBatch>,
}

impl Session {
    pub(crate) fn new(region: Region, link: DialId) -> Self {
        Self {
            region,
            link,
            incarnation: 0,
            generation: 0,
            tables: BTreeMap::new(),
            origins: BTreeMap::new(),
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            applying: None,
            received: 0,
            told: TableVectors::new(),
            told_batch: 0,
            theirs: TableVectors::new(),
            lost: BTreeSet::new(),
            said: Said::default(),
            refused: BTreeSet::new(),
            refused_until_ms: 0,
            requests: BTreeMap::new(),
            next_request: 0,
            anew: false,
        }
    }

    /// Subscribes to these tables and origins, unless that is what is subscribed to already.
    pub(crate) fn subscribe(
        &mut self,
        world: &World,
        out: &mut Out,
        tables: &BTreeSet<TableId>,
        origins: &BTreeSet<Origin>,
    ) {
        if !self.refused.is_empty() && world.now.elapsed_ms >= self.refused_until_ms {
            self.refused.clear();
            self.anew = true;
        }
        let same =
            self.generation > 0 && tables.iter().eq(self.tables.keys()) && origins.iter().eq(self.origins.keys());
        if same && !self.anew {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        if self.anew {
            self.tables.clear();
            self.origins.clear();
            self.anew = false;
        }
        let since = |old: Option<&u64>| old.copied().unwrap_or(generation);
        self.tables = tables
            .iter()
            .map(|table| (*table, since(self.tables.get(table))))
            .collect();
        self.origins = origins
            .iter()
            .map(|origin| (origin.clone(), since(self.origins.get(origin))))
            .collect();
        self.refused.retain(|(table, _)| tables.contains(table));
        let vectors: TableVectors = tables.iter().map(|table| (*table, world.vector(*table))).collect();
        self.told.extend(vectors.clone());
        let subscription = Subscription {
            generation,
            tables: vectors,
            origins: origins.iter().cloned().collect(),
        };
        out.push(Command::SendToSource(self.link, ToSource::Subscribe(subscription)));
    }

    /// The source's log does not reach down that far; it is asked again after a while.
    pub(crate) fn on_refusal(&mut self, world: &World, generation: u64, parts: Vec<(TableId, Origin)>) {
        if generation == self.generation {
            let held = |(table, origin): &(TableId, Origin)| {
                self.tables.contains_key(table) && self.origins.contains_key(origin)
            };
            let parts: Vec<_> = parts.into_iter().filter(held).collect();
            self.refused.extend(parts);
            self.refused_until_ms = world.now.elapsed_ms + world.tuning.refused_retry_ms;
        }
    }

    /// The table's vector was set by a copy: what was refused before says nothing any more.
    pub(crate) fn retry(&mut self, table: TableId) {
        let before = self.refused.len();
        self.refused.retain(|(refused, _)| *refused != table);
        self.anew |= self.refused.len() != before;
    }

    /// The store did not take the batches: everything that is under way on this stream is void, and the source shall start again
    /// from what is durable here.
    pub(crate) fn restart(&mut self, out: &mut Out, ticket: Ticket) {
        if self.applied(ticket).is_none() {
            return;
        }
        self.anew = true;
        self.inbox.clear();
        self.inbox_bytes = 0;
        self.tables.clear();
        self.origins.clear();
        // Not durable, but not under way either: what the vectors say counts, and the number only opens the window. All that came
        // is meant, also what waited behind these batches: a source whose window it fills would never send again.
        self.told_batch = self.received;
        self.acknowledge(out, TableVectors::new());
    }

    /// The store refused the batches for a write too far ahead, and said what that is: the rest goes to it at once. `None` where it is
    /// not known any more, or nothing in it seems too far ahead.
    pub(crate) fn without_what_waits(&mut self, world: &World, out: &mut Out, ticket: Ticket) -> Option<TooFarAhead> {
        let refused = self.applying.as_mut().filter(|applying| applying.ticket == ticket)?;
        let last = refused.last;
        let mut apply = refused.kept.take()?;
        let mut waiting = self.take_out(world, &mut apply);
        if waiting.is_empty() {
            return None;
        }
        self.applying = None;
        self.hand_over(world, out, apply, last);
        waiting.extend(self.apply(world, out));
        Some(waiting)
    }

    /// What has to wait is to be left out of the next subscription.
    pub(crate) fn on_batch(&mut self, world: &World, out: &mut Out, batch: Batch) -> Result<TooFarAhead, Goodbye> {
        if batch.number != self.received + 1 || batch.generation > self.generation {
            return Err(Goodbye::for_now("a batch out of turn"));
        }
        self.received = batch.number;
        self.inbox_bytes += batch.weight();
        if self.inbox_bytes > world.tuning.inbox_bytes_max {
            return Err(Goodbye::for_now("more batches than the window allows"));
        }
        self.inbox.push_back(batch);
        Ok(self.apply(world, out))
    }

    /// Hands the next batches to the store, where it is free; without what has to wait, of which nothing more is taken.
    fn apply(&mut self, world: &World, out: &mut Out) -> TooFarAhead {
        let mut waiting = TooFarAhead::new();
        while self.applying.is_none() {
            let Some(first) = self.inbox.pop_front() else { break };
            self.inbox_bytes -= first.weight();
            let mut last = first.number;
            let mut bytes = first.weight();
            let mut apply = RemoteBatch {
                kind: RemoteKind::Stream,
                from: Some(self.region.clone()),
                ..RemoteBatch::default()
            };
            self.take(first, &mut apply);
            while let Some(next) = self.inbox.front() {
                bytes += next.weight();
                if bytes > world.tuning.apply_bytes {
                    break;
                }
                let Some(next) = self.inbox.pop_front() else { break };
                self.inbox_bytes -= next.weight();
                last = next.number;
                self.take(next, &mut apply);
            }
            waiting.extend(self.take_out(world, &mut apply));
            self.hand_over(world, out, apply, last);
        }
        debug_assert_eq!(
            self.inbox.is_empty(),
            self.inbox_bytes == 0,
            "the inbox weighs what is in it"
        );
        waiting
    }

    /// Takes out what has to wait; nothing more of those origins is taken in this subscription.
    fn take_out(&mut self, world: &World, apply: &mut RemoteBatch) -> TooFarAhead {
        let waiting = world.take_out(apply);
        for origin in waiting.keys() {
            self.origins.insert(origin.clone(), NEVER);
        }
        waiting
    }

    /// Hands it to the store, where there is anything in it.
    fn hand_over(&mut self, world: &World, out: &mut Out, apply: RemoteBatch, last: u64) {
        debug_assert!(self.applying.is_none(), "one commit at a time");
        debug_assert!(
            self.told_batch < last && last <= self.received,
            "batches are applied in their order, and once"
        );
        if apply.mutations.is_empty() && apply.progress.is_empty() {
            self.told_batch = last;
            self.acknowledge(out, TableVectors::new());
            return;
        }
        let kept = world.limit_ms.is_none().then(|| apply.clone());
        let ticket = out.call(Purpose::Stream(self.link), StoreCall::Apply(apply));
        self.applying = Some(Applying { ticket, last, kept });
    }

    /// The commit under way, where it is that one; it is under way no longer.
    fn applied(&mut self, ticket: Ticket) -> Option<Applying> {
        self.applying.take_if(|applying| applying.ticket == ticket)
    }

    /// What of the batch is still wanted, and follows without a gap on what is here. A unit's members have one origin; those
    /// in tables that this region does not take are left out.
    fn take(&self, batch: Batch, apply: &mut RemoteBatch) {
        let generation = batch.generation;
        let wanted = |table: &TableId, origin: &Origin| {
            self.tables.get(table).is_some_and(|since| generation >= *since)
                && self.origins.get(origin).is_some_and(|since| generation >= *since)
        };
        let of = |mutation: &Mutation| wanted(&mutation.table, mutation.origin());
        apply.mutations.extend(batch.mutations.into_iter().filter(of));
        apply.progress.extend(
            batch
                .progress
                .into_iter()
                .filter(|(table, origin, _)| wanted(table, origin)),
        );
    }

    /// The store took the batches. What of the next ones has to wait is to be left out of the next subscription.
    pub(crate) fn on_applied(&mut self, world: &World, out: &mut Out, ticket: Ticket) -> TooFarAhead {
        let Some(applied) = self.applied(ticket) else {
            return TooFarAhead::new();
        };
        self.told_batch = applied.last;
        self.tell(world, out);
        self.apply(world, out)
    }

    /// Acknowledges, with the vectors that the source does not know yet.
    fn tell(&mut self, world: &World, out: &mut Out) {
        let mut changed = TableVectors::new();
        for table in self.tables.keys() {
            let Some(vector) = world.local.get(table) else { continue };
            if self.told.get(table) != Some(vector) {
                changed.insert(*table, vector.clone());
            }
        }
        self.told.extend(changed.clone());
        self.acknowledge(out, changed);
    }

    fn acknowledge(&mut self, out: &mut Out, tables: TableVectors) {
        debug_assert!(self.told_batch <= self.received, "only what came is acknowledged");
        let acknowledgement = Acknowledgement {
            batch: self.told_batch,
            tables,
        };
        out.push(Command::SendToSource(self.link, ToSource::Acknowledge(acknowledgement)));
    }

    /// Tells the source on a tick what changed through other streams.
    pub(crate) fn tell_changes(&mut self, world: &World, out: &mut Out) {
        let changed = |table: &TableId| {
            world
                .local
                .get(table)
                .is_some_and(|vector| self.told.get(table) != Some(vector))
        };
        if self.tables.keys().any(changed) {
            self.tell(world, out);
        }
    }

    /// Asks the source.
    pub(crate) fn ask(&mut self, out: &mut Out, asked: Asked, table: TableId, question: Question) {
        self.next_request += 1;
        let id = self.next_request;
        self.requests.insert(id, asked);
        out.push(Command::SendToSource(
            self.link,
            ToSource::Request(Request { id, table, question }),
        ));
    }

    pub(crate) fn answered(&mut self, id: u64) -> Result<Asked, Goodbye> {
        self.requests
            .remove(&id)
            .ok_or_else(|| Goodbye::for_now("an answer to no question"))
    }

    pub(crate) fn learn(&mut self, world: &World, vectors: &TableVectors) {
        self.said.learn(world, vectors);
        merge_tables(&mut self.theirs, vectors);
    }

    /// The region that is the source.
    pub(crate) const fn region(&self) -> &Region {
        &self.region
    }

    /// The source does not serve these tables any more.
    pub(crate) fn forget(&mut self, tables: &[TableId]) {
        self.theirs.retain(|table, _| !tables.contains(table));
    }

    /// Whether the source has writes of that origin that are not here, as far as it announced.
    pub(crate) fn has_more(&self, world: &World, origin: &Origin) -> bool {
        self.theirs.iter().any(|(table, vector)| {
            let here = world.local.get(table).map_or(0, |local| local.get(origin));
            world.streams(*table) && vector.get(origin) > here
        })
    }

    /// A table of which this source, the origin itself, has no more of its own writes than this region, or does not serve them, and the
    /// other has.
    pub(crate) fn lacks(&self, world: &World, origin: &Origin, other: &Self) -> Option<TableId> {
        let mut tables = other.theirs.iter().filter(|(table, _)| world.streams(**table));
        let lacking = tables.find(|(table, theirs)| {
            let here = world.local.get(table).map_or(0, |local| local.get(origin));
            let own = self.theirs.get(table).map(|own| own.get(origin));
            theirs.get(origin) > here && own.is_none_or(|own| own <= here)
        });
        lacking.map(|(table, _)| *table)
    }

    pub(crate) fn refuses(&self, origin: &Origin) -> bool {
        self.refused.iter().any(|(_, refused)| refused == origin)
    }
}
