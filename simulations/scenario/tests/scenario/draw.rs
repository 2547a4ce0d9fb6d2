//! Drawing a plan from a scenario and a seed.

use std::time::Duration;

use beringia_scenario::{Action, Plan, Planned, Scenario, SwarmFeature, SwarmProfile};
use proptest::prelude::*;

use crate::{
    strategies::{Following, scenarios},
    support::{lines, parse},
};

#[test]
fn lasting_actions_are_undone_at_their_end() {
    let scenario = parse(
        r#"
        [[event]]
        at = "5s"
        lasts = "3s"
        crash = "eu-west-1"
        lose_disk = true
        [[event]]
        after = "1s"
        lasts = "4s"
        delay = ["us-east-1", "ap-northeast-1"]
        to = "300ms"
        one_way = true
        [[event]]
        at = "20s"
        lasts = "5s"
        shift = "eu-west-1"
        to = "us-east-1"
        [[event]]
        at = "30s"
        lasts = "5s"
        rate = 200
        region = "us-east-1"
        [[event]]
        at = "40s"
        lasts = "5s"
        clock_step = "us-east-1"
        by = "-2s"
        "#,
    );
    assert_eq!(
        lines(&Plan::draw(&scenario, 1)),
        [
            "5000 crash eu-west-1, its disk is lost",
            "6000 delay us-east-1 -> ap-northeast-1 300ms, jitter 0s",
            "8000 restart eu-west-1",
            "10000 delay us-east-1 -> ap-northeast-1 73.27ms, jitter 400us",
            "20000 clients of eu-west-1 go to us-east-1",
            "25000 clients of eu-west-1 come back",
            "30000 rate 200/s in us-east-1",
            "35000 rate 50/s of ycsb-a in us-east-1",
            "40000 clock of us-east-1 jumps by -2s",
            "45000 clock of us-east-1 jumps by 2s",
        ]
    );
}

#[test]
fn faults_of_disks_are_undone_at_their_end() {
    let scenario = parse(
        r#"
        disks = "faulty"
        duration = "30s"
        [[event]]
        at = "5s"
        lasts = "10s"
        failing_disk = "eu-west-1"
        syncs = 20
        [[event]]
        at = "8s"
        lasts = "2s"
        failing_disk = "eu-west-1"
        reads = 0.5
        writes = 100
        [[event]]
        at = "12s"
        lasts = "1s"
        lose_power = "us-east-1"
        [[event]]
        at = "14s"
        flip_bits = "us-east-1"
        bits = 5
        [[event]]
        at = "20s"
        failing_disk = "us-east-1"
        reads = 1
        [[event]]
        at = "21s"
        lose_power = "eu-west-1"
        "#,
    );
    assert_eq!(
        lines(&Plan::draw(&scenario, 1)),
        [
            "5000 disk of eu-west-1 fails 0 % of reads, 0 % of writes, 20 % of syncs",
            "8000 disk of eu-west-1 fails 0.5 % of reads, 100 % of writes, 0 % of syncs",
            "10000 disk of eu-west-1 fails 0 % of reads, 0 % of writes, 20 % of syncs",
            "12000 power of us-east-1 lost",
            "13000 restart us-east-1",
            "14000 5 bits of the disk of us-east-1 change",
            "15000 disk of eu-west-1 works again",
            "20000 disk of us-east-1 fails 1 % of reads, 0 % of writes, 0 % of syncs",
            "21000 power of eu-west-1 lost",
            "30000 disk of us-east-1 works again",
            "30000 restart eu-west-1",
        ]
    );
}

#[test]
fn overlapping_actions_are_undone_when_the_last_ends() {
    let scenario = parse(
        r#"
        [[event]]
        at = "5s"
        lasts = "10s"
        isolate = "eu-west-1"
        [[event]]
        at = "10s"
        lasts = "10s"
        cut = ["us-east-1", "eu-west-1"]
        one_way = true
        [[event]]
        at = "30s"
        lasts = "10s"
        slow_disk = "us-east-1"
        by = "20ms"
        [[event]]
        at = "32s"
        lasts = "2s"
        slow_disk = "us-east-1"
        by = "90ms"
        "#,
    );
    assert_eq!(
        lines(&Plan::draw(&scenario, 1)),
        [
            "5000 isolate eu-west-1",
            "10000 cut us-east-1 -> eu-west-1",
            "15000 heal ap-northeast-1 <-> eu-west-1",
            "15000 heal eu-west-1 -> us-east-1",
            "20000 heal us-east-1 -> eu-west-1",
            "30000 disk of us-east-1 slower by 20ms",
            "32000 disk of us-east-1 slower by 90ms",
            "34000 disk of us-east-1 slower by 20ms",
            "40000 disk of us-east-1 at its normal speed",
        ]
    );
}

