//! How a SELECT reads: which partitions, in which order, or everything.

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

/// How a SELECT reads a table or index. It may read more than is selected, so its condition is always checked too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything, in any order.
    Scan,
    /// Parts of these partitions, no two alike, one after the other.
    Query {
        /// Which parts.
        conditions: Vec<ResolvedKeyCondition>,
        /// Whether items of a partition come in descending order.
        is_descending: bool,
    },
}

impl Select {
    /// How to read the table or index whose key this is.
    ///
    /// # Errors
    /// A value of another type than the key's; more than 50 partitions; an order other than the key's.
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
                // Nothing is to be read twice, so the whole partition is read.
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

    /// Whether partitions come in descending order, and whether the items of each do.
    fn directions(&self, keys: &KeySchema, partitions: usize) -> Result<(bool, bool), ExpressionError> {
        let (mut of_partitions, mut of_items) = (None, None);
        for (place, order) in self.order.iter().enumerate() {
            let name = &order.attribute;
            let direction = if keys.partition.iter().any(|part| part.name == *name) {
                &mut of_partitions
            } else if keys.sort.iter().any(|part| part.name == *name) {
                if place == 0 && partitions > 1 {
                    return refuse(
                        "Must have the hash key as the first attribute in ORDER BY clause when selecting from several partitions.",
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

/// Values of the same attributes, one after the other.
fn compare(one: &[AttributeValue], two: &[AttributeValue]) -> Ordering {
    one.iter()
        .zip(two)
        .filter_map(|(one, two)| operations::order(one, two))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// What AND joins in one of the ways in which the condition can be true.
type Alternative = Vec<Predicate>;

/// Ways to make the condition true, each with an equality for every attribute of the partition key. `None` where there are others.
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

/// More alternatives than these are more values of the key than a statement may name.
fn check_count(alternatives: usize) -> Result<(), ExpressionError> {
    if alternatives <= MAX_PARTITIONS {
        return Ok(());
    }
    refuse(format!(
        "The number of values for the hash key exceeds the limit of {MAX_PARTITIONS}; number of values: {alternatives}"
    ))
}

/// What OR joins, or the condition itself.
fn branches(predicate: &Predicate) -> &[Predicate] {
    match predicate {
        Predicate::Or(any) if !any.is_empty() => any,
        other => std::slice::from_ref(other),
    }
}

/// The conjuncts with an equality for the attribute among them: there already, or one alternative for each value of an IN, or for
/// each branch of an OR. `None` where the attribute can have other values.
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
        // They are too many already, so nobody needs the rest of them.
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

/// The conjuncts and one more: the attribute is equal to the value.
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

/// The values that the condition leaves to the attribute: those of an equality or of an IN.
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

/// What of an alternative an index can answer: the equalities of the partition key, those of the leading sort attributes, and one
/// range of the next.
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

/// Whether the condition is a range of values of the attribute.
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
