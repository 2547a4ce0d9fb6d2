//! The first scenario: three regions, a partition and a crash in the middle of a write load, healing, convergence.

use std::{collections::BTreeMap, fmt, time::Duration};

use beringia_node::Tuning;
use beringia_regions::Topology;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Convergence, SimulationError, World, WorldConfig,
    client::Client,
    evidence::gather,
    oracle::{Fate, Violation},
    workload::{KEY, Workload, WorkloadConfig, locked},
};

/// The table that the load writes to.
const TABLE: &str = "load";
/// How often the set-up asks whether replicas are active.
const POLL: Duration = Duration::from_millis(50);
/// How long the set-up waits for that, in virtual time.
const SETUP_PATIENCE: Duration = Duration::from_secs(60);

/// When what happens, in virtual time since the load began.
#[derive(Debug, Clone)]
pub struct PartitionConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Which regions, and what the links between them do.
    pub topology: Topology,
    /// The load.
    pub workload: WorkloadConfig,
    /// The region that is cut off, silently, from all others.
    pub isolated: String,
    /// The region that crashes during the partition, and comes back during it.
    pub crashed: String,
    /// When the partition begins.
    pub partition_at: Duration,
    /// When the region crashes.
    pub crash_at: Duration,
    /// When it is started again.
    pub restart_at: Duration,
    /// When all links are healed.
    pub heal_at: Duration,
    /// When the load ends.
    pub stop_at: Duration,
    /// How long convergence may take after that.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Writes acknowledged, by region.
    pub acknowledged: BTreeMap<String, usize>,
    /// Of those, during the partition.
    pub acknowledged_in_partition: BTreeMap<String, usize>,
    /// Writes whose answer never came, by region.
    pub unknown: BTreeMap<String, usize>,
    /// Entries in the journal of conflicts, by region.
    pub conflicts: BTreeMap<String, usize>,
    /// From the healing to the end of the load; convergence cannot come earlier than the last write's way.
    pub load_after_heal: Duration,
    /// From the end of the load to equal digests.
    pub convergence: Convergence,
    /// Broken promises; empty, or something is wrong with Beringia.
    pub violations: Vec<Violation>,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

impl PartitionConfig {
    /// The scenario with its usual times.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            topology: Topology::three(),
            workload: WorkloadConfig {
                table: TABLE.to_owned(),
                writers: 3,
                keys: 30,
                pause: Duration::from_millis(50),
                delete_percent: 10,
                update_percent: 30,
                filler_bytes: 200,
            },
            isolated: "eu-west-1".to_owned(),
            crashed: "ap-northeast-1".to_owned(),
            partition_at: Duration::from_secs(1),
            // The keepalive notices the partition after four seconds, so later than this crash.
            crash_at: Duration::from_secs(3),
            restart_at: Duration::from_secs(4),
            heal_at: Duration::from_secs(7),
            stop_at: Duration::from_secs(8),
            patience: Duration::from_secs(60),
        }
    }
}

