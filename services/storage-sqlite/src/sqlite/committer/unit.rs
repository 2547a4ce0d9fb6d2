//! Units of local writes: decided as a whole, then written as a whole.

use beringia_item::{
    Cause, ConflictPolicy, Item, ItemState, KeyBytes, TableId, Touched, Unit, Version, decode_item, encode_item,
};
use bytes::Bytes;

use super::{
    Group,
    write::{NewVersion, row_size},
};
use crate::{
    CommitError, Effect, ItemWrite, Outcome, Refusal, StoreError,
    sqlite::{
        fail::{Fail, Result},
        layout::cause_flags,
        records::{self, Current},
    },
};

/// A write that was decided.
pub(super) struct LocalWrite {
    pub(super) table: TableId,
    pub(super) key: KeyBytes,
    pub(super) row_key: Vec<u8>,
    pub(super) cause: Cause,
    pub(super) current: Option<Current>,
    /// The item that stands now, where somebody looked at it.
    pub(super) before: Option<Item>,
    /// `None` for a delete.
    pub(super) after: Option<Item>,
    /// What an update did to get there; `None` for a put or a delete.
    pub(super) touched: Option<Touched>,
}

/// What one write of a unit comes to, before anything is written.
#[expect(clippy::large_enum_variant, reason = "nearly all are writes, and a unit holds few")]
enum Decision {
    Write(LocalWrite),
    Nothing { before: Option<Item> },
}

/// What is written with a write of this region besides the item.
struct Stamped {
    metadata: Option<Bytes>,
    /// The hash of the metadata.
    state: u64,
    vector: Vec<u8>,
}

/// A refused write: why, and what the item was.
type Refused = (Refusal, Option<Item>);

