//! Decodes the requests of TransactWriteItems and TransactGetItems.

use beringia_engine::{
    ApiError,
    api::{TransactAction, TransactGetItem, TransactGetItemsInput, TransactWriteItem, TransactWriteItemsInput},
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

impl Decode for TransactWriteItemsInput {
    const SHAPE: &'static Structure = &requests::TRANSACT_WRITE_ITEMS;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            transact_items: fields.required_list("TransactItems", write_item)?,
            client_request_token: fields.text("ClientRequestToken"),
            return_consumed_capacity: fields.capacity()?,
            return_item_collection_metrics: fields.metrics()?,
        })
    }
}

fn write_item(mut fields: Fields) -> Result<TransactWriteItem, ApiError> {
    let [check, put, delete, update] =
        ["ConditionCheck", "Put", "Delete", "Update"].map(|action| fields.structure(action));
    match (check, put, delete, update) {
        (Some(mut check), None, None, None) => {
            let action = TransactAction::ConditionCheck {
                key: check.required_item("Key")?,
                condition_expression: check.required_text("ConditionExpression")?,
            };
            with_action(check, action)
        }
        (None, Some(mut put), None, None) => {
            let action = TransactAction::Put {
                item: put.required_item("Item")?,
                condition_expression: put.text("ConditionExpression"),
            };
            with_action(put, action)
        }
        (None, None, Some(mut delete), None) => {
            let action = TransactAction::Delete {
                key: delete.required_item("Key")?,
                condition_expression: delete.text("ConditionExpression"),
            };
            with_action(delete, action)
        }
        (None, None, None, Some(mut update)) => {
            let action = TransactAction::Update {
                key: update.required_item("Key")?,
                update_expression: update.required_text("UpdateExpression")?,
                condition_expression: update.text("ConditionExpression"),
            };
            with_action(update, action)
        }
        _ => Err(ApiError::one_transact_action()),
    }
}

/// Reads the members that all four actions have.
fn with_action(mut fields: Fields, action: TransactAction) -> Result<TransactWriteItem, ApiError> {
    Ok(TransactWriteItem {
        table_name: fields.table_name()?,
        action,
        expression_attribute_names: fields.expression_names(),
        expression_attribute_values: fields.expression_values()?,
        return_values_on_condition_check_failure: fields.return_values_on_failure()?,
    })
}

impl Decode for TransactGetItemsInput {
    const SHAPE: &'static Structure = &requests::TRANSACT_GET_ITEMS;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            transact_items: fields.required_list("TransactItems", get_item)?,
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

fn get_item(mut fields: Fields) -> Result<TransactGetItem, ApiError> {
    let mut get = fields.structure("Get").ok_or_else(|| ApiError::missing("get"))?;
    Ok(TransactGetItem {
        table_name: get.table_name()?,
        key: get.required_item("Key")?,
        projection_expression: get.text("ProjectionExpression"),
        expression_attribute_names: get.expression_names(),
    })
}
