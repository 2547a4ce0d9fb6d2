//! Checks the lists that clients saw, in the manner of Elle (Kingsbury and Alvaro 2020).
//!
//! Every append adds an element that no other write adds, and nothing takes an element away but a
//! write that starts the item again. So an append leaves one list, which ends with its element, and
//! every list that a client sees is one that an append left, under every conflict policy. Hence
//! what is before an element is the same in all lists: it is what the append followed. That gives
//! an order of writes, and what they causally depend on, from what clients saw alone. Versions and
//! causal contexts must agree with it.
//!
//! Appends that lost to a concurrent write are in no later list. That is the policy's doing.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Effect, Merging, Operation, Seen};

use crate::{
    index::{Commit, Key, Table},
    violation::Violation,
};

/// Finds lists that no append left, and versions and causal contexts that lists contradict.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let appends = |key: &Key<'_>| key.asked.iter().any(|asked| asked.write.effect == Effect::Append);
    let of_lists = table.keys.iter().filter(|(_, key)| appends(key));
    let mut lists: BTreeMap<&str, Lists<'_, '_>> = of_lists
        .map(|(key_text, key)| (*key_text, Lists::new(table, key_text, key)))
        .collect();
    if lists.is_empty() {
        return;
    }
    for operation in &table.operations {
        for seen in &operation.reads {
            if let Some(lists) = lists.get_mut(seen.key.as_str()) {
                lists.read(operation, seen, violations);
            }
        }
    }
}

/// The lists that clients saw under a key.
struct Lists<'t, 'a> {
    table: &'t Table<'a>,
    key_text: &'a str,
    key: &'t Key<'a>,
    /// The base writes by position, ascending.
    bases: Vec<usize>,
    elements: BTreeMap<&'t str, Element<'t>>,
    /// When the first write was sent, in microseconds, that decides about the list and may be lost
    /// with a disk.
    lost_us: Option<u64>,
    /// By marker, the lists that were seen with writes that are in no log.
    unlogged: BTreeMap<&'t str, &'t [String]>,
}

/// Returns when the first write to a key was sent, in microseconds, that decides about the list and
/// that some region may be without since a disk was lost.
fn lost_us(table: &Table<'_>, key: &Key<'_>) -> Option<u64> {
    let decides = |effect: &Effect| *effect == Effect::Append || effect.is_whole();
    let gone = key.asked.iter().filter(|asked| {
        let is_missing = asked.position.is_none() && asked.may_have_happened();
        is_missing && decides(&asked.write.effect) && table.lost_after(asked).is_some()
    });
    let partly = key.commits.iter().enumerate().filter(|(position, commit)| {
        let is_append = key.effect(*position) == Some(&Effect::Append);
        (is_append || key.is_base(*position)) && table.may_be_lost(key, commit)
    });
    let sent_us = |commit: &Commit<'_>| match commit.asked {
        Some(asked) => key.asked[asked].operation.sent_us,
        None => commit.since_us,
    };
    let gone = gone.map(|asked| asked.operation.sent_us);
    gone.chain(partly.map(|(_, commit)| sent_us(commit))).min()
}

/// An element that a client saw.
#[derive(Clone, Copy)]
struct Element<'t> {
    /// The list up to this element, itself included.
    list: &'t [String],
    /// When the last of these elements was sent, in microseconds.
    sent_us: u64,
    /// The position of the last of these elements whose append is in a log.
    position: Option<usize>,
}

/// A list as a client saw it.
#[derive(Clone, Copy)]
struct Sighting<'t> {
    operation: &'t Operation,
    marker: &'t str,
    list: &'t [String],
}

impl<'t, 'a> Lists<'t, 'a> {
    fn new(table: &'t Table<'a>, key_text: &'a str, key: &'t Key<'a>) -> Self {
        let bases = (0..key.commits.len()).filter(|position| key.is_base(*position));
        Self {
            table,
            key_text,
            key,
            bases: bases.collect(),
            elements: BTreeMap::new(),
            lost_us: lost_us(table, key),
            unlogged: BTreeMap::new(),
        }
    }

    fn read(&mut self, operation: &'t Operation, seen: &'t Seen, violations: &mut Vec<Violation>) {
        let Some(marker) = seen.marker.as_deref() else {
            return;
        };
        let list = seen.list.as_deref().unwrap_or_default();
        let sighting = Sighting {
            operation,
            marker,
            list,
        };
        let found = self.learn(sighting, violations);
        let found = found.and_then(|()| self.compare_with_marker(sighting));
        violations.extend(found.err().map(|violation| *violation));
    }

