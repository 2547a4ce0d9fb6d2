//! Query and Scan.

use beringia_item::Item;

use super::{
    AttributeConditions, ConditionalOperator, ConsumedCapacity, ExpressionNames, ExpressionValues,
    ReturnConsumedCapacity, wire::wire_enum,
};

wire_enum! {
    /// What a read of many items returns.
    Select {
        /// The named attributes.
        SpecificAttributes = "SPECIFIC_ATTRIBUTES",
        /// Only how many items there are.
        Count = "COUNT",
        /// All attributes.
        AllAttributes = "ALL_ATTRIBUTES",
        /// What the index holds.
        AllProjectedAttributes = "ALL_PROJECTED_ATTRIBUTES",
    }
}

/// Reads items of one partition in order.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// An index to read instead of the table.
    pub index_name: Option<String>,
    /// Which keys.
    pub key_condition_expression: Option<String>,
    /// The same in the form before expressions.
    pub key_conditions: AttributeConditions,
    /// Which of the items read are returned.
    pub filter_expression: Option<String>,
    /// The same in the form before expressions.
    pub query_filter: AttributeConditions,
    /// How `query_filter` combines.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Which attributes to return.
    pub projection_expression: Option<String>,
    /// The same in the form before expressions.
    pub attributes_to_get: Option<Vec<String>>,
    /// `#names` of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// `:values` of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// What to return.
    pub select: Option<Select>,
    /// How many items to read at most, before the filter; at least 1.
    pub limit: Option<i64>,
    /// Where an earlier page ended.
    pub exclusive_start_key: Option<Item>,
    /// Ascending order; DynamoDB's default is true.
    pub scan_index_forward: bool,
    /// Whether the read must see every earlier write of this region; refused on global indexes.
    pub consistent_read: bool,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl Default for QueryInput {
    /// No parameters but `scan_index_forward`.
    fn default() -> Self {
        Self {
            table_name: String::new(),
            index_name: None,
            key_condition_expression: None,
            key_conditions: None,
            filter_expression: None,
            query_filter: None,
            conditional_operator: None,
            projection_expression: None,
            attributes_to_get: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            select: None,
            limit: None,
            exclusive_start_key: None,
            scan_index_forward: true,
            consistent_read: false,
            return_consumed_capacity: ReturnConsumedCapacity::None,
        }
    }
}

/// Reads all items of a table or index, or of one segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScanInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// An index to read instead of the table.
    pub index_name: Option<String>,
    /// Which of the items read are returned.
    pub filter_expression: Option<String>,
    /// The same in the form before expressions.
    pub scan_filter: AttributeConditions,
    /// How `scan_filter` combines.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Which attributes to return.
    pub projection_expression: Option<String>,
    /// The same in the form before expressions.
    pub attributes_to_get: Option<Vec<String>>,
    /// `#names` of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// `:values` of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// What to return.
    pub select: Option<Select>,
    /// How many items to read at most, before the filter; at least 1.
    pub limit: Option<i64>,
    /// Where an earlier page ended.
    pub exclusive_start_key: Option<Item>,
    /// Which segment, from 0.
    pub segment: Option<i64>,
    /// Into how many segments the scan is divided; 1 to 1,000,000.
    pub total_segments: Option<i64>,
    /// Whether the read must see every earlier write of this region; refused on global indexes.
    pub consistent_read: bool,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// A page of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageOutput {
    /// The items; `None` where only the count was asked for.
    pub items: Option<Vec<Item>>,
    /// How many passed the filter.
    pub count: u64,
    /// How many were read.
    pub scanned_count: u64,
    /// Where to read on; `None` at the end.
    pub last_evaluated_key: Option<Item>,
    /// Where it was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// The answer to Query.
pub type QueryOutput = PageOutput;
/// The answer to Scan.
pub type ScanOutput = PageOutput;
