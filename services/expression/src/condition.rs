//! Conditions and filters: their representation, and their evaluation on items.

mod evaluate;
mod parse;

use std::{collections::BTreeSet, sync::Arc};

use beringia_item::{AttributeValue, Item};

use crate::{ExpressionError, Placeholders, error::Kind, path::Path};

pub(crate) use parse::condition;

/// The request parameter that a condition came in, which messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// The parameter `ConditionExpression`, or its like.
    Condition,
    /// The parameter `FilterExpression`, of reads.
    Filter,
}

impl ConditionKind {
    const fn kind(self) -> Kind {
        match self {
            Self::Condition => Kind::Condition,
            Self::Filter => Kind::Filter,
        }
    }
}

/// A condition or filter, parsed and checked.
#[derive(Debug, Clone)]
pub struct Condition {
    predicate: Predicate,
    names: BTreeSet<String>,
    /// Those of `names` into which a path leads.
    nested: BTreeSet<String>,
}

impl Condition {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid ConditionExpression: …` or `Invalid FilterExpression: …`.
    pub fn parse(text: &str, kind: ConditionKind, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        Ok(Self::of(crate::parser::parse(
            text,
            kind.kind(),
            placeholders,
            condition,
        )?))
    }

    /// Rejects a text without any token, as [`Condition::parse`] does. For requests in which that
    /// fault is reported before those of other expressions.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid FilterExpression: The expression can not be empty;`.
    pub fn check_not_empty(text: &str, kind: ConditionKind) -> Result<(), ExpressionError> {
        crate::parser::check_not_empty(text, kind.kind())
    }

    pub(crate) fn of(predicate: Predicate) -> Self {
        let (mut names, mut nested) = (BTreeSet::new(), BTreeSet::new());
        predicate.visit_paths(&mut |path| {
            if !names.contains(&path.attribute) {
                names.insert(path.attribute.clone());
            }
            if !path.steps.is_empty() && !nested.contains(&path.attribute) {
                nested.insert(path.attribute.clone());
            }
        });
        Self {
            predicate,
            names,
            nested,
        }
    }

    /// Whether `item` meets the condition. A comparison with a missing operand or operands of
    /// different types is false (`<>` is true), as in DynamoDB. An item that does not exist is
    /// represented by an empty one.
    #[must_use]
    pub fn matches(&self, item: &Item) -> bool {
        self.predicate.holds(item)
    }

    /// The top-level attributes that the condition mentions, each once (a filter must not mention
    /// key attributes in Query).
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The top-level attributes into whose values a path of the condition leads, each once. They
    /// must not be key attributes, whose values are scalars.
    pub fn nested_names(&self) -> impl Iterator<Item = &str> {
        self.nested.iter().map(String::as_str)
    }
}

/// A predicate on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Compare {
        comparator: Comparator,
        left: Operand,
        right: Operand,
    },
    Between {
        operand: Operand,
        low: Operand,
        high: Operand,
    },
    In {
        operand: Operand,
        candidates: Vec<Operand>,
    },
    Exists(Path),
    NotExists(Path),
    /// `attribute_type`; the second is one of the ten type names.
    HasType(Operand, &'static str),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// An operand that yields a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Arc<AttributeValue>),
    Size(Box<Operand>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparator with the same meaning if the operands are swapped.
    pub(crate) const fn exchanged(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

impl Predicate {
    /// Calls `visit` for every path.
    fn visit_paths(&self, visit: &mut impl FnMut(&Path)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|inner| inner.visit_paths(visit)),
            Self::Not(inner) => inner.visit_paths(visit),
            Self::Exists(path) | Self::NotExists(path) => visit(path),
            Self::HasType(operand, _) => operand.visit_paths(visit),
            Self::Compare { left, right, .. } | Self::BeginsWith(left, right) | Self::Contains(left, right) => {
                left.visit_paths(visit);
                right.visit_paths(visit);
            }
            Self::Between { operand, low, high } => {
                [operand, low, high]
                    .into_iter()
                    .for_each(|operand| operand.visit_paths(visit));
            }
            Self::In { operand, candidates } => {
                operand.visit_paths(visit);
                candidates.iter().for_each(|candidate| candidate.visit_paths(visit));
            }
        }
    }
}

impl Operand {
    fn visit_paths(&self, visit: &mut impl FnMut(&Path)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::Size(inner) => inner.visit_paths(visit),
        }
    }
}
