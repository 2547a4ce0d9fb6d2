//! How large and how deep an expression may be (developer guide, "Quotas", expression parameters).

/// Bytes of an expression's text.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 4096;
/// Operators of one expression. DynamoDB counts comparators, AND, OR, NOT, BETWEEN, IN, + and -.
pub(crate) const MAX_OPERATORS: usize = 300;
/// Values in the list of IN.
pub(crate) const MAX_IN_OPERANDS: usize = 100;
/// Values of a partition key that one statement of PartiQL can name (developer guide, "PartiQL arithmetic, comparison, and logical
/// operators for DynamoDB", IN).
pub(crate) const MAX_PARTITIONS: usize = 50;
/// Parts of a document path: as deep as a document can be.
pub(crate) const MAX_PATH_PARTS: usize = 32;
/// The greatest index in a document path.
pub(crate) const MAX_LIST_INDEX: usize = i32::MAX as usize;
/// Bytes of a placeholder with its `#` or `:`.
pub(crate) const MAX_PLACEHOLDER_BYTES: usize = 255;
/// Bytes of an attribute's name.
pub(crate) const MAX_NAME_BYTES: usize = 65535;
/// Function calls within one another. DynamoDB names no limit; this one bounds the stack of parser and evaluation, for which
/// parentheses and NOT need no limit of their own: what nests them deeper than [`MAX_OPERATORS`] has redundant parentheses.
pub(crate) const MAX_FUNCTION_DEPTH: usize = 64;
