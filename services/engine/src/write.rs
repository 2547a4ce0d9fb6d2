//! Writes to one item: changes that the committer decides in turn.

use std::sync::Arc;

use beringia_expression::{Condition, Update};
use beringia_item::{Cause, Item, KeyBytes, MAX_ITEM_BYTES, Touched, item_size};
use beringia_storage::{Change, IndexState, ItemEffect, ItemWrite, PlantedBug, Refusal, Table, planted};

use crate::{
    ApiError,
    capacity::{Units, write_units},
    index::projected_names,
    keys::{IndexKeyError, parts, unfit_index_keys, written_key},
};

/// The exclusive upper bound of the length of attribute names, in bytes.
const ATTRIBUTE_NAME_BYTES: usize = 65536;

/// The effect of a write if its condition holds.
enum Action {
    Put(Arc<Item>),
    Delete,
    Check,
    Update {
        table: Arc<Table>,
        key: Item,
        update: Option<Arc<Update>>,
    },
}

/// A conditional write of one item.
pub(crate) struct ConditionalWrite {
    action: Action,
    condition: Option<Condition>,
    /// Whether the answer needs the previous item.
    wants_before: bool,
}

impl ConditionalWrite {
    /// Puts an item that has passed [`check_item`].
    pub(crate) fn put(item: Item, condition: Option<Condition>) -> Self {
        Self {
            action: Action::Put(Arc::new(item)),
            condition,
            wants_before: false,
        }
    }

    /// Deletes the item, if there is one.
    pub(crate) const fn delete(condition: Option<Condition>) -> Self {
        Self {
            action: Action::Delete,
            condition,
            wants_before: false,
        }
    }

    /// Checks the condition and changes nothing.
    pub(crate) const fn check(condition: Condition) -> Self {
        Self {
            action: Action::Check,
            condition: Some(condition),
            wants_before: false,
        }
    }

    /// Changes the item with that key, or creates it. The update must have passed [`check_update`].
    pub(crate) const fn update(
        table: Arc<Table>,
        key: Item,
        update: Option<Arc<Update>>,
        condition: Option<Condition>,
    ) -> Self {
        Self {
            action: Action::Update { table, key, update },
            condition,
            wants_before: false,
        }
    }

    /// Also returns the previous item if `wanted` is set.
    pub(crate) const fn returning_before(mut self, wanted: bool) -> Self {
        self.wants_before = wanted;
        self
    }

    /// The minimum cost of the write, from what is known before the current item is read. Each
    /// global index that it may change counts one unit.
    pub(crate) fn least_units(&self, table: &Table) -> Units {
        let own = match &self.action {
            Action::Put(item) => write_units(item_size(item)),
            Action::Delete | Action::Check | Action::Update { .. } => write_units(0),
        };
        let changed = table.global_indexes.iter().filter(|(_, (index, state))| {
            *state != IndexState::Deleting
                && match &self.action {
                    Action::Put(item) => parts(&index.keys).all(|part| item.contains_key(&part.name)),
                    Action::Delete => true,
                    Action::Check => false,
                    Action::Update { update, .. } => {
                        let held = projected_names(table, &index.keys, &index.projection);
                        let written = update.iter().flat_map(|update| update.top_level_names());
                        held.is_none_or(|held| written.into_iter().any(|name| held.contains(name)))
                    }
                }
        });
        Units {
            global: changed.map(|(name, _)| (name.clone(), write_units(0))).collect(),
            ..Units::of_table(own)
        }
    }

    /// Converts to the write for the store.
    pub(crate) fn on(self, table: &Table, key: KeyBytes) -> ItemWrite {
        ItemWrite {
            table: table.id,
            replica_epoch: Some(table.replica_epoch),
            key,
            cause: Cause::Client,
            change: Box::new(self),
        }
    }
}

impl Change for ConditionalWrite {
    fn needs_current(&self) -> bool {
        self.wants_before || self.condition.is_some() || matches!(self.action, Action::Update { .. })
    }

