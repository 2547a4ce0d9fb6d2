//! The rows of items and of the log, one statement each.

use beringia_item::{Cause, KeyBytes, Mutation, TableId, Unit, Version};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    fail::{Fail, Result},
    layout::{RegionNames, RegionNumber, TableNumber, cause, decode_vector, sql, unsigned, version},
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
}

impl ItemRow {
    pub(super) const fn live(&self) -> bool {
        self.size > 0
    }

    pub(super) fn version(&self, names: &RegionNames) -> Result<Version> {
        version(names, self.time, self.origin, self.sequence)
    }

    /// From the columns pos, time, o, seq, size, beginning with column `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            position: unsigned(row, first)?,
            time: unsigned(row, first + 1)?,
            origin: row.get(first + 2)?,
            sequence: unsigned(row, first + 3)?,
            size: unsigned(row, first + 4)?,
        })
    }

    pub(super) fn find(connection: &Connection, row_key: &[u8]) -> Result<Option<Self>> {
        let mut statement = connection.prepare_cached("SELECT pos, time, o, seq, size FROM item WHERE k = ?1")?;
        Ok(statement.query_row([row_key], |row| Self::read(row, 0)).optional()?)
    }

    pub(super) fn insert(&self, connection: &Connection, row_key: &[u8]) -> Result<()> {
        connection
            .prepare_cached("INSERT INTO item (k, pos, time, o, seq, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute((
                row_key,
                sql(self.position),
                sql(self.time),
                self.origin,
                sql(self.sequence),
                sql(self.size),
            ))?;
        Ok(())
    }

    pub(super) fn update(&self, connection: &Connection, row_key: &[u8]) -> Result<()> {
        connection
            .prepare_cached("UPDATE item SET pos = ?2, time = ?3, o = ?4, seq = ?5, size = ?6 WHERE k = ?1")?
            .execute((
                row_key,
                sql(self.position),
                sql(self.time),
                self.origin,
                sql(self.sequence),
                sql(self.size),
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
    pub(super) table: TableNumber,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) flags: i64,
    pub(super) unit: Unit,
    /// Where the version that it replaces is.
    pub(super) previous: Option<u64>,
    pub(super) key: &'a [u8],
    pub(super) vector: &'a [u8],
    pub(super) image: Option<&'a [u8]>,
}

impl NewRecord<'_> {
    /// What it counts for in a backlog.
    pub(super) fn bytes(&self) -> u64 {
        (self.key.len() + self.image.map_or(0, <[u8]>::len)) as u64
    }

    pub(super) fn insert(&self, connection: &Connection, position: u64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO log (pos, t, o, seq, time, flags, back, ahead, prev, k, vector, image)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute((
                sql(position),
                self.table,
                self.origin,
                sql(self.sequence),
                sql(self.time),
                self.flags,
                sql(self.sequence - self.unit.first),
                sql(self.unit.last - self.sequence),
                self.previous.map(sql),
                self.key,
                self.vector,
                self.image,
            ))?;
        Ok(())
    }
}

/// The columns that [`RecordHead::read`] and [`mutation`] expect, in their order.
pub(super) const RECORD_COLUMNS: &str = "pos, t, o, seq, time, flags, back, ahead, prev, k, vector, image";

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

/// The whole record.
pub(super) fn mutation(row: &Row<'_>, head: &RecordHead, table: TableId, names: &RegionNames) -> Result<Mutation> {
    let key = row
        .get_ref(9)?
        .as_blob()
        .map_err(|_| Fail::damaged("a record's key is no blob"))?;
    let vector = row
        .get_ref(10)?
        .as_blob()
        .map_err(|_| Fail::damaged("a record's vector is no blob"))?;
    let image = row
        .get_ref(11)?
        .as_blob_or_null()
        .map_err(|_| Fail::damaged("a record's image is no blob"))?;
    let vector = decode_vector(vector)?
        .into_iter()
        .map(|(region, sequence)| {
            let name = names.get(usize::from(region)).cloned();
            name.map(|name| (name, sequence))
                .ok_or_else(|| Fail::damaged("a record names an unknown region"))
        })
        .collect::<Result<_>>()?;
    Ok(Mutation {
        table,
        key: KeyBytes(Bytes::copy_from_slice(key)),
        version: version(names, head.time, head.origin, head.sequence)?,
        vector,
        image: image.map(Bytes::copy_from_slice),
        cause: cause(head.flags),
        unit: head.unit,
    })
}

/// What a record says of the write that made it.
pub(super) struct Stored {
    /// What its origin knew of.
    pub(super) vector: Vec<u8>,
    /// `None` for a delete.
    pub(super) image: Option<Bytes>,
    pub(super) cause: Cause,
}

/// The record that `row` points to, where it is there.
pub(super) fn stored(connection: &Connection, row: &ItemRow) -> Result<Option<Stored>> {
    let mut statement =
        connection.prepare_cached("SELECT vector, image, flags FROM log WHERE pos = ?1 AND o = ?2 AND seq = ?3")?;
    let found = statement.query_row((sql(row.position), row.origin, sql(row.sequence)), |row| {
        Ok(Stored {
            vector: row.get(0)?,
            image: row.get::<_, Option<Vec<u8>>>(1)?.map(Bytes::from),
            cause: cause(row.get(2)?),
        })
    });
    Ok(found.optional()?)
}

/// The image that `row` points to; `None` where its record is missing or holds a delete.
pub(super) fn image(connection: &Connection, row: &ItemRow) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached("SELECT image FROM log WHERE pos = ?1")?;
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
