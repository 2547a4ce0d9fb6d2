//! Reads the legacy conditional parameters: which of them may be combined, and what they mean.

use std::collections::BTreeMap;

use beringia_expression::{AttributeChange, AttributeTest, ComparisonOperator, Condition, KeyCondition, Update};
use beringia_item::AttributeValue;

use crate::{
    ApiError,
    api::{
        AttributeAction, AttributeCondition, AttributeConditions, AttributeValueUpdate, ConditionalOperator,
        ExpectedAttributeValue,
    },
};

/// Rejects a request with parameters of both forms. Each parameter comes with whether it is
/// present.
pub(crate) fn check_not_mixed(older: &[(&str, bool)], expressions: &[(&str, bool)]) -> Result<(), ApiError> {
    let given = |parameters: &[(&str, bool)]| {
        let names = parameters.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (older, expressions) = (given(older), given(expressions));
    if older.is_empty() || expressions.is_empty() {
        return Ok(());
    }
    Err(ApiError::Validation(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{older}}} \
         Expression parameters: {{{expressions}}}"
    )))
}

fn invalid(what: impl std::fmt::Display) -> ApiError {
    ApiError::Validation(format!("One or more parameter values were invalid: {what}"))
}

/// Combines tests into one condition; `None` if there are no tests.
fn combined(
    tests: BTreeMap<String, AttributeTest>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, ApiError> {
    if tests.is_empty() && operator.is_some() {
        return Err(ApiError::validation(
            "ConditionalOperator cannot be used without Filter or Expected",
        ));
    }
    Ok(Condition::of_attributes(
        tests,
        operator == Some(ConditionalOperator::Or),
    )?)
}

fn tests(conditions: BTreeMap<String, AttributeCondition>) -> BTreeMap<String, AttributeTest> {
    let test = |(attribute, condition): (String, AttributeCondition)| {
        let test = AttributeTest {
            comparison: condition.comparison_operator,
            values: condition.attribute_value_list.unwrap_or_default(),
        };
        (attribute, test)
    };
    conditions.into_iter().map(test).collect()
}

/// Reads `QueryFilter` or `ScanFilter` into a condition.
pub(crate) fn filter(
    conditions: AttributeConditions,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, ApiError> {
    combined(tests(conditions.unwrap_or_default()), operator)
}

/// Reads `KeyConditions` into a key condition.
pub(crate) fn key_condition(conditions: BTreeMap<String, AttributeCondition>) -> Result<KeyCondition, ApiError> {
    Ok(KeyCondition::of_attributes(tests(conditions))?)
}

/// Reads `Expected` into a condition.
pub(crate) fn expected(
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, ApiError> {
    let mut tests = BTreeMap::new();
    for (attribute, expected) in expected.into_iter().flatten() {
        let test = expected_test(&attribute, expected)?;
        tests.insert(attribute, test);
    }
    combined(tests, operator)
}

fn expected_test(attribute: &str, expected: ExpectedAttributeValue) -> Result<AttributeTest, ApiError> {
    let ExpectedAttributeValue {
        comparison_operator,
        attribute_value_list,
        exists,
        value,
    } = expected;
    let refuse = |what: &str| Err(invalid(format!("{what} for Attribute: {attribute}")));
    if attribute_value_list.is_some() && value.is_some() {
        return refuse("Value and AttributeValueList cannot be used together");
    }
    if let Some(comparison) = comparison_operator {
        if exists.is_some() {
            return refuse("Exists and ComparisonOperator cannot be used together");
        }
        let values = attribute_value_list.or_else(|| value.map(|value| vec![value]));
        if values.is_none() && !matches!(comparison, ComparisonOperator::Null | ComparisonOperator::NotNull) {
            let name = comparison.as_str();
            return refuse(&format!(
                "Value or AttributeValueList must be used with ComparisonOperator: {name}"
            ));
        }
        let values = values.unwrap_or_default();
        return Ok(AttributeTest { comparison, values });
    }
    if attribute_value_list.is_some() {
        return refuse("AttributeValueList can only be used with a ComparisonOperator");
    }
    match (exists, value) {
        (Some(false), None) => Ok(AttributeTest {
            comparison: ComparisonOperator::Null,
            values: Vec::new(),
        }),
        (Some(false), Some(_)) => refuse("Value cannot be used when Exists is false"),
        (_, Some(value)) => Ok(equal(value)),
        (Some(true), None) => refuse("Value must be provided when Exists is true"),
        (None, None) => refuse("Value must be provided when Exists is null"),
    }
}

fn equal(value: AttributeValue) -> AttributeTest {
    AttributeTest {
        comparison: ComparisonOperator::Equal,
        values: vec![value],
    }
}

/// Reads `AttributeUpdates` into an update.
pub(crate) fn updates(updates: BTreeMap<String, AttributeValueUpdate>) -> Result<Option<Update>, ApiError> {
    let mut changes = BTreeMap::new();
    for (attribute, AttributeValueUpdate { action, value }) in updates {
        let change = match (action.unwrap_or(AttributeAction::Put), value) {
            (AttributeAction::Put, Some(value)) => AttributeChange::Put(value),
            (AttributeAction::Add, Some(value)) => AttributeChange::Add(value),
            (AttributeAction::Delete, Some(value)) => AttributeChange::Delete(value),
            (AttributeAction::Delete, None) => AttributeChange::Remove,
            (AttributeAction::Put | AttributeAction::Add, None) => {
                return Err(invalid(
                    "Only DELETE action is allowed when no attribute value is specified",
                ));
            }
        };
        changes.insert(attribute, change);
    }
    Ok(Update::of_attributes(changes)?)
}
