//! Classifies what an update does to attributes, regardless of the resulting values: additions and
//! assignments.

use beringia_item::{AttributeValue, Item, Number, Touch, Touched};

use super::{Action, Change, Operand, Source};
use crate::path::Path;

/// The effect by top-level attribute. A change inside an attribute counts as an assignment of the
/// attribute.
pub(super) fn touches(actions: &[Action], before: &Item) -> Touched {
    actions
        .iter()
        .map(|Action { path, change }| {
            let addition = path.steps.is_empty().then(|| addition(path, change, before)).flatten();
            (path.attribute.clone(), addition.unwrap_or(Touch::Assign))
        })
        .collect()
}

/// The elements or amount that a change of a whole attribute adds to it or removes from it; `None`
/// for other changes.
fn addition(path: &Path, change: &Change, before: &Item) -> Option<Touch> {
    match change {
        Change::Add(value) => Some(match **value {
            AttributeValue::N(number) => Touch::Add(number),
            _ => Touch::Unite(AttributeValue::clone(value)),
        }),
        Change::Delete(members) => Some(Touch::Subtract(AttributeValue::clone(members))),
        Change::Set(Source::Sum(left, right)) => {
            let other = if left.is_value_at(path, before) { right } else { left };
            let itself = if left.is_value_at(path, before) { left } else { right };
            let number = itself.is_value_at(path, before).then(|| other.amount(path, before))??;
            Some(Touch::Add(number))
        }
        Change::Set(Source::Difference(left, right)) if left.is_value_at(path, before) => {
            Some(Touch::Add(right.amount(path, before)?.negated()))
        }
        Change::Set(_) | Change::Remove => None,
    }
}

impl Operand {
    /// Whether the operand is the value at `path`, or zero if there is none.
    fn is_value_at(&self, path: &Path, before: &Item) -> bool {
        match self {
            Self::Path(named) => named == path,
            Self::IfNotExists(named, otherwise) if named == path => {
                path.find(before).is_some()
                    || matches!(otherwise.of(before).as_deref(), Ok(AttributeValue::N(Number::ZERO)))
            }
            _ => false,
        }
    }

    /// The operand's number, if it does not depend on the value at `path`.
    fn amount(&self, path: &Path, before: &Item) -> Option<Number> {
        if self.mentions(path) {
            return None;
        }
        match self.of(before).as_deref() {
            Ok(AttributeValue::N(number)) => Some(*number),
            _ => None,
        }
    }

    fn mentions(&self, path: &Path) -> bool {
        match self {
            Self::Path(named) => named == path,
            Self::Value(_) => false,
            Self::IfNotExists(named, otherwise) => named == path || otherwise.mentions(path),
            Self::ListAppend(front, back) => front.mentions(path) || back.mentions(path),
        }
    }
}
