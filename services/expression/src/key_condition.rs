//! Key conditions: the conditions of a Query on the key, checked against a key schema.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{AttributeValue, KeyPart, KeySchema, KeyType};

use crate::{
    ExpressionError, Placeholders,
    condition::{Comparator, Operand, Predicate, condition},
    error::Kind,
    path::Path,
};

/// The keys that a Query selects, by attribute.
#[derive(Debug, Clone)]
pub struct KeyCondition(BTreeMap<String, Test>);

/// The condition on one key attribute.
#[derive(Debug, Clone)]
enum Test {
    Equal(AttributeValue),
    Sort(SortCondition),
}

/// The condition on the sort attribute after those with an equality. Bounds have the type of that
/// attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortCondition {
    /// Any value, or there is no further attribute.
    Any,
    /// Less than this bound.
    Less(AttributeValue),
    /// Less than or equal to this bound.
    LessOrEqual(AttributeValue),
    /// Greater than this bound.
    Greater(AttributeValue),
    /// Greater than or equal to this bound.
    GreaterOrEqual(AttributeValue),
    /// Both bounds included; the first is not greater than the second.
    Between(AttributeValue, AttributeValue),
    /// A string or binary that begins with this prefix.
    BeginsWith(AttributeValue),
}

/// A key condition that fits a key schema, with values in the schema's order and of its types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedKeyCondition {
    /// A value for every partition attribute.
    pub partition: Vec<AttributeValue>,
    /// The values of the leading sort attributes with an equality: none, some or all of them.
    pub sort_equal: Vec<AttributeValue>,
    /// The condition on the next sort attribute. Never an equality, which would be in `sort_equal`.
    pub sort: SortCondition,
}

