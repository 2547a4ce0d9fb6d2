//! Writes a write set in one transaction.

use std::sync::LazyLock;

use beringia_storage::{
    StoreError,
    backend::{ItemChange, Keyspace, LogRecord, Place, WriteSet},
};
use rusqlite::{Connection, ToSql};

use crate::{
    encoding::{encode_item, encode_record},
    error::OrStoreError,
    schema::sql,
    snapshot::number,
};

static PUT: LazyLock<[String; Keyspace::ALL.len()]> = LazyLock::new(|| {
    Keyspace::ALL.map(|keyspace| format!("INSERT OR REPLACE INTO {} (k, v) VALUES (?1, ?2)", keyspace.name()))
});

static DELETE: LazyLock<[String; Keyspace::ALL.len()]> =
    LazyLock::new(|| Keyspace::ALL.map(|keyspace| format!("DELETE FROM {} WHERE k = ?1", keyspace.name())));

/// Writes everything except the commit itself. The caller holds an open transaction.
pub(crate) fn write(connection: &Connection, writes: &WriteSet) -> Result<(), StoreError> {
    append(connection, &writes.records).or_store_error()?;
    for (row_key, change) in &writes.items {
        write_item(connection, row_key, change).or_store_error()?;
    }
    for ((keyspace, key), row) in &writes.rows {
        let place = Place::Row {
            keyspace: *keyspace,
            key,
        };
        let numbered;
        let key: &dyn ToSql = if keyspace.is_numbered() {
            numbered = number(key)?;
            &numbered
        } else {
            key
        };
        let sealed = row.as_deref().map(|row| place.seal(row));
        write_row(connection, *keyspace, key, sealed.as_deref()).or_store_error()?;
    }
    trim(connection, writes.trimmed.iter().copied()).or_store_error()
}

fn write_row(connection: &Connection, keyspace: Keyspace, key: &dyn ToSql, row: Option<&[u8]>) -> rusqlite::Result<()> {
    match row {
        Some(row) => connection
            .prepare_cached(&PUT[keyspace as usize])?
            .execute((key, row))?,
        None => connection.prepare_cached(&DELETE[keyspace as usize])?.execute([key])?,
    };
    Ok(())
}

fn write_item(connection: &Connection, row_key: &[u8], change: &ItemChange) -> rusqlite::Result<()> {
    let (statement, row) = match change {
        ItemChange::Insert(row) => ("INSERT INTO item (k, pos, v) VALUES (?1, ?2, ?3)", row),
        ItemChange::Update(row) => ("UPDATE item SET pos = ?2, v = ?3 WHERE k = ?1", row),
        ItemChange::Delete => {
            connection
                .prepare_cached("DELETE FROM item WHERE k = ?1")?
                .execute([row_key])?;
            return Ok(());
        }
    };
    let place = Place::Item {
        key: row_key,
        position: row.position,
    };
    let sealed = place.seal(&encode_item(row));
    connection
        .prepare_cached(statement)?
        .execute((row_key, sql(row.position), sealed))?;
    Ok(())
}

fn append(connection: &Connection, records: &[LogRecord]) -> rusqlite::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut statement =
        connection.prepare_cached("INSERT INTO log (pos, v, image, merged_image) VALUES (?1, ?2, ?3, ?4)")?;
    for record in records {
        let position = record.head.position;
        let merged = record.merged.as_ref().and_then(|merged| merged.image.as_deref());
        let image = Place::Image { position };
        statement.execute((
            sql(position),
            Place::Record { position }.seal(&encode_record(record)),
            record.image.as_deref().map(|bytes| image.seal(bytes)),
            merged.map(|bytes| image.seal(bytes)),
        ))?;
    }
    Ok(())
}

fn trim(connection: &Connection, positions: impl ExactSizeIterator<Item = u64>) -> rusqlite::Result<()> {
    if positions.len() == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached("DELETE FROM log WHERE pos = ?1")?;
    for position in positions {
        statement.execute([sql(position)])?;
    }
    Ok(())
}
