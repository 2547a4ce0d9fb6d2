//! Repair of a range: makes its rows, index entries and digest agree with rows and log.

use beringia_item::TableId;

use super::{
    event::StoreEvent,
    workspace::{Group, Result},
};

impl Group<'_> {
    /// Checks a range as it was before the group, and repairs it. Returns true if anything was
    /// wrong.
    pub(super) fn repair(&mut self, id: TableId, range: u16) -> Result<bool> {
        let digest = self.table(id)?.digests.get(range);
        let Some(damage) = self.rows.check(id, range).cloned() else {
            return Err(self.need(|missing| {
                missing.checks.insert((id, range));
            }));
        };
        // The state in memory may be right although the rows were changed, so both are compared.
        if damage.is_none(&digest) && damage.is_none_stored() {
            return Ok(false);
        }
        self.events.push(StoreEvent::RangeRepaired {
            table: id,
            range,
            rows: damage.rows.len(),
            missing_entries: damage.missing_entries.len(),
            stray_entries: damage.stray_entries.len(),
        });
        self.table_mut(id)?.digests.change(range, |sum| *sum = damage.sum);
        let recount = !damage.rows.is_empty() || !damage.missing_entries.is_empty() || !damage.stray_entries.is_empty();
        if recount {
            self.recount(id)?;
        }
        for (row_key, record) in damage.rows {
            self.writes.trimmed.extend(record);
            self.delete_item(row_key);
        }
        for (entries, row) in [(damage.missing_entries, Some(Vec::new())), (damage.stray_entries, None)] {
            for entry in entries {
                let key = (beringia_storage::backend::Keyspace::Entries, entry);
                self.writes.rows.insert(key, row.clone());
            }
        }
        Ok(true)
    }
}
