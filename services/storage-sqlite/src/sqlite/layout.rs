//! The database's tables, and how keys, vectors and digests are written in them.
//!
//! A value is written once, in the log. An item's row only says which version stands and where in the log its image is; an index
//! entry is only a key. Regions, tables and indexes are small numbers in all rows.

use std::ops::Range;

use beringia_clock::HybridTime;
use beringia_item::{Cause, KeyBytes, RANGES, Region, Stamp, Version};
use bytes::Bytes;
use rusqlite::Row;
use xxhash_rust::xxh3::Xxh3;

use super::fail::{Fail, Result};

/// "BRNG": tells our files from all others.
pub(super) const APPLICATION_ID: i32 = 0x4252_4e47;
/// The version of this layout. A file of another one is refused.
pub(super) const FORMAT: i32 = 8;

/// The bits of the log's `flags` column.
pub(super) mod flag {
    /// The item's time to live ran out.
    pub(crate) const TIME_TO_LIVE: i64 = 1;
    /// Came by copy or repair, out of its origin's order: replication must not serve it.
    pub(crate) const UNORDERED: i64 = 2;
    /// Never became the current version here. Kept for those that this region relays to.
    pub(crate) const STALE: i64 = 4;
    /// Tells streams that an item went without a delete. Neither a row nor a record points to it.
    pub(crate) const REMOVAL: i64 = 8;
}

pub(super) const SCHEMA: &str = "
-- Whose database this is.
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), region TEXT NOT NULL, topology TEXT);
-- Own sequence, clock bound, the log's ends; and the next free numbers. Each of the first three is the greatest of this row and those
-- of tables: a commit writes it where it writes anyway.
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, clock INTEGER NOT NULL,
    last_position INTEGER NOT NULL, trimmed INTEGER NOT NULL, next_table INTEGER NOT NULL, next_index INTEGER NOT NULL);
