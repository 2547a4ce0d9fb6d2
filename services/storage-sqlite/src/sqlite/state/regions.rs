//! Regions' names by their small numbers.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::Region;
use rusqlite::Connection;

use crate::sqlite::{
    fail::{Fail, Result},
    layout::{RegionNames, RegionNumber},
};

/// All regions that a row may name. A number is given once and for ever.
pub(in crate::sqlite) struct Regions {
    names: Arc<RegionNames>,
    numbers: BTreeMap<Region, RegionNumber>,
    own: RegionNumber,
}

impl Regions {
    pub(super) fn load(connection: &Connection, own: &Region) -> Result<Self> {
        let mut regions = Self {
            names: Arc::default(),
            numbers: BTreeMap::new(),
            own: 0,
        };
        let mut statement = connection.prepare("SELECT n, name FROM region ORDER BY n")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: RegionNumber = row.get(0)?;
            let name: String = row.get(1)?;
            let region = Region::new(&name).map_err(|error| Fail::damaged(&error.to_string()))?;
            if usize::from(number) != regions.names.len() {
                return Err(Fail::damaged("a region's number is missing"));
            }
            regions.add(number, region);
        }
        regions.own = *regions
            .numbers
            .get(own)
            .ok_or_else(|| Fail::damaged("it does not name its own region"))?;
        Ok(regions)
    }

    fn add(&mut self, number: RegionNumber, region: Region) {
        Arc::make_mut(&mut self.names).push(region.clone());
        self.numbers.insert(region, number);
    }

    /// The region whose database it is.
    pub(in crate::sqlite) const fn own(&self) -> RegionNumber {
        self.own
    }

    pub(in crate::sqlite) fn names(&self) -> &Arc<RegionNames> {
        &self.names
    }

    pub(in crate::sqlite) fn name(&self, number: RegionNumber) -> Result<&Region> {
        self.names
            .get(usize::from(number))
            .ok_or_else(|| Fail::damaged("a row names an unknown region"))
    }

    /// A region's number, given now where it has none.
    pub(in crate::sqlite) fn number(&mut self, connection: &Connection, region: &Region) -> Result<RegionNumber> {
        if let Some(number) = self.numbers.get(region) {
            return Ok(*number);
        }
        let number = RegionNumber::try_from(self.names.len()).map_err(|_| Fail::damaged("too many regions"))?;
        connection.execute(
            "INSERT INTO region (n, name) VALUES (?1, ?2)",
            (number, region.as_str()),
        )?;
        self.add(number, region.clone());
        Ok(number)
    }
}
