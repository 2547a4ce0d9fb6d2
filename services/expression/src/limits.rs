//! How large and how deep an expression may be (developer guide, "Quotas", expression parameters).

/// Bytes of an expression's text.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 4096;
/// Operators of one expression. DynamoDB counts comparators, AND, OR, NOT, BETWEEN, IN, + and -.
pub(crate) const MAX_OPERATORS: usize = 300;
/// Values in the list of IN.
pub(crate) const MAX_IN_OPERANDS: usize = 100;
/// Parts of a document path: as deep as a document can be.
pub(crate) const MAX_PATH_PARTS: usize = 32;
/// The greatest index in a document path.
pub(crate) const MAX_LIST_INDEX: usize = i32::MAX as usize;
/// Bytes of a placeholder with its `#` or `:`.
pub(crate) const MAX_PLACEHOLDER_BYTES: usize = 255;
/// Bytes of an attribute's name.
pub(crate) const MAX_NAME_BYTES: usize = 65535;
/// How deep parentheses, NOT and function calls nest before the parser gives up, which bounds its stack. What nests
/// deeper without an error of its own has either redundant parentheses or more than [`MAX_OPERATORS`] operators.
pub(crate) const MAX_DEPTH: usize = MAX_OPERATORS + 2;
