//! The sweep that deletes expired items.
//!
//! The region that last wrote an item deletes it. Other regions step in after a grace period, in
//! case that region cannot. So as a rule an item expires once and its delete replicates, instead of
//! once in every region.

use std::ops::Bound;

use beringia_item::{AttributeValue, Cause, Item, KeySchema, Number};
use beringia_storage::{
    Change, CommitError, EXPIRY_INDEX, ItemEffect, ItemWrite, RangeRead, Refusal, Row, StoreError, Table, expiry_keys,
};
use futures_util::future::join_all;

use crate::{Engine, engine::usable};

/// Items that expired longer ago than this are kept, in seconds: five years (developer guide, "Time
/// to live", on malformed times).
const AGE_MAX_S: u64 = 5 * 365 * 24 * 60 * 60;
/// The number of items that are examined and deleted at once.
const PAGE_ROWS: usize = 64;
/// The size of items that are read at once, in bytes, to within one item.
const PAGE_BYTES: usize = 1 << 20;

impl Engine {
    /// Deletes the expired items of all tables and returns their number. Items that another region
    /// wrote last are left to that region for `grace_s` seconds. Deletes nothing while the region
    /// accepts no writes because its clock went back.
    ///
    /// # Errors
    /// The store's error; earlier deletes remain in effect.
    pub async fn expire(&self, grace_s: u64) -> Result<u64, StoreError> {
        // While its clock is far behind, the region can delete nothing.
        if !self.store.hybrid_offset().is_allowed() {
            return Ok(0);
        }
        let catalog = self.store.catalog();
        let mut deleted = 0;
        for table in catalog.by_name.values().filter(|table| usable(table, self.region())) {
            let Some(attribute) = &table.time_to_live else { continue };
            match self.expire_in(table, attribute, grace_s).await {
                Ok(count) => deleted += count,
                // The table or its setting was dropped.
                Err(StoreError::UnknownTable(_) | StoreError::UnknownIndex { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }

    async fn expire_in(&self, table: &Table, attribute: &str, grace_s: u64) -> Result<u64, StoreError> {
        let now_s = self.clock.now_ms() / 1000;
        let expired = Expired::at(attribute, now_s);
        let overdue = Expired::at(attribute, now_s.saturating_sub(grace_s));
        let Some((from, to)) = expired.bounds() else {
            return Ok(0);
        };
        let mut from = Bound::Included(from);
        let mut deleted = 0;
        loop {
            // A region that is being drained leaves expired items to the others.
            let Ok(_under_way) = self.begin_write() else {
                return Ok(deleted);
            };
            let page = self
                .store
                .range(RangeRead {
                    table: table.id,
                    index: Some(EXPIRY_INDEX.to_owned()),
                    from,
                    to: Bound::Excluded(to.clone()),
                    reverse: false,
                    max_rows: PAGE_ROWS,
                    max_bytes: PAGE_BYTES,
                })
                .await?;
            let next = page.rows.last().filter(|_| page.limited).map(|row| row.key.0.to_vec());
            let ours = |row: &&Row| row.version.origin.region() == self.region() || overdue.covers(&row.item);
            let writes = page.rows.iter().filter(ours).filter_map(|row| {
                Some(ItemWrite {
                    table: table.id,
                    replica_epoch: Some(table.replica_epoch),
                    key: table.core.keys.key_of(&row.item).ok()?,
                    cause: Cause::TimeToLive,
                    change: Box::new(expired.clone()),
                })
            });
            // Each delete is a transaction of its own; they are submitted together, so that they
            // share a commit.
            for done in join_all(writes.map(|write| self.store.commit(vec![write]))).await {
                match done {
                    Ok(outcomes) => deleted += u64::from(outcomes.iter().any(|outcome| outcome.version.is_some())),
                    Err(CommitError::Store(error)) => return Err(error),
                    // The sweep's change never refuses.
                    Err(CommitError::Refused(_)) => {}
                }
            }
            match next {
                Some(reached) => from = Bound::Excluded(reached),
                None => return Ok(deleted),
            }
        }
    }
}

/// Decides whether an item has expired at a given time, and deletes it if it still has.
#[derive(Debug, Clone, PartialEq)]
struct Expired {
    attribute: String,
    keys: KeySchema,
    /// The earliest expiry time that counts.
    earliest: Number,
    /// The first time that lies in the future.
    end: Number,
}

impl Expired {
    fn at(attribute: &str, now_s: u64) -> Self {
        Self {
            attribute: attribute.to_owned(),
            keys: expiry_keys(attribute),
            earliest: now_s.saturating_sub(AGE_MAX_S).into(),
            end: now_s.into(),
        }
    }

    fn covers(&self, item: &Item) -> bool {
        match item.get(&self.attribute) {
            Some(AttributeValue::N(time)) => (self.earliest..self.end).contains(time),
            _ => false,
        }
    }

    /// The range of expired entries in the expiry index: its start and its end.
    fn bounds(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let bound = |time: Number| {
            let mut key = self.keys.partition_prefix(&[]).ok()?;
            self.keys.push_sort(0, &AttributeValue::N(time), &mut key).ok()?;
            Some(key)
        };
        // An item's key follows the time, so these bounds precede all entries with their times.
        Some((bound(self.earliest)?, bound(self.end)?))
    }
}

impl Change for Expired {
    fn needs_current(&self) -> bool {
        true
    }

    fn only_deletes(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        Ok(match current {
            Some(item) if self.covers(item) => ItemEffect::Delete,
            _ => ItemEffect::Keep,
        })
    }
}
