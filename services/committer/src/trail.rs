//! Spans and events that trace a write through its region's committer.
//!
//! All but the region's span is at level `debug` and costs nothing while that level is off.

use beringia_decisions::Decision;
use beringia_item::Region;
use beringia_storage::{WriteResult, backend::RecordFlags};
use tracing::{Level, Span, debug, debug_span, enabled, error_span, field, field::display};

/// The span of a region, for records that are in no narrower span, so that every record names its
/// region. Its level is `error`, so it exists whenever anything is logged.
pub(crate) fn region_span(region: &Region) -> Span {
    error_span!(parent: None, "region", %region)
}

/// The current span, or the region's if there is none. For work that another thread does on behalf
/// of the caller.
pub(crate) fn current_or(region: &Span) -> Span {
    let current = Span::current();
    if current.is_none() { region.clone() } else { current }
}

/// The current span, which a commit is later linked to. None while level `debug` is off.
pub(crate) fn requester() -> Span {
    if enabled!(Level::DEBUG) {
        Span::current()
    } else {
        Span::none()
    }
}

/// The span of a group commit. It follows from the spans of the requests that it commits.
pub(crate) fn commit_span<'s>(region: &Region, asked_by: impl ExactSizeIterator<Item = &'s Span>) -> Span {
    let span = debug_span!(
        parent: None,
        "commit",
        %region,
        commands = asked_by.len(),
        records = field::Empty,
        first = field::Empty,
        last = field::Empty,
    );
    if !span.is_disabled() {
        for requester in asked_by {
            span.follows_from(requester);
        }
    }
    span
}

/// Logs each record that was appended to the log, with origin and sequence, which identify the
/// write in every region.
pub(crate) fn committed(decision: &Decision) {
    let records = &decision.writes.records;
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return;
    };
    if !enabled!(Level::DEBUG) {
        return;
    }
    let span = Span::current();
    span.record("records", records.len());
    span.record("first", first.head.position);
    span.record("last", last.head.position);
    let state = &decision.state;
    for head in records.iter().map(|record| record.head) {
        let Some(origin) = state.origins.names().get(usize::from(head.origin)) else {
            continue;
        };
        let id = state.numbers().get(&head.table).copied();
        let table = id.and_then(|id| state.catalog.name_of(id)).unwrap_or_default();
        // As text, since many JSON parsers cannot represent so great a number exactly.
        let (sequence, position) = (display(head.sequence), head.position);
        if head.origin == state.origins.own() {
            debug!(%origin, sequence, table, position, "committed");
        } else {
            let is_current = !head.flags.has(RecordFlags::STALE);
            debug!(%origin, sequence, table, position, is_current, "applied");
        }
    }
}

/// Logs, in the span of a request, the origins and sequences of its writes.
pub(crate) fn written(outcomes: &[WriteResult]) {
    if enabled!(Level::DEBUG) {
        for version in outcomes.iter().filter_map(|outcome| outcome.version.as_ref()) {
            debug!(origin = %version.origin, sequence = %version.sequence, "written");
        }
    }
}
