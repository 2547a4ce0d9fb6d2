//! Streams open and close with their tables' definitions, and their shards with time. A shard is two positions
//! of the log.

use beringia_item::TableId;
use beringia_storage::TableStream;

use super::workspace::{Group, Result};

impl Group<'_> {
    /// Makes the stream of a table that is open the one that the definition wants, from the log's present end
    /// on. A replica has none before its rows are complete: what a copy brings is no change.
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

    /// Lets the shards that are old enough go over into their children.
    pub(super) fn roll_shards(&mut self, now_ms: u64) -> Result<()> {
        let age_ms = self.environment.shard_age_ms;
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

    /// Drops shards whose records are all older than streams may ask for.
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
