//! The committer: the only writer. It takes groups of commands, has each group decided on rows that
//! it reads in bulk, and commits the resulting write set with one step of the backend.
//!
//! It is a plain struct without threads, tasks or channels of its own; `driver` feeds it. Each
//! command is decided on the state that all commands before it left, so log order is commit order.
//! If the backend fails, every command of the group gets the error. But if it cannot read a part of
//! the database, the group is split until only the commands fail that need that part. If the rows
//! of the group may have changed, the state is read again. If the backend cannot tell any more what
//! is durable, the committer fails for good.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_decisions::{
    CommandAnswer, Decision, Environment, PrunePlace, PruneStep, ReadSet, Rows, State, StoreCommand, Undecided, decide,
    needs,
};
use beringia_item::{Origin, Region, TableId};
use beringia_storage::{
    Acknowledged, Applied, Catalog, CommitError, ItemWrite, PruneFilter, RemoteBatch, SchemaChange, SchemaError,
    StoreError, WriteResult,
    backend::{CommitFailure, CommitNumber, Maintenance, Writer},
};
use tokio::sync::oneshot;
use tracing::Span;

use crate::{shared::Shared, trail};

/// How many times a group is decided before the committer gives up, because its state keeps
/// changing.
const ATTEMPTS_MAX: usize = 8;

/// The least and the greatest number of records that a pass of the trim examines in one step.
const TRIM_RECORDS_MIN: usize = 128;
const TRIM_RECORDS_MAX: usize = 1024;

/// A request to the committer, with the channel for its answer.
pub(crate) enum Request {
    /// A client's writes, as one transaction.
    Transaction(Vec<ItemWrite>, oneshot::Sender<Result<Vec<WriteResult>, CommitError>>),
    /// A change of definitions, which is the last command of its group.
    Schema(
        Box<dyn SchemaChange>,
        oneshot::Sender<Result<Arc<Catalog>, SchemaError>>,
    ),
    /// A batch of other regions' mutations.
    Apply(RemoteBatch, oneshot::Sender<Result<Applied, StoreError>>),
    /// One step of trimming the log. The answer says whether another step would find something.
    Trim(Arc<Acknowledged>, oneshot::Sender<Result<bool, StoreError>>),
    /// One step of removing conflicts and unshipped writes.
    Prune(
        Arc<PruneFilter>,
        PrunePlace,
        oneshot::Sender<Result<PruneStep, StoreError>>,
    ),
    /// Records for how long peers have been unreachable.
    NoteUnreachable(BTreeMap<Region, u64>, oneshot::Sender<Result<(), StoreError>>),
    /// Begins a store epoch, since another region has this own write.
    BeginEpoch(u64, oneshot::Sender<Result<(), StoreError>>),
    /// Repairs one range. The answer says whether anything needed repair.
    Repair(TableId, u16, oneshot::Sender<Result<bool, StoreError>>),
}

/// The queue of a command. Clients go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    Client,
    Remote,
    Upkeep,
}

/// A command in a queue.
pub(crate) struct Submitted {
    pub(crate) request: Request,
    /// The queue that it waited in.
    pub(crate) priority: Priority,
    /// The span in which the command was submitted.
    pub(crate) asked_by: Span,
}

impl Submitted {
    /// Whether it must be the last of its group.
    pub(crate) const fn ends_group(&self) -> bool {
        self.request.ends_group()
    }

    /// Answers a request that was never carried out.
    pub(crate) fn fail(self, error: StoreError) {
        self.request.fail(error);
    }
}

/// The channel for the answer to a command.
enum Reply {
    Transaction(oneshot::Sender<Result<Vec<WriteResult>, CommitError>>),
    Schema(oneshot::Sender<Result<Arc<Catalog>, SchemaError>>),
    Apply(oneshot::Sender<Result<Applied, StoreError>>),
    More(oneshot::Sender<Result<bool, StoreError>>),
    Pruned(oneshot::Sender<Result<PruneStep, StoreError>>),
    Done(oneshot::Sender<Result<(), StoreError>>),
}

impl Request {
    /// Whether it must be the last of its group.
    pub(crate) const fn ends_group(&self) -> bool {
        matches!(self, Self::Schema(..))
    }

