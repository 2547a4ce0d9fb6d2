//! The rows that a group needs, as far as they are known before it is decided: those that nearly
//! every group needs. The decision asks for any others.

use beringia_storage::{ItemWrite, RemoteBatch, RemoteKind, backend::Detail};

use super::{command::StoreCommand, remote::wants, transaction::detail_of};
use crate::{
    rows::ReadSet,
    state::{Home, State},
};

/// The rows that these commands need at least.
#[must_use]
pub fn needs(state: &State, commands: &[StoreCommand]) -> ReadSet {
    let mut needed = ReadSet::default();
    for command in commands {
        match command {
            StoreCommand::Transaction(writes) => writes
                .iter()
                .for_each(|write| needs_of_write(state, write, &mut needed)),
            StoreCommand::Apply(batch) => needs_of_batch(state, batch, &mut needed),
            StoreCommand::Repair(table, range) => drop(needed.checks.insert((*table, *range))),
            StoreCommand::Schema(_)
            | StoreCommand::Trim(_)
            | StoreCommand::Prune(..)
            | StoreCommand::NoteUnreachable(_)
            | StoreCommand::BeginEpoch(_)
            | StoreCommand::Work => {}
        }
    }
    needed
}

fn needs_of_write(state: &State, write: &ItemWrite, needed: &mut ReadSet) {
    if let Some(table) = state.tables().get(&write.table) {
        let knows_others = state.origins.names().len() > 1;
        let detail = detail_of(table, write.change.needs_current(), knows_others);
        needed.item(table.row_key(&write.key), detail);
    }
}

fn needs_of_batch(state: &State, batch: &RemoteBatch, needed: &mut ReadSet) {
    for mutation in batch
        .mutations
        .iter()
        .filter(|mutation| wants(state, mutation, batch.kind))
    {
        let Some(table) = state.tables().get(&mutation.table) else {
            continue;
        };
        let is_definition = Home::of(mutation.table).is_some();
        // Most mutations need only the row, to see whether there is anything that they do not
        // replace.
        let detail = if is_definition || !table.indexes.is_empty() {
            Detail::Item
        } else {
            Detail::Row
        };
        needed.item(table.row_key(&mutation.key), detail);
    }
    if batch.kind == RemoteKind::Copy {
        for (table, key, _) in &batch.obsolete {
            if let Some(table) = state.tables().get(table) {
                needed.item(table.row_key(key), Detail::Row);
            }
        }
    }
}
