//! Decodes the legacy conditional parameters.

use beringia_engine::{
    ApiError,
    api::{
        AttributeAction, AttributeCondition, AttributeValueUpdate, ComparisonOperator, ConditionalOperator,
        ExpectedAttributeValue,
    },
};
use serde_json::Value;

use super::Fields;

const COMPARISON: &str = "ComparisonOperator";

fn comparison(name: &str, member: &str) -> Result<ComparisonOperator, ApiError> {
    ComparisonOperator::from_name(name).ok_or_else(|| ApiError::not_in_enum(name, member, ComparisonOperator::NAMES))
}

fn fields(value: Value, member: &str) -> Result<Fields, ApiError> {
    Fields::of(value).ok_or_else(|| ApiError::missing(member))
}

impl Fields {
    pub(super) fn conditional_operator(&mut self) -> Result<Option<ConditionalOperator>, ApiError> {
        self.one_of("ConditionalOperator", ConditionalOperator::from_wire)
    }
}

/// Decodes one value of `KeyConditions`, `QueryFilter` or `ScanFilter`.
pub(super) fn attribute_condition(value: Value) -> Result<AttributeCondition, ApiError> {
    let mut fields = fields(value, "condition")?;
    Ok(AttributeCondition {
        comparison_operator: fields.required_one_of(COMPARISON, comparison)?,
        attribute_value_list: fields.values("AttributeValueList")?,
    })
}

/// Decodes one value of `Expected`.
pub(super) fn expected(value: Value) -> Result<ExpectedAttributeValue, ApiError> {
    let mut fields = fields(value, "expected")?;
    Ok(ExpectedAttributeValue {
        comparison_operator: fields.one_of(COMPARISON, comparison)?,
        attribute_value_list: fields.values("AttributeValueList")?,
        exists: fields.boolean("Exists"),
        value: fields.value("Value")?,
    })
}

/// Decodes one value of `AttributeUpdates`.
pub(super) fn attribute_update(value: Value) -> Result<AttributeValueUpdate, ApiError> {
    let mut fields = fields(value, "attributeUpdates")?;
    Ok(AttributeValueUpdate {
        action: fields.one_of("Action", AttributeAction::from_wire)?,
        value: fields.value("Value")?,
    })
}