/// Runs the scenario; to be called in virtual time.
///
/// # Errors
/// [`SimulationError`] if the regions do not get ready, or do not converge. What they promised and did not keep is in the report.
pub async fn run(config: &PartitionConfig) -> Result<Report, SimulationError> {
    let tuning = Tuning {
        forget_interval: None,
        ..Tuning::default()
    };
    let topology = config.topology.clone();
    let mut world = World::start(WorldConfig {
        topology,
        seed: config.seed,
        tuning,
    })
    .await?;
    create_table(&world).await?;
    let load = Workload::start(&world, &config.workload)?;

    sleep(config.partition_at).await;
    let before = acknowledged(&world, &load);
    world.network().isolate(&config.isolated)?;
    world.trace.note(format_args!("{} isolated", config.isolated));
    sleep(config.crash_at.saturating_sub(config.partition_at)).await;
    world.crash_region(&config.crashed)?;
    sleep(config.restart_at.saturating_sub(config.crash_at)).await;
    world.start_region(&config.crashed).await?;
    sleep(config.heal_at.saturating_sub(config.restart_at)).await;
    let after = acknowledged(&world, &load);
    world.network().heal_all();
    world.trace.note(format_args!("healed"));
    let load_after_heal = config.stop_at.saturating_sub(config.heal_at);
    sleep(load_after_heal).await;

    let oracle = load.stop().await;
    world.trace.note(format_args!("the load ended"));
    let convergence = world.converged(TABLE, config.patience).await?;
    let evidence = gather(&world, TABLE).await?;
    let oracle = locked(&oracle);
    let count = |fate| {
        world
            .names()
            .into_iter()
            .map(|name| (name.clone(), oracle.count(&name, fate)))
            .collect()
    };
    Ok(Report {
        seed: config.seed,
        acknowledged: count(Fate::Acknowledged),
        acknowledged_in_partition: after
            .into_iter()
            .map(|(name, after)| (name.clone(), after - before[&name]))
            .collect(),
        unknown: count(Fate::Unknown),
        conflicts: evidence
            .journals
            .iter()
            .map(|(name, journal)| (name.clone(), journal.len()))
            .collect(),
        load_after_heal,
        convergence,
        violations: oracle.judge(&evidence),
        trace: world.trace.lines(),
    })
}

fn acknowledged(world: &World, load: &Workload) -> BTreeMap<String, usize> {
    world
        .names()
        .into_iter()
        .map(|name| (name.clone(), load.count(&name, Fate::Acknowledged)))
        .collect()
}

/// Creates the table in the first region, with replicas in all others, and waits until every region takes writes to it.
async fn create_table(world: &World) -> Result<(), SimulationError> {
    let names = world.names();
    let Some((first, others)) = names.split_first() else {
        return Ok(());
    };
    let mut client = world.client(first)?;
    let definition = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    call(&mut client, first, "CreateTable", &definition).await?;
    await_active(world, first, &[]).await?;
    world.trace.note(format_args!("table created in {first}"));
    for other in others {
        let update = json!({ "TableName": TABLE, "ReplicaUpdates": [{ "Create": { "RegionName": other } }] });
        call(&mut client, first, "UpdateTable", &update).await?;
        await_active(world, first, &[other]).await?;
        world.trace.note(format_args!("replica in {other} active"));
    }
    for name in &names {
        await_active(
            world,
            name,
            &names.iter().filter(|other| *other != name).collect::<Vec<_>>(),
        )
        .await?;
    }
    world.trace.note(format_args!("every region knows of all replicas"));
    Ok(())
}

/// Waits until the table is active in `region`, and that region knows of the active replicas.
async fn await_active(world: &World, region: &str, replicas: &[&String]) -> Result<(), SimulationError> {
    let mut client = world.client(region)?;
    let began = world.trace.now_ms();
    loop {
        let described = client.call("DescribeTable", &json!({ "TableName": TABLE })).await;
        if described.as_ref().is_ok_and(|answer| is_active(answer, replicas)) {
            return Ok(());
        }
        let virtual_ms = world.trace.now_ms() - began;
        if u128::from(virtual_ms) > SETUP_PATIENCE.as_millis() {
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

impl fmt::Display for Report {
    /// The trace, then what came of it. It says nothing that depends on anything but the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}", self.seed)?;
        for (region, acknowledged) in &self.acknowledged {
            let in_partition = self.acknowledged_in_partition.get(region).unwrap_or(&0);
            let unknown = self.unknown.get(region).unwrap_or(&0);
            writeln!(
                f,
                "{region}: {acknowledged} writes acknowledged, {in_partition} of them in the partition; {unknown} without an answer"
            )?;
        }
        for (region, conflicts) in &self.conflicts {
            writeln!(f, "{region}: {conflicts} conflicts")?;
        }
        writeln!(f, "converged {} ms after the load ended", self.convergence.elapsed_ms)?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION: {violation}")?;
        }
        Ok(())
    }
}
