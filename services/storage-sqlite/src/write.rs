//! Writes a write set in one transaction.

use std::sync::LazyLock;

use beringia_storage::{
    StoreError,
    backend::{ItemChange, ItemRow, Keyspace, LogRecord, WriteSet},
};
use rusqlite::{Connection, ToSql};

use crate::{error::OrStoreError, schema::sql, snapshot::number};

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
        let numbered;
        let key: &dyn ToSql = if keyspace.is_numbered() {
            numbered = number(key)?;
            &numbered
        } else {
            key
        };
        write_row(connection, *keyspace, key, row.as_deref()).or_store_error()?;
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
        ItemChange::Insert(row) => (
            "INSERT INTO item (k, pos, time, o, seq, size, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            row,
        ),
        ItemChange::Update(row) => (
            "UPDATE item SET pos = ?2, time = ?3, o = ?4, seq = ?5, size = ?6, state = ?7 WHERE k = ?1",
            row,
        ),
        ItemChange::Delete => {
            connection
                .prepare_cached("DELETE FROM item WHERE k = ?1")?
                .execute([row_key])?;
            return Ok(());
        }
    };
    let ItemRow {
        position,
        time,
        origin,
        sequence,
        size,
        state,
    } = *row;
    connection.prepare_cached(statement)?.execute((
        row_key,
        sql(position),
        sql(time),
        origin,
        sql(sequence),
        sql(size),
        sql(state),
    ))?;
    Ok(())
}

fn append(connection: &Connection, records: &[LogRecord]) -> rusqlite::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO log (pos, t, o, seq, time, flags, back, ahead, prev, k, context, image, metadata, merged, merged_image)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    for record in records {
        let head = &record.head;
        let merged = record.merged.as_ref();
        statement.execute((
            sql(head.position),
            head.table,
            head.origin,
            sql(head.sequence),
            sql(head.time),
            head.flags.bits(),
            sql(head.sequence - head.transaction.first),
            sql(head.transaction.last - head.sequence),
            head.previous.map(sql),
            &*record.key.0,
            &*record.context,
            record.image.as_deref(),
            record.metadata.as_deref(),
            merged.map(|merged| merged.encode()),
            merged.and_then(|merged| merged.image.as_deref()),
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
