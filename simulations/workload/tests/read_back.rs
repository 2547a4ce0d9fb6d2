//! Reading a table back: which wrong answers are found, by which read.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{convert::Infallible, sync::Arc};

use async_trait::async_trait;
use beringia_history::{Misread, MisreadKind};
use beringia_item::{Item, item_from_json};
use beringia_workload::{CallError, HeldItems, HeldRows, Target, Targets, read_back};
use serde_json::{Value, json};

/// How a region answers a read: by the operation, with its index if it has one.
type Answers = Arc<dyn Fn(&str) -> Option<Vec<Value>> + Send + Sync>;

/// Regions with the table `t` of the items `a` (with the key of the index `by-n`) and `b`, that
/// answer reads as `answers` says, or rightly.
#[derive(Clone)]
struct Regions {
    answers: Answers,
    /// The status of the index in each region; without one, the region does not have it.
    index: [Option<&'static str>; 2],
    /// The number of the region that is called.
    called: usize,
}

fn a() -> Value {
    json!({ "pk": { "S": "a" }, "n": { "N": "1" }, "text": { "S": "x" } })
}

fn b() -> Value {
    json!({ "pk": { "S": "b" } })
}

/// What the index has of `a`.
fn entry() -> Value {
    json!({ "pk": { "S": "a" }, "n": { "N": "1" } })
}

#[async_trait]
impl Target for Regions {
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, CallError> {
        let index = parameters["IndexName"].as_str();
        let read = index.map_or_else(|| operation.to_owned(), |index| format!("{operation} of {index}"));
        let wanted = match operation {
            "GetItem" => parameters["Key"]["pk"]["S"].clone(),
            _ => parameters["ExpressionAttributeValues"][":p0"]["S"].clone(),
        };
        let right = match (read.as_str(), wanted.as_str()) {
            ("Scan of by-n" | "Query of by-n", _) => vec![entry()],
            ("Scan", _) => vec![a(), b()],
            (_, Some("a")) => vec![a()],
            (_, Some("b")) => vec![b()],
            _ => Vec::new(),
        };
        let items = (self.answers)(&read).unwrap_or(right);
        let index = |status: &str| {
            json!({
                "IndexName": "by-n", "IndexStatus": status,
                "KeySchema": [{ "AttributeName": "n", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            })
        };
        let indexes: Vec<Value> = self.index[self.called].into_iter().map(index).collect();
        Ok(match operation {
            "DescribeTable" => json!({ "Table": {
                "AttributeDefinitions": [
                    { "AttributeName": "pk", "AttributeType": "S" },
                    { "AttributeName": "n", "AttributeType": "N" },
                ],
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "GlobalSecondaryIndexes": indexes,
            }}),
            "GetItem" => json!({ "Item": items.first() }),
            _ => json!({ "Items": items }),
        })
    }
}

impl Targets for Regions {
    fn target(&self, region: &str) -> Box<dyn Target> {
        let called = usize::from(region == "r2");
        Box::new(Self { called, ..self.clone() })
    }
}

/// The rows of every region: `a`, `b`, and a tombstone under `c`.
struct Rows;

fn item(value: Value) -> Item {
    item_from_json(value).expect("an item")
}

#[async_trait]
impl HeldRows for Rows {
    type Error = Infallible;

    async fn digest(&self, _region: &str) -> Result<String, Infallible> {
        Ok("same".to_owned())
    }

    async fn items(&self, _region: &str) -> Result<HeldItems, Infallible> {
        let row = |key: &str, held: Option<Value>| {
            let attributes = item(json!({ "pk": { "S": key } }));
            (key.to_owned(), (attributes, held.map(item)))
        };
        Ok([row("a", Some(a())), row("b", Some(b())), row("c", None)].into())
    }
}

/// The wrong answers of two regions, where `read` returns `items`: operation, key and kind.
async fn found(read: &'static str, items: Vec<Value>) -> Vec<(String, String, MisreadKind)> {
    let answers: Answers = Arc::new(move |asked| (asked == read).then(|| items.clone()));
    let misreads = misreads([Some("ACTIVE"); 2], answers).await.into_iter();
    misreads.map(|Misread { by, key, kind, .. }| (by, key, kind)).collect()
}

/// The wrong answers of two regions with the index in these states.
async fn misreads(index: [Option<&'static str>; 2], answers: Answers) -> Vec<Misread> {
    let regions = Regions {
        answers,
        index,
        called: 0,
    };
    let holders = ["r1".to_owned(), "r2".to_owned()];
    let misreads = read_back(&regions, "t", &holders, &Rows).await;
    misreads.expect("rows without errors")
}

fn misread(by: &str, key: &str, kind: MisreadKind) -> (String, String, MisreadKind) {
    (by.to_owned(), key.to_owned(), kind)
}

#[tokio::test(start_paused = true)]
async fn right_answers_are_not_reported() {
    assert_eq!(found("no read", Vec::new()).await, []);
}

/// Keys and partitions take turns between the two regions, so each is missed once.
#[tokio::test(start_paused = true)]
async fn items_that_a_read_omits_are_missing() {
    for read in ["GetItem", "Query"] {
        let mut missing = found(read, Vec::new()).await;
        missing.sort_by(|one, other| one.1.cmp(&other.1));
        let expected = ["a", "b"].map(|key| misread(read, key, MisreadKind::Missing));
        assert_eq!(missing, expected, "a tombstone is not an item");
    }
}

/// The indexes of both regions are scanned, and asked again until it is certain that they do not
/// catch up. One region scans the table.
#[tokio::test(start_paused = true)]
async fn indexes_are_compared_in_every_region() {
    let missing = misread("Scan of by-n", "a", MisreadKind::Missing);
    assert_eq!(found("Scan of by-n", Vec::new()).await, [missing.clone(), missing]);
    let superfluous = misread("Scan of by-n", "b", MisreadKind::Superfluous);
    let both = vec![entry(), b()];
    assert_eq!(found("Scan of by-n", both).await, [superfluous.clone(), superfluous]);
    let whole = misread("Scan of by-n", "a", MisreadKind::Different);
    let not_projected = found("Scan of by-n", vec![a()]).await;
    assert_eq!(not_projected, [whole.clone(), whole]);
    let of_partition = misread("Query of by-n", "a", MisreadKind::Missing);
    assert_eq!(
        found("Query of by-n", Vec::new()).await,
        [of_partition],
        "in one region"
    );
    let repeated = misread("Scan", "b", MisreadKind::Repeated);
    let twice = found("Scan", vec![a(), b(), b()]).await;
    assert_eq!(twice, [repeated]);
}

/// Each region must have the index, and be able to read it.
#[tokio::test(start_paused = true)]
async fn indexes_that_cannot_be_read_are_reported() {
    for (status, says) in [
        (Some("CREATING"), "the index is not ACTIVE"),
        (None, "DescribeTable does not show the index"),
    ] {
        let found = misreads([Some("ACTIVE"), status], Arc::new(|_| None)).await;
        let refused = MisreadKind::Refused(says.to_owned());
        assert!(
            matches!(&found[..], [Misread { region, by, kind, .. }]
                if region == "r2" && by == "Scan of by-n" && *kind == refused),
            "{status:?}: {found:?}"
        );
    }
    assert_eq!(misreads([None, None], Arc::new(|_| None)).await, []);
}
