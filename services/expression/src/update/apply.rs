//! Applies updates to items.

use std::borrow::Cow;

use beringia_item::{AttributeValue, Item, MAX_DEPTH, value_depth};

use super::{Action, Change, Existence, Operand, Source};
use crate::{
    operations::{self, OperandError},
    path::{Path, Step},
};

/// Why an update fails on an item, with DynamoDB's messages.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpdateError {
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    Missing,
    #[error("The document path provided in the update expression is invalid for update")]
    Path,
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    Depth,
    #[error(transparent)]
    Operand(#[from] OperandError),
}

/// The item after `actions`. All values are computed from the previous item. Then values are set in
/// the order of their paths, so that elements beyond the end of a list are appended in the order of
/// their indexes. Then values are removed from the last path to the first, so that no removal
/// shifts what another one refers to.
pub(super) fn apply(actions: &[Action], item: &Item, existence: Existence) -> Result<Item, UpdateError> {
    let mut sets: Vec<(&Path, AttributeValue)> = Vec::new();
    let mut removals: Vec<&Path> = Vec::new();
    for Action { path, change } in actions {
        if existence == Existence::Exists || !matches!(change, Change::Remove) {
            check_parent(path, item)?;
        }
        match outcome(path, change, item)? {
            PathOutcome::Set(value) => {
                if path.steps.len() + value_depth(&value) > MAX_DEPTH {
                    return Err(UpdateError::Depth);
                }
                sets.push((path, value));
            }
            PathOutcome::Remove if path.find(item).is_some() => removals.push(path),
            PathOutcome::Remove | PathOutcome::Nothing => {}
        }
    }
    sets.sort_by_key(|(path, _)| *path);
    removals.sort();
    let mut updated = item.clone();
    for (path, value) in sets {
        set(&mut updated, path, value)?;
    }
    for path in removals.into_iter().rev() {
        remove(&mut updated, path)?;
    }
    Ok(updated)
}

/// Requires that a nested path leads into an existing map or list.
fn check_parent(path: &Path, item: &Item) -> Result<(), UpdateError> {
    let Some((last, steps)) = path.steps.split_last() else {
        return Ok(());
    };
    let top = item.get(&path.attribute).ok_or(UpdateError::Path)?;
    let parent = steps
        .iter()
        .try_fold(top, |value, step| step.find(value))
        .ok_or(UpdateError::Path)?;
    match (last, parent) {
        (Step::Member(_), AttributeValue::M(_)) | (Step::Element(_), AttributeValue::L(_)) => Ok(()),
        _ => Err(UpdateError::Path),
    }
}

/// The effect on the value at a path.
enum PathOutcome {
    Set(AttributeValue),
    Remove,
    Nothing,
}

fn outcome(path: &Path, change: &Change, item: &Item) -> Result<PathOutcome, UpdateError> {
    Ok(match (change, path.find(item)) {
        (Change::Set(source), _) => PathOutcome::Set(source.of(item)?),
        (Change::Remove, _) => PathOutcome::Remove,
        (Change::Add(value), None) => PathOutcome::Set(AttributeValue::clone(value)),
        (Change::Add(value), Some(old)) => PathOutcome::Set(operations::add_or_unite(old, value)?),
        (Change::Delete(_), None) => PathOutcome::Nothing,
        (Change::Delete(gone), Some(old)) => {
            operations::subtract_set(old, gone)?.map_or(PathOutcome::Remove, PathOutcome::Set)
        }
    })
}

impl Source {
    fn of(&self, item: &Item) -> Result<AttributeValue, UpdateError> {
        Ok(match self {
            Self::Operand(operand) => operand.of(item)?.into_owned(),
            Self::Sum(left, right) => {
                let (left, right) = (left.of(item)?, right.of(item)?);
                operations::add(&left, &right)?
            }
            Self::Difference(left, right) => {
                let (left, right) = (left.of(item)?, right.of(item)?);
                operations::subtract(&left, &right)?
            }
        })
    }
}

impl Operand {
    pub(super) fn of<'v>(&'v self, item: &'v Item) -> Result<Cow<'v, AttributeValue>, UpdateError> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed).ok_or(UpdateError::Missing),
            Self::Value(value) => Ok(Cow::Borrowed(value)),
            Self::IfNotExists(path, otherwise) => match path.find(item) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => otherwise.of(item),
            },
            Self::ListAppend(front, back) => {
                let (front, back) = (front.of(item)?, back.of(item)?);
                Ok(Cow::Owned(operations::append(front, back)?))
            }
        }
    }
}

/// The value that contains the last step of `path`.
fn parent<'v>(updated: &'v mut Item, path: &Path) -> Result<&'v mut AttributeValue, UpdateError> {
    let steps = path.steps.split_last().map_or(&[][..], |(_, steps)| steps);
    let top = updated.get_mut(&path.attribute).ok_or(UpdateError::Path)?;
    steps
        .iter()
        .try_fold(top, |value, step| step.find_mut(value))
        .ok_or(UpdateError::Path)
}

fn set(updated: &mut Item, path: &Path, value: AttributeValue) -> Result<(), UpdateError> {
    let Some(last) = path.steps.last() else {
        updated.insert(path.attribute.clone(), value);
        return Ok(());
    };
    match (last, parent(updated, path)?) {
        (Step::Member(name), AttributeValue::M(members)) => {
            members.insert(name.clone(), value);
        }
        (Step::Element(index), AttributeValue::L(elements)) => match elements.get_mut(*index) {
            Some(element) => *element = value,
            None => elements.push(value),
        },
        _ => return Err(UpdateError::Path),
    }
    Ok(())
}

/// Removes what `apply` found at `path` in the previous item.
fn remove(updated: &mut Item, path: &Path) -> Result<(), UpdateError> {
    let Some(last) = path.steps.last() else {
        updated.remove(&path.attribute);
        return Ok(());
    };
    match (last, parent(updated, path)?) {
        (Step::Member(name), AttributeValue::M(members)) => {
            members.remove(name);
        }
        (Step::Element(index), AttributeValue::L(elements)) if *index < elements.len() => {
            elements.remove(*index);
        }
        _ => return Err(UpdateError::Path),
    }
    Ok(())
}