    /// Notes the elements that no list had before. All others must have what they had before them.
    fn learn(&mut self, sighting: Sighting<'t>, violations: &mut Vec<Violation>) -> Result<(), Box<Violation>> {
        let list = sighting.list;
        let is_known = |element: &String| self.elements.contains_key(element.as_str());
        let known = list.iter().rposition(is_known).map_or(0, |last| last + 1);
        let last = known
            .checked_sub(1)
            .and_then(|last| self.elements.get(list[last].as_str()));
        if let Some(last) = last.filter(|last| *last.list != list[..known]) {
            return Err(self.disorder(sighting, last.list));
        }
        if known < list.len()
            && let Some(left) = list.last().and_then(|last| self.left_by(last))
            && left != list
        {
            return Err(self.disorder(sighting, left));
        }
        for end in known..list.len() {
            if self.elements.contains_key(list[end].as_str()) {
                return Err(self.disorder(sighting, &[]));
            }
            let before = end
                .checked_sub(1)
                .and_then(|before| self.elements.get(list[before].as_str()));
            let element = self.follow(sighting, before.copied(), &list[..=end], violations);
            self.elements.insert(&list[end], element);
        }
        let last = list.last().and_then(|last| self.elements.get(last.as_str()));
        if last.is_some_and(|last| last.sent_us > sighting.operation.done_us) {
            let later = list.iter().find(|element| {
                let asked = self.key.of_marker(element);
                asked.is_some_and(|asked| asked.operation.sent_us > sighting.operation.done_us)
            });
            return Err(self.against_time(sighting, later.map_or("", String::as_str), sighting.marker));
        }
        Ok(())
    }

