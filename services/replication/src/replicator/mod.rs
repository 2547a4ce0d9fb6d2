//! The state machine of one region: takes events, keeps its parts consistent, returns commands.

mod accepted;
mod answers;
mod bootstraps;
mod description;
mod dialled;
mod epoch;
mod links;
mod older_copy;
mod pause;
mod relays;
mod replica_progress;
mod subscriptions;
mod unreachable;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};
use beringia_storage_types::{OwnSequences, SharedVectors};

use self::{accepted::Accepted, bootstraps::Bootstraps, dialled::Dialled, epoch::EpochRequest, relays::Relays};
use crate::{
    change::{RebootstrapCause, ReplicaChange, StateChange},
    compare::Comparisons,
    context::{Context, Unreachable},
    event::{Command, Event, Now, TableView},
    out::Out,
    tuning::Tuning,
};

/// The configuration of a [`Replicator`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The region that it replicates for.
    pub region: Region,
    /// All other regions; `region` itself is ignored.
    pub peers: BTreeSet<Region>,
    /// Identifies this process to peers: a random number, drawn at every start.
    pub incarnation: u128,
    /// Bounds and intervals of the protocol.
    pub tuning: Tuning,
    /// For each peer, how long it had been unreachable when the previous process last recorded it,
    /// milliseconds.
    pub unreachable_ms: BTreeMap<Region, u64>,
    /// What the database knows about this region's own sequences.
    pub own: OwnSequences,
}

/// The replication of one region, as a state machine without I/O.
#[derive(Debug, Clone)]
pub struct Replicator {
    context: Context,
    out: Out,
    dialled: Dialled,
    accepted: Accepted,
    relays: Relays,
    bootstraps: Bootstraps,
    comparisons: Comparisons,
    epoch: EpochRequest,
    /// The tables that other regions may read here.
    served: BTreeSet<TableId>,
    /// Whether subscriptions or served tables may have to change.
    dirty: bool,
}

impl Replicator {
    /// Creates a replicator with no tables. Send it [`Event::Catalog`] first, then [`Event::Tick`].
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        let Config {
            region,
            mut peers,
            incarnation,
            tuning,
            unreachable_ms,
            own,
        } = config;
        peers.remove(&region);
        let since_ms = now.elapsed_ms;
        let unreachable = |(peer, before_ms)| (peer, Unreachable { since_ms, before_ms });
        let unreachable = unreachable_ms
            .into_iter()
            .filter(|(peer, _)| peers.contains(peer))
            .map(unreachable)
            .collect();
        let context = Context {
            origin: Origin::of_only_shard(&region),
            region,
            incarnation,
            tuning,
            peers: peers.clone(),
            now,
            catalog: BTreeMap::new(),
            local: SharedVectors::new(),
            learned: SharedVectors::new(),
            quarantine: BTreeMap::new(),
            limit_ms: None,
            catching_up: BTreeSet::new(),
            finishing: BTreeSet::new(),
            own,
            own_reached: BTreeMap::new(),
            missing_own: BTreeMap::new(),
            unreachable,
            paused: BTreeSet::new(),
            set_aside: BTreeMap::new(),
        };
        Self {
            dialled: Dialled::new(&peers, &context),
            accepted: Accepted::new(peers),
            served: context.served().collect(),
            context,
            out: Out::default(),
            relays: Relays::default(),
            bootstraps: Bootstraps::default(),
            comparisons: Comparisons::default(),
            epoch: EpochRequest::default(),
            dirty: true,
        }
    }

    /// Handles an event and returns the commands to carry out, in order.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Command> {
        debug_assert!(
            self.context.now.elapsed_ms <= now.elapsed_ms,
            "the clock of events is monotonic"
        );
        self.context.now = now;
        self.out.changes.clear();
        self.watch_report(&event);
        match event {
            Event::Tick { vectors } => self.on_tick(&vectors),
            Event::Catalog(catalog) => self.on_catalog(catalog),
            Event::LogAppended { vectors } => {
                self.accepted.on_log_appended(&self.context, &mut self.out, &vectors);
            }
            Event::Pause(table) => self.pause(table),
            Event::Resume(table) => self.resume(table),
            Event::Dialled(link, event) => self.on_dialled(link, event),
            Event::Accepted(link, event) => self.accepted.handle(&self.context, &mut self.out, link, event),
            Event::Answered(ticket, result) => self.on_answered(ticket, result),
        }
        if self.dirty {
            self.dirty = false;
            self.update_subscriptions();
        }
        std::mem::take(&mut self.out.commands)
    }

    /// The state changes made by the last event, in order.
    #[must_use]
    pub fn changes(&self) -> &[StateChange] {
        &self.out.changes
    }

    fn on_tick(&mut self, vectors: &SharedVectors) {
        self.context.learn_all(vectors);
        self.dirty = true;
        self.watch_own_writes();
        self.dialled.tick(&self.context, &mut self.out);
        self.accepted.tick(&self.context, &mut self.out);
        self.relays.tick(&self.context, &mut self.out, &self.dialled.receivers);
        for (region, receiver) in &mut self.dialled.receivers {
            if let Some(session) = receiver.session_mut() {
                session.report_changes(&self.context, &mut self.out);
                self.comparisons.tick(&self.context, &mut self.out, region, session);
            }
        }
        self.bootstraps
            .watch_low_watermarks(&self.context, &mut self.out, &self.dialled);
        self.bootstraps.fetch_own_writes(&self.context, &mut self.out);
        self.bootstraps.tick(&self.context, &mut self.out, &mut self.dialled);
        self.tick_leaves();
        self.watch_peers();
    }

    fn on_catalog(&mut self, catalog: BTreeMap<TableId, TableView>) {
        let before = std::mem::replace(&mut self.context.catalog, catalog);
        let bootstrapped = |catalog: &BTreeMap<TableId, TableView>, table: &TableId| {
            catalog.get(table).is_some_and(|view| view.bootstrapped)
        };
        // A replica whose rows were discarded for a re-bootstrap has nothing of what its vector
        // covers.
        let is_rebootstrapped =
            |table: &TableId| bootstrapped(&before, table) && !bootstrapped(&self.context.catalog, table);
        for (table, view) in &self.context.catalog {
            let table = *table;
            if is_rebootstrapped(&table) {
                let cause = RebootstrapCause::Dropped;
                self.out.report_replica(table, ReplicaChange::Rebootstrapped { cause });
            }
            // Replicas that are dropped in the first catalog were dropped before this start.
            let Some(former) = before.get(&table) else { continue };
            for region in view.dropped.difference(&former.dropped).cloned() {
                self.out.report_replica(table, ReplicaChange::Dropped { region });
            }
        }
        let stays = |table: &TableId| {
            *table == TableId::CATALOG || (self.context.catalog.contains_key(table) && !is_rebootstrapped(table))
        };
        let local = std::mem::take(&mut self.context.local);
        self.context.local = local.into_iter().filter(|(table, _)| stays(table)).collect();
        self.context
            .paused
            .retain(|table| self.context.catalog.contains_key(table));
        self.context
            .set_aside
            .retain(|table, _| *table == TableId::CATALOG || self.context.catalog.contains_key(table));
        self.forget_own_writes();
        // What counts of a vector depends on the catalog.
        self.context.learned = SharedVectors::new();
        self.dirty = true;
        self.bootstraps.want_bootstraps(&self.context, &mut self.out);
    }
}
