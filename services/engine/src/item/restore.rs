//! Restores what an item lost to a conflict.

use std::sync::Arc;

use beringia_item::{Cause, Item, MAX_ITEM_BYTES, Touch, Version, item_size};
use beringia_storage::{Change, CommitError, ItemEffect, ItemWrite, Refusal, Table};

use super::write::refusal;
use crate::{
    ApiError, Engine,
    api::ReturnValuesOnConditionCheckFailure,
    keys::{request_key, unfit_index_keys},
    write::check_item,
};

/// The part of a write that was lost to a conflict.
#[derive(Debug, Clone)]
pub struct LostWrite {
    /// The key attributes of the item.
    pub key: Item,
    /// The whole item as the losing write left it; `None` for a delete.
    pub image: Option<Item>,
    /// The attributes that were lost; empty if the whole item was lost.
    pub attributes: Vec<String>,
}

/// Puts, deletes or sets attributes, regardless of the current item.
struct Restore {
    table: Arc<Table>,
    lost: LostWrite,
}

impl Change for Restore {
    fn needs_current(&self) -> bool {
        !self.lost.attributes.is_empty()
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let LostWrite { key, image, attributes } = &self.lost;
        if attributes.is_empty() {
            let image = image.clone();
            return Ok(image.map_or(ItemEffect::Delete, |item| ItemEffect::Put(Arc::new(item))));
        }
        let mut item = current.unwrap_or(key).clone();
        for name in attributes {
            match image.as_ref().and_then(|image| image.get(name)) {
                Some(value) => drop(item.insert(name.clone(), value.clone())),
                None => drop(item.remove(name)),
            }
        }
        if item_size(&item) > MAX_ITEM_BYTES {
            let message = "Item size to update has exceeded the maximum allowed size";
            return Err(Refusal::Invalid(message.to_owned()));
        }
        let restored = |name: &str| {
            let value = item.get(name)?;
            attributes.iter().any(|restored| restored == name).then_some(value)
        };
        if let Some(error) = unfit_index_keys(&self.table, restored).next() {
            return Err(Refusal::Invalid(error.in_item()));
        }
        let touched = attributes.iter().map(|name| (name.clone(), Touch::Assign)).collect();
        Ok(ItemEffect::Update { item, touched })
    }
}

impl Engine {
    /// Restores, as a new write of this region, what was lost to a conflict: the whole item, its
    /// delete, or the lost attributes. It overwrites the current version. Returns `None` if the
    /// item was to be deleted and does not exist.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ServiceUnavailable while the region is
    /// drained, or the store's error.
    pub async fn restore(&self, table_name: &str, lost: LostWrite) -> Result<Option<Version>, ApiError> {
        let _under_way = self.begin_write()?;
        let table = self.usable_table(table_name)?;
        let key = request_key(&table, &lost.key)?;
        if let Some(image) = &lost.image {
            if !lost.key.iter().all(|(name, value)| image.get(name) == Some(value)) {
                return Err(ApiError::validation("The item to restore has a different key"));
            }
            check_item(&table, image)?;
        }
        let write = ItemWrite {
            table: table.id,
            replica_epoch: Some(table.replica_epoch),
            key,
            cause: Cause::Client,
            change: Box::new(Restore { table, lost }),
        };
        let committed = self.store.commit(vec![write]).await;
        let mut outcomes =
            committed.map_err(|error: CommitError| refusal(error, ReturnValuesOnConditionCheckFailure::None))?;
        Ok(outcomes.pop().and_then(|outcome| outcome.version))
    }
}
