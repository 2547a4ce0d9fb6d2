//! Mending a range: its rows, index entries and digest become what rows and log say.

use beringia_item::TableId;

use super::{
    Group,
    write::{delete_entry, insert_entry},
};
use crate::{
    IndexState,
    sqlite::{
        fail::Result,
        records::ItemRow,
        verify::{Checked, check_range, stored_ranges},
    },
};

impl Group<'_> {
    /// Checks a range again, with nobody writing, and mends it; true where something was amiss.
    pub(super) fn mend(&mut self, id: TableId, range: u16) -> Result<bool> {
        let table = self.table(id)?;
        // The entries of an index that is being filled are not complete yet, and that is no damage.
        let complete = table.indexes.iter().filter(|index| index.state == IndexState::Active);
        let indexes: Vec<_> = complete
            .map(|index| Checked {
                number: index.number,
                keys: &index.keys,
            })
            .collect();
        let damage = check_range(
            self.connection,
            &Checked {
                number: table.number,
                keys: &table.keys,
            },
            &indexes,
            range,
            self.state.regions.names(),
        )?;
        // Memory may be right where the file was changed: both count.
        let stored = stored_ranges(self.connection, table.number)?;
        if damage.is_none(&table.range(range)) && damage.is_none(&stored[usize::from(range)]) {
            return Ok(false);
        }
        tracing::warn!(
            region = %self.shared.region, table = %id, range,
            rows = damage.rows.len(),
            missing_entries = damage.missing_entries.len(),
            stray_entries = damage.stray_entries.len(),
            "mends a range that was changed behind the store's back"
        );
        for row_key in &damage.rows {
            ItemRow::delete(self.connection, row_key)?;
        }
        for entry in &damage.missing_entries {
            insert_entry(self.connection, entry)?;
        }
        for entry in &damage.stray_entries {
            delete_entry(self.connection, entry)?;
        }
        *self.table_mut(id)?.range_mut(range) = damage.sum;
        Ok(true)
    }
}
