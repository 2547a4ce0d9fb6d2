//! A disk that is made slow or full on purpose, as drills and simulations do.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

/// How well a region's disk is. Clones are the same disk. It outlives the store, so that a disk is as it was after a restart.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults(Arc<Mutex<Faults>>);

#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    commit_delay: Duration,
    full: bool,
}

impl DiskFaults {
    /// From now on every commit takes so much longer; commands that come meanwhile wait for the next one. Zero at first. With
    /// [`crate::Execution::Inline`] the time is that of tokio's clock.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.lock().commit_delay = delay;
    }

    /// Whether the disk is full: then what needs more room than the database has fails with [`crate::StoreError::DiskFull`], until it is
    /// no longer full.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    pub(super) fn commit_delay(&self) -> Duration {
        self.lock().commit_delay
    }

    fn is_full(&self) -> bool {
        self.lock().full
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the size of a database to what its disk allows.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Where the disk is full, the bound on pages from before.
    usual_pages: Option<i64>,
}

impl Room {
    /// Brings the bound to what the disk is like now.
    pub(super) fn adapt(&mut self, faults: &DiskFaults, connection: &Connection) -> rusqlite::Result<()> {
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
