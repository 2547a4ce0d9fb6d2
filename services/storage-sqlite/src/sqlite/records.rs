//! The rows of items and of the log, one statement each.

use std::sync::LazyLock;

use beringia_item::{
    Cause, ItemState, KeyBytes, KeySchema, Mutation, Stamp, TableId, Unit, Version, VersionVector, decode_item,
};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, types::ValueRef};

use super::{
    fail::{Fail, Result},
    layout::{Fields, RegionNames, RegionNumber, TableNumber, cause, decode_vector, sql, unsigned, version},
    recent::OwnRecord,
    state::TableState,
};

/// An item's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemRow {
    /// Where in the log the image is.
    pub(super) position: u64,
    pub(super) time: u64,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    /// As DynamoDB counts it; 0 for a tombstone.
    pub(super) size: u64,
    /// The hash of its metadata; 0 where there is none.
    pub(super) state: u64,
}

impl ItemRow {
    pub(super) const fn live(&self) -> bool {
        self.size > 0
    }

    pub(super) fn version(&self, names: &RegionNames) -> Result<Version> {
        version(names, self.time, self.origin, self.sequence)
    }

    pub(super) fn stamp(&self, names: &RegionNames) -> Result<Stamp> {
        Ok(Stamp {
            version: self.version(names)?,
            state: self.state,
        })
    }

    /// From the columns pos, time, o, seq, size, state, beginning with column `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            position: unsigned(row, first)?,
            time: unsigned(row, first + 1)?,
            origin: row.get(first + 2)?,
            sequence: unsigned(row, first + 3)?,
            size: unsigned(row, first + 4)?,
            state: unsigned(row, first + 5)?,
        })
    }

    pub(super) fn find(connection: &Connection, row_key: &[u8]) -> Result<Option<Self>> {
        let mut statement =
            connection.prepare_cached("SELECT pos, time, o, seq, size, state FROM item WHERE k = ?1")?;
        Ok(statement.query_row([row_key], |row| Self::read(row, 0)).optional()?)
    }

    pub(super) fn insert(&self, connection: &Connection, row_key: &[u8]) -> Result<()> {
        connection
            .prepare_cached("INSERT INTO item (k, pos, time, o, seq, size, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute((
                row_key,
                sql(self.position),
                sql(self.time),
                self.origin,
                sql(self.sequence),
                sql(self.size),
                sql(self.state),
            ))?;
        Ok(())
    }

    pub(super) fn update(&self, connection: &Connection, row_key: &[u8]) -> Result<()> {
        connection
            .prepare_cached(
                "UPDATE item SET pos = ?2, time = ?3, o = ?4, seq = ?5, size = ?6, state = ?7 WHERE k = ?1",
            )?
            .execute((
                row_key,
                sql(self.position),
                sql(self.time),
                self.origin,
                sql(self.sequence),
                sql(self.size),
                sql(self.state),
            ))?;
        Ok(())
    }

    pub(super) fn delete(connection: &Connection, row_key: &[u8]) -> Result<()> {
        connection
            .prepare_cached("DELETE FROM item WHERE k = ?1")?
            .execute([row_key])?;
        Ok(())
    }
}

/// A record of the log, as it is written.
pub(super) struct NewRecord<'a> {
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) flags: i64,
    pub(super) unit: Unit,
    /// Where the version that it replaces is.
    pub(super) previous: Option<u64>,
    pub(super) key: &'a KeyBytes,
    pub(super) vector: &'a [u8],
    pub(super) image: Option<&'a Bytes>,
    pub(super) metadata: Option<&'a Bytes>,
    /// What stands after it, where that is not only this write.
    pub(super) joined: Option<&'a Joined>,
}

/// What was made of a write and what stood before it.
pub(super) struct Joined {
    /// The greatest version in it.
    pub(super) time: u64,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    /// Everything that its writes knew of.
    pub(super) vector: Vec<u8>,
    /// Where it is another image than the write's own.
    pub(super) image: Option<Bytes>,
    pub(super) metadata: Option<Bytes>,
}

