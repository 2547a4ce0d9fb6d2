//! What must be everywhere: the greatest acknowledged version of every key, known from what clients were told.
//!
//! A client notes each write before it sends it, and what it was told after. When the regions have converged, each region's log
//! says which of its own writes it committed, and in which order. The two must fit: every acknowledged write is in the log of the
//! region that took it, nothing is there that no client asked for, and a write whose answer never came may be there or not; it is
//! never assumed absent. Of all committed writes to a key the one with the greatest version must be what every region holds.
//!
//! The journal of conflicts is judged by the vectors in the logs. Every entry must be of two writes neither of which knew of the
//! other. And a write that no other knew of, and that is not the greatest, was displaced by one that did not know of it: every
//! region applied both, so every region's journal must have it as a loser.

mod violation;

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Version, VersionVector};

pub use violation::Violation;

/// What a write was to leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// An item that carries this mark, which no other write has.
    Put(String),
    /// No item.
    Delete,
}

/// What a client knows of its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It happened.
    Acknowledged,
    /// It did not happen, or had nothing to do.
    NoEffect,
    /// The answer has not come.
    Unknown,
}

/// A write in a region's log, or what a region holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its version.
    pub version: Version,
    /// What it left behind.
    pub intent: Intent,
}

/// What each region did or holds, by region and key.
pub type ByRegionAndKey<T> = BTreeMap<String, BTreeMap<String, T>>;

/// A write as its origin committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The write.
    pub committed: Committed,
    /// What its origin had applied then.
    pub vector: VersionVector,
}

/// An entry of a region's journal of conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journalled {
    /// The key.
    pub key: String,
    /// The version that stayed.
    pub winner: Version,
    /// The version that did not.
    pub loser: Version,
}

/// What the regions' stores say when they have converged.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Each region's own writes, in the order of its log.
    pub logs: ByRegionAndKey<Vec<Logged>>,
    /// What each region holds, tombstones too.
    pub held: ByRegionAndKey<Committed>,
    /// Each region's journal of conflicts.
    pub journals: BTreeMap<String, Vec<Journalled>>,
}

#[derive(Debug)]
struct Noted {
    intent: Intent,
    fate: Fate,
}

/// What clients asked for and were told.
#[derive(Debug, Default)]
pub struct Oracle {
    /// By region and key, in the order in which they were sent. A region's writes to one key are sent one after the other.
    noted: ByRegionAndKey<Vec<Noted>>,
}

impl Oracle {
    /// Notes a write before it is sent; until [`Oracle::learn`] its fate is unknown.
    pub fn issue(&mut self, region: &str, key: &str, intent: Intent) {
        let writes = self
            .noted
            .entry(region.to_owned())
            .or_default()
            .entry(key.to_owned())
            .or_default();
        writes.push(Noted {
            intent,
            fate: Fate::Unknown,
        });
    }

    /// Notes what a client was told of the last write to `key` in `region`.
    pub fn learn(&mut self, region: &str, key: &str, fate: Fate) {
        let writes = self.noted.get_mut(region).and_then(|keys| keys.get_mut(key));
        if let Some(last) = writes.and_then(|writes| writes.last_mut()) {
            last.fate = fate;
        }
    }

    /// How many writes had that fate in a region.
    #[must_use]
    pub fn count(&self, region: &str, fate: Fate) -> usize {
        let writes = self
            .noted
            .get(region)
            .into_iter()
            .flat_map(|keys| keys.values().flatten());
        writes.filter(|write| write.fate == fate).count()
    }

    /// Every broken promise.
    #[must_use]
    pub fn judge(&self, evidence: &Evidence) -> Vec<Violation> {
        let (mut violations, logs) = (Vec::new(), &evidence.logs);
        let none = BTreeMap::new();
        for region in self
            .noted
            .keys()
            .chain(logs.keys().filter(|region| !self.noted.contains_key(*region)))
        {
            let (noted, log) = (self.noted.get(region).unwrap_or(&none), logs.get(region));
            let keys: BTreeSet<&String> = noted.keys().chain(log.into_iter().flat_map(BTreeMap::keys)).collect();
            for key in keys {
                let logged = log.and_then(|log| log.get(key)).map_or(&[][..], Vec::as_slice);
                let noted = noted.get(key).map_or(&[][..], Vec::as_slice);
                compare_log(&Place { region, key }, noted, logged, &mut violations);
            }
        }
        let writes = writes_by_key(logs);
        find_shared_versions(&writes, &mut violations);
        let expected = writes
            .iter()
            .filter_map(|(key, writes)| Some(((*key).clone(), greatest(writes)?.committed.clone())));
        let expected = expected.collect();
        for (region, held) in &evidence.held {
            compare_held(region, &expected, held, &mut violations);
        }
        for (region, journal) in &evidence.journals {
            compare_journal(region, &writes, journal, &mut violations);
        }
        violations
    }
}

