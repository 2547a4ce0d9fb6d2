//! The request forms that were before expressions: conditions, key conditions, projections and updates that name one top-level
//! attribute each. They are made into what expressions are made of, so there is one evaluator.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::AttributeValue;

use crate::{
    Condition, ExpressionError, KeyCondition, Projection, Update,
    condition::{Comparator, Operand, Predicate},
    limits::MAX_NAME_BYTES,
    operations,
    path::Path,
};

/// How an attribute is compared (`ComparisonOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// One of several strings, numbers or binaries.
    In,
    /// The attribute is not there. It has nothing to do with the type NULL.
    Null,
    /// From the first to the second value.
    Between,
    /// Below the value.
    Less,
    /// Does not hold the value, but is there.
    NotContains,
    /// The same value.
    Equal,
    /// Above the value.
    Greater,
    /// The attribute is there.
    NotNull,
    /// Another value, or not there.
    NotEqual,
    /// Not above the value.
    LessOrEqual,
    /// Begins with the value.
    BeginsWith,
    /// Not below the value.
    GreaterOrEqual,
    /// Holds the value: a text in a text, an element in a set or list.
    Contains,
}

impl Comparison {
    /// All of them, in the order in which messages list their names.
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

    /// The names of all, in the order in which messages list them.
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

    /// Whether it takes so many values.
    const fn takes(self, values: usize) -> bool {
        match self {
            Self::Null | Self::NotNull => values == 0,
            Self::Between => values == 2,
            Self::In => values > 0,
            _ => values == 1,
        }
    }

    /// Whether it takes values of that type.
    const fn fits(self, value: &AttributeValue) -> bool {
        let text = matches!(value, AttributeValue::S(_) | AttributeValue::B(_));
        match self {
            Self::Equal | Self::NotEqual | Self::Null | Self::NotNull => true,
            Self::BeginsWith => text,
            _ => text || matches!(value, AttributeValue::N(_)),
        }
    }
}

/// What an attribute is compared with, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeTest {
    /// How.
    pub comparison: Comparison,
    /// With what: as many values as the comparison takes.
    pub values: Vec<AttributeValue>,
}

/// What an update does to an attribute (`AttributeUpdates`).
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeChange {
    /// It becomes this value.
    Put(AttributeValue),
    /// A number is added, a set united with it, a list appended to it.
    Add(AttributeValue),
    /// It goes.
    Remove,
    /// These elements of a set go.
    Delete(AttributeValue),
}

fn invalid(what: impl std::fmt::Display) -> ExpressionError {
    ExpressionError(format!("One or more parameter values were invalid: {what}"))
}

/// A top-level attribute of that name, which must be one that an attribute can have.
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
    /// Refuses too few or too many values, and values that cannot be compared so.
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
                "AttributeValues inside AttributeValueList must all be of the same type",
            ));
        }
        if let (Comparison::Between, [low, high]) = (self.comparison, self.values.as_slice())
            && operations::order(low, high).is_some_and(std::cmp::Ordering::is_gt)
        {
            return Err(ExpressionError(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What it says of an attribute.
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
            Comparison::Equal => Comparator::Equal,
            Comparison::NotEqual => Comparator::NotEqual,
            Comparison::Less => Comparator::Less,
            Comparison::LessOrEqual => Comparator::LessOrEqual,
            Comparison::Greater => Comparator::Greater,
            Comparison::GreaterOrEqual => Comparator::GreaterOrEqual,
            Comparison::Null => return Ok(Predicate::NotExists(path)),
            Comparison::NotNull => return Ok(Predicate::Exists(path)),
            Comparison::Contains => return Ok(Predicate::Contains(operand, value()?)),
            Comparison::NotContains => {
                let contains = Predicate::Contains(operand, value()?);
                let lacks = Predicate::Not(Box::new(contains));
                return Ok(Predicate::And(vec![Predicate::Exists(path), lacks]));
            }
            Comparison::BeginsWith => return Ok(Predicate::BeginsWith(operand, value()?)),
            Comparison::Between => {
                let (low, high) = (value()?, value()?);
                return Ok(Predicate::Between { operand, low, high });
            }
            Comparison::In => {
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
    /// A condition or filter of tests on attributes: all of them must hold, or where `any` is set at least one. `None` where there
    /// are none.
    ///
    /// # Errors
    /// DynamoDB's message for a test with too few, too many or unfit values.
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
    /// The key condition that tests on key attributes make.
    ///
    /// # Errors
    /// DynamoDB's message for a test with too few, too many or unfit values, and for one that no index can answer.
    pub fn of_attributes(tests: BTreeMap<String, AttributeTest>) -> Result<Self, ExpressionError> {
        let mut predicates = Vec::with_capacity(tests.len());
        for (attribute, test) in tests {
            let indexable = matches!(
                test.comparison,
                Comparison::Equal
                    | Comparison::Less
                    | Comparison::LessOrEqual
                    | Comparison::Greater
                    | Comparison::GreaterOrEqual
                    | Comparison::Between
                    | Comparison::BeginsWith
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
    /// Top-level attributes to return.
    ///
    /// # Errors
    /// DynamoDB's message where one is named twice.
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
    /// The update that changes of attributes make. `None` where there are none.
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