#[test]
fn faults_are_repaired_when_the_load_ends() {
    let scenario = parse(
        r#"
        duration = "20s"
        [[event]]
        at = "5s"
        pause_replication = "us-east-1"
        [[event]]
        at = "6s"
        crash = "us-east-1"
        [[event]]
        at = "7s"
        cut = ["us-east-1", "eu-west-1"]
        [[event]]
        at = "8s"
        disk_full = "eu-west-1"
        [[event]]
        at = "9s"
        slow_disk = "eu-west-1"
        by = "1s"
        "#,
    );
    assert_eq!(
        lines(&Plan::draw(&scenario, 1))[5..],
        [
            "20000 heal every link",
            "20000 disk of eu-west-1 has room",
            "20000 disk of eu-west-1 at its normal speed",
            "20000 restart us-east-1",
            "20000 resume replication of us-east-1",
        ]
    );
}

#[test]
fn random_times_lie_within_their_bounds_and_differ_by_seed() {
    let scenario = parse(
        r#"
        [[event]]
        at = "10s..20s"
        lasts = "1s..2s"
        crash = "eu-west-1"
        [[event]]
        after = "3s..4s"
        lasts = "1s"
        crash = "eu-west-1"
        "#,
    );
    let mut starts = Vec::new();
    for seed in 0..50 {
        let plan = Plan::draw(&scenario, seed);
        let at: Vec<u128> = plan.timeline.iter().map(|planned| planned.at.as_millis()).collect();
        let [crash, restart, again, back] = at[..] else {
            panic!("four actions, got {at:?}")
        };
        assert!((10_000..=20_000).contains(&crash));
        assert!((1_000..=2_000).contains(&(restart - crash)));
        assert!((3_000..=4_000).contains(&(again - crash)));
        assert_eq!(back - again, 1_000);
        starts.push(crash);
    }
    starts.sort_unstable();
    starts.dedup();
    assert!(
        starts.len() > 40,
        "50 seeds draw from 10,001 times, got {} of them",
        starts.len()
    );
}

