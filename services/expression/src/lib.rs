//! DynamoDB's expressions: parsed once, then evaluated on items without copying them.
//!
//! A request has one [`Placeholders`]. Parse every expression of the request with it, then call
//! [`Placeholders::check_all_used`]; only then look at tables and items. Messages are those of DynamoDB, as far as they are
//! known; each parse error names its parameter (`Invalid ConditionExpression: …`).
//!
//! The request forms that were before expressions become the same things, by `of_attributes` of each, and so do statements of PartiQL,
//! by [`Statement::parse`].
//!
//! The grammar is that of the developer guide ("Expressions in DynamoDB"). Texts are at most 4 KB, operators at most 300, and
//! nesting is bounded, so neither parsing nor evaluating can exhaust the stack.

mod attributes;
mod condition;
mod error;
mod key_condition;
mod lexer;
mod limits;
mod operations;
mod parser;
mod partiql;
mod path;
mod placeholders;
mod projection;
mod reserved;
mod update;

pub use attributes::{AttributeChange, AttributeTest, Comparison};
pub use condition::{Condition, ConditionKind};
pub use error::ExpressionError;
pub use key_condition::{KeyCondition, ResolvedKeyCondition, SortCondition};
pub use partiql::{Access, DeleteStatement, Insert, Pin, Returning, Select, Statement, UpdateStatement, Where};
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::Update;
