//! Reconciles a mutation with the current row: decides which one wins or how they merge, and what
//! was lost.

use std::cmp::Ordering;

use beringia_item::{Cause, Item, ItemState, Loss, Version, VersionVector, encode_item};
use beringia_storage::{
    StoreError,
    backend::{Detail, ItemRow, Keyspace, MergedRow},
};
use bytes::Bytes;

use super::{
    incoming::Incoming,
    workspace::{Fail, Group, Result},
};
use crate::{
    current::CurrentRecord,
    journal::{self, Side},
};

/// The outcome of reconciling a mutation with the current row.
pub(super) enum Reconciled {
    /// The mutation becomes current here, as its region wrote it.
    Newer,
    /// The mutation and the current row merge into another item.
    Merged(Box<Merged>),
    /// The current row covers the mutation or overrules it, and stays.
    Stale,
    /// The mutation is the current version.
    Same,
}

/// The merge of a mutation and the current row.
pub(super) struct Merged {
    pub(super) row: MergedRow,
    pub(super) item: Option<Item>,
    /// The hash of the merged metadata.
    pub(super) state: u64,
}

/// One of the two sides that are reconciled.
#[derive(Clone, Copy)]
enum Party {
    Incoming,
    Current,
}

impl Group<'_> {
    /// Compares a mutation with the current row by their causal contexts (docs/replication.md,
    /// "Reconciliation"), and journals what was lost if the two are concurrent. The second value is
    /// the number of new journal entries.
    pub(super) fn reconcile_with(
        &mut self,
        incoming: &Incoming<'_>,
        row_key: &[u8],
        current: Option<&ItemRow>,
    ) -> Result<(Reconciled, usize)> {
        let Some(row) = current else {
            return Ok((Reconciled::Newer, 0));
        };
        let mutation = incoming.mutation;
        let version = row.version(self.state.origins.names())?;
        let order = mutation.version.cmp(&version);
        let whole = mutation.metadata.is_none() && row.state == 0;
        let outcome = match order {
            Ordering::Equal => Reconciled::Same,
            Ordering::Greater => Reconciled::Newer,
            Ordering::Less => Reconciled::Stale,
        };
        if whole {
            let is_ordered = row.origin == incoming.origin || mutation.depends_on(&version);
            if order == Ordering::Equal || is_ordered {
                return Ok((outcome, 0));
            }
        }
        let current = self.with_record(row_key, *row, Detail::Record)?;
        let Some(record) = current.record.filter(|record| record.is_of(row)) else {
            return Err(Fail::Written(StoreError::Corrupt {
                table: mutation.table,
                key: mutation.key.clone(),
            }));
        };
        if whole {
            self.reconcile_whole(incoming, &record, &version, outcome)
        } else {
            self.reconcile_parts(incoming, &record)
        }
    }

    /// Reconciles two writes of the whole item: the greater version wins.
    fn reconcile_whole(
        &mut self,
        incoming: &Incoming<'_>,
        record: &CurrentRecord,
        version: &Version,
        outcome: Reconciled,
    ) -> Result<(Reconciled, usize)> {
        let mutation = incoming.mutation;
        if record.covered(self.state.origins.names())?.covers(&mutation.version) {
            return Ok((outcome, 0));
        }
        // Several regions may expire an item before they receive each other's deletes. They did the
        // same, so nothing is lost.
        let expired = |cause: Cause, image: Option<&Bytes>| cause == Cause::TimeToLive && image.is_none();
        if expired(mutation.cause, mutation.image.as_ref()) && expired(record.cause, record.image.as_ref()) {
            return Ok((outcome, 0));
        }
        let (winner, loser, lost_by) = if matches!(outcome, Reconciled::Newer) {
            (&mutation.version, version, Party::Current)
        } else {
            (version, &mutation.version, Party::Incoming)
        };
        let loss = Loss {
            winner: winner.clone(),
            loser: loser.clone(),
            attributes: Vec::new(),
        };
        let noted = self.note_loss(incoming, record, &loss, lost_by)?;
        Ok((outcome, usize::from(noted)))
    }

    /// Reconciles states of which at least one is more than a write of the whole item.
    fn reconcile_parts(&mut self, incoming: &Incoming<'_>, record: &CurrentRecord) -> Result<(Reconciled, usize)> {
        let mutation = incoming.mutation;
        let keys = &self.table(mutation.table)?.keys;
        let ours = record.state(keys, &mutation.key, self.state.origins.names())?;
        let theirs = incoming.known_state(keys)?;
        let merged = self
            .merged_as_whole(&ours, &theirs)
            .unwrap_or_else(|| ours.merge(&theirs));
        let covered = record.covered(self.state.origins.names())?;
        let mut conflicts = 0;
        let lost = theirs.losses(&ours, &merged);
        for loss in lost.iter().filter(|loss| !covered.covers(&loss.loser)) {
            conflicts += usize::from(self.note_loss(incoming, record, loss, Party::Incoming)?);
        }
        let lost = ours.losses(&theirs, &merged);
        for loss in lost.iter().filter(|loss| !mutation.depends_on(&loss.loser)) {
            conflicts += usize::from(self.note_loss(incoming, record, loss, Party::Current)?);
        }
        let outcome = if merged == ours {
            if theirs.version() == ours.version() {
                Reconciled::Same
            } else {
                Reconciled::Stale
            }
        } else if merged == theirs {
            Reconciled::Newer
        } else {
            Reconciled::Merged(Box::new(self.merge(incoming, &merged, covered)?))
        };
        Ok((outcome, conflicts))
    }

    /// Builds the merged row that is stored with the mutation's record.
    fn merge(&mut self, incoming: &Incoming<'_>, merged: &ItemState, mut covered: VersionVector) -> Result<Merged> {
        let mutation = incoming.mutation;
        covered.merge(&mutation.causal_context);
        covered.advance(mutation.origin(), mutation.version.sequence);
        let context = self.encode_vector(&covered)?;
        let keys = self.table(mutation.table)?.keys.attributes_of(&mutation.key);
        let item = merged.image(&keys.unwrap_or_default());
        let image = item
            .as_ref()
            .map(encode_item)
            .filter(|image| Some(image) != mutation.image.as_ref());
        let version = merged.version();
        Ok(Merged {
            row: MergedRow {
                time: version.time.as_u64(),
                origin: self.origin_number(&version.origin)?,
                sequence: version.sequence,
                context,
                image,
                metadata: merged.metadata(),
            },
            item,
            state: merged.hash(),
        })
    }

    /// Journals a loss by one of the two. Returns false if it is in the journal already.
    fn note_loss(
        &mut self,
        incoming: &Incoming<'_>,
        record: &CurrentRecord,
        loss: &Loss,
        lost_by: Party,
    ) -> Result<bool> {
        if self.hides_loss(loss) {
            return Ok(false);
        }
        let mutation = incoming.mutation;
        let (won, lost) = match lost_by {
            Party::Incoming => (record.image.as_deref(), mutation.image.as_deref()),
            Party::Current => (mutation.image.as_deref(), record.image.as_deref()),
        };
        let winner = self.side(&loss.winner, won)?;
        let loser = self.side(&loss.loser, lost)?;
        let journal = self.table(mutation.table)?.journal;
        let key = journal::conflict_key(journal, &mutation.key, &winner, &loser);
        if self.has_row(Keyspace::ConflictKeys, &key, false) {
            return Ok(false);
        }
        let number = self.state.next_conflict;
        self.state.next_conflict += 1;
        journal::write(
            number,
            (journal, &mutation.key),
            (&winner, &loser),
            &loss.attributes,
            self.environment.now_ms,
            &mut self.writes,
        );
        Ok(true)
    }

    fn side<'i>(&mut self, version: &Version, image: Option<&'i [u8]>) -> Result<Side<'i>> {
        Ok(Side {
            time: version.time.as_u64(),
            origin: self.origin_number(&version.origin)?,
            sequence: version.sequence,
            image,
        })
    }
}
