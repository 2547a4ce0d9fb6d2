//! The meaning of topology files, and the errors of invalid ones.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::path::Path;

use beringia_regions::{
    Link, SHIPPED, Topology, TopologyError, TopologyForm, TopologyProblem, has_aws_form, known_regions,
};

const MEASURED: &str = include_str!("../aws-region-rtt.csv");

/// Reads the table without the crate's own reader, so that an error in one of the two shows.
fn measured_rtt_ms(from: &str, to: &str) -> f64 {
    let row = MEASURED
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{from},{to},")));
    row.expect("the pair was measured").parse().expect("a number")
}

fn parse(text: &str) -> Topology {
    Topology::parse(text, Path::new("test.toml")).expect("a valid topology")
}

fn link<'a>(topology: &'a Topology, from: &str, to: &str) -> &'a Link {
    topology.link(from, to).expect("the link is there")
}

/// The place and the problem of an invalid topology.
fn refused(text: &str) -> (usize, usize, TopologyProblem) {
    match Topology::parse(text, Path::new("test.toml")) {
        Err(TopologyError::Invalid {
            file,
            line,
            column,
            problem,
        }) => {
            assert_eq!(file, Path::new("test.toml"));
            (line, column, problem)
        }
        other => panic!("expected an invalid topology, got {other:?}"),
    }
}

#[test]
fn shipped_delays_are_half_of_the_measured_round_trips() {
    for topology in [Topology::two(), Topology::three(), Topology::ten()] {
        let regions = topology.regions().len();
        assert_eq!(topology.links().len(), regions * (regions - 1));
        for link in topology.links() {
            let half = measured_rtt_ms(&link.from, &link.to) / 2.0;
            assert!((link.delay_ms - half).abs() < 1e-9, "{link:?} should take {half} ms");
            assert_eq!((link.bandwidth_mbit, link.loss_percent), (None, 0.0));
        }
    }
}

#[test]
fn shipped_files_on_disk_are_the_ones_built_in() {
    let shipped = [
        ("two", Topology::two()),
        ("three", Topology::three()),
        ("ten", Topology::ten()),
    ];
    for (name, built_in) in shipped {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.toml"));
        assert_eq!(Topology::load(&file).expect("it is shipped"), built_in);
    }
    assert_eq!(
        Topology::three().names().collect::<Vec<_>>(),
        ["us-east-1", "eu-west-1", "ap-northeast-1"]
    );
    assert_eq!(
        (Topology::two().regions().len(), Topology::ten().regions().len()),
        (2, 10)
    );
}

/// Two bare `[[region]]` entries are a topology: the delays are those between AWS regions.
#[test]
fn delays_between_aws_regions_need_no_setting() {
    let regions = "[[region]]\nname = \"us-east-1\"\n[[region]]\nname = \"eu-west-1\"\n";
    let bare = parse(regions);
    assert_eq!(bare, parse(&format!("latencies = \"aws\"\n{regions}")));
    let half = measured_rtt_ms("us-east-1", "eu-west-1") / 2.0;
    assert!((link(&bare, "us-east-1", "eu-west-1").delay_ms - half).abs() < 1e-9);
    // A default is for pairs that the table does not have.
    let topology = parse(&format!(
        "[defaults]\ndelay_ms = 40\n{regions}[[region]]\nname = \"moon-1\"\n"
    ));
    assert!((link(&topology, "us-east-1", "eu-west-1").delay_ms - half).abs() < 1e-9);
    assert_eq!(link(&topology, "us-east-1", "moon-1").delay_ms, 40.0);
}

#[test]
fn without_latencies_the_default_delay_is_for_every_pair() {
    let regions = "[[region]]\nname = \"us-east-1\"\n[[region]]\nname = \"eu-west-1\"\n";
    let topology = parse(&format!("latencies = \"none\"\n[defaults]\ndelay_ms = 5\n{regions}"));
    for link in topology.links() {
        assert_eq!((link.delay_ms, link.is_delay_estimated), (5.0, false));
    }
    let (line, column, problem) = refused(&format!("latencies = \"none\"\n{regions}"));
    assert_eq!((line, column), (5, 8));
    assert_eq!(
        problem.to_string(),
        "no delay from us-east-1 to eu-west-1; expected a [[link]] with delay_ms, latencies that have the pair \
         (\"aws\", the default, has pairs of AWS regions), or delay_ms under [defaults]"
    );
}

