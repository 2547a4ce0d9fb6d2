//! Version vectors: for each origin, the sequence up to which a region has applied its writes.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{Origin, Region, Version};

/// For each origin, the greatest sequence that was applied. Cheap to clone: copies share their
/// entries until one of them changes.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "BTreeMap<Origin, u64>", into = "BTreeMap<Origin, u64>")]
pub struct VersionVector(
    /// The entries, ordered by origin.
    Arc<[(Origin, u64)]>,
);

impl VersionVector {
    /// Whether the origins ascend and every sequence is above 0.
    fn is_in_order(&self) -> bool {
        self.0.is_sorted_by(|(before, _), (after, _)| before < after)
            && self.0.iter().all(|(_, sequence)| *sequence > 0)
    }

    fn place(&self, origin: &Origin) -> Result<usize, usize> {
        // The origin is usually present, and the entries are few.
        let same = self.0.iter().position(|(other, _)| other == origin);
        same.map_or_else(|| self.0.binary_search_by(|(other, _)| other.cmp(origin)), Ok)
    }

    /// The greatest sequence of `origin` that was applied; 0 if none was.
    #[must_use]
    pub fn get(&self, origin: &Origin) -> u64 {
        self.place(origin).map_or(0, |place| self.0[place].1)
    }

    /// Raises the entry of `origin` to `sequence`; an entry never goes down.
    pub fn advance(&mut self, origin: &Origin, sequence: u64) {
        match self.place(origin) {
            Ok(place) if self.0[place].1 < sequence => Arc::make_mut(&mut self.0)[place].1 = sequence,
            Err(place) if sequence > 0 => {
                let (before, after) = self.0.split_at(place);
                let entry = [(origin.clone(), sequence)];
                self.0 = [before, &entry, after].concat().into();
                debug_assert!(self.is_in_order(), "the entries are out of order: {self:?}");
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Takes the greater sequence of the two for every origin.
    pub fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.clone_from(other);
        } else if !Arc::ptr_eq(&self.0, &other.0) {
            for (origin, sequence) in other.iter() {
                self.advance(origin, sequence);
            }
            debug_assert!(self.dominates(other), "the merge lost an entry: {self:?} of {other:?}");
        }
    }

    /// Takes the lesser sequence of the two for every origin: what regions with either vector have
    /// both applied.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        if Arc::ptr_eq(&self.0, &other.0) {
            return self.clone();
        }
        let least = |(origin, sequence): (&Origin, u64)| (origin.clone(), sequence.min(other.get(origin)));
        self.iter().map(least).collect()
    }

    /// Whether a region with this vector has applied the write with this version.
    #[must_use]
    pub fn covers(&self, version: &Version) -> bool {
        self.get(&version.origin) >= version.sequence
    }

    /// Whether every entry is at least the other's.
    #[must_use]
    pub fn dominates(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || other.iter().all(|(origin, sequence)| self.get(origin) >= sequence)
    }

    /// The entries of one region's origins.
    pub fn of_region(&self, region: &Region) -> impl Iterator<Item = (&Origin, u64)> {
        self.iter().filter(move |(origin, _)| origin.region() == region)
    }

    /// The entries, ordered by origin.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, u64)> {
        self.0.iter().map(|(origin, sequence)| (origin, *sequence))
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl From<BTreeMap<Origin, u64>> for VersionVector {
    fn from(entries: BTreeMap<Origin, u64>) -> Self {
        entries.into_iter().collect()
    }
}

impl From<VersionVector> for BTreeMap<Origin, u64> {
    fn from(vector: VersionVector) -> Self {
        vector.0.iter().cloned().collect()
    }
}

impl FromIterator<(Origin, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Origin, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().filter(|(_, sequence)| *sequence > 0).collect();
        // Of several entries for one origin, the greatest comes first and is kept.
        entries.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        entries.dedup_by(|later, first| later.0 == first.0);
        let vector = Self(entries.into());
        debug_assert!(vector.is_in_order(), "an origin has several entries: {vector:?}");
        vector
    }
}
