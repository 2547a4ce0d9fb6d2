//! Why an expression is refused, and which of several reasons is told.

use std::fmt;

/// Why an expression is refused: DynamoDB's whole message, such as
/// `Invalid UpdateExpression: Syntax error; token: "=", near: "a = ="`. The caller answers it as a ValidationException.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// Which parameter of a request an expression is; it names it in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
    /// A statement of PartiQL.
    Statement,
}

impl Kind {
    /// The error of an expression of this kind with `message`.
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

/// What an expression that follows the grammar can still get wrong. Where it gets several things wrong, DynamoDB tells
/// the kind that comes first here, and of that kind the first in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// `((a = b))`.
    Parentheses,
    /// An update tells reserved words before unknown functions, a condition after them.
    ReservedInUpdate,
    /// A function that does not exist.
    FunctionName,
    /// A function where it must not stand.
    FunctionUse,
    /// A reserved word as a name.
    Reserved,
    /// A second SET, REMOVE, ADD or DELETE.
    Section,
    /// In conditions the stages below are told condition by condition, and this one holds the first.
    Leaf,
    /// A placeholder that is not defined, or a path that is too deep.
    Placeholder,
    /// Two paths of which one holds the other.
    Overlap,
    /// Two paths that no item can have both.
    Conflict,
    /// The operand of ADD or DELETE has the wrong type.
    ClauseOperand,
    /// Too few or too many operands.
    Count,
    /// The same path on both sides.
    Distinct,
    /// An operand has the wrong type.
    Operand,
}

/// What is wrong with an expression that follows the grammar: the first problem of each stage.
#[derive(Debug, Default)]
pub(crate) struct Problems(std::collections::BTreeMap<Stage, String>);

impl Problems {
    /// Remembers a problem unless there is an earlier one of the same stage.
    pub(crate) fn note(&mut self, stage: Stage, message: impl FnOnce() -> String) {
        self.0.entry(stage).or_insert_with(message);
    }

    /// Ends one condition (a comparison or a function): its first problem by stage becomes the one that counts,
    /// unless an earlier condition had one.
    pub(crate) fn end_leaf(&mut self) {
        let own = self.0.split_off(&Stage::Placeholder);
        if let Some((_, message)) = own.into_iter().next() {
            self.note(Stage::Leaf, || message);
        }
    }

    /// The problem to tell.
    pub(crate) fn into_first(self) -> Option<String> {
        self.0.into_iter().next().map(|(_, message)| message)
    }
}
