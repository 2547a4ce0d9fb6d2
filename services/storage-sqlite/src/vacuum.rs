//! Returns free pages to the file system, a few at a time.
//!
//! SQLite reuses the pages of removed rows, and keeps the rest. A file with
//! `auto_vacuum = INCREMENTAL` knows for each page which page points to it, so it can move its last
//! pages into free ones and become shorter, without being rewritten as a whole. The file itself
//! gets shorter with the next complete WAL checkpoint.

use rusqlite::Connection;

/// The pragma that sets how a new database can be made shorter; before its first table.
pub(crate) const INCREMENTAL: i32 = 2;
/// Free pages up to this share of the file stay: the next writes need them.
const FREE_SHARE: u64 = 4;
/// So many free pages stay in any case: 8 MiB.
const FREE_PAGES_MIN: u64 = 2_048;
/// The pages that are returned after a commit of clients, and while nothing waits.
const PAGES_BESIDE: u64 = 32;
const PAGES_IDLE: u64 = 512;

/// So many commits pass between two counts of the free pages, while none are in excess.
const COMMITS_BETWEEN_COUNTS: u32 = 32;

/// The pages of a database, and how many of them are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) all: u64,
    pub(crate) free: u64,
}

impl Pages {
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let count = |pragma: &str| -> rusqlite::Result<u64> {
            let pages: i64 = connection.prepare_cached(pragma)?.query_row([], |row| row.get(0))?;
            Ok(pages.cast_unsigned())
        };
        Ok(Self {
            all: count("PRAGMA page_count")?,
            free: count("PRAGMA freelist_count")?,
        })
    }

    /// The free pages that are not likely to be needed soon.
    fn excess(self) -> u64 {
        self.free.saturating_sub(FREE_PAGES_MIN.max(self.all / FREE_SHARE))
    }
}

/// Returns excess pages, step by step.
#[derive(Default)]
pub(crate) struct Vacuum {
    /// The number of commits until the pages are counted again.
    pause: u32,
}

impl Vacuum {
    /// Returns some of the excess pages. Returns true if there are more.
    pub(crate) fn step(&mut self, connection: &Connection, is_idle: bool) -> rusqlite::Result<bool> {
        if !is_idle && self.pause > 0 {
            self.pause -= 1;
            return Ok(false);
        }
        let excess = Pages::of(connection)?.excess();
        if excess == 0 {
            self.pause = COMMITS_BETWEEN_COUNTS;
            return Ok(false);
        }
        let pages = excess.min(if is_idle { PAGES_IDLE } else { PAGES_BESIDE });
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        // Each step of the statement returns one page.
        while rows.next()?.is_some() {}
        Ok(excess > pages)
    }
}

/// The size of a page.
pub(crate) fn page_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(bytes.into())
}