#[test]
fn two_lines_add_a_region() {
    let text = format!("{}\n[[region]]\nname = \"sa-east-1\"\n", include_str!("../three.toml"));
    let topology = parse(&text);
    assert_eq!(topology.regions().len(), 4);
    let half = measured_rtt_ms("sa-east-1", "eu-west-1") / 2.0;
    assert!((link(&topology, "sa-east-1", "eu-west-1").delay_ms - half).abs() < 1e-9);
}

#[test]
fn a_link_entry_is_for_both_directions_unless_it_names_one() {
    let topology = parse(
        r#"
        [defaults]
        delay_ms = 10
        jitter_ms = 2
        [[region]]
        name = "a"
        [[region]]
        name = "b"
        [[region]]
        name = "c"
        [[link]]
        between = ["a", "b"]
        delay_ms = 80
        bandwidth_mbit = 5.5
        [[link]]
        from = "b"
        to = "a"
        loss_percent = 1
        delay_ms = 90
        "#,
    );
    let expected = |from: &str, to: &str, delay_ms, bandwidth_mbit, loss_percent| Link {
        from: from.to_owned(),
        to: to.to_owned(),
        delay_ms,
        is_delay_estimated: false,
        jitter_ms: 2.0,
        bandwidth_mbit,
        loss_percent,
    };
    assert_eq!(
        topology.links(),
        [
            expected("a", "b", 80.0, Some(5.5), 0.0),
            expected("a", "c", 10.0, None, 0.0),
            expected("b", "a", 90.0, Some(5.5), 1.0),
            expected("b", "c", 10.0, None, 0.0),
            expected("c", "a", 10.0, None, 0.0),
            expected("c", "b", 10.0, None, 0.0),
        ]
    );
}

#[test]
fn regions_without_measurements_get_estimated_delays() {
    let named = |name: &str| format!("\n[[region]]\nname = \"{name}\"\n");
    let three = include_str!("../three.toml");
    let topology = parse(&format!("{three}{}", named("me-central-1")));
    // The great-circle distance from Dubai to Tokyo is 7,940 km.
    let far = link(&topology, "me-central-1", "ap-northeast-1");
    assert!(far.is_delay_estimated && (far.delay_ms - 65.7).abs() < 0.5, "{far:?}");
    assert_eq!(link(&topology, "ap-northeast-1", "me-central-1").delay_ms, far.delay_ms);
    let estimated = topology.links().iter().filter(|link| link.is_delay_estimated);
    assert!(
        estimated
            .clone()
            .all(|link| [&link.from, &link.to].contains(&&"me-central-1".to_owned()))
    );
    assert_eq!(estimated.count(), 6, "measured pairs are not estimated");

    let problem = "[[link]]\nbetween = [\"me-central-1\", \"us-east-1\"]\n";
    let topology = parse(&format!("{three}{}{problem}delay_ms = 90\n", named("me-central-1")));
    assert!(!link(&topology, "me-central-1", "us-east-1").is_delay_estimated);
    assert!(link(&topology, "me-central-1", "eu-west-1").is_delay_estimated);
    let topology = parse(&format!("{three}{}{problem}jitter_ms = 90\n", named("me-central-1")));
    assert!(link(&topology, "me-central-1", "us-east-1").is_delay_estimated);
}

#[test]
fn every_aws_region_has_delays_to_every_other() {
    let places = include_str!("../aws-regions.csv").lines().skip(1);
    let names: Vec<&str> = places.filter_map(|row| row.split(',').next()).collect();
    assert_eq!(names.len(), 39);
    assert_eq!(known_regions().collect::<Vec<_>>(), names);
    // A topology has at most 32 regions: the first 32 of the table, then the last 32.
    for group in [&names[..32], &names[7..]] {
        let regions = group.iter().map(|name| format!("[[region]]\nname = \"{name}\"\n"));
        let topology = parse(&regions.collect::<String>());
        for link in topology.links() {
            assert!((1.0..250.0).contains(&link.delay_ms), "{link:?}");
        }
    }
}

#[test]
fn regions_outside_the_table_are_not_estimated() {
    let pair = "[[region]]\nname = \"us-east-1\"\n[[region]]\nname = \"moon-1\"\n";
    for latencies in ["", "latencies = \"aws\"\n"] {
        let (_, _, problem) = refused(&format!("{latencies}{pair}"));
        let (from, to) = ("us-east-1".to_owned(), "moon-1".to_owned());
        assert_eq!(problem, TopologyProblem::NoDelay { from, to });
    }
    let topology = parse(&format!("[defaults]\ndelay_ms = 40\n{pair}"));
    let link = link(&topology, "us-east-1", "moon-1");
    assert_eq!((link.delay_ms, link.is_delay_estimated), (40.0, false));
}