    fn split(self) -> (StoreCommand, Reply) {
        match self {
            Self::Transaction(writes, to) => (StoreCommand::Transaction(writes), Reply::Transaction(to)),
            Self::Schema(change, to) => (StoreCommand::Schema(change), Reply::Schema(to)),
            Self::Apply(batch, to) => (StoreCommand::Apply(batch), Reply::Apply(to)),
            Self::Trim(acknowledged, to) => (StoreCommand::Trim(acknowledged), Reply::More(to)),
            Self::Prune(filter, place, to) => (StoreCommand::Prune(filter, place), Reply::Pruned(to)),
            Self::NoteUnreachable(unreachable_ms, to) => {
                (StoreCommand::NoteUnreachable(unreachable_ms), Reply::Done(to))
            }
            Self::BeginEpoch(known, to) => (StoreCommand::BeginEpoch(known), Reply::Done(to)),
            Self::Repair(table, range, to) => (StoreCommand::Repair(table, range), Reply::More(to)),
        }
    }

    /// Answers a request that was never carried out.
    pub(crate) fn fail(self, error: StoreError) {
        self.split().1.fail(error);
    }
}

impl Reply {
    /// The receiver may be gone; the commit is valid all the same.
    fn send(self, answer: CommandAnswer) {
        match (self, answer) {
            (Self::Transaction(to), CommandAnswer::Transaction(answer)) => drop(to.send(answer)),
            (Self::Schema(to), CommandAnswer::Schema(answer)) => drop(to.send(answer)),
            (Self::Apply(to), CommandAnswer::Apply(answer)) => drop(to.send(answer)),
            (Self::More(to), CommandAnswer::More(answer)) => drop(to.send(answer)),
            (Self::Pruned(to), CommandAnswer::Pruned(answer)) => drop(to.send(answer)),
            (Self::Done(to), CommandAnswer::Done(answer)) => drop(to.send(answer)),
            (reply, answer) => {
                debug_assert!(false, "a command got an answer of the wrong kind: {answer:?}");
                reply.fail(StoreError::Database(
                    "a command got an answer of the wrong kind".to_owned(),
                ));
            }
        }
    }

    fn fail(self, error: StoreError) {
        match self {
            Self::Transaction(to) => drop(to.send(Err(error.into()))),
            Self::Schema(to) => drop(to.send(Err(error.into()))),
            Self::Apply(to) => drop(to.send(Err(error))),
            Self::More(to) => drop(to.send(Err(error))),
            Self::Pruned(to) => drop(to.send(Err(error))),
            Self::Done(to) => drop(to.send(Err(error))),
        }
    }
}

/// The writing half of the store.
pub(crate) struct Committer {
    writer: Box<dyn Writer>,
    shared: Arc<Shared>,
    state: State,
    /// The number of commits when `state` was read.
    based_on: CommitNumber,
    /// Whether the state must be read again before the next group.
    is_stale: bool,
    /// The number of all commits to the backend, by any committer.
    seen: Arc<AtomicU64>,
    /// The number of those commits that this committer knows of.
    known: u64,
    /// Why nothing more may be committed, if that is so.
    failure: Option<String>,
}

impl Committer {
    pub(crate) fn new(
        writer: Box<dyn Writer>,
        shared: Arc<Shared>,
        (state, based_on): (State, CommitNumber),
        seen: Arc<AtomicU64>,
    ) -> Self {
        let known = seen.load(Ordering::Acquire);
        Self {
            writer,
            shared,
            state,
            based_on,
            is_stale: false,
            seen,
            known,
            failure: None,
        }
    }

    /// Commits a group and answers each of its requests. Even a refusal waits for the commit: it
    /// may rest on what another command of the group wrote.
    pub(crate) fn commit(&mut self, group: Vec<Submitted>) {
        let asked_by = group.iter().map(|submitted| &submitted.asked_by);
        let _inside = trail::commit_span(self.shared.origin.region(), asked_by).entered();
        let split = |submitted: Submitted| submitted.request.split();
        let (commands, replies) = group.into_iter().map(split).unzip();
        self.commit_or_split(commands, replies, false);
    }

