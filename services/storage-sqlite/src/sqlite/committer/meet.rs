//! Where a mutation meets what stands: which of the two stays, or what becomes of both, and what was lost.

use std::cmp::Ordering;

use beringia_item::{Cause, Item, ItemState, Loss, Version, VersionVector, encode_item};
use bytes::Bytes;

use super::{
    Group,
    journal::{self, Side},
    remote::{Incoming, Meeting},
};
use crate::sqlite::{
    fail::Result,
    records::{self, ItemRow, Joined, Standing},
};

/// What a mutation and what stood became.
pub(super) struct Union {
    pub(super) joined: Joined,
    pub(super) item: Option<Item>,
    /// The hash of its metadata.
    pub(super) state: u64,
}

/// Which of the two that meet.
#[derive(Clone, Copy)]
enum Party {
    Incoming,
    Standing,
}

impl Group<'_> {
    /// Compares a mutation with what stands, by what each origin knew (docs/architecture.md, "Versions and vectors"), and journals
    /// what was lost where neither knew of the other. The second value is how many entries the journal has more.
    pub(super) fn meet(&mut self, incoming: &Incoming<'_>, current: Option<&ItemRow>) -> Result<(Meeting, usize)> {
        let Some(row) = current else {
            return Ok((Meeting::Newer, 0));
        };
        let mutation = incoming.mutation;
        let version = row.version(self.state.regions.names())?;
        let order = mutation.version.cmp(&version);
        if mutation.metadata.is_none() && row.state == 0 {
            let meeting = match order {
                Ordering::Equal => return Ok((Meeting::Same, 0)),
                Ordering::Greater => Meeting::Newer,
                Ordering::Less => Meeting::Stale,
            };
            if row.origin == incoming.origin || mutation.knew_of(&version) {
                return Ok((meeting, 0));
            }
            return self.meet_whole(incoming, row, &version, meeting);
        }
        let Some(standing) = records::standing(self.connection, row)? else {
            tracing::error!(table = %mutation.table, key = ?mutation.key, "the log record of an item is missing");
            let meeting = if order == Ordering::Greater {
                Meeting::Newer
            } else {
                Meeting::Stale
            };
            return Ok((meeting, 0));
        };
        self.meet_parts(incoming, &standing)
    }

    /// Two writes of the whole item: the greater version stays.
    fn meet_whole(
        &mut self,
        incoming: &Incoming<'_>,
        row: &ItemRow,
        version: &Version,
        meeting: Meeting,
    ) -> Result<(Meeting, usize)> {
        let mutation = incoming.mutation;
        let Some(standing) = records::standing(self.connection, row)? else {
            tracing::error!(table = %mutation.table, key = ?mutation.key, "the log record of an item is missing");
            return Ok((meeting, 0));
        };
        if standing.known(self.state.regions.names())?.covers(&mutation.version) {
            return Ok((meeting, 0));
        }
        // Several regions may find an item expired before they hear of each other: they did the same, and nothing is lost.
        let expired = |cause: Cause, image: Option<&Bytes>| cause == Cause::TimeToLive && image.is_none();
        if expired(mutation.cause, mutation.image.as_ref()) && expired(standing.cause, standing.image.as_ref()) {
            return Ok((meeting, 0));
        }
        let (winner, loser, lost_by) = if matches!(meeting, Meeting::Newer) {
            (&mutation.version, version, Party::Standing)
        } else {
            (version, &mutation.version, Party::Incoming)
        };
        let loss = Loss {
            winner: winner.clone(),
            loser: loser.clone(),
            attributes: Vec::new(),
        };
        let noted = self.note(incoming, &standing, &loss, lost_by)?;
        Ok((meeting, usize::from(noted)))
    }

    /// Where one of both is more than a write of the whole item.
    fn meet_parts(&mut self, incoming: &Incoming<'_>, standing: &Standing) -> Result<(Meeting, usize)> {
        let mutation = incoming.mutation;
        let keys = &self.table(mutation.table)?.keys;
        let ours = standing.state(keys, &mutation.key, self.state.regions.names())?;
        let theirs = incoming.known_state(keys)?;
        let joined = ours.join(&theirs);
        let known = standing.known(self.state.regions.names())?;
        let mut conflicts = 0;
        let lost = theirs.losses(&ours, &joined);
        for loss in lost.iter().filter(|loss| !known.covers(&loss.loser)) {
            conflicts += usize::from(self.note(incoming, standing, loss, Party::Incoming)?);
        }
        let lost = ours.losses(&theirs, &joined);
        for loss in lost.iter().filter(|loss| !mutation.knew_of(&loss.loser)) {
            conflicts += usize::from(self.note(incoming, standing, loss, Party::Standing)?);
        }
        let meeting = if joined == ours {
            if theirs.version() == ours.version() {
                Meeting::Same
            } else {
                Meeting::Stale
            }
        } else if joined == theirs {
            Meeting::Newer
        } else {
            Meeting::Joined(Box::new(self.unite(incoming, &joined, known)?))
        };
        Ok((meeting, conflicts))
    }

    /// How the join of a mutation and what stood is kept with the mutation's record.
    fn unite(&mut self, incoming: &Incoming<'_>, joined: &ItemState, mut known: VersionVector) -> Result<Union> {
        let mutation = incoming.mutation;
        known.merge(&mutation.vector);
        known.advance(mutation.origin(), mutation.version.sequence);
        let vector = self.encode_vector(&known)?;
        let keys = self.table(mutation.table)?.keys.attributes_of(&mutation.key);
        let item = joined.image(&keys.unwrap_or_default());
        let image = item
            .as_ref()
            .map(encode_item)
            .filter(|image| Some(image) != mutation.image.as_ref());
        let version = joined.version();
        Ok(Union {
            joined: Joined {
                time: version.time.as_u64(),
                origin: self.region_number(&version.origin)?,
                sequence: version.sequence,
                vector,
                image,
                metadata: joined.metadata(),
            },
            item,
            state: joined.hash(),
        })
    }

    /// Journals a loss by one of the two that met.
    fn note(&mut self, incoming: &Incoming<'_>, standing: &Standing, loss: &Loss, lost_by: Party) -> Result<bool> {
        let mutation = incoming.mutation;
        let (won, lost) = match lost_by {
            Party::Incoming => (standing.image.as_deref(), mutation.image.as_deref()),
            Party::Standing => (mutation.image.as_deref(), standing.image.as_deref()),
        };
        let winner = self.side(&loss.winner, won)?;
        let loser = self.side(&loss.loser, lost)?;
        let table = self.table(mutation.table)?.number;
        let seen_ms = self.state.clock.wall().now_ms();
        journal::note(
            self.connection,
            table,
            &mutation.key,
            &winner,
            &loser,
            &loss.attributes,
            seen_ms,
        )
    }

    fn side<'i>(&mut self, version: &Version, image: Option<&'i [u8]>) -> Result<Side<'i>> {
        Ok(Side {
            time: version.time.as_u64(),
            origin: self.region_number(&version.origin)?,
            sequence: version.sequence,
            image,
        })
    }
}
