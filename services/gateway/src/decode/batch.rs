//! Decodes the requests of BatchGetItem and BatchWriteItem.

use beringia_engine::{
    ApiError,
    api::{BatchGetItemInput, BatchWriteItemInput, KeysAndAttributes, WriteRequest},
};
use serde_json::Value;

use super::{Decode, Fields, fields::elements};
use crate::shape::{Structure, requests};

impl Decode for BatchGetItemInput {
    const SHAPE: &'static Structure = &requests::BATCH_GET_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            request_items: fields.required_map("RequestItems", keys_and_attributes)?,
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

fn keys_and_attributes(value: Value) -> Result<KeysAndAttributes, ApiError> {
    let mut fields = Fields::of(value).ok_or_else(|| ApiError::missing("requestItems"))?;
    Ok(KeysAndAttributes {
        keys: fields.items("Keys")?,
        consistent_read: fields.boolean("ConsistentRead"),
        attributes_to_get: fields.texts("AttributesToGet"),
        projection_expression: fields.text("ProjectionExpression"),
        expression_attribute_names: fields.expression_names(),
    })
}

impl Decode for BatchWriteItemInput {
    const SHAPE: &'static Structure = &requests::BATCH_WRITE_ITEM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            request_items: fields.required_map("RequestItems", |writes| elements(writes, write_request))?,
            return_consumed_capacity: fields.capacity()?,
            return_item_collection_metrics: fields.metrics()?,
        })
    }
}

fn write_request(mut fields: Fields) -> Result<WriteRequest, ApiError> {
    match (fields.structure("PutRequest"), fields.structure("DeleteRequest")) {
        (Some(mut put), None) => Ok(WriteRequest::Put {
            item: put.required_item("Item")?,
        }),
        (None, Some(mut delete)) => Ok(WriteRequest::Delete {
            key: delete.required_item("Key")?,
        }),
        _ => Err(ApiError::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
    }
}
