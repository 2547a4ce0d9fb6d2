//! Versions: who wrote what when, totally ordered, and vectors that say what a region had seen.

use std::{collections::BTreeMap, fmt, sync::Arc};

use beringia_clock::HybridTime;

/// The most bytes that the name of a region has.
const REGION_BYTES_MAX: usize = 32;

/// The name of a region, such as `us-east-1`. Cheap to clone; ordered by its bytes.
///
/// It holds its few bytes itself: names are compared wherever versions are, and come from other regions with every message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// The name, then zeros, which no name has: so the order of these is the order of names.
    bytes: [u8; REGION_BYTES_MAX],
    length: u8,
}

/// A name that cannot be a region's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no region name: 1 to 32 characters of a-z, 0-9 and '-', beginning with a letter")]
pub struct RegionError(pub String);

impl Region {
    /// Checks the name: 1 to 32 characters of `a-z`, `0-9` and `-`, beginning with a letter.
    ///
    /// # Errors
    /// [`RegionError`] where the name is none.
    pub fn new(name: &str) -> Result<Self, RegionError> {
        let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let mut bytes = [0; REGION_BYTES_MAX];
        match (u8::try_from(name.len()), bytes.get_mut(..name.len())) {
            (Ok(length), Some(place)) if well_formed => {
                place.copy_from_slice(name.as_bytes());
                Ok(Self { bytes, length })
            }
            _ => Err(RegionError(name.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It was made of a text.
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl serde::Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version of an item: when it was written, where, and as which of that region's writes.
/// The order of the fields is the order of comparison: hybrid time, then region, then sequence.
/// Two different writes never have the same version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Hybrid time at the origin when the write was committed.
    pub time: HybridTime,
    /// The region that took the write from a client.
    pub origin: Region,
    /// The origin's own number for this write. It only grows; a new database starts at its wall clock's milliseconds
    /// times 2^20, so that a region which lost its disk does not use a number twice.
    pub sequence: u64,
}

/// Which state a row is in. Rows with equal stamps hold the same item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The greatest version of the writes that are in it.
    pub version: Version,
    /// [`crate::ItemState::hash`]: tells apart what different writes were joined to that version; 0 where it alone says everything.
    pub state: u64,
}

impl From<Version> for Stamp {
    /// The stamp of a row that is as that version wrote it, whole.
    fn from(version: Version) -> Self {
        Self { version, state: 0 }
    }
}

/// For each origin, the greatest sequence that was applied. Cheap to clone: what is equal is shared until one of the two changes.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "BTreeMap<Region, u64>", into = "BTreeMap<Region, u64>")]
pub struct VersionVector(
    /// Ordered by region.
    Arc<[(Region, u64)]>,
);

impl VersionVector {
    fn place(&self, origin: &Region) -> Result<usize, usize> {
        // Most often it is there, among few.
        let same = self.0.iter().position(|(other, _)| other == origin);
        same.map_or_else(|| self.0.binary_search_by(|(other, _)| other.cmp(origin)), Ok)
    }

    /// The greatest sequence of `origin` that was applied; 0 where none was.
    #[must_use]
    pub fn get(&self, origin: &Region) -> u64 {
        self.place(origin).map_or(0, |place| self.0[place].1)
    }

    /// Raises the entry of `origin` to `sequence`; an entry never goes down.
    pub fn advance(&mut self, origin: &Region, sequence: u64) {
        match self.place(origin) {
            Ok(place) if self.0[place].1 < sequence => Arc::make_mut(&mut self.0)[place].1 = sequence,
            Err(place) if sequence > 0 => {
                let (before, after) = self.0.split_at(place);
                let entry = [(origin.clone(), sequence)];
                self.0 = [before, &entry, after].concat().into();
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Takes the greater of both for every origin.
    pub fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.clone_from(other);
        } else if !Arc::ptr_eq(&self.0, &other.0) {
            for (origin, sequence) in other.iter() {
                self.advance(origin, sequence);
            }
        }
    }

    /// Whether a region with this vector had applied the write of that version.
    #[must_use]
    pub fn covers(&self, version: &Version) -> bool {
        self.get(&version.origin) >= version.sequence
    }

    /// Whether every entry is at least the other's.
    #[must_use]
    pub fn dominates(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || other.iter().all(|(origin, sequence)| self.get(origin) >= sequence)
    }

    /// The entries, ordered by region.
    pub fn iter(&self) -> impl Iterator<Item = (&Region, u64)> {
        self.0.iter().map(|(origin, sequence)| (origin, *sequence))
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl From<BTreeMap<Region, u64>> for VersionVector {
    fn from(entries: BTreeMap<Region, u64>) -> Self {
        entries.into_iter().collect()
    }
}

impl From<VersionVector> for BTreeMap<Region, u64> {
    fn from(vector: VersionVector) -> Self {
        vector.0.iter().cloned().collect()
    }
}

impl FromIterator<(Region, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Region, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().filter(|(_, sequence)| *sequence > 0).collect();
        // Of several for one origin the greatest comes first, and stays.
        entries.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        entries.dedup_by(|later, first| later.0 == first.0);
        Self(entries.into())
    }
}
