//! `record`: writes down what clients do and what happens to the network of running regions, as a scenario.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use beringia_proto::v1::{
    ControlDigestsRequest, ControlRecordRequest, ControlRecorded, ControlStatusRequest, ControlTable,
    ControlTablesRequest, LinkReport, control_recorded::What,
};
use beringia_regions::Topology;
use beringia_scenario::{
    Action, Event, Expectations, KeyChoice, Kind, Policy, Scenario, Span, What as Happening, When, Workload,
};
use beringia_workload::{Recorded, RecordedTable, Recording};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::recorded_events::{Links, initial};
use crate::{
    arguments::RecordArguments,
    control::fleet::{Client, Fleet},
    failure::Failure,
    output::{self, Format},
};

/// The shortest scenario.
const DURATION_MIN: Duration = Duration::from_secs(1);

/// What was recorded, as programs read it.
#[derive(Debug, Serialize)]
struct RecordedJson<'a> {
    file: String,
    duration_ms: u64,
    operations: usize,
    tables: Vec<&'a str>,
    events: usize,
    /// What came faster than it could be written down, and is not there.
    missed: u64,
}

/// Everything that was heard.
#[derive(Default)]
struct Heard {
    /// With the time since the recording began.
    operations: Vec<Recorded>,
    happened: Vec<(Duration, What)>,
    missed: u64,
}

/// Records until the time is over or the user ends it, and writes the scenario.
pub(crate) async fn run(arguments: &RecordArguments, format: Format) -> Result<(), Failure> {
    let path = &arguments.out;
    // Before anything is recorded: whether there is room for it.
    let mut file =
        File::create_new(path).map_err(|error| Failure::wrong(format!("cannot write {}: {error}", path.display())))?;
    let recorded = record(arguments).await;
    let (scenario, missed) = recorded.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    let unwritten = |error| Failure::wrong(format!("cannot write {}: {error}", path.display()));
    file.write_all(scenario.to_toml().as_bytes()).map_err(unwritten)?;
    say(path, &scenario, missed, format)
}

async fn record(arguments: &RecordArguments) -> Result<(Scenario, u64), Failure> {
    let fleet = Fleet::connect(&arguments.control).await?;
    let names = fleet.topology();
    let mut listening = Vec::new();
    let begun = Instant::now();
    for mut client in fleet.clients() {
        let mut events = client.record(ControlRecordRequest {}).await?.into_inner();
        // From the first message on all is told.
        events.message().await?;
        listening.push((begun.elapsed(), events));
    }
    let status = fleet
        .ask(|mut client| async move { client.status(ControlStatusRequest {}).await })
        .await?
        .replies;
    let links: Vec<LinkReport> = status.iter().flat_map(|reply| reply.links.clone()).collect();
    let regions: Vec<_> = status.into_iter().flat_map(|reply| reply.regions).collect();
    let mut tables = tables(&fleet, arguments.items).await?;
    let heard = listen(listening, begun, arguments.duration).await?;
    let lasted = begun.elapsed();
    // Those that appeared meanwhile.
    let known: BTreeSet<String> = tables.iter().map(|(name, _)| name.clone()).collect();
    let later = self::tables(&fleet, 0).await?;
    tables.extend(later.into_iter().filter(|(name, _)| !known.contains(name)));

    let topology = topology(&names, &links)?;
    let mut events = initial(&links, &regions);
    let mut now = Links::of(links);
    for (at, what) in heard.happened {
        if let What::Pause(pause) = &what
            && tables.len() > 1
        {
            output::note(&format!(
                "the pause of {} in {} becomes one of all tables: a scenario has no other",
                pause.table, pause.region
            ));
        }
        events.extend(now.action(what).map(|action| (at, action)));
    }
    let mut scenario = scenario(&arguments.out, topology, &tables, heard.operations, lasted);
    scenario.policy = policy(&fleet, &tables).await?;
    Ok((with_events(scenario, events, &arguments.out)?, heard.missed))
}

/// Takes in all that is told until the time is over or the user ends it.
async fn listen(
    streams: Vec<(Duration, tonic::Streaming<ControlRecorded>)>,
    begun: Instant,
    duration: Option<Duration>,
) -> Result<Heard, Failure> {
    let progress = output::progress_bar();
    progress.enable_steady_tick(Duration::from_millis(100));
    let ends = async {
        match duration {
            Some(duration) => tokio::time::sleep_until(begun + duration).await,
            None => std::future::pending().await,
        }
    };
    let mut ends = std::pin::pin!(ends);
    let mut user = std::pin::pin!(tokio::signal::ctrl_c());
    let told = streams
        .into_iter()
        .map(|(offset, events)| events.map(move |message| (offset, message)));
    let mut told = stream::select_all(told);
    let mut heard = Heard::default();
    loop {
        let (offset, message) = tokio::select! {
            biased;
            () = &mut ends => break,
            _ = &mut user => break,
            Some(told) = told.next() => told,
            else => return Err(Failure::NotSo("the regions that were recorded are gone".to_owned())),
        };
        heard.take(offset, message?)?;
        progress.set_message(format!(
            "{} operations, {} events",
            heard.operations.len(),
            heard.happened.len()
        ));
    }
    progress.finish_and_clear();
    heard.operations.sort_by_key(|recorded| recorded.at_ms);
    heard.happened.sort_by_key(|(at, _)| *at);
    Ok(heard)
}

