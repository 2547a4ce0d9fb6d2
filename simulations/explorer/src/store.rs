//! The store of a region as a value: the committer's state and rows, changed by commands.

use std::sync::Arc;

use beringia_committer::SnapshotReader;
use beringia_decisions::{
    CommandAnswer, Decision, Environment, Rows, State, StoreCommand, Undecided, decide, first_rows, needs,
};
use beringia_item::{Origin, Region};
use beringia_storage::{DEFAULT_SHARD_AGE_MS, PlantedBug, StoreError, backend::Snapshot};
use beringia_storage_memory::MemoryData;

/// How far another region's time may be ahead of the wall clock, in ms: the default of regions.
pub(crate) const MAX_OFFSET_MS: u64 = 500;
/// How many steps of background work may follow a command.
const WORK_MAX: usize = 64;

/// A region's store, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) state: State,
    pub(crate) data: Arc<MemoryData>,
}

impl Store {
    /// The store of a region with an empty disk.
    pub(crate) fn empty(origin: &Origin, now_ms: u64) -> Result<Self, StoreError> {
        let mut data = MemoryData::default();
        data.write(&first_rows(origin, now_ms)?);
        Self::load(Arc::new(data), origin)
    }

    /// The store after a restart.
    pub(crate) fn load(data: Arc<MemoryData>, origin: &Origin) -> Result<Self, StoreError> {
        let state = State::load(&*data, origin, MAX_OFFSET_MS)?;
        Ok(Self { state, data })
    }

    /// Reads as replication does.
    pub(crate) fn reader(&self) -> SnapshotReader<'_> {
        SnapshotReader::new(&*self.data, &self.state)
    }

    /// The rows, as the storage backend shows them.
    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        &*self.data
    }

    /// Carries out a command, and the background work that it leaves, as the committer does.
    pub(crate) fn carry_out(
        &self,
        command: StoreCommand,
        environment: &Environment,
    ) -> Result<(Self, CommandAnswer), StoreError> {
        let mut commands = [command];
        let (mut store, mut answers) = self.commit(&mut commands, environment)?;
        for _ in 0..WORK_MAX {
            if !store.state.has_jobs() {
                break;
            }
            store = store.commit(&mut [StoreCommand::Work], environment)?.0;
        }
        let answer = answers.pop().ok_or_else(|| StoreError::damaged("no answer"))?;
        Ok((store, answer))
    }

    fn commit(
        &self,
        commands: &mut [StoreCommand],
        environment: &Environment,
    ) -> Result<(Self, Vec<CommandAnswer>), StoreError> {
        let Decision {
            state, writes, answers, ..
        } = self.decide(commands, environment)?;
        let mut data = self.data.clone();
        if !writes.is_empty() {
            Arc::make_mut(&mut data).write(&writes);
        }
        Ok((Self { state, data }, answers))
    }

    fn decide(&self, commands: &mut [StoreCommand], environment: &Environment) -> Result<Decision, StoreError> {
        let mut rows = Rows::default();
        let mut wanted = needs(&self.state, commands);
        loop {
            rows.fetch(&*self.data, &self.state, wanted)?;
            wanted = match decide(&self.state, commands, &rows, environment) {
                Ok(decision) => {
                    rows.fetch(&*self.data, &self.state, decision.assumptions.reads())?;
                    if decision.assumptions.hold(&rows) {
                        return Ok(decision);
                    }
                    beringia_decisions::ReadSet::default()
                }
                Err(Undecided::Needs(more)) => *more,
                Err(Undecided::Failed(error)) => return Err(error),
            };
        }
    }
}

/// The inputs of a region's decisions besides its store. The log keeps nothing for streams.
pub(crate) fn environment(region: &Region, now_ms: u64, planted_bug: Option<PlantedBug>) -> Environment {
    Environment {
        region: region.clone(),
        now_ms,
        log_retention_ms: 0,
        conflict_retention_ms: u64::MAX,
        keeps_log: false,
        on_reserve: false,
        past_from: u64::MAX,
        trim_records_max: 512,
        shard_age_ms: DEFAULT_SHARD_AGE_MS,
        wants_own: false,
        planted_bug,
    }
}
