//! Spans and events by which a write is followed through its region's committer.
//!
//! Everything here is at the level `debug`, and costs nothing while that is not logged.

use std::collections::BTreeMap;

use beringia_decisions::Decision;
use beringia_item::{Region, TableId};
use beringia_storage::{WriteResult, backend::RecordFlags};
use tracing::{Level, Span, debug, debug_span, enabled, error_span, field, field::display};

/// The span for messages of a region that are in no narrower one, so that all name it. Its level is
/// `error`, so it is made wherever anything is logged.
pub(crate) fn region_span(region: &Region) -> Span {
    error_span!(parent: None, "region", %region)
}

/// The span for what is done elsewhere on behalf of the present one: that, or the region's where
/// there is none.
pub(crate) fn present_or(region: &Span) -> Span {
    let present = Span::current();
    if present.is_none() { region.clone() } else { present }
}

/// The span of those who ask for a commit, to be linked with the commit's; nothing where that is
/// not logged.
pub(crate) fn asking() -> Span {
    if enabled!(Level::DEBUG) {
        Span::current()
    } else {
        Span::none()
    }
}

/// The span of a group commit. It follows from the spans of those who asked for it.
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
        for asking in asked_by {
            span.follows_from(asking);
        }
    }
    span
}

/// Tells of each record that was appended to the log, by origin and sequence: with these the write
/// is found in every region.
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
    let tables = state.tables().iter().map(|(id, table)| (table.number, *id));
    let tables: BTreeMap<_, TableId> = tables.collect();
    for head in records.iter().map(|record| record.head) {
        let Some(origin) = state.origins.names().get(usize::from(head.origin)) else {
            continue;
        };
        let id = tables.get(&head.table).copied();
        let table = id.and_then(|id| state.catalog.name_of(id)).unwrap_or_default();
        // As text, since it is beyond what programs that read JSON hold as a number.
        let (sequence, position) = (display(head.sequence), head.position);
        if head.origin == state.origins.own() {
            debug!(%origin, sequence, table, position, "committed");
        } else {
            let is_current = !head.flags.has(RecordFlags::STALE);
            debug!(%origin, sequence, table, position, is_current, "applied");
        }
    }
}

/// Tells a request under which origins and sequences its writes are committed.
pub(crate) fn written(outcomes: &[WriteResult]) {
    if enabled!(Level::DEBUG) {
        for version in outcomes.iter().filter_map(|outcome| outcome.version.as_ref()) {
            debug!(origin = %version.origin, sequence = %version.sequence, "written");
        }
    }
}