    /// Judges an element that no list had before, and what it follows.
    fn follow(
        &self,
        sighting: Sighting<'_>,
        before: Option<Element<'t>>,
        list: &'t [String],
        violations: &mut Vec<Violation>,
    ) -> Element<'t> {
        let marker = list.last().map_or("", String::as_str);
        let mut element = Element {
            list,
            sent_us: before.map_or(0, |before| before.sent_us),
            position: before.and_then(|before| before.position),
        };
        let (table, key) = (self.table.name.to_owned(), self.key_text.to_owned());
        let region = sighting.operation.region.clone();
        let asked = self.key.of_marker(marker);
        let asked = asked.filter(|asked| asked.may_have_happened() && asked.write.effect == Effect::Append);
        let Some(asked) = asked else {
            violations.push(Violation::SeenInvented {
                table,
                region,
                key,
                marker: marker.to_owned(),
            });
            return element;
        };
        if asked.operation.is_reported() && asked.operation.done_us < element.sent_us {
            let previous = list.iter().rev().nth(1).map_or("", String::as_str);
            violations.push(*self.against_time(sighting, previous, marker));
        }
        element.sent_us = element.sent_us.max(asked.operation.sent_us);
        let Some(position) = asked.position else {
            if !self.table.may_be_gone(self.key, asked) {
                violations.push(Violation::SeenUndurable {
                    table,
                    region,
                    key,
                    marker: marker.to_owned(),
                });
            }
            return element;
        };
        if let Some(followed) = element.position.replace(position) {
            let commit = &self.key.commits[position];
            let followed_version = self.key.commits[followed].version();
            if followed > position {
                violations.push(*self.against_time(sighting, &self.shown(followed), marker));
            } else if !commit.depends_on(followed_version) {
                violations.push(Violation::ContextTooSmall {
                    table,
                    region: commit.origin.to_owned(),
                    key,
                    marker: marker.to_owned(),
                    missed: followed_version.clone(),
                });
            }
        }
        element
    }

    /// Compares a list with what the write that the read saw left.
    fn compare_with_marker(&mut self, sighting: Sighting<'t>) -> Result<(), Box<Violation>> {
        let Sighting { marker, list, .. } = sighting;
        let is_item = self.table.rules.merging == Merging::Item;
        let Some(position) = self.key.of_marker(marker).and_then(|asked| asked.position) else {
            let first = self.unlogged.entry(marker).or_insert(list);
            if is_item && *first != list {
                let first = *first;
                return Err(self.disorder(sighting, first));
            }
            return Ok(());
        };
        let commit = &self.key.commits[position];
        let left = commit.logged.held.content.as_ref();
        let left = left.map_or(&[][..], |content| content.list.as_slice());
        if list == left {
            return Ok(());
        }
        let may_be_lost = self
            .lost_us
            .is_some_and(|lost_us| lost_us <= sighting.operation.done_us);
        if is_item || !may_be_lost && !self.may_replace(list, left, commit, position) {
            return Err(self.disorder(sighting, left));
        }
        Ok(())
    }

    /// Returns whether a region that shows a write can have another list than the write left, where
    /// attributes win or lose by themselves: the list of a concurrent append that wins over it and
    /// that is not later than what the region shows, or none if a base write is between the two.
    /// What a lost replica explains is not judged.
    fn may_replace(&self, list: &[String], left: &[String], commit: &Commit<'_>, shown: usize) -> bool {
        let evidence = self.table.evidence;
        if !evidence.bootstrapped.is_empty() || !evidence.unshipped.is_empty() {
            return true;
        }
        let appended = |list: &[String]| self.key.of_marker(list.last()?)?.position;
        match (appended(list), appended(left)) {
            (Some(own), Some(left)) => left < own && own < shown,
            (Some(own), None) => own < shown && !commit.depends_on(self.key.commits[own].version()),
            (None, Some(left)) => {
                let next = self.bases.partition_point(|base| *base <= left);
                list.is_empty() && self.bases.get(next).is_some_and(|base| *base < shown)
            }
            (None, None) => true,
        }
    }

    /// The list that an append left, by its log.
    fn left_by(&self, element: &str) -> Option<&'t [String]> {
        let position = self.key.of_marker(element)?.position?;
        let content = self.key.commits[position].logged.held.content.as_ref()?;
        Some(&content.list)
    }

    fn shown(&self, position: usize) -> String {
        let held = &self.key.commits[position].logged.held;
        held.marker().unwrap_or("nothing").to_owned()
    }

    fn against_time(&self, sighting: Sighting<'_>, later: &str, earlier: &str) -> Box<Violation> {
        Box::new(Violation::ListAgainstTime {
            table: self.table.name.to_owned(),
            region: sighting.operation.region.clone(),
            key: self.key_text.to_owned(),
            sent_ms: sighting.operation.sent_us / 1_000,
            later: later.to_owned(),
            earlier: earlier.to_owned(),
        })
    }

    /// Says what is wrong with a list that no append can have left.
    fn disorder(&self, sighting: Sighting<'_>, expected: &[String]) -> Box<Violation> {
        let (table, key) = (self.table.name.to_owned(), self.key_text.to_owned());
        let (region, sent_ms) = (sighting.operation.region.clone(), sighting.operation.sent_us / 1_000);
        let mut before = BTreeSet::new();
        for element in sighting.list {
            if !before.insert(element.as_str()) {
                let element = element.clone();
                return Box::new(Violation::ElementRepeated {
                    table,
                    region,
                    key,
                    sent_ms,
                    element,
                });
            }
        }
        if let Some((first, second)) = self.reversed(sighting.list) {
            return Box::new(Violation::ListReordered {
                table,
                region,
                key,
                sent_ms,
                first: first.to_owned(),
                second: second.to_owned(),
            });
        }
        Box::new(Violation::WrongList {
            table,
            region,
            key,
            sent_ms,
            marker: sighting.marker.to_owned(),
            found: sighting.list.to_vec(),
            expected: expected.to_vec(),
        })
    }

    /// Returns two elements that are the other way round in the list that the append of the first
    /// one left, as another read or its log shows it.
    fn reversed<'l>(&self, list: &'l [String]) -> Option<(&'l str, &'l str)> {
        let places: BTreeMap<&str, usize> = list.iter().map(String::as_str).zip(0..).collect();
        list.iter().enumerate().find_map(|(place, first)| {
            let seen = self
                .elements
                .get(first.as_str())
                .map_or(&[][..], |element| element.list);
            let mut followed = seen.iter().chain(self.left_by(first).unwrap_or_default());
            let second = followed.find_map(|element| places.get(element.as_str()).filter(|other| **other > place));
            second.map(|second| (first.as_str(), list[*second].as_str()))
        })
    }
}