impl Heard {
    fn take(&mut self, offset: Duration, message: ControlRecorded) -> Result<(), Failure> {
        let at = offset + Duration::from_micros(message.at_us);
        self.missed += message.missed;
        match message.what {
            None => {}
            Some(What::Call(call)) => {
                let parameters = serde_json::from_str(&call.parameters_json)
                    .map_err(|error| Failure::wrong(format!("the control service sends no JSON: {error}")))?;
                self.operations.push(Recorded {
                    at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                    region: call.region,
                    operation: call.operation,
                    parameters,
                    status: u16::try_from(call.status).ok(),
                });
            }
            Some(what) => self.happened.push((at, what)),
        }
        Ok(())
    }
}

/// The tables of all regions, and the regions that hold them.
struct Held {
    table: RecordedTable,
    replicas: Vec<String>,
}

async fn tables(fleet: &Fleet, items_max: u64) -> Result<Vec<(String, Held)>, Failure> {
    let mut tables: BTreeMap<String, Held> = BTreeMap::new();
    for mut client in fleet.clients() {
        let mut of_client = BTreeMap::new();
        read_tables(&mut client, items_max, &mut of_client).await?;
        for (name, held) in of_client {
            tables.entry(name).or_insert(held);
        }
    }
    Ok(tables.into_iter().collect())
}

