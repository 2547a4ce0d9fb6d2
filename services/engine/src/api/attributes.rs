//! The forms of conditions and updates that were before expressions.

use std::collections::BTreeMap;

use beringia_item::AttributeValue;

use super::wire::wire_enum;

pub use beringia_expression::Comparison as ComparisonOperator;

wire_enum! {
    /// How several conditions combine.
    ConditionalOperator {
        /// One of them must hold.
        Or = "OR",
        /// All of them must hold, which is the default.
        And = "AND",
    }
}

wire_enum! {
    /// What an update does to an attribute.
    AttributeAction {
        /// Adds a number, unites a set, appends a list.
        Add = "ADD",
        /// Sets, which is the default.
        Put = "PUT",
        /// Removes the attribute, or elements of a set.
        Delete = "DELETE",
    }
}

/// What an attribute must be, in a filter or a key condition.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeCondition {
    /// How it is compared.
    pub comparison_operator: ComparisonOperator,
    /// With what; none where it is only to be there or not.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// What an attribute of the item now stored must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExpectedAttributeValue {
    /// How it is compared. Not together with `exists`.
    pub comparison_operator: Option<ComparisonOperator>,
    /// With what; only with a comparison.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
    /// False where there must be no such attribute.
    pub exists: Option<bool>,
    /// The one value to compare with.
    pub value: Option<AttributeValue>,
}

/// What an update does to an attribute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttributeValueUpdate {
    /// What is done.
    pub action: Option<AttributeAction>,
    /// With which value; may be absent only where the attribute is removed.
    pub value: Option<AttributeValue>,
}

/// Conditions by attribute, where a request has them.
pub type AttributeConditions = Option<BTreeMap<String, AttributeCondition>>;
