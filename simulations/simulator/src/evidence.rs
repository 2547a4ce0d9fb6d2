//! What regions hold and have committed, read from their stores in the oracle's terms.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item, KeySchema, Mutation, RANGES, TableId, VersionVector, decode_item};
use beringia_store::{LogFilter, LogPosition, Store, StoreError};

use crate::{
    SimulationError, World,
    oracle::{ByRegionAndKey, Committed, Intent},
    workload::{KEY, MARK},
};

/// Bytes of images in one read of the log.
const PAGE_BYTES: usize = 1 << 20;
/// Rows in one read of a range; a workload has far fewer keys in each.
const PAGE_ROWS: usize = 10_000;

/// What the oracle compares with what clients know.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Each region's own writes, in the order of its log.
    pub(crate) logs: ByRegionAndKey<Vec<Committed>>,
    /// What each region holds, tombstones too.
    pub(crate) held: ByRegionAndKey<Committed>,
}

/// Reads the state of one region.
struct Reader<'a> {
    region: &'a str,
    store: &'a dyn Store,
    table: TableId,
    keys: KeySchema,
}

impl Evidence {
    /// Reads it from all regions, which must be running.
    pub(crate) async fn gather(world: &World, table: &str) -> Result<Self, SimulationError> {
        let mut evidence = Self::default();
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
            let (log, held) = (reader.log().await?, reader.held().await?);
            evidence.logs.insert(region.clone(), log);
            evidence.held.insert(region, held);
        }
        Ok(evidence)
    }
}

impl Reader<'_> {
    async fn log(&self) -> Result<BTreeMap<String, Vec<Committed>>, SimulationError> {
        let filter = LogFilter {
            origins: vec![self.store.region().clone()],
            tables: BTreeMap::from([(self.table, VersionVector::default())]),
        };
        let mut log: BTreeMap<String, Vec<Committed>> = BTreeMap::new();
        let mut position = LogPosition::default();
        loop {
            let page = self
                .store
                .read_log(position, &filter, PAGE_BYTES)
                .await
                .map_err(|error| self.failed(error))?;
            for record in &page.records {
                let (key, committed) = self.understand(&record.mutation)?;
                log.entry(key).or_default().push(committed);
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

    fn understand(&self, mutation: &Mutation) -> Result<(String, Committed), SimulationError> {
        let foreign = |what: String| SimulationError::Foreign {
            region: self.region.to_owned(),
            what,
        };
        let attributes = self.keys.attributes_of(&mutation.key);
        let attributes = attributes.ok_or_else(|| foreign(format!("the key {:?}", mutation.key)))?;
        let key = text(&attributes, KEY).ok_or_else(|| foreign(format!("the key {attributes:?}")))?;
        let intent = match &mutation.image {
            None => Intent::Delete,
            Some(image) => {
                let item = decode_item(image).map_err(|error| foreign(format!("the image of {key}: {error}")))?;
                Intent::Put(text(&item, MARK).ok_or_else(|| foreign(format!("{item:?}")))?)
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