async fn read_tables(client: &mut Client, items_max: u64, tables: &mut BTreeMap<String, Held>) -> Result<(), Failure> {
    let mut messages = client.tables(ControlTablesRequest { items_max }).await?.into_inner();
    while let Some(message) = messages.message().await? {
        let ControlTable {
            table: name,
            description_json,
            time_to_live_json,
            items_json,
            has_more,
        } = message;
        if !description_json.is_empty() {
            tables.insert(
                name.clone(),
                held(&parse(&description_json)?, &parse(&time_to_live_json)?),
            );
        }
        if has_more && items_max > 0 {
            output::note(&format!(
                "{name} has more than {items_max} items: the others are left out (--items)"
            ));
        }
        if let Some(held) = tables.get_mut(&name) {
            for item in items_json {
                held.table.items.push(parse(&item)?);
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::wrong(format!("the control service sends no JSON: {error}")))
}

/// What makes a table as it is described.
fn held(description: &Value, time_to_live: &Value) -> Held {
    let index = |index: &Value| {
        json!({
            "IndexName": index["IndexName"],
            "KeySchema": index["KeySchema"],
            "Projection": index["Projection"],
        })
    };
    let mut table = json!({
        "TableName": description["TableName"],
        "AttributeDefinitions": description["AttributeDefinitions"],
        "KeySchema": description["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(indexes) = description[kind].as_array() {
            table[kind] = indexes.iter().map(index).collect();
        }
    }
    let setting = &time_to_live["TimeToLiveDescription"];
    let replicas = description["Replicas"].as_array().into_iter().flatten();
    Held {
        table: RecordedTable {
            table,
            time_to_live: (setting["TimeToLiveStatus"] == "ENABLED").then(|| {
                json!({
                    "TableName": description["TableName"],
                    "TimeToLiveSpecification": {"Enabled": true, "AttributeName": setting["AttributeName"]},
                })
            }),
            items: Vec::new(),
        },
        replicas: replicas
            .filter_map(|replica| replica["RegionName"].as_str().map(str::to_owned))
            .collect(),
    }
}

/// How the recorded tables decide between concurrent writes. A scenario has one policy for all; where they differ, it is that of tables without
/// a tag.
async fn policy(fleet: &Fleet, tables: &[(String, Held)]) -> Result<Policy, Failure> {
    let request = ControlDigestsRequest {
        verify: false,
        ranges: false,
    };
    let answers = fleet
        .ask(|mut client| async move { client.digests(request).await })
        .await?;
    let reports = answers.replies.into_iter().flat_map(|reply| reply.regions);
    let recorded = reports
        .flat_map(|region| region.tables)
        .filter(|report| tables.iter().any(|(name, _)| *name == report.table));
    let named: BTreeSet<String> = recorded.map(|report| report.conflict_policy).collect();
    let mut policies = Policy::ALL.into_iter().filter(|policy| named.contains(policy.name()));
    match (policies.next(), policies.next()) {
        (Some(policy), None) => Ok(policy),
        (Some(_), Some(_)) => {
            output::note("the tables have different conflict policies, and a scenario has one for all: item");
            Ok(Policy::default())
        }
        (None, _) => Ok(Policy::default()),
    }
}

/// The regions, and the links as they were when the recording began; without a model of them, as the regions' names say.
fn topology(names: &[String], links: &[LinkReport]) -> Result<Topology, Failure> {
    let mut text = String::new();
    for name in names {
        text.push_str(&format!("[[region]]\nname = {name:?}\n"));
    }
    for link in links {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds and bits per second of links are far below 2^52"
        )]
        let (delay_ms, jitter_ms) = (link.delay_us as f64 / 1e3, link.jitter_us as f64 / 1e3);
        let loss_percent = f64::from(link.loss_millionths) / 1e4;
        let (from, to) = (&link.from, &link.to);
        text.push_str(&format!(
            "[[link]]\nfrom = {from:?}\nto = {to:?}\ndelay_ms = {delay_ms:?}\njitter_ms = {jitter_ms:?}\nloss_percent = {loss_percent:?}\n"
        ));
        if link.bandwidth_bits > 0 {
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            let mbit = link.bandwidth_bits as f64 / 1e6;
            text.push_str(&format!("bandwidth_mbit = {mbit:?}\n"));
        }
    }
    let unusable = |error: beringia_regions::TopologyError| {
        Failure::wrong(format!("the regions make no topology of a scenario: {error}"))
    };
    Topology::parse(&text, Path::new("recorded topology"))
        .or_else(|error| {
            // Names that no latencies are known for.
            let usual = format!("[defaults]\ndelay_ms = 1\n{text}");
            Topology::parse(&usual, Path::new("recorded topology")).map_err(|_| error)
        })
        .map_err(unusable)
}

fn scenario(
    path: &Path,
    topology: Topology,
    tables: &[(String, Held)],
    operations: Vec<Recorded>,
    lasted: Duration,
) -> Scenario {
    let asked: BTreeSet<&str> = operations.iter().map(|recorded| recorded.region.as_str()).collect();
    let holds =
        |name: &str| asked.contains(name) || tables.iter().any(|(_, held)| held.replicas.iter().any(|r| r == name));
    let mut replicas: Vec<String> = topology.names().filter(|name| holds(name)).map(str::to_owned).collect();
    if replicas.is_empty() {
        replicas = topology.names().map(str::to_owned).collect();
    }
    let recording = Recording {
        tables: tables.iter().map(|(_, held)| held.table.clone()).collect(),
        operations: operations.into_iter().map(Arc::new).collect(),
    };
    // To the millisecond, as the operations' times are; one more, so that the last is within.
    let duration = Duration::from_millis(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
    Scenario {
        name: path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        about: "What clients did, recorded.".to_owned(),
        seed: None,
        topology,
        duration: duration.max(DURATION_MIN),
        clocks: BTreeMap::new(),
        policy: Policy::default(),
        replicas,
        workloads: vec![Workload {
            name: "recording".to_owned(),
            kind: Kind::Replay {
                operations: recording.to_text(),
            },
            regions: Vec::new(),
            // Neither rate nor keys matter to what was recorded.
            rate: 1.0,
            clients: 64,
            keys: 1,
            choice: KeyChoice::Uniform,
            value_bytes: 0,
            from: Duration::ZERO,
            until: None,
        }],
        events: Vec::new(),
        expect: Expectations::default(),
    }
}

/// The scenario with the events that make sense in one: what changes nothing (healing what is whole) is not for it.
fn with_events(scenario: Scenario, events: Vec<(Duration, Action)>, path: &Path) -> Result<Scenario, Failure> {
    let mut bare = scenario.clone();
    bare.workloads.clear();
    for (at, action) in events {
        let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        let event = Event {
            at: When::After(Span { least: at, most: at }),
            lasts: None,
            what: Happening::Do(action.clone()),
        };
        bare.events.push(event);
        if Scenario::parse(&bare.to_toml(), path).is_err() {
            bare.events.pop();
            output::note(&format!("left out, since it means nothing in a scenario: {action}"));
        }
    }
    let scenario = Scenario {
        events: bare.events,
        ..scenario
    };
    match Scenario::parse(&scenario.to_toml(), path) {
        Ok(_) => Ok(scenario),
        Err(error) => Err(Failure::wrong(format!("what was recorded makes no scenario: {error}"))),
    }
}

fn say(path: &Path, scenario: &Scenario, missed: u64, format: Format) -> Result<(), Failure> {
    let recording = match scenario.workloads.first().map(|workload| &workload.kind) {
        Some(Kind::Replay { operations }) => Recording::parse(operations).unwrap_or_default(),
        _ => Recording::default(),
    };
    if missed > 0 {
        output::note(&format!(
            "{missed} operations came faster than they could be written down, and are left out"
        ));
    }
    let said = RecordedJson {
        file: path.display().to_string(),
        duration_ms: u64::try_from(scenario.duration.as_millis()).unwrap_or(u64::MAX),
        operations: recording.operations.len(),
        tables: recording
            .tables
            .iter()
            .filter_map(|table| table.table["TableName"].as_str())
            .collect(),
        events: scenario.events.len(),
        missed,
    };
    match format {
        Format::Json => output::json(&said),
        Format::Text => output::line(&format!(
            "{}: {} operations on {} tables and {} events in {:.1} s; `beringia sim run {}` plays it",
            said.file,
            said.operations,
            said.tables.len(),
            said.events,
            scenario.duration.as_secs_f64(),
            said.file
        )),
    }
}
