//! Values that are kept once, each by a number from 1.

use std::collections::BTreeMap;

use beringia_storage::StoreError;

/// Values with their numbers. A value is recognised by its fingerprint.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    values: Vec<T>,
    numbers: BTreeMap<u128, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }
}

impl<T> Interned<T> {
    /// The number of a value with this fingerprint.
    pub(crate) fn number(&mut self, fingerprint: u128, value: T) -> Result<u32, StoreError> {
        let next = u32::try_from(self.values.len() + 1).map_err(|error| StoreError::Database(error.to_string()))?;
        let number = *self.numbers.entry(fingerprint).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        Ok(number)
    }

    /// The value with a number.
    pub(crate) fn get(&self, number: u32) -> Result<&T, StoreError> {
        let value = (number as usize)
            .checked_sub(1)
            .and_then(|place| self.values.get(place));
        value.ok_or_else(|| StoreError::damaged("a world has an unknown number"))
    }

    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }
}
