//! Legacy request parameters: conditions, key conditions, projections and updates that name one
//! top-level attribute each. They are converted to what expressions parse to, so there is one
//! evaluator for both.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::AttributeValue;

use crate::{
    Condition, ExpressionError, KeyCondition, Projection, Update,
    condition::{Comparator, Operand, Predicate},
    limits::MAX_NAME_BYTES,
    operations,
    path::Path,
};

/// The operator that compares an attribute (`ComparisonOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComparisonOperator {
    /// Equal to one of several strings, numbers or binaries.
    In,
    /// The attribute is absent. Unrelated to the type NULL.
    Null,
    /// Between two values, both included.
    Between,
    /// Less than the value.
    Less,
    /// Present, and does not contain the value.
    NotContains,
    /// Equal to the value.
    Equal,
    /// Greater than the value.
    Greater,
    /// The attribute is present.
    NotNull,
    /// Not equal to the value, or absent.
    NotEqual,
    /// Less than or equal to the value.
    LessOrEqual,
    /// Begins with the value.
    BeginsWith,
    /// Greater than or equal to the value.
    GreaterOrEqual,
    /// Contains the value: a substring in a string, an element in a set or list.
    Contains,
}

impl ComparisonOperator {
    /// All comparisons, in the order in which messages list their names.
    const ALL: [Self; 13] = [
        Self::In,
        Self::Null,
        Self::Between,
        Self::Less,
        Self::NotContains,
        Self::Equal,
        Self::Greater,
        Self::NotNull,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::BeginsWith,
        Self::GreaterOrEqual,
        Self::Contains,
    ];

    /// The names of all comparisons, in the order in which messages list them.
    pub const NAMES: &'static [&'static str] = &{
        let mut names = [""; Self::ALL.len()];
        let mut place = 0;
        while place < names.len() {
            names[place] = Self::ALL[place].as_str();
            place += 1;
        }
        names
    };

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Null => "NULL",
            Self::Between => "BETWEEN",
            Self::Less => "LT",
            Self::NotContains => "NOT_CONTAINS",
            Self::Equal => "EQ",
            Self::Greater => "GT",
            Self::NotNull => "NOT_NULL",
            Self::NotEqual => "NE",
            Self::LessOrEqual => "LE",
            Self::BeginsWith => "BEGINS_WITH",
            Self::GreaterOrEqual => "GE",
            Self::Contains => "CONTAINS",
        }
    }

    /// The comparison with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparison| comparison.as_str() == name)
    }

    /// Whether the comparison takes this number of values.
    const fn takes(self, values: usize) -> bool {
        match self {
            Self::Null | Self::NotNull => values == 0,
            Self::Between => values == 2,
            Self::In => values > 0,
            _ => values == 1,
        }
    }

    /// Whether the comparison accepts values of this type.
    const fn fits(self, value: &AttributeValue) -> bool {
        let text = matches!(value, AttributeValue::S(_) | AttributeValue::B(_));
        match self {
            Self::Equal | Self::NotEqual | Self::Null | Self::NotNull => true,
            Self::BeginsWith => text,
            _ => text || matches!(value, AttributeValue::N(_)),
        }
    }
}

/// A comparison and the values to compare an attribute with.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeTest {
    /// The operator of the test.
    pub comparison: ComparisonOperator,
    /// The operands, as many as the comparison takes.
    pub values: Vec<AttributeValue>,
}

/// The action on an attribute in `AttributeUpdates`.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeChange {
    /// Sets the attribute to this value.
    Put(AttributeValue),
    /// Adds to a number, unites with a set, or appends to a list.
    Add(AttributeValue),
    /// Removes the attribute from the item.
    Remove,
    /// Removes these elements from a set.
    Delete(AttributeValue),
}

fn invalid(what: impl std::fmt::Display) -> ExpressionError {
    ExpressionError(format!("One or more parameter values were invalid: {what}"))
}

/// The path of a top-level attribute, whose name must be a valid attribute name.
fn top_level(attribute: String) -> Result<Path, ExpressionError> {
    match attribute.len() {
        0 => Err(invalid("Empty attribute name")),
        1..=MAX_NAME_BYTES => Ok(Path {
            attribute,
            steps: Vec::new(),
        }),
        _ => Err(invalid("Attribute name is too large, must be less than 65536 bytes")),
    }
}