impl Joined {
    fn encode(&self) -> Vec<u8> {
        let metadata = self.metadata.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(STANDING_HEAD + self.vector.len() + metadata.len());
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.origin.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&(self.vector.len() as u64).to_be_bytes());
        out.extend_from_slice(&self.vector);
        out.extend_from_slice(metadata);
        out
    }
}

/// Bytes of what precedes the vector.
const STANDING_HEAD: usize = 26;

/// What a record says of the item that stood after it.
pub(super) struct Standing {
    pub(super) time: u64,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    pub(super) vector: Vec<u8>,
    /// `None` for a delete.
    pub(super) image: Option<Bytes>,
    pub(super) metadata: Option<Bytes>,
    /// Of what was joined, [`Cause::Client`].
    pub(super) cause: Cause,
    /// Whether it was joined from several writes, so that it is not what this record's write left.
    pub(super) is_joined: bool,
}

/// The columns that [`Standing::read`] expects, of the log as `l`.
pub(super) const STANDING_COLUMNS: &str =
    "l.time, l.o, l.seq, l.vector, ifnull(l.joined, l.image), l.metadata, l.standing, l.flags";

impl Standing {
    /// From [`STANDING_COLUMNS`], beginning with column `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> Result<Self> {
        let bytes = |column: usize| Ok::<_, Fail>(row.get::<_, Option<Vec<u8>>>(first + column)?.map(Bytes::from));
        let image = bytes(4)?;
        let Some(standing) = bytes(6)? else {
            return Ok(Self {
                time: unsigned(row, first)?,
                origin: row.get(first + 1)?,
                sequence: unsigned(row, first + 2)?,
                vector: row.get(first + 3)?,
                image,
                metadata: bytes(5)?,
                cause: cause(row.get(first + 7)?),
                is_joined: false,
            });
        };
        let mut fields = Fields(&standing);
        let (time, origin) = (fields.u64()?, u16::from_be_bytes(fields.take()?));
        let (sequence, vector_len) = (fields.u64()?, fields.u64()?);
        let too_short = || Fail::damaged("a row's blob is too short");
        let split = usize::try_from(vector_len)
            .ok()
            .and_then(|len| fields.0.split_at_checked(len));
        let (vector, metadata) = split.ok_or_else(too_short)?;
        Ok(Self {
            time,
            origin,
            sequence,
            vector: vector.to_vec(),
            image,
            metadata: (!metadata.is_empty()).then(|| Bytes::copy_from_slice(metadata)),
            cause: Cause::Client,
            is_joined: true,
        })
    }

    /// Whether this is what `row` says that stands.
    pub(super) const fn is_of(&self, row: &ItemRow) -> bool {
        self.origin == row.origin && self.sequence == row.sequence
    }

    /// What its writes knew of, themselves included.
    pub(super) fn known(&self, names: &RegionNames) -> Result<VersionVector> {
        named(self.known_numbers()?, names)
    }

    /// The same by the numbers of regions, of which one may occur twice.
    pub(super) fn known_numbers(&self) -> Result<Vec<(RegionNumber, u64)>> {
        let mut known = decode_vector(&self.vector)?;
        known.push((self.origin, self.sequence));
        Ok(known)
    }

    /// The state of the item with that key.
    pub(super) fn state(&self, keys: &KeySchema, key: &KeyBytes, names: &RegionNames) -> Result<ItemState> {
        let damaged = |what: &dyn std::fmt::Display| Fail::damaged(&what.to_string());
        let image = self.image.as_deref().map(decode_item).transpose();
        let image = image.map_err(|error| damaged(&error))?;
        let version = version(names, self.time, self.origin, self.sequence)?;
        let attributes = keys.attributes_of(key).unwrap_or_default();
        ItemState::read(&version, image.as_ref(), self.metadata.as_deref(), &attributes)
            .map_err(|error| damaged(&error))
    }
}

