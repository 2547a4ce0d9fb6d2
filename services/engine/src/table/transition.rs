//! Changes of definitions whose beginning shows in statuses. The store may ask for the decision
//! several times; the beginning is recorded once, when the change is committed and before anything
//! else is decided.

use std::sync::Arc;

use beringia_item::TableId;
use beringia_storage::{Catalog, Edit, SchemaChange, SchemaRefusal, Table};

use super::lifecycle::{Change, Lifecycle};

/// The record of the beginning of a change.
#[derive(Debug, Clone)]
pub(crate) enum Beginning {
    /// A table is created or changed.
    Changed(TableId, Change),
    /// A table is removed; the table as it was is given.
    Removed(Arc<Table>),
    /// A table's time to live changes; the previous attribute is given.
    TimeToLive(TableId, Option<String>),
}

/// The edits of a change, and what is recorded at its beginning.
pub(crate) type Decided = (Vec<Edit>, Option<Beginning>);

/// A change of definitions whose beginning is recorded.
pub(crate) struct Transition<D> {
    decide: D,
    lifecycle: Arc<Lifecycle>,
    /// The result of the last decision.
    beginning: Option<Beginning>,
}

impl<D: FnMut(&Catalog) -> Result<Decided, SchemaRefusal> + Send + 'static> Transition<D> {
    /// Creates a change that `decide` decides. `decide` must have no side effects.
    pub(crate) fn boxed(lifecycle: &Arc<Lifecycle>, decide: D) -> Box<dyn SchemaChange> {
        Box::new(Self {
            decide,
            lifecycle: Arc::clone(lifecycle),
            beginning: None,
        })
    }
}

impl<D: FnMut(&Catalog) -> Result<Decided, SchemaRefusal> + Send> SchemaChange for Transition<D> {
    fn decide(&mut self, catalog: &Catalog) -> Result<Vec<Edit>, SchemaRefusal> {
        let (edits, beginning) = (self.decide)(catalog)?;
        self.beginning = beginning;
        Ok(edits)
    }

    fn committed(&mut self) {
        match self.beginning.take() {
            Some(Beginning::Changed(table, change)) => self.lifecycle.begin(table, change),
            Some(Beginning::Removed(table)) => self.lifecycle.begin_removal(&table),
            Some(Beginning::TimeToLive(table, before)) => self.lifecycle.begin_time_to_live(table, before),
            None => {}
        }
    }
}
