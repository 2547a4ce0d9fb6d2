//! What regions hold and have committed, in the terms of the workloads.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item, Version, VersionVector, encode_item, item_from_json};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// The attribute that is the partition key of a workload's table.
pub const KEY: &str = "pk";
/// The attribute that is its sort key, where it has one; a number.
pub const SORT_KEY: &str = "sk";
/// The attribute that says which write was the last to touch the item; no two writes set the same. Items of recorded applications have it beside
/// their own attributes.
pub const MARK: &str = "beringia:mark";
/// The attribute with the number that a workload keeps: a counter, a balance, stock.
pub const NUMBER: &str = "number";
/// The attribute with the set of strings that a workload keeps.
pub const SET: &str = "elements";
/// The attribute with the list of strings that a workload keeps.
pub const LIST: &str = "list";
/// The attribute with the time from which the item is expired, seconds since the Unix epoch.
pub const EXPIRES: &str = "expires";

/// Whether an attribute is a field: `f` and a number. Its text begins with the mark of the write that set it, then `:`, then filler.
#[must_use]
pub fn is_field(attribute: &str) -> bool {
    let digits = attribute.strip_prefix('f').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key as text: the values of its parts (partition key first), joined by `/`. `None` where a part is missing or no key.
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

/// The same of attributes in DynamoDB's JSON.
pub fn key_text_of_json<'a>(parts: impl IntoIterator<Item = &'a str>, attributes: &Value) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().collect();
    let key = parts
        .iter()
        .map(|part| Some(((*part).to_owned(), attributes.get(part)?.clone())));
    let key = item_from_json(Value::Object(key.collect::<Option<_>>()?)).ok()?;
    key_text(parts, &key)
}

/// What all regions show when a run is over, for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// By origin and key: the origin's own writes, in the order of their sequences, as its own log has them, or, where it lost its
    /// disk, any region's.
    pub logs: BTreeMap<String, BTreeMap<String, Vec<Logged>>>,
    /// By region that has a replica in the end, and key: what it holds; tombstones too.
    pub held: BTreeMap<String, BTreeMap<String, Held>>,
    /// By region that has a replica in the end: its journal of conflicts.
    pub journals: BTreeMap<String, Journal>,
    /// By region that began its replica anew, since the others had dropped it: what it kept aside, as its store says.
    pub kept_aside: BTreeMap<String, Vec<KeptAside>>,
}

impl Evidence {
    /// Adds a write to the log of its origin.
    pub fn log(&mut self, key: String, write: Logged) {
        let origin = write.held.version.origin.region().to_string();
        self.logs.entry(origin).or_default().entry(key).or_default().push(write);
    }

    /// Puts each key's writes in the order of their sequences, each once: those of an origin can come
    /// from the logs of several regions.
    pub fn sort_logs(&mut self) {
        for writes in self.logs.values_mut().flat_map(BTreeMap::values_mut) {
            writes.sort_by_key(|write| write.held.version.sequence);
            writes.dedup_by_key(|write| write.held.version.sequence);
        }
    }

    /// The conflicts in the journals, in the order of keys and losers: each once, however many regions saw it, and one write lose to
    /// however many others. Where nothing but marks met there would be no conflict without them.
    pub fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        let entries = self.journals.values().flat_map(|journal| &journal.entries);
        let entries = entries.filter(|entry| !entry.lost_mark_only);
        let each: BTreeMap<_, _> = entries.map(|entry| ((&entry.key, &entry.loser), entry)).collect();
        each.into_values()
    }
}

/// A region's journal of conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Its entries.
    pub entries: Vec<Conflict>,
    /// Whether it must have every conflict: the region had a replica from the beginning, no region lost its disk, and nothing was
    /// forgotten.
    pub is_complete: bool,
}

/// A write as its origin committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What it left behind, with its version.
    pub held: Held,
    /// What its origin had applied then.
    pub vector: VersionVector,
    /// Whether no client did it, but the item's time to live had run out.
    pub is_expiry: bool,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The greatest version in it.
    pub version: Version,
    /// What is in it; `None`: a tombstone.
    pub content: Option<Content>,
}

/// An item, as far as workloads know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The mark of the last write to it; empty where there is none.
    pub mark: String,
    /// By field, the mark of the write that set it.
    pub fields: BTreeMap<String, String>,
    /// Its number.
    pub number: Option<i64>,
    /// The elements of its set, sorted.
    pub set: Vec<String>,
    /// The elements of its list.
    pub list: Vec<String>,
    /// When it expires, seconds since the Unix epoch.
    pub expires_s: Option<u64>,
    /// A hash of the whole item, equal where the items are.
    pub image_hash: u64,
}

impl Held {
    /// What a row or a record of that version holds; `None`: a tombstone. `expires` is the attribute that says when items of the table expire.
    #[must_use]
    pub fn new(version: Version, image: Option<&Item>, expires: Option<&str>) -> Self {
        Self {
            version,
            content: image.map(|image| Content::of(image, expires)),
        }
    }

    /// The mark in it; `None`: a tombstone.
    #[must_use]
    pub fn mark(&self) -> Option<&str> {
        self.content.as_ref().map(|content| content.mark.as_str())
    }
}

impl Content {
    /// What workloads know of an item. `expires` is the attribute that says when it expires, where one does.
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
            let mark = value
                .split_once(':')
                .map_or(value.as_str(), |(mark, _)| mark)
                .to_owned();
            Some((name.clone(), mark))
        };
        Self {
            mark: item.get(MARK).and_then(text).unwrap_or_default(),
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
            image_hash: xxh3_64(&encode_item(item)),
        }
    }
}

/// What stood under a key of a replica that the others dropped, and that they never had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAside {
    /// The key.
    pub key: String,
    /// What stood there.
    pub held: Held,
}

/// An entry of a region's journal of conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// What stayed.
    pub winner: Version,
    /// What did not.
    pub loser: Version,
    /// The mark in the item as the loser left it; `None` for a delete.
    pub loser_mark: Option<String>,
    /// Of the loser nothing but that mark was lost, which is there for the oracle alone.
    pub lost_mark_only: bool,
}

/// A disk that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDisk {
    /// Whose.
    pub region: String,
    /// When, microseconds since the load began.
    pub at_us: u64,
}