#[test]
fn reads_latencies_from_a_file_beside_the_topology() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("moon.toml");
    std::fs::write(directory.path().join("moon.csv"), "from,to,rtt_ms\nearth,moon,2564\n").expect("written");
    let text = "latencies = \"moon.csv\"\n[[region]]\nname = \"earth\"\n[[region]]\nname = \"moon\"\n";
    std::fs::write(&file, text).expect("written");
    let topology = Topology::load(&file).expect("valid");
    assert_eq!(link(&topology, "earth", "moon").delay_ms, 1282.0);
    assert_eq!(
        link(&topology, "moon", "earth").delay_ms,
        1282.0,
        "measured one way only: the same back"
    );

    std::fs::write(
        directory.path().join("moon.csv"),
        "from,to,rtt_ms\nearth,moon,2564\nmoon,earth,far\n",
    )
    .expect("written");
    let error = Topology::load(&file).expect_err("not a number").to_string();
    assert!(
        error.contains("moon.csv:3:1: ") && error.contains("expected the columns from,to,rtt_ms"),
        "{error}"
    );

    std::fs::remove_file(directory.path().join("moon.csv")).expect("removed");
    let error = Topology::load(&file).expect_err("no such file").to_string();
    assert!(
        error.starts_with("cannot read ") && error.contains("moon.csv"),
        "{error}"
    );
}

#[test]
fn names_a_missing_file() {
    let error = Topology::load(Path::new("nowhere/none.toml"))
        .expect_err("no such file")
        .to_string();
    assert!(error.starts_with("cannot read nowhere/none.toml: "), "{error}");
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let two = "[[region]]\nname = \"a\"\n[[region]]\nname = \"b\"\n";
    let linked = |link: &str| format!("{two}[[link]]\n{link}\n");
    let cases: [(String, usize, usize, &str); 13] = [
        (String::new(), 1, 1, "expected at least one [[region]]"),
        (
            "[[region]]\nname = \"a\"\nport = 1".to_owned(),
            3,
            1,
            "unknown field `port`, expected one of `name`",
        ),
        (
            "[[region]]\nname = 7".to_owned(),
            2,
            8,
            "7 does not fit here; expected text in quotes",
        ),
        ("[[region]]\nname = \"a".to_owned(), 2, 10, "expected `\"`"),
        (
            "[[region]]\nname = \"US_EAST\"".to_owned(),
            2,
            8,
            "\"US_EAST\" cannot name a region; expected 1 to 32",
        ),
        (
            "[[region]]\nname = \"a\"\nhost = \" \"".to_owned(),
            3,
            8,
            "expected a host name",
        ),
        (
            format!("{two}[[region]]\nname = \"a\"\n"),
            6,
            8,
            "two regions are called a",
        ),
        (two.to_owned(), 4, 8, "no delay from a to b; expected a [[link]]"),
        (
            linked("between = [\"a\", \"c\"]"),
            6,
            17,
            "no region is called \"c\"; expected one of a, b",
        ),
        (linked("from = \"a\"\nto = \"a\""), 5, 1, "a link from a to itself"),
        (linked("between = [\"a\"]"), 5, 1, "expected either between = [A, B]"),
        (
            linked("between = [\"a\", \"b\"]\ndelay_ms = -1"),
            7,
            12,
            "delay_ms = -1; expected 0 to 600000",
        ),
        (
            linked("between = [\"a\", \"b\"]\ndelay_ms = 1\nloss_percent = 100"),
            8,
            16,
            "expected 0 to 99",
        ),
    ];
    for (text, line, column, message) in cases {
        let (line_found, column_found, problem) = refused(&text);
        let problem = problem.to_string();
        assert!(
            problem.contains(message),
            "{text}\ngave: {problem}\nexpected: {message}"
        );
        assert_eq!((line_found, column_found), (line, column), "{text}\ngave: {problem}");
    }
}

