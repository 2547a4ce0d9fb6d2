//! Merges the conflict journals of several regions, so that a conflict that several regions saw
//! appears once.

use std::collections::{BTreeMap, VecDeque};

use beringia_proto::v1::{ControlConflict, ItemVersion};

use xxhash_rust::xxh3::Xxh3;

use crate::presentation::canonical;

/// When a region saw a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) region: String,
    /// By the region's clock, milliseconds since the Unix epoch.
    pub(crate) seen_ms: u64,
}

/// A conflict and all regions that saw it.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    /// The conflict as the first region reported it.
    pub(crate) conflict: ControlConflict,
    /// The regions that saw it, earliest first.
    pub(crate) seen: Vec<Sighting>,
}

/// The identity of a conflict: table, key, and the two versions, which no other writes have.
type Identity = (String, String, VersionKey, VersionKey);
type VersionKey = (u64, String, u64);

/// Conflicts by identity, in the order in which they were first reported.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    merged: BTreeMap<Identity, Merged>,
    arrival: VecDeque<Identity>,
}

impl Journal {
    /// Adds a report, and merges it with an earlier report of the same conflict.
    pub(crate) fn add(&mut self, conflict: ControlConflict) {
        let identity = identity(&conflict);
        let sighting = Sighting {
            region: conflict.region.clone(),
            seen_ms: conflict.seen_ms,
        };
        if let Some(known) = self.merged.get_mut(&identity) {
            if !known.seen.contains(&sighting) {
                known.seen.push(sighting);
                known
                    .seen
                    .sort_by(|a, b| (a.seen_ms, &a.region).cmp(&(b.seen_ms, &b.region)));
            }
            return;
        }
        self.arrival.push_back(identity.clone());
        self.merged.insert(
            identity,
            Merged {
                conflict,
                seen: vec![sighting],
            },
        );
    }

    /// All conflicts, in the order in which they were first seen.
    pub(crate) fn into_sorted(self) -> Vec<Merged> {
        let mut all: Vec<(Identity, Merged)> = self.merged.into_iter().collect();
        all.sort_by(|(a_identity, a), (b_identity, b)| (first_seen(a), a_identity).cmp(&(first_seen(b), b_identity)));
        all.into_iter().map(|(_, merged)| merged).collect()
    }

    /// Removes the conflict that was reported first.
    fn pop_first(&mut self) -> Option<Merged> {
        self.arrival
            .pop_front()
            .and_then(|identity| self.merged.remove(&identity))
    }
}

