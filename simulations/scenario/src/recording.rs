//! Recorded operations: the form in which a live run is written down, so that it can be played
//! again.
//!
//! A recording is text with one JSON object per line. A line for a table has the parameters of the
//! `CreateTable` that creates it as it was when the recording began, and what it contained then:
//!
//! ```json
//! {"table": {"TableName": "carts", "KeySchema": […], …}, "time_to_live": {…}, "items": [{"id": {"S": "1"}}]}
//! ```
//!
//! `time_to_live` (the parameters of `UpdateTimeToLive`) and `items` may be missing. More items of
//! a table may follow on lines of their own:
//!
//! ```json
//! {"items_of": "carts", "items": [{"id": {"S": "2"}}]}
//! ```
//!
//! Operations come in any order, since each is written down when it is answered:
//!
//! ```json
//! {"at_ms": 1250, "region": "eu-west-1", "operation": "PutItem", "parameters": {"TableName": "carts", "Item": {…}}}
//! ```
//!
//! `at_ms` counts from the beginning of the recording. An operation may have the HTTP `status` with
//! which it was answered then. Other members are for people and are not read.

use std::{sync::Arc, time::Duration};

use beringia_regions::form::line_and_column;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;
use thiserror::Error;

/// What clients of running regions did, read from a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    /// The tables of the recorded operations.
    pub tables: Vec<RecordedTable>,
    /// The operations in the order of their times.
    pub operations: Vec<Arc<Recorded>>,
}

/// A table as it was when a recording began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedTable {
    /// The parameters with which `CreateTable` makes the table again.
    pub table: Value,
    /// The parameters of `UpdateTimeToLive`, if items expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<Value>,
    /// The items that the table contained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
}

/// More items that a table contained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedItems {
    /// The table's name; the table has its own line above.
    pub items_of: String,
    /// The items, in DynamoDB's JSON.
    pub items: Vec<Value>,
}

/// An operation of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was sent, in milliseconds since the recording began.
    pub at_ms: u64,
    /// The region whose endpoint got the request.
    pub region: String,
    /// The name of the API operation, such as `PutItem`.
    pub operation: String,
    /// The parameters of the request.
    pub parameters: Value,
    /// The HTTP status of the recorded answer. It is for people and is ignored when the operation
    /// is played again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A line that is not valid in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} of the recording, column {column}: {problem}")]
pub struct RecordingError {
    /// The line's number, from 1.
    pub line: usize,
    /// The column in characters, from 1; 1 if the whole line is meant.
    pub column: usize,
    /// The error in the line, and the expected form.
    pub problem: String,
}

impl Recording {
    /// Parses the text of a recording.
    ///
    /// # Errors
    /// [`RecordingError`] for the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut recording = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            recording
                .take(line)
                .map_err(|LineError(column, problem)| RecordingError {
                    line: index + 1,
                    column,
                    problem,
                })?;
        }
        recording.operations.sort_by_key(|recorded| recorded.at_ms);
        Ok(recording)
    }

    fn take(&mut self, line: &str) -> Result<(), LineError> {
        let members: Members = read(line, "a line is a table, items of one, or an operation")?;
        if members.table.is_some() {
            let table: RecordedTable = read(line, A_TABLE)?;
            if table.key().and(table.name()).is_none() {
                return Err(LineError(1, A_TABLE.to_owned()));
            }
            expect_objects(&table.items, AN_ITEM)?;
            self.tables.push(table);
        } else if members.items_of.is_some() {
            let more: RecordedItems = read(line, "more items have `items_of`, the table's name, and `items`")?;
            expect_objects(&more.items, AN_ITEM)?;
            let mut tables = self.tables.iter_mut();
            let table = tables.find(|table| table.table["TableName"] == more.items_of);
            let above = || {
                format!(
                    "no line above defines the table {}; expected its line first",
                    more.items_of
                )
            };
            table.ok_or_else(|| LineError(1, above()))?.items.extend(more.items);
        } else {
            let expected = "an operation has `at_ms`, `region`, `operation` and `parameters`";
            let recorded: Recorded = read(line, expected)?;
            expect_objects([&recorded.parameters], "`parameters` is an object")?;
            self.operations.push(Arc::new(recorded));
        }
        Ok(())
    }
}

/// The column of a mistake in a line, and the mistake in words.
struct LineError(usize, String);

const A_TABLE: &str = "`table` needs a `TableName` and a `KeySchema` with a `HASH` key, as in `CreateTable`";
const AN_ITEM: &str = "each of `items` is an object of attributes";

/// Parses a line as one kind of object.
fn read<T: DeserializeOwned>(line: &str, expected: &str) -> Result<T, LineError> {
    serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        // The position is reported separately, as that of one line among many.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&place).unwrap_or(&message);
        let (_, column) = line_and_column(line, error.column().saturating_sub(1));
        LineError(
            column,
            if error.is_data() {
                format!("{message}; {expected}")
            } else {
                format!("not JSON: {message}; expected one object per line")
            },
        )
    })
}

fn expect_objects<'a>(values: impl IntoIterator<Item = &'a Value>, expected: &str) -> Result<(), LineError> {
    match values.into_iter().find(|value| !value.is_object()) {
        None => Ok(()),
        Some(value) => Err(LineError(1, format!("{value} is not an object; {expected}"))),
    }
}

/// The members that distinguish the lines of a recording.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Members {
    table: Option<IgnoredAny>,
    items_of: Option<IgnoredAny>,
    at_ms: Option<Value>,
}

/// When the operation on a line was sent, since the recording began; `None` if the line has none.
pub(crate) fn sent(line: &str) -> Option<Duration> {
    let members: Members = serde_json::from_str(line).ok()?;
    let is_operation = members.table.is_none() && members.items_of.is_none();
    let at_ms = members.at_ms.filter(|_| is_operation)?.as_u64()?;
    Some(Duration::from_millis(at_ms))
}

impl RecordedTable {
    /// The table's name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.table.get("TableName")?.as_str()
    }

    /// The names of the key attributes, partition key first; `None` if the table has no partition
    /// key.
    #[must_use]
    pub fn key(&self) -> Option<Vec<&str>> {
        let schema = self.table.get("KeySchema")?.as_array()?;
        let key = |kind: &str| {
            let part = schema.iter().find(|part| part["KeyType"] == kind)?;
            part["AttributeName"].as_str()
        };
        Some([Some(key("HASH")?), key("RANGE")].into_iter().flatten().collect())
    }
}
