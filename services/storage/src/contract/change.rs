//! Writes: the changes that a client's request makes to items and definitions. The committer
//! decides them in commit order.

use std::sync::Arc;

use beringia_item::{Cause, Item, KeyBytes, TableId, Touched, Version};

use crate::{Catalog, Edit, StoreError};

/// Why a change is refused. Nothing of its transaction is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The condition evaluated to false.
    #[error("the condition is false")]
    ConditionFailed,
    /// An earlier write of the transaction is to the same item.
    #[error("the transaction writes the item more than once")]
    Repeated,
    /// The change cannot be applied to the current item, for the reason that the change gives.
    #[error("{0}")]
    Invalid(String),
}

/// The effect of a write on the current item.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemEffect {
    /// Replaces the whole item.
    Put(Arc<Item>),
    /// Changes some attributes of the item, or creates the item with them. The table's conflict
    /// policy decides how concurrent updates are reconciled.
    Update {
        /// The whole item after the update. It differs from the current one only in the touched
        /// attributes.
        item: Item,
        /// The attributes that the update wrote, whether or not their values changed.
        touched: Touched,
    },
    /// Deletes the item. If there is none, nothing is written and no version is used, as DynamoDB
    /// emits no stream record.
    Delete,
    /// Writes nothing and uses no version.
    Keep,
}

/// A write to one item, which the committer decides in commit order. It runs in the node: a remote
/// store reads the current item, decides here, and commits under optimistic concurrency.
pub trait Change: Send {
    /// Whether [`Change::decide`] needs the current item, or the caller wants it returned. If
    /// false, `decide` gets `None` and the outcome's `before` is `None`.
    fn needs_current(&self) -> bool;

    /// Whether [`Change::decide`] never puts or updates the item. Transactions that only delete are
    /// also carried out while the disk is full, on the store's reserve.
    fn only_deletes(&self) -> bool {
        false
    }

    /// Decides what happens to the item. The store may call this again, possibly with a newer item,
    /// if it could not commit a write that rested on the first one; only the last answer counts. It
    /// must not panic and must be quick: all writes of the region wait for it.
    ///
    /// # Errors
    /// A [`Refusal`] if the write must not happen. Nothing of its transaction is written then.
    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal>;
}

/// One write of a transaction, decided from the current item.
pub struct ItemWrite {
    /// The table to write to.
    pub table: TableId,
    /// The replica epoch ([`Table::replica_epoch`](crate::Table::replica_epoch)) for which the write
    /// was accepted. If the region discarded that replica's rows since, the write is refused as for
    /// a missing table: it would be decided on a replica that is still empty. `None` writes to
    /// whichever replica there is.
    pub replica_epoch: Option<u32>,
    /// The stored key of the item.
    pub key: KeyBytes,
    /// The cause of the write: a client or expiry.
    pub cause: Cause,
    /// The change to the item. An item that it puts must have the key `key`.
    pub change: Box<dyn Change>,
}

/// What one write of a committed transaction found and left.
#[derive(Debug, Clone, Default)]
pub struct WriteResult {
    /// The item before the write; `None` if there was none or [`Change::needs_current`] is false.
    pub before: Option<Item>,
    /// The item after a put or update; `None` for [`ItemEffect::Keep`] and [`ItemEffect::Delete`].
    pub after: Option<Arc<Item>>,
    /// The version of the write; `None` if nothing was written.
    pub version: Option<Version>,
}

/// Why a transaction was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// For each write of the transaction, in order: why it was refused, with the current item (if
    /// its change needs it), or `None` if it would have succeeded.
    #[error("refused")]
    Refused(Vec<Option<(Refusal, Option<Item>)>>),
    /// The store failed; see [`StoreError`] for whether anything was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The caller's own reason to refuse a change of definitions, returned unchanged.
pub type SchemaRefusal = Box<dyn std::error::Error + Send + Sync>;

/// A change of definitions, which the committer decides in commit order from the catalog at that
/// point. A closure from the catalog to the steps of the change implements it.
pub trait SchemaChange: Send {
    /// Decides the steps of the change. The store may call this again, possibly with a newer
    /// catalog, if it could not commit what rested on the first one; only the last answer counts.
    /// It must therefore have no side effects.
    ///
    /// # Errors
    /// The caller's own reason to refuse the change. Nothing is changed then.
    fn decide(&mut self, catalog: &Catalog) -> Result<Vec<Edit>, SchemaRefusal>;

    /// Called once when the change is durable, before callers see it and before any later change is
    /// decided.
    fn committed(&mut self) {}
}

impl<F: FnMut(&Catalog) -> Result<Vec<Edit>, SchemaRefusal> + Send> SchemaChange for F {
    fn decide(&mut self, catalog: &Catalog) -> Result<Vec<Edit>, SchemaRefusal> {
        self(catalog)
    }
}

/// Why a change of definitions was not committed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The caller refused the change, for this reason.
    #[error(transparent)]
    Refused(SchemaRefusal),
    /// The store failed; see [`StoreError`] for whether anything was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
