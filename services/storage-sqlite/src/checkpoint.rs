//! WAL checkpoints: copies the contents of the write-ahead log into the database file, concurrently
//! with the writer where possible.
//!
//! SQLite's own checkpoint every 1,000 pages costs a fifth of the write throughput. Here a separate
//! thread copies pages while commits continue. Only if it falls far behind does the committer
//! finish the rest itself, so that the log starts over and stays bounded.
//!
//! A checkpoint that readers or commits overtake writes pages without syncing them. If the sync of
//! a later one fails, those pages may be lost, too, and no further checkpoint would write them
//! again. Therefore none is made after a failed sync: the log stays as it is, and the next open
//! copies it from its beginning.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use beringia_storage::{PlantedBug, StoreError, panic_message};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::{connection, error::store_error, files::DatabaseFile};

/// The thread copies pages each time the log has grown by this many pages: 8 MiB.
const BESIDE_PAGES: u32 = 2_048;
/// The number of pages from which the committer itself copies them: 64 MiB.
const AT_ONCE_PAGES: u32 = 16_384;
/// The page cache of the thread's connection, in KiB.
const CACHE_KIB: i64 = 512;

/// Counts the pages of the write-ahead log, and has them copied.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    /// The number of pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// The number of pages when the thread was last called.
    called_at: Arc<AtomicU32>,
    /// The signal to the thread; `None` without a thread.
    call: Option<Arc<Call>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    turns: Arc<Turns>,
}

/// Makes one checkpoint at a time, and none after a failed sync.
#[derive(Default)]
struct Turns {
    /// Held during a checkpoint.
    running: Mutex<()>,
    /// Why no more checkpoints are made.
    failure: OnceLock<StoreError>,
    planted_bug: Option<PlantedBug>,
}

impl Turns {
    /// Copies pages without blocking other connections. Pages that cannot be copied now are copied
    /// the next time, so a failure is only logged, unless it is of a sync.
    fn passive(&self, connection: &Connection) {
        // While another checkpoint is made, SQLite would make none either.
        if let Some(_running) = self.running.try_lock() {
            self.checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        }
    }

    /// Also makes the log's file empty, which only works without readers; does not wait for them.
    fn truncate(&self, connection: &Connection) {
        if let Some(_running) = self.running.try_lock() {
            let waits = |ms| connection.busy_timeout(std::time::Duration::from_millis(ms));
            if waits(0).is_ok() {
                self.checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
            }
            if let Err(error) = waits(connection::BUSY_MS.into()) {
                tracing::error!(%error, "the time to wait for other connections cannot be set");
            }
        }
    }

    /// The caller holds `running`.
    fn checkpoint(&self, connection: &Connection, statement: &str) {
        if self.failure.get().is_some() {
            return;
        }
        let copied = self.synced_or_not(connection, || connection.query_row(statement, [], |_| Ok(())));
        if let Err(error) = copied {
            match store_error(&error) {
                error @ StoreError::SyncFailed(_) => {
                    tracing::error!(%error, "the sync of a WAL checkpoint failed");
                    self.failure.get_or_init(|| error);
                }
                error => tracing::debug!(%error, "a WAL checkpoint failed"),
            }
        }
    }

    /// Runs a checkpoint; with the planted bug, without its syncs.
    fn synced_or_not<T>(
        &self,
        connection: &Connection,
        checkpoint: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if !self.planted_bug.is_some_and(PlantedBug::leaves_checkpoints_unsynced) {
            return checkpoint();
        }
        connection.pragma_update(None, "synchronous", "OFF")?;
        let copied = checkpoint();
        connection.pragma_update(None, "synchronous", "FULL")?;
        copied
    }
}

