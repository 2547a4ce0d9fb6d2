//! Generates scenarios of all kinds, and checks timelines with code that it does not share with the
//! crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use beringia_regions::Topology;
use beringia_scenario::{
    ANOMALIES, Action, Availability, ClockDeviation, Count, DiskFailures, Disks, Ends, Expectations, KeyChoice,
    Objective, Policy, RegionOptions, Scenario, Span, SwarmProfile, TableThroughput, TimelineEvent, What, When,
    Workload, WorkloadKind,
};
use proptest::{collection::vec, option, prelude::*, sample};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];
const DURATION: Duration = Duration::from_secs(60);

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn region() -> impl Strategy<Value = String> {
    sample::select(REGIONS.to_vec()).prop_map(str::to_owned)
}

fn span(range: std::ops::Range<u64>) -> impl Strategy<Value = Span> {
    (ms(range), prop_oneof![Just(Duration::ZERO), ms(0..5_000)]).prop_map(|(least, more)| Span {
        least,
        most: least + more,
    })
}

fn ends() -> impl Strategy<Value = Ends> {
    (sample::subsequence(REGIONS.to_vec(), 2).prop_shuffle(), any::<bool>()).prop_map(|(pair, one_way)| Ends {
        from: pair[0].to_owned(),
        to: pair[1].to_owned(),
        one_way,
    })
}

fn table() -> impl Strategy<Value = Option<String>> {
    option::of(Just("first".to_owned()))
}

fn failures() -> impl Strategy<Value = DiskFailures> {
    let share = || prop_oneof![Just(0.0), 0.0..100.0];
    (share(), share(), share()).prop_map(|(reads, writes, syncs)| DiskFailures { reads, writes, syncs })
}

fn actions() -> impl Strategy<Value = Action> {
    let links = prop_oneof![
        (ends(), ms(0..900), ms(0..50)).prop_map(|(ends, delay, jitter)| Action::Delay { ends, delay, jitter }),
        (ends(), 0.0..99.0).prop_map(|(ends, percent)| Action::Loss { ends, percent }),
        (ends(), option::of(0.01..1000.0)).prop_map(|(ends, mbit)| Action::Bandwidth { ends, mbit }),
        (ends(), any::<bool>()).prop_map(|(ends, reset)| Action::Cut { ends, reset }),
        (region(), any::<bool>()).prop_map(|(region, reset)| Action::Isolate { region, reset }),
        option::of(ends()).prop_map(Action::Heal),
    ];
    let places = prop_oneof![
        (region(), any::<bool>()).prop_map(|(region, lose_disk)| Action::Crash { region, lose_disk }),
        region().prop_map(|region| Action::Restart { region }),
        region().prop_map(|region| Action::CopyDisk { region }),
        region().prop_map(|region| Action::RestoreDisk { region }),
        region().prop_map(|region| Action::LosePower { region }),
        (region(), failures()).prop_map(|(region, failing)| Action::FailingDisk { region, failing }),
        (region(), 1_u32..100).prop_map(|(region, bits)| Action::FlipBits { region, bits }),
        (region(), ms(0..500)).prop_map(|(region, by)| Action::SlowDisk { region, by }),
        (region(), any::<bool>()).prop_map(|(region, full)| Action::DiskFull { region, full }),
        (region(), -90_000_i64..90_000).prop_map(|(region, by_ms)| Action::ClockStep { region, by_ms }),
        (region(), -500_i64..500).prop_map(|(region, ppm)| Action::ClockDrift { region, ppm }),
    ];
    let replication = prop_oneof![
        (region(), table()).prop_map(|(region, table)| Action::PauseReplication { region, table }),
        (region(), table()).prop_map(|(region, table)| Action::ResumeReplication { region, table }),
        region().prop_map(|region| Action::AddReplica { region }),
        region().prop_map(|region| Action::RemoveReplica { region }),
        region().prop_map(|region| Action::Drain { region }),
        region().prop_map(|region| Action::Undrain { region }),
    ];
    let load = prop_oneof![
        (region(), region()).prop_map(|(from, to)| Action::Shift { from, to }),
        (any::<bool>(), option::of(region()), 0.0..500.0).prop_map(|(one, region, per_second)| Action::Rate {
            workload: one.then(|| "first".to_owned()),
            region,
            per_second,
        }),
    ];
    prop_oneof![links, places, replication, load]
}