#[test]
fn a_group_has_1_to_32_regions_with_names_of_1_to_32_characters() {
    let regions = |count: usize| -> String {
        let regions = (0..count).map(|index| format!("[[region]]\nname = \"r{index}\"\n"));
        format!("[defaults]\ndelay_ms = 1\n{}", regions.collect::<String>())
    };
    assert_eq!(parse(&regions(1)).links(), []);
    assert_eq!(parse(&regions(32)).links().len(), 32 * 31);
    assert_eq!(refused(&regions(33)).2, TopologyProblem::TooManyRegions(33));

    let named = |name: &str| format!("[[region]]\nname = \"{name}\"\n");
    assert_eq!(parse(&named(&"x".repeat(32))).regions()[0].name.len(), 32);
    assert_eq!(
        refused(&named(&"x".repeat(33))).2,
        TopologyProblem::RegionName("x".repeat(33))
    );
    for name in ["", "1st", "-a"] {
        assert_eq!(refused(&named(name)).2, TopologyProblem::RegionName(name.to_owned()));
    }
}

#[test]
fn names_of_aws_regions_make_a_topology() {
    let three = ["us-east-1", "eu-west-1", "ap-northeast-1"];
    assert_eq!(Topology::named(three), Ok(Topology::three()));
    let topology = Topology::named(["us-gov-west-1", "cn-north-1"]).expect("both are known");
    assert!(topology.has_estimated_delays());
}

#[test]
fn names_that_make_no_topology_are_refused() {
    let error = |names: &[&str]| Topology::named(names.iter().copied()).expect_err("refused").to_string();
    assert_eq!(
        error(&["us-east-1", "eu-centrl-1"]),
        "\"eu-centrl-1\" is no AWS region whose delays are known; similar names: eu-central-1, eu-central-2"
    );
    let all: Vec<&str> = known_regions().collect();
    assert_eq!(
        error(&["moon-1"]),
        format!(
            "\"moon-1\" is no AWS region whose delays are known; expected names of {}",
            all.join(", ")
        )
    );
    assert_eq!(
        error(&["us-east-1", "eu-west-1", "us-east-1"]),
        "two regions are called us-east-1; expected each name once"
    );
    assert_eq!(error(&all), "39 regions; expected at most 32");
    assert!(error(&[]).starts_with("no region; "));
}

/// The names come from the endpoint metadata of AWS's SDKs, of all partitions.
#[test]
fn names_of_aws_regions_have_their_form() {
    let secret = ["us-iso-west-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"];
    let to_come = ["sa-west-1", "us-south-1", "us-east-3", "ap-southeast-12"];
    for name in known_regions().chain(secret).chain(to_come) {
        assert!(has_aws_form(name), "{name}");
    }
    let placeholders = [
        "local",
        "localhost",
        "local-not-a-region",
        "ddblocal",
        "us-fake-1",
        "moon-1",
    ];
    let others = [
        "",
        "-",
        "us",
        "us-east",
        "us-east-",
        "us-east-1a",
        "us-east-1-x",
        "xx-east-1",
        "US-EAST-1",
        "us-1",
        "us-a-b-east-1",
        "aws-global",
    ];
    for name in placeholders.into_iter().chain(others) {
        assert!(!has_aws_form(name), "{name:?}");
    }
    assert!(!has_aws_form(&format!("us-{}-east-1", "x".repeat(100))), "too long");
}

#[test]
fn identity_ignores_order_and_links() {
    let named = |names: [&str; 2], delay_ms: u32| {
        let [first, second] = names;
        parse(&format!(
            "[defaults]\ndelay_ms = {delay_ms}\n[[region]]\nname = \"{first}\"\n[[region]]\nname = \"{second}\"\n"
        ))
        .identity()
    };
    assert_eq!(named(["a", "b"], 1), "a,b");
    assert_eq!(named(["b", "a"], 2), "a,b");
    assert_ne!(named(["a", "c"], 1), "a,b");
}

#[test]
fn reads_the_address_of_a_region() {
    let text = "[[region]]\nname = \"a\"\nhost = \"10.0.0.7\"\ndynamodb_port = 80\nreplication_port = 81\n";
    let topology = parse(text);
    let site = topology.region("a").expect("it is there");
    assert_eq!(
        (site.host.as_deref(), site.dynamodb_port, site.replication_port),
        (Some("10.0.0.7"), Some(80), Some(81))
    );
}

/// `Topology::shipped` finds each by its name, and its form, written and parsed again, gives the
/// same topology.
#[test]
fn shipped_topologies_survive_a_round_trip() {
    for name in SHIPPED {
        let topology = Topology::shipped(name).expect("its name is listed");
        let form = toml::to_string(&TopologyForm::of(&topology)).expect("a form can be written");
        assert_eq!(parse(&form), topology);
    }
    assert_eq!(Topology::shipped("four"), None);
}
