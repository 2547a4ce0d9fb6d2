//! Implements the Query operation.

use std::ops::Bound;

use beringia_expression::{Condition, ConditionKind, KeyCondition, Projection, ResolvedKeyCondition, SortCondition};
use beringia_item::{AttributeValue, Item, KeyBytes, KeyError, KeySchema};

use super::{
    read::{KeyRange, PageRead},
    source::{MismatchMessage, SelectIn, Source, check_select, projecting},
};
use crate::{
    ApiError, Engine,
    api::{QueryInput, QueryOutput},
    attributes::{self, check_not_mixed},
    expressions::{condition, open, projection},
    keys::{Wording, check_read_paths, condition_error, parts},
    names,
};

impl Engine {
    /// Reads items of one partition in the order of their sort keys.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, a throttling exception, or the store's
    /// error.
    pub async fn query(&self, mut input: QueryInput) -> Result<QueryOutput, ApiError> {
        let limit = check_limits(input.limit, input.index_name.as_deref())?;
        check_forms(&input)?;
        let projects = projecting(input.projection_expression.as_ref(), input.attributes_to_get.as_ref());
        check_select(SelectIn::Query, input.select, projects, input.index_name.is_some())?;
        let Expressions {
            key_condition,
            filter,
            filtering,
            projection,
        } = Expressions::read(&mut input)?;
        let table = self.usable_table(&input.table_name)?;
        let source = self.source(
            &table,
            input.index_name.as_deref(),
            input.consistent_read,
            Wording::Request,
        )?;
        let resolved = key_condition.resolve(source.keys)?;
        if let Some(filter) = &filter {
            check_read_paths(&table, Wording::Request, Some(filter), None)?;
            check_filter(filtering, source.keys, filter.top_level_names())?;
            source.check_filter_projected(filter)?;
        }
        check_read_paths(&table, Wording::Request, None, projection.as_ref())?;
        let shown = source.shown(input.select, projection)?;
        let single = source.index.is_none() && source.keys.sort.is_empty();
        if let (true, Some(start)) = (single, &input.exclusive_start_key) {
            source.start_key(start, MismatchMessage::Bare)?;
            return Err(nothing_after(start));
        }
        let reverse = !input.scan_index_forward;
        let (partition, mut range) =
            key_range(source.keys, &resolved).map_err(|error| condition_error(source.keys, &error))?;
        if let Some(position) = &input.exclusive_start_key {
            let start = source.start_key(position, MismatchMessage::Bare)?;
            check_start(&source, &resolved, position, &partition, &start)?;
            range.after(&start.0, reverse);
        }
        let page = PageRead {
            source,
            ranges: vec![range],
            reverse,
            limit,
            filter,
            shown,
            consistent: input.consistent_read,
            capacity: input.return_consumed_capacity,
        };
        let mut page = page.run(self).await?;
        if single {
            // The partition contains no second item, so there is no next page.
            page.last_evaluated_key = None;
        }
        Ok(page)
    }
}

/// The expressions of a Query, in either form.
struct Expressions {
    key_condition: KeyCondition,
    filter: Option<Condition>,
    /// The name that messages give to the filter.
    filtering: &'static str,
    projection: Option<Projection>,
}

impl Expressions {
    fn read(input: &mut QueryInput) -> Result<Self, ApiError> {
        let given = [
            ("FilterExpression", input.filter_expression.is_some()),
            ("KeyConditionExpression", input.key_condition_expression.is_some()),
        ];
        let with_projection = input.projection_expression.is_some();
        let mut placeholders = open(
            input.expression_attribute_names.take(),
            input.expression_attribute_values.take(),
            &given,
            with_projection,
        )?;
        // These faults are reported before those of the key condition.
        if let Some(text) = &input.filter_expression {
            Condition::check_not_empty(text, ConditionKind::Filter)?;
        }
        if let Some(text) = &input.projection_expression {
            Projection::check_not_empty(text)?;
        }
        let key_condition = match (input.key_condition_expression.as_deref(), input.key_conditions.take()) {
            (Some(text), _) => KeyCondition::parse(text, &mut placeholders)?,
            (None, conditions) => attributes::key_condition(conditions.unwrap_or_default())?,
        };
        let expression = input.filter_expression.as_deref();
        let (filter, filtering) = match condition(expression, ConditionKind::Filter, &mut placeholders)? {
            Some(filter) => (Some(filter), "Filter Expression"),
            None => (
                attributes::filter(input.query_filter.take(), input.conditional_operator)?,
                "QueryFilter",
            ),
        };
        let projection = projection(
            input.projection_expression.as_deref(),
            input.attributes_to_get.take(),
            &mut placeholders,
        )?;
        placeholders.check_all_used()?;
        Ok(Self {
            key_condition,
            filter,
            filtering,
            projection,
        })
    }
}

