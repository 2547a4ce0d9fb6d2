//! The conflict journals of the regions, in the form of the control protocol.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use beringia_item::{Region, TableId, Version, item_to_json};
use beringia_proto::v1::{ConflictSideReport, ControlConflict, ItemVersion};
use beringia_storage::{Catalog, Conflict, ConflictSide, StoreError, Unshipped};
use futures_util::{Stream, stream};
use tonic::Status;

use crate::{convergence::CATALOG_NAME, host::Host};

/// How many conflicts are read at once; each can have two images of 400 KB.
const PAGE: usize = 64;
/// How often a journal that was read to its end is read again.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads the journals of all regions, one page of each in turn.
struct Reader {
    host: Arc<Host>,
    /// The name of the table; empty for all tables.
    table: String,
    follow: bool,
    /// How far the journal of each region was read.
    places: Vec<Place>,
    ready: VecDeque<ControlConflict>,
}

#[derive(Default)]
struct Place {
    after: u64,
    /// As `after`, for unshipped writes.
    after_unshipped: u64,
    ended: bool,
}

/// All conflicts of all regions of this process, oldest first within a region.
pub(crate) async fn stream(
    host: Arc<Host>,
    table: String,
    follow: bool,
) -> Result<impl Stream<Item = Result<ControlConflict, Status>> + Send + use<>, Status> {
    let places = host.regions().iter().map(|_| Place::default()).collect();
    let reader = Reader {
        host,
        table,
        follow,
        places,
        ready: VecDeque::new(),
    };
    if !reader.table.is_empty() && !follow && !reader.table_is_known().await {
        // Conflicts of a deleted table are found by listing all.
        return Err(Status::not_found(format!(
            "no region of this process has a table `{}`",
            reader.table
        )));
    }
    Ok(stream::unfold(reader, |mut reader| async move {
        reader.next().await.map(|conflict| (conflict, reader))
    }))
}

impl Reader {
    async fn next(&mut self) -> Option<Result<ControlConflict, Status>> {
        loop {
            if let Some(conflict) = self.ready.pop_front() {
                return Some(Ok(conflict));
            }
            for place in 0..self.places.len() {
                if let Err(status) = self.read(place).await {
                    return Some(Err(status));
                }
            }
            if self.ready.is_empty() && self.places.iter().all(|place| place.ended) {
                if !self.follow {
                    return None;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Reads one page of one region's journal.
    async fn read(&mut self, place: usize) -> Result<(), Status> {
        let region = &self.host.regions()[place];
        let place = &mut self.places[place];
        if place.ended && !self.follow {
            return Ok(());
        }
        place.ended = true;
        let Some(store) = region.store().await else {
            return Ok(());
        };
        let catalog = store.catalog();
        let unshipped = match store.unshipped(place.after_unshipped, PAGE).await {
            Ok(page) => page,
            Err(StoreError::Closed) => return Ok(()),
            Err(error) => return Err(Status::internal(format!("{}: {error}", region.name()))),
        };
        place.ended = unshipped.len() < PAGE;
        place.after_unshipped = unshipped.last().map_or(place.after_unshipped, |write| write.id);
        let wanted = unshipped
            .iter()
            .filter(|write| self.table.is_empty() || self.table == write.table_name);
        self.ready
            .extend(wanted.map(|write| report_unshipped(region.name(), write)));
        let table = match self.table.as_str() {
            "" => None,
            CATALOG_NAME => Some(TableId::CATALOG),
            name => match catalog.by_name.get(name) {
                Some(table) => Some(table.id),
                None => return Ok(()),
            },
        };
        let page = match store.conflicts(table, place.after, PAGE).await {
            Ok(page) => page,
            Err(StoreError::Closed | StoreError::UnknownTable(_)) => return Ok(()),
            Err(error) => return Err(Status::internal(format!("{}: {error}", region.name()))),
        };
        place.ended &= page.len() < PAGE;
        place.after = page.last().map_or(place.after, |conflict| conflict.id);
        self.ready
            .extend(page.iter().map(|conflict| report(region.name(), conflict, &catalog)));
        Ok(())
    }

    async fn table_is_known(&self) -> bool {
        if self.table == CATALOG_NAME {
            return true;
        }
        for region in self.host.regions() {
            if let Some(store) = region.store().await
                && store.catalog().by_name.contains_key(&self.table)
            {
                return true;
            }
        }
        false
    }
}

/// A conflict that a region journalled.
pub(crate) fn report(region: &Region, conflict: &Conflict, catalog: &Catalog) -> ControlConflict {
    let table = catalog.by_id.get(&conflict.table);
    let key = table.and_then(|table| table.core.keys.attributes_of(&conflict.key));
    ControlConflict {
        region: region.to_string(),
        table_id: conflict.table.to_string(),
        table: match table {
            Some(table) => table.core.name.clone(),
            None if conflict.table == TableId::CATALOG => CATALOG_NAME.to_owned(),
            None => String::new(),
        },
        key_json: key.map(|key| item_to_json(&key).to_string()),
        winner: Some(side(&conflict.winner)),
        loser: Some(side(&conflict.loser)),
        rule: conflict.rule.to_string(),
        seen_ms: conflict.seen_ms,
        attributes: conflict.attributes.clone(),
    }
}

/// An unshipped write, as a conflict without a winner.
fn report_unshipped(region: &Region, unshipped: &Unshipped) -> ControlConflict {
    ControlConflict {
        region: region.to_string(),
        table_id: unshipped.table.to_string(),
        table: unshipped.table_name.clone(),
        key_json: Some(item_to_json(&unshipped.key).to_string()),
        winner: None,
        loser: Some(side(&unshipped.write)),
        rule: "not shipped before the replica was dropped".to_owned(),
        seen_ms: unshipped.seen_ms,
        attributes: Vec::new(),
    }
}

fn side(side: &ConflictSide) -> ConflictSideReport {
    ConflictSideReport {
        version: Some(version(&side.version)),
        image_json: side.image.as_ref().map(|image| item_to_json(image).to_string()),
    }
}

/// A version in the form of the protocol.
pub(crate) fn version(version: &Version) -> ItemVersion {
    ItemVersion {
        hybrid_time: version.time.as_u64(),
        origin: version.origin.to_string(),
        sequence: version.sequence,
    }
}
