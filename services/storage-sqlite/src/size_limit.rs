//! Limits the size of a database, and keeps back a part of it as a reserve.

use beringia_committer::DiskFaults;
use rusqlite::Connection;

use crate::vacuum::{Pages, page_bytes};

/// The greatest reserve, in pages of 4 KiB: 16 MiB. A tombstone takes about 200 bytes with its
/// record, and the trim works with a few pages.
const RESERVE_PAGES_MAX: u64 = 4096;
/// The part of a limited database that is its reserve.
const RESERVE_SHARE: u64 = 8;

/// The limit on the size of a database.
#[derive(Debug)]
pub(crate) struct SizeLimit {
    /// The limit in bytes that always holds; `None` without one.
    max_bytes: Option<u64>,
    /// While the disk is made full, its size in pages when it became full, and the limit that
    /// SQLite had before.
    full: Option<(u64, i64)>,
}

impl SizeLimit {
    /// The limit of a database that may have this many bytes, which is set already.
    pub(crate) const fn new(max_bytes: Option<u64>) -> Self {
        Self { max_bytes, full: None }
    }

    /// Whether there is a limit at present.
    pub(crate) const fn is_set(&self) -> bool {
        self.max_bytes.is_some() || self.full.is_some()
    }

    /// Sets the limit according to the disk's current state.
    pub(crate) fn adapt(&mut self, faults: &DiskFaults, connection: &Connection) -> rusqlite::Result<()> {
        match (faults.is_full(), self.full) {
            (true, None) => {
                let usual = connection.pragma_query_value(None, "max_page_count", |row| row.get::<_, i64>(0))?;
                let pages = Pages::of(connection)?.all;
                let with_reserve = i64::try_from(pages + RESERVE_PAGES_MAX).unwrap_or(i64::MAX);
                limit(connection, usual.min(with_reserve))?;
                self.full = Some((pages, usual));
            }
            (false, Some((_, usual))) => {
                limit(connection, usual)?;
                self.full = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the open transaction leaves less space free than the reserve. SQLite itself enforces
    /// the limit without the reserve.
    pub(crate) fn uses_reserve(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let mut limit = self.full.map_or(u64::MAX, |(pages, _)| pages);
        if let Some(max_bytes) = self.max_bytes {
            let pages = max_bytes / page_bytes(connection)?;
            limit = limit.min(pages - (pages / RESERVE_SHARE).min(RESERVE_PAGES_MAX));
        }
        if limit == u64::MAX {
            return Ok(false);
        }
        let pages = Pages::of(connection)?;
        Ok(pages.all - pages.free > limit)
    }
}

fn limit(connection: &Connection, pages: i64) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}
