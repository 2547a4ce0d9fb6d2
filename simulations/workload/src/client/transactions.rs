//! Transactions of clients: transfers and audits of banks, and transactions on pairs of items.

use std::ops::Range;

use beringia_history::{Effect, READ_MODIFY_WRITE, Seen};
use serde_json::{Value, json};

use super::{Chosen, Client, Done};
use crate::{
    CallError,
    request::{Condition, bytes, seen, unchanged},
    table::Spot,
};

impl Client {
    pub(super) async fn audit(&mut self, region: &str, accounts: Range<u64>) -> Done {
        let spots: Vec<Spot> = accounts
            .map(|number| Spot::of(&self.post.workload.kind, number))
            .collect();
        let done = match self.transact_get(region, &spots).await {
            Ok(reads) => Done::read("TransactGetItems", reads),
            Err(error) => Done::failed("TransactGetItems", &error),
        };
        done.checking(spots.into_iter().map(|spot| spot.text).collect())
    }

    async fn transact_get(&mut self, region: &str, spots: &[Spot]) -> Result<Vec<Seen>, CallError> {
        let get = |spot: &Spot| json!({ "Get": { "TableName": self.table(), "Key": spot.attributes } });
        let parameters = json!({ "TransactItems": spots.iter().map(get).collect::<Vec<_>>() });
        let mut answer = self.call(region, "TransactGetItems", parameters).await?;
        let Value::Array(answers) = answer["Responses"].take() else {
            return Ok(Vec::new());
        };
        let reads = spots.iter().zip(answers);
        Ok(reads
            .map(|(spot, mut answer)| seen(spot.text.clone(), answer["Item"].take(), true))
            .collect())
    }

    /// Reads both items of a pair in a transaction. Then updates one in another, which checks that
    /// both are as they were read.
    pub(super) async fn rewrite_in_pair(&mut self, region: &str, key: Chosen, effect: Effect) -> Done {
        let pair = pair_of(self.number_of(key));
        let [own, other] = pair.map(|number| Spot::of(&self.post.workload.kind, number));
        let seen = match self.transact_get(region, &[own.clone(), other.clone()]).await {
            Ok(seen) => seen,
            Err(error) => {
                let checked = vec![own.text, other.text];
                return Done::failed(READ_MODIFY_WRITE, &error).checking(checked);
            }
        };
        let marker_of = |index: usize| seen.get(index).and_then(|seen: &Seen| seen.marker.clone());
        let check = unchanged(self.table(), &other, marker_of(1));
        let update = self.prepare(own, effect, Condition::Unchanged(marker_of(0)));
        let action = json!({ "Update": update.parameters(self.table()) });
        let parameters = json!({ "TransactItems": [action, { "ConditionCheck": check }] });
        let write = update.write(bytes(&parameters, 1));
        let answer = self.call(region, "TransactWriteItems", parameters).await;
        let mut done = Done::wrote(READ_MODIFY_WRITE, answer.map(|_| ()), vec![write]);
        done.reads = seen;
        done.checking(vec![other.text])
    }

    pub(super) async fn transfer(&mut self, region: &str, from: u64, to: u64, amount: i64) -> Done {
        let updates = [
            (from, Effect::Add(-amount), Condition::AtLeast(amount)),
            (to, Effect::Add(amount), Condition::Always),
        ];
        self.transact(region, updates).await
    }

    /// Updates two keys, given by their numbers, in a transaction.
    pub(super) async fn transact(&mut self, region: &str, updates: [(u64, Effect, Condition); 2]) -> Done {
        let updates = updates.map(|(number, effect, condition)| {
            let spot = Spot::of(&self.post.workload.kind, number);
            self.prepare(spot, effect, condition)
        });
        let parameters = updates.each_ref().map(|update| update.parameters(self.table()));
        let actions = parameters.map(|parameters| json!({ "Update": parameters }));
        let parameters = json!({ "TransactItems": actions });
        let bytes = bytes(&parameters, updates.len());
        let answer = self.call(region, "TransactWriteItems", parameters).await;
        let writes = updates.iter().map(|update| update.write(bytes)).collect();
        Done::wrote("TransactWriteItems", answer.map(|_| ()), writes)
    }
}

/// The key with this number, and the other one of its pair.
pub(super) const fn pair_of(number: u64) -> [u64; 2] {
    [number, number ^ 1]
}
