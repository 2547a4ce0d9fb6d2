//! How far back streams may ask: which of the log's positions, and which shards, are older than the retention.

use rusqlite::{Connection, OptionalExtension};

use super::{
    fail::Result,
    layout::{sql, unsigned},
};
use crate::Shard;

/// The retention, and now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// How long records stay, ms.
    pub(super) retention_ms: u64,
    /// This region's wall time, ms since the epoch.
    pub(super) now_ms: u64,
}

impl Retention {
    /// The last position that is older than the retention, to the minute; `None` where there is none. `end` is the log's last.
    pub(super) fn expired(self, connection: &Connection, end: u64) -> Result<Option<u64>> {
        if self.retention_ms == 0 {
            return Ok(Some(end));
        }
        let until = self.now_ms.saturating_sub(self.retention_ms);
        let mut statement =
            connection.prepare_cached("SELECT pos FROM moment WHERE ms <= ?1 ORDER BY pos DESC LIMIT 1")?;
        Ok(statement.query_row([sql(until)], |row| unsigned(row, 0)).optional()?)
    }

    /// Whether all records of a shard are older than the retention.
    pub(super) fn is_over(self, shard: &Shard) -> bool {
        let until = self.now_ms.checked_sub(self.retention_ms);
        shard
            .end
            .is_some_and(|end| until.is_some_and(|until| end.closed_ms <= until))
    }
}

/// The last position that streams cannot read any more.
pub(super) fn trimmed(connection: &Connection, retention: Retention, end: u64) -> Result<u64> {
    let mut statement = connection.prepare_cached("SELECT trimmed FROM state")?;
    let forgotten = statement.query_row([], |row| unsigned(row, 0))?;
    Ok(retention.expired(connection, end)?.unwrap_or(0).max(forgotten))
}