impl Group<'_> {
    /// Carries out a client's unit.
    pub(super) fn commit_unit(&mut self, writes: Vec<ItemWrite>) -> Result<Result<Vec<Outcome>, CommitError>> {
        let mut decisions = Vec::with_capacity(writes.len());
        let mut refusals: Vec<Option<Refused>> = Vec::with_capacity(writes.len());
        for write in writes {
            let repeated = decisions.iter().any(|decision| match decision {
                Decision::Write(earlier) => earlier.table == write.table && earlier.key == write.key,
                Decision::Nothing { .. } => false,
            });
            if repeated {
                let message = "Transaction request cannot include multiple operations on one item";
                refusals.push(Some((Refusal::Invalid(message.to_owned()), None)));
                continue;
            }
            match self.decide(write)? {
                Ok(decision) => {
                    decisions.push(decision);
                    refusals.push(None);
                }
                Err(refused) => refusals.push(Some(refused)),
            }
        }
        if refusals.iter().any(Option::is_some) {
            return Ok(Err(CommitError::Refused(refusals)));
        }
        self.write_decisions(decisions).map(Ok)
    }

    /// Decides one write. Reads only.
    fn decide(&self, write: ItemWrite) -> Result<Result<Decision, Refused>> {
        let ItemWrite {
            table: id,
            key,
            cause,
            mut change,
        } = write;
        let table = match self.state.tables.get(&id) {
            Some(table) if id != TableId::CATALOG && id != TableId::LOCAL => table,
            _ => return Err(Fail::Command(StoreError::UnknownTable(id))),
        };
        let row_key = table.row_key(&key);
        let needs_current = change.needs_current();
        // A region that never heard of another need not look at what its writes knew of.
        let current = if needs_current || self.state.regions.names().len() > 1 {
            Current::find(self.connection, &row_key, needs_current)?
        } else {
            Current::row(self.connection, &row_key)?
        };
        let live = current.as_ref().filter(|current| current.row.live());
        let before = match live {
            Some(current) if needs_current => item_of(current, id, &key)?,
            _ => None,
        };
        let (after, touched) = match change.decide(before.as_ref()) {
            Err(refusal) => return Ok(Err((refusal, before))),
            Ok(Effect::Put(item)) => (Some(item), None),
            Ok(Effect::Update { item, touched }) => (Some(item), Some(touched)),
            Ok(Effect::Delete) if live.is_some() => (None, None),
            Ok(Effect::Delete | Effect::Keep) => return Ok(Ok(Decision::Nothing { before })),
        };
        debug_assert!(
            after
                .as_ref()
                .is_none_or(|item| table.keys.key_of(item).as_ref() == Ok(&key)),
            "the item that is put has another key than it is put under"
        );
        Ok(Ok(Decision::Write(LocalWrite {
            table: id,
            key,
            row_key,
            cause,
            current,
            before,
            after,
            touched,
        })))
    }

    fn write_decisions(&mut self, decisions: Vec<Decision>) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(decisions.len());
        let mut writes = Vec::with_capacity(decisions.len());
        for decision in decisions {
            match decision {
                Decision::Write(write) => {
                    writes.push((outcomes.len(), write));
                    outcomes.push(Outcome::default());
                }
                Decision::Nothing { before } => outcomes.push(Outcome {
                    before,
                    ..Outcome::default()
                }),
            }
        }
        let versions = self.write_unit(writes.iter().map(|(_, write)| write))?;
        for ((place, write), version) in writes.into_iter().zip(versions) {
            outcomes[place] = Outcome {
                before: write.before,
                after: write.after,
                version: Some(version),
            };
        }
        Ok(outcomes)
    }

    /// Writes a unit of this region: one time for all, consecutive sequences.
    pub(super) fn write_unit<'w>(
        &mut self,
        writes: impl ExactSizeIterator<Item = &'w LocalWrite>,
    ) -> Result<Vec<Version>> {
        let count = writes.len() as u64;
        if count == 0 {
            return Ok(Vec::new());
        }
        let ticked = self.state.clock.tick();
        let time = ticked.map_err(|error| Fail::Command(StoreError::Database(error.to_string())))?;
        let own = self.state.regions.own();
        let unit = Unit {
            first: self.state.sequence + 1,
            last: self.state.sequence + count,
        };
        self.state.sequence = unit.last;
        let mut versions = Vec::with_capacity(writes.len());
        for (sequence, write) in (unit.first..).zip(writes) {
            let version = Version {
                time,
                origin: self.shared.region.clone(),
                sequence,
            };
            let Stamped {
                metadata,
                state,
                vector,
            } = self.stamp(write, &version)?;
            let image = write.after.as_ref().map(encode_item);
            self.put_version(
                write.table,
                &NewVersion {
                    key: &write.key,
                    row_key: &write.row_key,
                    origin: own,
                    sequence,
                    time: time.as_u64(),
                    flags: cause_flags(write.cause),
                    unit,
                    vector: &vector,
                    image: image.as_ref(),
                    metadata: metadata.as_ref(),
                    joined: None,
                    size: row_size(write.after.as_ref()),
                    after: write.after.as_ref(),
                    state,
                    current: write.current.as_ref().map(|current| &current.row),
                    before: write.before.as_ref(),
                },
            )?;
            let Self { state, .. } = self;
            if let Some(table) = state.tables.get_mut(&write.table) {
                table.progress.advance(&state.regions, own, sequence)?;
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// What the table's policy makes of a write of this region.
    fn stamp(&mut self, write: &LocalWrite, version: &Version) -> Result<Stamped> {
        let own = self.state.regions.own();
        let policy = self.table(write.table)?.policy;
        let overwrites = policy == ConflictPolicy::Item || write.touched.is_none();
        let standing = match &write.current {
            Some(current) if !overwrites => records::standing(self.connection, &current.row)?,
            _ => None,
        };
        // What stands may be made of writes, or have replaced some, that this region does not have from their origins yet. The new
        // one knows of them all the same.
        let replaced = write
            .current
            .as_ref()
            .map(Current::known)
            .transpose()?
            .unwrap_or_default();
        let vector = self.table_mut(write.table)?.progress.known(own, &replaced);
        if overwrites {
            return Ok(Stamped {
                metadata: None,
                state: 0,
                vector,
            });
        }
        let (keys, names) = (&self.table(write.table)?.keys, self.state.regions.names());
        let standing = standing.map(|stood| stood.state(keys, &write.key, names)).transpose()?;
        let state = ItemState::written(
            policy,
            standing.as_ref(),
            version,
            write.after.as_ref(),
            write.touched.as_ref(),
        );
        Ok(Stamped {
            metadata: state.metadata(),
            state: state.hash(),
            vector,
        })
    }
}

/// The item that stands, which is live and whose image was asked for. A missing image is damage, and treated as a missing row.
fn item_of(current: &Current, table: TableId, key: &KeyBytes) -> Result<Option<Item>> {
    let Some(image) = current.image() else {
        tracing::error!(%table, ?key, "the log record of an item is missing");
        return Ok(None);
    };
    let item = decode_item(image).map_err(|error| Fail::Command(StoreError::Database(error.to_string())))?;
    Ok(Some(item))
}
