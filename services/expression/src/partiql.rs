//! PartiQL statements, parsed into the same conditions, updates and projections as expressions.

mod access;
mod keywords;
mod lexer;
mod literal;
mod parse;
mod pin;

use std::fmt;

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

/// A PartiQL statement (developer guide, "PartiQL statements for DynamoDB").
#[derive(Debug, Clone)]
pub enum Statement {
    /// `SELECT`, which reads items.
    Select(Select),
    /// `EXISTS(SELECT …)`, a condition in a transaction.
    Exists(Select),
    /// `INSERT INTO`, which creates an item.
    Insert(Insert),
    /// `UPDATE`, which changes an existing item.
    Update(UpdateStatement),
    /// `DELETE FROM`, which deletes an item.
    Delete(DeleteStatement),
}

/// `SELECT … FROM … WHERE … ORDER BY …`
#[derive(Debug, Clone)]
pub struct Select {
    /// Name or ARN of the table.
    pub table: String,
    /// The index to read instead of the table.
    pub index: Option<String>,
    /// The parts to return; `None` for `*`.
    pub projection: Option<Projection>,
    /// The condition that selects the items.
    pub filter: Where,
    /// The requested order; empty for any order.
    pub(crate) order: Vec<Order>,
}

/// `INSERT INTO … VALUE {…}`
#[derive(Debug, Clone)]
pub struct Insert {
    /// Name or ARN of the table.
    pub table: String,
    /// The whole item to insert.
    pub item: Item,
}

/// `UPDATE … SET … REMOVE … WHERE … RETURNING …`
#[derive(Debug, Clone)]
pub struct UpdateStatement {
    /// Name or ARN of the table.
    pub table: String,
    /// The changes of its SET and REMOVE clauses.
    pub update: Update,
    /// Selects the item, and states what must hold of it.
    pub filter: Where,
    /// The attributes to return, if any.
    pub returning: Option<Returning>,
}

/// `DELETE FROM … WHERE … RETURNING ALL OLD *`
#[derive(Debug, Clone)]
pub struct DeleteStatement {
    /// Name or ARN of the table.
    pub table: String,
    /// Selects the item, and states what must hold of it.
    pub filter: Where,
    /// Whether to return the deleted item.
    pub returning: bool,
}

/// The attributes that an UPDATE returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returning {
    /// The whole item before the update.
    AllOld,
    /// The previous values of the written paths.
    ModifiedOld,
    /// The whole item after the update.
    AllNew,
    /// The new values of the written paths.
    ModifiedNew,
}

/// The words of the clause, such as `ALL OLD`.
impl fmt::Display for Returning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllOld => "ALL OLD",
            Self::ModifiedOld => "MODIFIED OLD",
            Self::AllNew => "ALL NEW",
            Self::ModifiedNew => "MODIFIED NEW",
        })
    }
}

/// One attribute of an ORDER BY clause.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    attribute: String,
    is_descending: bool,
}

/// A WHERE clause; empty if the statement has none.
#[derive(Debug, Clone, Default)]
pub struct Where(Option<Predicate>);

impl Where {
    /// The whole clause as a condition on items; `None` if there is no clause.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        self.0.clone().map(Condition::of)
    }
}

impl Statement {
    /// Parses and checks `text`, whose `?` refer to `parameters`, as far as that is possible
    /// without the table.
    ///
    /// # Errors
    /// `Statement wasn't well formed, can't be processed: …`, or the message for a well-formed
    /// statement that is invalid.
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

    /// The position in the text of this statement where more can be inserted, in bytes from its
    /// start: after the opening brace of an INSERT's item (another name and value), after the table
    /// of an UPDATE (another clause), after the WHERE clause of a DELETE without RETURNING (a
    /// RETURNING clause). `None` if nothing of the kind fits.
    #[must_use]
    pub fn place_for_more(&self, text: &str) -> Option<usize> {
        let tokens = lexer::tokens(text);
        match self {
            Self::Select(_) | Self::Exists(_) => None,
            Self::Insert(_) => {
                let brace = tokens.iter().find(|token| token.kind == TokenKind::OpenBrace)?;
                Some(brace.end)
            }
            // The table is the token after the keyword.
            Self::Update(_) => tokens.get(1).map(|table| table.end),
            Self::Delete(delete) if delete.returning => None,
            Self::Delete(_) => {
                let ends = |token: &&Token<'_>| !matches!(token.kind, TokenKind::End | TokenKind::Semicolon);
                tokens.iter().rfind(ends).map(|last| last.end)
            }
        }
    }

    /// Whether the statement only reads. EXISTS counts as a write, since it is a condition of
    /// writes.
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
