//! The committer: the only writer. It takes groups of commands, decides and writes each, and commits a group with one fsync.
//!
//! It is a plain struct without threads, tasks or channels of its own; `driver` feeds it. What a command decides is decided on
//! the state that all commands before it left, so log order is commit order. A command that is refused wrote nothing; where the
//! database fails, the whole group is rolled back, the memory is read anew, and every command of the group gets the error.

mod dropped;
mod edit;
mod forget;
mod interpret;
mod jobs;
mod journal;
mod meet;
mod names;
mod reach;
mod remote;
mod streams;
mod unit;
mod verify;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{Region, TableId};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    checkpoint::passive,
    connection::Writer,
    disk::{DiskFaults, Room},
    fail::{Fail, Result},
    shared::Shared,
    state::State,
};
use crate::{
    Acknowledged, Applied, Catalog, CommitError, ItemWrite, Outcome, RemoteBatch, SchemaChange, SchemaError, StoreError,
};

pub(super) use self::dropped::Kept;

/// What the committer is asked to do, and where the answer goes.
pub(super) enum Command {
    /// A client's unit of writes.
    Unit(Vec<ItemWrite>, oneshot::Sender<Result<Vec<Outcome>, CommitError>>),
    /// A change of definitions.
    Schema(SchemaChange, oneshot::Sender<Result<Arc<Catalog>, SchemaError>>),
    /// Other regions' mutations.
    Apply(RemoteBatch, oneshot::Sender<Result<Applied, StoreError>>),
    /// One step of forgetting; answers whether another would find something.
    Forget(Arc<Acknowledged>, oneshot::Sender<Result<bool, StoreError>>),
    /// Notes for how long peers have been out of reach.
    NoteAway(BTreeMap<Region, u64>, oneshot::Sender<Result<(), StoreError>>),
    /// Mends one range; answers whether there was something to mend.
    Mend(TableId, u16, oneshot::Sender<Result<bool, StoreError>>),
}

/// Answers a command once it is known whether its group was committed. Even a refusal waits for that: it may rest on what another
/// command of the group wrote. Whoever asked may be gone; the commit stands all the same.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

impl Command {
    /// Answers a command that was never carried out.
    pub(super) fn fail(self, error: StoreError) {
        match self {
            Self::Unit(_, to) => drop(to.send(Err(error.into()))),
            Self::Schema(_, to) => drop(to.send(Err(error.into()))),
            Self::Apply(_, to) => drop(to.send(Err(error))),
            Self::NoteAway(_, to) => drop(to.send(Err(error))),
            Self::Forget(_, to) | Self::Mend(_, _, to) => drop(to.send(Err(error))),
        }
    }
}

/// The writer's half of the store.
pub(super) struct Committer {
    writer: Writer,
    shared: Arc<Shared>,
    state: State,
    disk_faults: DiskFaults,
    room: Room,
    /// Whether a rollback could not be followed by reading the state anew; nothing is committed until that succeeds.
    stale: bool,
}

/// One group's transaction.
pub(super) struct Group<'a> {
    pub(super) connection: &'a Connection,
    pub(super) state: &'a mut State,
    pub(super) shared: &'a Shared,
}

impl Committer {
    pub(super) fn new(writer: Writer, shared: Arc<Shared>, state: State, disk_faults: DiskFaults) -> Self {
        Self {
            writer,
            shared,
            state,
            disk_faults,
            room: Room::default(),
            stale: false,
        }
    }

    /// Commits a group and answers each of its commands.
    pub(super) fn commit(&mut self, commands: Vec<Command>) {
        let mut commands = commands.into_iter();
        let mut answers = Vec::with_capacity(commands.len());
        let committed = self.transaction(|group| {
            commands
                .by_ref()
                .try_for_each(|command| group.carry_out(command, &mut answers))
        });
        for answer in answers {
            answer(committed.clone());
        }
        if let Err(error) = committed {
            commands.for_each(|command| command.fail(error.clone()));
        }
    }

    /// Whether there is background work.
    pub(super) fn has_jobs(&self) -> bool {
        !self.state.jobs.is_empty()
    }

    /// Does one step of the background work; false where it failed and should be tried again later.
    pub(super) fn work(&mut self) -> bool {
        let worked = self.transaction(|group| group.work());
        if let Err(error) = &worked {
            tracing::warn!(region = %self.shared.region, %error, "background work has to wait");
        }
        worked.is_ok()
    }

