//! The state machine of one region: takes events, keeps the parts in step, returns commands.

mod accepted;
mod answers;
mod bootstraps;
mod dialled;
mod links;
mod pause;
mod reach;
mod relays;
mod settle;
mod standings;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};

use self::{accepted::Accepted, bootstraps::Bootstraps, dialled::Dialled, relays::Relays};
use crate::{
    compare::Comparisons,
    event::{Command, Event, Now, TableView},
    message::TableVectors,
    out::Out,
    tuning::Tuning,
    world::{Away, World},
};

/// What a replicator is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// This region.
    pub region: Region,
    /// All other regions.
    pub peers: BTreeSet<Region>,
    /// Identifies this run; by chance.
    pub incarnation: u128,
    /// Bounds and intervals.
    pub tuning: Tuning,
    /// For how long peers had been out of reach when the process before this one last noted it,
    /// milliseconds.
    pub away_ms: BTreeMap<Region, u64>,
}

/// The replication of one region, as a state machine without I/O.
#[derive(Debug)]
pub struct Replicator {
    world: World,
    out: Out,
    dialled: Dialled,
    accepted: Accepted,
    relays: Relays,
    bootstraps: Bootstraps,
    comparisons: Comparisons,
    /// The tables that others may read here.
    served: BTreeSet<TableId>,
    /// What is subscribed to or served may have changed.
    dirty: bool,
}

impl Replicator {
    /// A replicator that knows nothing yet: tell it the catalog, then tick it.
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        let Config {
            region,
            mut peers,
            incarnation,
            tuning,
            away_ms,
        } = config;
        peers.remove(&region);
        let since_ms = now.elapsed_ms;
        let away = |(peer, before_ms)| (peer, Away { since_ms, before_ms });
        let away = away_ms
            .into_iter()
            .filter(|(peer, _)| peers.contains(peer))
            .map(away)
            .collect();
        let world = World {
            origin: Origin::of_only_shard(&region),
            region,
            incarnation,
            tuning,
            peers: peers.clone(),
            now,
            catalog: BTreeMap::new(),
            local: TableVectors::new(),
            quarantine: BTreeMap::new(),
            limit_ms: None,
            catching_up: BTreeSet::new(),
            finishing: BTreeSet::new(),
            away,
            paused: BTreeSet::new(),
        };
        Self {
            dialled: Dialled::new(&peers, &world),
            accepted: Accepted::new(peers),
            served: world.served(),
            world,
            out: Out::default(),
            relays: Relays::default(),
            bootstraps: Bootstraps::default(),
            comparisons: Comparisons::default(),
            dirty: true,
        }
    }

    /// Takes an event in and says what is to be done, in order.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Command> {
        debug_assert!(
            self.world.now.elapsed_ms <= now.elapsed_ms,
            "the clock of events never goes back"
        );
        self.world.now = now;
        match event {
            Event::Tick { vectors } => self.on_tick(&vectors),
            Event::Catalog(catalog) => self.on_catalog(catalog),
            Event::LogAppended { vectors } => {
                self.accepted.on_log_appended(&self.world, &mut self.out, &vectors);
            }
            Event::Pause(table) => self.pause(table),
            Event::Resume(table) => self.resume(table),
            Event::Dialled(link, event) => self.on_dialled(link, event),
            Event::Accepted(link, event) => self.accepted.handle(&self.world, &mut self.out, link, event),
            Event::Answered(ticket, result) => self.on_answered(ticket, result),
        }
        if self.dirty {
            self.dirty = false;
            self.settle();
        }
        std::mem::take(&mut self.out.commands)
    }

    fn on_tick(&mut self, vectors: &TableVectors) {
        self.world.learn(vectors);
        self.dirty = true;
        self.dialled.tick(&self.world, &mut self.out);
        self.accepted.tick(&self.world, &mut self.out);
        self.relays.tick(&self.world, &self.dialled.receivers);
        for (region, receiver) in &mut self.dialled.receivers {
            if let Some(session) = receiver.session_mut() {
                session.tell_changes(&self.world, &mut self.out);
                self.comparisons.tick(&self.world, &mut self.out, region, session);
            }
        }
        self.bootstraps.watch_floors(&self.world, &self.dialled);
        self.bootstraps.tick(&self.world, &mut self.out, &mut self.dialled);
        self.tick_leaves();
        self.watch_reach();
    }

    fn on_catalog(&mut self, catalog: BTreeMap<TableId, TableView>) {
        let before = std::mem::replace(&mut self.world.catalog, catalog);
        let joined = |catalog: &BTreeMap<TableId, TableView>, table: &TableId| {
            catalog.get(table).is_some_and(|view| view.joined)
        };
        // One whose rows went, and that begins anew, has nothing of what it had.
        let begins_anew = |table: &TableId| joined(&before, table) && !joined(&self.world.catalog, table);
        self.world.local.retain(|table, _| {
            *table == TableId::CATALOG || (self.world.catalog.contains_key(table) && !begins_anew(table))
        });
        self.world.paused.retain(|table| self.world.catalog.contains_key(table));
        self.dirty = true;
        self.bootstraps.want_joins(&self.world, &mut self.out);
    }
}
