//! Changes of definitions whose beginning shows in statuses: decided as often as the store asks, and noted once,
//! when they are committed and before anything else is decided.

use std::sync::Arc;

use beringia_item::TableId;
use beringia_storage::{Catalog, Edit, SchemaChange, SchemaRefusal, Table};

use super::lifecycle::{Change, Lifecycle};

/// What is noted of a change.
#[derive(Debug, Clone)]
pub(crate) enum Beginning {
    /// A table changes, or is new.
    Changed(TableId, Change),
    /// A table is removed.
    Removed(Arc<Table>),
    /// A table's time to live changes, which was that attribute's.
    TimeToLive(TableId, Option<String>),
}

/// The steps of a change, and what shows of its beginning.
pub(crate) type Decided = (Vec<Edit>, Option<Beginning>);

/// A change of definitions whose beginning shows.
pub(crate) struct Transition<D> {
    decide: D,
    lifecycle: Arc<Lifecycle>,
    /// Of the last decision.
    beginning: Option<Beginning>,
}

impl<D: FnMut(&Catalog) -> Result<Decided, SchemaRefusal> + Send + 'static> Transition<D> {
    /// The change that `decide` decides. It must not do anything but decide.
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