CREATE TABLE region (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Tables that this region holds (purging = 0), and those whose rows are being removed; keep: what of them is kept aside, as JSON.
-- late: the digests of a few ranges, ahead of what the rows of digests say.
CREATE TABLE tables (n INTEGER PRIMARY KEY, id BLOB NOT NULL, purging INTEGER NOT NULL, joined INTEGER NOT NULL,
    progress BLOB NOT NULL, late BLOB NOT NULL, sequence INTEGER NOT NULL, clock INTEGER NOT NULL, last_position INTEGER NOT NULL,
    keep TEXT);
-- entries, bytes: how many items an index shows, and their size as it shows them.
CREATE TABLE indexes (n INTEGER PRIMARY KEY, t INTEGER NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL, cursor BLOB,
    keys TEXT NOT NULL, definition TEXT NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
-- k: table number, stored key. size: as DynamoDB counts it, 0 for a tombstone. pos: where the image is. state: the hash of the
-- item's metadata, 0 where there is none.
CREATE TABLE item (k BLOB PRIMARY KEY, pos INTEGER NOT NULL, time INTEGER NOT NULL, o INTEGER NOT NULL, seq INTEGER NOT NULL,
    size INTEGER NOT NULL, state INTEGER NOT NULL) WITHOUT ROWID;
-- k: index number, index key, stored key of the item.
CREATE TABLE entry (k BLOB PRIMARY KEY) WITHOUT ROWID;
-- prev: where the version that this one replaced is. back, ahead: members of its unit before and after it. image, metadata: what
-- its origin wrote. standing: what stood after it, where that was joined from this and what stood before: version, vector and
-- metadata; joined: that item's image, where it is another.
CREATE TABLE log (pos INTEGER PRIMARY KEY, t INTEGER NOT NULL, o INTEGER NOT NULL, seq INTEGER NOT NULL,
    time INTEGER NOT NULL, flags INTEGER NOT NULL, back INTEGER NOT NULL, ahead INTEGER NOT NULL, prev INTEGER,
    k BLOB NOT NULL, vector BLOB NOT NULL, image BLOB, metadata BLOB, standing BLOB, joined BLOB);
-- A sparse index of the log: for some records of an origin and table their position, what the one before them was, and how
-- many records and bytes there were up to them.
CREATE TABLE mark (t INTEGER NOT NULL, o INTEGER NOT NULL, seq INTEGER NOT NULL, pos INTEGER NOT NULL,
    prev_seq INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (t, o, seq)) WITHOUT ROWID;
-- When, by this region's wall clock, the log had grown to which position.
CREATE TABLE moment (pos INTEGER PRIMARY KEY, ms INTEGER NOT NULL);
-- Streams of tables, which may be gone, and the stretches of the log that are their shards. id, name: the table's.
CREATE TABLE stream (n INTEGER PRIMARY KEY, id BLOB NOT NULL, name TEXT NOT NULL, keys TEXT NOT NULL, definition TEXT NOT NULL);
CREATE TABLE shard (stream INTEGER NOT NULL, opened INTEGER NOT NULL, t INTEGER NOT NULL, parent INTEGER, first INTEGER NOT NULL,
    last INTEGER, closed INTEGER, PRIMARY KEY (stream, opened)) WITHOUT ROWID;
-- Digests of RANGES_PER_PART ranges each. n: the table's number times PARTS, and which part. With a rowid, since rows of one length are
-- then overwritten in place.
CREATE TABLE digest (n INTEGER PRIMARY KEY, ranges BLOB NOT NULL);
-- The conflict journal. It keeps both images itself: the log forgets. attributes: the names of those that were lost, as JSON; empty
-- for the whole item.
CREATE TABLE conflict (id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, k BLOB NOT NULL,
    win_time INTEGER NOT NULL, win_o INTEGER NOT NULL, win_seq INTEGER NOT NULL, win_image BLOB,
    lose_time INTEGER NOT NULL, lose_o INTEGER NOT NULL, lose_seq INTEGER NOT NULL, lose_image BLOB, seen INTEGER NOT NULL,
    attributes TEXT NOT NULL);
-- Writes of this region that others never got, since they dropped its replica. table_id, name: the table's, which may be gone. k: the
-- key's attributes. image: NULL for a delete.
CREATE TABLE unshipped (id INTEGER PRIMARY KEY AUTOINCREMENT, table_id BLOB NOT NULL, name TEXT NOT NULL, k BLOB NOT NULL,
    time INTEGER NOT NULL, o INTEGER NOT NULL, seq INTEGER NOT NULL, image BLOB, seen INTEGER NOT NULL);
-- For how long peers had been out of reach when that was last noted.
CREATE TABLE away (region TEXT PRIMARY KEY, ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX conflict_once ON conflict (t, k, win_o, win_seq, lose_o, lose_seq);
";

/// A table's small number. 1 and 2 are the catalog and the local table.
pub(super) type TableNumber = u32;
/// An index's small number.
pub(super) type IndexNumber = u32;
/// A region's small number.
pub(super) type RegionNumber = u16;

/// Bytes of table or index number before a stored key.
pub(super) const NUMBER_BYTES: usize = 4;

/// `number`, then `key`: the key of an item's row or an index entry.
pub(super) fn row_key(number: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(NUMBER_BYTES + key.len());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// What `row_key` put behind the number.
pub(super) fn stored_key(row_key: &[u8]) -> KeyBytes {
    KeyBytes(Bytes::copy_from_slice(row_key.get(NUMBER_BYTES..).unwrap_or_default()))
}

/// The half-open bounds of the rows of `number` in `range`.
pub(super) fn range_bounds(number: u32, range: u16) -> (Vec<u8>, Vec<u8>) {
    let bound = |range: u16| match u8::try_from(range) {
        Ok(first) => row_key(number, &[first]),
        Err(_) => row_key(number + 1, &[]),
    };
    (bound(range), bound(range + 1))
}

/// An unsigned integer as SQLite keeps it: the same 64 bits.
pub(super) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

/// Reads a column that [`sql`] filled.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Sequences by region number, ten bytes each.
pub(super) fn encode_vector(entries: impl Iterator<Item = (RegionNumber, u64)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (region, sequence) in entries {
        out.extend_from_slice(&region.to_be_bytes());
        out.extend_from_slice(&sequence.to_be_bytes());
    }
    out
}

/// What [`encode_vector`] wrote.
pub(super) fn decode_vector(bytes: &[u8]) -> Result<Vec<(RegionNumber, u64)>> {
    let mut reader = Fields(bytes);
    let mut entries = Vec::with_capacity(bytes.len() / 10);
    while !reader.0.is_empty() {
        entries.push((u16::from_be_bytes(reader.take()?), u64::from_be_bytes(reader.take()?)));
    }
    Ok(entries)
}

/// Reads fixed fields off the front of a row's blob.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| Fail::damaged("a row's blob is too short"))?;
        self.0 = rest;
        Ok(*field)
    }

    /// The next eight bytes as a number.
    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.take()?))
    }
}

