//! What regions hold and have committed, read from their stores in the oracle's terms.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item, KeyBytes, KeySchema, Mutation, RANGES, TableId, VersionVector, decode_item};
use beringia_store::{LogFilter, LogPosition, Store, StoreError};

use crate::{
    SimulationError, World,
    oracle::{Committed, Evidence, Intent, Journalled, Logged},
    workload::{KEY, MARK},
};

/// Bytes of images in one read of the log.
const PAGE_BYTES: usize = 1 << 20;
/// Rows in one read of a range; a workload has far fewer keys in each.
const PAGE_ROWS: usize = 10_000;

/// Reads the state of one region.
struct Reader<'a> {
    region: &'a str,
    store: &'a dyn Store,
    table: TableId,
    keys: KeySchema,
}

/// Reads it from all regions, which must be running.
pub(crate) async fn gather(world: &World, table: &str) -> Result<Evidence, SimulationError> {
    let mut evidence = Evidence::default();
    for region in world.names() {
        let store = world.store(&region)?;
        let definition = store.catalog().by_name.get(table).cloned();
        let no_table = || SimulationError::NoTable {
            region: region.clone(),
            table: table.to_owned(),
        };
        let definition = definition.ok_or_else(no_table)?;
        let keys = definition.core.keys.clone();
        let reader = Reader {
            region: &region,
            store: &*store,
            table: definition.id,
            keys,
        };
        evidence.logs.insert(region.clone(), reader.log().await?);
        evidence.held.insert(region.clone(), reader.held().await?);
        evidence.journals.insert(region.clone(), reader.journal().await?);
    }
    Ok(evidence)
}

impl Reader<'_> {
    async fn log(&self) -> Result<BTreeMap<String, Vec<Logged>>, SimulationError> {
        let filter = LogFilter {
            origins: vec![self.store.region().clone()],
            tables: BTreeMap::from([(self.table, VersionVector::default())]),
        };
        let mut log: BTreeMap<String, Vec<Logged>> = BTreeMap::new();
        let mut position = LogPosition::default();
        loop {
            let page = self
                .store
                .read_log(position, &filter, PAGE_BYTES)
                .await
                .map_err(|error| self.failed(error))?;
            for record in &page.records {
                let (key, committed) = self.understand(&record.mutation)?;
                let vector = record.mutation.vector.clone();
                log.entry(key).or_default().push(Logged { committed, vector });
            }
            position = page.next;
            if page.at_end {
                return Ok(log);
            }
        }
    }

    async fn held(&self) -> Result<BTreeMap<String, Committed>, SimulationError> {
        let mut held = BTreeMap::new();
        for range in 0..RANGES {
            let rows = self.store.raw_rows(self.table, range, None, PAGE_ROWS).await;
            let keys = rows
                .map_err(|error| self.failed(error))?
                .into_iter()
                .map(|row| row.key)
                .collect();
            let rows = self
                .store
                .mutations_of(self.table, keys)
                .await
                .map_err(|error| self.failed(error))?;
            for row in &rows {
                held.extend([self.understand(row)?]);
            }
        }
        Ok(held)
    }

    async fn journal(&self) -> Result<Vec<Journalled>, SimulationError> {
        let mut journal = Vec::new();
        let mut after = 0;
        loop {
            let page = self.store.conflicts(Some(self.table), after, PAGE_ROWS).await;
            let page = page.map_err(|error| self.failed(error))?;
            let Some(last) = page.last() else { return Ok(journal) };
            after = last.id;
            for conflict in page {
                let (winner, loser) = (conflict.winner.version, conflict.loser.version);
                journal.push(Journalled {
                    key: self.key_text(&conflict.key)?,
                    winner,
                    loser,
                });
            }
        }
    }

    fn understand(&self, mutation: &Mutation) -> Result<(String, Committed), SimulationError> {
        let key = self.key_text(&mutation.key)?;
        let intent = match &mutation.image {
            None => Intent::Delete,
            Some(image) => {
                let item = decode_item(image).map_err(|error| self.foreign(format!("the image of {key}: {error}")))?;
                Intent::Put(text(&item, MARK).ok_or_else(|| self.foreign(format!("{item:?}")))?)
            }
        };
        Ok((
            key,
            Committed {
                version: mutation.version.clone(),
                intent,
            },
        ))
    }

    fn key_text(&self, key: &KeyBytes) -> Result<String, SimulationError> {
        let attributes = self.keys.attributes_of(key);
        let found = attributes.as_ref().and_then(|attributes| text(attributes, KEY));
        found.ok_or_else(|| self.foreign(format!("the key {key:?}")))
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

fn text(item: &Item, attribute: &str) -> Option<String> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    }
}