    /// Commits these commands and answers each of them. If they need a part of the database that
    /// cannot be read, the two halves are committed one after the other.
    fn commit_or_split(&mut self, mut commands: Vec<StoreCommand>, mut replies: Vec<Reply>, on_reserve: bool) {
        if let Some(reason) = &self.failure {
            // The first half has failed in that way.
            return reply_all(replies, Err(StoreError::CannotCommit(reason.clone())));
        }
        match self.carry_out(&mut commands, on_reserve) {
            Err(error @ StoreError::DiskFull(_)) if !on_reserve => self.relieve(commands, replies, &error),
            // Without its state, nothing of the region can be decided.
            Err(error @ StoreError::Unreadable(_)) if self.is_stale => reply_all(replies, Err(error)),
            Err(StoreError::Unreadable(_)) if commands.len() > 1 => {
                let half = commands.len() / 2;
                let (second, answers) = (commands.split_off(half), replies.split_off(half));
                self.commit_or_split(commands, replies, on_reserve);
                self.commit_or_split(second, answers, on_reserve);
            }
            Err(StoreError::Unreadable(what)) => reply_all(replies, Err(self.unreadable(&commands, what))),
            done => reply_all(replies, done),
        }
    }

    /// The error of a command that needs a part of the database that cannot be read. That of a
    /// batch names the table and the origin of a mutation that needs it.
    fn unreadable(&mut self, commands: &[StoreCommand], what: String) -> StoreError {
        let [StoreCommand::Apply(batch)] = commands else {
            return StoreError::Unreadable(what);
        };
        let mut among = batch.parts();
        // A commit may need more than the decision, so perhaps none of them is found.
        let found = among.iter().find(|(table, origin)| {
            let mut part = [StoreCommand::Apply(batch.part(*table, origin))];
            let environment = self.environment(&part, false);
            let decided = self.decide(&mut part, &mut Rows::default(), &environment);
            matches!(decided, Err(StoreError::Unreadable(_)))
        });
        if let Some(found) = found.cloned() {
            among = [found].into();
        }
        StoreError::Inapplicable { among, what }
    }

    /// Carries out again, on the reserve of the full disk, the commands of a group that lead to
    /// free space. The others fail.
    fn relieve(&mut self, commands: Vec<StoreCommand>, replies: Vec<Reply>, error: &StoreError) {
        let group = commands.into_iter().zip(replies);
        let (relieving, others): (Vec<_>, Vec<_>) = group.partition(|(command, _)| command.relieves());
        for (_, reply) in others {
            reply.fail(error.clone());
        }
        if relieving.is_empty() {
            return;
        }
        let (commands, replies) = relieving.into_iter().unzip();
        self.commit_or_split(commands, replies, true);
    }

    /// Whether there is background work.
    pub(crate) fn has_jobs(&self) -> bool {
        self.state.has_jobs()
    }

    /// Does one step of background work. Returns false if it failed and should be retried later.
    pub(crate) fn work(&mut self) -> bool {
        let _inside = trail::commit_span(self.shared.origin.region(), [].iter()).entered();
        let mut worked = self.carry_out_work(false);
        if matches!(worked, Err(StoreError::DiskFull(_))) {
            worked = self.carry_out_work(true);
        }
        if let Err(error) = &worked {
            tracing::warn!(region = %self.shared.origin.region(), %error, "background work failed and will be retried");
        }
        worked.is_ok()
    }

    fn carry_out_work(&mut self, on_reserve: bool) -> Result<(), StoreError> {
        let answers = self.carry_out(&mut [StoreCommand::Work], on_reserve)?;
        let failed = answers.into_iter().find_map(|answer| match answer {
            CommandAnswer::Done(done) => done.err(),
            _ => None,
        });
        failed.map_or(Ok(()), Err)
    }

    /// Performs some of the backend's maintenance. Returns true if there is more.
    pub(crate) fn maintain(&mut self, when: Maintenance) -> bool {
        let maintained = self.writer.maintain(when);
        maintained.unwrap_or_else(|error| {
            self.failure = Some(error.to_string());
            false
        })
    }

