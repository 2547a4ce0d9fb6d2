//! Updates: SET, REMOVE, ADD and DELETE clauses, and what they make of an item.

mod apply;
mod parse;
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

/// SET, REMOVE, ADD and DELETE clauses.
#[derive(Debug, Clone)]
pub struct Update {
    actions: Vec<Action>,
    written: PathTree,
    form: Form,
}

/// In which form of request an update came; that words its errors.
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

    /// The SET and REMOVE clauses that stand at the cursor in a statement of PartiQL, where each can stand several times.
    pub(crate) fn parse_clauses(parser: &mut Parser<'_, '_>) -> Parsed<Self> {
        Ok(Self::of(parse::clauses(parser)?, Form::Expression))
    }

    /// Changes of attributes that were checked.
    pub(crate) fn of_changes(changes: Vec<(Path, AttributeChange)>) -> Self {
        let action = |(path, change)| Action {
            change: Change::of(change, &path),
            path,
        };
        Self::of(changes.into_iter().map(action).collect(), Form::Attributes)
    }

    /// What the update makes of an item that exists. All right-hand sides and all list indexes mean the item as it was.
    ///
    /// # Errors
    /// The message of DynamoDB's ValidationException: an attribute that is not there, an operand of a wrong type, a path into
    /// what is no map or list, a number out of range, a document that becomes too deep.
    pub fn apply(&self, item: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, item, Existence::Exists).map_err(|error| self.told(&error))
    }

    /// What the update makes of an item that does not exist, of which there is only `key`. Other than on an item that exists,
    /// REMOVE of a path into nothing is no error, as in DynamoDB.
    ///
    /// # Errors
    /// As for [`Update::apply`].
    pub fn create(&self, key: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, key, Existence::OnlyKey).map_err(|error| self.told(&error))
    }

    /// Whether it makes an item where there is none: one that only takes away does not.
    #[must_use]
    pub fn creates(&self) -> bool {
        let takes_away = |action: &Action| matches!(action.change, Change::Remove | Change::Delete(_));
        !self.actions.iter().all(takes_away)
    }

    /// Whether it came as an expression or statement, not as changes of attributes.
    #[must_use]
    pub const fn is_expression(&self) -> bool {
        matches!(self.form, Form::Expression)
    }

    /// The value to which it sets a top-level attribute, where the update says it and does not compute it.
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

    fn told(&self, error: &UpdateError) -> ExpressionError {
        ExpressionError(match (self.form, error) {
            (Form::Attributes, UpdateError::Operand(OperandError::Type)) => {
                "One or more parameter values were invalid: Type mismatch for attribute to update".to_owned()
            }
            _ => error.to_string(),
        })
    }

    /// What the update does to each top-level attribute that it writes, as far as concurrent updates can be reconciled with it.
    /// `before` is the item that it is applied to, or only its key where there is none.
    #[must_use]
    pub fn touches(&self, before: &Item) -> Touched {
        touch::touches(&self.actions, before)
    }

    /// The parts of `item` at the paths that the update writes: UPDATED_OLD of the item before, UPDATED_NEW of the item
    /// after. Paths mean the same there and there, so an element that a removal moved to a removed index is shown, and one
    /// appended at a lower index than was named is not, as in DynamoDB.
    #[must_use]
    pub fn touched(&self, item: &Item) -> Item {
        self.written.cut(item)
    }

    /// The top-level attributes that it writes, each once (an update must not write key attributes).
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        self.written.attributes()
    }
}

/// Whether there is an item to update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existence {
    Exists,
    OnlyKey,
}

/// What an update does at one path.
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
    /// The change of a top-level attribute.
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