#[test]
fn swarms_have_faults_of_every_kind_and_differ_by_seed() {
    let scenario = parse("duration = \"1m\"\n[[event]]\nat = \"5s\"\nlasts = \"40s\"\nswarm = 20\nlose_disk = true\n");
    let mut kinds = std::collections::BTreeSet::new();
    let mut most_at_once = 0;
    for seed in 0..200 {
        let plan = Plan::draw(&scenario, seed);
        let lost = plan
            .timeline
            .iter()
            .filter(|planned| matches!(planned.action, Action::Crash { lose_disk: true, .. }));
        assert!(lost.count() <= 1, "seed {seed} loses more than one disk");
        let (mut now, mut down) = (0_usize, 0_usize);
        for planned in &plan.timeline {
            assert!(
                (5_000..=45_000).contains(&planned.at.as_millis()),
                "{planned:?} is outside the swarm"
            );
            kinds.insert(
                planned
                    .action
                    .to_string()
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
            match planned.action {
                Action::Crash { .. } => down += 1,
                Action::Restart { .. } => down -= 1,
                Action::Isolate { .. } | Action::Cut { .. } => now += 1,
                Action::Heal(_) => now = 0,
                _ => {}
            }
            most_at_once = most_at_once.max(now + down);
        }
    }
    let all = [
        "bandwidth",
        "clock",
        "crash",
        "cut",
        "delay",
        "disk",
        "heal",
        "isolate",
        "loss",
        "pause",
        "restart",
        "resume",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
    assert!(most_at_once >= 3, "faults come together");
}

#[test]
fn clocks_of_a_swarm_stay_within_the_accepted_offset() {
    let scenario = parse("duration = \"1m\"\n[[event]]\nat = \"0s\"\nlasts = \"60s\"\nswarm = 60\n");
    for seed in 0..100 {
        let mut offsets_ms = std::collections::BTreeMap::new();
        for planned in Plan::draw(&scenario, seed).timeline {
            if let Action::ClockStep { region, by_ms } = planned.action {
                *offsets_ms.entry(region).or_insert(0) += by_ms;
                let values = || offsets_ms.values().copied().chain([0]);
                let apart = values().max().unwrap_or(0) - values().min().unwrap_or(0);
                assert!(apart <= 400, "seed {seed}: clocks {apart} ms apart");
            }
        }
    }
}

/// Each seed leaves features out, each feature is drawn by some seed, and an action of a feature
/// that the seed did not draw does not happen.
#[test]
fn seeds_of_a_profile_leave_features_out() {
    for profile in SwarmProfile::ALL {
        let event = "duration = \"1m\"\n[[event]]\nat = \"5s\"\nlasts = \"40s\"\nswarm = 20\n";
        let scenario = parse(&format!("{event}profile = \"{}\"\n", profile.name()));
        let mut drawn = std::collections::BTreeSet::new();
        let mut least = usize::MAX;
        for seed in 0..200 {
            let plan = Plan::draw(&scenario, seed);
            let swarms = plan.swarms();
            assert_eq!(swarms.len(), 1, "the scenario has one swarm");
            let features = &swarms[0].features;
            let has = |feature| features.contains(&feature);
            least = least.min(features.len());
            drawn.extend(features.iter().copied());
            let disks = plan.timeline.iter().filter(|planned| {
                matches!(
                    planned.action,
                    Action::Crash { lose_disk: true, .. } | Action::RestoreDisk { .. }
                )
            });
            let may_take_disk = has(SwarmFeature::LostDisk) || has(SwarmFeature::RestoredDisk);
            assert!(disks.count() <= usize::from(may_take_disk), "{profile:?}, seed {seed}");
            let drains = |planned: &Planned| matches!(planned.action, Action::Drain { .. });
            assert!(has(SwarmFeature::Drains) || !plan.timeline.iter().any(drains));
            let removes = |planned: &Planned| matches!(planned.action, Action::RemoveReplica { .. });
            assert!(has(SwarmFeature::Replicas) || !plan.timeline.iter().any(removes));
            let is_limited = plan.scenario.behaviour.max_unreachable.is_some();
            assert_eq!(is_limited, has(SwarmFeature::Drops), "{profile:?}, seed {seed}");
            assert_eq!(plan.scenario.recreated_table, has(SwarmFeature::Tables));
            assert_eq!(plan.scenario.stream_readers, has(SwarmFeature::Streams));
            let again = Plan::draw(&plan.scenario, seed);
            assert_eq!(again, plan, "a plan's scenario draws the same plan");
        }
        let all: std::collections::BTreeSet<SwarmFeature> = profile.features().iter().copied().collect();
        assert_eq!(drawn, all, "{profile:?}");
        assert_eq!(least == all.len(), profile == SwarmProfile::Basic, "{profile:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_seed_makes_a_valid_plan_that_ends_repaired(scenario in scenarios(), seed: u64) {
        let plan = Plan::draw(&scenario, seed);
        let mut following = Following::new(&scenario);
        let mut now = Duration::ZERO;
        for planned in &plan.timeline {
            prop_assert!(now <= planned.at, "{} comes too late", planned.action);
            prop_assert!(planned.at <= scenario.duration);
            now = planned.at;
            if let Err(why) = following.follow(&planned.action) {
                prop_assert!(false, "{} at {:?}: {why}", planned.action, planned.at);
            }
        }
        prop_assert_eq!(following.wrong(), Vec::<String>::new());
    }

    #[test]
    fn one_seed_makes_one_plan(scenario in scenarios(), seed: u64) {
        prop_assert_eq!(Plan::draw(&scenario, seed), Plan::draw(&scenario, seed));
    }
}

/// The same on every machine and with every toolchain.
#[test]
fn plans_of_a_seed_have_the_recorded_fingerprints() {
    let fingerprint = |name, seed| Plan::draw(&Scenario::shipped(name).unwrap(), seed).fingerprint();
    assert_eq!(fingerprint("swarm", 17), "1a013caea6416409cf49eea091f8839f");
    assert_eq!(fingerprint("partition", 17), "716101f36d04c9c3714b04e0eade77f2");
    assert_ne!(fingerprint("swarm", 17), fingerprint("swarm", 18));
}
