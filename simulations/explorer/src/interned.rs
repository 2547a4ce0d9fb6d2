//! Values that are kept once, each by a number from 1. A value that is not needed for now can be
//! dropped; its number stays.

use std::collections::{BTreeMap, BTreeSet};

use beringia_storage::StoreError;

/// Values with their numbers. A value is recognised by its fingerprint.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    values: Vec<Option<T>>,
    /// How many values are kept.
    kept: usize,
    numbers: BTreeMap<u128, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            kept: 0,
            numbers: BTreeMap::new(),
        }
    }
}

impl<T> Interned<T> {
    /// The number of a value with this fingerprint. The value is kept from now on.
    pub(crate) fn number(&mut self, fingerprint: u128, value: T) -> Result<u32, StoreError> {
        let next = u32::try_from(self.values.len() + 1).map_err(|error| StoreError::Database(error.to_string()))?;
        let number = *self.numbers.entry(fingerprint).or_insert(next);
        if number == next {
            self.values.push(None);
        }
        if let Some(place) = self.values.get_mut(number as usize - 1)
            && place.is_none()
        {
            *place = Some(value);
            self.kept += 1;
        }
        Ok(number)
    }

    /// The value with a number, which must be kept.
    pub(crate) fn get(&self, number: u32) -> Result<&T, StoreError> {
        let value = (number as usize)
            .checked_sub(1)
            .and_then(|place| self.values.get(place)?.as_ref());
        value.ok_or_else(|| StoreError::damaged("a world has an unknown number"))
    }

    /// How many different values there were.
    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    /// How many of them are kept.
    pub(crate) const fn kept(&self) -> usize {
        self.kept
    }

    /// Drops all values but those with these numbers.
    pub(crate) fn keep_only(&mut self, numbers: &BTreeSet<u32>) {
        for (number, value) in (1..).zip(&mut self.values) {
            if value.is_some() && !numbers.contains(&number) {
                *value = None;
                self.kept -= 1;
            }
        }
    }
}
