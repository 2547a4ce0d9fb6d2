//! Settings by path, as sweeps vary them.

use std::time::Duration;

use beringia_scenario::{ClockDeviation, KeyChoice, Policy, Scenario, SettingError};

use crate::support::parse;

fn scenario() -> Scenario {
    parse(
        r#"
        topology = "two"
        [[workload]]
        name = "first"
        [[workload]]
        name = "second.one"
        [[event]]
        at = "5s"
        lasts = "3s"
        isolate = "eu-west-1"
        "#,
    )
}

fn with(path: &str, value: &str) -> Scenario {
    match scenario().with([(path, value)]) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}"),
    }
}

fn refused(path: &str, value: &str) -> String {
    match scenario().with([(path, value)]) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{path} = {value} should be refused"),
    }
}

#[test]
fn link_settings_change_every_link_and_nothing_else() {
    let varied = with("link.delay_ms", "320");
    assert!(
        varied
            .topology
            .links()
            .iter()
            .all(|link| link.delay_ms == 320.0 && link.jitter_ms == 0.4)
    );
    let mut back = varied;
    back.topology = scenario().topology;
    assert_eq!(back, scenario());
    let links = with("link.bandwidth_mbit", "0.5").topology;
    assert!(links.links().iter().all(|link| link.bandwidth_mbit == Some(0.5)));
}

#[test]
fn workload_settings_change_all_workloads_or_the_named_one() {
    let rates = |scenario: Scenario| {
        scenario
            .workloads
            .iter()
            .map(|workload| workload.rate)
            .collect::<Vec<_>>()
    };
    assert_eq!(rates(with("workload.rate", "7")), [7.0, 7.0]);
    assert_eq!(rates(with("workload.second.one.rate", "7.5")), [50.0, 7.5]);
    assert_eq!(with("workload.first.keys", "9").workloads[0].keys, 9);
}

#[test]
fn policy_duration_clocks_and_events_can_be_set() {
    assert_eq!(with("policy", "merge").policy, Policy::Merge);
    assert_eq!(with("duration", "20s").duration, Duration::from_secs(20));
    let clock = ClockDeviation {
        offset_ms: -250,
        drift_ppm: 0,
    };
    assert_eq!(with("clocks.eu-west-1.offset_ms", "-250").clocks["eu-west-1"], clock);
    let lasts = with("event.1.lasts", "20s").events[0].lasts.expect("it lasts");
    assert_eq!(lasts.most, Duration::from_secs(20));
    assert_eq!(scenario().name, with("policy", "item").name);
}

#[test]
fn unknown_paths_are_answered_with_the_known_ones() {
    for path in [
        "link.delay",
        "workload.third.rate",
        "event.2.lasts",
        "event.0.lasts",
        "clocks.eu-west-1.skew",
        "",
        "rate",
    ] {
        match scenario().with([(path, "1")]) {
            Err(SettingError::Unknown { known, .. }) => {
                for expected in [
                    "link.delay_ms",
                    "workload.rate",
                    "workload.second.one.FIELD",
                    "event.1.lasts",
                    "policy",
                ] {
                    assert!(
                        known.iter().any(|known| known == expected),
                        "{expected} is missing in {known:?}"
                    );
                }
            }
            other => panic!("{path}: expected that it is unknown, got {other:?}"),
        }
    }
}

#[test]
fn settings_have_the_same_bounds_as_the_file() {
    assert_eq!(
        refused("workload.rate", "fast"),
        "workload.rate = fast; expected a number"
    );
    assert_eq!(
        refused("workload.rate", "0"),
        "workload.rate = 0: rate = 0; expected 0.01 to 100000"
    );
    assert_eq!(
        refused("policy", "last"),
        "policy = last: no policy is called \"last\"; expected one of item, attribute, merge"
    );
    assert!(refused("clocks.mars-1.offset_ms", "5").contains("no region is called \"mars-1\""));
    assert!(refused("duration", "6s").contains("the load ends at 6s"));
    assert!(refused("event.1.ppm", "5").contains("isolate has no field ppm"));
}

#[test]
fn settings_are_checked_together_in_any_order() {
    let earlier = ("event.1.at", "1s");
    let shorter = ("duration", "5s");
    for settings in [[earlier, shorter], [shorter, earlier]] {
        match scenario().with(settings) {
            Ok(both) => assert_eq!(both.duration, Duration::from_secs(5)),
            Err(error) => panic!("{error}"),
        }
    }
    match scenario().with([shorter, ("policy", "item")]) {
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.starts_with("duration = 5s, policy = item: this ends as late as"),
                "{message}"
            );
        }
        Ok(_) => panic!("the event ends after the load"),
    }
}

/// A skew that another setting sets stays.
#[test]
fn uniform_choice_removes_only_the_scenarios_skew() {
    let skewed = parse("[[workload]]\nchoice = \"zipfian\"\ntheta = 0.7\n");
    let choice = |settings: &[(&str, &str)]| {
        let varied = skewed.with(settings.iter().copied());
        varied.map(|scenario| scenario.workloads[0].choice)
    };
    let uniform = ("workload.choice", "uniform");
    assert!(matches!(choice(&[uniform]), Ok(KeyChoice::Uniform)));
    assert!(matches!(
        choice(&[("workload.choice", "latest")]),
        Ok(KeyChoice::Latest { theta: 0.7 })
    ));
    let theta = ("workload.theta", "0.5");
    for settings in [[uniform, theta], [theta, uniform]] {
        let refused = choice(&settings).map_err(|error| error.to_string());
        assert!(
            refused
                .as_ref()
                .is_err_and(|message| message.contains("the choice uniform has no field theta")),
            "{refused:?}"
        );
    }
}

#[test]
fn every_listed_path_is_known() {
    let scenario =
        parse("[[event]]\nat = \"5s\"\nlasts = \"3s\"\nloss = [\"us-east-1\", \"eu-west-1\"]\npercent = 2\n");
    for path in scenario.settings() {
        let path = path.replace("REGION", "eu-west-1");
        let is_unknown = matches!(scenario.with([(path.as_str(), "1")]), Err(SettingError::Unknown { .. }));
        assert!(!is_unknown, "{path} is listed and not known");
    }
    assert!(scenario.settings().contains(&"event.1.percent".to_owned()));
}
