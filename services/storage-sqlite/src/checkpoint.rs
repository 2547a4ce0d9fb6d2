//! WAL checkpoints: copies the contents of the write-ahead log into the database file, concurrently
//! with the writer where possible.
//!
//! SQLite's own checkpoint every 1,000 pages costs a fifth of the write throughput. Here a separate
//! thread copies pages while commits continue. Only if it falls far behind does the committer
//! finish the rest itself, so that the log starts over and stays bounded.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::connection;

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
    /// Prepares checkpoints of the database file at `path`, whose writer is `connection`. `beside`
    /// starts the thread.
    pub(crate) fn of_file(connection: &mut Connection, path: &Path, beside: bool) -> std::io::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = pages.clone();
        // Setting a hook also disables SQLite's own checkpoints.
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
                counted.store(pages.cast_unsigned(), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(std::io::Error::other)?;
        let call = if beside { Some(spawn(path.to_owned())?) } else { None };
        Ok(Self {
            pages,
            called_at: Arc::default(),
            call,
        })
    }

    /// Creates the checkpoints of a database without a file, which needs none.
    pub(crate) fn none() -> Self {
        Self {
            pages: Arc::default(),
            called_at: Arc::default(),
            call: None,
        }
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
            passive(connection);
        } else if pages >= called_at + BESIDE_PAGES {
            self.called_at.store(pages, Ordering::Relaxed);
            self.request(Wanted::Checkpoint);
        }
    }

    /// Copies all pages while the store is idle.
    pub(crate) fn idle(&self, connection: &Connection) {
        if self.pages.swap(0, Ordering::Relaxed) > 0 {
            passive(connection);
        }
    }

    /// Ends the thread that makes checkpoints.
    pub(crate) fn end(&self) {
        self.request(Wanted::End);
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

fn spawn(path: PathBuf) -> std::io::Result<Arc<Call>> {
    let call = Arc::new(Call::default());
    let heard = call.clone();
    let region = tracing::Span::current();
    std::thread::Builder::new()
        .name("checkpoints".to_owned())
        .spawn(move || region.in_scope(|| run(&path, &heard)))?;
    Ok(call)
}

fn run(path: &Path, call: &Call) {
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
            connection = connection::open(path, CACHE_KIB).ok();
        }
        if let Some(connection) = &connection {
            passive(connection);
        }
    }
}

/// Copies pages without blocking other connections. Pages that cannot be copied now are copied the
/// next time, so a failure is only logged.
pub(crate) fn passive(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "a WAL checkpoint failed");
    }
}
