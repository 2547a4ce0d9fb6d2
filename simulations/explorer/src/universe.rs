//! All regions and messages that the worlds of a search refer to, each once; and what each input
//! makes of a region, computed once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_decisions::{CommandAnswer, StoreCommand};
use beringia_item::{Region, TableId, VersionVector};
use beringia_storage::{LogFilter, LogPosition, RemoteBatch, RemoteKind, StoreError};

use crate::{
    bounds::{Bounds, SITES},
    driver::{Driver, Input, Sent, Surroundings},
    interned::Interned,
    message::{Message, Messages},
    site::Site,
    table::{self, START_MS, TABLE},
    world::{Left, Stream, World},
    written::{Ledger, Writes},
};

/// How many regions may be kept, at some 30 kB each, before those are dropped that no world needs
/// which is still to be visited.
const SITES_MAX: usize = 60_000;

type Result<T> = std::result::Result<T, StoreError>;

/// What an input makes of a region.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) site: u32,
    pub(crate) sent: Arc<[Sent<u32>]>,
}

/// Everything that worlds refer to.
pub(crate) struct Universe {
    pub(crate) bounds: Bounds,
    regions: Vec<Region>,
    sites: Interned<Site>,
    pub(crate) messages: Messages,
    /// How many regions are kept before some are dropped.
    pub(crate) sites_max: usize,
    /// By region, the writes that are excused, and input; `None` if nothing happens. It refers to
    /// regions that are kept.
    taken: BTreeMap<(u32, Writes, Input), Option<Taken>>,
    /// How many consequences of one step are under way.
    pub(crate) nested: usize,
}

impl Universe {
    /// A universe without worlds.
    pub(crate) fn new(bounds: &Bounds) -> Result<Self> {
        Ok(Self {
            bounds: bounds.clone(),
            regions: table::regions()?,
            sites: Interned::default(),
            sites_max: SITES_MAX,
            messages: Messages::new(bounds.late_acks),
            taken: BTreeMap::new(),
            nested: 0,
        })
    }

    /// The first world: every region has the table's definition and an empty, active replica, all
    /// streams are open, and the regions agree on the catalog and the table.
    pub(crate) fn first(&mut self) -> Result<World> {
        let mut sites = Vec::new();
        for place in 0..SITES {
            sites.push(Site::empty(place, &self.regions, START_MS, self.bounds.planted_bug)?);
        }
        let creator = SITES - 1;
        sites[creator].redefine(table::Edits(table::definition(&self.regions, self.bounds.policy)))?;
        let definitions = definitions(&sites[creator])?;
        for site in &mut sites[..creator] {
            apply(site, definitions.clone())?;
            let copy = empty_copy(site, &self.regions[creator]);
            apply(site, copy)?;
        }
        let mut numbers = [0; SITES];
        for (number, site) in numbers.iter_mut().zip(sites) {
            let ledger = Ledger::default();
            let driver = Driver::new(site, self.surroundings(&ledger, Writes::default()));
            let started = driver.take(Input::Restart, &[])?;
            let (site, _) = started.ok_or_else(|| StoreError::damaged("a region does not start"))?;
            *number = self.sites.number(site.fingerprint(), site)?;
        }
        let mut world = World {
            sites: numbers,
            streams: [[Stream::default(); SITES]; SITES],
            cut: [[false; SITES]; SITES],
            left: Left::of(&self.bounds),
            lost: Writes::default(),
            orphaned: Writes::default(),
        };
        for at in 0..SITES {
            self.feed(&mut world, at, Input::Tick)?;
        }
        self.deliver_all(&mut world)?;
        // Regions compare one table each time that time passes, the catalog and the table in turn.
        // The table is next.
        for _ in 0..3 {
            self.wait(&mut world)?;
        }
        Ok(world)
    }

    /// The number of different states of regions so far.
    pub(crate) fn sites_seen(&self) -> usize {
        self.sites.len()
    }

