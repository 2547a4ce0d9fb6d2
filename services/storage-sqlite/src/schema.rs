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
pub(crate) const FORMAT: i32 = 13;

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
-- Every v and every image is sealed. k: table number, stored key. pos: the record's position in the log.
CREATE TABLE item (k BLOB PRIMARY KEY, pos INTEGER NOT NULL, v BLOB NOT NULL) WITHOUT ROWID;
-- image: what its origin wrote. merged_image: the item that was current after it, where that was merged from this and
-- the row before, and is another.
CREATE TABLE log (pos INTEGER PRIMARY KEY, v BLOB NOT NULL, image BLOB, merged_image BLOB);
";

/// An unsigned integer as SQLite stores it: the same 64 bits.
pub(crate) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

/// Reads a column that was written with [`sql`].
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}