    /// Releases memory that an idle store does not need.
    pub(crate) fn rest(&mut self) {
        self.shared.recent.clear();
        self.maintain(Maintenance::Rest);
    }

    /// Why nothing more may be committed: the backend cannot tell what is durable.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Ends the committer in good order: the next start has nothing to recover.
    pub(crate) fn close(self) {
        self.writer.release();
    }

    /// Decides a group, commits it, and publishes the result to readers. `on_reserve` says whether
    /// it may use the reserve of a full disk.
    fn carry_out(&mut self, commands: &mut [StoreCommand], on_reserve: bool) -> Result<Vec<CommandAnswer>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            self.refresh()?;
            let environment = self.environment(commands, on_reserve);
            let mut rows = Rows::default();
            // The rows for upkeep are determined by deciding it alone, instead of deciding the
            // whole group repeatedly.
            let upkeep = commands.iter().take_while(|command| is_upkeep(command)).count();
            if upkeep > 0 && upkeep < commands.len() {
                self.decide(&mut commands[..upkeep], &mut rows, &environment)?;
            }
            let mut decision = self.decide(commands, &mut rows, &environment)?;
            if decision.writes.is_empty() {
                return Ok(self.adopt(decision));
            }
            decision.writes.based_on = self.based_on;
            decision.writes.on_reserve = on_reserve;
            self.shared.publish_names(&decision.state);
            match self.writer.commit(&decision.writes) {
                Ok(()) => {
                    self.based_on.0 += 1;
                    self.known += 1;
                    announce(commands, &decision.answers);
                    trail::committed(&decision);
                    return Ok(self.adopt(decision));
                }
                Err(CommitFailure::Stale) => {
                    tracing::debug!(region = %self.shared.origin.region(), "a group is decided again on newer rows");
                    self.is_stale = true;
                }
                Err(CommitFailure::LeaseLost) => {
                    tracing::warn!(region = %self.shared.origin.region(), "another committer took the lease of this region");
                    self.is_stale = true;
                    return Err(StoreError::Closed);
                }
                Err(CommitFailure::Unknown(error)) => {
                    self.state = self.state.clone().beyond(&decision.state);
                    self.is_stale = true;
                    // Other errors than this one say that nothing was written.
                    return Err(match error {
                        StoreError::Unreadable(what) => StoreError::Database(what),
                        error => error,
                    });
                }
                Err(CommitFailure::Fatal(error)) => {
                    self.failure = Some(error.to_string());
                    return Err(error);
                }
                Err(CommitFailure::Failed(error)) => {
                    self.state = self.state.clone().beyond(&decision.state);
                    return Err(error);
                }
            }
        }
        Err(StoreError::Database(format!(
            "the state changed {ATTEMPTS_MAX} times while a group was decided"
        )))
    }

    /// Decides commands, and reads the rows that they need until that succeeds.
    fn decide(
        &mut self,
        commands: &mut [StoreCommand],
        rows: &mut Rows,
        environment: &Environment,
    ) -> Result<Decision, StoreError> {
        let mut wanted = needs(&self.state, commands);
        loop {
            self.fetch(rows, wanted)?;
            wanted = match decide(&self.state, commands, rows, environment) {
                Ok(decision) => {
                    self.fetch(rows, decision.assumptions.reads())?;
                    if decision.assumptions.hold(rows) {
                        return Ok(decision);
                    }
                    ReadSet::default()
                }
                Err(Undecided::Needs(more)) => *more,
                Err(Undecided::Failed(error)) => return Err(error),
            };
        }
    }

    /// Reads the rows that a decision asked for and adds them to `rows`.
    fn fetch(&mut self, rows: &mut Rows, wanted: ReadSet) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let state = &self.state;
        let mut wanted = Some(wanted);
        self.writer.read(&mut |snapshot| match wanted.take() {
            Some(wanted) => rows.fetch(snapshot, state, wanted),
            None => Ok(()),
        })
    }

    fn environment(&self, commands: &[StoreCommand], on_reserve: bool) -> Environment {
        Environment {
            region: self.shared.origin.region().clone(),
            now_ms: self.shared.clock.now_ms(),
            log_retention_ms: self.shared.log_retention_ms,
            conflict_retention_ms: self.shared.conflict_retention_ms,
            keeps_log: self.shared.keeps_log.load(Ordering::Relaxed),
            on_reserve,
            past_from: self.shared.as_of.first(),
            trim_records_max: trim_records(commands),
            shard_age_ms: self.shared.shard_age_ms,
            wants_own: self.shared.recent.is_wanted(),
            planted_bug: self.shared.planted_bug,
        }
    }

    /// Reads the state again if another committer may have changed it.
    fn refresh(&mut self) -> Result<(), StoreError> {
        let seen = self.seen.load(Ordering::Acquire);
        if !self.is_stale && seen == self.known {
            return Ok(());
        }
        self.is_stale = true;
        self.based_on = self.writer.committed()?;
        let fresh = load(&mut *self.writer, &self.shared.origin, self.shared.max_offset_ms)?;
        self.state = fresh.beyond(&self.state);
        self.known = seen;
        self.is_stale = false;
        self.shared.publish_again(&self.state);
        Ok(())
    }

    /// Makes a decided state the current one, publishes it, reports its events, and returns the
    /// answers.
    fn adopt(&mut self, decision: Decision) -> Vec<CommandAnswer> {
        let appended = decision.state.log.last > self.state.log.last;
        let before = Arc::clone(&self.state.catalog);
        self.state = decision.state;
        self.shared.publish(&self.state, decision.own);
        if appended {
            self.shared.log_appended.notify_waiters();
        }
        let region = self.shared.origin.region();
        let after = &self.state.catalog;
        decision
            .events
            .iter()
            .for_each(|event| event.log(region, &before, after));
        decision.answers
    }
}

