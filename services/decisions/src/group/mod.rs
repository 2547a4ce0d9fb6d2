//! One group of commands: what each of them decides, in order, on the state that those before it left.
//!
//! A group works on a clone of the state, on rows that were read for it, and on what it wrote itself.
//! Where it needs a row that nobody has read, it notes which one, gives up the command at hand and goes
//! on with the next, to find out what else it needs; then nothing that it decided counts, and it runs
//! again with more rows. A command that is refused wrote nothing.

mod definitions;
mod dropped;
mod interpret;
mod jobs;
mod names;
mod planted;
mod reads;
mod reconcile;
mod remote;
mod repair;
mod streams;
mod trim;
mod unit;
mod write;

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use beringia_item::{KeyBytes, Mutation, Region, TableId};
use beringia_storage::{
    Acknowledged, Applied, Catalog, CommitError, ItemWrite, Outcome, PlantedBug, RemoteBatch, SchemaChange,
    SchemaError, StoreError,
    backend::{Detail, ItemChange, ItemRow, Keyspace, Record, RecordHead, WriteSet},
};

pub use self::reads::needs;
use crate::{
    current::CurrentRecord,
    rows::{CurrentRow, ItemScan, LogScan, Lookup, ReadSet, Rows, Scan, ScannedItem, ScannedRow},
    state::{Retention, State, TableState},
};

/// What is to be decided.
pub enum Command {
    /// A client's writes, all or none.
    Unit(Vec<ItemWrite>),
    /// A change of definitions. The last of its group.
    Schema(Box<dyn SchemaChange>),
    /// Other regions' mutations.
    Apply(RemoteBatch),
    /// One step of trimming the log.
    Trim(Arc<Acknowledged>),
    /// Notes for how long peers have been unreachable, ms.
    NoteUnreachable(BTreeMap<Region, u64>),
    /// Repairs one range. The first of its group.
    Repair(TableId, u16),
    /// One step of the background work. Alone in its group.
    Work,
}

/// What a command came to.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Unit`].
    Unit(Result<Vec<Outcome>, CommitError>),
    /// To [`Command::Schema`].
    Schema(Result<Arc<Catalog>, SchemaError>),
    /// To [`Command::Apply`].
    Apply(Result<Applied, StoreError>),
    /// To [`Command::Trim`] (whether another step would find something) and [`Command::Repair`] (whether
    /// there was something to repair).
    More(Result<bool, StoreError>),
    /// To [`Command::NoteUnreachable`] and [`Command::Work`].
    Done(Result<(), StoreError>),
}

/// What the decisions depend on besides state and rows.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The region.
    pub region: Region,
    /// Its wall time, ms since the epoch.
    pub now_ms: u64,
    /// How long log records stay for streams, ms.
    pub log_retention_ms: u64,
    /// How old a stream's open shard gets, ms.
    pub shard_age_ms: u64,
    /// Whether the region's own records are to be handed over ([`Decision::own`]).
    pub wants_own: bool,
    /// A bug to have.
    pub planted_bug: Option<PlantedBug>,
}

impl Environment {
    const fn retention(&self) -> Retention {
        Retention {
            retention_ms: self.log_retention_ms,
            now_ms: self.now_ms,
        }
    }
}

/// A record of this region's own, as replication reads it.
#[derive(Debug, Clone)]
pub struct OwnRecord {
    /// What says whether a reader wants it.
    pub head: RecordHead,
    /// The whole record.
    pub mutation: Mutation,
}

/// What a group comes to.
#[derive(Debug)]
pub struct Decision {
    /// The state once the write set is committed.
    pub state: State,
    /// What is to be committed.
    pub writes: WriteSet,
    /// To each command, once that is committed.
    pub answers: Vec<Answer>,
    /// This region's records among those that are appended, where they are wanted.
    pub own: Option<Vec<OwnRecord>>,
}

/// Why a group was not decided.
#[derive(Debug)]
pub enum Undecided {
    /// It needs these rows, too.
    Needs(Box<ReadSet>),
    /// What was read cannot be right; no command of the group can be carried out.
    Failed(StoreError),
}

