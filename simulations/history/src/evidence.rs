//! Evidence: the items and logs of regions, in the terms of the workloads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use beringia_item::{AttributeValue, Item, Version, VersionVector, encode_item, item_from_json};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::ReadStream;

/// The attribute that is the partition key of a workload's table.
pub const KEY: &str = "pk";
/// The attribute that is the table's sort key, a number, where the table has one.
pub const SORT_KEY: &str = "sk";
/// The attribute with the write marker of the last write to the item. No two writes set the same
/// marker. Items of recorded applications have this attribute beside their own.
pub const MARKER: &str = "beringia:mark";
/// The attribute with the number that a workload keeps, such as a counter, a balance or stock.
pub const NUMBER: &str = "number";
/// The attribute with the set of strings that a workload keeps.
pub const SET: &str = "elements";
/// The attribute with the list of strings that a workload keeps.
pub const LIST: &str = "list";
/// The attribute with the time at which the item expires, in seconds since the Unix epoch.
pub const EXPIRES: &str = "expires";

/// Returns whether an attribute is a field, that is, named `f` and a number. A field's text begins
/// with the marker of the write that set it, then `:`, then filler.
#[must_use]
pub fn is_field(attribute: &str) -> bool {
    let digits = attribute.strip_prefix('f').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a key as text: the values of its parts (partition key first), joined by `/`. Returns
/// `None` if a part is missing or has a type that no key can have.
pub fn key_text<'a>(parts: impl IntoIterator<Item = &'a str>, attributes: &Item) -> Option<String> {
    let mut text = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            text.push('/');
        }
        match attributes.get(part)? {
            AttributeValue::S(value) => text.push_str(value),
            AttributeValue::N(value) => text.push_str(&value.to_string()),
            AttributeValue::B(value) => value.iter().for_each(|byte| text.push_str(&format!("{byte:02x}"))),
            _ => return None,
        }
    }
    Some(text)
}

/// Like [`key_text`], for attributes in DynamoDB's JSON.
pub fn key_text_of_json<'a>(parts: impl IntoIterator<Item = &'a str>, attributes: &Value) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().collect();
    let key = parts
        .iter()
        .map(|part| Some(((*part).to_owned(), attributes.get(part)?.clone())));
    let key = item_from_json(Value::Object(key.collect::<Option<_>>()?)).ok()?;
    key_text(parts, &key)
}

/// The evidence of all regions for one table at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The writes of each origin, by origin and key, in the order of their sequences. They come
    /// from the origin's own log or, if it lost its disk, from any region's log.
    pub logs: BTreeMap<String, BTreeMap<String, Vec<Logged>>>,
    /// The contents of each region that has a replica at the end, by region and key, tombstones
    /// included.
    pub held: BTreeMap<String, BTreeMap<String, VersionedItem>>,
    /// The conflict journal of each region that has a replica at the end.
    pub journals: BTreeMap<String, Journal>,
    /// The unshipped writes that the store of a region reports, by region. A region has some if the
    /// others dropped its replica and it was re-bootstrapped.
    pub unshipped: BTreeMap<String, Vec<UnshippedWrite>>,
    /// The copies of log records whose content differs from the record in its origin's log.
    pub mismatches: Vec<CopyMismatch>,
    /// The table's replicas at the end, as regions show them.
    pub replicas: FinalReplicas,
    /// The wrong answers when every key was read back at the end.
    pub misreads: Vec<Misread>,
    /// The regions whose replica was bootstrapped or removed during the run, at times that are not
    /// known. What such a region had may be missing there afterwards.
    pub bootstrapped: BTreeSet<String>,
    /// The table's DynamoDB stream in each region where a client read all of it.
    pub streams: BTreeMap<String, ReadStream>,
}

impl Evidence {
    /// Adds a write to the log of its origin.
    pub fn log(&mut self, key: String, write: Logged) {
        let origin = write.held.version.origin.region().to_string();
        self.logs.entry(origin).or_default().entry(key).or_default().push(write);
    }

    /// Sorts each key's writes by sequence and removes duplicates. The writes of an origin can come
    /// from the logs of several regions; a copy that differs from an earlier one is a mismatch.
    pub fn sort_logs(&mut self) {
        for (key, writes) in self.logs.values_mut().flatten() {
            writes.sort_by_key(|write| write.held.version.sequence);
            writes.dedup_by(|copy, first| {
                let is_copy = copy.held.version.sequence == first.held.version.sequence;
                if is_copy && copy != first {
                    self.mismatches.push(CopyMismatch {
                        region: None,
                        key: key.clone(),
                        version: copy.held.version.clone(),
                        original: Some(first.held.version.clone()),
                    });
                }
                is_copy
            });
        }
    }

