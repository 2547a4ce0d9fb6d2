//! PartiQL statements: parsed once, into the conditions, updates and projections that expressions become too.

mod access;
mod keywords;
mod lexer;
mod literal;
mod parse;
mod pin;

use beringia_item::{AttributeValue, Item};

pub use access::Access;
pub use pin::Pin;

use crate::{
    Condition, ExpressionError, Placeholders, Projection, Update,
    condition::Predicate,
    error::Kind,
    lexer::{Token, TokenKind},
    parser::{Malformed, Parser},
};

/// A statement of PartiQL (developer guide, "PartiQL statements for DynamoDB").
#[derive(Debug, Clone)]
pub enum Statement {
    /// `SELECT`
    Select(Select),
    /// `EXISTS(SELECT …)`, the condition of a transaction.
    Exists(Select),
    /// `INSERT INTO`
    Insert(Insert),
    /// `UPDATE`
    Update(UpdateStatement),
    /// `DELETE FROM`
    Delete(DeleteStatement),
}

/// `SELECT … FROM … WHERE … ORDER BY …`
#[derive(Debug, Clone)]
pub struct Select {
    /// Name or ARN of the table.
    pub table: String,
    /// The index to read instead of the table.
    pub index: Option<String>,
    /// Which parts to return; `None` for `*`.
    pub projection: Option<Projection>,
    /// Which items.
    pub filter: Where,
    /// In which order; empty where any will do.
    pub(crate) order: Vec<Order>,
}

/// `INSERT INTO … VALUE {…}`
#[derive(Debug, Clone)]
pub struct Insert {
    /// Name or ARN of the table.
    pub table: String,
    /// The whole item.
    pub item: Item,
}

/// `UPDATE … SET … REMOVE … WHERE … RETURNING …`
#[derive(Debug, Clone)]
pub struct UpdateStatement {
    /// Name or ARN of the table.
    pub table: String,
    /// What to change.
    pub update: Update,
    /// Which item, and what must hold of it.
    pub filter: Where,
    /// What to return, if anything.
    pub returning: Option<Returning>,
}

/// `DELETE FROM … WHERE … RETURNING ALL OLD *`
#[derive(Debug, Clone)]
pub struct DeleteStatement {
    /// Name or ARN of the table.
    pub table: String,
    /// Which item, and what must hold of it.
    pub filter: Where,
    /// Whether to return the item.
    pub returning: bool,
}

/// What an UPDATE returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returning {
    /// The item before.
    AllOld,
    /// What the written paths held before.
    ModifiedOld,
    /// The item after.
    AllNew,
    /// What the written paths hold now.
    ModifiedNew,
}

/// One attribute of ORDER BY.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    attribute: String,
    is_descending: bool,
}

/// A WHERE clause, or none.
#[derive(Debug, Clone, Default)]
pub struct Where(Option<Predicate>);

impl Where {
    /// The whole clause as a condition on items; `None` where there is no clause.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        self.0.clone().map(Condition::of)
    }
}

impl Statement {
    /// Parses and checks `text`, whose `?` stand for `parameters`, as far as that needs no table.
    ///
    /// # Errors
    /// `Statement wasn't well formed, can't be processed: …`, or what is wrong with a statement that is well formed.
    pub fn parse(text: &str, parameters: Vec<AttributeValue>) -> Result<Self, ExpressionError> {
        let mut placeholders = Placeholders::of_parameters(parameters);
        let mut parser = Parser::new(Kind::Statement, text, lexer::tokens(text), &mut placeholders);
        let statement = parse::statement(&mut parser).map_err(|Malformed(message)| Kind::Statement.refuse(message))?;
        if let Some(problem) = parser.problems.into_first() {
            return Err(ExpressionError(problem));
        }
        placeholders.check_parameters_used()?;
        Ok(statement)
    }

    /// Where in the text of this statement more can be written, bytes from its start: behind the brace of what an INSERT inserts (another name and
    /// value), behind the table of an UPDATE (another clause), behind the WHERE clause of a DELETE that returns nothing (what it returns). `None`
    /// where nothing of the kind fits.
    #[must_use]
    pub fn place_for_more(&self, text: &str) -> Option<usize> {
        let tokens = lexer::tokens(text);
        match self {
            Self::Select(_) | Self::Exists(_) => None,
            Self::Insert(_) => {
                let brace = tokens.iter().find(|token| token.kind == TokenKind::OpenBrace)?;
                Some(brace.end)
            }
            // After the keyword.
            Self::Update(_) => tokens.get(1).map(|table| table.end),
            Self::Delete(delete) if delete.returning => None,
            Self::Delete(_) => {
                let ends = |token: &&Token<'_>| !matches!(token.kind, TokenKind::End | TokenKind::Semicolon);
                tokens.iter().rfind(ends).map(|last| last.end)
            }
        }
    }

    /// Whether it only reads. EXISTS goes with writes: it is a condition of theirs.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// Name or ARN of its table.
    #[must_use]
    pub fn table(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table,
            Self::Insert(insert) => &insert.table,
            Self::Update(update) => &update.table,
            Self::Delete(delete) => &delete.table,
        }
    }
}
