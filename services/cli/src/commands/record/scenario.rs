//! Makes the scenario of a recording: regions, links and policy as they were, and the events.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write as _,
    path::Path,
    time::Duration,
};

use beringia_host::fleet::Fleet;
use beringia_node::DEFAULT_UNREACHABLE_MS_MAX;
use beringia_proto::v1::{ControlDigestsRequest, LinkReport};
use beringia_regions::Topology;
use beringia_scenario::{Behaviour, Event, Expectations, Kind, Policy, Scenario, Span, What, When, Workload};

use super::{Beginning, Happened, writing::Writing};
use crate::{error::CommandError, output};

/// The shortest duration of a scenario.
const DURATION_MIN: Duration = Duration::from_secs(1);

/// The scenario of a recording. The operations stay in their file.
pub(super) async fn of(
    path: &Path,
    fleet: &Fleet,
    beginning: &Beginning,
    writing: &Writing,
    lasted: Duration,
    happened: Happened,
) -> Result<Scenario, CommandError> {
    let topology = topology(&fleet.topology(), &beginning.links)?;
    let mut replicas: Vec<String> = topology
        .names()
        .filter(|name| writing.has(name))
        .map(str::to_owned)
        .collect();
    if replicas.is_empty() {
        replicas = topology.names().map(str::to_owned).collect();
    }
    // In milliseconds, as the operations' times are, plus one, so that the last operation is
    // within.
    let duration = Duration::from_millis(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
    let scenario = Scenario {
        name: path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        about: "A recording of what clients did.".to_owned(),
        seed: None,
        topology,
        duration: duration.max(DURATION_MIN),
        starts_ms: Some(beginning.wall_ms),
        behaviour: behaviour(fleet),
        clocks: BTreeMap::new(),
        policy: policy(fleet, writing).await?,
        replicas,
        workloads: vec![Workload {
            // A replay uses neither rate nor keys.
            rate: 1.0,
            clients: 64,
            keys: 1,
            value_bytes: 0,
            ..Workload::new(
                "recording",
                Kind::Replay {
                    operations: String::new(),
                },
            )
        }],
        events: Vec::new(),
        expect: Expectations::default(),
    };
    with_events(scenario, happened, path)
}

/// Writes the scenario; its operations are in the file of the same name with the extension `jsonl`.
pub(super) fn write(scenario: &Scenario, mut file: File, path: &Path) -> Result<(), CommandError> {
    let beside = path.with_extension("jsonl");
    let name = beside.file_name().map(|name| name.to_string_lossy().into_owned());
    let text = scenario.to_toml_beside(&name.unwrap_or_default());
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| CommandError::usage(format!("cannot write {}: {error}", path.display())))
}

/// The options that the regions were started with.
fn behaviour(fleet: &Fleet) -> Behaviour {
    let usual = Duration::from_millis(DEFAULT_UNREACHABLE_MS_MAX);
    let mut behaviour = fleet.behaviour();
    behaviour.max_unreachable = behaviour.max_unreachable.filter(|most| *most != usual);
    behaviour
}

/// The conflict policy of the recorded tables. A scenario has one policy for all tables; where
/// theirs differ, it is that of tables without a tag.
async fn policy(fleet: &Fleet, writing: &Writing) -> Result<Policy, CommandError> {
    let request = ControlDigestsRequest {
        verify: false,
        ranges: false,
    };
    let reports = fleet.digests(request).await?.replies;
    let recorded = reports
        .into_iter()
        .flat_map(|region| region.tables)
        .filter(|report| writing.tables().any(|name| name == report.table));
    let named: BTreeSet<String> = recorded.map(|report| report.conflict_policy).collect();
    let mut policies = Policy::ALL.into_iter().filter(|policy| named.contains(policy.name()));
    match (policies.next(), policies.next()) {
        (Some(policy), None) => Ok(policy),
        (Some(_), Some(_)) => {
            output::note(
                "the tables have different conflict policies, but a scenario has one for all tables: using item",
            );
            Ok(Policy::default())
        }
        (None, _) => Ok(Policy::default()),
    }
}

/// The regions, and the links as they were when the recording began; without a network model, the
/// links that the regions' names give.
fn topology(names: &[String], links: &[LinkReport]) -> Result<Topology, CommandError> {
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
        CommandError::usage(format!(
            "cannot make the topology of a scenario from the regions: {error}"
        ))
    };
    Topology::parse(&text, Path::new("recorded topology"))
        .or_else(|error| {
            // Regions whose latencies are unknown get a delay of 1 ms.
            let usual = format!("[defaults]\ndelay_ms = 1\n{text}");
            Topology::parse(&usual, Path::new("recorded topology")).map_err(|_| error)
        })
        .map_err(unusable)
}

/// Adds the events that are valid in a scenario. Events that change nothing, such as healing an
/// open link, are left out.
fn with_events(mut scenario: Scenario, happened: Happened, path: &Path) -> Result<Scenario, CommandError> {
    let parsed = |scenario: &Scenario| Scenario::parse(&scenario.to_toml(), path);
    parsed(&scenario)
        .map_err(|error| CommandError::usage(format!("cannot make a scenario from the recording: {error}")))?;
    for (at, action) in happened {
        let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        scenario.events.push(Event {
            at: When::After(Span { least: at, most: at }),
            lasts: None,
            what: What::Do(action.clone()),
        });
        if parsed(&scenario).is_err() {
            scenario.events.pop();
            output::note(&format!(
                "left out, because it changes nothing in the scenario: {action}"
            ));
        }
    }
    Ok(scenario)
}
