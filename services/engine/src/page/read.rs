//! Reads a page: rows in key order up to a limit, filtered, and reduced to what the answer shows.

use std::ops::Bound;

use beringia_expression::Condition;
use beringia_item::{Item, item_size};
use beringia_storage::{LogPosition, RangeRead, Row, Store};

use super::source::{Output, Shown, Source};
use crate::{
    ApiError, Engine,
    api::{PageOutput, ReturnConsumedCapacity},
    capacity::{Kind, Units, read_units},
    index::{cut, projected_size},
    throttle::Use,
};

/// The maximum size of a page, in bytes as DynamoDB counts them, before the filter (developer
/// guide, "Paginating table query results").
const PAGE_BYTES: usize = 1024 * 1024;

/// A range of stored keys. The start is inclusive or exclusive; the end is exclusive, as all ranges
/// here end at the end of a prefix or at a start key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Whether the range contains no keys.
    pub(super) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        }
    }

    /// Whether the range contains the key.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        let after_from = match &self.from {
            Bound::Included(from) => key >= from.as_slice(),
            Bound::Excluded(from) => key > from.as_slice(),
            Bound::Unbounded => true,
        };
        let before_to = match &self.to {
            Bound::Included(to) => key <= to.as_slice(),
            Bound::Excluded(to) => key < to.as_slice(),
            Bound::Unbounded => true,
        };
        after_from && before_to
    }

    /// Narrows the range to what follows `key` in reading order.
    pub(super) fn after(&mut self, key: &[u8], reverse: bool) {
        let bound = if reverse { &mut self.to } else { &mut self.from };
        *bound = Bound::Excluded(key.to_vec());
    }
}

/// The range to read, and how to process its items.
pub(super) struct PageRead<'a> {
    pub(super) source: Source<'a>,
    /// Read one after the other; no two overlap.
    pub(super) ranges: Vec<KeyRange>,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
    pub(super) filter: Option<Condition>,
    pub(super) shown: Shown,
    pub(super) consistent: bool,
    pub(super) capacity: ReturnConsumedCapacity,
}

/// A page while it is being read.
#[derive(Default)]
struct Page {
    items: Vec<Item>,
    count: u64,
    scanned: usize,
    /// The size of what was read from the source, in bytes.
    bytes: usize,
    /// The units that fetching from the table consumed.
    fetched_units: f64,
    last_evaluated_key: Option<Item>,
}

impl PageRead<'_> {
    /// Reads the page. It starts if the minimum cost can be reserved; the throttle then owes what
    /// the page costs beyond that.
    pub(super) async fn run(mut self, engine: &Engine) -> Result<PageOutput, ApiError> {
        let (store, table) = (&engine.store, self.source.table);
        let as_of = engine.as_of(self.consistent);
        let mut page = Page::default();
        let reserved = engine.throttle.reserve(table, Use::Read, || self.units(&page))?;
        for range in std::mem::take(&mut self.ranges) {
            self.read(store.as_ref(), as_of, range, &mut page).await?;
        }
        let units = self.units(&page);
        engine
            .throttle
            .charge_actual(table, Use::Read, reserved, || units.clone());
        Ok(self.answer(page, units))
    }

    /// Continues the page with a range, unless the page is full.
    async fn read(
        &self,
        store: &dyn Store,
        as_of: Option<LogPosition>,
        mut range: KeyRange,
        page: &mut Page,
    ) -> Result<(), ApiError> {
        while !range.is_empty() && page.last_evaluated_key.is_none() {
            let read = RangeRead {
                table: self.source.table.id,
                index: self.source.index.map(str::to_owned),
                from: range.from.clone(),
                to: range.to.clone(),
                reverse: self.reverse,
                // Every item has at least one byte.
                max_rows: self
                    .limit
                    .map_or(PAGE_BYTES, |limit| (limit - page.scanned).min(PAGE_BYTES)),
                max_bytes: PAGE_BYTES - page.bytes,
            };
            let found = match as_of {
                None => store.range(read).await?,
                Some(at) => store.range_at(read, at).await?,
            };
            if found.limited
                && let Some(last) = found.rows.last()
            {
                range.after(&last.key.0, self.reverse);
            }
            for row in found.rows {
                if page.last_evaluated_key.is_none() {
                    self.take(row, page);
                }
            }
            if !found.limited {
                break;
            }
        }
        Ok(())
    }

    /// The units that the page has consumed so far.
    fn units(&self, page: &Page) -> Units {
        let taken = read_units(page.bytes, self.consistent);
        let mut units = Units::of_table(0.0);
        match (self.source.index, self.source.global) {
            (None, _) => units.table = taken,
            (Some(index), true) => {
                units.global.insert(index.to_owned(), taken);
            }
            (Some(index), false) => {
                units.local.insert(index.to_owned(), taken);
                units.table = page.fetched_units;
            }
        }
        units
    }

    fn take(&self, row: Row, page: &mut Page) {
        let mut item = row.item;
        let held = self.source.projected.as_ref();
        page.scanned += 1;
        page.bytes += projected_size(&item, held);
        if self.shown.fetch {
            page.fetched_units += read_units(item_size(&item), self.consistent);
        }
        if self.limit.is_some_and(|limit| page.scanned >= limit) || page.bytes >= PAGE_BYTES {
            page.last_evaluated_key = Some(self.source.position_of(&item));
        }
        if !self.shown.fetch {
            cut(&mut item, held);
        }
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(&item)) {
            return;
        }
        page.count += 1;
        match &self.shown.output {
            Output::Count => {}
            Output::Items => page.items.push(item),
            Output::Parts(projection) => page.items.push(projection.apply(&item)),
        }
    }

    fn answer(&self, page: Page, units: Units) -> PageOutput {
        PageOutput {
            items: (!matches!(self.shown.output, Output::Count)).then_some(page.items),
            count: page.count,
            scanned_count: page.scanned as u64,
            last_evaluated_key: page.last_evaluated_key,
            consumed_capacity: units.answer(self.capacity, &self.source.table.core.name, Kind::Plain),
        }
    }
}
