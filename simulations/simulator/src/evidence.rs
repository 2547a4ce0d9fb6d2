//! What regions hold and have committed, read from their stores in the oracle's terms.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
};

use beringia_history::{Conflict, Evidence, Held, Journal, KeptAside, Logged, MARK, key_text};
use beringia_item::{Cause, Item, KeyBytes, KeySchema, Mutation, Origin, Region, TableId, decode_item};
use beringia_node::Holdings;
use beringia_storage::{Store, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{SimulationError, World};

/// What happened to the replicas of a table in a run, which decides what their logs and journals can show.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Regions whose disk was lost at some time.
    pub(crate) lost_disk: Vec<String>,
    /// Regions that held the table from the beginning and to the end.
    pub(crate) always_held: Vec<String>,
    /// Regions whose replica was dropped meanwhile, so that they began it anew, by table.
    pub(crate) began_anew: BTreeSet<(String, String)>,
}

impl Past {
    /// Whether a region's own log of a table has all that it wrote there.
    fn is_whole(&self, region: &str, table: &str) -> bool {
        let began_anew = (region.to_owned(), table.to_owned());
        !self.lost_disk.iter().any(|lost| lost == region)
            && self.always_held.iter().any(|held| held == region)
            && !self.began_anew.contains(&began_anew)
    }
}

/// Reads the state of one region.
pub(crate) struct Reader<'a> {
    region: &'a str,
    store: &'a dyn Store,
    table: TableId,
    keys: KeySchema,
    /// The attribute that says when items expire.
    expires: Option<String>,
}

/// Reads it from all regions that hold the table, which must be running.
pub(crate) async fn gather(world: &World, table: &str, past: &Past) -> Result<Evidence, SimulationError> {
    let mut evidence = Evidence::default();
    let holders: Vec<String> = world.digests(table).await?.into_keys().collect();
    for region in world.names() {
        let store = world.store(&region)?;
        let Some(reader) = Reader::new(&region, &*store, table) else {
            continue;
        };
        // What a region that was empty at some time has of its own log, others have more of.
        let origins = if past.is_whole(&region, table) {
            vec![store.origin().clone()]
        } else {
            Vec::new()
        };
        merge(&mut evidence.logs, reader.log(origins).await?);
        if holders.contains(&region) {
            evidence.held.insert(region.clone(), reader.held().await?);
            let journal = Journal {
                entries: reader.journal().await?,
                is_complete: past.lost_disk.is_empty() && past.is_whole(&region, table),
            };
            evidence.journals.insert(region.clone(), journal);
        }
        let kept_aside = reader.kept_aside().await?;
        if !kept_aside.is_empty() || past.began_anew.contains(&(region.clone(), table.to_owned())) {
            evidence.kept_aside.insert(region.clone(), kept_aside);
        }
    }
    let broken = world.names().into_iter().filter(|name| !past.is_whole(name, table));
    for origin in broken {
        for region in &holders {
            let store = world.store(region)?;
            if let Some(reader) = Reader::new(region, &*store, table) {
                let origin = Region::new(&origin)?.into();
                merge(&mut evidence.logs, reader.log(vec![origin]).await?);
            }
        }
    }
    Ok(evidence)
}

type Logs = BTreeMap<String, BTreeMap<String, Vec<Logged>>>;

