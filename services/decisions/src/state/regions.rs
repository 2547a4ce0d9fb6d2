//! Regions' names by their small numbers.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use beringia_item::Region;
use beringia_storage::{
    StoreError,
    backend::{KeyRange, Keyspace, RegionNumber, Snapshot, WriteSet},
};

use crate::layout::{RegionNames, number_key, number_of};

/// All regions that a row may name. A number is given once and for ever.
#[derive(Debug, Clone)]
pub struct Regions {
    names: Arc<RegionNames>,
    numbers: Arc<BTreeMap<Region, RegionNumber>>,
    own: RegionNumber,
}

impl Regions {
    pub(crate) fn load(snapshot: &dyn Snapshot, own: &Region) -> Result<Self, StoreError> {
        let mut regions = Self {
            names: Arc::default(),
            numbers: Arc::default(),
            own: 0,
        };
        snapshot.scan(Keyspace::Origins, &KeyRange::all(), &mut |key, row| {
            let name = std::str::from_utf8(row).map_err(|error| StoreError::damaged(&error.to_string()))?;
            let region = Region::new(name).map_err(|error| StoreError::damaged(&error.to_string()))?;
            if number_of(key)? != regions.names.len() as u64 {
                return Err(StoreError::damaged("a region's number is missing"));
            }
            regions.add(region)?;
            Ok(ControlFlow::Continue(()))
        })?;
        regions.own = *regions
            .numbers
            .get(own)
            .ok_or_else(|| StoreError::damaged("it does not name its own region"))?;
        Ok(regions)
    }

    fn add(&mut self, region: Region) -> Result<RegionNumber, StoreError> {
        let number =
            RegionNumber::try_from(self.names.len()).map_err(|_| StoreError::damaged("it names too many regions"))?;
        Arc::make_mut(&mut self.names).push(region.clone());
        Arc::make_mut(&mut self.numbers).insert(region, number);
        debug_assert_eq!(self.names.len(), self.numbers.len(), "every region has one number");
        Ok(number)
    }

    /// The region whose state it is.
    #[must_use]
    pub const fn own(&self) -> RegionNumber {
        self.own
    }

    /// All names, by number.
    #[must_use]
    pub const fn names(&self) -> &Arc<RegionNames> {
        &self.names
    }

    pub(crate) fn name(&self, number: RegionNumber) -> Result<&Region, StoreError> {
        self.names
            .get(usize::from(number))
            .ok_or_else(|| StoreError::damaged("a row names an unknown region"))
    }

    /// A region's number, given now where it has none.
    pub(crate) fn number(&mut self, region: &Region, writes: &mut WriteSet) -> Result<RegionNumber, StoreError> {
        if let Some(number) = self.numbers.get(region) {
            return Ok(*number);
        }
        let number = self.add(region.clone())?;
        let row = region.as_str().as_bytes().to_vec();
        writes
            .rows
            .insert((Keyspace::Origins, number_key(number.into())), Some(row));
        Ok(number)
    }
}