fn events() -> impl Strategy<Value = Vec<TimelineEvent>> {
    let what = prop_oneof![
        8 => actions().prop_map(What::Do),
        1 => (1_u32..30, any::<bool>(), sample::select(SwarmProfile::ALL.to_vec()))
            .prop_map(|(faults, lose_disk, profile)| What::Swarm { faults, lose_disk, profile }),
    ];
    let at = prop_oneof![
        span(0..55_000).prop_map(When::After),
        span(0..9_000).prop_map(When::AfterPrevious),
    ];
    let event = (at, option::of(span(1..20_000)), what).prop_map(|(at, lasts, what)| TimelineEvent { at, lasts, what });
    vec(event, 0..16)
}

/// A line of a recording.
fn recorded() -> impl Strategy<Value = String> {
    (0_u64..90_000, sample::select(REGIONS.to_vec()), "[a-z 'é]{0,9}").prop_map(|(at_ms, region, text)| {
        format!(
            r#"{{"at_ms": {at_ms}, "region": {region:?}, "operation": "PutItem", "parameters": {{"x": {text:?}}}}}"#
        )
    })
}

fn workloads() -> impl Strategy<Value = Vec<Workload>> {
    let kind = prop_oneof![
        sample::select(vec![
            WorkloadKind::YcsbA,
            WorkloadKind::YcsbB,
            WorkloadKind::YcsbC,
            WorkloadKind::YcsbD,
            WorkloadKind::YcsbE,
            WorkloadKind::YcsbF,
            WorkloadKind::Counters,
            WorkloadKind::Carts,
            WorkloadKind::Bank,
            WorkloadKind::Inventory,
            WorkloadKind::Pairs,
        ]),
        (0_u8..30, 0_u8..30, 0_u8..20, 0_u8..20).prop_map(
            |(put_percent, update_percent, delete_percent, append_percent)| WorkloadKind::Mixed {
                put_percent,
                update_percent,
                delete_percent,
                append_percent,
            }
        ),
        ms(1_000..90_000).prop_map(|ttl| WorkloadKind::Sessions { ttl }),
        vec(recorded(), 0..9).prop_map(|lines| WorkloadKind::Replay {
            operations: lines.join("\n")
        }),
    ];
    let choice = prop_oneof![
        Just(KeyChoice::Uniform),
        (0.1..0.99).prop_map(|theta| KeyChoice::Zipfian { theta }),
        (0.1..0.99).prop_map(|theta| KeyChoice::Latest { theta }),
    ];
    let regions = sample::subsequence(REGIONS.to_vec(), 0..=3);
    let times = (ms(0..30_000), option::of(ms(30_001..60_000)));
    let sizes = (0.5..500.0, 1_u32..50, 1_u64..10_000, 0_usize..2_000);
    let units = || option::of(1_u64..10_000);
    let billing = prop_oneof![
        (units(), units()).prop_map(|(read_max, write_max)| TableThroughput::OnDemand { read_max, write_max }),
        (1_u64..10_000, 1_u64..10_000).prop_map(|(read, write)| TableThroughput::Provisioned { read, write }),
    ];
    let reading = (billing, 0_u8..=100);
    let workload = (kind, choice, regions, times, sizes, reading).prop_map(|drawn| {
        let (kind, choice, regions, (from, until), sizes, (billing, consistent_percent)) = drawn;
        let (rate, clients, keys, value_bytes) = sizes;
        let is_replay = matches!(kind, WorkloadKind::Replay { .. });
        Workload {
            name: String::new(),
            kind,
            regions: regions.into_iter().map(str::to_owned).collect(),
            rate,
            clients,
            keys,
            choice,
            value_bytes,
            from,
            until,
            billing: if is_replay { TableThroughput::default() } else { billing },
            consistent_percent: if is_replay { 50 } else { consistent_percent },
        }
    });
    vec(workload, 1..3).prop_map(|mut workloads| {
        for (workload, name) in workloads.iter_mut().zip(["first", "second"]) {
            workload.name = name.to_owned();
        }
        workloads
    })
}