/// The signal by which the thread is called or ended.
#[derive(Default)]
struct Call {
    wanted: Mutex<Wanted>,
    ready: Condvar,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    #[default]
    Nothing,
    Checkpoint,
    End,
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
        let turns = Arc::new(Turns {
            planted_bug,
            ..Turns::default()
        });
        let (call, thread) = if beside {
            let (call, thread) = spawn(file.clone(), turns.clone())?;
            (Some(call), Some(thread))
        } else {
            (None, None)
        };
        Ok(Self {
            pages,
            called_at: Arc::default(),
            call,
            thread: Arc::new(Mutex::new(thread)),
            turns,
        })
    }

    /// Creates the checkpoints of a database without a file, which needs none.
    pub(crate) fn none() -> Self {
        Self {
            pages: Arc::default(),
            called_at: Arc::default(),
            call: None,
            thread: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// Checks that no sync has failed.
    ///
    /// # Errors
    /// [`StoreError::SyncFailed`] of the failed sync, after which nothing may be committed;
    /// [`StoreError::Database`] if the thread panicked.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.turns.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Makes no further checkpoints, since a sync has failed.
    pub(crate) fn fail(&self, error: StoreError) {
        self.turns.failure.get_or_init(|| error);
    }

    /// Called after each commit. Calls the thread, or copies pages itself, if the log has grown
    /// enough.
    pub(crate) fn after_commit(&self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        let called_at = self.called_at.load(Ordering::Relaxed);
        if pages < called_at {
            // The log started over.
            self.called_at.store(0, Ordering::Relaxed);
        }
        if pages >= AT_ONCE_PAGES || (self.call.is_none() && pages >= BESIDE_PAGES) {
            self.turns.passive(connection);
        } else if pages >= called_at + BESIDE_PAGES {
            self.called_at.store(pages, Ordering::Relaxed);
            self.request(Wanted::Checkpoint);
        }
    }

    /// Copies all pages and empties the log while the store is idle, unless a reader is in the way.
    pub(crate) fn idle(&self, connection: &Connection) {
        if self.pages.swap(0, Ordering::Relaxed) > 0 {
            self.turns.truncate(connection);
        }
    }

    /// Copies all pages and empties the log, at a clean end. If that fails, the next open does it.
    pub(crate) fn last(&self, connection: &Connection) {
        let _running = self.turns.running.lock();
        self.turns.checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Ends the thread that makes checkpoints, and waits until it has closed its connection.
    pub(crate) fn end(&self) {
        self.request(Wanted::End);
        let thread = self.thread.lock().take();
        // Its panics are caught.
        let _ = thread.map(JoinHandle::join);
    }

    fn request(&self, wanted: Wanted) {
        let Some(call) = &self.call else { return };
        let mut now = call.wanted.lock();
        if *now != Wanted::End {
            *now = wanted;
        }
        call.ready.notify_one();
    }
}

fn spawn(file: DatabaseFile, turns: Arc<Turns>) -> std::io::Result<(Arc<Call>, JoinHandle<()>)> {
    let call = Arc::new(Call::default());
    let heard = call.clone();
    let region = tracing::Span::current();
    let body = move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&file, &heard, &turns))) {
            let panic = format!("the thread of WAL checkpoints panicked: {}", panic_message(&*panic));
            tracing::error!(panic);
            turns.failure.get_or_init(|| StoreError::Database(panic));
        }
    };
    let thread = std::thread::Builder::new()
        .name("checkpoints".to_owned())
        .spawn(move || region.in_scope(body))?;
    Ok((call, thread))
}

fn run(file: &DatabaseFile, call: &Call, turns: &Turns) {
    let mut connection = None;
    loop {
        let mut wanted = call.wanted.lock();
        while *wanted == Wanted::Nothing {
            call.ready.wait(&mut wanted);
        }
        if *wanted == Wanted::End {
            return;
        }
        *wanted = Wanted::Nothing;
        drop(wanted);
        if connection.is_none() {
            connection = connection::open(file, CACHE_KIB).ok();
        }
        if let Some(connection) = &connection {
            turns.passive(connection);
        }
    }
}
