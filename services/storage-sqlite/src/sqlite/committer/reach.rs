//! For how long peers have been out of reach, kept over restarts.

use std::collections::BTreeMap;

use beringia_item::Region;

use super::Group;
use crate::sqlite::{fail::Result, layout::sql};

impl Group<'_> {
    /// Takes the place of what was noted before.
    pub(super) fn note_away(&mut self, away_ms: &BTreeMap<Region, u64>) -> Result<()> {
        self.connection.execute("DELETE FROM away", ())?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO away (region, ms) VALUES (?1, ?2)")?;
        for (region, ms) in away_ms {
            insert.execute((region.as_str(), sql(*ms)))?;
        }
        Ok(())
    }
}
