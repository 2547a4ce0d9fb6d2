//! Reads a request's expressions: which parameters may be combined, and one error type for all of
//! them.

use beringia_expression::{Condition, ConditionKind, ExpressionError, Placeholders, Projection, Update};

use crate::{
    ApiError,
    api::{ExpressionNames, ExpressionValues},
    attributes::check_not_mixed,
};

impl From<ExpressionError> for ApiError {
    fn from(error: ExpressionError) -> Self {
        Self::Validation(error.0)
    }
}

/// Opens the placeholders of a request. `with_values` are the expressions that can contain values,
/// by parameter name and in the order of DynamoDB's message, each with whether it is present;
/// `projection` is whether the request has a projection.
pub(crate) fn open(
    names: ExpressionNames,
    values: ExpressionValues,
    with_values: &[(&str, bool)],
    projection: bool,
) -> Result<Placeholders, ApiError> {
    let valued = with_values.iter().any(|(_, given)| *given);
    if names.is_some() && !valued && !projection {
        return Err(ApiError::validation(
            "ExpressionAttributeNames can only be specified when using expressions",
        ));
    }
    if values.is_some() && !valued {
        let parameters: Vec<&str> = with_values.iter().map(|(parameter, _)| *parameter).collect();
        let verb = if parameters.len() == 1 { "is" } else { "are" };
        return Err(ApiError::Validation(format!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
            parameters.join(" and ")
        )));
    }
    Ok(Placeholders::new(names, values)?)
}

/// Parses a condition, if there is one.
pub(crate) fn condition(
    text: Option<&str>,
    kind: ConditionKind,
    placeholders: &mut Placeholders,
) -> Result<Option<Condition>, ApiError> {
    text.map(|text| Condition::parse(text, kind, placeholders))
        .transpose()
        .map_err(ApiError::from)
}

/// Parses a projection in either form, if there is one.
pub(crate) fn projection(
    text: Option<&str>,
    attributes: Option<Vec<String>>,
    placeholders: &mut Placeholders,
) -> Result<Option<Projection>, ApiError> {
    Ok(match text {
        Some(text) => Some(Projection::parse(text, placeholders)?),
        None => attributes.map(Projection::of_attributes).transpose()?,
    })
}

/// Parses an update, if there is one.
pub(crate) fn update(text: Option<&str>, placeholders: &mut Placeholders) -> Result<Option<Update>, ApiError> {
    text.map(|text| Update::parse(text, placeholders))
        .transpose()
        .map_err(ApiError::from)
}

/// The condition of a write that has no other expression.
pub(crate) fn write_condition(
    text: Option<&str>,
    names: ExpressionNames,
    values: ExpressionValues,
) -> Result<Option<Condition>, ApiError> {
    if text.is_none() && names.is_none() && values.is_none() {
        return Ok(None);
    }
    let mut placeholders = open(names, values, &[("ConditionExpression", text.is_some())], false)?;
    let condition = condition(text, ConditionKind::Condition, &mut placeholders)?;
    placeholders.check_all_used()?;
    Ok(condition)
}

/// The update and the condition of an UpdateItem.
pub(crate) fn update_and_condition(
    update_text: Option<&str>,
    condition_text: Option<&str>,
    names: ExpressionNames,
    values: ExpressionValues,
) -> Result<(Option<Update>, Option<Condition>), ApiError> {
    let given = [
        ("UpdateExpression", update_text.is_some()),
        ("ConditionExpression", condition_text.is_some()),
    ];
    let mut placeholders = open(names, values, &given, false)?;
    let update = update(update_text, &mut placeholders)?;
    let condition = condition(condition_text, ConditionKind::Condition, &mut placeholders)?;
    placeholders.check_all_used()?;
    Ok((update, condition))
}

/// The projection of a read that has no other expression; `attributes` is its legacy form.
pub(crate) fn read_projection(
    text: Option<&str>,
    names: ExpressionNames,
    attributes: Option<Vec<String>>,
) -> Result<Option<Projection>, ApiError> {
    check_not_mixed(
        &[("AttributesToGet", attributes.is_some())],
        &[("ProjectionExpression", text.is_some())],
    )?;
    if text.is_none() && names.is_none() {
        return Ok(attributes.map(Projection::of_attributes).transpose()?);
    }
    let mut placeholders = open(names, None, &[], text.is_some())?;
    let projection = projection(text, attributes, &mut placeholders)?;
    placeholders.check_all_used()?;
    Ok(projection)
}