    /// Drops the regions that are in none of the worlds still to be visited, if there are many. If
    /// one of them comes up again, it is computed again.
    pub(crate) fn drop_unneeded<'w>(&mut self, to_visit: impl Iterator<Item = &'w World>) {
        if self.sites.kept() < self.sites_max {
            return;
        }
        let needed: BTreeSet<u32> = to_visit.flat_map(|world| world.sites).collect();
        self.taken.retain(|(site, ..), taken| {
            let after = taken.as_ref().map(|taken| taken.site);
            needed.contains(site) && after.is_none_or(|site| needed.contains(&site))
        });
        self.sites.keep_only(&needed);
        self.sites_max = self.sites_max.max(2 * self.sites.kept());
    }

    /// The region at a place.
    pub(crate) fn site(&self, world: &World, at: usize) -> Result<&Site> {
        self.sites.get(world.sites[at])
    }

    /// All regions but one.
    pub(crate) fn others(&self, world: &World, at: usize) -> Result<Vec<&Site>> {
        let others = (0..SITES).filter(|other| *other != at);
        others.map(|other| self.site(world, other)).collect()
    }

    /// The writes of all regions.
    pub(crate) fn ledger(&self, world: &World) -> Result<Ledger> {
        let mut all = Vec::new();
        for at in 0..SITES {
            all.extend(self.site(world, at)?.written.iter().cloned());
        }
        Ok(Ledger(all))
    }

    const fn surroundings<'a>(&'a self, ledger: &'a Ledger, excused: Writes) -> Surroundings<'a> {
        Surroundings {
            regions: self.regions.as_slice(),
            ledger,
            excused,
        }
    }

    /// What an input makes of a region; `None` if nothing happens.
    pub(crate) fn taken(&mut self, world: &World, at: usize, input: Input) -> Result<Option<Taken>> {
        let key = (world.sites[at], world.excused(), input);
        if let Some(found) = self.taken.get(&key) {
            return Ok(found.clone());
        }
        let ledger = self.ledger(world)?;
        let messages = match input {
            Input::FromSource(_, queue) | Input::FromReceiver(_, queue) | Input::Again(_, queue) => {
                self.messages.of(queue)?
            }
            _ => Vec::new(),
        };
        let site = self.site(world, at)?.clone();
        let surroundings = self.surroundings(&ledger, world.excused());
        let taken = Driver::new(site, surroundings).take(input, &messages)?;
        let taken = match taken {
            Some((site, sent)) => Some(Taken {
                site: self.sites.number(site.fingerprint(), site)?,
                sent: self.numbered(sent)?,
            }),
            None => None,
        };
        self.taken.insert(key, taken.clone());
        Ok(taken)
    }

    fn numbered(&mut self, sent: Vec<Sent<Message>>) -> Result<Arc<[Sent<u32>]>> {
        let mut numbered = Vec::new();
        for one in sent {
            numbered.push(match one {
                Sent::ToReceiver(to, message) => Sent::ToReceiver(to, self.messages.number(message)?),
                Sent::ToSource(from, message) => Sent::ToSource(from, self.messages.number(message)?),
                Sent::Dial(from) => Sent::Dial(from),
                Sent::HangUp(from) => Sent::HangUp(from),
                Sent::TurnAway(to) => Sent::TurnAway(to),
            });
        }
        Ok(numbered.into())
    }
}

/// The definitions that a region made, as its stream brings them.
fn definitions(creator: &Site) -> Result<RemoteBatch> {
    let filter = LogFilter {
        origins: vec![creator.origin.clone()],
        tables: [(TableId::CATALOG, VersionVector::default())].into(),
    };
    let page = creator.store.reader().read_log(LogPosition(1), &filter, usize::MAX)?;
    Ok(RemoteBatch {
        mutations: page.mutations,
        kind: RemoteKind::Stream,
        from: Some(creator.region.clone()),
        ..RemoteBatch::default()
    })
}

/// The end of a copy of the table, which has no rows.
fn empty_copy(site: &Site, from: &Region) -> RemoteBatch {
    let table = site.store.state.catalog.by_id.get(&TABLE);
    RemoteBatch {
        progress: vec![(TABLE, site.origin.clone(), 0)],
        kind: RemoteKind::Copy,
        replica_epoch: table.map(|table| table.replica_epoch),
        from: Some(from.clone()),
        ..RemoteBatch::default()
    }
}

fn apply(site: &mut Site, batch: RemoteBatch) -> Result<()> {
    match site.carry_out(StoreCommand::Apply(batch))? {
        CommandAnswer::Apply(Ok(_)) => Ok(()),
        other => Err(StoreError::Database(format!("a batch was not applied: {other:?}"))),
    }
}
