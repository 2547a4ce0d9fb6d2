//! All regions, batches and vectors that the worlds of a search refer to, each once; and what each
//! step makes of a world. What a region makes of a batch is computed once.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};
use beringia_storage::{RemoteBatch, StoreError};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    bounds::{Bounds, Kind, SITES},
    site::Site,
    store::Store,
    streams::{self, Page, Vectors},
    table::{self, START_MS, TABLE},
    world::{Left, Stream, World},
    written::{Ledger, Writes},
};

type Result<T> = std::result::Result<T, StoreError>;

/// A value that is kept once, and its number.
#[derive(Debug)]
struct Interned<T> {
    values: Vec<T>,
    numbers: BTreeMap<u128, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }
}

impl<T> Interned<T> {
    /// The number of a value with this fingerprint, from 1.
    fn number(&mut self, fingerprint: u128, value: T) -> Result<u32> {
        let next = u32::try_from(self.values.len() + 1).map_err(|error| StoreError::Database(error.to_string()))?;
        let number = *self.numbers.entry(fingerprint).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        Ok(number)
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.values.get((number as usize).checked_sub(1)?)
    }
}

/// Everything that worlds refer to.
pub(crate) struct Universe {
    pub(crate) bounds: Bounds,
    regions: Vec<Region>,
    sites: Interned<Site>,
    batches: Interned<RemoteBatch>,
    vectors: Interned<Vectors>,
    pages: BTreeMap<(u32, u32), PageNumbers>,
    delivered: BTreeMap<(u32, u32), u32>,
    written: BTreeMap<(u32, u8, Kind), u32>,
    restarted: BTreeMap<u32, u32>,
    reported: BTreeMap<u32, u32>,
    trimmed: BTreeMap<(u32, [u32; SITES]), u32>,
    prepared: BTreeMap<(Preparation, u32, u32), u32>,
    /// Whether a region refused a batch since this was last reset, because its time is too far
    /// ahead.
    pub(crate) was_held_back: bool,
}

/// What makes a replica complete again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Preparation {
    Rejoin,
    CopyCatalog,
    CopyTable,
    Repair,
    Activate,
}

/// A [`Page`] by numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PageNumbers {
    /// The batch, or 0.
    pub(crate) batch: u32,
    pub(crate) refuses_catalog: bool,
    pub(crate) refuses_table: bool,
}

impl Universe {
    /// A universe without worlds.
    pub(crate) fn new(bounds: &Bounds) -> Result<Self> {
        Ok(Self {
            bounds: bounds.clone(),
            regions: table::regions()?,
            sites: Interned::default(),
            batches: Interned::default(),
            vectors: Interned::default(),
            pages: BTreeMap::new(),
            delivered: BTreeMap::new(),
            written: BTreeMap::new(),
            restarted: BTreeMap::new(),
            reported: BTreeMap::new(),
            trimmed: BTreeMap::new(),
            prepared: BTreeMap::new(),
            was_held_back: false,
        })
    }

    /// The first world: every region has the table's definition and an empty, active replica.
    pub(crate) fn first(&mut self) -> Result<World> {
        let mut sites = Vec::new();
        for (place, region) in self.regions.iter().enumerate() {
            sites.push(Site::empty(place, region, START_MS, self.bounds.planted_bug)?);
        }
        let creator = SITES - 1;
        sites[creator] = sites[creator].redefined(table::definition(&self.regions, self.bounds.policy))?;
        sites[creator].look()?;
        for place in 0..creator {
            let mut site = sites[place].clone();
            while let Some(batch) = streams::page(&sites[creator], &site, false)?.batch {
                site = streams::deliver(&site, &batch, &Ledger::default())?
                    .ok_or_else(|| StoreError::damaged("the definitions are held back"))?;
                site.look()?;
            }
            let mut site = streams::copy(&sites[creator], &site, TABLE)?;
            site.took_rows = false;
            site.look()?;
            sites[place] = site;
        }
        let mut numbers = [0; SITES];
        for (number, site) in numbers.iter_mut().zip(sites) {
            *number = self.sites.number(site.shown.fingerprint, site)?;
        }
        Ok(World {
            sites: numbers,
            streams: [[Stream::default(); SITES]; SITES],
            left: Left::of(&self.bounds),
            lost: Writes::default(),
            orphaned: Writes::default(),
        })
    }

    /// The number of different states of regions so far.
    pub(crate) fn sites_seen(&self) -> usize {
        self.sites.values.len()
    }

    fn known(&self, number: u32) -> Result<&Site> {
        self.sites
            .get(number)
            .ok_or_else(|| StoreError::damaged("a world names an unknown region"))
    }