/// Where something is wrong.
struct Place<'a> {
    region: &'a String,
    key: &'a String,
}

/// Fits the log of one region for one key to what clients know.
fn compare_log(place: &Place<'_>, noted: &[Noted], logged: &[Logged], violations: &mut Vec<Violation>) {
    let (region, key) = (place.region, place.key);
    let lost = |skipped: &[Noted]| -> Vec<Violation> {
        let acknowledged = skipped.iter().filter(|write| write.fate == Fate::Acknowledged);
        let lost = |write: &Noted| Violation::Lost {
            region: region.clone(),
            key: key.clone(),
            intent: write.intent.clone(),
        };
        acknowledged.map(lost).collect()
    };
    let mut open = noted;
    for Logged { committed, .. } in logged {
        let possible = |write: &Noted| write.intent == committed.intent && write.fate != Fate::NoEffect;
        if let Some(position) = open.iter().position(possible) {
            violations.extend(lost(&open[..position]));
            open = &open[position + 1..];
        } else {
            let committed = committed.clone();
            violations.push(Violation::Invented {
                region: region.clone(),
                key: key.clone(),
                committed,
            });
        }
    }
    violations.extend(lost(open));
    for pair in logged
        .windows(2)
        .filter(|pair| pair[1].committed.version <= pair[0].committed.version)
    {
        let committed = pair[1].committed.clone();
        violations.push(Violation::VersionWentDown {
            region: region.clone(),
            key: key.clone(),
            committed,
        });
    }
}

type WritesByKey<'a> = BTreeMap<&'a String, Vec<&'a Logged>>;

fn writes_by_key(logs: &ByRegionAndKey<Vec<Logged>>) -> WritesByKey<'_> {
    let mut writes = WritesByKey::new();
    for (key, logged) in logs.values().flatten() {
        writes.entry(key).or_default().extend(logged);
    }
    writes
}

fn greatest<'a>(writes: &[&'a Logged]) -> Option<&'a Logged> {
    writes.iter().copied().max_by_key(|write| &write.committed.version)
}

fn find_shared_versions(writes: &WritesByKey<'_>, violations: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for (key, write) in writes
        .iter()
        .flat_map(|(key, writes)| writes.iter().map(move |write| (key, write)))
    {
        let version = &write.committed.version;
        if !seen.insert(version) {
            violations.push(Violation::SharedVersion {
                key: (*key).clone(),
                version: version.clone(),
            });
        }
    }
}

impl Logged {
    fn knew_of(&self, other: &Version) -> bool {
        let mine = &self.committed.version;
        if mine.origin == other.origin {
            other.sequence < mine.sequence
        } else {
            self.vector.covers(other)
        }
    }

    fn is_concurrent_with(&self, other: &Self) -> bool {
        !self.knew_of(&other.committed.version) && !other.knew_of(&self.committed.version)
    }
}

fn compare_journal(region: &str, writes: &WritesByKey<'_>, journal: &[Journalled], violations: &mut Vec<Violation>) {
    for entry in journal {
        let find = |version: &Version| {
            writes
                .get(&entry.key)
                .into_iter()
                .flatten()
                .find(|write| write.committed.version == *version)
        };
        let is_conflict = match (find(&entry.winner), find(&entry.loser)) {
            (Some(winner), Some(loser)) => winner.is_concurrent_with(loser) && entry.loser < entry.winner,
            _ => false,
        };
        if !is_conflict {
            violations.push(Violation::NoConflict {
                region: region.to_owned(),
                entry: entry.clone(),
            });
        }
    }
    for (key, writes) in writes {
        let greatest = greatest(writes);
        let displaced = writes.iter().filter(|write| {
            let version = &write.committed.version;
            Some(**write) != greatest && !writes.iter().any(|other| other.knew_of(version))
        });
        for write in displaced {
            let is_journalled = |entry: &Journalled| entry.key == **key && entry.loser == write.committed.version;
            if !journal.iter().any(is_journalled) {
                let committed = write.committed.clone();
                violations.push(Violation::UnseenConflict {
                    region: region.to_owned(),
                    key: (*key).clone(),
                    committed,
                });
            }
        }
    }
}

fn compare_held(
    region: &str,
    expected: &BTreeMap<String, Committed>,
    held: &BTreeMap<String, Committed>,
    violations: &mut Vec<Violation>,
) {
    let unexpected = held.keys().filter(|key| !expected.contains_key(*key));
    for key in expected.keys().chain(unexpected) {
        let (expected, found) = (expected.get(key), held.get(key));
        if expected != found {
            violations.push(Violation::Wrong {
                region: region.to_owned(),
                key: key.clone(),
                expected: expected.cloned(),
                found: found.cloned(),
            });
        }
    }
}
