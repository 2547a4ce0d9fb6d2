//! Reads of clients: of an item, of a range of items, and by an index.

use std::collections::BTreeSet;

use beringia_clock::Randomness;
use beringia_history::{KEY, SORT_KEY, Seen};
use serde_json::{Value, json};

use super::{Chosen, Client, Done, user};
use crate::{
    CallError,
    request::seen,
    table::{BY_USER, Spot, USER, has_sort_key, last_of_partition, partition},
};

impl Client {
    pub(super) async fn read(&mut self, region: &str, key: Chosen) -> Done {
        let spot = self.spot(key);
        match self.get(region, &spot).await {
            Ok(seen) => Done::read("GetItem", vec![seen]),
            Err(error) => Done::failed("GetItem", &error),
        }
    }

    pub(super) async fn get(&mut self, region: &str, spot: &Spot) -> Result<Seen, CallError> {
        let is_consistent = self.is_consistent();
        let parameters = json!({
            "TableName": self.table(),
            "Key": spot.attributes,
            "ConsistentRead": is_consistent,
        });
        let mut answer = self.call(region, "GetItem", parameters).await?;
        Ok(seen(spot.text.clone(), answer["Item"].take(), is_consistent))
    }

    pub(super) async fn scan(&mut self, region: &str, from: Chosen, limit: u64) -> Done {
        let from = self.number_of(from);
        let is_consistent = self.is_consistent();
        let parameters = json!({
            "TableName": self.table(),
            "KeyConditionExpression": "#pk = :pk AND #sk >= :from",
            "ExpressionAttributeNames": { "#pk": KEY, "#sk": SORT_KEY },
            "ExpressionAttributeValues": {
                ":pk": { "S": partition(&self.post.workload.kind, from) },
                ":from": { "N": from.to_string() },
            },
            "Limit": limit,
            "ConsistentRead": is_consistent,
        });
        let answer = match self.call(region, "Query", parameters).await {
            Ok(answer) => answer,
            Err(error) => return Done::failed("Query", &error),
        };
        let absent = self.absent(&answer, from, is_consistent);
        let mut reads = self.items(answer, is_consistent);
        reads.extend(absent);
        Done::read("Query", reads)
    }

    /// The keys that the answer to a scan passed over, as reads of no item: those up to the last
    /// key of the answer or, if nothing is left behind it, up to the partition's end.
    fn absent(&self, answer: &Value, from: u64, is_consistent: bool) -> Vec<Seen> {
        let kind = &self.post.workload.kind;
        let number = |key: &Value| key[SORT_KEY]["N"].as_str()?.parse::<u64>().ok();
        let items = answer["Items"].as_array().into_iter().flatten();
        let returned: BTreeSet<u64> = items.filter_map(number).collect();
        let last = match number(&answer["LastEvaluatedKey"]) {
            Some(last) => last,
            None => last_of_partition(from).min(self.last_number()),
        };
        let absent = (from..=last).filter(|number| !returned.contains(number));
        let key = |number| Spot::of(kind, number).text;
        absent
            .map(|number| seen(key(number), Value::Null, is_consistent))
            .collect()
    }

    /// The greatest number of a key that was written.
    fn last_number(&self) -> u64 {
        let inserted = self.post.inserted.0.lock().last().copied();
        inserted.unwrap_or(0).max(self.post.workload.keys.saturating_sub(1))
    }

    pub(super) async fn of_user(&mut self, region: &str, key: Chosen) -> Done {
        let parameters = json!({
            "TableName": self.table(),
            "IndexName": BY_USER,
            "KeyConditionExpression": "#user = :user",
            "ExpressionAttributeNames": { "#user": USER },
            "ExpressionAttributeValues": { ":user": { "S": user(self.number_of(key)) } },
        });
        match self.call(region, "Query", parameters).await {
            Ok(answer) => Done::read("Query", self.items(answer, false)),
            Err(error) => Done::failed("Query", &error),
        }
    }

    /// Draws whether the next read is a consistent one.
    fn is_consistent(&self) -> bool {
        self.consistency.below(100) < u64::from(self.post.workload.consistent_percent)
    }

    /// The items that an answer shows.
    fn items(&self, mut answer: Value, is_consistent: bool) -> Vec<Seen> {
        let has_sort_key = has_sort_key(&self.post.workload.kind);
        let Value::Array(items) = answer["Items"].take() else {
            return Vec::new();
        };
        let reads = items.into_iter().map(|item| {
            let partition = item[KEY]["S"].as_str().unwrap_or_default();
            let key = if has_sort_key {
                format!("{partition}/{}", item[SORT_KEY]["N"].as_str().unwrap_or_default())
            } else {
                partition.to_owned()
            };
            seen(key, item, is_consistent)
        });
        reads.collect()
    }
}
