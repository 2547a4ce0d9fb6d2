//! The size of what an update writes, as DynamoDB's limit on items counts it.

use beringia_item::{Item, value_size};

use super::{Action, Change, Operand, Source};
use crate::path::{Path, Step};

/// The cost of an update, in bytes, besides that of its changes.
const UPDATE_BYTES: usize = 3;
/// The cost of each SET and ADD besides its path and value.
const WRITE_BYTES: usize = 19;
/// The cost of each REMOVE and DELETE besides its path and value.
const REMOVAL_BYTES: usize = 2;

/// The size of the changes, in bytes; `after` is the item with the changes applied. This and the
/// constants were observed of DynamoDB, to the byte, for a SET of a top-level attribute. For paths
/// into documents, the names on the path are counted.
pub(super) fn written_bytes(actions: &[Action], after: &Item) -> usize {
    let of_action = |action: &Action| {
        path_bytes(&action.path)
            + match &action.change {
                Change::Set(source) => WRITE_BYTES + source_bytes(source, &action.path, after),
                Change::Add(value) => WRITE_BYTES + value_size(value),
                Change::Remove => REMOVAL_BYTES,
                Change::Delete(value) => REMOVAL_BYTES + value_size(value),
            }
    };
    UPDATE_BYTES + actions.iter().map(of_action).sum::<usize>()
}

fn path_bytes(path: &Path) -> usize {
    let steps = path.steps.iter().map(|step| match step {
        Step::Member(name) => name.len(),
        Step::Element(_) => 0,
    });
    path.attribute.len() + steps.sum::<usize>()
}

/// The size of the value that SET wrote. A computed value that is not at its path, because it was
/// appended to a list that is shorter, counts nothing.
fn source_bytes(source: &Source, path: &Path, after: &Item) -> usize {
    match source {
        Source::Operand(Operand::Value(value)) => value_size(value),
        _ => path.find(after).map_or(0, value_size),
    }
}
