//! Deletes items whose time to live ran out.
//!
//! An item is first the business of the region that wrote it last; the others step in after a while, in case that region cannot. So as
//! a rule an item expires once and the delete replicates, instead of once in every region.

use std::ops::Bound;

use beringia_item::{AttributeValue, Cause, Item, KeySchema, Number};
use beringia_storage::{
    Change, CommitError, EXPIRY_INDEX, Effect, ItemWrite, RangeRead, Refusal, Row, StoreError, Table, expiry_keys,
};
use futures_util::future::join_all;

use crate::{Engine, engine::usable};

/// What expired longer ago than this stays, seconds: five years (developer guide, "Time to live", on malformed times).
const AGE_MAX_S: u64 = 5 * 365 * 24 * 60 * 60;
/// Items that are looked at, and deleted, at once.
const PAGE_ROWS: usize = 64;
/// Bytes of items that are read at once, give or take one item.
const PAGE_BYTES: usize = 1 << 20;

impl Engine {
    /// Deletes the items of all tables whose time ran out, and gives their number. Those that another region wrote last are left to
    /// it for `grace_s` seconds.
    ///
    /// # Errors
    /// The store's; what was deleted before stays so.
    pub async fn expire(&self, grace_s: u64) -> Result<u64, StoreError> {
        let catalog = self.store.catalog();
        let mut deleted = 0;
        for table in catalog.by_name.values().filter(|table| usable(table, self.region())) {
            let Some(attribute) = &table.time_to_live else { continue };
            match self.expire_in(table, attribute, grace_s).await {
                Ok(count) => deleted += count,
                // It was dropped, or its setting was.
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
            // A region that is being drained leaves it to the others.
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
                    key: table.core.keys.key_of(&row.item).ok()?,
                    cause: Cause::TimeToLive,
                    change: Box::new(expired.clone()),
                })
            });
            // Each a unit of its own, all at once, so that they share a commit.
            for done in join_all(writes.map(|write| self.store.commit(vec![write]))).await {
                match done {
                    Ok(outcomes) => deleted += u64::from(outcomes.iter().any(|outcome| outcome.version.is_some())),
                    Err(CommitError::Store(error)) => return Err(error),
                    // The sweep refuses nothing.
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

/// Tells whether an item's time ran out, at one moment; and deletes it where that is still so.
#[derive(Debug, Clone, PartialEq)]
struct Expired {
    attribute: String,
    keys: KeySchema,
    /// The earliest time that counts.
    earliest: Number,
    /// The first time that has not come to pass.
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

    /// Where in the index the entries of such items begin, and where they end.
    fn bounds(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let bound = |time: Number| {
            let mut key = self.keys.partition_prefix(&[]).ok()?;
            self.keys.push_sort(0, &AttributeValue::N(time), &mut key).ok()?;
            Some(key)
        };
        // An item's key follows the time, so these are below all entries of their times.
        Some((bound(self.earliest)?, bound(self.end)?))
    }
}

impl Change for Expired {
    fn needs_current(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<Effect, Refusal> {
        Ok(match current {
            Some(item) if self.covers(item) => Effect::Delete,
            _ => Effect::Keep,
        })
    }
}
