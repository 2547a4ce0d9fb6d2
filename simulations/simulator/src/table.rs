//! The set-up of a run: a table with a replica in every region.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{SimulationError, World, client::Client, workload::KEY};

/// How often the set-up asks whether replicas are active.
const POLL: Duration = Duration::from_millis(50);
/// How long the set-up waits for that, in virtual time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates the table in the first region, with replicas in all others, and waits until every region takes writes to it.
pub(crate) async fn create(world: &World, table: &str) -> Result<(), SimulationError> {
    let names = world.names();
    let Some((first, others)) = names.split_first() else {
        return Ok(());
    };
    let mut client = world.client(first)?;
    let definition = json!({
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    call(&mut client, first, "CreateTable", &definition).await?;
    await_active(world, table, first, &[]).await?;
    world.trace.note(format_args!("table created in {first}"));
    for other in others {
        let update = json!({ "TableName": table, "ReplicaUpdates": [{ "Create": { "RegionName": other } }] });
        call(&mut client, first, "UpdateTable", &update).await?;
        await_active(world, table, first, &[other]).await?;
        world.trace.note(format_args!("replica in {other} active"));
    }
    for name in &names {
        await_active(
            world,
            table,
            name,
            &names.iter().filter(|other| *other != name).collect::<Vec<_>>(),
        )
        .await?;
    }
    world.trace.note(format_args!("every region knows of all replicas"));
    Ok(())
}

/// Waits until the table is active in `region`, and that region knows of the active replicas.
async fn await_active(world: &World, table: &str, region: &str, replicas: &[&String]) -> Result<(), SimulationError> {
    let mut client = world.client(region)?;
    let began = world.trace.now_ms();
    loop {
        let described = client.call("DescribeTable", &json!({ "TableName": table })).await;
        if described.as_ref().is_ok_and(|answer| is_active(answer, replicas)) {
            return Ok(());
        }
        let virtual_ms = world.trace.now_ms() - began;
        if u128::from(virtual_ms) > PATIENCE.as_millis() {
            let what = format!("the table is not active in {region} with {replicas:?}; it says {described:?}");
            return Err(SimulationError::TimedOut { what, virtual_ms });
        }
        sleep(POLL).await;
    }
}

fn is_active(answer: &Value, replicas: &[&String]) -> bool {
    let table = &answer["Table"];
    let is_active = |name: &&String| {
        let listed = table["Replicas"].as_array().into_iter().flatten();
        listed
            .filter(|replica| replica["RegionName"] == name.as_str())
            .any(|replica| replica["ReplicaStatus"] == "ACTIVE")
    };
    table["TableStatus"] == "ACTIVE" && replicas.iter().all(is_active)
}

async fn call(
    client: &mut Client,
    region: &str,
    operation: &'static str,
    parameters: &Value,
) -> Result<Value, SimulationError> {
    let called = client.call(operation, parameters).await;
    called.map_err(|source| SimulationError::Call {
        region: region.to_owned(),
        operation,
        source,
    })
}
