//! Mending a range: its rows, index entries and digest become what rows and log say.

use beringia_item::{TableId, decode_item};

use super::{
    Group,
    write::{delete_entry, insert_entry},
};
use crate::{
    IndexState,
    sqlite::{
        fail::Result,
        layout::{row_key, stored_key},
        records::{self, ItemRow},
        state::Digests,
        verify::{Checked, check_range},
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
        let stored = Digests::load(self.connection, table.number)?;
        if damage.is_none(&table.digests.get(range)) && damage.is_none(&stored.get(range)) {
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
        self.table_mut(id)?.digests.change(range, |sum| *sum = damage.sum);
        if !damage.rows.is_empty() || !damage.missing_entries.is_empty() || !damage.stray_entries.is_empty() {
            self.count_entries(id)?;
        }
        Ok(true)
    }

    /// Counts the entries of all complete indexes of a table anew.
    pub(super) fn count_entries(&mut self, id: TableId) -> Result<()> {
        let Self { connection, state, .. } = self;
        let Some(table) = state.tables.get_mut(&id) else {
            return Ok(());
        };
        let number = table.number;
        for index in table
            .indexes
            .iter_mut()
            .filter(|index| index.state == IndexState::Active)
        {
            index.size.clear();
            let mut statement = connection.prepare_cached("SELECT k FROM entry WHERE k >= ?1 AND k < ?2")?;
            let mut rows = statement.query((row_key(index.number, &[]), row_key(index.number + 1, &[])))?;
            while let Some(row) = rows.next()? {
                let entry: Vec<u8> = row.get(0)?;
                let base = index.keys.split_index_key(&stored_key(&entry)).map(|(_, base)| base);
                let Some(base) = base else { continue };
                let item = ItemRow::find(connection, &row_key(number, &base.0))?
                    .filter(ItemRow::live)
                    .map(|row| records::image(connection, &row))
                    .transpose()?
                    .flatten()
                    .and_then(|image| decode_item(&image).ok());
                if let Some(item) = item {
                    let bytes = index.weight(&item);
                    index.size.add(bytes);
                }
            }
        }
        Ok(())
    }
}