/// Decides a group of commands.
///
/// # Errors
/// [`Undecided`]; nothing was decided then, and the group may be decided again.
pub fn decide(
    state: &State,
    commands: &mut [Command],
    rows: &Rows,
    environment: &Environment,
) -> Result<Decision, Undecided> {
    let mut group = Group {
        state: state.clone(),
        writes: WriteSet::default(),
        rows,
        missing: RefCell::default(),
        environment,
        own: environment.wants_own.then(Vec::new),
    };
    let decided = group.carry_out_all(commands, state);
    let missing = group.missing.into_inner();
    if !missing.is_empty() {
        return Err(Undecided::Needs(Box::new(missing)));
    }
    match decided {
        Ok(answers) => Ok(Decision {
            state: group.state,
            writes: group.writes,
            answers,
            own: group.own,
        }),
        Err(Fail::Group(error) | Fail::Command(error)) => Err(Undecided::Failed(error)),
        // Whatever is missing was noted.
        Err(Fail::Missing) => Err(Undecided::Failed(StoreError::damaged(
            "a row that is needed was not named",
        ))),
    }
}

/// A failure, and how far it reaches.
#[derive(Debug)]
pub(crate) enum Fail {
    /// Only the command at hand fails. Nothing was written for it yet.
    Command(StoreError),
    /// No command of the group can be carried out.
    Group(StoreError),
    /// A row has to be read first; which one was noted.
    Missing,
}

pub(crate) type Result<T, E = Fail> = std::result::Result<T, E>;

impl From<StoreError> for Fail {
    /// What rows say is wrong, or cannot be encoded.
    fn from(error: StoreError) -> Self {
        Self::Group(error)
    }
}

/// The group under way.
pub(crate) struct Group<'a> {
    pub(crate) state: State,
    pub(crate) writes: WriteSet,
    rows: &'a Rows,
    missing: RefCell<ReadSet>,
    pub(crate) environment: &'a Environment,
    own: Option<Vec<OwnRecord>>,
}

