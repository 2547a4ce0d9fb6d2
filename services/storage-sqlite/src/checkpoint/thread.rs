//! The thread that makes WAL checkpoints while commits continue.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use beringia_storage::{StoreError, panic_message};
use parking_lot::{Condvar, Mutex};

use super::turns::{Copied, Turns};
use crate::{
    connection,
    files::{DatabaseFile, FileAccess},
};

/// The thread is called each time that so many pages of the log are not copied: 1 MiB. A commit
/// waits for a sync of the database file in progress, so that should be short.
const STEP_PAGES: u32 = 256;
/// It goes on until it has left so few: 512 KiB.
const LEFT_PAGES: u32 = 128;
/// From this number of pages on, the log should start over: 32 MiB.
const START_OVER_PAGES: u32 = 8_192;
/// The committer copies the last pages if they are not more than this: 1.5 MiB.
const LAST_PAGES: u32 = 384;
/// From this number of pages on, the committer waits for the thread, and for readers: 64 MiB.
pub(super) const WAIT_PAGES: u32 = 16_384;
/// How long it then waits after a commit for the thread, or for readers.
pub(super) const WAIT: Duration = Duration::from_millis(20);
/// The page cache of the thread's connection, in KiB.
const CACHE_KIB: i64 = 512;

/// What the committer does after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// It copies the last pages itself.
    Last,
}

/// The thread, as the committer sees it.
pub(super) struct Thread {
    progress: Mutex<Progress>,
    /// Tells the thread that it is called.
    call: Condvar,
    /// Tells the committer that a checkpoint has ended.
    copied: Condvar,
    handle: Mutex<Option<JoinHandle<()>>>,
    /// For syncs of the database file. It is closed after all connections: closing a file releases
    /// the locks of its process, those of SQLite too.
    database: Box<dyn FileAccess>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    None,
    Called,
    Copying,
    End,
}

/// How far the log is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    work: Work,
    /// The pages in the log after the last commit.
    pages: u32,
    /// The pages that the last checkpoint left copied.
    copied: u32,
    /// Whether readers kept it from copying more.
    is_held: bool,
    /// The number of pages from which the thread is called.
    call_at: u32,
    /// The number of pages from which the committer copies the last pages.
    last_at: u32,
}

impl Default for Progress {
    /// The progress in an empty log.
    fn default() -> Self {
        Self {
            work: Work::None,
            pages: 0,
            copied: 0,
            is_held: false,
            call_at: STEP_PAGES,
            last_at: START_OVER_PAGES,
        }
    }
}

impl Progress {
    /// Takes the number of pages after a commit.
    fn committed(&mut self, pages: u32) {
        if pages < self.pages {
            // The log started over.
            *self = Self {
                work: self.work,
                ..Self::default()
            };
        }
        self.pages = pages;
    }

    /// What follows the commit, unless the thread is at work.
    fn step(&mut self) -> Step {
        let left = self.pages.saturating_sub(self.copied);
        let is_late = self.pages >= WAIT_PAGES && self.is_held;
        if self.pages >= self.last_at && (left <= LAST_PAGES || is_late) {
            return Step::Last;
        }
        if self.pages >= self.call_at {
            self.work = Work::Called;
        }
        Step::Nothing
    }

    /// Takes the result of a checkpoint: the thread's, or the last of the committer. The log has so
    /// many `pages` now.
    fn checkpointed(&mut self, done: Option<Copied>, pages: u32) {
        let Some(done) = done.filter(|done| done.pages <= pages) else {
            // It failed, or the log has started over since it began.
            self.call_at = pages + STEP_PAGES;
            return;
        };
        self.is_held = !done.is_all();
        self.copied = done.copied;
        self.call_at = if self.is_held { pages } else { self.copied } + STEP_PAGES;
    }
}