/// Puts logs together: what is in both once, each key's writes in the order of their sequences.
fn merge(into: &mut Logs, from: Logs) {
    for (origin, keys) in from {
        let known = into.entry(origin).or_default();
        for (key, writes) in keys {
            let writes_known = known.entry(key).or_default();
            writes_known.extend(writes);
            writes_known.sort_by_key(|write| write.held.version.sequence);
            writes_known.dedup_by_key(|write| write.held.version.sequence);
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads a table of a region; `None` where the region does not hold it.
    pub(crate) fn new(region: &'a str, store: &'a dyn Store, table: &str) -> Option<Self> {
        let definition = store.catalog().by_name.get(table).cloned()?;
        Some(Self {
            region,
            store,
            table: definition.id,
            keys: definition.core.keys.clone(),
            expires: definition.time_to_live.clone(),
        })
    }

    /// The writes of these origins that are in the region's log, by origin and key.
    pub(crate) async fn log(&self, origins: Vec<Origin>) -> Result<Logs, SimulationError> {
        let mut log = Logs::new();
        for mutation in self.mutations(origins).await? {
            let key = self.key_text(&mutation.key)?;
            let logged = Logged {
                held: self.held_by(&mutation)?,
                vector: mutation.vector.clone(),
                is_expiry: mutation.cause == Cause::TimeToLive,
            };
            let origin = log.entry(mutation.origin().region().to_string()).or_default();
            origin.entry(key).or_default().push(logged);
        }
        Ok(log)
    }

    /// The same as mutations, in the order of the log.
    pub(crate) async fn mutations(&self, origins: Vec<Origin>) -> Result<Vec<Mutation>, SimulationError> {
        if origins.is_empty() {
            return Ok(Vec::new());
        }
        let mutations = self.holdings().logged(origins).try_collect().await;
        mutations.map_err(|error| self.failed(error))
    }

    fn holdings(&self) -> Holdings<'a> {
        Holdings::new(self.store, self.table)
    }

    async fn held(&self) -> Result<BTreeMap<String, Held>, SimulationError> {
        let mut held = BTreeMap::new();
        let mut rows = pin!(self.holdings().rows());
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.failed(error))?;
            held.insert(self.key_text(&row.key)?, self.held_by(&row)?);
        }
        Ok(held)
    }

    async fn journal(&self) -> Result<Vec<Conflict>, SimulationError> {
        let mut journal = Vec::new();
        let mut conflicts = pin!(self.holdings().conflicts());
        while let Some(conflict) = conflicts.next().await {
            let conflict = conflict.map_err(|error| self.failed(error))?;
            let loser = Held::new(conflict.loser.version, conflict.loser.image.as_ref(), None);
            journal.push(Conflict {
                key: self.key_text(&conflict.key)?,
                winner: conflict.winner.version,
                loser_mark: loser.mark().map(str::to_owned),
                lost_mark_only: conflict.attributes == [MARK],
                loser: loser.version,
            });
        }
        Ok(journal)
    }

    async fn kept_aside(&self) -> Result<Vec<KeptAside>, SimulationError> {
        let mut kept = Vec::new();
        let mut unshipped = pin!(self.holdings().unshipped());
        while let Some(write) = unshipped.next().await {
            let write = write.map_err(|error| self.failed(error))?;
            let image = write.write.image.as_ref();
            kept.push(KeptAside {
                key: self
                    .text_of(&write.key)
                    .ok_or_else(|| self.foreign(format!("the key {:?}", write.key)))?,
                held: Held::new(write.write.version, image, self.expires.as_deref()),
            });
        }
        Ok(kept)
    }

    fn held_by(&self, mutation: &Mutation) -> Result<Held, SimulationError> {
        let item = mutation.image.as_ref().map(|image| decode_item(image)).transpose();
        let item = item.map_err(|error| self.foreign(format!("the image of {:?}: {error}", mutation.key)))?;
        Ok(Held::new(
            mutation.version.clone(),
            item.as_ref(),
            self.expires.as_deref(),
        ))
    }

    pub(crate) fn key_text(&self, key: &KeyBytes) -> Result<String, SimulationError> {
        let attributes = self.keys.attributes_of(key);
        let found = attributes.as_ref().and_then(|attributes| self.text_of(attributes));
        found.ok_or_else(|| self.foreign(format!("the key {key:?}")))
    }

    fn text_of(&self, attributes: &Item) -> Option<String> {
        let parts = self.keys.partition.iter().chain(&self.keys.sort);
        key_text(parts.map(|part| part.name.as_str()), attributes)
    }

    fn foreign(&self, what: String) -> SimulationError {
        SimulationError::Foreign {
            region: self.region.to_owned(),
            what,
        }
    }

    fn failed(&self, source: StoreError) -> SimulationError {
        SimulationError::Store {
            region: self.region.to_owned(),
            source,
        }
    }
}
