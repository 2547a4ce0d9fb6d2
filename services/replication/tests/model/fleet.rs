//! Several regions and the network between them; chance decides which message, store call or tick
//! comes next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beringia_item::{ConflictPolicy, KeyBytes, Region, TableId, Version};
use beringia_replication::{
    AcceptId, Command, Config, DialId, Event, LinkEvent, Now, Replicator, StoreCall, TableView, Ticket, Tuning,
    message::{TableVectors, ToReceiver, ToSource},
};
use beringia_storage_types::ReplicaStatus;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{oracle::nothing_of_paused_tables, policy::Work, store::Store};

/// Wall time at the start, milliseconds since the Unix epoch.
const EPOCH_MS: u64 = 1_700_000_000_000;
/// How long after a cut the streams over it break, milliseconds.
const NOTICE_MS: u64 = 400;

/// A stream between two regions.
struct Link {
    receiver: usize,
    dial: DialId,
    source: usize,
    /// Set once the source has accepted.
    accept: Option<AcceptId>,
    to_source: VecDeque<ToSource>,
    to_receiver: VecDeque<ToReceiver>,
    receiver_hung_up: bool,
    source_hung_up: bool,
}

/// A region. Its store survives a crash; its replicator does not.
struct Site {
    region: Region,
    store: Store,
    replicator: Option<Replicator>,
    calls: Vec<(Ticket, StoreCall)>,
    skew_ms: u64,
    incarnation: u128,
    /// How long its peers have been unreachable, as last recorded, milliseconds.
    unreachable_ms: BTreeMap<Region, u64>,
    /// An earlier copy of the disk.
    copy: Option<Store>,
    /// The regions that its operator has given up.
    given_up: BTreeSet<Region>,
}

/// A write that was acknowledged to a client.
#[derive(Debug, Clone)]
pub struct Write {
    pub mutation: beringia_item::Mutation,
    /// The effect of the write, and the policy under which it was made.
    pub work: Work,
    pub policy: ConflictPolicy,
    /// The version that it replaced under its key.
    pub replaced: Option<Version>,
    /// Whether the disk that had it was lost before another region was known to have it.
    pub may_be_lost: bool,
    /// Whether its origin's disk was lost before all regions had it. The origin's later writes
    /// cover it in vectors although it may be missing until repair restores it.
    pub orphaned: bool,
    /// Whether a region had it that was put back to a copy of its disk without it. A copy removes
    /// what such a delete removed before the region's vector covers the delete again.
    pub taken_back: bool,
}

pub struct Fleet {
    sites: Vec<Site>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    cuts: BTreeMap<(usize, usize), u64>,
    elapsed_ms: u64,
    chance: ChaCha8Rng,
    pub writes: Vec<Write>,
    /// Regions that lost their disk or got their replica late: their journals may be incomplete.
    pub newcomers: BTreeSet<Region>,
    /// Whether a disk was lost, so that rows may have to be copied into active replicas.
    pub lost_disk: bool,
    stalls: u64,
    trace: bool,
    unreachable_ms_max: u64,
    /// How many replicas were re-bootstrapped because the others had dropped them.
    pub dropped: u64,
}

impl Fleet {
    pub fn new(regions: usize, seed: u64) -> Self {
        Self::with_limit(regions, seed, u64::MAX)
    }

    /// As [`Fleet::new`], with replicas dropped after being unreachable for this many milliseconds.
    pub fn with_limit(regions: usize, seed: u64, unreachable_ms_max: u64) -> Self {
        let names = ["ap", "eu", "sa", "us"];
        let sites = names[..regions].iter().map(|name| {
            let region = Region::new(name).unwrap();
            let store = Store::new(region.clone(), EPOCH_MS);
            Site {
                region,
                store,
                replicator: None,
                calls: Vec::new(),
                skew_ms: 0,
                incarnation: 0,
                unreachable_ms: BTreeMap::new(),
                copy: None,
                given_up: BTreeSet::new(),
            }
        });
        let mut fleet = Self {
            sites: sites.collect(),
            links: BTreeMap::new(),
            next_link: 0,
            cuts: BTreeMap::new(),
            elapsed_ms: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            writes: Vec::new(),
            newcomers: BTreeSet::new(),
            lost_disk: false,
            stalls: seed,
            trace: std::env::var_os("MODEL_TRACE").is_some(),
            unreachable_ms_max,
            dropped: 0,
        };
        for site in 0..regions {
            fleet.start(site);
        }
        fleet
    }

