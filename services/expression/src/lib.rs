//! DynamoDB's expressions: parsed once, then evaluated on items without copying the items.
//!
//! A request has one [`Placeholders`]. Parse every expression of the request with it, then call
//! [`Placeholders::check_all_used`], and only then look at tables and items. Messages are
//! DynamoDB's, as far as they are known; each parse error names its parameter (`Invalid
//! ConditionExpression: …`).
//!
//! Legacy request parameters become the same types, through the `of_attributes` of each type, and
//! so do PartiQL statements, through [`Statement::parse`].
//!
//! The grammar is that of the developer guide ("Expressions in DynamoDB"). A text has at most 4 KB
//! and 300 operators, and nesting is bounded, so neither parsing nor evaluation can exhaust the
//! stack.

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

pub use attributes::{AttributeChange, AttributeTest, ComparisonOperator};
pub use condition::{Condition, ConditionKind};
pub use error::ExpressionError;
pub use key_condition::{KeyCondition, ResolvedKeyCondition, SortCondition};
pub use partiql::{Access, DeleteStatement, Insert, Pin, Returning, Select, Statement, UpdateStatement, Where};
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::Update;
