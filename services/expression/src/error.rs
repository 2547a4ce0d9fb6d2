//! Errors of expressions, and the choice of which of several errors is reported.

use std::fmt;

/// An expression is invalid. Contains DynamoDB's whole message, such as `Invalid UpdateExpression:
/// Syntax error; token: "=", near: "a = ="`. The caller reports it as a ValidationException.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// The kind of an expression, which messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
    /// A PartiQL statement, in any operation.
    Statement,
}

impl Kind {
    /// Creates the error with `message` for an expression of this kind.
    pub(crate) fn refuse(self, message: impl fmt::Display) -> ExpressionError {
        if self == Self::Statement {
            return ExpressionError(format!("Statement wasn't well formed, can't be processed: {message}"));
        }
        ExpressionError(format!("Invalid {self}: {message}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
            Self::Statement => "Statement",
        })
    }
}

/// The stages of DynamoDB's checks on an expression that follows the grammar. If it has several
/// problems, DynamoDB reports one of the first stage listed here, and within that stage the first
/// in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Redundant parentheses, as in `((a = b))`.
    Parentheses,
    /// A reserved word in an update. Updates report these before unknown functions, conditions
    /// after them.
    ReservedInUpdate,
    /// A function that does not exist.
    FunctionName,
    /// A function where it is not allowed.
    FunctionUse,
    /// A reserved word as a name.
    Reserved,
    /// A second SET, REMOVE, ADD or DELETE clause.
    Section,
    /// The first problem of a single comparison or function in a condition. Conditions report the
    /// stages below comparison by comparison.
    Leaf,
    /// A placeholder that is not defined, or a path that is too deep.
    Placeholder,
    /// Two paths, one of which contains the other.
    Overlap,
    /// Two paths that no item can contain together.
    Conflict,
    /// The operand of ADD or DELETE has a wrong type.
    ClauseOperand,
    /// Too few or too many operands.
    Count,
    /// The same path on both sides.
    Distinct,
    /// An operand has a wrong type.
    Operand,
}

/// The problems of an expression that follows the grammar: the first of each stage.
#[derive(Debug, Default)]
pub(crate) struct Problems(std::collections::BTreeMap<Stage, String>);

impl Problems {
    /// Notes a problem, unless the stage already has one.
    pub(crate) fn note(&mut self, stage: Stage, message: impl FnOnce() -> String) {
        self.0.entry(stage).or_insert_with(message);
    }

    /// Ends one comparison or function of a condition. Its first problem by stage becomes the
    /// problem of [`Stage::Leaf`], unless an earlier one had a problem.
    pub(crate) fn end_leaf(&mut self) {
        let own = self.0.split_off(&Stage::Placeholder);
        if let Some((_, message)) = own.into_iter().next() {
            self.note(Stage::Leaf, || message);
        }
    }

    /// The problem to report, if any.
    pub(crate) fn into_first(self) -> Option<String> {
        self.0.into_iter().next().map(|(_, message)| message)
    }
}
