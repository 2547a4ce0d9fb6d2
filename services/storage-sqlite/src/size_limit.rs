//! Limits the size of a database while its disk is made full.

use beringia_committer::DiskFaults;
use rusqlite::Connection;

/// The limit on the size of a database.
#[derive(Debug, Default)]
pub(crate) struct SizeLimit {
    /// While the disk is full, the limit in pages from before.
    usual_pages: Option<i64>,
}

impl SizeLimit {
    /// Sets the limit according to the disk's current state.
    pub(crate) fn adapt(&mut self, faults: &DiskFaults, connection: &Connection) -> rusqlite::Result<()> {
        match (faults.is_full(), self.usual_pages) {
            (true, None) => {
                let usual = connection.pragma_query_value(None, "max_page_count", |row| row.get::<_, i64>(0))?;
                // A limit below the present size counts as the present size
                // (<https://www.sqlite.org/pragma.html#pragma_max_page_count>).
                limit(connection, 1)?;
                self.usual_pages = Some(usual);
            }
            (false, Some(usual)) => {
                limit(connection, usual)?;
                self.usual_pages = None;
            }
            _ => {}
        }
        Ok(())
    }
}

fn limit(connection: &Connection, pages: i64) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}
