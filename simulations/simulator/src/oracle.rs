//! What must be everywhere: the greatest acknowledged version of every key, known from what clients were told.
//!
//! A client notes each write before it sends it, and what it was told after. When the regions have converged, each region's log
//! says which of its own writes it committed, and in which order. The two must fit: every acknowledged write is in the log of the
//! region that took it, nothing is there that no client asked for, and a write whose answer never came may be there or not; it is
//! never assumed absent. Of all committed writes to a key the one with the greatest version must be what every region holds.

use std::{collections::BTreeMap, fmt};

use beringia_item::Version;

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

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A write that a client was told of is not in the log of the region that took it.
    Lost {
        /// Who acknowledged it.
        region: String,
        /// The key.
        key: String,
        /// The write.
        intent: Intent,
    },
    /// A region committed what no client asked for.
    Invented {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What.
        committed: Committed,
    },
    /// Two writes have one version.
    SharedVersion {
        /// The key of the second.
        key: String,
        /// The version.
        version: Version,
    },
    /// A region's later write to a key has a lower version than an earlier one.
    VersionWentDown {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The later write.
        committed: Committed,
    },
    /// A region does not hold the greatest version.
    Wrong {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What it must hold.
        expected: Option<Committed>,
        /// What it holds.
        found: Option<Committed>,
    },
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

    /// Every broken promise, given each region's own writes in the order of its log, and what each region holds now,
    /// tombstones too.
    #[must_use]
    pub fn judge(&self, logs: &ByRegionAndKey<Vec<Committed>>, held: &ByRegionAndKey<Committed>) -> Vec<Violation> {
        let mut violations = Vec::new();
        let none = BTreeMap::new();
        for region in self
            .noted
            .keys()
            .chain(logs.keys().filter(|region| !self.noted.contains_key(*region)))
        {
            let (noted, log) = (self.noted.get(region), logs.get(region).unwrap_or(&none));
            for key in noted.into_iter().flat_map(BTreeMap::keys) {
                let committed = log.get(key).map_or(&[][..], Vec::as_slice);
                self.compare(region, key, committed, &mut violations);
            }
            let unasked = log
                .iter()
                .filter(|(key, _)| noted.is_none_or(|noted| !noted.contains_key(*key)));
            for (key, committed) in unasked {
                self.compare(region, key, committed, &mut violations);
            }
        }
        let expected = greatest(logs, &mut violations);
        for (region, held) in held {
            compare_held(region, &expected, held, &mut violations);
        }
        violations
    }

    /// Fits the log of one region for one key to what clients know.
    fn compare(&self, region: &str, key: &str, committed: &[Committed], violations: &mut Vec<Violation>) {
        let noted = self
            .noted
            .get(region)
            .and_then(|keys| keys.get(key))
            .map_or(&[][..], Vec::as_slice);
        let mut open = noted.iter();
        let mut lost = |skipped: &[Noted]| {
            let acknowledged = skipped.iter().filter(|write| write.fate == Fate::Acknowledged);
            violations.extend(acknowledged.map(|write| Violation::Lost {
                region: region.to_owned(),
                key: key.to_owned(),
                intent: write.intent.clone(),
            }));
        };
        let mut invented = Vec::new();
        for entry in committed {
            let rest = open.as_slice();
            let possible = |write: &Noted| write.intent == entry.intent && write.fate != Fate::NoEffect;
            if let Some(position) = rest.iter().position(possible) {
                lost(&rest[..position]);
                open = rest[position + 1..].iter();
            } else {
                invented.push(entry);
            }
        }
        lost(open.as_slice());
        violations.extend(invented.into_iter().map(|entry| Violation::Invented {
            region: region.to_owned(),
            key: key.to_owned(),
            committed: entry.clone(),
        }));
        let mut down = committed.windows(2).filter(|pair| pair[1].version <= pair[0].version);
        violations.extend(down.next().map(|pair| Violation::VersionWentDown {
            region: region.to_owned(),
            key: key.to_owned(),
            committed: pair[1].clone(),
        }));
    }
}

/// The committed write with the greatest version of every key.
fn greatest(logs: &ByRegionAndKey<Vec<Committed>>, violations: &mut Vec<Violation>) -> BTreeMap<String, Committed> {
    let mut greatest: BTreeMap<String, Committed> = BTreeMap::new();
    let mut versions = std::collections::BTreeSet::new();
    let all = logs
        .values()
        .flatten()
        .flat_map(|(key, writes)| writes.iter().map(move |write| (key, write)));
    for (key, write) in all {
        if !versions.insert(write.version.clone()) {
            violations.push(Violation::SharedVersion {
                key: key.clone(),
                version: write.version.clone(),
            });
        }
        if greatest.get(key).is_none_or(|best| best.version < write.version) {
            greatest.insert(key.clone(), write.clone());
        }
    }
    greatest
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

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(mark) => write!(f, "put {mark}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.intent, self.version)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { region, key, intent } => write!(f, "{region} acknowledged and lost: {key}, {intent}"),
            Self::Invented { region, key, committed } => {
                write!(f, "{region} committed what nobody asked for: {key}, {committed}")
            }
            Self::SharedVersion { key, version } => write!(f, "two writes share the version {version:?}, one to {key}"),
            Self::VersionWentDown { region, key, committed } => {
                write!(f, "the version of {key} went down in {region} with {committed}")
            }
            Self::Wrong {
                region,
                key,
                expected,
                found,
            } => {
                let show = |committed: &Option<Committed>| {
                    committed
                        .as_ref()
                        .map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                write!(
                    f,
                    "{region} holds {} under {key}, and should hold {}",
                    show(found),
                    show(expected)
                )
            }
        }
    }
}
