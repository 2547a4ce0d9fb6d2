//! The legacy conditional parameters: forms of conditions and updates that predate expressions.

use std::collections::BTreeMap;

use beringia_item::AttributeValue;

use super::wire::wire_enum;

pub use beringia_expression::ComparisonOperator;

wire_enum! {
    /// How several legacy conditions combine.
    ConditionalOperator {
        /// At least one of them must hold.
        Or = "OR",
        /// All of them must hold. The default.
        And = "AND",
    }
}

wire_enum! {
    /// The action of an update on an attribute.
    AttributeAction {
        /// Adds to a number, unites with a set, or appends to a list.
        Add = "ADD",
        /// Sets the attribute. The default.
        Put = "PUT",
        /// Removes the attribute, or elements of a set.
        Delete = "DELETE",
    }
}

/// The condition on one attribute in a filter or a key condition.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeCondition {
    /// The operator of the comparison.
    pub comparison_operator: ComparisonOperator,
    /// The operator's operands; `None` for `NULL` and `NOT_NULL`.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// The condition on one attribute of the stored item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExpectedAttributeValue {
    /// The operator of the comparison; excludes `exists`.
    pub comparison_operator: Option<ComparisonOperator>,
    /// The operator's operands; only together with an operator.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
    /// `false` demands that the attribute is absent.
    pub exists: Option<bool>,
    /// The operator's only operand; without an operator, the value to be equal to.
    pub value: Option<AttributeValue>,
}

/// The update of one attribute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttributeValueUpdate {
    /// The action to take; `PUT` by default.
    pub action: Option<AttributeAction>,
    /// The action's value. Only a removal of the whole attribute can do without.
    pub value: Option<AttributeValue>,
}

/// Conditions by attribute name; `None` where the request has none.
pub type AttributeConditions = Option<BTreeMap<String, AttributeCondition>>;
