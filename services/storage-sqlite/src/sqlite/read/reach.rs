//! For how long peers had been out of reach.

use std::collections::BTreeMap;

use beringia_item::Region;

use super::Reading;
use crate::sqlite::{
    fail::{Fail, Result},
    layout::unsigned,
};

/// What was noted last, milliseconds.
pub(in crate::sqlite) fn away(reading: &Reading<'_>) -> Result<BTreeMap<Region, u64>> {
    let mut statement = reading.connection.prepare_cached("SELECT region, ms FROM away")?;
    let mut rows = statement.query(())?;
    let mut away = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let region = Region::new(&row.get::<_, String>(0)?).map_err(|error| Fail::damaged(&error.to_string()))?;
        away.insert(region, unsigned(row, 1)?);
    }
    Ok(away)
}
