//! Implements the Scan operation.

use std::ops::Bound;

use beringia_expression::ConditionKind;

use super::{
    query::check_limits,
    read::{KeyRange, PageRead},
    source::{MismatchMessage, SelectIn, check_select, projecting},
};
use crate::{
    ApiError, Engine,
    api::{ScanInput, ScanOutput},
    attributes::{self, check_not_mixed},
    constraint::Constraints,
    expressions::{condition, open, projection},
    keys::{Wording, check_read_paths},
};

/// The maximum number of segments (API reference, Scan).
const SEGMENTS_MAX: i64 = 1_000_000;
/// The number of values of the hash at the start of a stored key.
const HASHES: u64 = 1 << 16;

impl Engine {
    /// Reads all items of a table or index, or of one segment.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, a throttling exception, or the store's
    /// error.
    pub async fn scan(&self, input: ScanInput) -> Result<ScanOutput, ApiError> {
        let limit = check_limits(input.limit, input.index_name.as_deref())?;
        let segment = check_segments(input.segment, input.total_segments)?;
        check_not_mixed(
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("ScanFilter", input.scan_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
            ],
        )?;
        let projects = projecting(input.projection_expression.as_ref(), input.attributes_to_get.as_ref());
        check_select(SelectIn::Scan, input.select, projects, input.index_name.is_some())?;
        let given = [("FilterExpression", input.filter_expression.is_some())];
        let with_projection = input.projection_expression.is_some();
        let mut placeholders = open(
            input.expression_attribute_names,
            input.expression_attribute_values,
            &given,
            with_projection,
        )?;
        let expression = input.filter_expression.as_deref();
        let filter = match condition(expression, ConditionKind::Filter, &mut placeholders)? {
            Some(filter) => Some(filter),
            None => attributes::filter(input.scan_filter, input.conditional_operator)?,
        };
        let projection = projection(
            input.projection_expression.as_deref(),
            input.attributes_to_get,
            &mut placeholders,
        )?;
        placeholders.check_all_used()?;

        let table = self.usable_table(&input.table_name)?;
        let source = self.source(
            &table,
            input.index_name.as_deref(),
            input.consistent_read,
            Wording::Request,
        )?;
        check_read_paths(&table, Wording::Request, filter.as_ref(), projection.as_ref())?;
        let shown = source.shown(input.select, projection)?;
        let mut range = match segment {
            None => KeyRange {
                from: Bound::Unbounded,
                to: Bound::Unbounded,
            },
            Some((segment, total)) => segment_range(segment, total),
        };
        if let Some(position) = &input.exclusive_start_key {
            let start = source.start_key(position, MismatchMessage::Reason)?;
            if let Some((segment, total)) = segment.filter(|_| !range.contains(&start.0)) {
                return Err(ApiError::Validation(format!(
                    "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct \
                     Segment. TotalSegments: {total} Segment: {segment}"
                )));
            }
            range.after(&start.0, false);
        }
        let page = PageRead {
            source,
            ranges: vec![range],
            reverse: false,
            limit,
            filter,
            shown,
            consistent: input.consistent_read,
            capacity: input.return_consumed_capacity,
        };
        page.run(self).await
    }
}

/// The segment and the number of segments, if the scan is divided.
fn check_segments(segment: Option<i64>, total: Option<i64>) -> Result<Option<(u64, u64)>, ApiError> {
    let mut constraints = Constraints::default();
    if let Some(segment) = segment {
        constraints.at_least("segment", segment, 0);
        constraints.at_most("segment", segment, SEGMENTS_MAX - 1);
    }
    if let Some(total) = total {
        constraints.at_least("totalSegments", total, 1);
        constraints.at_most("totalSegments", total, SEGMENTS_MAX);
    }
    constraints.finish()?;
    match (segment, total) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ApiError::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(ApiError::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(ApiError::Validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less \
             than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(Some((segment.unsigned_abs(), total.unsigned_abs()))),
    }
}

/// The stored keys of a segment: an equal share of the hashes at their start. With more segments
/// than hashes, some segments are empty.
fn segment_range(segment: u64, total: u64) -> KeyRange {
    let bound = |segment: u64| {
        u16::try_from((segment * HASHES).div_ceil(total))
            .ok()
            .map(|hash| hash.to_be_bytes().to_vec())
    };
    let Some(from) = bound(segment) else {
        let nothing = Bound::Excluded(Vec::new());
        return KeyRange {
            from: nothing.clone(),
            to: nothing,
        };
    };
    KeyRange {
        from: Bound::Included(from),
        to: bound(segment + 1).map_or(Bound::Unbounded, Bound::Excluded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_divide_the_hashes_without_gap_or_overlap() {
        for total in [1, 2, 3, 7, 256, 1000, 65_536] {
            let mut reached = Vec::new();
            for segment in 0..total {
                let KeyRange { from, to } = segment_range(segment, total);
                let expected = if segment == 0 { vec![0, 0] } else { reached };
                assert_eq!(from, Bound::Included(expected), "segment {segment} of {total}");
                reached = match to {
                    Bound::Excluded(end) => end,
                    _ => Vec::new(),
                };
            }
            assert_eq!(reached, Vec::<u8>::new(), "the last of {total} is open");
        }
    }

    #[test]
    fn with_more_segments_than_hashes_each_hash_lies_in_exactly_one() {
        let total = 100_000;
        for hash in [0_u16, 1, 2, 255, 256, 40_000, 65_534, 65_535] {
            let key = hash.to_be_bytes();
            let holding = (0..total)
                .filter(|segment| segment_range(*segment, total).contains(&key))
                .count();
            assert_eq!(holding, 1, "hash {hash}");
        }
    }

    #[test]
    fn segment_parameters_must_agree() {
        assert_eq!(check_segments(None, None), Ok(None));
        assert_eq!(check_segments(Some(3), Some(4)), Ok(Some((3, 4))));
        for (segment, total) in [
            (Some(0), None),
            (None, Some(1)),
            (Some(4), Some(4)),
            (Some(-1), Some(4)),
            (Some(0), Some(0)),
            (Some(0), Some(1_000_001)),
        ] {
            assert!(check_segments(segment, total).is_err(), "{segment:?} {total:?}");
        }
    }
}
