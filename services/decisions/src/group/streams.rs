//! Opens and closes streams with their tables' definitions, and their shards with time. A shard is
//! defined by two positions of the log.

use beringia_item::TableId;
use beringia_storage::TableStream;

use super::workspace::{Group, Result};

impl Group<'_> {
    /// Makes the open stream of a table the one that the definition asks for, from the current end
    /// of the log on. A replica has no stream before its rows are complete, since a copy's rows are
    /// not changes.
    pub(super) fn reconcile_stream(&mut self, id: TableId) -> Result<()> {
        let held = self.state.tables().get(&id).filter(|table| table.bootstrapped);
        let number = held.map(|table| table.number);
        let definition = self.state.definitions().get(&id).cloned();
        let wanted = number.and(definition.as_ref().and_then(|definition| definition.stream()));
        let open = self.state.streams.open(id);
        if wanted == open {
            return Ok(());
        }
        let now_ms = self.environment.now_ms;
        let last = self.state.log.last;
        let Self { state, writes, .. } = self;
        if let Some(open) = open {
            let key = (id, open.enabled_ms);
            state.streams.close_shard(key, last, now_ms, writes)?;
        }
        let core = definition.as_ref().and_then(|definition| definition.core());
        if let (Some(stream), Some(number), Some(core)) = (wanted, number, core) {
            let shown = TableStream {
                table: id,
                table_name: core.name.clone(),
                keys: core.keys.clone(),
                stream,
                shards: Vec::new(),
            };
            state.streams.add(shown, writes)?;
            let key = (id, stream.enabled_ms);
            state.streams.open_shard(key, number, last, now_ms, writes)?;
        }
        Ok(())
    }

    /// Closes shards that are old enough, and opens their children.
    pub(super) fn roll_shards(&mut self, now_ms: u64) -> Result<()> {
        let age_ms = self.environment.shard_age_ms;
        let oldest_ms = self.state.streams.summary().oldest_open_ms;
        if oldest_ms.is_none_or(|oldest_ms| now_ms.saturating_sub(oldest_ms) < age_ms) {
            return Ok(());
        }
        let old = |shown: &TableStream| {
            let open = shown.shards.last().filter(|shard| shard.end.is_none());
            open.is_some_and(|shard| now_ms.saturating_sub(shard.opened_ms) >= age_ms)
        };
        let kept = self.state.streams.kept();
        let due: Vec<_> = kept
            .iter()
            .filter(|(_, kept)| old(&kept.shown))
            .map(|(key, _)| *key)
            .collect();
        let last = self.state.log.last;
        let Self { state, writes, .. } = self;
        for key in due {
            if let Some(table) = state.streams.close_shard(key, last, now_ms, writes)? {
                state.streams.open_shard(key, table, last, now_ms, writes)?;
            }
        }
        Ok(())
    }

    /// Drops shards whose records are all older than the retention.
    pub(super) fn trim_shards(&mut self) {
        let environment = self.environment;
        let Some(until_ms) = environment.now_ms.checked_sub(environment.log_retention_ms) else {
            return;
        };
        for table in self.state.streams.trim(until_ms, &mut self.writes) {
            self.state.refresh_catalog(table);
        }
    }
}
