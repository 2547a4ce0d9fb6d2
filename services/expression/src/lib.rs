//! DynamoDB's expressions: parsed once, then evaluated on items without copying them.
//!
//! Contract for callers (engine): parse every expression of a request with one `Placeholders`, then call
//! `Placeholders::check_all_used`.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item, KeySchema};

/// The `#names` and `:values` of a request; remembers which of them were used.
pub struct Placeholders { /* private */ }
impl Placeholders {
    /// Checks the form of the placeholders ("ExpressionAttributeNames contains invalid key: …").
    pub fn new(names: Option<BTreeMap<String, String>>, values: Option<BTreeMap<String, AttributeValue>>) -> Result<Self, ExpressionError>;
    /// "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}" and the like.
    pub fn check_all_used(&self) -> Result<(), ExpressionError>;
}

/// Why an expression is refused: DynamoDB's whole message, such as `Invalid UpdateExpression: Syntax error; token: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// Which parameter an expression came in; it names it in messages.
pub enum ConditionKind { Condition, Filter }

/// A condition or filter.
pub struct Condition { /* private */ }
impl Condition {
    pub fn parse(text: &str, kind: ConditionKind, placeholders: &mut Placeholders) -> Result<Self, ExpressionError>;
    /// False where a comparison's operands have different types or are missing, as in DynamoDB. A missing item is an empty one.
    pub fn matches(&self, item: &Item) -> bool;
    /// Top-level attribute names that it mentions (a filter must not mention key attributes in Query).
    pub fn top_level_names(&self) -> impl Iterator<Item = &str>;
}

/// Which keys a Query wants.
pub struct KeyCondition { /* private */ }
pub enum SortCondition { Any, Equal(AttributeValue), Less(AttributeValue), LessOrEqual(AttributeValue), Greater(AttributeValue),
    GreaterOrEqual(AttributeValue), Between(AttributeValue, AttributeValue), BeginsWith(AttributeValue) }
/// A key condition that fits a schema: a value per partition part; equality on the leading sort parts; a condition on the next.
pub struct ResolvedKeyCondition { pub partition: Vec<AttributeValue>, pub sort_equal: Vec<AttributeValue>, pub sort: SortCondition }
impl KeyCondition {
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError>;
    /// "Query condition missed key schema element: …", "Query key condition not supported", type mismatches, …
    pub fn resolve(self, keys: &KeySchema) -> Result<ResolvedKeyCondition, ExpressionError>;
}

/// Which attributes to return.
pub struct Projection { /* private */ }
impl Projection {
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError>;
    pub fn apply(&self, item: &Item) -> Item;
    pub fn top_level_names(&self) -> impl Iterator<Item = &str>;
}

/// SET, REMOVE, ADD and DELETE clauses.
pub struct Update { /* private */ }
impl Update {
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError>;
    /// The item after the update; all right-hand sides see the item as it was. Err is DynamoDB's ValidationException message.
    pub fn apply(&self, item: &Item) -> Result<Item, ExpressionError>;
    /// The parts of `item` at the paths that the update writes, for UPDATED_OLD and UPDATED_NEW.
    pub fn touched(&self, item: &Item) -> Item;
    /// Top-level names that it writes (an update must not write key attributes).
    pub fn top_level_names(&self) -> impl Iterator<Item = &str>;
}
