//! The status of a table's replicas, as regions show it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::Targets;

/// The interval at which regions are asked.
const POLL: Duration = Duration::from_millis(50);

/// Returns the status of each replica of a table, as each of these regions shows it, as soon as all
/// show each other as ACTIVE, or after `patience`.
pub async fn replica_statuses(
    targets: &impl Targets,
    table: &str,
    regions: &BTreeSet<String>,
    patience: Duration,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let began = Instant::now();
    loop {
        let mut shown = BTreeMap::new();
        for region in regions {
            let mut client = targets.target(region);
            let described = client.call("DescribeTable", json!({ "TableName": table })).await;
            shown.insert(region.clone(), statuses_in(&described.unwrap_or_default(), region));
        }
        let is_active = |of: &BTreeMap<String, String>| {
            let mut regions = regions.iter();
            regions.all(|region| of.get(region).is_some_and(|status| status == "ACTIVE"))
        };
        if shown.values().all(is_active) || began.elapsed() > patience {
            return shown;
        }
        sleep(POLL).await;
    }
}

/// The replicas in an answer to `DescribeTable`: each region with the status of its replica.
fn listed_replicas(answer: &Value) -> impl Iterator<Item = (&str, &str)> {
    let replicas = answer["Table"]["Replicas"].as_array().into_iter().flatten();
    replicas.filter_map(|replica| Some((replica["RegionName"].as_str()?, replica["ReplicaStatus"].as_str()?)))
}

/// Returns whether an answer to `DescribeTable` shows the table and these replicas as ACTIVE.
#[must_use]
pub fn is_active_with<S: AsRef<str>>(answer: &Value, replicas: &[S]) -> bool {
    let is_active = |name: &S| listed_replicas(answer).any(|replica| replica == (name.as_ref(), "ACTIVE"));
    answer["Table"]["TableStatus"] == "ACTIVE" && replicas.iter().all(is_active)
}

/// The status of each replica in an answer to `DescribeTable`. The region that answered has the
/// status of the table.
#[must_use]
pub fn statuses_in(answer: &Value, region: &str) -> BTreeMap<String, String> {
    let mut statuses: BTreeMap<String, String> = listed_replicas(answer)
        .map(|(region, status)| (region.to_owned(), status.to_owned()))
        .collect();
    // In a region whose replica is not yet complete, the table is not active either.
    if let Some(own) = answer["Table"]["TableStatus"].as_str()
        && (own != "ACTIVE" || !statuses.contains_key(region))
    {
        statuses.insert(region.to_owned(), own.to_owned());
    }
    statuses
}
