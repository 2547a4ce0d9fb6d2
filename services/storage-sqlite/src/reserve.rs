//! A file beside the database that takes space for nothing, so that deletes have some when the disk
//! is full.

use std::time::{Duration, Instant};

use crate::files::DatabaseFile;

/// The size of the file: 16 MiB.
const RESERVE_BYTES: u64 = 16 << 20;
/// How long an attempt to create the file again is not repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The reserve of a database in a file.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: DatabaseFile,
    state: State,
    /// When it was last tried to create the file again.
    tried: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The file was not needed yet, and does not exist.
    Missing,
    /// The file takes its space.
    Kept,
    /// The file was made empty, so that commits have its space. It stays so across restarts.
    Spent,
}

impl Reserve {
    /// The reserve of the database in this file.
    pub(crate) fn of(database: &DatabaseFile) -> Self {
        let file = database.sibling("-reserve");
        let state = match file.file_system.len(&file.path) {
            Ok(Some(RESERVE_BYTES)) => State::Kept,
            Ok(Some(0)) => State::Spent,
            _ => State::Missing,
        };
        Self {
            file,
            state,
            tried: None,
        }
    }

    /// Whether the reserve of the database in this file was spent and could not be kept back again
    /// since, as its file shows.
    pub(crate) fn is_spent(database: &DatabaseFile) -> bool {
        Self::of(database).state == State::Spent
    }

    /// Creates the file if it is not there. Without space for it there is no reserve.
    pub(crate) fn keep(&mut self) {
        if self.state == State::Kept {
            return;
        }
        let DatabaseFile { path, file_system } = &self.file;
        match file_system.allocate(path, RESERVE_BYTES) {
            Ok(()) => {
                if self.state == State::Spent {
                    tracing::info!("the disk has space again: the region accepts all writes");
                }
                self.state = State::Kept;
            }
            Err(error) => {
                // What was created of it takes the space that others need.
                let _ = match self.state {
                    State::Spent => file_system.allocate(path, 0),
                    State::Missing | State::Kept => file_system.remove(path),
                };
                tracing::debug!(%error, "no space can be kept back for deletes");
            }
        }
    }

    /// Whether only commits that lead to free space are possible. Tries to create the file again
    /// first.
    pub(crate) fn is_in_use(&mut self) -> bool {
        if self.state != State::Spent {
            return false;
        }
        let now = now();
        if self.tried.is_none_or(|tried| now.duration_since(tried) >= RETRY_AFTER) {
            self.tried = Some(now);
            self.keep();
        }
        self.state == State::Spent
    }

    /// Makes the file empty. Returns whether there is more space now.
    pub(crate) fn spend(&mut self) -> bool {
        if self.state != State::Kept || self.file.file_system.allocate(&self.file.path, 0).is_err() {
            return false;
        }
        tracing::warn!("the disk is full: only deletes and upkeep go on, on the reserve");
        self.state = State::Spent;
        self.tried = Some(now());
        true
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it only spaces attempts on a real disk, which simulations do not have"
)]
fn now() -> Instant {
    Instant::now()
}