impl Thread {
    /// Starts the thread for a database file, whose log has so many `pages`.
    pub(super) fn spawn(file: DatabaseFile, turns: Arc<Turns>, pages: Arc<AtomicU32>) -> std::io::Result<Arc<Self>> {
        let thread = Arc::new(Self {
            progress: Mutex::default(),
            call: Condvar::new(),
            copied: Condvar::new(),
            handle: Mutex::default(),
            database: file.file_system.open(&file.path)?,
        });
        let region = tracing::Span::current();
        let running = thread.clone();
        let body = move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| running.run(&file, &turns, &pages))) {
                let panic = format!("the thread of WAL checkpoints panicked: {}", panic_message(&*panic));
                tracing::error!(panic);
                turns.fail(StoreError::Database(panic));
            }
        };
        let handle = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || region.in_scope(body))?;
        *thread.handle.lock() = Some(handle);
        Ok(thread)
    }

    /// Takes the number of pages in the log after a commit. Calls the thread if they are many, and
    /// waits a little for it if they are too many.
    pub(super) fn after_commit(&self, pages: u32) -> Step {
        let mut progress = self.progress.lock();
        progress.committed(pages);
        match progress.work {
            Work::None => {
                let step = progress.step();
                if progress.work == Work::Called {
                    self.call.notify_one();
                }
                step
            }
            Work::Called | Work::Copying if pages >= WAIT_PAGES => {
                self.copied.wait_for(&mut progress, WAIT);
                Step::Nothing
            }
            Work::Called | Work::Copying | Work::End => Step::Nothing,
        }
    }

    /// Takes the result of the committer's checkpoint. If readers keep the log from starting over,
    /// the committer tries again when it has grown.
    pub(super) fn note_last(&self, done: Option<Copied>) {
        let mut progress = self.progress.lock();
        let pages = progress.pages;
        progress.checkpointed(done, pages);
        progress.last_at = pages + STEP_PAGES.max(pages / 8);
    }

    /// Ends the thread, and waits until it has closed its connection.
    pub(super) fn end(&self) {
        self.progress.lock().work = Work::End;
        self.call.notify_one();
        let handle = self.handle.lock().take();
        // Its panics are caught.
        let _ = handle.map(JoinHandle::join);
    }

    fn run(&self, file: &DatabaseFile, turns: &Turns, pages: &AtomicU32) {
        let mut connection = None;
        while self.is_called() {
            if connection.is_none() {
                let opened = connection::open(file, CACHE_KIB);
                connection = opened
                    .inspect_err(|error| tracing::warn!(%error, "WAL checkpoints cannot open the database"))
                    .ok();
            }
            let mut before = None;
            loop {
                let done = connection.as_ref().and_then(|connection| turns.passive(connection));
                if done.is_some() {
                    self.sync(turns);
                }
                if !self.goes_on(before, done, pages.load(Ordering::Relaxed)) {
                    break;
                }
                before = done;
            }
        }
    }

    /// Waits for a call. Returns false at the end.
    fn is_called(&self) -> bool {
        let mut progress = self.progress.lock();
        loop {
            match progress.work {
                Work::Called => {
                    progress.work = Work::Copying;
                    return true;
                }
                Work::End => return false,
                Work::None | Work::Copying => self.call.wait(&mut progress),
            }
        }
    }

    /// Makes the copied pages durable. SQLite does that only for a checkpoint that no commit has
    /// overtaken, which would leave all pages to the committer's last one.
    fn sync(&self, turns: &Turns) {
        if turns.is_unsynced() {
            return;
        }
        if let Err(error) = self.database.sync() {
            tracing::error!(%error, "the sync of a WAL checkpoint failed");
            turns.fail(StoreError::SyncFailed(error.to_string()));
        }
    }

    /// Takes the result of a checkpoint. Returns whether another one should follow.
    fn goes_on(&self, before: Option<Copied>, done: Option<Copied>, pages: u32) -> bool {
        let mut progress = self.progress.lock();
        progress.checkpointed(done, pages);
        self.copied.notify_one();
        let progressed = done.is_some_and(|done| Some(done.copied) != before.map(|before| before.copied));
        let left = pages.saturating_sub(progress.copied);
        let goes_on = progress.work == Work::Copying && progressed && !progress.is_held && left > LEFT_PAGES;
        if !goes_on && progress.work == Work::Copying {
            progress.work = Work::None;
        }
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn copied(copied: u32, pages: u32) -> Option<Copied> {
        Some(Copied { pages, copied })
    }

    /// The state after a commit that made the log so long.
    fn after(pages: u32) -> Progress {
        let mut progress = Progress::default();
        progress.committed(pages);
        progress
    }

    #[test]
    fn thread_is_called_for_every_step() {
        let mut progress = after(STEP_PAGES - 1);
        assert_eq!((progress.step(), progress.work), (Step::Nothing, Work::None));
        progress.committed(STEP_PAGES);
        assert_eq!((progress.step(), progress.work), (Step::Nothing, Work::Called));
        progress.work = Work::None;
        progress.checkpointed(copied(STEP_PAGES, STEP_PAGES), STEP_PAGES + 10);
        progress.committed(2 * STEP_PAGES - 1);
        assert_eq!((progress.step(), progress.work), (Step::Nothing, Work::None));
        progress.committed(2 * STEP_PAGES);
        assert_eq!((progress.step(), progress.work), (Step::Nothing, Work::Called));
    }

    #[test]
    fn committer_copies_a_short_rest_of_a_long_log() {
        let mut progress = after(START_OVER_PAGES);
        progress.copied = START_OVER_PAGES - LAST_PAGES - 1;
        assert_eq!((progress.step(), progress.work), (Step::Nothing, Work::Called));
        progress.copied += 1;
        assert_eq!(progress.step(), Step::Last);
    }

    #[test]
    fn log_that_starts_over_is_counted_anew() {
        let mut progress = after(START_OVER_PAGES);
        progress.checkpointed(copied(START_OVER_PAGES, START_OVER_PAGES), START_OVER_PAGES);
        progress.committed(5);
        assert_eq!(progress, after(5));
    }

    #[test]
    fn result_of_an_earlier_log_does_not_count() {
        let mut progress = after(5);
        progress.checkpointed(copied(START_OVER_PAGES, START_OVER_PAGES), 5);
        assert_eq!((progress.copied, progress.call_at), (0, 5 + STEP_PAGES));
    }

    #[test]
    fn held_log_is_completed_by_the_committer_only_when_it_is_long() {
        let mut progress = after(WAIT_PAGES - 1);
        progress.checkpointed(copied(100, WAIT_PAGES - 1), WAIT_PAGES - 1);
        assert_eq!(progress.step(), Step::Nothing, "readers of old pages may end soon");
        progress.committed(WAIT_PAGES);
        assert_eq!(progress.step(), Step::Last);
    }
}
