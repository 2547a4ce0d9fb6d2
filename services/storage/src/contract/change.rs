//! Writes: what a client's request does to items and definitions, decided by the committer at its turn.

use std::sync::Arc;

use beringia_item::{Cause, Item, KeyBytes, TableId, Touched, Version};

use crate::{Catalog, Edit, StoreError};

/// Why a change will not happen; nothing of its unit is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The condition is false.
    #[error("the condition is false")]
    ConditionFailed,
    /// An earlier write of the unit is to the same item.
    #[error("the unit writes the item more than once")]
    Repeated,
    /// The change cannot be applied to the current item; the change's own reason.
    #[error("{0}")]
    Invalid(String),
}

/// What a write does to the current item.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The whole item becomes this one.
    Put(Arc<Item>),
    /// Some attributes of the item change, or the item comes to be by that. What becomes of concurrent changes depends on the
    /// table's conflict policy.
    Update {
        /// The whole item then. Of the current one it differs in nothing but what is touched.
        item: Item,
        /// The attributes that the update wrote, whether or not they changed by that.
        touched: Touched,
    },
    /// The item goes. Where there is none, nothing is written and no version is spent, as DynamoDB emits no stream record.
    Delete,
    /// Nothing is written and no version is spent.
    Keep,
}

/// A write to one item, decided by the committer at its turn. It runs in the node, so a store that is elsewhere reads the
/// current item, decides here, and commits under optimistic concurrency.
pub trait Change: Send {
    /// Whether [`Change::decide`] looks at the current item, or the caller wants it back. Where false, `decide` gets `None`
    /// and the outcome's `before` is `None`.
    fn needs_current(&self) -> bool;

    /// What happens to the item. May be called again, on a newer item too, where the store could not commit what rested on
    /// the first: then only the last answer counts. Must not panic and must be quick: the whole region's writes wait for it.
    ///
    /// # Errors
    /// A [`Refusal`] where the write must not happen; nothing of its unit is written then.
    fn decide(&mut self, current: Option<&Item>) -> Result<Effect, Refusal>;
}

/// One write of a unit.
pub struct ItemWrite {
    /// The table.
    pub table: TableId,
    /// The item's stored key.
    pub key: KeyBytes,
    /// Who asks for it.
    pub cause: Cause,
    /// What is to be done. An item that it puts must have the key `key`.
    pub change: Box<dyn Change>,
}

/// What became of one write.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The item before; `None` where there was none or [`Change::needs_current`] is false.
    pub before: Option<Item>,
    /// The item after a put or update; for [`Effect::Keep`] and [`Effect::Delete`] `None`.
    pub after: Option<Arc<Item>>,
    /// The version of the write; `None` where nothing was written.
    pub version: Option<Version>,
}

/// Why a unit was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// For each write of the unit, in order: why it was refused and what the item was (where its change needs the current
    /// item), or `None` where it would have gone through.
    #[error("refused")]
    Refused(Vec<Option<(Refusal, Option<Item>)>>),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a caller's change of definitions is refused: its own reason, handed back unchanged.
pub type SchemaRefusal = Box<dyn std::error::Error + Send + Sync>;

/// A change of definitions, decided by the committer at its turn from the catalog as it is then. A closure from the catalog to the
/// steps of the change is one.
pub trait SchemaChange: Send {
    /// The steps of the change. May be called again, on a newer catalog too, where the store could not commit what rested on the
    /// first: then only the last answer counts. So it must not do anything but decide.
    ///
    /// # Errors
    /// The caller's own reason to refuse it; nothing is changed then.
    fn decide(&mut self, catalog: &Catalog) -> Result<Vec<Edit>, SchemaRefusal>;

    /// Called once when the change is durable, before callers see it and before any later change is decided.
    fn committed(&mut self) {}
}

impl<F: FnMut(&Catalog) -> Result<Vec<Edit>, SchemaRefusal> + Send> SchemaChange for F {
    fn decide(&mut self, catalog: &Catalog) -> Result<Vec<Edit>, SchemaRefusal> {
        self(catalog)
    }
}

/// Why definitions were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The caller's own reason.
    #[error(transparent)]
    Refused(SchemaRefusal),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}
