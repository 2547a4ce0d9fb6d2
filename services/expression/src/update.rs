//! Updates: SET, REMOVE, ADD and DELETE clauses, and their effect on an item.

mod apply;
mod parse;
mod size;
mod touch;

use std::sync::Arc;

use beringia_item::{AttributeValue, Item, Touched};

use apply::UpdateError;

use crate::{
    AttributeChange, ExpressionError, Placeholders,
    error::Kind,
    operations::OperandError,
    parser::{Parsed, Parser},
    path::{Path, PathTree},
};

/// A parsed update: SET, REMOVE, ADD and DELETE clauses.
#[derive(Debug, Clone)]
pub struct Update {
    actions: Vec<Action>,
    written: PathTree,
    form: Form,
}

/// The form in which an update was given, which determines the wording of its errors.
#[derive(Debug, Clone, Copy)]
enum Form {
    Expression,
    Attributes,
}

impl Update {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid UpdateExpression: …`.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let actions = crate::parser::parse(text, Kind::Update, placeholders, parse::update)?;
        Ok(Self::of(actions, Form::Expression))
    }

    fn of(actions: Vec<Action>, form: Form) -> Self {
        let written = PathTree::new(actions.iter().map(|action| &action.path));
        Self { actions, written, form }
    }

    /// Parses the SET and REMOVE clauses at the cursor in a PartiQL statement, where each can occur
    /// several times.
    pub(crate) fn parse_clauses(parser: &mut Parser<'_, '_>) -> Parsed<Self> {
        Ok(Self::of(parse::clauses(parser)?, Form::Expression))
    }

    /// An update from changes of attributes that have been checked.
    pub(crate) fn of_changes(changes: Vec<(Path, AttributeChange)>) -> Self {
        let action = |(path, change)| Action {
            change: Change::of(change, &path),
            path,
        };
        Self::of(changes.into_iter().map(action).collect(), Form::Attributes)
    }

    /// Applies the update to an existing item. All right-hand sides and all list indexes refer to
    /// the item before the update.
    ///
    /// # Errors
    /// The message of DynamoDB's ValidationException: for a missing attribute, an operand of a
    /// wrong type, a path into a value that is not a map or list, a number out of range, or a
    /// document that becomes too deep.
    pub fn apply(&self, item: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, item, Existence::Exists).map_err(|error| self.reported(&error))
    }

    /// Applies the update to an item that does not exist and of which only `key` is known. Unlike
    /// on an existing item, REMOVE of a path into a missing value is not an error, as in DynamoDB.
    ///
    /// # Errors
    /// The same as of [`Update::apply`].
    pub fn create(&self, key: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, key, Existence::OnlyKey).map_err(|error| self.reported(&error))
    }

    /// Whether the update creates a missing item; one that only removes does not.
    #[must_use]
    pub fn creates(&self) -> bool {
        let takes_away = |action: &Action| matches!(action.change, Change::Remove | Change::Delete(_));
        !self.actions.iter().all(takes_away)
    }

    /// Whether the update was given as an expression or statement, not as changes of attributes.
    #[must_use]
    pub const fn is_expression(&self) -> bool {
        matches!(self.form, Form::Expression)
    }

    /// The value that the update assigns to a top-level attribute, if the value is in the request
    /// and not computed.
    #[must_use]
    pub fn assigned(&self, name: &str) -> Option<&AttributeValue> {
        self.actions.iter().find_map(|action| match &action.change {
            Change::Set(Source::Operand(Operand::Value(value)))
                if action.path.steps.is_empty() && action.path.attribute == name =>
            {
                Some(value.as_ref())
            }
            _ => None,
        })
    }

    fn reported(&self, error: &UpdateError) -> ExpressionError {
        ExpressionError(match (self.form, error) {
            (Form::Attributes, UpdateError::Operand(OperandError::Type)) => {
                "Type mismatch for attribute to update".to_owned()
            }
            _ => error.to_string(),
        })
    }

    /// The effect of the update on each top-level attribute that it writes, as far as reconciling
    /// concurrent updates needs it. `before` is the item that the update is applied to, or only its
    /// key if there is no item.
    #[must_use]
    pub fn touches(&self, before: &Item) -> Touched {
        touch::touches(&self.actions, before)
    }

    /// The parts of `item` at the paths that the update writes: UPDATED_OLD for the previous item,
    /// UPDATED_NEW for the new one. Paths are evaluated in both in the same way. As in DynamoDB, an
    /// element that a removal shifted to a removed index is therefore included, and an element that
    /// was appended at a lower index than the one named is not.
    #[must_use]
    pub fn touched(&self, item: &Item) -> Item {
        self.written.cut(item)
    }

    /// The size of what the update writes, in bytes, which is limited like the size of an item:
    /// names and values, and a cost of each clause's parts. `after` is the item after the update.
    #[must_use]
    pub fn written_bytes(&self, after: &Item) -> usize {
        size::written_bytes(&self.actions, after)
    }

    /// The top-level attributes that the update writes, each once (an update must not write key
    /// attributes).
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        self.written.attributes()
    }

    /// The top-level attributes into whose values a path of the update leads, one that it writes or
    /// reads. They must not be key attributes, whose values are scalars.
    pub fn nested_names(&self) -> impl Iterator<Item = &str> {
        let paths = self.actions.iter().flat_map(|action| {
            let operands: [Option<&Operand>; 2] = match &action.change {
                Change::Set(Source::Operand(operand)) => [Some(operand), None],
                Change::Set(Source::Sum(left, right) | Source::Difference(left, right)) => [Some(left), Some(right)],
                Change::Remove | Change::Add(_) | Change::Delete(_) => [None, None],
            };
            let mut paths = vec![&action.path];
            operands
                .into_iter()
                .flatten()
                .for_each(|operand| operand.add_paths(&mut paths));
            paths
        });
        let nested = paths.filter(|path| !path.steps.is_empty());
        nested.map(|path| path.attribute.as_str())
    }
}

/// Whether the item to update exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existence {
    Exists,
    OnlyKey,
}

/// The effect of an update at one path.
#[derive(Debug, Clone)]
struct Action {
    path: Path,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Set(Source),
    Remove,
    Add(Arc<AttributeValue>),
    Delete(Arc<AttributeValue>),
}

impl Change {
    /// Converts the change of a top-level attribute.
    fn of(change: AttributeChange, path: &Path) -> Self {
        match change {
            AttributeChange::Put(value) => Self::Set(Source::Operand(Operand::Value(Arc::new(value)))),
            AttributeChange::Add(value @ AttributeValue::L(_)) => {
                let nothing = Operand::Value(Arc::new(AttributeValue::L(Vec::new())));
                let front = Operand::IfNotExists(path.clone(), Box::new(nothing));
                let back = Operand::Value(Arc::new(value));
                Self::Set(Source::Operand(Operand::ListAppend(Box::new(front), Box::new(back))))
            }
            AttributeChange::Add(value) => Self::Add(Arc::new(value)),
            AttributeChange::Remove => Self::Remove,
            AttributeChange::Delete(value) => Self::Delete(Arc::new(value)),
        }
    }
}

/// The right-hand side of a SET.
#[derive(Debug, Clone)]
enum Source {
    Operand(Operand),
    Sum(Operand, Operand),
    Difference(Operand, Operand),
}

#[derive(Debug, Clone)]
enum Operand {
    Path(Path),
    Value(Arc<AttributeValue>),
    IfNotExists(Path, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
}

impl Operand {
    /// Adds the paths that the operand reads.
    fn add_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::Path(path) => paths.push(path),
            Self::Value(_) => {}
            Self::IfNotExists(path, otherwise) => {
                paths.push(path);
                otherwise.add_paths(paths);
            }
            Self::ListAppend(front, back) => {
                front.add_paths(paths);
                back.add_paths(paths);
            }
        }
    }
}