impl KeyCondition {
    /// Parses and checks `text`, as far as that is possible without a key schema.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid KeyConditionExpression: …`.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        Self::of(crate::parser::parse(text, Kind::KeyCondition, placeholders, condition)?)
    }

    pub(crate) fn of(predicate: Predicate) -> Result<Self, ExpressionError> {
        let mut tests = BTreeMap::new();
        collect(predicate, &mut tests).map_err(|error| Kind::KeyCondition.refuse(error))?;
        Ok(Self(tests))
    }

    /// Resolves the condition against the key schema `keys`.
    ///
    /// # Errors
    /// `Query condition missed key schema element: …`, `Query key condition not supported`, and the
    /// messages for a value of another type than the key's, an empty value, and a condition on an
    /// attribute that is not part of the key.
    pub fn resolve(mut self, keys: &KeySchema) -> Result<ResolvedKeyCondition, ExpressionError> {
        self.check_count(keys)?;
        self.check_types(keys)?;
        let partition = keys
            .partition
            .iter()
            .map(|part| self.take_partition(part, keys))
            .collect::<Result<_, _>>()?;
        let (sort_equal, sort) = self.take_sort(keys)?;
        Ok(ResolvedKeyCondition {
            partition,
            sort_equal,
            sort,
        })
    }

    fn check_count(&self, keys: &KeySchema) -> Result<(), ExpressionError> {
        let conditions = self.0.len();
        let parts = keys.partition.len() + keys.sort.len();
        if conditions > parts.max(2) {
            let most = parts.max(2);
            return Err(error(match most {
                2 => "Conditions can be of length 1 or 2 only".to_owned(),
                most => format!("Conditions can be of length 1 to {most} only"),
            }));
        }
        if conditions > parts {
            return Err(error("Query key condition not supported"));
        }
        Ok(())
    }

    fn check_types(&self, keys: &KeySchema) -> Result<(), ExpressionError> {
        for part in keys.partition.iter().chain(&keys.sort) {
            for value in self.0.get(&part.name).into_iter().flat_map(Test::values) {
                if value.type_name() != key_type_name(part.kind) {
                    return Err(error(
                        "One or more parameter values were invalid: Condition parameter type does not match schema type",
                    ));
                }
            }
            match self.0.get(&part.name) {
                Some(Test::Equal(value)) => check_not_empty(part, value)?,
                Some(Test::Sort(SortCondition::BeginsWith(_))) if part.kind == KeyType::N => {
                    return Err(Kind::KeyCondition.refuse(
                        "Incorrect operand type for operator or function; operator or function: begins_with, \
                         operand type: N",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_partition(&mut self, part: &KeyPart, keys: &KeySchema) -> Result<AttributeValue, ExpressionError> {
        match self.0.remove(&part.name) {
            Some(Test::Equal(value)) => Ok(value),
            found if keys.partition.len() > 1 => {
                let what = if found.is_some() {
                    "has another condition"
                } else {
                    "has no condition"
                };
                let name = &part.name;
                Err(error(format!(
                    "Query key condition not supported: all HASH key attributes need an equality condition, {name} {what}"
                )))
            }
            Some(_) => Err(error("Query key condition not supported")),
            None => Err(error(format!(
                "Query condition missed key schema element: {}",
                part.name
            ))),
        }
    }

    fn take_sort(&mut self, keys: &KeySchema) -> Result<(Vec<AttributeValue>, SortCondition), ExpressionError> {
        let mut equal = Vec::new();
        let mut sort = SortCondition::Any;
        for part in &keys.sort {
            match self.0.remove(&part.name) {
                Some(Test::Equal(value)) => equal.push(value),
                Some(Test::Sort(condition)) => {
                    sort = condition;
                    break;
                }
                None => break,
            }
        }
        match (self.0.keys().next(), keys.sort.as_slice()) {
            (None, _) => Ok((equal, sort)),
            (Some(_), [only]) => Err(error(format!(
                "Query condition missed key schema element: {}",
                only.name
            ))),
            (Some(name), sort) if sort.iter().any(|part| part.name == *name) => Err(error(format!(
                "Query key condition not supported: RANGE key attributes before {name} need an equality condition"
            ))),
            (Some(name), _) => Err(error(format!(
                "Query key condition not supported: {name} is no HASH or RANGE key attribute"
            ))),
        }
    }
}

impl Test {
    /// The values that must have the attribute's type.
    fn values(&self) -> impl Iterator<Item = &AttributeValue> {
        let (first, second) = match self {
            Self::Equal(value)
            | Self::Sort(
                SortCondition::Less(value)
                | SortCondition::LessOrEqual(value)
                | SortCondition::Greater(value)
                | SortCondition::GreaterOrEqual(value)
                | SortCondition::BeginsWith(value),
            ) => (Some(value), None),
            Self::Sort(SortCondition::Between(low, high)) => (Some(low), Some(high)),
            Self::Sort(SortCondition::Any) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

fn error(message: impl Into<String>) -> ExpressionError {
    ExpressionError(message.into())
}

const fn key_type_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::S => "S",
        KeyType::N => "N",
        KeyType::B => "B",
    }
}

fn check_not_empty(part: &KeyPart, value: &AttributeValue) -> Result<(), ExpressionError> {
    let what = match value {
        AttributeValue::S(text) if text.is_empty() => "string",
        AttributeValue::B(bytes) if bytes.is_empty() => "binary",
        _ => return Ok(()),
    };
    let name = &part.name;
    Err(error(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
         {what} value. Key: {name}"
    )))
}

/// Why no index can answer a condition, with DynamoDB's messages.
#[derive(Debug, thiserror::Error)]
enum Unanswerable {
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    Operator(&'static str),
    #[error(
        "Invalid condition in KeyConditionExpression: {0} operator must have the key attribute as its first operand"
    )]
    FirstOperand(&'static str),
    #[error("KeyConditionExpressions must only contain one condition per key")]
    SecondCondition,
    #[error("KeyConditionExpressions cannot contain nested operations")]
    NestedOperation,
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    SecondAttribute,
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    NestedAttribute,
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    NoAttribute,
}

/// Splits a conjunction into its tests; an index must be able to answer each of them.
fn collect(predicate: Predicate, tests: &mut BTreeMap<String, Test>) -> Result<(), Unanswerable> {
    let (attribute, test) = match predicate {
        Predicate::And(all) => return all.into_iter().try_for_each(|inner| collect(inner, tests)),
        Predicate::Or(_) => return Err(Unanswerable::Operator("OR")),
        Predicate::Not(_) => return Err(Unanswerable::Operator("NOT")),
        Predicate::In { .. } => return Err(Unanswerable::Operator("IN")),
        Predicate::Exists(_) => return Err(Unanswerable::Operator("attribute_exists")),
        Predicate::NotExists(_) => return Err(Unanswerable::Operator("attribute_not_exists")),
        Predicate::HasType(..) => return Err(Unanswerable::Operator("attribute_type")),
        Predicate::Contains(..) => return Err(Unanswerable::Operator("contains")),
        Predicate::Compare {
            comparator,
            left,
            right,
        } => {
            let attribute_first = matches!(left, Operand::Path(_));
            let test: fn(AttributeValue) -> Test = match if attribute_first {
                comparator
            } else {
                comparator.exchanged()
            } {
                Comparator::Equal => Test::Equal,
                Comparator::NotEqual => return Err(Unanswerable::Operator("<>")),
                Comparator::Less => |value| Test::Sort(SortCondition::Less(value)),
                Comparator::LessOrEqual => |value| Test::Sort(SortCondition::LessOrEqual(value)),
                Comparator::Greater => |value| Test::Sort(SortCondition::Greater(value)),
                Comparator::GreaterOrEqual => |value| Test::Sort(SortCondition::GreaterOrEqual(value)),
            };
            let (path, [value]) = sides([left, right])?;
            (path.attribute, test(value))
        }
        Predicate::Between { operand, low, high } => {
            check_first_operand("BETWEEN", &operand)?;
            let (path, [low, high]) = sides([operand, low, high])?;
            (path.attribute, Test::Sort(SortCondition::Between(low, high)))
        }
        Predicate::BeginsWith(value, prefix) => {
            check_first_operand("begins_with", &value)?;
            let (path, [prefix]) = sides([value, prefix])?;
            (path.attribute, Test::Sort(SortCondition::BeginsWith(prefix)))
        }
    };
    match tests.insert(attribute, test) {
        None => Ok(()),
        Some(_) => Err(Unanswerable::SecondCondition),
    }
}

fn check_first_operand(operator: &'static str, operand: &Operand) -> Result<(), Unanswerable> {
    match operand {
        Operand::Value(_) => Err(Unanswerable::FirstOperand(operator)),
        _ => Ok(()),
    }
}

/// The only attribute among the operands of a condition, and the values.
fn sides<const OPERANDS: usize, const VALUES: usize>(
    operands: [Operand; OPERANDS],
) -> Result<(Path, [AttributeValue; VALUES]), Unanswerable> {
    let mut attribute = None;
    let mut values = Vec::new();
    for operand in operands {
        match operand {
            Operand::Value(value) => values.push(Arc::unwrap_or_clone(value)),
            Operand::Size(_) => return Err(Unanswerable::NestedOperation),
            Operand::Path(_) if attribute.is_some() => return Err(Unanswerable::SecondAttribute),
            Operand::Path(path) if path.parts() > 1 => return Err(Unanswerable::NestedAttribute),
            Operand::Path(path) => attribute = Some(path),
        }
    }
    match (attribute, values.try_into()) {
        (Some(path), Ok(values)) => Ok((path, values)),
        _ => Err(Unanswerable::NoAttribute),
    }
}
