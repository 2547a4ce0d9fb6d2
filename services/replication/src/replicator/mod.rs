//! The state machine of one region: takes events, keeps the parts in step, returns commands.

mod answers;
mod links;
mod pause;
mod reach;
mod settle;
mod standings;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};
use beringia_storage_types::ReplicaStatus;

use crate::{
    compare::Comparisons,
    event::{AcceptId, Command, DialId, Event, Now, StoreCall, TableView},
    join::Join,
    message::{Goodbye, TableVectors},
    out::{Out, Purpose},
    receiver::Receiver,
    source::Source,
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
    /// For how long peers had been out of reach when the process before this one last noted it, milliseconds.
    pub away_ms: BTreeMap<Region, u64>,
}

/// The replication of one region, as a state machine without I/O.
#[derive(Debug)]
pub struct Replicator {
    world: World,
    out: Out,
    receivers: BTreeMap<Region, Receiver>,
    links: BTreeMap<DialId, Region>,
    next_link: u64,
    sources: BTreeMap<AcceptId, Source>,
    /// The accepted stream of each peer, and how the last one went.
    sending: BTreeMap<Region, Sending>,
    relays: BTreeMap<Origin, Region>,
    joins: BTreeMap<TableId, Join>,
    comparisons: Comparisons,
    next_attempt: u64,
    served: BTreeSet<TableId>,
    /// Since when no log in reach holds what is missing of a table here.
    stuck: BTreeMap<TableId, Stuck>,
    /// Origins that seem to lack writes of their own.
    forgetful: BTreeMap<Origin, Forgetful>,
    watch_at_ms: u64,
    /// Replicas whose state is being set, and when it may be tried again.
    setting: BTreeMap<TableId, u64>,
    /// What is subscribed to or served may have changed.
    dirty: bool,
}

/// The accepted side of a peer.
#[derive(Debug, Default)]
struct Sending {
    link: Option<AcceptId>,
    refused: Option<String>,
    last_error: Option<String>,
    acknowledged: Option<TableVectors>,
    clock_ahead_ms: Option<i64>,
}

#[derive(Debug)]
struct Stuck {
    since_ms: u64,
    origin: Origin,
    /// What of the origin was here at that time.
    here: u64,
}

/// An origin that has fewer of its own writes to a table than another region.
#[derive(Debug)]
struct Forgetful {
    since_ms: u64,
    table: TableId,
    /// What of the origin was here at that time.
    here: u64,
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
            origin: Origin::from(&region),
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
        let receivers = peers
            .iter()
            .map(|peer| (peer.clone(), Receiver::new(peer.clone(), &world)))
            .collect();
        Self {
            served: world.served(),
            world,
            out: Out::default(),
            receivers,
            links: BTreeMap::new(),
            next_link: 0,
            sources: BTreeMap::new(),
            sending: peers.into_iter().map(|peer| (peer, Sending::default())).collect(),
            relays: BTreeMap::new(),
            joins: BTreeMap::new(),
            comparisons: Comparisons::default(),
            next_attempt: 0,
            stuck: BTreeMap::new(),
            forgetful: BTreeMap::new(),
            watch_at_ms: 0,
            setting: BTreeMap::new(),
            dirty: true,
        }
    }

    /// Takes an event in and says what is to be done, in order.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Command> {
        self.world.now = now;
        match event {
            Event::Tick { vectors } => self.on_tick(&vectors),
            Event::Catalog(catalog) => self.on_catalog(catalog),
            Event::LogAppended { vectors } => {
                for source in self.sources.values_mut() {
                    source.on_log_appended(&self.world, &mut self.out, &vectors);
                }
            }
            Event::Pause(table) => self.pause(table),
            Event::Resume(table) => self.resume(table),
            Event::Dialled(link, event) => self.on_dialled(link, event),
            Event::Accepted(link, event) => self.on_accepted(link, event),
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
        for (region, receiver) in &mut self.receivers {
            receiver.tick(&self.world, &mut self.out, &mut self.next_link);
            if let Some(link) = receiver.link() {
                self.links.entry(link).or_insert_with(|| region.clone());
            }
        }
        let silent: Vec<AcceptId> = self
            .sources
            .iter()
            .filter(|(_, source)| source.hello_overdue(&self.world))
            .map(|(link, _)| *link)
            .collect();
        for link in silent {
            self.turn_away(
                link,
                Goodbye {
                    reason: "no hello came".to_owned(),
                    permanent: false,
                },
            );
        }
        for source in self.sources.values_mut() {
            source.tick(&self.world, &mut self.out);
        }
        self.watch_origins();
        self.relays = crate::relay::assign(&self.world, &self.receivers, &self.forgetful(), &self.relays);
        for (region, receiver) in &mut self.receivers {
            if let Some(session) = receiver.session_mut() {
                session.tell_changes(&self.world, &mut self.out);
                self.comparisons.tick(&self.world, &mut self.out, region, session);
            }
        }
        self.watch_floors();
        self.tick_joins();
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
        self.want_joins();
    }

    fn next_attempt(&mut self) -> u64 {
        self.next_attempt += 1;
        self.next_attempt
    }

    /// Asks the store to set the status of this region's replica, unless that is under way.
    fn set_replica(&mut self, table: TableId, status: ReplicaStatus) {
        self.settle_replica(table, StoreCall::SetReplica { table, status });
    }

    /// Asks the store for something about this region's replica of a table, unless something is under way.
    fn settle_replica(&mut self, table: TableId, call: StoreCall) {
        let now_ms = self.world.now.elapsed_ms;
        if self
            .setting
            .get(&table)
            .is_some_and(|retry_at_ms| now_ms < *retry_at_ms)
        {
            return;
        }
        self.setting.insert(table, now_ms + self.world.tuning.refused_retry_ms);
        self.out.call(Purpose::SetReplica(table), call);
    }
}
