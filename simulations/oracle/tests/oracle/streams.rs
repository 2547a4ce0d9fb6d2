//! DynamoDB streams: every change of an item once, in order, with the image before.

use beringia_history::{Merging, StreamedImage, StreamedRecord, VersionedItem};
use beringia_oracle::Violation;

use crate::case::{Case, TABLE, content, item, put, tombstone, version};

/// The item that a write left in these cases.
fn image(marker: &str) -> StreamedImage {
    StreamedImage {
        marker: marker.to_owned(),
        hash: content(marker).image_hash,
    }
}

/// A record of `k`, from one write to another.
fn record(old: Option<&str>, new: Option<&str>) -> StreamedRecord {
    let event = match (old, new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    StreamedRecord {
        key: "k".to_owned(),
        event: event.to_owned(),
        old: old.map(image),
        new: new.map(image),
    }
}

/// Region `a` put `a/1`, then `a/2`, and its stream has these records.
fn judged_under(merging: Merging, records: Vec<StreamedRecord>) -> Vec<Violation> {
    let (first, second) = (item("a/1", 1, "a"), item("a/2", 2, "a"));
    let mut case = Case::new(merging);
    case.reported("a", "a/1", put(), 10).reported("a", "a/2", put(), 20);
    case.logged(&first).logged(&second).both_hold(&second);
    case.evidence.streams.entry("a".to_owned()).or_default().records = records;
    case.violations()
}

fn judged(records: Vec<StreamedRecord>) -> Vec<Violation> {
    judged_under(Merging::Item, records)
}

fn gap(found: &str, expected: &str) -> Violation {
    Violation::StreamGap {
        table: TABLE.to_owned(),
        region: "a".to_owned(),
        key: "k".to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

fn missing(marker: &str) -> Violation {
    Violation::NotStreamed {
        table: TABLE.to_owned(),
        region: "a".to_owned(),
        key: "k".to_owned(),
        marker: marker.to_owned(),
    }
}

fn wrong(event: &str, marker: &str, why: &'static str) -> Violation {
    Violation::WronglyStreamed {
        table: TABLE.to_owned(),
        region: "a".to_owned(),
        key: "k".to_owned(),
        event: event.to_owned(),
        marker: marker.to_owned(),
        why,
    }
}

#[test]
fn a_stream_has_every_change_in_order() {
    let first = record(None, Some("a/1"));
    let second = record(Some("a/1"), Some("a/2"));
    assert_eq!(judged(vec![first.clone(), second.clone()]), []);
    assert_eq!(judged(vec![second.clone()]), [gap("nothing", "a/1"), missing("a/1")]);
    assert_eq!(judged(vec![first.clone()]), [gap("a/1", "a/2"), missing("a/2")]);
    assert_eq!(
        judged(vec![second, first]),
        [gap("nothing", "a/1"), gap("a/2", "nothing"), gap("a/1", "a/2")]
    );
    assert_eq!(
        judged(Vec::new()),
        [gap("nothing", "a/2"), missing("a/1"), missing("a/2")]
    );
}

#[test]
fn a_stream_has_nothing_but_changes_of_clients() {
    let both = || vec![record(None, Some("a/1")), record(Some("a/1"), Some("a/2"))];
    let with = |record: StreamedRecord| [both(), vec![record]].concat();
    assert_eq!(
        judged(with(record(Some("a/2"), Some("a/2")))),
        [wrong("MODIFY", "a/2", "which changed nothing")]
    );
    let there_and_back = [
        both(),
        vec![record(Some("a/2"), Some("x")), record(Some("x"), Some("a/2"))],
    ]
    .concat();
    assert_eq!(
        judged(there_and_back.clone()),
        [
            wrong("MODIFY", "x", "which no client wrote"),
            wrong("MODIFY", "a/2", "which it had before")
        ]
    );
    assert_eq!(
        judged_under(Merging::Merge, there_and_back),
        [wrong("MODIFY", "x", "which no client wrote")],
        "an item that merges keeps its marker"
    );
    let mut renamed = both();
    renamed[1].event = "INSERT".to_owned();
    assert_eq!(judged(renamed), [wrong("INSERT", "a/2", "which is another event")]);
}

/// The answer of the delete has the item that it removed.
#[test]
fn a_stream_has_acknowledged_deletes() {
    let judged = |records: Vec<StreamedRecord>| {
        let (first, second) = (item("a/1", 1, "a"), tombstone(2, "a"));
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10)
            .reported_delete("a", "a/2", "a/1", 20);
        case.logged(&first).logged(&second).both_hold(&second);
        case.evidence.streams.entry("a".to_owned()).or_default().records = records;
        case.violations()
    };
    let (first, removed) = (record(None, Some("a/1")), record(Some("a/1"), None));
    assert_eq!(judged(vec![first.clone(), removed]), []);
    assert_eq!(judged(vec![first]), [gap("a/1", "nothing"), missing("a/2")]);
}

/// The item was there when the rows were read, and expired before the stream was.
#[test]
fn an_item_may_expire_after_the_rows_were_read() {
    let judged = |expires_s: Option<u64>| {
        let mut content = content("a/1");
        content.expires_s = expires_s;
        let first = VersionedItem {
            version: version(1, "a"),
            content: Some(content),
        };
        let mut case = Case::new(Merging::Item);
        case.reported("a", "a/1", put(), 10);
        case.history.operations[0].writes[0].expires_s = expires_s;
        case.logged(&first).both_hold(&first);
        let records = vec![record(None, Some("a/1")), record(Some("a/1"), None)];
        case.evidence.streams.entry("a".to_owned()).or_default().records = records;
        case.violations()
    };
    assert_eq!(judged(Some(5)), []);
    assert_eq!(judged(None), [gap("nothing", "a/1")]);
}

#[test]
fn a_refused_reader_of_a_stream_is_reported() {
    let mut case = Case::new(Merging::Item);
    let stream = case.evidence.streams.entry("b".to_owned()).or_default();
    stream.refusals.push("ResourceNotFoundException".to_owned());
    let refused = Violation::StreamRefused {
        table: TABLE.to_owned(),
        region: "b".to_owned(),
        refusal: "ResourceNotFoundException".to_owned(),
    };
    assert_eq!(case.violations(), [refused]);
}
