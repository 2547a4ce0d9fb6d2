//! CreateTable, DescribeTable, ListTables, DeleteTable, UpdateTable, and the tags of tables.

mod combinations;
mod create;
mod delete;
mod describe;
mod encryption;
mod lifecycle;
mod list;
mod replicas;
mod schema;
mod settings;
mod tags;
mod transition;
mod update;

pub(crate) use describe::key_schema;
pub(crate) use lifecycle::{Lifecycle, TimeToLiveBefore, not_found};
pub(crate) use settings::wire_view;
pub(crate) use transition::{Beginning, Decided, Transition};

/// The maximum number of global indexes of a table (developer guide, "Quotas").
const GLOBAL_INDEXES_MAX: usize = 20;
/// The maximum number of local indexes of a table.
const LOCAL_INDEXES_MAX: usize = 5;

/// A ValidationException about invalid parameter values.
fn invalid(what: impl std::fmt::Display) -> crate::ApiError {
    crate::ApiError::Validation(format!("One or more parameter values were invalid: {what}"))
}
