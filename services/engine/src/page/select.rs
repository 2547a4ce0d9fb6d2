//! SELECT statements: a query of one or several partitions, or a scan.

use std::ops::Bound;

use beringia_expression::{Access, ResolvedKeyCondition, Select};
use beringia_item::{Item, KeySchema};

use super::{
    query::key_range,
    read::{KeyRange, PageRead},
    source::MismatchMessage,
};
use crate::{
    ApiError, Engine,
    api::{PageOutput, ReturnConsumedCapacity},
    keys::{Wording, check_read_paths, condition_error, request_key},
};

/// The maximum number of items that a page of several partitions evaluates (developer guide,
/// "PartiQL arithmetic, comparison, and logical operators for DynamoDB", IN).
const ITEMS_OF_SEVERAL_PARTITIONS: usize = 10;

/// The parameters of a SELECT besides the statement.
pub(crate) struct SelectOptions {
    pub(crate) consistent: bool,
    /// The maximum number of items to evaluate.
    pub(crate) limit: Option<usize>,
    pub(crate) capacity: ReturnConsumedCapacity,
    /// The key at which the previous page of the same statement ended.
    pub(crate) start: Option<Item>,
}

impl Engine {
    /// Reads a page of the selected items.
    pub(crate) async fn select(&self, select: Select, options: SelectOptions) -> Result<PageOutput, ApiError> {
        let table = self.usable_table(&select.table)?;
        let source = self.source(&table, select.index.as_deref(), options.consistent, Wording::Statement)?;
        let access = select.access(source.keys)?;
        let is_query = matches!(access, Access::Query { .. });
        let (mut ranges, is_descending, single_items) = match access {
            Access::Scan => (vec![everything()], false, false),
            Access::Query {
                conditions,
                is_descending,
            } => {
                let single_items = source.index.is_none() && conditions.iter().all(|of| is_one_item(of, source.keys));
                let ranges = conditions
                    .iter()
                    .map(|condition| key_range(source.keys, condition).map(|(_, range)| range))
                    .collect::<Result<_, _>>()
                    .map_err(|error| condition_error(source.keys, &error))?;
                (ranges, is_descending, single_items)
            }
        };
        let limit = if ranges.len() > 1 {
            Some(options.limit.unwrap_or(usize::MAX).min(ITEMS_OF_SEVERAL_PARTITIONS))
        } else {
            options.limit
        };
        let last = ranges.last().cloned();
        if let Some(position) = &options.start {
            let start = source.start_key(position, MismatchMessage::Bare)?;
            let reached = ranges.iter().position(|range| range.contains(&start.0));
            let reached =
                reached.ok_or_else(|| ApiError::validation("The provided starting key is outside query boundaries"))?;
            ranges.drain(..reached);
            if let Some(first) = ranges.first_mut() {
                first.after(&start.0, is_descending);
            }
        }
        let filter = select.filter.condition();
        check_read_paths(&table, Wording::Statement, filter.as_ref(), select.projection.as_ref())?;
        if let (true, Some(filter)) = (is_query, &filter) {
            source.check_filter_projected(filter)?;
        }
        let shown = source.shown(None, select.projection)?;
        let page = PageRead {
            source,
            ranges,
            reverse: is_descending,
            limit,
            filter,
            shown,
            consistent: options.consistent,
            capacity: options.capacity,
        };
        let mut page = page.run(self).await?;
        if single_items
            && let (Some(position), Some(last)) = (&page.last_evaluated_key, last)
            && last.contains(&request_key(&table, position)?.0)
        {
            // The last of the selected items was read, so there is no next page.
            page.last_evaluated_key = None;
        }
        Ok(page)
    }
}

const fn everything() -> KeyRange {
    KeyRange {
        from: Bound::Unbounded,
        to: Bound::Unbounded,
    }
}

/// Whether a condition on a table's key selects at most one item.
fn is_one_item(condition: &ResolvedKeyCondition, keys: &KeySchema) -> bool {
    condition.sort_equal.len() == keys.sort.len()
}