    /// The record of a write in the log of its origin, which must have been read wholly and sorted
    /// ([`Evidence::sort_logs`]).
    #[must_use]
    pub fn original(&self, key: &str, version: &Version) -> Option<&Logged> {
        let writes = self.logs.get(version.origin.region().as_str())?.get(key)?;
        let found = writes.binary_search_by_key(&version.sequence, |write| write.held.version.sequence);
        found.ok().and_then(|index| writes.get(index))
    }

    /// Compares a region's copy of a log record with the record in the origin's log, which must
    /// have been read wholly and sorted ([`Evidence::sort_logs`]). A difference is a mismatch.
    pub fn compare_copy(&mut self, region: &str, key: &str, copy: &Logged) {
        if self.original(key, &copy.held.version) != Some(copy) {
            self.note_mismatch(region, key, &copy.held.version);
        }
    }

    /// Notes that a region's copy of the log record with this version differs from the record in
    /// the origin's log, which must have been read wholly and sorted ([`Evidence::sort_logs`]).
    pub fn note_mismatch(&mut self, region: &str, key: &str, version: &Version) {
        let original = self.original(key, version);
        let original = original.map(|original| original.held.version.clone());
        self.mismatches.push(CopyMismatch {
            region: Some(region.to_owned()),
            key: key.to_owned(),
            version: version.clone(),
            original,
        });
    }

    /// The conflicts in the journals, ordered by key and loser. A conflict appears once, however
    /// many regions recorded it and however many writes the loser lost to. Entries in which only
    /// the write marker was lost are left out: without markers they would be no conflicts.
    pub fn conflicts(&self) -> impl Iterator<Item = &ConflictEntry> {
        let entries = self.journals.values().flat_map(|journal| &journal.entries);
        let entries = entries.filter(|entry| !entry.lost_marker_only());
        let each: BTreeMap<_, _> = entries.map(|entry| ((&entry.key, &entry.loser), entry)).collect();
        each.into_values()
    }
}

/// A copy of a log record that differs from the record of its origin in version, content, causal
/// context or cause (in simulation, also in the state that the content does not express, or in the
/// transaction), or that the origin does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyMismatch {
    /// The region with the copy; `None` if the origin's own log was lost, and the copies of other
    /// regions differ from each other.
    pub region: Option<String>,
    /// The key as text.
    pub key: String,
    /// The version in the copy.
    pub version: Version,
    /// The version with the same sequence in the origin's log, under the same key; `None` if there
    /// is none.
    pub original: Option<Version>,
}

/// The replicas of a table at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalReplicas {
    /// The regions whose replica must be ACTIVE, by the answers to the calls that created, added
    /// and removed replicas. Without any, replicas are not judged.
    pub expected: BTreeSet<String>,
    /// For each region that was asked, the status of each replica, by region.
    pub shown: BTreeMap<String, BTreeMap<String, String>>,
    /// The digest of the table in each region that holds it, as text.
    pub digests: BTreeMap<String, String>,
}

/// A read that did not return what its region holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// The region that was read.
    pub region: String,
    /// The operation, with its index if it has one, such as `Query of by-sort`.
    pub by: String,
    /// The key as text, or the partition if the whole read was refused.
    pub key: String,
    /// How the answer differs from the store.
    pub kind: MisreadKind,
}

/// The difference between what a read returned for a key and what its region holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MisreadKind {
    /// The read did not return an item that the region holds.
    Missing,
    /// The read returned an item that the region does not hold.
    Superfluous,
    /// The read returned the item more than once.
    Repeated,
    /// The read returned another content than the region holds.
    Different,
    /// The read was refused, or had no answer; holds the error.
    Refused(String),
}

impl fmt::Display for MisreadKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("did not return the item that the region holds"),
            Self::Superfluous => formatter.write_str("returned an item that the region does not hold"),
            Self::Repeated => formatter.write_str("returned the item more than once"),
            Self::Different => formatter.write_str("returned other content than the region holds"),
            Self::Refused(error) => write!(formatter, "failed: {error}"),
        }
    }
}

/// The conflicts that a region journalled, as evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// The conflicts that the region recorded.
    pub entries: Vec<ConflictEntry>,
    /// Whether the journal must contain every conflict that the region could see: it had its
    /// replica from the beginning to the end without a re-bootstrap, and did not lose its disk.
    pub is_complete: bool,
}

/// A write as its origin committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The item as the write left it, with its version.
    pub held: VersionedItem,
    /// The write's causal context: the version vector of its origin when it wrote.
    pub causal_context: VersionVector,
    /// Whether no client made the write, but the item's time to live had run out.
    pub is_expiry: bool,
}