/// A record's vector by names.
pub(super) fn decode_known(vector: &[u8], names: &RegionNames) -> Result<VersionVector> {
    named(decode_vector(vector)?, names)
}

fn named(entries: Vec<(RegionNumber, u64)>, names: &RegionNames) -> Result<VersionVector> {
    entries
        .into_iter()
        .map(|(region, sequence)| {
            let name = names.get(usize::from(region)).cloned();
            name.map(|name| (name, sequence))
                .ok_or_else(|| Fail::damaged("a record names an unknown region"))
        })
        .collect()
}

impl NewRecord<'_> {
    /// What it counts for in a backlog.
    pub(super) fn bytes(&self) -> u64 {
        let [image, metadata] = [self.image, self.metadata].map(|bytes| bytes.map_or(0, Bytes::len));
        (self.key.0.len() + image + metadata) as u64
    }

    /// The record of this region's own, at its position, as [`mutation`] reads it.
    pub(super) fn own(&self, table: &TableState, names: &RegionNames, position: u64) -> Result<OwnRecord> {
        let head = RecordHead {
            position,
            table: table.number,
            origin: self.origin,
            sequence: self.sequence,
            time: self.time,
            flags: self.flags,
            unit: self.unit,
            previous: self.previous,
        };
        let mutation = Mutation {
            table: table.id,
            key: self.key.clone(),
            version: version(names, self.time, self.origin, self.sequence)?,
            vector: decode_known(self.vector, names)?,
            image: self.image.cloned(),
            metadata: self.metadata.cloned(),
            cause: cause(self.flags),
            unit: self.unit,
        };
        Ok(OwnRecord { head, mutation })
    }

    pub(super) fn insert(&self, connection: &Connection, table: TableNumber, position: u64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO log (pos, t, o, seq, time, flags, back, ahead, prev, k, vector, image, metadata, standing, joined)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute((
                sql(position),
                table,
                self.origin,
                sql(self.sequence),
                sql(self.time),
                self.flags,
                sql(self.sequence - self.unit.first),
                sql(self.unit.last - self.sequence),
                self.previous.map(sql),
                &*self.key.0,
                self.vector,
                self.image.map(AsRef::<[u8]>::as_ref),
                self.metadata.map(AsRef::<[u8]>::as_ref),
                self.joined.map(Joined::encode),
                self.joined.and_then(|joined| joined.image.as_deref()),
            ))?;
        Ok(())
    }
}

/// The columns that [`RecordHead::read`] and [`mutation`] expect, in their order.
pub(super) const RECORD_COLUMNS: &str = "pos, t, o, seq, time, flags, back, ahead, prev, k, vector, image, metadata";

/// What of a record says whether somebody wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHead {
    pub(super) position: u64,
    pub(super) table: TableNumber,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) flags: i64,
    pub(super) unit: Unit,
    pub(super) previous: Option<u64>,
}

impl RecordHead {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let sequence = unsigned(row, 3)?;
        Ok(Self {
            position: unsigned(row, 0)?,
            table: row.get(1)?,
            origin: row.get(2)?,
            sequence,
            time: unsigned(row, 4)?,
            flags: row.get(5)?,
            unit: Unit {
                first: sequence.wrapping_sub(unsigned(row, 6)?),
                last: sequence.wrapping_add(unsigned(row, 7)?),
            },
            previous: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        })
    }
}

