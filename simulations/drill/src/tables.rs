//! Creates the tables of a drill in one region, replicates them to the others, and deletes them.

use std::time::Duration;

use beringia_workload::{CallError, Targets, WorkloadTable, is_active_with, replica_added, replica_removed};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Why a table of a drill could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A region refuses a request, or does not answer.
    #[error("{operation} in {region} failed: {source}{hint}")]
    Call {
        /// The operation of DynamoDB, such as `CreateTable`.
        operation: String,
        /// The region whose endpoint got the request.
        region: String,
        /// The refusal, or why there was no answer.
        source: Box<CallError>,
        /// Advice for the user; empty if there is none.
        hint: &'static str,
    },
    /// A table did not reach the expected state within a minute.
    #[error("{what} in {region} after {} s", PATIENCE.as_secs())]
    Late {
        /// The condition that does not hold, as a sentence.
        what: String,
        /// The region in which it does not hold.
        region: String,
    },
}

/// How often regions are asked for a table's description.
const POLL: Duration = Duration::from_millis(50);
/// How long the drill waits for them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates a table in the first region and replicates it to the others; returns when all accept
/// writes.
pub(crate) async fn create(targets: &impl Targets, definition: &Value, regions: &[String]) -> Result<(), TableError> {
    let Some((first, others)) = regions.split_first() else {
        return Ok(());
    };
    let table = definition["TableName"].as_str().unwrap_or_default();
    call(targets, first, "CreateTable", definition).await?;
    active(targets, table, first, &[]).await?;
    for other in others {
        call(targets, first, "UpdateTable", &replica_added(table, other)).await?;
        active(targets, table, first, std::slice::from_ref(other)).await?;
    }
    for region in regions {
        let others: Vec<String> = regions.iter().filter(|other| *other != region).cloned().collect();
        active(targets, table, region, &others).await?;
    }
    Ok(())
}

/// Limits a table to its throughput, and waits until all regions throttle it.
pub(crate) async fn hold(targets: &impl Targets, table: &WorkloadTable, regions: &[String]) -> Result<(), TableError> {
    let (Some(first), Some(limits)) = (regions.first(), &table.limits) else {
        return Ok(());
    };
    call(targets, first, "UpdateTable", limits).await?;
    let what = format!("the table {} is not limited to its throughput", table.name);
    for region in regions {
        shown(targets, &table.name, region, &what, |answer| table.is_held(answer)).await?;
    }
    Ok(())
}

/// Deletes a table from all regions; the caller reports an error to the user.
pub(crate) async fn delete(targets: &impl Targets, table: &str, regions: &[String]) -> Result<(), TableError> {
    // Replicas may have been added and removed since it was created: a region that still has the
    // table knows which there are.
    let mut found = Ok(None);
    for region in regions {
        found = call(targets, region, "DescribeTable", &json!({ "TableName": table }))
            .await
            .map(|described| Some((region, described)));
        if found.is_ok() {
            break;
        }
    }
    let Some((first, described)) = found? else {
        return Ok(());
    };
    for replica in described["Table"]["Replicas"].as_array().into_iter().flatten() {
        if let Some(other) = replica["RegionName"].as_str().filter(|other| other != first) {
            insist(targets, first, &replica_removed(table, other)).await?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call(targets, first, "DeleteTable", &json!({ "TableName": table })).await {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => sleep(POLL).await,
        }
    }
}

/// Asks a region to change a table, and repeats the request while the table is still changing.
pub(crate) async fn insist(targets: &impl Targets, region: &str, update: &Value) -> Result<(), TableError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match targets.target(region).call("UpdateTable", update.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(failed(region, "UpdateTable", error)),
            Err(_) => sleep(POLL).await,
        }
    }
}

pub(crate) async fn call(
    targets: &impl Targets,
    region: &str,
    operation: &str,
    parameters: &Value,
) -> Result<Value, TableError> {
    let called = targets.target(region).call(operation, parameters.clone()).await;
    called.map_err(|error| failed(region, operation, error))
}

fn failed(region: &str, operation: &str, source: CallError) -> TableError {
    let hint = match &source {
        CallError::Refused { kind, .. } if kind == "ResourceInUseException" => {
            "; it may be left from another drill: delete it first"
        }
        CallError::Refused { kind, .. } if kind == "UnrecognizedClientException" => {
            "; a drill has no access keys: start the regions without --access-key and --credentials"
        }
        _ => "",
    };
    TableError::Call {
        operation: operation.to_owned(),
        region: region.to_owned(),
        source: Box::new(source),
        hint,
    }
}

/// Waits until the table is active in a region, and the region describes `replicas` as active.
async fn active(targets: &impl Targets, table: &str, region: &str, replicas: &[String]) -> Result<(), TableError> {
    let what = format!("the table {table} is not active");
    shown(targets, table, region, &what, |answer| is_active_with(answer, replicas)).await
}

/// Waits until a region's description of a table satisfies `is_so`; `what` is the message if it
/// does not.
async fn shown(
    targets: &impl Targets,
    table: &str,
    region: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<(), TableError> {
    let mut client = targets.target(region);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let described = client.call("DescribeTable", json!({ "TableName": table })).await;
        if described.as_ref().is_ok_and(&is_so) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(TableError::Late {
                what: what.to_owned(),
                region: region.to_owned(),
            });
        }
        sleep(POLL).await;
    }
}
