//! Evaluates conditions on items, without copying the item.

use std::borrow::Cow;

use beringia_item::{AttributeValue, Item};

use super::{Comparator, Operand, Predicate};
use crate::operations;

impl Predicate {
    /// Whether the predicate holds for `item`. Recurses as deep as the expression nests, which the
    /// parser bounds.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(all) => all.iter().all(|inner| inner.holds(item)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare {
                comparator,
                left,
                right,
            } => compare(*comparator, left, right, item),
            Self::Between { operand, low, high } => {
                compare(Comparator::GreaterOrEqual, operand, low, item)
                    && compare(Comparator::LessOrEqual, operand, high, item)
            }
            Self::In { operand, candidates } => operand.of(item).is_some_and(|value| {
                candidates
                    .iter()
                    .any(|candidate| candidate.of(item).as_ref() == Some(&value))
            }),
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::HasType(operand, name) => operand.of(item).is_some_and(|value| value.type_name() == *name),
            Self::BeginsWith(value, prefix) => both(value, prefix, item, operations::begins_with),
            Self::Contains(container, value) => both(container, value, item, operations::contains),
        }
    }
}

impl Operand {
    /// The operand's value in `item`, if there is one.
    fn of<'v>(&'v self, item: &'v Item) -> Option<Cow<'v, AttributeValue>> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(inner) => operations::size(&*inner.of(item)?)
                .map(AttributeValue::N)
                .map(Cow::Owned),
        }
    }
}

fn compare(comparator: Comparator, left: &Operand, right: &Operand, item: &Item) -> bool {
    let (Some(left), Some(right)) = (left.of(item), right.of(item)) else {
        return comparator == Comparator::NotEqual;
    };
    let order = || operations::order(&left, &right);
    match comparator {
        Comparator::Equal => left == right,
        Comparator::NotEqual => left != right,
        Comparator::Less => order().is_some_and(|order| order.is_lt()),
        Comparator::LessOrEqual => order().is_some_and(|order| order.is_le()),
        Comparator::Greater => order().is_some_and(|order| order.is_gt()),
        Comparator::GreaterOrEqual => order().is_some_and(|order| order.is_ge()),
    }
}

fn both(left: &Operand, right: &Operand, item: &Item, test: fn(&AttributeValue, &AttributeValue) -> bool) -> bool {
    match (left.of(item), right.of(item)) {
        (Some(left), Some(right)) => test(&left, &right),
        _ => false,
    }
}
