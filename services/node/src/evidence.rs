//! The rows, log records and journals that a region has of a table, read from the store page by
//! page.

use beringia_item::{KeyBytes, Mutation, Origin, RANGES, TableId, VersionVector};
use beringia_storage::{Conflict, LogFilter, LogPosition, Store, StoreError, Unshipped};
use futures_util::{Stream, TryStreamExt as _, stream};

/// Bytes of images in one page of the log.
const LOG_BYTES: usize = 1 << 20;
/// Rows, or entries of a journal, in one page.
const ROWS: usize = 256;

/// Everything that a region has of one table. Each stream reads a page only when the previous one
/// has been consumed, so that at most one page is in memory. It ends with the first error.
#[derive(Clone, Copy)]
pub struct TableEvidence<'a> {
    store: &'a dyn Store,
    table: TableId,
}

impl<'a> TableEvidence<'a> {
    /// Reads this table of this store.
    #[must_use]
    pub const fn new(store: &'a dyn Store, table: TableId) -> Self {
        Self { store, table }
    }

    /// The writes of these origins that are in the region's log, in log order.
    pub fn logged(self, origins: Vec<Origin>) -> impl Stream<Item = Result<Mutation, StoreError>> + Send + 'a {
        let filter = LogFilter {
            origins,
            tables: [(self.table, VersionVector::default())].into(),
        };
        pages(LogPosition::default(), move |position| {
            let filter = filter.clone();
            async move {
                let page = self.store.read_log(position, &filter, LOG_BYTES).await?;
                Ok((page.mutations, page.end.is_none().then_some(page.next)))
            }
        })
    }

    /// All rows, including tombstones, by range and key.
    pub fn rows(self) -> impl Stream<Item = Result<Mutation, StoreError>> + Send + 'a {
        pages(None, move |after: Option<KeyBytes>| async move {
            let rows = self.store.raw_rows(self.table, 0..=RANGES - 1, after, ROWS).await?;
            let last = rows.last().filter(|_| rows.len() == ROWS).map(|row| row.key.clone());
            let keys = rows.into_iter().map(|row| row.key).collect();
            Ok((self.store.mutations_of(self.table, keys).await?, last.map(Some)))
        })
    }

    /// The conflicts that the region journalled, oldest first.
    pub fn conflicts(self) -> impl Stream<Item = Result<Conflict, StoreError>> + Send + 'a {
        pages(0, move |after| async move {
            let page = self.store.conflicts(Some(self.table), after, ROWS).await?;
            let last = page.last().map(|conflict| conflict.id);
            Ok((page, last))
        })
    }

    /// The region's own unshipped writes to the table, oldest first.
    pub fn unshipped(self) -> impl Stream<Item = Result<Unshipped, StoreError>> + Send + 'a {
        pages(0, move |after| async move {
            let mut page = self.store.unshipped(after, ROWS).await?;
            let last = page.last().map(|write| write.id);
            page.retain(|write| write.table == self.table);
            Ok((page, last))
        })
    }
}

/// The items of all pages, from `first` on. `read` returns a page, and the place of the next one if
/// there may be one.
fn pages<P: Send, T: Send, Page>(
    first: P,
    read: impl Fn(P) -> Page + Send,
) -> impl Stream<Item = Result<T, StoreError>> + Send
where
    Page: Future<Output = Result<(Vec<T>, Option<P>), StoreError>> + Send,
{
    let unfolded = stream::try_unfold((Some(first), read), |(place, read)| async move {
        let Some(place) = place else {
            return Ok::<_, StoreError>(None);
        };
        let (page, next) = read(place).await?;
        Ok(Some((stream::iter(page.into_iter().map(Ok)), (next, read))))
    });
    unfolded.try_flatten()
}