/// The hash that a live item adds to its range's digest; the same in every region.
pub(super) fn item_hash(key: &[u8], Stamp { version, state }: &Stamp) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(&version.time.as_u64().to_be_bytes());
    hasher.update(&version.sequence.to_be_bytes());
    hasher.update(version.origin.as_str().as_bytes());
    if *state != 0 {
        hasher.update(&state.to_be_bytes());
    }
    hasher.digest128()
}

/// Ranges whose digests share a row: a compromise between small commits, which touch few ranges, and large ones, which touch all.
pub(super) const RANGES_PER_PART: usize = 16;
/// How many such rows a table has.
pub(super) const PARTS: usize = RANGES as usize / RANGES_PER_PART;

/// Ranges whose digests a table's row holds ahead of their own rows, so that a small commit writes one row less.
pub(super) const LATE_RANGES_MAX: usize = 32;

/// The numbers of a table's rows of digests.
pub(super) const fn digest_rows(table: TableNumber) -> Range<i64> {
    let first = table as i64 * PARTS as i64;
    first..first + PARTS as i64
}

/// A range's digest as it is kept, with the bytes of its items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RangeSum {
    pub(super) sum: u128,
    pub(super) items: u64,
    pub(super) bytes: u64,
}

impl RangeSum {
    /// How many bytes [`RangeSum::encode`] makes.
    pub(super) const BYTES: usize = 32;

    /// Counts an item in.
    pub(super) fn add(&mut self, hash: u128, size: u64) {
        self.sum = self.sum.wrapping_add(hash);
        self.items = self.items.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(size);
    }

    /// Counts an item out.
    pub(super) fn remove(&mut self, hash: u128, size: u64) {
        self.sum = self.sum.wrapping_sub(hash);
        self.items = self.items.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(size);
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..16].copy_from_slice(&self.sum.to_be_bytes());
        out[16..24].copy_from_slice(&self.items.to_be_bytes());
        out[24..].copy_from_slice(&self.bytes.to_be_bytes());
        out
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            sum: u128::from_be_bytes(fields.take()?),
            items: fields.u64()?,
            bytes: fields.u64()?,
        })
    }
}

/// Names of regions by their numbers, which are their places.
pub(super) type RegionNames = Vec<Region>;

/// The version in a row's columns.
pub(super) fn version(names: &RegionNames, time: u64, origin: RegionNumber, sequence: u64) -> Result<Version> {
    let origin = names
        .get(usize::from(origin))
        .ok_or_else(|| Fail::damaged("a row names an unknown region"))?;
    Ok(Version {
        time: HybridTime::from_u64(time),
        origin: origin.clone(),
        sequence,
    })
}

/// The cause in a record's flags.
pub(super) const fn cause(flags: i64) -> Cause {
    if flags & flag::TIME_TO_LIVE == 0 {
        Cause::Client
    } else {
        Cause::TimeToLive
    }
}

/// The flags of a cause.
pub(super) const fn cause_flags(cause: Cause) -> i64 {
    match cause {
        Cause::Client => 0,
        Cause::TimeToLive => flag::TIME_TO_LIVE,
    }
}