impl AttributeTest {
    /// Rejects a wrong number of values, and values that the operator cannot compare.
    fn check(&self) -> Result<(), ExpressionError> {
        let name = self.comparison.as_str();
        if !self.comparison.takes(self.values.len()) {
            return Err(invalid(format!(
                "Invalid number of argument(s) for the {name} ComparisonOperator"
            )));
        }
        if let Some(value) = self.values.iter().find(|value| !self.comparison.fits(value)) {
            let kind = value.type_name();
            return Err(invalid(format!(
                "ComparisonOperator {name} is not valid for {kind} AttributeValue type"
            )));
        }
        if self
            .values
            .windows(2)
            .any(|pair| pair[0].type_name() != pair[1].type_name())
        {
            return Err(invalid(
                "AttributeValues inside AttributeValueList must be of same type",
            ));
        }
        if let (ComparisonOperator::Between, [low, high]) = (self.comparison, self.values.as_slice())
            && operations::order(low, high).is_some_and(std::cmp::Ordering::is_gt)
        {
            return Err(ExpressionError(
                "The BETWEEN condition was provided a range where the lower bound is bigger than the upper bound"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The predicate that applies this test to an attribute.
    pub(crate) fn predicate(self, attribute: String) -> Result<Predicate, ExpressionError> {
        self.check()?;
        let path = top_level(attribute)?;
        let operand = Operand::Path(path.clone());
        let mut values = self.values.into_iter().map(|value| Operand::Value(Arc::new(value)));
        let mut value = || {
            values
                .next()
                .ok_or_else(|| invalid("a ComparisonOperator has too few values"))
        };
        let comparator = match self.comparison {
            ComparisonOperator::Equal => Comparator::Equal,
            ComparisonOperator::NotEqual => Comparator::NotEqual,
            ComparisonOperator::Less => Comparator::Less,
            ComparisonOperator::LessOrEqual => Comparator::LessOrEqual,
            ComparisonOperator::Greater => Comparator::Greater,
            ComparisonOperator::GreaterOrEqual => Comparator::GreaterOrEqual,
            ComparisonOperator::Null => return Ok(Predicate::NotExists(path)),
            ComparisonOperator::NotNull => return Ok(Predicate::Exists(path)),
            ComparisonOperator::Contains => return Ok(Predicate::Contains(operand, value()?)),
            ComparisonOperator::NotContains => {
                let contains = Predicate::Contains(operand, value()?);
                let not_contained = Predicate::Not(Box::new(contains));
                return Ok(Predicate::And(vec![Predicate::Exists(path), not_contained]));
            }
            ComparisonOperator::BeginsWith => return Ok(Predicate::BeginsWith(operand, value()?)),
            ComparisonOperator::Between => {
                let (low, high) = (value()?, value()?);
                return Ok(Predicate::Between { operand, low, high });
            }
            ComparisonOperator::In => {
                let candidates = values.collect();
                return Ok(Predicate::In { operand, candidates });
            }
        };
        Ok(Predicate::Compare {
            comparator,
            left: operand,
            right: value()?,
        })
    }
}

impl Condition {
    /// Builds a condition or filter from tests on attributes. All of them must hold, or at least
    /// one if `any` is set. `None` if there are no tests.
    ///
    /// # Errors
    /// DynamoDB's message for a test with too few, too many or unsuitable values.
    pub fn of_attributes(tests: BTreeMap<String, AttributeTest>, any: bool) -> Result<Option<Self>, ExpressionError> {
        if tests.is_empty() {
            return Ok(None);
        }
        let predicates = tests
            .into_iter()
            .map(|(attribute, test)| test.predicate(attribute))
            .collect::<Result<_, _>>()?;
        Ok(Some(Self::of(if any {
            Predicate::Or(predicates)
        } else {
            Predicate::And(predicates)
        })))
    }
}

impl KeyCondition {
    /// Builds a key condition from tests on key attributes.
    ///
    /// # Errors
    /// DynamoDB's message for a test with too few, too many or unsuitable values, and for one that
    /// no index can answer.
    pub fn of_attributes(tests: BTreeMap<String, AttributeTest>) -> Result<Self, ExpressionError> {
        let mut predicates = Vec::with_capacity(tests.len());
        for (attribute, test) in tests {
            let indexable = matches!(
                test.comparison,
                ComparisonOperator::Equal
                    | ComparisonOperator::Less
                    | ComparisonOperator::LessOrEqual
                    | ComparisonOperator::Greater
                    | ComparisonOperator::GreaterOrEqual
                    | ComparisonOperator::Between
                    | ComparisonOperator::BeginsWith
            );
            predicates.push(test.predicate(attribute)?);
            if !indexable {
                return Err(ExpressionError(
                    "Attempted conditional constraint is not an indexable operation".to_owned(),
                ));
            }
        }
        Self::of(Predicate::And(predicates))
    }
}

impl Projection {
    /// Builds a projection of top-level attributes.
    ///
    /// # Errors
    /// DynamoDB's message if an attribute is named twice.
    pub fn of_attributes(names: Vec<String>) -> Result<Self, ExpressionError> {
        let mut paths = Vec::with_capacity(names.len());
        for attribute in names {
            let path = top_level(attribute)?;
            if paths.contains(&path) {
                let name = path.attribute;
                return Err(invalid(format!("Duplicate value in attribute name: {name}")));
            }
            paths.push(path);
        }
        Ok(Self::of(&paths))
    }
}

impl Update {
    /// Builds an update from changes of attributes; `None` if there are no changes.
    ///
    /// # Errors
    /// DynamoDB's message for a value that cannot be added or deleted.
    pub fn of_attributes(changes: BTreeMap<String, AttributeChange>) -> Result<Option<Self>, ExpressionError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let mut checked = Vec::with_capacity(changes.len());
        for (attribute, change) in changes {
            change.check()?;
            checked.push((top_level(attribute)?, change));
        }
        Ok(Some(Self::of_changes(checked)))
    }
}

impl AttributeChange {
    fn check(&self) -> Result<(), ExpressionError> {
        let set = |value: &AttributeValue| {
            matches!(
                value,
                AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)
            )
        };
        let addable =
            |value: &AttributeValue| set(value) || matches!(value, AttributeValue::N(_) | AttributeValue::L(_));
        match self {
            Self::Add(value) if !addable(value) => Err(invalid(format!(
                "ADD action is not supported for the type {}",
                value.type_name()
            ))),
            Self::Delete(value) if !set(value) => Err(invalid(format!(
                "DELETE action with value is not supported for the type {}",
                value.type_name()
            ))),
            _ => Ok(()),
        }
    }
}
