//! The database's tables: one per keyspace, the rows of items, and the log.
//!
//! An image is stored once, in the log. An item's row only contains the current version and the
//! position of its record in the log.

use std::{fmt::Write, sync::LazyLock};

use beringia_storage::backend::Keyspace;
use rusqlite::Row;

/// "BRNG", the application id in the header of a SQLite file, by which Beringia knows its own.
pub(crate) const APPLICATION_ID: i32 = 0x4252_4e47;
/// The version of this layout. A file with another version is refused.
pub(crate) const FORMAT: i32 = 10;

/// The statements that create a new database.
pub(crate) static SCHEMA: LazyLock<String> = LazyLock::new(|| {
    let mut schema = FIXED.to_owned();
    for keyspace in Keyspace::ALL {
        let name = keyspace.name();
        // Tables with numeric keys have a rowid, since rows of equal length are then overwritten in
        // place.
        let table = if keyspace.is_numbered() {
            format!("CREATE TABLE {name} (k INTEGER PRIMARY KEY, v BLOB NOT NULL);")
        } else {
            format!("CREATE TABLE {name} (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;")
        };
        // Writing to a string cannot fail.
        let _ = writeln!(schema, "{table}");
    }
    schema
});

const FIXED: &str = "
-- The region and topology that the database belongs to.
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), region TEXT NOT NULL, topology TEXT);
-- k: table number, stored key. size: as DynamoDB counts it, 0 for a tombstone. pos: the record's position in the
-- log. state: the hash of the item's metadata, 0 where there is none.
CREATE TABLE item (k BLOB PRIMARY KEY, pos INTEGER NOT NULL, time INTEGER NOT NULL, o INTEGER NOT NULL,
    seq INTEGER NOT NULL, size INTEGER NOT NULL, state INTEGER NOT NULL) WITHOUT ROWID;
-- t: the table's number. o: the origin's. prev: where the version that this one replaced is. back, ahead: members of
-- its transaction before and after it. image, metadata: what its origin wrote. merged: what was current after it,
-- where that was merged from this and the row before; merged_image: that item's image, where it is another.
CREATE TABLE log (pos INTEGER PRIMARY KEY, t INTEGER NOT NULL, o INTEGER NOT NULL, seq INTEGER NOT NULL,
    time INTEGER NOT NULL, flags INTEGER NOT NULL, back INTEGER NOT NULL, ahead INTEGER NOT NULL, prev INTEGER,
    k BLOB NOT NULL, context BLOB NOT NULL, image BLOB, metadata BLOB, merged BLOB, merged_image BLOB);
";

/// An unsigned integer as SQLite stores it: the same 64 bits.
pub(crate) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

/// Reads a column that was written with [`sql`].
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}
