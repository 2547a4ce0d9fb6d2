//! The tables of a run: they are created in one region, then replicated to the others, before the
//! load and during it.

use std::time::Duration;

use beringia_history::FailureCause;
use beringia_workload::{CallError, Target, Targets, WorkloadTable, is_active_with, replica_added};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Cluster, SimulationError};

/// The interval at which replicas are asked whether they are active.
const POLL: Duration = Duration::from_millis(50);
/// How long to wait for replicas, in virtual time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates a table in the first of `replicas`, adds the others, and waits until every one of them
/// takes writes to it.
pub(crate) async fn create(cluster: &Cluster, definition: &Value, replicas: &[String]) -> Result<(), SimulationError> {
    let Some((first, others)) = replicas.split_first() else {
        return Ok(());
    };
    let table = definition["TableName"].as_str().unwrap_or_default();
    let targets = cluster.clients();
    let mut client = targets.target(first);
    call(&mut *client, first, "CreateTable", definition).await?;
    await_active(targets, table, first, &[]).await?;
    for other in others {
        call(&mut *client, first, "UpdateTable", &replica_added(table, other)).await?;
        await_active(targets, table, first, &[other]).await?;
    }
    for name in replicas {
        let others: Vec<&String> = replicas.iter().filter(|other| *other != name).collect();
        await_active(targets, table, name, &others).await?;
    }
    cluster
        .trace
        .note(format_args!("table {table} is active in {}", replicas.join(", ")));
    Ok(())
}

/// Sets a table's throughput in all these regions.
pub(crate) async fn hold(cluster: &Cluster, replicas: &[String], table: &WorkloadTable) -> Result<(), SimulationError> {
    let (Some(first), Some(limits)) = (replicas.first(), &table.limits) else {
        return Ok(());
    };
    set(cluster, first, "UpdateTable", limits).await?;
    let began = Instant::now();
    for region in replicas {
        let mut client = cluster.clients().target(region);
        loop {
            let described = client.call("DescribeTable", json!({ "TableName": table.name })).await;
            if described.is_ok_and(|answer| table.is_held(&answer)) {
                break;
            }
            if began.elapsed() > PATIENCE {
                let what = format!("{region} does not show the throughput of the table {}", table.name);
                let virtual_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(SimulationError::TimedOut { what, virtual_ms });
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// Sends a request for a setting of a table to one region.
pub(crate) async fn set(
    cluster: &Cluster,
    region: &str,
    operation: &'static str,
    parameters: &Value,
) -> Result<(), SimulationError> {
    let mut client = cluster.clients().target(region);
    call(&mut *client, region, operation, parameters).await.map(drop)
}

/// The result of a change that regions were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeOutcome {
    /// This region accepted the change.
    AcceptedBy(String),
    /// No region accepted the change, but one did not answer, so the change may have been made.
    Unknown,
    /// No region accepted the change; holds the error of the last one.
    NotAccepted(CallError),
}

/// Asks one region after another for a change of a table until one accepts it, in the background of
/// a run.
pub(crate) async fn insist(targets: impl Targets, regions: Vec<String>, update: Value) -> ChangeOutcome {
    let until = Instant::now() + PATIENCE;
    let mut outcome = ChangeOutcome::NotAccepted(CallError::Unreachable(
        FailureCause::NotSent,
        "no region was asked".to_owned(),
    ));
    while Instant::now() < until {
        for region in &regions {
            outcome = match (
                targets.target(region).call("UpdateTable", update.clone()).await,
                outcome,
            ) {
                (Ok(_), _) => return ChangeOutcome::AcceptedBy(region.clone()),
                (Err(CallError::Unknown(..)), _) | (_, ChangeOutcome::Unknown) => ChangeOutcome::Unknown,
                (Err(error), _) => ChangeOutcome::NotAccepted(error),
            };
        }
        sleep(POLL).await;
    }
    outcome
}

/// Waits until the table is active in `region`, and that region sees the active replicas.
async fn await_active(
    targets: &impl Targets,
    table: &str,
    region: &str,
    replicas: &[&String],
) -> Result<(), SimulationError> {
    let mut client = targets.target(region);
    let began = Instant::now();
    loop {
        let described = client.call("DescribeTable", json!({ "TableName": table })).await;
        if described.as_ref().is_ok_and(|answer| is_active_with(answer, replicas)) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let what = format!(
                "the table {table} is not active in {region} with {replicas:?}; DescribeTable returned {described:?}"
            );
            let virtual_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Err(SimulationError::TimedOut { what, virtual_ms });
        }
        sleep(POLL).await;
    }
}

async fn call(
    client: &mut dyn Target,
    region: &str,
    operation: &'static str,
    parameters: &Value,
) -> Result<Value, SimulationError> {
    let called = client.call(operation, parameters.clone()).await;
    called.map_err(|source| SimulationError::Call {
        region: region.to_owned(),
        operation,
        source: Box::new(source),
    })
}