    pub fn len(&self) -> usize {
        self.sites.len()
    }

    pub fn region(&self, site: usize) -> &Region {
        &self.sites[site].region
    }

    pub fn store(&self, site: usize) -> &Store {
        &self.sites[site].store
    }

    pub fn status(&self, site: usize) -> beringia_replication::Status {
        self.sites[site]
            .replicator
            .as_ref()
            .map(Replicator::status)
            .unwrap_or_default()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.chance.next_u64() % bound as u64).unwrap()
    }

    fn now(&self, site: usize) -> Now {
        Now {
            elapsed_ms: self.elapsed_ms,
            wall_ms: self.wall_ms(site),
        }
    }

    fn wall_ms(&self, site: usize) -> u64 {
        EPOCH_MS + self.elapsed_ms + self.sites[site].skew_ms
    }

    /// Small bounds, so that a short run reaches them.
    fn tuning(&self, site: usize) -> Tuning {
        Tuning {
            given_up: self.sites[site].given_up.clone(),
            unreachable_ms_max: self.unreachable_ms_max,
            window_bytes: 600,
            batch_bytes: 40,
            apply_bytes: 300,
            range_syncs_max: 2,
            keys_per_page: 3,
            keys_per_fetch: 3,
            rows_per_batch: 2,
            retry_ms_min: 20,
            retry_ms_max: 100,
            refused_retry_ms: 500,
            relay_after_ms: 100,
            announce_ms: 40,
            digest_ms: 1000,
            digest_pause_ms: 20,
            bootstrap_patience_ms: 300,
            ..Tuning::default()
        }
    }

    pub fn start(&mut self, site: usize) {
        let incarnation = u128::from(self.chance.next_u64());
        let wall_ms = self.wall_ms(site);
        self.sites[site].store.start(wall_ms);
        let config = Config {
            region: self.sites[site].region.clone(),
            peers: self.sites.iter().map(|site| site.region.clone()).collect(),
            incarnation,
            tuning: self.tuning(site),
            unreachable_ms: self.sites[site].unreachable_ms.clone(),
            own: self.sites[site].store.own_sequences(),
        };
        let now = self.now(site);
        self.sites[site].incarnation = incarnation;
        self.sites[site].replicator = Some(Replicator::new(config, now));
        self.sites[site].store.catalog_changed = true;
        self.report_changes(site);
        self.tick(site);
    }

    /// Restarts a region whose operator has given up another one.
    pub fn give_up(&mut self, site: usize, lost: usize) {
        let lost = self.region(lost).clone();
        self.sites[site].given_up.insert(lost);
        self.crash(site);
    }

    /// Kills the region's process; each pending store call happens or not, by chance.
    pub fn crash(&mut self, site: usize) {
        self.stop(site);
        self.start(site);
    }

    /// Kills the region's process, and does not start another.
    pub fn stop(&mut self, site: usize) {
        let wall_ms = self.wall_ms(site);
        let calls = std::mem::take(&mut self.sites[site].calls);
        for (_, call) in calls {
            if self.chance.next_u64().is_multiple_of(2) {
                let _ = self.sites[site].store.call(call, wall_ms);
            }
        }
        self.sites[site].replicator = None;
        let gone: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, link)| link.receiver == site || link.source == site)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.break_link(id, "the peer crashed");
        }
    }

    /// Crashes the region and loses its disk.
    pub fn wipe(&mut self, site: usize) {
        let region = self.sites[site].region.clone();
        let wall_ms = self.wall_ms(site);
        let others = self.vectors_of_others(site);
        for write in &mut self.writes {
            let version = &write.mutation.version;
            let table = write.mutation.table;
            let elsewhere = others
                .iter()
                .any(|vectors| vectors.get(&table).is_some_and(|vector| vector.covers(version)));
            let everywhere = others
                .iter()
                .filter_map(|vectors| vectors.get(&table))
                .all(|vector| vector.covers(version));
            // Its origin may have lost it before.
            write.may_be_lost |= !elsewhere;
            write.orphaned |= *version.origin.region() == region && !everywhere;
        }
        self.newcomers.insert(region.clone());
        self.lost_disk = true;
        self.sites[site].calls.clear();
        self.sites[site].unreachable_ms.clear();
        // A new database starts its sequences at the wall clock, above all that the old one used.
        self.sites[site].store = Store::new(region, wall_ms + 1);
        self.crash(site);
    }

    /// Keeps a copy of the region's disk as it is now.
    pub fn copy_disk(&mut self, site: usize) {
        self.sites[site].copy = Some(self.sites[site].store.clone());
    }

    /// Crashes the region and puts the copy of its disk back, if there is one.
    pub fn restore(&mut self, site: usize) {
        let Some(copy) = self.sites[site].copy.clone() else {
            return;
        };
        let region = self.sites[site].region.clone();
        let (kept, others) = (copy.vectors(), self.vectors_of_others(site));
        for write in &mut self.writes {
            let (version, table) = (&write.mutation.version, write.mutation.table);
            let covered = |vectors: &TableVectors| vectors.get(&table).is_some_and(|vector| vector.covers(version));
            let is_own = *version.origin.region() == region;
            if !covered(&kept) {
                // The vectors of others do not tell whether they have an orphaned write.
                write.may_be_lost |= write.orphaned || !others.iter().any(covered);
                // The region's own vector covers it again as soon as the region writes.
                write.orphaned |= is_own;
                write.taken_back = true;
            }
        }
        self.newcomers.insert(region);
        self.lost_disk = true;
        self.sites[site].calls.clear();
        self.sites[site].store = copy;
        self.sites[site].store.catalog_changed = true;
        self.crash(site);
    }

    fn vectors_of_others(&self, site: usize) -> Vec<TableVectors> {
        let others = self.sites.iter().enumerate().filter(|(other, _)| *other != site);
        others.map(|(_, other)| other.store.vectors()).collect()
    }

    fn emit(&mut self, site: usize, event: Event) {
        let now = self.now(site);
        if self.trace {
            println!("{} {} <- {event:?}", self.elapsed_ms, self.sites[site].region);
        }
        let Some(replicator) = &mut self.sites[site].replicator else {
            return;
        };
        let commands = replicator.handle(now, event);
        nothing_of_paused_tables(replicator, &commands);
        for command in commands {
            if self.trace {
                println!("    {} -> {command:?}", self.sites[site].region);
            }
            self.obey(site, command);
        }
    }

    fn obey(&mut self, site: usize, command: Command) {
        match command {
            Command::Dial(dial, region) => {
                let source = self.sites.iter().position(|other| other.region == region).unwrap();
                self.next_link += 1;
                let link = Link {
                    receiver: site,
                    dial,
                    source,
                    accept: None,
                    to_source: VecDeque::new(),
                    to_receiver: VecDeque::new(),
                    receiver_hung_up: false,
                    source_hung_up: false,
                };
                self.links.insert(self.next_link, link);
            }
            Command::SendToSource(dial, message) => {
                let link = self
                    .links
                    .values_mut()
                    .find(|link| link.receiver == site && link.dial == dial);
                if let Some(link) = link {
                    link.to_source.push_back(message);
                }
            }
            Command::SendToReceiver(accept, message) => {
                let link = self
                    .links
                    .values_mut()
                    .find(|link| link.source == site && link.accept == Some(accept));
                if let Some(link) = link {
                    link.to_receiver.push_back(message);
                }
            }
            Command::HangUp(dial) => {
                let link = self
                    .links
                    .values_mut()
                    .find(|link| link.receiver == site && link.dial == dial);
                if let Some(link) = link {
                    link.receiver_hung_up = true;
                }
            }
            Command::TurnAway(accept) => {
                let link = self
                    .links
                    .values_mut()
                    .find(|link| link.source == site && link.accept == Some(accept));
                if let Some(link) = link {
                    link.source_hung_up = true;
                }
            }
            Command::Call(ticket, call) => self.sites[site].calls.push((ticket, call)),
        }
    }

    fn report_changes(&mut self, site: usize) {
        self.note_unshipped(site);
        if std::mem::take(&mut self.sites[site].store.catalog_changed) {
            let view = self.sites[site].store.view();
            self.emit(site, Event::Catalog(view));
        }
        if std::mem::take(&mut self.sites[site].store.log_grew) {
            let vectors = self.sites[site].store.vectors().into_iter().collect();
            self.emit(site, Event::LogAppended { vectors });
        }
    }

    /// An unshipped write of a re-bootstrapped replica is lost, unless another region got it after
    /// the replica was dropped.
    fn note_unshipped(&mut self, site: usize) {
        for (table, has) in std::mem::take(&mut self.sites[site].store.rebootstrapped) {
            let region = self.sites[site].region.clone();
            let is_unshipped = |write: &&mut Write| {
                let mutation = &write.mutation;
                mutation.table == table && *mutation.origin().region() == region && !has.covers(&mutation.version)
            };
            for write in self.writes.iter_mut().filter(is_unshipped) {
                write.may_be_lost = true;
                write.orphaned = true;
            }
            self.newcomers.insert(region);
            self.dropped += 1;
        }
    }

    fn tick(&mut self, site: usize) {
        let vectors = self.sites[site].store.vectors().into_iter().collect();
        self.emit(site, Event::Tick { vectors });
        if let Some(replicator) = &self.sites[site].replicator {
            self.sites[site].unreachable_ms = replicator.unreachable();
        }
    }

    /// Some streams and some disks stall for a while, so that others overtake them by far.
    fn is_stalled(&self, thing: u64) -> bool {
        const STALL_MS: u64 = 150;
        let turn = self.elapsed_ms / STALL_MS;
        let mixed =
            (self.stalls ^ thing.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ turn.wrapping_mul(0xC2B2_AE3D_27D4_EB4F))
                .wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        (mixed >> 40).is_multiple_of(4)
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cuts.contains_key(&(a.min(b), a.max(b)))
    }

    fn break_link(&mut self, id: u64, reason: &str) {
        let Some(link) = self.links.remove(&id) else { return };
        if !link.receiver_hung_up {
            self.emit(
                link.receiver,
                Event::Dialled(link.dial, LinkEvent::Closed(reason.to_owned())),
            );
        }
        if let Some(accept) = link.accept.filter(|_| !link.source_hung_up) {
            self.emit(
                link.source,
                Event::Accepted(accept, LinkEvent::Closed(reason.to_owned())),
            );
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        if a != b {
            self.cuts.entry((a.min(b), a.max(b))).or_insert(self.elapsed_ms);
        }
    }

    pub fn heal_all(&mut self) {
        self.cuts.clear();
    }

    pub fn heal(&mut self, a: usize, b: usize) {
        self.cuts.remove(&(a.min(b), a.max(b)));
    }

    /// Resets every stream between the two regions.
    pub fn reset(&mut self, a: usize, b: usize) {
        let between = |link: &Link| (link.receiver, link.source) == (a, b) || (link.receiver, link.source) == (b, a);
        let ids: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, link)| between(link))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.break_link(id, "connection reset");
        }
    }

    pub fn skew(&mut self, site: usize, skew_ms: u64) {
        self.sites[site].skew_ms = skew_ms;
    }

    pub fn collect_garbage(&mut self, site: usize) {
        if let Some(replicator) = &self.sites[site].replicator {
            let acknowledged = replicator.acknowledged();
            self.sites[site].store.collect_garbage(&acknowledged);
        }
    }

    /// A client writes, if the region accepts writes to the table. Returns whether it did.
    pub fn write(&mut self, site: usize, table: TableId, keys: &[KeyBytes], work: &Work) -> bool {
        if !self.sites[site].store.is_active(table) {
            return false;
        }
        let wall_ms = self.wall_ms(site);
        let policy = self.sites[site].store.policy(table);
        let rows = &self.sites[site].store.tables[&table].rows;
        let rows: Vec<Option<Version>> = keys
            .iter()
            .map(|key| rows.get(key).map(|row| row.version.clone()))
            .collect();
        let transaction = self.sites[site].store.write(table, keys, work, wall_ms);
        self.writes
            .extend(transaction.into_iter().zip(rows).map(|(mutation, replaced)| Write {
                mutation,
                work: work.clone(),
                policy,
                replaced,
                may_be_lost: false,
                orphaned: false,
                taken_back: false,
            }));
        self.report_changes(site);
        true
    }

    /// A client of one region changes the table's conflict policy.
    pub fn set_policy(&mut self, site: usize, table: TableId, policy: ConflictPolicy) {
        if self.sites[site].store.is_active(table) {
            let wall_ms = self.wall_ms(site);
            self.sites[site].store.set_policy(table, policy, wall_ms);
            self.report_changes(site);
        }
    }

    pub fn create(&mut self, site: usize, table: TableId) {
        let wall_ms = self.wall_ms(site);
        self.sites[site].store.create(table, wall_ms);
        self.report_changes(site);
    }

    pub fn pause(&mut self, site: usize, table: TableId) {
        self.emit(site, Event::Pause(table));
    }

    pub fn resume(&mut self, site: usize, table: TableId) {
        self.emit(site, Event::Resume(table));
    }

    /// Ends the pauses of all tables in all regions.
    pub fn resume_all(&mut self) {
        for site in 0..self.sites.len() {
            for table in self.status(site).paused {
                self.resume(site, table);
            }
        }
    }

    /// A client of one region requests a replica in another.
    pub fn add_replica(&mut self, site: usize, table: TableId, at: usize) {
        let view = self.sites[site].store.view();
        let region = self.sites[at].region.clone();
        let is_known = |view: &TableView| view.replicas.contains_key(&region) || view.dropped.contains(&region);
        if !self.sites[site].store.is_active(table) || is_known(&view[&table]) {
            return;
        }
        let from = self.sites[site].region.clone();
        let wall_ms = self.wall_ms(site);
        self.sites[site]
            .store
            .set_replica(table, &region, &ReplicaStatus::Creating { from }, wall_ms);
        self.newcomers.insert(region);
        self.report_changes(site);
    }

    /// One random event: a message arrives, a store call ends, or time passes.
    pub fn step(&mut self) {
        let calls: Vec<usize> = (0..self.sites.len())
            .filter(|site| !self.sites[*site].calls.is_empty() && !self.is_stalled(*site as u64))
            .collect();
        let links: Vec<u64> = self
            .links
            .iter()
            .filter(|(id, link)| !self.is_cut(link.receiver, link.source) && !self.is_stalled(1000 + **id))
            .map(|(id, _)| *id)
            .collect();
        let ready: Vec<u64> = links.into_iter().filter(|id| self.is_ready(*id)).collect();
        let choices = calls.len() + ready.len();
        if choices == 0 || self.below(12) == 0 {
            return self.pass_time(20);
        }
        let choice = self.below(choices);
        if let Some(site) = calls.get(choice) {
            self.finish_call(*site);
        } else {
            self.deliver(ready[choice - calls.len()]);
        }
    }

    fn is_ready(&self, id: u64) -> bool {
        let link = &self.links[&id];
        link.accept.is_none()
            || !link.to_source.is_empty()
            || !link.to_receiver.is_empty()
            || link.receiver_hung_up
            || link.source_hung_up
    }

    fn finish_call(&mut self, site: usize) {
        let index = self.sites[site].calls.len();
        let index = self.below(index);
        let (ticket, call) = self.sites[site].calls.remove(index);
        let wall_ms = self.wall_ms(site);
        let result = self.sites[site].store.call(call, wall_ms);
        self.emit(site, Event::Answered(ticket, result));
        self.report_changes(site);
    }

    /// Delivers the next message in one of the link's directions.
    fn deliver(&mut self, id: u64) {
        let forward = self.below(2) == 0;
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.accept.is_none() {
            let accept = AcceptId(id);
            link.accept = Some(accept);
            let (receiver, source, dial) = (link.receiver, link.source, link.dial);
            self.emit(source, Event::Accepted(accept, LinkEvent::Opened));
            self.emit(receiver, Event::Dialled(dial, LinkEvent::Opened));
            return;
        }
        let (receiver, source, dial) = (link.receiver, link.source, link.dial);
        let accept = link.accept.unwrap();
        let forward = forward && !link.to_source.is_empty() || link.to_receiver.is_empty();
        if forward {
            match link.to_source.pop_front() {
                Some(message) if !link.source_hung_up => {
                    self.emit(source, Event::Accepted(accept, LinkEvent::Message(message)));
                }
                Some(_) => {}
                None => self.break_link(id, "the peer hung up"),
            }
        } else if let Some(message) = link.to_receiver.pop_front()
            && !link.receiver_hung_up
        {
            self.emit(receiver, Event::Dialled(dial, LinkEvent::Message(message)));
        }
    }

    pub fn pass_time(&mut self, ms: u64) {
        self.elapsed_ms += ms;
        let expired: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, link)| {
                let pair = (link.receiver.min(link.source), link.receiver.max(link.source));
                self.cuts
                    .get(&pair)
                    .is_some_and(|since_ms| self.elapsed_ms >= since_ms + NOTICE_MS)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            self.break_link(id, "keepalive timed out");
        }
        for site in 0..self.sites.len() {
            self.tick(site);
        }
    }

    /// Removes rows from the store without the replicator's knowledge.
    pub fn damage(&mut self, site: usize, table: TableId, victims: &[Version]) {
        if let Some(table) = self.sites[site].store.tables.get_mut(&table) {
            table.rows.retain(|_, row| !victims.contains(&row.version));
        }
    }
}
