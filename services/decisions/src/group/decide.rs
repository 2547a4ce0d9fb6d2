//! Decides a group of commands, one after the other.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use beringia_item::Region;
use beringia_storage::{
    StoreError,
    backend::{Keyspace, WriteSet},
};

use super::{
    command::{CommandAnswer, Environment, StoreCommand},
    event::StoreEvent,
    workspace::{Fail, Group, Misses, OwnRecord, Result},
};
use crate::{
    rows::{Assumptions, ReadSet, Rows},
    state::State,
};

/// The decision of a group, which takes effect once its write set is committed.
#[derive(Debug)]
pub struct Decision {
    /// The state once the write set is committed.
    pub state: State,
    /// Everything that the group writes, in one commit.
    pub writes: WriteSet,
    /// The answers to the commands, valid once the write set is committed.
    pub answers: Vec<CommandAnswer>,
    /// This region's own records among the appended ones, if they were asked for.
    pub own: Option<Vec<OwnRecord>>,
    /// The events to report once the write set is committed.
    pub events: Vec<StoreEvent>,
    /// Assumptions about rows that were not read. If they do not hold, decide the group again with
    /// the rows that show it.
    pub assumptions: Assumptions,
}

/// Why a group was not decided.
#[derive(Debug)]
pub enum Undecided {
    /// The group needs these rows, too.
    Needs(Box<ReadSet>),
    /// The rows that were read are inconsistent; no command of the group can be carried out.
    Failed(StoreError),
}

/// Decides a group of commands.
///
/// # Errors
/// [`Undecided`]. Nothing was decided then, and the group may be decided again.
pub fn decide(
    state: &State,
    commands: &mut [StoreCommand],
    rows: &Rows,
    environment: &Environment,
) -> Result<Decision, Undecided> {
    let mut refused = BTreeMap::new();
    loop {
        let mut group = Group {
            state: state.for_group(),
            writes: WriteSet::default(),
            rows,
            missing: RefCell::default(),
            assumptions: RefCell::default(),
            environment,
            own: environment.wants_own.then(Vec::new),
            events: Vec::new(),
        };
        let decided = group.carry_out_all(commands, state, &mut refused);
        let mut missing = group.missing.into_inner();
        let assumptions = group.assumptions.into_inner();
        if !missing.is_empty() {
            missing.rows.extend(assumptions.rows());
            return Err(Undecided::Needs(Box::new(missing)));
        }
        return match decided {
            Ok(answers) => Ok(Decision {
                state: group.state,
                writes: group.writes,
                answers,
                own: group.own,
                events: group.events,
                assumptions,
            }),
            // The command is among the refused ones now.
            Err(Fail::Written(_)) => continue,
            Err(Fail::Group(error) | Fail::Command(error)) => Err(Undecided::Failed(error)),
            // All missing rows have been noted.
            Err(Fail::Missing) => Err(Undecided::Failed(StoreError::damaged("a missing row was not noted"))),
        };
    }
}

impl Group<'_> {
    /// Carries out all commands but the refused ones, which are answered with their errors.
    /// `refused` has their places among the commands, and gets that of a command that fails after
    /// it may have written.
    fn carry_out_all(
        &mut self,
        commands: &mut [StoreCommand],
        before: &State,
        refused: &mut BTreeMap<usize, StoreError>,
    ) -> Result<Vec<CommandAnswer>> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut misses = Misses::default();
        for (place, command) in commands.iter_mut().enumerate() {
            if let Some(error) = refused.get(&place) {
                answers.push(failed(command, error.clone()));
                continue;
            }
            let carried_out = self.carry_out(command);
            if let Err(Fail::Written(error)) = &carried_out {
                refused.insert(place, error.clone());
            }
            answers.extend(misses.note(carried_out)?);
        }
        misses.check()?;
        let now_ms = self.environment.now_ms;
        self.roll_shards(now_ms)?;
        self.state.flush(before, now_ms, &mut self.writes)?;
        Ok(answers)
    }

    /// Carries out one command. An `Err` ends the group; the command's own failures are its answer.
    fn carry_out(&mut self, command: &mut StoreCommand) -> Result<CommandAnswer> {
        Ok(match command {
            StoreCommand::Transaction(writes) => {
                CommandAnswer::Transaction(answer(self.commit_transaction(writes))?.and_then(|done| done))
            }
            StoreCommand::Schema(change) => {
                CommandAnswer::Schema(answer(self.change_schema(change.as_mut()))?.and_then(|done| done))
            }
            StoreCommand::Apply(batch) => CommandAnswer::Apply(answer(self.apply(batch))?),
            StoreCommand::Trim(acknowledged) => CommandAnswer::More(answer(self.trim(acknowledged))?),
            StoreCommand::Prune(filter, place) => CommandAnswer::Pruned(answer(self.prune(filter, *place))?),
            StoreCommand::NoteUnreachable(unreachable_ms) => {
                self.note_unreachable(unreachable_ms);
                CommandAnswer::Done(Ok(()))
            }
            StoreCommand::BeginEpoch(known) => {
                if let Some(epoch) = self.state.begin_epoch(*known) {
                    self.events.push(StoreEvent::StoreEpochBegan { epoch, known: *known });
                }
                CommandAnswer::Done(Ok(()))
            }
            StoreCommand::Repair(table, range) => CommandAnswer::More(answer(self.repair(*table, *range))?),
            StoreCommand::Work => CommandAnswer::Done(answer(self.work())?),
        })
    }

    /// Replaces what was recorded before.
    fn note_unreachable(&mut self, unreachable_ms: &BTreeMap<Region, u64>) {
        let row = |region: &Region| (Keyspace::Unreachable, region.as_str().as_bytes().to_vec());
        for region in self.state.unreachable.keys() {
            self.writes.rows.insert(row(region), None);
        }
        for (region, ms) in unreachable_ms {
            self.writes.rows.insert(row(region), Some(ms.to_be_bytes().to_vec()));
        }
        self.state.unreachable = Arc::new(unreachable_ms.clone());
    }
}

/// The answer to a command that failed.
fn failed(command: &StoreCommand, error: StoreError) -> CommandAnswer {
    match command {
        StoreCommand::Transaction(_) => CommandAnswer::Transaction(Err(error.into())),
        StoreCommand::Schema(_) => CommandAnswer::Schema(Err(error.into())),
        StoreCommand::Apply(_) => CommandAnswer::Apply(Err(error)),
        StoreCommand::Trim(_) | StoreCommand::Repair(..) => CommandAnswer::More(Err(error)),
        StoreCommand::Prune(..) => CommandAnswer::Pruned(Err(error)),
        StoreCommand::NoteUnreachable(_) | StoreCommand::BeginEpoch(_) | StoreCommand::Work => {
            CommandAnswer::Done(Err(error))
        }
    }
}

/// Separates a command's own failure, which is its answer, from failures of the group.
fn answer<T, E: From<StoreError>>(result: Result<T>) -> Result<std::result::Result<T, E>> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Fail::Command(error)) => Ok(Err(error.into())),
        Err(fail) => Err(fail),
    }
}
