//! Streams open and close with their tables' definitions, and their shards with time. A shard is two positions of the log.

use beringia_item::TableId;

use super::Group;
use crate::{
    TableStream,
    sqlite::{fail::Result, state::Definition},
};

impl Group<'_> {
    /// Makes the stream of a table that is open the one that the definition wants, from the log's present end on. A replica has none
    /// before its rows are complete: what a copy brings is no change.
    pub(super) fn reconcile_stream(&mut self, id: TableId) -> Result<()> {
        let held = self.state.tables.get(&id).filter(|table| table.joined);
        let number = held.map(|table| table.number);
        let definition = self.state.definitions.get(&id);
        let wanted = number.and(definition.and_then(Definition::stream));
        let open = self.state.streams.open(id);
        if wanted == open {
            return Ok(());
        }
        let now_ms = self.state.clock.wall().now_ms();
        let last = self.state.log.last;
        let Self { connection, state, .. } = self;
        if let Some(open) = open {
            let key = (id, open.enabled_ms);
            state.streams.close_shard(connection, key, last, now_ms)?;
        }
        let core = state.definitions.get(&id).and_then(Definition::core);
        if let (Some(stream), Some(number), Some(core)) = (wanted, number, core) {
            let shown = TableStream {
                table: id,
                table_name: core.name.clone(),
                keys: core.keys.clone(),
                stream,
                shards: Vec::new(),
            };
            state.streams.add(connection, shown)?;
            let key = (id, stream.enabled_ms);
            state.streams.open_shard(connection, key, number, last, now_ms)?;
        }
        Ok(())
    }

    /// Lets the shards that are old enough go over into their children.
    pub(super) fn roll_shards(&mut self, now_ms: u64) -> Result<()> {
        let age_ms = self.shared.shard_age_ms;
        let old = |shown: &TableStream| {
            let open = shown.shards.last().filter(|shard| shard.end.is_none());
            open.is_some_and(|shard| now_ms.saturating_sub(shard.opened_ms) >= age_ms)
        };
        let kept = self.state.streams.kept();
        let due: Vec<_> = kept.iter().filter(|(_, kept)| old(&kept.shown)).collect();
        let due: Vec<_> = due.into_iter().map(|(key, _)| *key).collect();
        let last = self.state.log.last;
        for key in due {
            let streams = &mut self.state.streams;
            if let Some(table) = streams.close_shard(self.connection, key, last, now_ms)? {
                streams.open_shard(self.connection, key, table, last, now_ms)?;
            }
        }
        Ok(())
    }

    /// Forgets shards whose records are all older than streams may ask for.
    pub(super) fn forget_shards(&mut self) -> Result<()> {
        let now_ms = self.state.clock.wall().now_ms();
        let Some(until_ms) = now_ms.checked_sub(self.shared.log_retention_ms) else {
            return Ok(());
        };
        for table in self.state.streams.forget(self.connection, until_ms)? {
            self.state.refresh_catalog(table);
        }
        Ok(())
    }
}
