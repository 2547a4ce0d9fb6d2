//! Requests and answers of Query and Scan.

use beringia_item::Item;

use super::{
    AttributeConditions, ConditionalOperator, ConsumedCapacity, ExpressionNames, ExpressionValues,
    ReturnConsumedCapacity, wire::wire_enum,
};

wire_enum! {
    /// The parts of the items that Query and Scan return.
    Select {
        /// The attributes that a projection names.
        SpecificAttributes = "SPECIFIC_ATTRIBUTES",
        /// Only the number of items.
        Count = "COUNT",
        /// All attributes of the item.
        AllAttributes = "ALL_ATTRIBUTES",
        /// All attributes that the index projects.
        AllProjectedAttributes = "ALL_PROJECTED_ATTRIBUTES",
    }
}

/// Reads items of one partition in the order of their sort keys.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The index to read instead of the table.
    pub index_name: Option<String>,
    /// The condition on the partition key and the sort key.
    pub key_condition_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub key_conditions: AttributeConditions,
    /// The condition that a read item must meet to be returned.
    pub filter_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub query_filter: AttributeConditions,
    /// How the conditions in `query_filter` combine.
    pub conditional_operator: Option<ConditionalOperator>,
    /// The attributes to return; `None` returns all.
    pub projection_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub attributes_to_get: Option<Vec<String>>,
    /// Attribute names for the `#name` placeholders of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// Values for the `:name` placeholders of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// Whether to return attributes, and which, or only the count.
    pub select: Option<Select>,
    /// The maximum number of items to read, before the filter; at least 1.
    pub limit: Option<i64>,
    /// The key at which the previous page ended.
    pub exclusive_start_key: Option<Item>,
    /// Whether to read in ascending order; `true` by default.
    pub scan_index_forward: bool,
    /// Whether the read must see every earlier write of this region; rejected for global indexes.
    pub consistent_read: bool,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl Default for QueryInput {
    /// No parameters except an ascending order.
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
    /// The index to read instead of the table.
    pub index_name: Option<String>,
    /// The condition that a read item must meet to be returned.
    pub filter_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub scan_filter: AttributeConditions,
    /// How the conditions in `scan_filter` combine.
    pub conditional_operator: Option<ConditionalOperator>,
    /// The attributes to return; `None` returns all.
    pub projection_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub attributes_to_get: Option<Vec<String>>,
    /// Attribute names for the `#name` placeholders of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// Values for the `:name` placeholders of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// Whether to return attributes, and which, or only the count.
    pub select: Option<Select>,
    /// The maximum number of items to read, before the filter; at least 1.
    pub limit: Option<i64>,
    /// The key at which the previous page ended.
    pub exclusive_start_key: Option<Item>,
    /// The segment to read, counted from 0.
    pub segment: Option<i64>,
    /// The number of segments that the scan is divided into; 1 to 1,000,000.
    pub total_segments: Option<i64>,
    /// Whether the read must see every earlier write of this region; rejected for global indexes.
    pub consistent_read: bool,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// One page of Query or Scan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageOutput {
    /// The items; `None` if only the count was asked for.
    pub items: Option<Vec<Item>>,
    /// The number of items that passed the filter.
    pub count: u64,
    /// The number of items read.
    pub scanned_count: u64,
    /// The key to continue after; `None` on the last page.
    pub last_evaluated_key: Option<Item>,
    /// Present if the request asked for it.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// The answer to Query: a page of one partition, in the order of the sort key.
pub type QueryOutput = PageOutput;
/// The answer to Scan: a page of the table, the index, or a segment of them.
pub type ScanOutput = PageOutput;