    /// The region at a place.
    pub(crate) fn site(&self, world: &World, at: usize) -> Result<&Site> {
        self.known(world.sites[at])
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

    /// Keeps a changed region.
    pub(crate) fn keep(&mut self, mut site: Site) -> Result<u32> {
        site.look()?;
        self.sites.number(site.shown.fingerprint, site)
    }

    /// The vectors that a region acknowledges.
    pub(crate) fn reported(&mut self, world: &World, at: usize) -> Result<u32> {
        let key = world.sites[at];
        if let Some(found) = self.reported.get(&key) {
            return Ok(*found);
        }
        let site = self.known(key)?;
        let mut vectors = site.shown.vectors.clone();
        vectors.retain(|table, _| *table == TableId::CATALOG || site.is_bootstrapped());
        let fingerprint = xxh3_128(format!("{vectors:?}").as_bytes());
        let number = self.vectors.number(fingerprint, vectors)?;
        self.reported.insert(key, number);
        Ok(number)
    }

    /// The region after a step of trimming.
    pub(crate) fn after_trim(&mut self, world: &World, at: usize) -> Result<u32> {
        let acknowledged = world.streams[at].map(|stream| stream.acknowledged);
        let key = (world.sites[at], acknowledged);
        if let Some(found) = self.trimmed.get(&key) {
            return Ok(*found);
        }
        let mut others: Vec<(&Region, Option<&Vectors>)> = Vec::new();
        for other in (0..SITES).filter(|other| *other != at) {
            others.push((&self.regions[other], self.vectors.get(acknowledged[other])));
        }
        let site = streams::trimmed(self.known(key.0)?, &others)?;
        let number = self.keep(site)?;
        self.trimmed.insert(key, number);
        Ok(number)
    }

    /// The next page of a stream.
    pub(crate) fn page(&mut self, world: &World, from: usize, to: usize) -> Result<PageNumbers> {
        let key = (world.sites[from], world.sites[to]);
        if let Some(found) = self.pages.get(&key) {
            return Ok(*found);
        }
        let relay = self.bounds.relay;
        let Page { batch, refused } = streams::page(self.known(key.0)?, self.known(key.1)?, relay)?;
        let mut page = PageNumbers {
            batch: 0,
            refuses_catalog: refused.contains(&TableId::CATALOG),
            refuses_table: refused.contains(&TABLE),
        };
        if let Some(batch) = batch {
            let fingerprint = xxh3_128(format!("{batch:?}").as_bytes());
            page.batch = self.batches.number(fingerprint, batch)?;
        }
        self.pages.insert(key, page);
        Ok(page)
    }

    /// The region after a batch, or 0 if it refuses the batch.
    pub(crate) fn delivered(&mut self, world: &World, to: usize, batch: u32) -> Result<u32> {
        let key = (world.sites[to], batch);
        if let Some(found) = self.delivered.get(&key) {
            return Ok(*found);
        }
        let ledger = self.ledger(world)?;
        let batch = self
            .batches
            .get(batch)
            .ok_or_else(|| StoreError::damaged("an unknown batch"))?;
        let number = match streams::deliver(self.known(key.0)?, batch, &ledger)? {
            Some(site) => self.keep(site)?,
            None => 0,
        };
        self.delivered.insert(key, number);
        Ok(number)
    }

    /// The region after a write, or 0 if it wrote nothing.
    pub(crate) fn written(&mut self, world: &World, at: usize, key: u8, kind: Kind) -> Result<u32> {
        let place = (world.sites[at], key, kind);
        if let Some(found) = self.written.get(&place) {
            return Ok(*found);
        }
        let ledger = self.ledger(world)?;
        let number = match self.known(place.0)?.after_write(&ledger, key, kind)? {
            Some(site) => self.keep(site)?,
            None => 0,
        };
        self.written.insert(place, number);
        Ok(number)
    }

    /// The region after a restart with its disk.
    pub(crate) fn restarted(&mut self, world: &World, at: usize) -> Result<u32> {
        let key = world.sites[at];
        if let Some(found) = self.restarted.get(&key) {
            return Ok(*found);
        }
        let site = self.known(key)?;
        let mut site = site.clone();
        site.store = Store::load(site.store.data.clone(), &site.origin)?;
        let number = self.keep(site)?;
        self.restarted.insert(key, number);
        Ok(number)
    }

    /// The region after a preparation with another one, or 0 if there is nothing to prepare.
    pub(crate) fn prepared(&mut self, world: &World, what: Preparation, from: usize, at: usize) -> Result<u32> {
        let key = (what, world.sites[from], world.sites[at]);
        if let Some(found) = self.prepared.get(&key) {
            return Ok(*found);
        }
        let page = self.page(world, from, at)?;
        let ledger = self.ledger(world)?;
        let (source, site) = (self.known(key.1)?, self.known(key.2)?);
        let after = match what {
            Preparation::Rejoin => streams::rejoin(site, source)?,
            Preparation::Activate => streams::activate(site)?,
            Preparation::CopyCatalog if page.refuses_catalog => Some(streams::copy(source, site, TableId::CATALOG)?),
            Preparation::CopyTable if streams::may_copy(source, site, page.refuses_table) => {
                Some(streams::copy(source, site, TABLE)?)
            }
            Preparation::Repair if streams::differ(source, site) => Some(streams::repair(source, site, &ledger)?),
            Preparation::CopyCatalog | Preparation::CopyTable | Preparation::Repair => None,
        };
        let number = match after {
            Some(site) => self.keep(site)?,
            None => 0,
        };
        self.prepared.insert(key, number);
        Ok(number)
    }

    /// The region after the loss of its disk. Its clock has gone on by a millisecond, so that no
    /// sequence is used twice.
    pub(crate) fn emptied(&mut self, world: &World, at: usize) -> Result<u32> {
        let before = self.site(world, at)?;
        let written = before.written.clone();
        let wall_ms = before.wall_ms + 1;
        let mut site = Site::empty(at, &self.regions[at], wall_ms, self.bounds.planted_bug)?;
        site.written = written;
        site.took_rows = true;
        self.keep(site)
    }
}