fn expectations() -> impl Strategy<Value = Expectations> {
    let length = || option::of(ms(0..90_000));
    let lengths = (length(), length(), length(), length(), length(), length());
    let count = || {
        (0_u64..90, option::of(0_u64..90)).prop_map(|(min, more)| Count {
            min,
            max: more.map(|more| min + more),
        })
    };
    let available = |(region, percent_min): (&str, f64)| (region.to_owned(), Availability { percent_min });
    let availability = vec((sample::select(vec!["*", "us-east-1", "eu-west-1"]), 0.0..100.0), 0..3)
        .prop_map(move |entries| entries.into_iter().map(available).collect());
    let anomalies = vec((sample::select(ANOMALIES.to_vec()), count()), 0..3).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    });
    let numbers = (
        option::of(0_u64..900),
        option::of(1.0..9.0),
        option::of(1.0..90_000.0),
        option::of(count()),
        option::of(0.0..100.0),
    );
    let objective = (0.0..=100.0, 1_u64..3_600_000, ms(100..3_600_000));
    let objective = objective.prop_map(|(success_percent_min, latency_ms, window)| Objective {
        success_percent_min,
        latency_max: Duration::from_millis(latency_ms),
        window,
    });
    let parts = (lengths, availability, anomalies, numbers, objective);
    parts.prop_map(|(lengths, availability, anomalies, numbers, objective)| {
        let (rpo_max, rto_max, drained_within, converged_within, lag_max, lag_p99_max) = lengths;
        let (rpo_writes_max, converged_ratio_max, applied_per_second, conflicts, available_when_healthy) = numbers;
        Expectations {
            objective,
            rpo_writes_max,
            rpo_max,
            rto_max,
            drained_within,
            converged_within,
            converged_ratio_max,
            applied_per_second,
            availability,
            available_when_healthy,
            lag_max,
            lag_p99_max,
            conflicts,
            anomalies,
            allowance: Duration::ZERO,
        }
    })
}

/// Valid scenarios: those of the generated events that make sense after the ones before.
pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    let policy = sample::select(vec![Policy::Item, Policy::Attribute, Policy::Merge]);
    let clock = (-900_i64..900, -50_i64..50).prop_map(|(offset_ms, drift_ppm)| ClockDeviation { offset_ms, drift_ppm });
    let clocks = vec((region(), clock), 0..3).prop_map(|clocks| clocks.into_iter().collect::<BTreeMap<_, _>>());
    let replicas = sample::subsequence(REGIONS.to_vec(), 1..=3);
    let head = (
        "[ -~\n]{0,80}",
        option::of(any::<u32>().prop_map(u64::from)),
        policy,
        clocks,
        replicas,
        option::of(0_u64..5_000_000_000_000),
        sample::select(Disks::ALL.to_vec()),
        (any::<bool>(), ms(0..60_000), ms(0..10_000), option::of(ms(1..90_000))),
        (any::<bool>(), any::<bool>()),
    );
    (head, workloads(), events(), expectations()).prop_map(|(head, workloads, events, expect)| {
        let (
            about,
            seed,
            policy,
            clocks,
            replicas,
            starts_ms,
            disks,
            (throttling, stale_reads, slow_changes, max_unreachable),
            (recreated_table, stream_readers),
        ) = head;
        let behaviour = RegionOptions {
            throttling,
            stale_reads,
            slow_changes,
            max_unreachable,
        };
        let mut scenario = Scenario {
            name: "test".to_owned(),
            about,
            seed,
            topology: Topology::three(),
            duration: DURATION,
            starts_ms,
            behaviour,
            disks,
            clocks,
            policy,
            replicas: replicas.into_iter().map(str::to_owned).collect(),
            workloads,
            recreated_table,
            stream_readers,
            events: Vec::new(),
            expect,
        };
        for event in events {
            scenario.events.push(event);
            if Scenario::parse(&scenario.to_toml(), Path::new("test.toml")).is_err() {
                scenario.events.pop();
            }
        }
        scenario
    })
}

