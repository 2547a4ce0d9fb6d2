//! Recordings of the regions of this process, in the form of the control protocol.

use std::{collections::BTreeSet, sync::Arc};

use beringia_gateway::Gateway;
use beringia_proto::v1::{ControlRecorded, ControlTable};
use futures_util::{Stream, stream};
use serde_json::{Map, Value, json};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};
use tonic::Status;

use crate::{host::Host, tap::Heard};

/// All events from now on.
pub(crate) fn events(host: &Host) -> impl Stream<Item = Result<ControlRecorded, Status>> + Send + use<> {
    let began = Instant::now();
    stream::unfold(
        (host.tap().record(), true),
        move |(mut listener, is_first)| async move {
            if is_first {
                return Some((Ok(ControlRecorded::default()), (listener, false)));
            }
            let heard = next(&mut listener, began).await?;
            Some((Ok(heard), (listener, false)))
        },
    )
}

async fn next(listener: &mut Receiver<Arc<Heard>>, began: Instant) -> Option<ControlRecorded> {
    let mut missed = 0;
    loop {
        match listener.recv().await {
            Ok(heard) => {
                let at = heard.at.saturating_duration_since(began);
                return Some(ControlRecorded {
                    at_us: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
                    missed,
                    what: Some(heard.what.clone()),
                });
            }
            Err(RecvError::Lagged(more)) => missed += more,
            Err(RecvError::Closed) => return None,
        }
    }
}

/// A table, and how far its items have been read.
struct Reading {
    gateway: Arc<Gateway>,
    table: String,
    /// The table's description, sent with the first items.
    head: Option<(Value, Value)>,
    /// The key after which the scan continues; null at the beginning.
    after: Value,
    items_left: u64,
}

/// All tables of the running regions, each from the first region that has it, with at most this
/// many items.
pub(crate) async fn tables(
    host: Arc<Host>,
    items_max: u64,
) -> impl Stream<Item = Result<ControlTable, Status>> + Send + use<> {
    let mut seen = BTreeSet::new();
    let mut readings = Vec::new();
    for region in host.regions() {
        let Some(gateway) = region.with_node(beringia_node::Node::gateway).await else {
            continue;
        };
        for table in names(&gateway).await {
            if !seen.contains(&table)
                && let Some(head) = describe(&gateway, &table).await
            {
                seen.insert(table.clone());
                readings.push(Reading {
                    gateway: Arc::clone(&gateway),
                    table,
                    head: Some(head),
                    after: Value::Null,
                    items_left: items_max,
                });
            }
        }
    }
    readings.reverse();
    stream::unfold(readings, |mut readings| async move {
        let mut reading = readings.pop()?;
        let (message, goes_on) = reading.next().await;
        if goes_on {
            readings.push(reading);
        }
        Some((message, readings))
    })
}

/// The region's answer, or its exception.
async fn ask(gateway: &Gateway, operation: &str, parameters: Value) -> Result<Value, Value> {
    let parameters = match parameters {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    };
    let answer = gateway.ask(operation, parameters).await;
    let body = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() {
        Ok(body)
    } else {
        Err(body)
    }
}

async fn names(gateway: &Gateway) -> Vec<String> {
    let mut names = Vec::new();
    let mut after = Value::Null;
    loop {
        let request = match &after {
            Value::Null => json!({}),
            last => json!({"ExclusiveStartTableName": last}),
        };
        let Ok(answer) = ask(gateway, "ListTables", request).await else {
            return names;
        };
        let page = answer["TableNames"].as_array().into_iter().flatten();
        names.extend(page.filter_map(|name| name.as_str().map(str::to_owned)));
        after = answer["LastEvaluatedTableName"].clone();
        if after.is_null() {
            return names;
        }
    }
}

/// The description of a table, if the table can be read here.
async fn describe(gateway: &Gateway, table: &str) -> Option<(Value, Value)> {
    let request = || json!({"TableName": table});
    let description = ask(gateway, "DescribeTable", request()).await.ok()?["Table"].take();
    let time_to_live = ask(gateway, "DescribeTimeToLive", request()).await.ok()?;
    (description["TableStatus"] == "ACTIVE").then_some((description, time_to_live))
}

impl Reading {
    /// The next message, and whether there are more.
    async fn next(&mut self) -> (Result<ControlTable, Status>, bool) {
        let mut message = ControlTable {
            table: self.table.clone(),
            ..ControlTable::default()
        };
        if let Some((description, time_to_live)) = self.head.take() {
            message.description_json = description.to_string();
            message.time_to_live_json = time_to_live.to_string();
        }
        if self.items_left == 0 {
            return (Ok(message), false);
        }
        let mut request = json!({"TableName": self.table, "ConsistentRead": true, "Limit": self.items_left.min(1000)});
        if !self.after.is_null() {
            request["ExclusiveStartKey"] = self.after.take();
        }
        let mut page = match ask(&self.gateway, "Scan", request).await {
            Ok(page) => page,
            Err(error) => {
                return (
                    Err(Status::aborted(format!("{} cannot be read: {error}", self.table))),
                    false,
                );
            }
        };
        let items = page["Items"].as_array().into_iter().flatten();
        message.items_json = items.map(Value::to_string).collect();
        self.items_left -= (message.items_json.len() as u64).min(self.items_left);
        self.after = page["LastEvaluatedKey"].take();
        let has_more = !self.after.is_null();
        message.has_more = has_more && self.items_left == 0;
        (Ok(message), has_more && self.items_left > 0)
    }
}
