//! Origins and their small numbers.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use beringia_item::Origin;
use beringia_storage::{
    StoreError,
    backend::{KeyRange, Keyspace, OriginNumber, Snapshot, WriteSet},
};

use crate::layout::{OriginNames, number_key, number_of};

/// All origins that a row may refer to. A number is assigned once and permanently.
#[derive(Debug, Clone)]
pub struct Origins {
    names: Arc<OriginNames>,
    numbers: Arc<BTreeMap<Origin, OriginNumber>>,
    own: OriginNumber,
}

impl Origins {
    pub(super) fn load(snapshot: &dyn Snapshot, own: &Origin) -> Result<Self, StoreError> {
        let mut origins = Self {
            names: Arc::default(),
            numbers: Arc::default(),
            own: 0,
        };
        snapshot.scan(Keyspace::Origins, &KeyRange::all(), &mut |key, row| {
            let text = std::str::from_utf8(row?).map_err(|error| StoreError::damaged(&error.to_string()))?;
            let origin: Result<Origin, _> = text.parse();
            let origin = origin.map_err(|error| StoreError::damaged(&error.to_string()))?;
            if number_of(key)? != origins.names.len() as u64 {
                return Err(StoreError::damaged("an origin's number is missing"));
            }
            origins.add(origin)?;
            Ok(ControlFlow::Continue(()))
        })?;
        origins.own = *origins
            .numbers
            .get(own)
            .ok_or_else(|| StoreError::damaged("its own origin is missing"))?;
        Ok(origins)
    }

    fn add(&mut self, origin: Origin) -> Result<OriginNumber, StoreError> {
        let number =
            OriginNumber::try_from(self.names.len()).map_err(|_| StoreError::damaged("it has too many origins"))?;
        Arc::make_mut(&mut self.names).push(origin.clone());
        Arc::make_mut(&mut self.numbers).insert(origin, number);
        debug_assert_eq!(self.names.len(), self.numbers.len(), "every origin has one number");
        Ok(number)
    }

    /// The number of the origin whose committer decides.
    #[must_use]
    pub const fn own(&self) -> OriginNumber {
        self.own
    }

    /// All origins, indexed by number.
    #[must_use]
    pub const fn names(&self) -> &Arc<OriginNames> {
        &self.names
    }

    pub(crate) fn name(&self, number: OriginNumber) -> Result<&Origin, StoreError> {
        self.names
            .get(usize::from(number))
            .ok_or_else(|| StoreError::damaged("a row names an unknown origin"))
    }

    /// An origin's number, assigned now if it has none.
    pub(crate) fn number(&mut self, origin: &Origin, writes: &mut WriteSet) -> Result<OriginNumber, StoreError> {
        if let Some(number) = self.numbers.get(origin) {
            return Ok(*number);
        }
        let number = self.add(origin.clone())?;
        write(number, origin, writes);
        Ok(number)
    }
}

/// Writes the row of a new number.
pub(super) fn write(number: OriginNumber, origin: &Origin, writes: &mut WriteSet) {
    let row = (Keyspace::Origins, number_key(number.into()));
    writes.rows.insert(row, Some(origin.to_string().into_bytes()));
}
