//! The access path of a SELECT: which partitions it reads, in which order, or a full scan.

use std::{cmp::Ordering, sync::Arc};

use beringia_item::{AttributeValue, KeySchema};

use super::{
    Select,
    pin::{equality, flatten, is_attribute},
};
use crate::{
    ExpressionError, KeyCondition, ResolvedKeyCondition, SortCondition,
    condition::{Comparator, Operand, Predicate},
    limits::MAX_PARTITIONS,
    operations,
};

/// The access path of a SELECT on a table or index. It can read more than is selected, so the
/// condition must still be evaluated on every item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A scan of everything, in any order.
    Scan,
    /// Ranges of the given partitions, one after the other. No two partitions are equal.
    Query {
        /// The key conditions, one per partition.
        conditions: Vec<ResolvedKeyCondition>,
        /// Whether the items of a partition are read in descending order.
        is_descending: bool,
    },
}

impl Select {
    /// Determines the access path for a table or index with the key schema `keys`.
    ///
    /// # Errors
    /// The messages for a value of another type than the key's, for more than 50 partitions, and
    /// for an order that the key does not provide.
    pub fn access(&self, keys: &KeySchema) -> Result<Access, ExpressionError> {
        let alternatives = match &self.filter.0 {
            Some(predicate) => alternatives(predicate, keys)?,
            None => None,
        };
        let Some(alternatives) = alternatives else {
            return match (self.order.is_empty(), &self.filter.0) {
                (true, _) => Ok(Access::Scan),
                (false, None) => refuse("Must have WHERE clause in the statement when using ORDER BY clause."),
                (false, Some(_)) => refuse(
                    "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
                ),
            };
        };
        let mut conditions: Vec<ResolvedKeyCondition> = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            let condition = KeyCondition::of(key_part(&alternative, keys))?.resolve(keys)?;
            let known = conditions
                .iter_mut()
                .find(|known| known.partition == condition.partition);
            match known {
                None => conditions.push(condition),
                Some(known) if *known == condition => {}
                // Nothing may be read twice, so the whole partition is read instead.
                Some(known) => {
                    known.sort_equal.clear();
                    known.sort = SortCondition::Any;
                }
            }
        }
        let (partitions_descending, is_descending) = self.directions(keys, conditions.len())?;
        conditions.sort_by(|one, two| {
            let order = compare(&one.partition, &two.partition);
            if partitions_descending { order.reverse() } else { order }
        });
        Ok(Access::Query {
            conditions,
            is_descending,
        })
    }

    /// Whether partitions are read in descending order, and whether the items of each are.
    fn directions(&self, keys: &KeySchema, partitions: usize) -> Result<(bool, bool), ExpressionError> {
        let (mut of_partitions, mut of_items) = (None, None);
        for (place, order) in self.order.iter().enumerate() {
            let name = &order.attribute;
            let direction = if keys.partition.iter().any(|part| part.name == *name) {
                &mut of_partitions
            } else if keys.sort.iter().any(|part| part.name == *name) {
                if place == 0 && partitions > 1 {
                    return refuse(
                        "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
                    );
                }
                &mut of_items
            } else {
                return refuse(format!(
                    "Variable reference {name} in ORDER BY clause must be part of the primary key"
                ));
            };
            if direction.is_some_and(|known| known != order.is_descending) {
                return refuse("ORDER BY clause must have one direction for all attributes of the same key");
            }
            *direction = Some(order.is_descending);
        }
        Ok((of_partitions.unwrap_or(false), of_items.unwrap_or(false)))
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError(message.into()))
}