    fn only_deletes(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Check)
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let nothing = Item::new();
        if let Some(condition) = &self.condition
            && !condition.matches(current.unwrap_or(&nothing))
            && !planted().is_some_and(PlantedBug::ignores_condition)
        {
            return Err(Refusal::ConditionFailed);
        }
        match &self.action {
            Action::Put(item) => Ok(ItemEffect::Put(Arc::clone(item))),
            Action::Delete => Ok(ItemEffect::Delete),
            Action::Check => Ok(ItemEffect::Keep),
            Action::Update { .. } if planted().is_some_and(PlantedBug::skips_update) => Ok(ItemEffect::Keep),
            Action::Update { update: None, key, .. } => Ok(if current.is_some() {
                ItemEffect::Keep
            } else {
                ItemEffect::Update {
                    item: key.clone(),
                    touched: Touched::new(),
                }
            }),
            Action::Update {
                update: Some(update),
                key,
                table,
            } => updated(table, update, current, key),
        }
    }
}

/// The item after an update, with all checks.
fn updated(table: &Table, update: &Update, current: Option<&Item>, key: &Item) -> Result<ItemEffect, Refusal> {
    if current.is_none() && !update.creates() {
        return Ok(ItemEffect::Keep);
    }
    let after = current.map_or_else(|| update.create(key), |item| update.apply(item));
    let after = after.map_err(|error| Refusal::Invalid(error.0))?;
    if item_size(&after).max(update.written_bytes(&after)) > MAX_ITEM_BYTES {
        return Err(Refusal::Invalid(
            "Item size to update has exceeded the maximum allowed size".to_owned(),
        ));
    }
    // An attribute that existed before an index was created may be invalid for that index; only
    // what the update wrote must be valid.
    let written = |name: &str| {
        let value = after.get(name)?;
        update.top_level_names().any(|written| written == name).then_some(value)
    };
    if let Some(error) = unfit_index_keys(table, written).next() {
        return Err(Refusal::Invalid(if update.is_expression() {
            error.in_update()
        } else {
            error.in_item()
        }));
    }
    let touched = update.touches(current.unwrap_or(key));
    Ok(ItemEffect::Update { item: after, touched })
}

/// Rejects an item that is too large for any table.
pub(crate) fn check_size(item: &Item) -> Result<(), ApiError> {
    if item_size(item) > MAX_ITEM_BYTES {
        return Err(ApiError::validation("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// Checks a whole item that is to be written, except its key.
pub(crate) fn check_item(table: &Table, item: &Item) -> Result<(), ApiError> {
    check_names(item)?;
    check_size(item)?;
    check_index_keys(table, item)
}

/// [`check_item`] for an item that has passed [`check_size`].
pub(crate) fn check_measured_item(table: &Table, item: &Item) -> Result<(), ApiError> {
    check_names(item)?;
    check_index_keys(table, item)
}

fn check_names(item: &Item) -> Result<(), ApiError> {
    for name in item.keys() {
        if name.is_empty() {
            return Err(ApiError::validation(
                "One or more parameter values were invalid: Empty attribute name",
            ));
        }
        if name.len() >= ATTRIBUTE_NAME_BYTES {
            return Err(ApiError::validation(
                "One or more parameter values were invalid: Attribute name is too large, must be less than 65536 bytes",
            ));
        }
    }
    Ok(())
}

fn check_index_keys(table: &Table, item: &Item) -> Result<(), ApiError> {
    match unfit_index_keys(table, |name| item.get(name)).next() {
        Some(error) => Err(ApiError::Validation(error.in_item())),
        None => Ok(()),
    }
}

/// Rejects an update of a key attribute, and one whose text sets an index key attribute to an empty
/// value.
pub(crate) fn check_update(table: &Table, update: Option<&Update>) -> Result<(), ApiError> {
    let Some(update) = update else { return Ok(()) };
    if let Some(part) = written_key(table, update) {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
            part.name
        )));
    }
    check_assigned(table, update)
}

/// Rejects an update expression whose text sets an index key attribute to an empty value.
pub(crate) fn check_assigned(table: &Table, update: &Update) -> Result<(), ApiError> {
    if !update.is_expression() {
        return Ok(());
    }
    match unfit_index_keys(table, |name| update.assigned(name)).find(IndexKeyError::is_empty) {
        Some(error) => Err(ApiError::Validation(error.in_update())),
        None => Ok(()),
    }
}
