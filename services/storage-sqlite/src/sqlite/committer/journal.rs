//! The conflict journal's writer: each pair of concurrent writes once, with both images and what was lost.

use beringia_item::KeyBytes;
use rusqlite::Connection;

use crate::sqlite::{
    fail::{Fail, Result},
    layout::{RegionNumber, TableNumber, sql},
};

/// One of two concurrent writes.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) time: u64,
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    /// `None` for a delete.
    pub(super) image: Option<&'a [u8]>,
}

/// Notes a conflict in which the loser lost these attributes, or the whole item where none is named; false where it was noted
/// before.
pub(super) fn note(
    connection: &Connection,
    table: TableNumber,
    key: &KeyBytes,
    winner: &Side<'_>,
    loser: &Side<'_>,
    attributes: &[String],
    seen_ms: u64,
) -> Result<bool> {
    let attributes = serde_json::to_string(attributes).map_err(|error| Fail::damaged(&error.to_string()))?;
    let noted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO conflict (t, k, win_time, win_o, win_seq, win_image, lose_time, lose_o, lose_seq,
             lose_image, seen, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute((
            table,
            key.0.as_ref(),
            sql(winner.time),
            winner.origin,
            sql(winner.sequence),
            winner.image,
            sql(loser.time),
            loser.origin,
            sql(loser.sequence),
            loser.image,
            sql(seen_ms),
            attributes,
        ))?;
    Ok(noted > 0)
}
