//! Limits of the size and depth of an expression (developer guide, "Quotas", expression
//! parameters).

/// The maximum length of an expression's text, in bytes.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 4096;
/// The maximum number of operators in an expression. DynamoDB counts comparators, AND, OR, NOT,
/// BETWEEN, IN, + and -.
pub(crate) const MAX_OPERATORS: usize = 300;
/// The maximum number of values in the list of IN.
pub(crate) const MAX_IN_OPERANDS: usize = 100;
/// The maximum number of partition key values that one PartiQL statement can name (developer guide,
/// "PartiQL arithmetic, comparison, and logical operators for DynamoDB", IN).
pub(crate) const MAX_PARTITIONS: usize = 50;
/// The maximum number of parts of a document path, which is the maximum depth of a document.
pub(crate) const MAX_PATH_PARTS: usize = 32;
/// The maximum list index in a document path.
pub(crate) const MAX_LIST_INDEX: usize = i32::MAX as usize;
/// The maximum length of a placeholder, in bytes, including its `#` or `:`.
pub(crate) const MAX_PLACEHOLDER_BYTES: usize = 255;
/// The maximum length of an attribute's name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 65535;
/// The maximum depth of nested function calls. DynamoDB documents no limit; this one bounds the
/// stack of the parser and the evaluation. Parentheses and NOT need no limit of their own: nesting
/// them deeper than [`MAX_OPERATORS`] requires redundant parentheses.
pub(crate) const MAX_FUNCTION_DEPTH: usize = 64;