/// The state that a timeline has brought about, by rules of its own.
pub(crate) struct Following {
    down: BTreeSet<String>,
    paused: BTreeSet<(String, Option<String>)>,
    full: BTreeSet<String>,
    slow: BTreeSet<String>,
    failing: BTreeSet<String>,
    cut: BTreeSet<(String, String)>,
    replicas: BTreeSet<String>,
}

impl Following {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            down: BTreeSet::new(),
            paused: BTreeSet::new(),
            full: BTreeSet::new(),
            slow: BTreeSet::new(),
            failing: BTreeSet::new(),
            cut: BTreeSet::new(),
            replicas: scenario.replicas.iter().cloned().collect(),
        }
    }

    /// Follows an action, or says why it is impossible.
    pub(crate) fn follow(&mut self, action: &Action) -> Result<(), &'static str> {
        let sense = |holds, why| if holds { Ok(()) } else { Err(why) };
        match action {
            Action::Crash { region, .. } => sense(self.down.insert(region.clone()), "it is down"),
            Action::LosePower { region } => sense(self.down.insert(region.clone()), "it is down"),
            Action::RestoreDisk { region } => sense(self.down.insert(region.clone()), "it is down"),
            Action::Restart { region } => sense(self.down.remove(region), "it is up"),
            Action::PauseReplication { region, table } => {
                let meets = |(other, paused): &(String, Option<String>)| {
                    other == region && (table.is_none() || paused.is_none() || paused == table)
                };
                let is_paused = self.paused.iter().any(meets);
                self.paused.insert((region.clone(), table.clone()));
                sense(!is_paused, "it is paused")
            }
            Action::ResumeReplication { region, table } => {
                let before = self.paused.len();
                self.paused
                    .retain(|(other, paused)| other != region || table.is_some() && paused != table);
                sense(self.paused.len() < before, "it is not paused")
            }
            Action::AddReplica { region } => sense(self.replicas.insert(region.clone()), "it has a replica"),
            Action::RemoveReplica { region } => sense(
                self.replicas.remove(region) && !self.replicas.is_empty(),
                "it has none, or the last",
            ),
            Action::DiskFull { region, full } => {
                let _ = if *full {
                    self.full.insert(region.clone())
                } else {
                    self.full.remove(region)
                };
                Ok(())
            }
            Action::SlowDisk { region, by } => {
                let _ = if by.is_zero() {
                    self.slow.remove(region)
                } else {
                    self.slow.insert(region.clone())
                };
                Ok(())
            }
            Action::FailingDisk { region, failing } => {
                let _ = if failing.is_none() {
                    self.failing.remove(region)
                } else {
                    self.failing.insert(region.clone())
                };
                Ok(())
            }
            Action::Cut { ends, .. } => {
                self.cut.insert((ends.from.clone(), ends.to.clone()));
                if !ends.one_way {
                    self.cut.insert((ends.to.clone(), ends.from.clone()));
                }
                Ok(())
            }
            Action::Isolate { region, .. } => {
                for other in REGIONS.iter().filter(|other| *other != region) {
                    self.cut.insert((region.clone(), (*other).to_owned()));
                    self.cut.insert(((*other).to_owned(), region.clone()));
                }
                Ok(())
            }
            Action::Heal(None) => {
                self.cut.clear();
                Ok(())
            }
            Action::Heal(Some(ends)) => {
                self.cut.remove(&(ends.from.clone(), ends.to.clone()));
                if !ends.one_way {
                    self.cut.remove(&(ends.to.clone(), ends.from.clone()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lists what is still wrong.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let paused: BTreeSet<String> = self.paused.iter().map(|(region, _)| region.clone()).collect();
        let sets = [
            ("down", &self.down),
            ("paused", &paused),
            ("full", &self.full),
            ("slow", &self.slow),
            ("failing", &self.failing),
        ];
        let regions = sets
            .into_iter()
            .flat_map(|(what, set)| set.iter().map(move |name| format!("{name} {what}")));
        let links = self.cut.iter().map(|(from, to)| format!("{from} -> {to} cut"));
        regions.chain(links).collect()
    }
}
