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
use beringia_regions::{Link, Topology};
use beringia_scenario::{
    Disks, Expectations, Policy, RegionOptions, Scenario, Span, TimelineEvent, What, When, Workload, WorkloadKind,
};

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
        about: about(&topology, &beginning.links),
        seed: None,
        topology,
        duration: duration.max(DURATION_MIN),
        starts_ms: Some(beginning.wall_ms),
        behaviour: behaviour(fleet),
        disks: Disks::default(),
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
                WorkloadKind::Replay {
                    operations: String::new(),
                },
            )
        }],
        recreated_table: false,
        stream_readers: false,
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
fn behaviour(fleet: &Fleet) -> RegionOptions {
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

/// The description of the scenario. It says how many delays are estimates: the links of a scenario
/// have only the values.
fn about(topology: &Topology, reported: &[LinkReport]) -> String {
    let is_estimated = |link: &&Link| {
        let is_reported =
            |report: &LinkReport| report.is_delay_estimated && report.from == link.from && report.to == link.to;
        link.is_delay_estimated || reported.iter().any(is_reported)
    };
    let links = topology.links().len();
    match topology.links().iter().filter(is_estimated).count() {
        0 => "A recording of what clients did.".to_owned(),
        estimated => format!(
            "A recording of what clients did. The delays of {estimated} of its {links} links are estimated from the \
             distance of the regions, not measured."
        ),
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
    let parse = |defaults: &str| {
        let text = format!("{defaults}{text}");
        Topology::parse(&text, Path::new("recorded topology"))
    };
    parse("")
        .or_else(|error| {
            // Links without a known latency get a delay of 1 ms.
            parse("[defaults]\ndelay_ms = 1\n").map_err(|_| error)
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
        scenario.events.push(TimelineEvent {
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

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "us-east-1";
    const GULF: &str = "me-central-1";

    fn reported(from: &str, to: &str, is_delay_estimated: bool) -> LinkReport {
        LinkReport {
            from: from.to_owned(),
            to: to.to_owned(),
            state: "open".to_owned(),
            delay_us: 80_000,
            is_delay_estimated,
            ..LinkReport::default()
        }
    }

    #[test]
    fn description_says_how_many_delays_are_estimated() {
        let names = [US, GULF].map(str::to_owned);
        let about_links = |links: &[LinkReport]| about(&topology(&names, links).unwrap(), links);
        let set = [reported(US, GULF, false), reported(GULF, US, false)];
        assert_eq!(about_links(&set), "A recording of what clients did.");
        let one = [reported(US, GULF, true), reported(GULF, US, false)];
        assert!(about_links(&one).contains("delays of 1 of its 2 links are estimated"));
    }

    /// Separate processes have no network model, and report no links.
    #[test]
    fn delays_without_a_network_model_follow_the_names() {
        let names = [US, GULF, "mars-1"].map(str::to_owned);
        let topology = topology(&names, &[]).unwrap();
        let far = topology.link(US, GULF).unwrap();
        assert!(far.is_delay_estimated && far.delay_ms > 10.0, "{far:?}");
        let unknown = topology.link(US, "mars-1").unwrap();
        assert!(
            !unknown.is_delay_estimated && (unknown.delay_ms - 1.0).abs() < 1e-9,
            "{unknown:?}"
        );
        assert!(about(&topology, &[]).contains("delays of 2 of its 6 links are estimated"));
    }
}
