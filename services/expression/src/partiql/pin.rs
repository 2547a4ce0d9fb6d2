//! Statements about one item: which item the WHERE clause selects, and the rest of the clause.

use beringia_item::{AttributeValue, Item, KeySchema};

use super::Where;
use crate::{
    Condition, ExpressionError,
    condition::{Comparator, Operand, Predicate},
    path::Path,
};

/// The only item that a WHERE clause can select.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The item's primary key, whose attributes all equal a literal or parameter in the clause.
    pub key: Item,
    /// The conditions on the item besides its key.
    rest: Vec<Predicate>,
    /// The attribute whose presence shows that the item exists.
    partition: Path,
}

impl Pin {
    /// Whether the clause has conditions besides the key.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The condition that the item exists and meets the rest of the clause.
    #[must_use]
    pub fn required(self) -> Condition {
        let mut all = vec![Predicate::Exists(self.partition)];
        all.extend(self.rest);
        Condition::of(Predicate::And(all))
    }

    /// The condition that the item, if it exists, meets the rest of the clause; `None` if there is
    /// no rest.
    #[must_use]
    pub fn where_there(self) -> Option<Condition> {
        let Self { rest, partition, .. } = self;
        (!rest.is_empty()).then(|| {
            Condition::of(Predicate::Or(vec![
                Predicate::NotExists(partition),
                Predicate::And(rest),
            ]))
        })
    }

    /// The condition that the item does not exist.
    #[must_use]
    pub fn absent(keys: &KeySchema) -> Condition {
        Condition::of(Predicate::NotExists(partition_path(keys)))
    }
}

impl Where {
    /// Determines the only item that the clause can select. The clause must be a conjunction with
    /// an equality for every key attribute.
    ///
    /// # Errors
    /// `Where clause does not contain a mandatory equality on all key attributes`.
    pub fn pin(self, keys: &KeySchema) -> Result<Pin, ExpressionError> {
        let mut rest = Vec::new();
        if let Some(predicate) = self.0 {
            flatten(predicate, &mut rest);
        }
        let mut key = Item::new();
        for part in keys.partition.iter().chain(&keys.sort) {
            let value = rest
                .iter()
                .position(|conjunct| equality(conjunct, &part.name).is_some())
                .and_then(|place| equality(&rest.remove(place), &part.name).cloned());
            let Some(value) = value else {
                return Err(ExpressionError(
                    "Where clause does not contain a mandatory equality on all key attributes".to_owned(),
                ));
            };
            key.insert(part.name.clone(), value);
        }
        Ok(Pin {
            key,
            rest,
            partition: partition_path(keys),
        })
    }
}

fn partition_path(keys: &KeySchema) -> Path {
    Path {
        attribute: keys.partition.first().map(|part| part.name.clone()).unwrap_or_default(),
        steps: Vec::new(),
    }
}

/// Flattens nested ANDs into a list.
pub(super) fn flatten(predicate: Predicate, into: &mut Vec<Predicate>) {
    match predicate {
        Predicate::And(all) => all.into_iter().for_each(|inner| flatten(inner, into)),
        other => into.push(other),
    }
}

/// The value that the condition requires the top-level attribute to be equal to.
pub(super) fn equality<'p>(predicate: &'p Predicate, attribute: &str) -> Option<&'p AttributeValue> {
    let Predicate::Compare {
        comparator: Comparator::Equal,
        left,
        right,
    } = predicate
    else {
        return None;
    };
    match (left, right) {
        (Operand::Path(path), Operand::Value(value)) | (Operand::Value(value), Operand::Path(path))
            if is_attribute(path, attribute) =>
        {
            Some(value)
        }
        _ => None,
    }
}

pub(super) fn is_attribute(path: &Path, attribute: &str) -> bool {
    path.steps.is_empty() && path.attribute == attribute
}
