//! Updates: SET, REMOVE, ADD and DELETE clauses, and what they make of an item.

mod apply;
mod parse;
mod touch;

use std::sync::Arc;

use beringia_item::{AttributeValue, Item, Touched};

use crate::{
    ExpressionError, Placeholders,
    error::Kind,
    path::{Path, PathTree},
};

/// SET, REMOVE, ADD and DELETE clauses.
#[derive(Debug, Clone)]
pub struct Update {
    actions: Vec<Action>,
    written: PathTree,
}

impl Update {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid UpdateExpression: …`.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let actions = crate::parser::parse(text, Kind::Update, placeholders, parse::update)?;
        let written = PathTree::new(actions.iter().map(|action| &action.path));
        Ok(Self { actions, written })
    }

    /// What the update makes of an item that exists. All right-hand sides and all list indexes mean the item as it was.
    ///
    /// # Errors
    /// The message of DynamoDB's ValidationException: an attribute that is not there, an operand of a wrong type, a path into
    /// what is no map or list, a number out of range, a document that becomes too deep.
    pub fn apply(&self, item: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, item, Existence::Exists).map_err(|error| ExpressionError(error.to_string()))
    }

    /// What the update makes of an item that does not exist, of which there is only `key`. Other than on an item that exists,
    /// REMOVE of a path into nothing is no error, as in DynamoDB.
    ///
    /// # Errors
    /// As for [`Update::apply`].
    pub fn create(&self, key: &Item) -> Result<Item, ExpressionError> {
        apply::apply(&self.actions, key, Existence::OnlyKey).map_err(|error| ExpressionError(error.to_string()))
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