/// The id of a conflict, the same in all regions: 12 hexadecimal digits, a hash of its identity.
pub(crate) fn id(conflict: &ControlConflict) -> String {
    let mut hash = Xxh3::new();
    let (table, key, winner, loser) = identity(conflict);
    for text in [&table, &key, &winner.1, &loser.1] {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    for number in [winner.0, winner.2, loser.0, loser.2] {
        hash.update(&number.to_be_bytes());
    }
    format!("{:012x}", hash.digest() >> 16)
}

fn first_seen(merged: &Merged) -> u64 {
    merged.seen.first().map_or(0, |sighting| sighting.seen_ms)
}

fn identity(conflict: &ControlConflict) -> Identity {
    let version = |version: Option<&ItemVersion>| {
        version.map_or_else(Default::default, |v| (v.hybrid_time, v.origin.clone(), v.sequence))
    };
    (
        conflict.table_id.clone(),
        conflict.key_json.as_deref().map(canonical).unwrap_or_default(),
        version(conflict.winner.as_ref().and_then(|side| side.version.as_ref())),
        version(conflict.loser.as_ref().and_then(|side| side.version.as_ref())),
    )
}

/// For `--follow`: delays each conflict, so that other regions' reports of it are merged into the
/// first, and remembers the conflicts that were shown.
#[derive(Debug)]
pub(crate) struct Follower<T> {
    waiting: Journal,
    deadlines: VecDeque<T>,
    shown: BTreeMap<Identity, ()>,
    shown_order: VecDeque<Identity>,
    shown_max: usize,
}

impl<T: Copy + PartialOrd> Follower<T> {
    /// Remembers at most `shown_max` conflicts that were shown.
    pub(crate) fn new(shown_max: usize) -> Self {
        Self {
            waiting: Journal::default(),
            deadlines: VecDeque::new(),
            shown: BTreeMap::new(),
            shown_order: VecDeque::new(),
            shown_max,
        }
    }

    /// Adds a report, to be shown at `deadline`; later calls must have later deadlines.
    pub(crate) fn add(&mut self, conflict: ControlConflict, deadline: T) {
        if self.shown.contains_key(&identity(&conflict)) {
            return;
        }
        let before = self.waiting.arrival.len();
        self.waiting.add(conflict);
        if self.waiting.arrival.len() > before {
            self.deadlines.push_back(deadline);
        }
    }

    /// When the next conflict is due.
    pub(crate) fn next_deadline(&self) -> Option<T> {
        self.deadlines.front().copied()
    }

    /// Removes the conflicts that are due by `now`.
    pub(crate) fn due(&mut self, now: T) -> Vec<Merged> {
        let mut due = Vec::new();
        while self.deadlines.front().is_some_and(|deadline| *deadline <= now) {
            self.deadlines.pop_front();
            if let Some(merged) = self.waiting.pop_first() {
                let identity = identity(&merged.conflict);
                self.shown.insert(identity.clone(), ());
                self.shown_order.push_back(identity);
                due.push(merged);
            }
        }
        while self.shown_order.len() > self.shown_max {
            if let Some(oldest) = self.shown_order.pop_front() {
                self.shown.remove(&oldest);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::ConflictSideReport;

    use super::*;

    fn conflict(region: &str, seen_ms: u64, key: &str, winner: u64) -> ControlConflict {
        let side = |time| {
            Some(ConflictSideReport {
                version: Some(ItemVersion {
                    hybrid_time: time,
                    origin: "a".into(),
                    sequence: time,
                }),
                image_json: None,
            })
        };
        ControlConflict {
            region: region.into(),
            table_id: "t".into(),
            table: "T".into(),
            key_json: Some(key.into()),
            winner: side(winner),
            loser: side(1),
            rule: "later time".into(),
            seen_ms,
            attributes: Vec::new(),
        }
    }

    fn regions(merged: &Merged) -> Vec<&str> {
        merged.seen.iter().map(|sighting| sighting.region.as_str()).collect()
    }

    #[test]
    fn merges_reports_of_one_conflict() {
        let mut journal = Journal::default();
        journal.add(conflict("b", 20, r#"{"pk":{"S":"x"},"sk":{"N":"1"}}"#, 9));
        journal.add(conflict("a", 10, r#"{"sk":{"N":"1"}, "pk":{"S":"x"}}"#, 9));
        journal.add(conflict("a", 15, r#"{"pk":{"S":"x"},"sk":{"N":"1"}}"#, 12));
        let sorted = journal.into_sorted();
        assert_eq!(sorted.len(), 2);
        assert_eq!(regions(&sorted[0]), ["a", "b"]);
        assert_eq!(regions(&sorted[1]), ["a"]);
    }

    #[test]
    fn follower_waits_for_other_regions_and_shows_conflicts_once() {
        let mut follower = Follower::new(10);
        follower.add(conflict("a", 1, "{}", 9), 100);
        follower.add(conflict("b", 2, "{}", 9), 110);
        follower.add(conflict("b", 3, "{}", 10), 120);
        assert_eq!(follower.next_deadline(), Some(100));
        assert!(follower.due(99).is_empty());
        let due = follower.due(100);
        assert_eq!(due.len(), 1);
        assert_eq!(regions(&due[0]), ["a", "b"]);
        follower.add(conflict("c", 4, "{}", 9), 130);
        assert_eq!(
            follower.due(200).len(),
            1,
            "a conflict that was shown is not shown again"
        );
        assert_eq!(follower.next_deadline(), None);
    }

    #[test]
    fn a_conflict_has_the_same_id_in_every_report() {
        let here = conflict("b", 20, r#"{"pk":{"S":"x"},"sk":{"N":"1"}}"#, 9);
        let there = conflict("a", 10, r#"{"sk":{"N":"1"}, "pk":{"S":"x"}}"#, 9);
        let other = conflict("b", 20, r#"{"pk":{"S":"x"},"sk":{"N":"1"}}"#, 10);
        assert_eq!(id(&here), id(&there));
        assert_ne!(id(&here), id(&other));
        assert_eq!(id(&here).len(), 12);
    }

    #[test]
    fn remembers_a_bounded_number_of_shown_conflicts() {
        let mut follower = Follower::new(1);
        for winner in 5..9 {
            follower.add(conflict("a", 1, "{}", winner), 1);
        }
        assert_eq!(follower.due(1).len(), 4);
        assert_eq!(follower.shown.len(), 1);
        assert_eq!(follower.shown_order.len(), 1);
    }
}