/// A region's row under a key: the current version and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedItem {
    /// The current version, the greatest of all versions in a merged row.
    pub version: Version,
    /// The content of the item; `None` for a tombstone.
    pub content: Option<Content>,
}

/// An item, as far as workloads know its attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The marker of the last write to the item; empty if there is none.
    pub marker: String,
    /// For each field, the marker of the write that set it.
    pub fields: BTreeMap<String, String>,
    /// The number in the attribute [`NUMBER`].
    pub number: Option<i64>,
    /// The elements of the set in [`SET`], sorted.
    pub set: Vec<String>,
    /// The elements of the list in [`LIST`].
    pub list: Vec<String>,
    /// When the item expires, in seconds since the Unix epoch.
    pub expires_s: Option<u64>,
    /// A hash of the whole item; equal items have equal hashes.
    pub image_hash: u64,
}

impl VersionedItem {
    /// Describes a row or a log record of `version`; an `image` of `None` is a tombstone. `expires`
    /// names the attribute that says when items of the table expire.
    #[must_use]
    pub fn new(version: Version, image: Option<&Item>, expires: Option<&str>) -> Self {
        Self {
            version,
            content: image.map(|image| Content::of(image, expires)),
        }
    }

    /// The write marker of the item; `None` for a tombstone.
    #[must_use]
    pub fn marker(&self) -> Option<&str> {
        self.content.as_ref().map(|content| content.marker.as_str())
    }
}

impl Content {
    /// Extracts what workloads know of an item. `expires` names the attribute that says when items
    /// of the table expire, if any does.
    #[must_use]
    pub fn of(item: &Item, expires: Option<&str>) -> Self {
        let text = |value: &AttributeValue| match value {
            AttributeValue::S(text) => Some(text.clone()),
            _ => None,
        };
        let number = |name: &str| match item.get(name) {
            Some(AttributeValue::N(number)) => number.to_i64(),
            _ => None,
        };
        let field = |(name, value): (&String, &AttributeValue)| {
            let value = text(value).filter(|_| is_field(name))?;
            let marker = value
                .split_once(':')
                .map_or(value.as_str(), |(marker, _)| marker)
                .to_owned();
            Some((name.clone(), marker))
        };
        Self {
            marker: item.get(MARKER).and_then(text).unwrap_or_default(),
            fields: item.iter().filter_map(field).collect(),
            number: number(NUMBER),
            set: match item.get(SET) {
                Some(AttributeValue::Ss(elements)) => elements.iter().cloned().collect(),
                _ => Vec::new(),
            },
            list: match item.get(LIST) {
                Some(AttributeValue::L(elements)) => elements.iter().filter_map(text).collect(),
                _ => Vec::new(),
            },
            expires_s: expires.and_then(number).and_then(|seconds| u64::try_from(seconds).ok()),
            image_hash: image_hash(item),
        }
    }
}

/// A hash of a whole item; equal items have equal hashes.
#[must_use]
pub fn image_hash(item: &Item) -> u64 {
    xxh3_64(&encode_item(item))
}

/// An unshipped write: the last write to a key of a replica that the other regions dropped before
/// they had that write.
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnshippedWrite {
    pub key: String,
    pub held: VersionedItem,
}

/// An entry of a region's conflict journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictEntry {
    /// The key as text.
    pub key: String,
    /// The version of the write that was kept.
    pub winner: Version,
    /// The version of the write that was lost, wholly or in part.
    pub loser: Version,
    /// The marker of the item that lost; `None` for a delete. A merged item has the marker of one of
    /// its writes, which need not be the loser.
    pub loser_marker: Option<String>,
    /// The attributes that the loser lost; the whole item if there are none.
    pub attributes: Vec<String>,
}

impl ConflictEntry {
    /// Returns whether the loser lost nothing but its write marker, which exists for the oracle
    /// alone.
    #[must_use]
    pub fn lost_marker_only(&self) -> bool {
        self.attributes == [MARKER]
    }

    /// Returns whether the loser lost the marker of the item, and so had written it.
    #[must_use]
    pub fn lost_marker(&self) -> bool {
        self.attributes.iter().any(|name| name == MARKER)
    }
}

/// The loss of a region's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDisk {
    /// The region that lost its disk.
    pub region: String,
    /// When the disk was lost, in microseconds since the load began.
    pub at_us: u64,
    /// For each table, the sequence up to which every other region had the region's writes at that
    /// time, so that none of these was lost. If a table is missing, that is not known.
    pub shipped: BTreeMap<String, u64>,
}