/// Answers each request of a group, or fails all of them.
fn reply_all(replies: Vec<Reply>, done: Result<Vec<CommandAnswer>, StoreError>) {
    match done {
        Ok(answers) => {
            debug_assert_eq!(answers.len(), replies.len(), "each command has one answer");
            for (reply, answer) in replies.into_iter().zip(answers) {
                reply.send(answer);
            }
        }
        Err(error) => replies.into_iter().for_each(|reply| reply.fail(error.clone())),
    }
}

/// The number of records that a pass of the trim examines in a group of these commands: twice as
/// many as clients and other regions write in it, within bounds. So the trim is faster than they
/// are, and delays them in proportion to what they write. Alone in its group it delays nobody.
fn trim_records(commands: &[StoreCommand]) -> usize {
    let written = |command: &StoreCommand| match command {
        StoreCommand::Transaction(writes) => writes.len(),
        StoreCommand::Apply(batch) => batch.mutations.len(),
        _ => 0,
    };
    match commands.iter().map(written).sum::<usize>() {
        0 => TRIM_RECORDS_MAX,
        written => (2 * written).clamp(TRIM_RECORDS_MIN, TRIM_RECORDS_MAX),
    }
}

const fn is_upkeep(command: &StoreCommand) -> bool {
    matches!(
        command,
        StoreCommand::Trim(_)
            | StoreCommand::Prune(..)
            | StoreCommand::Repair(..)
            | StoreCommand::NoteUnreachable(_)
            | StoreCommand::BeginEpoch(_)
            | StoreCommand::Work
    )
}

/// Notifies changes of definitions that they are committed, before anything else is decided.
fn announce(commands: &mut [StoreCommand], answers: &[CommandAnswer]) {
    for (command, answer) in commands.iter_mut().zip(answers) {
        if let (StoreCommand::Schema(change), CommandAnswer::Schema(Ok(_))) = (command, answer) {
            change.committed();
        }
    }
}

/// Reads the state of the region's database. `max_offset_ms` is how far another region's time may
/// be ahead of the wall clock. Fails if the backend fails, or its contents are damaged.
pub(crate) fn load(writer: &mut dyn Writer, origin: &Origin, max_offset_ms: u64) -> Result<State, StoreError> {
    let mut state = None;
    writer.read(&mut |snapshot| {
        state = Some(State::load(snapshot, origin, max_offset_ms)?);
        Ok(())
    })?;
    state.ok_or_else(|| StoreError::Database("the state was not read".to_owned()))
}
