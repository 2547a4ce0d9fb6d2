//! Decodes the requests of PutItem, GetItem, UpdateItem, DeleteItem, Query and Scan.

use beringia_engine::{
    ApiError,
    api::{
        DeleteItemInput, GetItemInput, PutItemInput, QueryInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
        ReturnValues, ReturnValuesOnConditionCheckFailure, ScanInput, Select, UpdateItemInput, WriteOptions,
    },
};

use beringia_item::{Item, JsonErrorKind};

use super::{
    Decode, Fields,
    attributes::{attribute_condition, attribute_update, expected},
};
use crate::{
    error::unreadable,
    shape::{Structure, requests},
};

impl Fields {
    pub(super) fn table_name(&mut self) -> Result<String, ApiError> {
        self.required_text("TableName")
    }

    pub(super) fn capacity(&mut self) -> Result<ReturnConsumedCapacity, ApiError> {
        Ok(self
            .one_of("ReturnConsumedCapacity", ReturnConsumedCapacity::from_wire)?
            .unwrap_or_default())
    }

    pub(super) fn metrics(&mut self) -> Result<ReturnItemCollectionMetrics, ApiError> {
        Ok(self
            .one_of("ReturnItemCollectionMetrics", ReturnItemCollectionMetrics::from_wire)?
            .unwrap_or_default())
    }

    pub(super) fn return_values_on_failure(&mut self) -> Result<ReturnValuesOnConditionCheckFailure, ApiError> {
        let from_wire = ReturnValuesOnConditionCheckFailure::from_wire;
        Ok(self
            .one_of("ReturnValuesOnConditionCheckFailure", from_wire)?
            .unwrap_or_default())
    }

    /// Takes `ExclusiveStartKey`. Errors name the parameter, except those about numbers and
    /// duplicates.
    fn start_key(&mut self) -> Result<Option<Item>, ApiError> {
        self.item("ExclusiveStartKey").map_err(|error| match error.kind {
            JsonErrorKind::Invalid => {
                ApiError::Validation(format!("The provided starting key is invalid: {}", error.message))
            }
            JsonErrorKind::Serialization | JsonErrorKind::Number | JsonErrorKind::Duplicates => unreadable(error),
        })
    }

    /// Takes the options that all writes of one item share.
    fn write_options(&mut self) -> Result<WriteOptions, ApiError> {
        Ok(WriteOptions {
            condition_expression: self.text("ConditionExpression"),
            expected: self.map("Expected", expected)?,
            conditional_operator: self.conditional_operator()?,
            expression_attribute_names: self.expression_names(),
            expression_attribute_values: self.expression_values()?,
            return_values: self
                .one_of("ReturnValues", ReturnValues::from_wire)?
                .unwrap_or_default(),
            return_consumed_capacity: self.capacity()?,
            return_item_collection_metrics: self.metrics()?,
            return_values_on_condition_check_failure: self.return_values_on_failure()?,
        })
    }
}

impl Decode for PutItemInput {
    const SHAPE: &'static Structure = &requests::PUT_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            item: fields.required_item("Item")?,
            options: fields.write_options()?,
        })
    }
}

impl Decode for GetItemInput {
    const SHAPE: &'static Structure = &requests::GET_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            key: fields.required_item("Key")?,
            consistent_read: fields.boolean("ConsistentRead").unwrap_or(false),
            projection_expression: fields.text("ProjectionExpression"),
            attributes_to_get: fields.texts("AttributesToGet"),
            expression_attribute_names: fields.expression_names(),
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

impl Decode for UpdateItemInput {
    const SHAPE: &'static Structure = &requests::UPDATE_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            key: fields.required_item("Key")?,
            update_expression: fields.text("UpdateExpression"),
            attribute_updates: fields.map("AttributeUpdates", attribute_update)?,
            options: fields.write_options()?,
        })
    }
}

impl Decode for DeleteItemInput {
    const SHAPE: &'static Structure = &requests::DELETE_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            key: fields.required_item("Key")?,
            options: fields.write_options()?,
        })
    }
}

impl Decode for QueryInput {
    const SHAPE: &'static Structure = &requests::QUERY;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            index_name: fields.text("IndexName"),
            key_condition_expression: fields.text("KeyConditionExpression"),
            key_conditions: fields.map("KeyConditions", attribute_condition)?,
            filter_expression: fields.text("FilterExpression"),
            query_filter: fields.map("QueryFilter", attribute_condition)?,
            conditional_operator: fields.conditional_operator()?,
            projection_expression: fields.text("ProjectionExpression"),
            attributes_to_get: fields.texts("AttributesToGet"),
            exclusive_start_key: fields.start_key()?,
            expression_attribute_names: fields.expression_names(),
            expression_attribute_values: fields.expression_values()?,
            select: fields.one_of("Select", Select::from_wire)?,
            limit: fields.integer("Limit"),
            scan_index_forward: fields.boolean("ScanIndexForward").unwrap_or(true),
            consistent_read: fields.boolean("ConsistentRead").unwrap_or(false),
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

impl Decode for ScanInput {
    const SHAPE: &'static Structure = &requests::SCAN;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            index_name: fields.text("IndexName"),
            filter_expression: fields.text("FilterExpression"),
            scan_filter: fields.map("ScanFilter", attribute_condition)?,
            conditional_operator: fields.conditional_operator()?,
            projection_expression: fields.text("ProjectionExpression"),
            attributes_to_get: fields.texts("AttributesToGet"),
            exclusive_start_key: fields.start_key()?,
            expression_attribute_names: fields.expression_names(),
            expression_attribute_values: fields.expression_values()?,
            select: fields.one_of("Select", Select::from_wire)?,
            limit: fields.integer("Limit"),
            segment: fields.integer("Segment"),
            total_segments: fields.integer("TotalSegments"),
            consistent_read: fields.boolean("ConsistentRead").unwrap_or(false),
            return_consumed_capacity: fields.capacity()?,
        })
    }
}
