//! Reads of clients: of an item, of a range of items, and by an index.

use beringia_clock::Randomness;
use beringia_history::{KEY, SORT_KEY, Seen};
use serde_json::{Value, json};

use super::{Chosen, Client, Done, user};
use crate::{
    CallError,
    request::seen,
    table::{BY_USER, Spot, USER, has_sort_key, partition},
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
        let answer = self.call(region, "GetItem", parameters).await?;
        Ok(seen(spot.text.clone(), answer.get("Item"), is_consistent))
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
        self.query(region, parameters).await
    }

    pub(super) async fn of_user(&mut self, region: &str, key: Chosen) -> Done {
        let parameters = json!({
            "TableName": self.table(),
            "IndexName": BY_USER,
            "KeyConditionExpression": "#user = :user",
            "ExpressionAttributeNames": { "#user": USER },
            "ExpressionAttributeValues": { ":user": { "S": user(self.number_of(key)) } },
        });
        self.query(region, parameters).await
    }

    /// Draws whether the next read is a consistent one.
    fn is_consistent(&self) -> bool {
        self.consistency.below(100) < u64::from(self.post.workload.consistent_percent)
    }

    async fn query(&mut self, region: &str, parameters: Value) -> Done {
        let is_consistent = parameters["ConsistentRead"] == true;
        let answer = match self.call(region, "Query", parameters).await {
            Ok(answer) => answer,
            Err(error) => return Done::failed("Query", &error),
        };
        let has_sort_key = has_sort_key(&self.post.workload.kind);
        let items = answer["Items"].as_array().into_iter().flatten();
        let reads = items.map(|item| {
            let partition = item[KEY]["S"].as_str().unwrap_or_default();
            let key = if has_sort_key {
                format!("{partition}/{}", item[SORT_KEY]["N"].as_str().unwrap_or_default())
            } else {
                partition.to_owned()
            };
            seen(key, Some(item), is_consistent)
        });
        Done::read("Query", reads.collect())
    }
}
