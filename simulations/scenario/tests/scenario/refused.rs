//! The errors of invalid files: the place, what is wrong, and what was expected.

use beringia_scenario::{ScenarioProblem, Senseless};

use crate::support::refused;

/// Reads an event in the second line of a scenario of a minute, and returns its error.
fn event(fields: &str) -> (usize, usize, String) {
    let (line, column, problem) = refused(&format!("[[event]]\n{fields}\n"));
    (line, column, problem.to_string())
}

#[test]
fn unknown_fields_are_answered_with_the_known_ones() {
    let (line, column, problem) = refused("about = \"x\"\ndurations = \"1m\"\n");
    assert_eq!((line, column), (2, 1));
    let text = problem.to_string();
    assert!(
        text.contains("unknown field `durations`") && text.contains("`duration`"),
        "{text}"
    );

    let (line, column, text) = event("at = \"1s\"\nkill = \"eu-west-1\"");
    assert_eq!((line, column), (3, 1));
    assert!(
        text.contains("unknown field `kill`") && text.contains("`crash`"),
        "{text}"
    );
}

#[test]
fn values_of_a_wrong_type_are_answered_with_the_right_one() {
    let whole = "a whole number, not below 0";
    let wrong = [
        ("seed = \"abc\"", (1, 8), "\"abc\"", whole),
        ("seed = -5", (1, 8), "-5", whole),
        ("seed = 1.5", (1, 8), "1.5", whole),
        ("duration = 60", (1, 12), "60", "text in quotes"),
        ("duration = 2026-07-14", (1, 12), "2026-07-14", "text in quotes"),
        (
            "starts = \"noon\"",
            (1, 10),
            "\"noon\"",
            "a date and a time, such as 2026-07-14T12:00:00Z",
        ),
        (
            "replicas = \"us-east-1\"",
            (1, 12),
            "\"us-east-1\"",
            "a list in brackets",
        ),
        ("[[workload]]\nkeys = true", (2, 8), "true", whole),
        (
            "[[workload]]\nclients = 5000000000",
            (2, 11),
            "5000000000",
            "a whole number from 0 to 4294967295",
        ),
        ("[[link]]\ndelay_ms = \"5\"", (2, 12), "\"5\"", "a number"),
        ("[clocks.us-east-1]\ndrift_ppm = 0.5", (2, 13), "0.5", "a whole number"),
        ("expect = 3", (1, 10), "3", "a table"),
        ("about = { x = 1 }", (1, 9), "a table", "text in quotes"),
        ("about = [\"x\"]", (1, 9), "a list", "text in quotes"),
        (
            "topology = 3",
            (1, 12),
            "3",
            "a topology: one of two, three, ten, the path of a file, or a table as in one",
        ),
    ];
    for (text, place, found, expected) in wrong {
        let (line, column, problem) = refused(text);
        assert_eq!(
            ((line, column), problem.to_string()),
            (place, format!("{found} does not fit here; expected {expected}")),
            "{text}"
        );
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let regions = "us-east-1, eu-west-1, ap-northeast-1";
    let wrong = [
        (
            "policy = \"last\"",
            (1, 10),
            "no policy is called \"last\"; expected one of item, attribute, merge",
        ),
        (
            "[[event]]\nat = \"1s\"\ncrash = \"mars-1\"",
            (3, 9),
            "no region is called \"mars-1\"; expected one of {regions}",
        ),
        (
            "[[event]]\nat = \"1s\"\ncut = [\"eu-west-1\", \"mars-1\"]",
            (3, 21),
            "no region is called \"mars-1\"; expected one of {regions}",
        ),
        (
            "[clocks.mars-1]\noffset = \"1s\"",
            (1, 9),
            "no region is called \"mars-1\"; expected one of {regions}",
        ),
        (
            "replicas = [\"mars-1\"]",
            (1, 13),
            "no region is called \"mars-1\"; expected one of {regions}",
        ),
        (
            "[expect.availability]\nmars-1 = 9",
            (2, 1),
            "no region is called \"mars-1\"; expected one of *, {regions}",
        ),
        (
            "[[event]]\nat = \"1s\"\nrate = 5\nworkload = \"carts\"",
            (4, 12),
            "no workload is called \"carts\"; expected one of ycsb-a",
        ),
        (
            "[[workload]]\nchoice = \"gauss\"",
            (2, 10),
            "no choice of keys is called \"gauss\"; expected one of uniform, zipfian, latest",
        ),
        (
            "[[event]]\nat = \"1s\"\npause_replication = \"eu-west-1\"\ntable = \"carts\"",
            (4, 9),
            "no table is called \"carts\"; expected one of ycsb-a",
        ),
        (
            "[[workload]]\nbilling = \"free\"",
            (2, 11),
            "no billing is called \"free\"; expected one of on-demand, provisioned",
        ),
        (
            "[[link]]\nbetween = [\"eu-west-1\", \"mars-1\"]",
            (2, 25),
            "no region is called \"mars-1\"; expected one of {regions}",
        ),
    ];
    for (text, place, expected) in wrong {
        let (line, column, problem) = refused(text);
        assert_eq!(
            ((line, column), problem.to_string()),
            (place, expected.replace("{regions}", regions)),
            "{text}"
        );
    }
    let (_, _, kind) = refused("[[workload]]\nkind = \"ycsb\"");
    assert!(kind.to_string().contains("ycsb-a, ycsb-b"), "{kind}");
    let (_, _, anomaly) = refused("[expect.anomalies]\nstale = { max = 0 }");
    assert!(anomaly.to_string().contains("stale-read, lost-update"), "{anomaly}");
}

#[test]
fn lengths_of_time_have_units_and_bounds() {
    let wrong = [
        (
            "duration = \"90\"",
            (1, 12),
            "\"90\" is not a length of time; expected a number and a unit, such as \"250ms\", \"30s\", \"1.5s\" or \"2m\"",
        ),
        ("duration = \"10ms\"", (1, 12), "duration = 10ms; expected 1s to 24h"),
        (
            "[[event]]\nat = \"9s..5s\"\nheal = \"*\"",
            (2, 6),
            "\"9s..5s\" is not a time; expected one such as \"30s\", or two, the lesser first, such as \"30s..45s\"",
        ),
        (
            "[[event]]\nat = \"9s\"\nlasts = \"0s\"\ncrash = \"eu-west-1\"",
            (3, 9),
            "lasts = 0s; expected more than 0s",
        ),
        (
            "[clocks.eu-west-1]\noffset = \"fast\"",
            (2, 10),
            "\"fast\" is not a length of time; expected a number and a unit, such as \"250ms\", \"30s\", \"1.5s\" or \"2m\"",
        ),
        (
            "[[workload]]\nfrom = \"30s\"\nuntil = \"20s\"",
            (3, 9),
            "until = 20s; expected more than from = 30s",
        ),
    ];
    for (text, place, expected) in wrong {
        let (line, column, problem) = refused(text);
        assert_eq!(
            ((line, column), problem.to_string()),
            (place, expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn numbers_have_bounds() {
    let wrong = [
        ("[[workload]]\nrate = 0", "rate = 0; expected 0.01 to 100000"),
        ("[[workload]]\nrate = nan", "rate = NaN; expected 0.01 to 100000"),
        ("[[workload]]\nkeys = 0", "keys = 0; expected 1 to 10000000"),
        ("[[workload]]\ntheta = 1.5", "theta = 1.5; expected 0.01 to 0.999"),
        (
            "[[workload]]\nkind = \"mixed\"\nput_percent = 90\nupdate_percent = 20",
            "put_percent + update_percent + delete_percent + append_percent = 120; expected at most 100; the rest are reads",
        ),
        (
            "[expect.availability]\n\"*\" = 101",
            "availability = 101; expected 0 to 100",
        ),
        (
            "[expect]\nconflicts = { min = 2, max = 1 }",
            "conflicts = { min = 2, max = 1 }; expected a min that is not above the max",
        ),
        (
            "[[event]]\nat = \"1s\"\nloss = [\"eu-west-1\", \"us-east-1\"]\npercent = 100",
            "percent = 100; expected 0 to 99",
        ),
        (
            "[[event]]\nat = \"1s\"\nclock_drift = \"eu-west-1\"\nppm = 200000",
            "ppm = 200000; expected -100000 to 100000",
        ),
        ("replicas = []", "replicas = []; expected at least one region"),
        (
            "[[link]]\nbetween = [\"eu-west-1\", \"us-east-1\"]\nloss_percent = 100",
            "loss_percent = 100; expected 0 to 99",
        ),
    ];
    for (text, expected) in wrong {
        assert_eq!(refused(text).2.to_string(), expected, "{text}");
    }
}

#[test]
fn an_event_has_one_time_and_one_action() {
    assert_eq!(
        refused("[[event]]\ncrash = \"eu-west-1\"").2,
        ScenarioProblem::EventTime
    );
    assert_eq!(
        refused("[[event]]\nat = \"1s\"\nafter = \"1s\"\ncrash = \"eu-west-1\"").2,
        ScenarioProblem::EventTime
    );
    assert_eq!(refused("[[event]]\nat = \"1s\"").2, ScenarioProblem::EventAction);
    assert_eq!(
        refused("[[event]]\nat = \"1s\"\ncrash = \"eu-west-1\"\nisolate = \"eu-west-1\"").2,
        ScenarioProblem::EventAction
    );
    let (line, column, text) = event("at = \"1s\"\nlasts = \"2s\"\nrestart = \"eu-west-1\"");
    assert_eq!((line, column), (3, 9));
    assert_eq!(text, "nothing undoes restart; expected no lasts");
}

#[test]
fn fields_that_an_event_cannot_have_are_refused() {
    let (line, column, text) = event("at = \"1s\"\ncrash = \"eu-west-1\"\nreset = true");
    assert_eq!((line, column), (4, 9));
    assert_eq!(text, "crash has no field reset; expected lose_disk");
    let (_, _, text) = event("at = \"1s\"\nrestart = \"eu-west-1\"\nby = \"1s\"");
    assert_eq!(text, "restart has no field by; expected no other field");
    let (line, column, text) = event("at = \"1s\"\nheal = \"*\"\none_way = true");
    assert_eq!((line, column), (4, 11));
    assert_eq!(text, "heal = \"*\" has no field one_way; expected no other field");
    let (_, _, text) = event("at = \"1s\"\nheal = [\"us-east-1\", \"eu-west-1\"]\nreset = true");
    assert_eq!(text, "heal has no field reset; expected one_way");
    let (_, _, problem) = refused("[[workload]]\nkind = \"bank\"\nttl = \"1m\"");
    assert!(
        problem
            .to_string()
            .starts_with("bank has no field ttl; expected name, "),
        "{problem}"
    );
}

#[test]
fn missing_fields_of_an_event_are_named() {
    let (line, _, text) = event("at = \"1s\"\nslow_disk = \"eu-west-1\"");
    assert_eq!(line, 1);
    assert_eq!(
        text,
        "slow_disk needs by; expected how much longer a commit takes, such as by = \"50ms\""
    );
    let (_, _, text) = event("at = \"1s\"\nswarm = 3");
    assert_eq!(
        text,
        "swarm needs lasts; expected the time within which it draws faults, such as lasts = \"40s\""
    );
    let (_, _, text) = event("at = \"1s\"\nshift = \"eu-west-1\"\nto = \"eu-west-1\"");
    assert!(text.contains("expected another region, or shift_back"), "{text}");
    let (_, _, text) = event("at = \"1s\"\nheal = \"eu-west-1\"");
    assert!(text.contains("\"*\" for every link, or two regions"), "{text}");
    let (_, _, text) = event("at = \"1s\"\ncut = [\"eu-west-1\"]");
    assert!(
        text.starts_with("which link is this? expected two different regions"),
        "{text}"
    );
}

#[test]
fn events_that_may_happen_after_the_end_are_refused() {
    let text = "duration = \"1m\"\n\n[[event]]\nat = \"50s..70s\"\ncrash = \"eu-west-1\"\n";
    let (line, column, problem) = refused(text);
    assert_eq!((line, column), (3, 1));
    assert_eq!(
        problem.to_string(),
        "this happens as late as 70s, but the load ends at 1m; expected an earlier time, or a longer duration"
    );
    let (_, _, text) = event("at = \"50s\"\nlasts = \"5s..11s\"\nisolate = \"eu-west-1\"");
    assert!(text.starts_with("this ends as late as 61s"), "{text}");
}

#[test]
fn impossible_timelines_are_refused_at_the_impossible_event() {
    let crash = "[[event]]\nat = \"5s\"\ncrash = \"eu-west-1\"\n";
    let eu = || "eu-west-1".to_owned();
    let wrong = [
        (
            "[[event]]\nat = \"5s\"\nrestart = \"eu-west-1\"\n".to_owned(),
            1,
            Senseless::Up(eu()),
        ),
        (
            format!("{crash}[[event]]\nat = \"6s\"\ncrash = \"eu-west-1\"\n"),
            4,
            Senseless::Down(eu()),
        ),
        (
            format!("{crash}[[event]]\nat = \"6s\"\ndrain = \"eu-west-1\"\n"),
            4,
            Senseless::Down(eu()),
        ),
        (
            format!(
                "[[event]]\nat = \"7s\"\nrestart = \"eu-west-1\"\n{crash}[[event]]\nat = \"9s\"\nrestart = \"eu-west-1\"\n"
            ),
            7,
            Senseless::Up(eu()),
        ),
        (
            "[[event]]\nat = \"5s\"\nheal = \"*\"\n".to_owned(),
            1,
            Senseless::NothingCut,
        ),
        (
            "[[event]]\nat = \"5s\"\nadd_replica = \"eu-west-1\"\n".to_owned(),
            1,
            Senseless::Replica(eu()),
        ),
        (
            "[[event]]\nat = \"5s\"\nundrain = \"eu-west-1\"\n".to_owned(),
            1,
            Senseless::NotDrained(eu()),
        ),
        (
            "[[event]]\nat = \"5s\"\nresume_replication = \"eu-west-1\"\n".to_owned(),
            1,
            Senseless::NotPaused(eu()),
        ),
        (
            "[[event]]\nat = \"5s\"\nshift_back = \"eu-west-1\"\n".to_owned(),
            1,
            Senseless::Shifted(eu()),
        ),
        (
            "replicas = [\"eu-west-1\"]\n[[event]]\nat = \"5s\"\nremove_replica = \"eu-west-1\"\n".to_owned(),
            2,
            Senseless::LastReplica(eu()),
        ),
    ];
    for (text, at, senseless) in wrong {
        let (line, column, problem) = refused(&text);
        assert_eq!(
            (line, column, problem),
            (at, 1, ScenarioProblem::Senseless(senseless)),
            "{text}"
        );
    }
}

#[test]
fn a_timeline_whose_order_depends_on_the_seed_is_refused() {
    let text = "[[event]]\nat = \"5s..15s\"\nlasts = \"10s\"\ncrash = \"eu-west-1\"\n\n[[event]]\nat = \"10s\"\npause_replication = \"eu-west-1\"\n";
    let (line, _, problem) = refused(text);
    assert_eq!(line, 6);
    assert_eq!(
        problem.to_string(),
        "this may come before or after the action of event 1 on eu-west-1 (crash eu-west-1); expected times whose order does not \
         depend on the seed"
    );
    let swarm = "[[event]]\nat = \"5s\"\nlasts = \"20s\"\nswarm = 5\n[[event]]\nat = \"10s\"\nlasts = \"2s\"\ncrash = \"eu-west-1\"\n";
    assert!(refused(swarm).2.to_string().contains("event 1 on eu-west-1 (a swarm)"));
}

#[test]
fn impossible_behaviour_and_throughput_are_refused() {
    let wrong = [
        (
            "[behaviour]\nstale_reads = \"2m\"",
            (2, 15),
            "stale_reads = 2m; expected 0s to 1m",
        ),
        (
            "[behaviour]\nmax_unreachable = \"0s\"",
            (2, 19),
            "max_unreachable = 0s; expected 1ms to 24h",
        ),
        (
            "[behaviour]\nthrottling = \"yes\"",
            (2, 14),
            "\"yes\" does not fit here; expected true or false",
        ),
        (
            "[[workload]]\nbilling = \"provisioned\"\nread_units = 5",
            (2, 11),
            "billing = \"provisioned\" needs write_units; expected capacity units per second, such as read_units = 100 and write_units = 50",
        ),
        (
            "[[workload]]\nwrite_units = 0",
            (2, 15),
            "write_units = 0; expected 1 to 1000000000",
        ),
        (
            "[[workload]]\nkind = \"replay\"\noperations = \"\"\nread_units = 5",
            (4, 14),
            "replay has no field read_units; expected file, operations",
        ),
        (
            "starts = 2026-07-14T12:00:00",
            (1, 10),
            "starts = 2026-07-14T12:00:00; expected a date and a time with its offset from UTC, 1970 to 2200, such as 2026-07-14T12:00:00Z",
        ),
    ];
    for (text, place, expected) in wrong {
        let (line, column, problem) = refused(&format!("{text}\n"));
        assert_eq!(
            ((line, column), problem.to_string()),
            (place, expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn disks_fail_only_where_the_scenario_asks_for_it() {
    for (name, more) in [
        ("lose_power", ""),
        ("failing_disk", "\nsyncs = 5"),
        ("flip_bits", "\nbits = 1"),
    ] {
        let fields = format!("at = \"1s\"\n{name} = \"eu-west-1\"{more}");
        let (line, _, text) = event(&fields);
        let expected =
            format!("{name} needs a disk that can fail; expected disks = \"faulty\" at the top of the scenario");
        assert_eq!((line, text), (1, expected));
        let read = crate::support::parse(&format!("disks = \"faulty\"\n[[event]]\n{fields}\n"));
        assert_eq!(read.events.len(), 1, "{name}");
    }
    let (line, column, problem) = refused("disks = \"broken\"\n");
    assert_eq!((line, column), (1, 9));
    let text = problem.to_string();
    assert!(text.contains("reliable") && text.contains("faulty"), "{text}");
    let (_, _, problem) =
        refused("disks = \"faulty\"\n[[event]]\nat = \"1s\"\nfailing_disk = \"eu-west-1\"\nreads = 101\n");
    let text = problem.to_string();
    assert!(text.contains("reads") && text.contains("100"), "{text}");
}