/// The whole record, as its origin wrote it.
pub(super) fn mutation(row: &Row<'_>, head: &RecordHead, table: TableId, names: &RegionNames) -> Result<Mutation> {
    let key = row
        .get_ref(9)?
        .as_blob()
        .map_err(|_| Fail::damaged("a record's key is no blob"))?;
    let vector = row
        .get_ref(10)?
        .as_blob()
        .map_err(|_| Fail::damaged("a record's vector is no blob"))?;
    let bytes = |column: usize| {
        let bytes = row.get_ref(column)?.as_blob_or_null();
        let bytes = bytes.map_err(|_| Fail::damaged("a record's image is no blob"))?;
        Ok::<_, Fail>(bytes.map(Bytes::copy_from_slice))
    };
    Ok(Mutation {
        table,
        key: KeyBytes(Bytes::copy_from_slice(key)),
        version: version(names, head.time, head.origin, head.sequence)?,
        vector: decode_known(vector, names)?,
        image: bytes(11)?,
        metadata: bytes(12)?,
        cause: cause(head.flags),
        unit: head.unit,
    })
}

/// What the record that `row` points to says of the item; `None` where the record is missing or another's.
pub(super) fn standing(connection: &Connection, row: &ItemRow) -> Result<Option<Standing>> {
    static QUERY: LazyLock<String> = LazyLock::new(|| format!("SELECT {STANDING_COLUMNS} FROM log l WHERE l.pos = ?1"));
    let mut statement = connection.prepare_cached(&QUERY)?;
    let mut rows = statement.query([sql(row.position)])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    Ok(Some(Standing::read(found, 0)?).filter(|standing| standing.is_of(row)))
}

/// What stands under a key, as far as a write of this region needs to know it.
pub(super) struct Current {
    pub(super) row: ItemRow,
    /// What is where the row points to, without metadata, and without the image where that was not asked for.
    record: Option<Standing>,
}

impl Current {
    /// The row alone.
    pub(super) fn row(connection: &Connection, row_key: &[u8]) -> Result<Option<Self>> {
        let row = ItemRow::find(connection, row_key)?;
        Ok(row.map(|row| Self { row, record: None }))
    }

    /// The row and its record; the image, which may be large, only where that is asked for.
    pub(super) fn find(connection: &Connection, row_key: &[u8], with_image: bool) -> Result<Option<Self>> {
        // The columns of a row, then those of STANDING_COLUMNS.
        let mut statement = connection.prepare_cached(
            "SELECT i.pos, i.time, i.o, i.seq, i.size, i.state, l.time, l.o, l.seq, l.vector,
             iif(?2, ifnull(l.joined, l.image), NULL), NULL, l.standing, l.flags
             FROM item i LEFT JOIN log l ON l.pos = i.pos WHERE i.k = ?1",
        )?;
        let mut rows = statement.query((row_key, with_image))?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let row = ItemRow::read(found, 0)?;
        let is_there = found.get_ref(6)? != ValueRef::Null;
        let record = is_there.then(|| Standing::read(found, 6)).transpose()?;
        Ok(Some(Self { row, record }))
    }

    /// The image; `None` also for a delete, where it was not asked for, and where the record is missing.
    pub(super) fn image(&self) -> Option<&Bytes> {
        self.record.as_ref()?.image.as_ref()
    }

    /// What the writes that it is made of knew of, themselves included. Where the record is missing or another's, only its version is known.
    pub(super) fn known(&self) -> Result<Vec<(RegionNumber, u64)>> {
        match self.record.as_ref().filter(|record| record.is_of(&self.row)) {
            Some(record) => record.known_numbers(),
            None => Ok(vec![(self.row.origin, self.row.sequence)]),
        }
    }
}

/// The image that `row` points to; `None` where its record is missing or holds a delete.
pub(super) fn image(connection: &Connection, row: &ItemRow) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached("SELECT ifnull(joined, image) FROM log WHERE pos = ?1")?;
    let found = statement.query_row([sql(row.position)], |row| {
        Ok(row.get::<_, Option<Vec<u8>>>(0)?.map(Bytes::from))
    });
    Ok(found.optional()?.flatten())
}

pub(super) fn delete_record(connection: &Connection, position: u64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM log WHERE pos = ?1")?
        .execute([sql(position)])?;
    Ok(())
}
