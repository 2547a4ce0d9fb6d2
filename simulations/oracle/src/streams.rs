//! Checks the DynamoDB stream of each region: the records of an item lead from no item to the item
//! at the end, without a gap, and every acknowledged write is among them once.
//!
//! The records come from clients that read the streams, and are compared with what clients wrote
//! and with the rows at the end, not with the logs.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Effect, Merging, ReadStream, StreamedImage, StreamedRecord};

use crate::{
    index::{Asked, Table},
    violation::Violation,
};

/// The marker of no item.
const NOTHING: &str = "nothing";

/// Compares the streams of a table that clients have read.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    for (region, stream) in &table.evidence.streams {
        let of_region = OfRegion {
            table,
            region,
            records: by_key(stream),
        };
        of_region.find_gaps(violations);
        of_region.find_missing(violations);
        of_region.find_wrong(violations);
        violations.extend(stream.refusals.iter().map(|refusal| Violation::StreamRefused {
            table: table.name.to_owned(),
            region: region.clone(),
            refusal: refusal.clone(),
        }));
    }
}

fn by_key(stream: &ReadStream) -> BTreeMap<&str, Vec<&StreamedRecord>> {
    let mut records: BTreeMap<&str, Vec<&StreamedRecord>> = BTreeMap::new();
    for record in &stream.records {
        records.entry(&record.key).or_default().push(record);
    }
    records
}

/// The stream of one region, by key.
struct OfRegion<'a> {
    table: &'a Table<'a>,
    region: &'a str,
    records: BTreeMap<&'a str, Vec<&'a StreamedRecord>>,
}

impl OfRegion<'_> {
    /// Each record's old image is the new image of the record before, and the last new image is the
    /// item at the end.
    fn find_gaps(&self, violations: &mut Vec<Violation>) {
        for (key, records) in &self.records {
            let mut before = None;
            for record in records {
                if record.old.as_ref() != before {
                    violations.push(self.gap(key, before, record.old.as_ref()));
                }
                before = record.new.as_ref();
            }
        }
        let held = self.table.evidence.held.get(self.region);
        let held_keys = held.into_iter().flat_map(BTreeMap::keys).map(String::as_str);
        for key in self.records.keys().copied().chain(held_keys).collect::<BTreeSet<_>>() {
            let content = held.and_then(|held| held.get(key)?.content.as_ref());
            let image = content.map(|content| StreamedImage {
                marker: content.marker.clone(),
                hash: content.image_hash,
            });
            // An item that was there when rows were read may have expired before the stream was.
            let may_expire = content.is_some_and(|content| content.expires_s.is_some());
            let records = self.records.get(key).map_or(&[][..], Vec::as_slice);
            let mut last = records.iter().rev().map(|record| record.new.as_ref());
            let last = last.find(|new| new.is_some() || !may_expire).flatten();
            if last != image.as_ref() {
                violations.push(self.gap(key, last, image.as_ref()));
            }
        }
    }

    fn gap(&self, key: &str, found: Option<&StreamedImage>, expected: Option<&StreamedImage>) -> Violation {
        Violation::StreamGap {
            table: self.table.name.to_owned(),
            region: self.region.to_owned(),
            key: key.to_owned(),
            found: marker(found).to_owned(),
            expected: marker(expected).to_owned(),
        }
    }

    /// Every write that the region acknowledged is in its stream.
    fn find_missing(&self, violations: &mut Vec<Violation>) {
        for (name, key) in &self.table.keys {
            let records = self.records.get(name).map_or(&[][..], Vec::as_slice);
            let own = key.asked.iter().filter(|asked| asked.operation.region == self.region);
            for asked in own.filter(|asked| asked.is_acknowledged()) {
                if !records.iter().any(|record| is_of(record, asked)) {
                    violations.push(Violation::NotStreamed {
                        table: self.table.name.to_owned(),
                        region: self.region.to_owned(),
                        key: (*name).to_owned(),
                        marker: asked.write.marker.clone(),
                    });
                }
            }
        }
    }

    /// No record is of no change or of no write, and under `item` no write appears twice. Under the
    /// other policies an item changes with a write that merges into it, and keeps its marker.
    fn find_wrong(&self, violations: &mut Vec<Violation>) {
        let is_whole = self.table.rules.merging == Merging::Item;
        for (name, records) in &self.records {
            let key = self.table.keys.get(name);
            let mut seen = BTreeMap::new();
            for record in records {
                let event = match (&record.old, &record.new) {
                    (None, Some(_)) => "INSERT",
                    (Some(_), Some(_)) => "MODIFY",
                    (Some(_), None) => "REMOVE",
                    (None, None) => NOTHING,
                };
                let is_known = |new: &StreamedImage| key.is_some_and(|key| key.of_marker(&new.marker).is_some());
                let times = record.new.as_ref().map_or(0, |new| {
                    let times = seen.entry(new.marker.as_str()).or_insert(0);
                    *times += 1;
                    *times
                });
                let why = if record.event != event {
                    Some("which is another event")
                } else if record.old == record.new {
                    Some("which changed nothing")
                } else if !record.new.as_ref().is_none_or(is_known) {
                    Some("which no client wrote")
                } else if is_whole && times > 1 {
                    Some("which it had before")
                } else {
                    None
                };
                violations.extend(why.map(|why| Violation::WronglyStreamed {
                    table: self.table.name.to_owned(),
                    region: self.region.to_owned(),
                    key: (*name).to_owned(),
                    event: record.event.clone(),
                    marker: marker(record.new.as_ref()).to_owned(),
                    why,
                }));
            }
        }
    }
}

/// Returns whether a record is of this write. A delete is recognised by the item that it returned;
/// without one, it may be any.
fn is_of(record: &StreamedRecord, asked: &Asked<'_>) -> bool {
    if asked.write.effect == Effect::Delete {
        let old = record.old.as_ref().filter(|_| record.new.is_none());
        let replaced = asked.replaced();
        return old.is_some_and(|old| replaced.is_none_or(|replaced| old.marker == replaced));
    }
    record.new.as_ref().is_some_and(|new| new.marker == asked.write.marker)
}

fn marker(image: Option<&StreamedImage>) -> &str {
    image.map_or(NOTHING, |image| image.marker.as_str())
}