impl Group<'_> {
    fn carry_out_all(&mut self, commands: &mut [Command], before: &State) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            match self.carry_out(command) {
                // The next may need something, too.
                Err(Fail::Missing) => {}
                answer => answers.push(answer?),
            }
        }
        if !self.missing.borrow().is_empty() {
            return Err(Fail::Missing);
        }
        let now_ms = self.environment.now_ms;
        self.roll_shards(now_ms)?;
        self.state.flush(before, now_ms, &mut self.writes)?;
        Ok(answers)
    }

    /// Carries out one command. An `Err` ends the group; the command's own failures are its answer.
    fn carry_out(&mut self, command: &mut Command) -> Result<Answer> {
        Ok(match command {
            Command::Unit(writes) => Answer::Unit(answer(self.commit_unit(writes))?.and_then(|done| done)),
            Command::Schema(change) => {
                Answer::Schema(answer(self.change_schema(change.as_mut()))?.and_then(|done| done))
            }
            Command::Apply(batch) => Answer::Apply(answer(self.apply(batch))?),
            Command::Trim(acknowledged) => Answer::More(answer(self.trim(acknowledged))?),
            Command::NoteUnreachable(unreachable_ms) => {
                self.note_unreachable(unreachable_ms);
                Answer::Done(Ok(()))
            }
            Command::Repair(table, range) => Answer::More(answer(self.repair(*table, *range))?),
            Command::Work => Answer::Done(answer(self.work())?),
        })
    }

    /// Takes the place of what was noted before.
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

    pub(crate) fn table(&self, id: TableId) -> Result<&TableState> {
        let table = self.state.tables().get(&id);
        table
            .map(|table| &**table)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    pub(crate) fn table_mut(&mut self, id: TableId) -> Result<&mut TableState> {
        self.state
            .table_mut(id)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    fn need(&self, note: impl FnOnce(&mut ReadSet)) -> Fail {
        note(&mut self.missing.borrow_mut());
        Fail::Missing
    }

    /// The row of an item as the group left it.
    pub(crate) fn item_row(&self, row_key: &[u8]) -> Result<Option<ItemRow>> {
        match self.writes.items.get(row_key) {
            Some(ItemChange::Insert(row) | ItemChange::Update(row)) => return Ok(Some(*row)),
            Some(ItemChange::Delete) => return Ok(None),
            None => {}
        }
        match self.rows.item(row_key, Detail::Row) {
            Lookup::Found(current) => Ok(Some(current.row)),
            Lookup::Absent => Ok(None),
            Lookup::NotRead => Err(self.need(|missing| missing.item(row_key.to_vec(), Detail::Row))),
        }
    }

    /// The row of an item as the group left it, with its record or image.
    pub(crate) fn current(&self, row_key: &[u8], detail: Detail) -> Result<Option<CurrentRow>> {
        match self.item_row(row_key)? {
            Some(row) => self.with_record(row_key, row, detail).map(Some),
            None => Ok(None),
        }
    }

    /// `row`, the row of that item, with what is where it points to.
    pub(crate) fn with_record(&self, row_key: &[u8], row: ItemRow, detail: Detail) -> Result<CurrentRow> {
        if let Some(record) = self.appended(row.position) {
            return Ok(CurrentRow::new(row, Some(CurrentRecord::of(record))));
        }
        match self.rows.item(row_key, detail) {
            Lookup::Found(current) if current.row.position == row.position => Ok(current.clone()),
            Lookup::Found(_) | Lookup::Absent => Ok(CurrentRow::new(row, None)),
            Lookup::NotRead => Err(self.need(|missing| missing.item(row_key.to_vec(), detail))),
        }
    }

    /// The record that this group appended at that position.
    fn appended(&self, position: u64) -> Option<&Record> {
        let first = self.writes.records.first()?.head.position;
        let place = usize::try_from(position.checked_sub(first)?).ok()?;
        self.writes.records.get(place)
    }

    /// Whether a row is there, as the group left it.
    pub(crate) fn has_row(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool> {
        let row = (keyspace, key.to_vec());
        if let Some(written) = self.writes.rows.get(&row) {
            return Ok(written.is_some());
        }
        match self.rows.row(keyspace, key) {
            Lookup::Found(_) => Ok(true),
            Lookup::Absent => Ok(false),
            Lookup::NotRead => Err(self.need(|missing| {
                missing.rows.insert(row);
            })),
        }
    }

    /// Rows as they were before the group.
    pub(crate) fn scan(&self, scan: Scan) -> Result<&[ScannedRow]> {
        match self.rows.scan(&scan) {
            Some(rows) => Ok(rows),
            None => Err(self.need(|missing| {
                missing.scans.insert(scan);
            })),
        }
    }

    /// Items as they were before the group.
    pub(crate) fn scan_items(&self, scan: ItemScan) -> Result<&[ScannedItem]> {
        match self.rows.item_scan(&scan) {
            Some(items) => Ok(items),
            None => Err(self.need(|missing| {
                missing.item_scans.insert(scan);
            })),
        }
    }

    /// Records as they were before the group.
    pub(crate) fn scan_log(&self, scan: LogScan) -> Result<&[(RecordHead, KeyBytes)]> {
        match self.rows.log(scan) {
            Some(records) => Ok(records),
            None => Err(self.need(|missing| {
                missing.logs.insert(scan);
            })),
        }
    }

    /// Writes the row of an item.
    pub(crate) fn put_item(&mut self, row_key: Vec<u8>, row: ItemRow, replaces: bool) {
        // What was there before the group decides, not what the group made of it.
        let was_there = match self.writes.items.get(&row_key) {
            Some(ItemChange::Insert(_)) => false,
            Some(ItemChange::Update(_) | ItemChange::Delete) => true,
            None => replaces,
        };
        let change = if was_there {
            ItemChange::Update(row)
        } else {
            ItemChange::Insert(row)
        };
        self.writes.items.insert(row_key, change);
    }

    /// Removes the row of an item, which is there.
    pub(crate) fn delete_item(&mut self, row_key: Vec<u8>) {
        if let Some(ItemChange::Insert(_)) = self.writes.items.get(&row_key) {
            self.writes.items.remove(&row_key);
        } else {
            self.writes.items.insert(row_key, ItemChange::Delete);
        }
    }
}

/// Tells a command's own failure, which is its answer, from those of the group.
fn answer<T, E: From<StoreError>>(result: Result<T>) -> Result<std::result::Result<T, E>> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Fail::Command(error)) => Ok(Err(error.into())),
        Err(fail) => Err(fail),
    }
}
