//! Encodes the answers to the operations on items.

use beringia_engine::api::{
    BatchGetItemOutput, BatchWriteItemOutput, GetItemOutput, KeysAndAttributes, ListTablesOutput, PageOutput,
    TransactGetItemsOutput, TransactWriteItemsOutput, WriteItemOutput, WriteRequest,
};
use beringia_item::Item;
use serde::{Serialize, Serializer};

use super::{Encode, Fields};

impl Encode for WriteItemOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("Attributes", self.attributes.as_ref())?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire_some("ItemCollectionMetrics", self.item_collection_metrics.as_ref())?;
        fields.end()
    }
}

impl Encode for GetItemOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire_some("Item", self.item.as_ref())?;
        fields.end()
    }
}

impl Encode for PageOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.plain("Count", &self.count)?;
        fields.wire_some("Items", self.items.as_ref())?;
        fields.wire_some("LastEvaluatedKey", self.last_evaluated_key.as_ref())?;
        fields.plain("ScannedCount", &self.scanned_count)?;
        fields.end()
    }
}

impl Encode for ListTablesOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("LastEvaluatedTableName", self.last_evaluated_table_name.as_ref())?;
        fields.plain("TableNames", &self.table_names)?;
        fields.end()
    }
}

impl Encode for KeysAndAttributes {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire("Keys", &self.keys)?;
        fields.plain_some("AttributesToGet", self.attributes_to_get.as_ref())?;
        fields.plain_some("ConsistentRead", self.consistent_read.as_ref())?;
        fields.plain_some("ProjectionExpression", self.projection_expression.as_ref())?;
        fields.plain_some("ExpressionAttributeNames", self.expression_attribute_names.as_ref())?;
        fields.end()
    }
}

impl Encode for BatchGetItemOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire("Responses", &self.responses)?;
        fields.wire("UnprocessedKeys", &self.unprocessed_keys)?;
        fields.end()
    }
}

impl Encode for WriteRequest {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        match self {
            WriteRequest::Put { item } => fields.plain("PutRequest", &Named("Item", item))?,
            WriteRequest::Delete { key } => fields.plain("DeleteRequest", &Named("Key", key))?,
        }
        fields.end()
    }
}

/// A structure whose only member is an item.
struct Named<'a>(&'static str, &'a Item);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire(self.0, self.1)?;
        fields.end()
    }
}

impl Encode for BatchWriteItemOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire_some("ItemCollectionMetrics", self.item_collection_metrics.as_ref())?;
        fields.wire("UnprocessedItems", &self.unprocessed_items)?;
        fields.end()
    }
}

impl Encode for TransactWriteItemsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire_some("ItemCollectionMetrics", self.item_collection_metrics.as_ref())?;
        fields.end()
    }
}

impl Encode for TransactGetItemsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire("Responses", &self.responses)?;
        fields.end()
    }
}

/// An element of TransactGetItems' `Responses`: empty if there is no item.
impl Encode for Option<Item> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("Item", self.as_ref())?;
        fields.end()
    }
}