/// Compares values of the same attributes lexicographically.
fn compare(one: &[AttributeValue], two: &[AttributeValue]) -> Ordering {
    one.iter()
        .zip(two)
        .filter_map(|(one, two)| operations::order(one, two))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The conjuncts of one way in which the condition can be true.
type Alternative = Vec<Predicate>;

/// The alternatives of the condition, each with an equality for every attribute of the partition
/// key; `None` if other partition keys can meet the condition.
fn alternatives(predicate: &Predicate, keys: &KeySchema) -> Result<Option<Vec<Alternative>>, ExpressionError> {
    let mut found = Vec::new();
    for branch in branches(predicate) {
        let mut conjuncts = Vec::new();
        flatten(branch.clone(), &mut conjuncts);
        let mut open = vec![conjuncts];
        for part in &keys.partition {
            let mut pinned = Vec::new();
            for alternative in open {
                let Some(ways) = ways_to_pin(alternative, &part.name) else {
                    return Ok(None);
                };
                pinned.extend(ways);
                check_count(found.len() + pinned.len())?;
            }
            open = pinned;
        }
        found.extend(open);
        check_count(found.len())?;
    }
    Ok(Some(found))
}

/// Rejects more partition key values than a statement may name.
fn check_count(alternatives: usize) -> Result<(), ExpressionError> {
    if alternatives <= MAX_PARTITIONS {
        return Ok(());
    }
    refuse(format!(
        "The number of values for the hash key exceeds the limit of {MAX_PARTITIONS}; number of values: {alternatives}"
    ))
}

/// The operands of OR, or the condition itself.
fn branches(predicate: &Predicate) -> &[Predicate] {
    match predicate {
        Predicate::Or(any) if !any.is_empty() => any,
        other => std::slice::from_ref(other),
    }
}

/// The alternatives of the conjuncts with an equality for the attribute: the conjuncts themselves
/// if they contain one, else one alternative per value of an IN or per branch of an OR. `None` if
/// the attribute can have other values.
fn ways_to_pin(conjuncts: Alternative, attribute: &str) -> Option<Vec<Alternative>> {
    if conjuncts.iter().any(|conjunct| equality(conjunct, attribute).is_some()) {
        return Some(vec![conjuncts]);
    }
    let (place, ways) = conjuncts.iter().enumerate().find_map(|(place, conjunct)| {
        let ways = match conjunct {
            Predicate::Or(any) if !any.is_empty() => any
                .iter()
                .map(|branch| {
                    let mut inner = Vec::new();
                    flatten(branch.clone(), &mut inner);
                    let values = inner.iter().find_map(|conjunct| values_of(conjunct, attribute))?;
                    Some(
                        values
                            .into_iter()
                            .map(move |value| with(inner.clone(), attribute, value)),
                    )
                })
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect(),
            leaf => values_of(leaf, attribute)?
                .into_iter()
                .map(|value| with(Vec::new(), attribute, value))
                .collect::<Vec<_>>(),
        };
        Some((place, ways))
    })?;
    if ways.len() > MAX_PARTITIONS {
        // There are too many already, and the statement will be rejected.
        return Some(ways);
    }
    let mut others = conjuncts;
    others.remove(place);
    let way = |mut way: Alternative| {
        way.extend(others.iter().cloned());
        way
    };
    Some(ways.into_iter().map(way).collect())
}

/// The conjuncts with the additional equality of attribute and value.
fn with(mut conjuncts: Alternative, attribute: &str, value: Arc<AttributeValue>) -> Alternative {
    conjuncts.insert(
        0,
        Predicate::Compare {
            comparator: Comparator::Equal,
            left: Operand::Path(crate::path::Path {
                attribute: attribute.to_owned(),
                steps: Vec::new(),
            }),
            right: Operand::Value(value),
        },
    );
    conjuncts
}

/// The values that the condition allows for the attribute: those of an equality or of an IN.
fn values_of(predicate: &Predicate, attribute: &str) -> Option<Vec<Arc<AttributeValue>>> {
    match predicate {
        Predicate::In {
            operand: Operand::Path(path),
            candidates,
        } if is_attribute(path, attribute) => candidates
            .iter()
            .map(|candidate| match candidate {
                Operand::Value(value) => Some(Arc::clone(value)),
                _ => None,
            })
            .collect(),
        leaf => equality(leaf, attribute).map(|value| vec![Arc::new(value.clone())]),
    }
}

/// The part of an alternative that an index can answer: the equalities of the partition key, those
/// of the leading sort attributes, and one range of the next sort attribute.
fn key_part(alternative: &[Predicate], keys: &KeySchema) -> Predicate {
    let equal = |name: &str| alternative.iter().find(|conjunct| equality(conjunct, name).is_some());
    let mut taken: Vec<Predicate> = keys
        .partition
        .iter()
        .filter_map(|part| equal(&part.name))
        .cloned()
        .collect();
    for part in &keys.sort {
        if let Some(conjunct) = equal(&part.name) {
            taken.push(conjunct.clone());
            continue;
        }
        let range = alternative.iter().find(|conjunct| is_range(conjunct, &part.name));
        taken.extend(range.cloned());
        break;
    }
    Predicate::And(taken)
}

/// Whether the condition restricts the attribute to a range.
fn is_range(predicate: &Predicate, attribute: &str) -> bool {
    let is_it = |operand: &Operand| matches!(operand, Operand::Path(path) if is_attribute(path, attribute));
    let is_value = |operand: &Operand| matches!(operand, Operand::Value(_));
    match predicate {
        Predicate::Compare {
            comparator: Comparator::Less | Comparator::LessOrEqual | Comparator::Greater | Comparator::GreaterOrEqual,
            left,
            right,
        } => (is_it(left) && is_value(right)) || (is_value(left) && is_it(right)),
        Predicate::Between { operand, low, high } => is_it(operand) && is_value(low) && is_value(high),
        Predicate::BeginsWith(operand, prefix) => is_it(operand) && is_value(prefix),
        _ => false,
    }
}