/// The error for a start key in a partition that contains at most one item: a query can only start
/// at its beginning.
fn nothing_after(start: &Item) -> ApiError {
    let shown: Vec<String> = start
        .iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => format!("{name}=AttributeValue: {{S:{text}}}"),
            AttributeValue::N(number) => format!("{name}=AttributeValue: {{N:{number}}}"),
            other => format!("{name}=AttributeValue: {{{}}}", other.type_name()),
        })
        .collect();
    ApiError::Validation(format!(
        "The provided exclusive start key is invalid: ExclusiveStartKey: {{{}}}",
        shown.join(", ")
    ))
}

/// Checks `Limit` and the form of `IndexName`.
pub(super) fn check_limits(limit: Option<i64>, index_name: Option<&str>) -> Result<Option<usize>, ApiError> {
    let mut constraints = crate::constraint::Constraints::default();
    if let Some(limit) = limit {
        constraints.at_least("limit", limit, 1);
    }
    if let Some(name) = index_name {
        names::check_name(&mut constraints, "indexName", name);
    }
    constraints.finish()?;
    Ok(limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// Checks which parameters are combined.
fn check_forms(input: &QueryInput) -> Result<(), ApiError> {
    let by_expression = input.key_condition_expression.is_some();
    check_not_mixed(
        &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("QueryFilter", input.query_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
            // `KeyConditions` may be combined with other kinds of expressions.
            ("KeyConditions", by_expression && input.key_conditions.is_some()),
        ],
        &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
            ("KeyConditionExpression", by_expression),
        ],
    )?;
    if !by_expression && input.key_conditions.is_none() {
        return Err(ApiError::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ));
    }
    Ok(())
}

fn check_filter<'a>(
    filtering: &str,
    keys: &KeySchema,
    mut mentioned: impl Iterator<Item = &'a str>,
) -> Result<(), ApiError> {
    match mentioned.find(|name| parts(keys).any(|part| part.name == *name)) {
        None => Ok(()),
        Some(name) => Err(ApiError::Validation(format!(
            "{filtering} can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
    }
}

/// Checks that a start key lies in what the query reads. Of two faults, the one of the sort key is
/// reported.
fn check_start(
    source: &Source<'_>,
    condition: &ResolvedKeyCondition,
    position: &Item,
    partition: &[u8],
    start: &KeyBytes,
) -> Result<(), ApiError> {
    let own_partition = source.keys.partition.iter().filter_map(|part| position.get(&part.name));
    let in_own_partition = ResolvedKeyCondition {
        partition: own_partition.cloned().collect(),
        ..condition.clone()
    };
    let range = key_range(source.keys, &in_own_partition);
    let (_, range) = range.map_err(|error| condition_error(source.keys, &error))?;
    if !range.contains(&start.0) {
        return Err(ApiError::validation(
            "The provided starting key does not match the range key predicate",
        ));
    }
    if !start.0.starts_with(partition) {
        return Err(ApiError::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    Ok(())
}

/// The stored-key prefix of the partition, and the range of stored keys that the condition selects.
pub(super) fn key_range(keys: &KeySchema, condition: &ResolvedKeyCondition) -> Result<(Vec<u8>, KeyRange), KeyError> {
    let values: Vec<&AttributeValue> = condition.partition.iter().collect();
    let partition = keys.partition_prefix(&values)?;
    let mut prefix = partition.clone();
    for (part, value) in condition.sort_equal.iter().enumerate() {
        keys.push_sort(part, value, &mut prefix)?;
    }
    let part = condition.sort_equal.len();
    let complete = |value: &AttributeValue| -> Result<Vec<u8>, KeyError> {
        let mut bytes = prefix.clone();
        keys.push_sort(part, value, &mut bytes)?;
        Ok(bytes)
    };
    let begin = |bytes: Vec<u8>| Bound::Included(bytes);
    let (from, to) = match &condition.sort {
        SortCondition::Any => (begin(prefix.clone()), end_of(&prefix)),
        SortCondition::Less(value) => (begin(prefix.clone()), Bound::Excluded(complete(value)?)),
        SortCondition::LessOrEqual(value) => (begin(prefix.clone()), end_of(&complete(value)?)),
        SortCondition::Greater(value) => (after(&complete(value)?), end_of(&prefix)),
        SortCondition::GreaterOrEqual(value) => (begin(complete(value)?), end_of(&prefix)),
        SortCondition::Between(low, high) => (begin(complete(low)?), end_of(&complete(high)?)),
        SortCondition::BeginsWith(value) => {
            let mut bytes = prefix.clone();
            keys.push_sort_prefix(part, value, &mut bytes)?;
            (begin(bytes.clone()), end_of(&bytes))
        }
    };
    Ok((partition, KeyRange { from, to }))
}

/// The upper bound of all keys that begin with `prefix`.
fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    KeyBytes::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded)
}

/// The lower bound of what follows all keys that begin with `prefix`. No key has a prefix of only
/// 0xFF bytes, after which nothing would follow: a prefix ends with a terminator.
fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    KeyBytes::after_prefix(prefix).map_or_else(|| Bound::Excluded(prefix.to_vec()), Bound::Included)
}
