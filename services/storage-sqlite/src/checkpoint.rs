//! WAL checkpoints: copies the contents of the write-ahead log into the database file, concurrently
//! with the writer, so that the log starts over while it is short.
//!
//! SQLite's own checkpoint every 1,000 pages costs a fifth of the write throughput. Here a separate
//! thread copies pages while commits continue, and syncs them. But the log starts over only once
//! all of it is copied, which a thread beside a busy writer never achieves. So when it has left
//! little, the committer does the rest between two commits: a few pages and a short sync. If
//! readers still use the log then, it grows, and another attempt follows; from some size on, the
//! committer waits for these readers. A reader that begins after everything is copied reads the
//! database file alone, so there is an end to that. If the thread falls behind, the committer
//! waits for it.
//!
//! If the sync of a checkpoint fails, pages that it or an earlier one has written may be lost, and
//! no further checkpoint would write them again. Therefore none is made after a failed sync: the
//! log stays as it is, and the next open copies it from its beginning.

mod thread;
mod turns;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use beringia_storage::{PlantedBug, StoreError};
use rusqlite::Connection;

use self::{
    thread::{Step, Thread, WAIT, WAIT_PAGES},
    turns::Turns,
};
use crate::files::DatabaseFile;

/// The longest time that the committer waits for readers that keep the log from starting over.
const READERS_WAIT_MAX: Duration = Duration::from_secs(1);
/// Without a thread, the committer makes a checkpoint from this number of pages on: 8 MiB.
const ALONE_PAGES: u32 = 2_048;

/// Counts the pages of the write-ahead log, and has them copied.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    /// The number of pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// `None` where the committer makes all checkpoints.
    thread: Option<Arc<Thread>>,
    turns: Arc<Turns>,
}

impl Checkpoints {
    /// Prepares checkpoints of a database file, whose writer is `connection`. `beside` starts the
    /// thread; a planted bug may keep them unsynced.
    pub(crate) fn of_file(
        connection: &mut Connection,
        file: &DatabaseFile,
        (beside, planted_bug): (bool, Option<PlantedBug>),
    ) -> std::io::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = pages.clone();
        // Setting a hook also disables SQLite's own checkpoints.
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
                counted.store(pages.cast_unsigned(), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(std::io::Error::other)?;
        let turns = Arc::new(Turns::new(planted_bug));
        let thread = beside.then(|| Thread::spawn(file.clone(), turns.clone(), pages.clone()));
        Ok(Self {
            pages,
            thread: thread.transpose()?,
            turns,
        })
    }

    /// Creates the checkpoints of a database without a file, which needs none.
    pub(crate) fn none() -> Self {
        Self {
            pages: Arc::default(),
            thread: None,
            turns: Arc::new(Turns::new(None)),
        }
    }

    /// Checks that no sync has failed.
    ///
    /// # Errors
    /// [`StoreError::SyncFailed`] of the failed sync, after which nothing may be committed;
    /// [`StoreError::Database`] if the thread panicked.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.turns.check()
    }

    /// Makes no further checkpoints, since a sync has failed.
    pub(crate) fn fail(&self, error: StoreError) {
        self.turns.fail(error);
    }

    /// Called after each commit. Calls the thread, or copies the last pages itself.
    pub(crate) fn after_commit(&self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        match &self.thread {
            None if pages >= ALONE_PAGES => drop(self.turns.passive(connection)),
            None => {}
            Some(thread) => match thread.after_commit(pages) {
                Step::Nothing => {}
                Step::Last => {
                    // The next commit starts the log over, if no reader uses it.
                    let done = match pages {
                        ..WAIT_PAGES => self.turns.passive(connection),
                        _ => self.turns.complete(connection, "RESTART", wait_for_readers(pages)),
                    };
                    thread.note_last(done);
                }
            },
        }
    }

    /// Copies all pages and empties the log while the store is idle; the next time, if a reader is
    /// in the way.
    pub(crate) fn idle(&self, connection: &Connection) {
        if self.pages.load(Ordering::Relaxed) > 0 {
            let done = self.turns.complete(connection, "TRUNCATE", Duration::ZERO);
            if done.is_some_and(|done| done.pages == 0) {
                self.pages.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Copies all pages and empties the log, at a clean end. If that fails, the next open does it.
    pub(crate) fn last(&self, connection: &Connection) {
        self.turns.last(connection);
    }

    /// Ends the thread that makes checkpoints, and waits until it has closed its connection.
    pub(crate) fn end(&self) {
        if let Some(thread) = &self.thread {
            thread.end();
        }
    }
}

/// How long to wait for readers that keep a log of so many pages from starting over: the longer,
/// the more urgent it is.
fn wait_for_readers(pages: u32) -> Duration {
    let times = pages / WAIT_PAGES;
    (WAIT * times.saturating_mul(times)).min(READERS_WAIT_MAX)
}