    /// Lets go of memory that an idle store does not need.
    pub(super) fn rest(&self) {
        self.shared.recent.clear();
        // A failure only means that the memory stays.
        let _ = self
            .writer
            .with(|connection| connection.execute_batch("PRAGMA shrink_memory"));
    }

    /// Copies the write-ahead log's pages into the file.
    pub(super) fn checkpoint(&self) {
        if let Writer::File(connection) = &self.writer {
            passive(connection);
        }
    }

    /// Ends the committer: nothing is left in the write-ahead log.
    pub(super) fn close(self) {
        if let Writer::File(connection) = &self.writer
            && let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
        }
        if let Writer::Memory(owner) = &self.writer {
            owner.release();
        }
    }

    /// Runs `work` in a transaction, writes the state that it moved, commits, and shows the result to readers.
    fn transaction(&mut self, work: impl FnOnce(&mut Group<'_>) -> Result<()>) -> Result<(), StoreError> {
        let Self {
            writer,
            shared,
            state,
            disk_faults,
            room,
            stale,
        } = self;
        let end_before = state.log.last;
        writer.with(|connection| {
            room.adapt(disk_faults, connection).map_err(Fail::from)?;
            if *stale {
                reload(connection, shared, state)?;
            }
            // Should a command panic, the next transaction begins with reading the state anew.
            *stale = true;
            let result = run(connection, shared, state, work);
            if result.is_err() {
                reload(connection, shared, state)?;
            }
            *stale = false;
            result
        })??;
        self.shared.publish(&mut self.state);
        if self.state.log.last > end_before {
            self.shared.log_appended.notify_waiters();
        }
        Ok(())
    }
}

/// The transaction itself.
fn run(
    connection: &Connection,
    shared: &Shared,
    state: &mut State,
    work: impl FnOnce(&mut Group<'_>) -> Result<()>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("BEGIN IMMEDIATE")
        .and_then(|mut begin| begin.execute([]))
        .map_err(Fail::from)?;
    let _open = Open(connection);
    state.log.own = shared.recent.is_wanted().then(Vec::new);
    let mut group = Group {
        connection,
        state,
        shared,
    };
    work(&mut group)?;
    let now_ms = group.state.clock.wall().now_ms();
    group.roll_shards(now_ms)?;
    state.log.note_moment(connection, now_ms)?;
    state.flush(connection)?;
    connection
        .prepare_cached("COMMIT")
        .and_then(|mut commit| commit.execute([]))
        .map_err(Fail::from)?;
    Ok(())
}

/// An open transaction, rolled back where it was not committed: after an error, and after a panic too, since readers of a database
/// in memory share the connection.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a group cannot be rolled back");
        }
    }
}

/// Reads the state anew after a rollback.
fn reload(connection: &Connection, shared: &Shared, state: &mut State) -> Result<(), StoreError> {
    *state = State::load(connection, &shared.region, state.clock.clone(), state.sequence)?;
    shared.publish(state);
    Ok(())
}

impl Group<'_> {
    /// Carries out one command. An `Err` is the database's failure and ends the group; the command's own failures are its answer.
    fn carry_out(&mut self, command: Command, answers: &mut Vec<Answer>) -> Result<()> {
        match command {
            Command::Unit(writes, to) => settle(self.commit_unit(writes), to, answers),
            Command::Schema(change, to) => settle(self.change_schema(change), to, answers),
            Command::Apply(batch, to) => settle(self.apply(&batch).map(Ok), to, answers),
            Command::Forget(acknowledged, to) => settle(self.forget(&acknowledged).map(Ok), to, answers),
            Command::NoteAway(away_ms, to) => settle(self.note_away(&away_ms).map(Ok), to, answers),
            Command::Mend(table, range, to) => settle(self.mend(table, range).map(Ok), to, answers),
        }
    }
}

fn write_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Fail::damaged(&error.to_string()))
}

/// Puts a command's result among the answers of its group.
fn settle<T: 'static, E: From<StoreError> + 'static>(
    result: Result<Result<T, E>>,
    to: oneshot::Sender<Result<T, E>>,
    answers: &mut Vec<Answer>,
) -> Result<()> {
    let (done, failed) = match result {
        Ok(done) => (done, Ok(())),
        Err(Fail::Command(error)) => (Err(error.into()), Ok(())),
        Err(Fail::Group(error)) => (Err(error.clone().into()), Err(Fail::Group(error))),
    };
    answers.push(Box::new(move |committed| {
        drop(to.send(match committed {
            Ok(()) => done,
            Err(error) => Err(error.into()),
        }));
    }));
    failed
}
