//! Scenarios as drills over containers: real kills, disconnects and queues, through the hook that
//! users run with `compose.yaml`.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU16, Ordering},
};

use beringia_tests::{command::beringia, repository};
use serde_json::{Value, json};
use tempfile::TempDir;
use testcontainers::{
    ImageExt,
    core::{IntoContainerPort, Mount},
};

use crate::{Member, REGIONS, docker, image};

/// The time that is allowed for the machine that runs containers and tests at once, in seconds: to
/// start and connect containers, and to catch up.
const ALLOWANCE_S: &str = "10";

/// Three regions that can be killed and disconnected, and that come back at the same addresses.
struct Fleet {
    members: Vec<Member>,
    wan: docker::Network,
    /// The disks, one directory for each region.
    data: TempDir,
    prefix: String,
}

impl Fleet {
    /// Starts the regions with empty disks.
    async fn start() -> Self {
        let docker = docker::connect().await.expect("the caller has found Docker");
        let wan = docker::Network::create(docker, "beringia-drill").await;
        let data = tempfile::tempdir().expect("a temporary directory");
        let prefix = wan.name().to_owned();
        let mut members = Vec::new();
        for region in REGIONS {
            let disk = data.path().join(region);
            std::fs::create_dir(&disk).expect("the directory is writable");
            let disk = Mount::bind_mount(disk.display().to_string(), "/data");
            // If the engine chose the ports, a restarted container would get new ones.
            let prepared = image(disk)
                .with_mapped_port(free_port(), 8001.tcp())
                .with_mapped_port(free_port(), 9090.tcp())
                .with_container_name(format!("{prefix}-{region}"));
            members.push(Member::run(region, &wan, prepared).await);
        }
        Self {
            members,
            wan,
            data,
            prefix,
        }
    }

    /// Plays a scenario, which must hold with the stated allowance for this machine. Returns the
    /// run.
    fn drill(&self, scenario: &str) -> Value {
        let output = self.play(scenario);
        let text = String::from_utf8_lossy(&output.stdout);
        let printed = String::from_utf8_lossy(&output.stderr);
        let run: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{scenario}: {error}: {text}{printed}"));
        assert_eq!(run["player"], "containers");
        assert_eq!((&run["violations"], &run["writes"]["lost"]), (&json!([]), &json!(0)));
        let list = |name: &str| {
            run[name]
                .as_array()
                .unwrap_or_else(|| panic!("{name} is a list"))
                .clone()
        };
        for verdict in list("verdicts") {
            assert_eq!(verdict["holds"], true, "{scenario}: {verdict}");
        }
        assert_eq!(output.status.code(), Some(0), "{scenario}: {printed}");
        let converged = list("convergences");
        assert!(converged.len() >= 2, "after the repair, and at the end: {converged:?}");
        assert!(
            converged.iter().all(|one| one["elapsed_ms"].is_u64()),
            "{scenario}: {converged:?}\n{printed}"
        );
        run
    }

    /// Returns whether the hook can perform an action on this machine. If it cannot, its reason is
    /// printed.
    fn can(&self, word: &str) -> bool {
        let output = Command::new(hook())
            .args(["can", word])
            .output()
            .expect("the hook starts");
        if !output.status.success() {
            println!("not drilled: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        output.status.success()
    }

    async fn end(self) {
        drop(self.members);
        self.wan.remove().await;
    }

    fn play(&self, scenario: &str) -> Output {
        let addresses = |of: fn(&Member) -> &str| self.members.iter().map(of).collect::<Vec<_>>();
        let control = addresses(|member| &member.control.0).join(",");
        let endpoints = self.members.iter().flat_map(|member| {
            let address = member.dynamodb.trim_start_matches("http://");
            ["--dynamodb".to_owned(), format!("{}={address}", member.region)]
        });
        Command::new(beringia())
            .args([
                "drill",
                "run",
                scenario,
                "--attach",
                "--with-load",
                "--allow-data-loss",
                "--pace",
                "2",
                "--allowance",
                ALLOWANCE_S,
            ])
            .args(["--format", "json", "--control", &control])
            .args(endpoints)
            .arg("--hook")
            .arg(hook())
            .env("BERINGIA_PREFIX", &self.prefix)
            .env("BERINGIA_NETWORK", self.wan.name())
            .env("BERINGIA_DATA", self.data.path())
            .env("TMPDIR", self.data.path())
            .output()
            .expect("beringia starts")
    }
}

fn hook() -> PathBuf {
    repository().join("containers/hook.sh")
}

/// The greatest lag of one region behind another in a run, in milliseconds.
fn greatest_lag(run: &Value, from: &str, to: &str) -> f64 {
    let pairs = run["pairs"].as_array().expect("pairs");
    let pair = pairs.iter().find(|pair| pair["from"] == from && pair["to"] == to);
    pair.expect("every pair")["lag_ms"]["max"].as_f64().expect("a number")
}

/// A port that no earlier call returned and that is unused. It is below 32768, where Linux and
/// Docker choose ports by themselves, so neither takes it before the container starts.
fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 500) as u16 * 20;
    loop {
        let port = first + CALLS.fetch_add(1, Ordering::Relaxed) % 10_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a test of this file's parent, which tells testcontainers where the engine is"]
async fn shipped_scenarios() {
    let fleet = Fleet::start().await;

    let run = fleet.drill("partition");
    assert!(!run["conflicts"].as_array().expect("conflicts").is_empty());
    assert!(
        greatest_lag(&run, "us-east-1", "eu-west-1") > 5_000.0,
        "the network was disconnected for 12 s"
    );
    assert!(
        greatest_lag(&run, "us-east-1", "ap-northeast-1") < 5_000.0,
        "and only that region's"
    );

    let run = fleet.drill("region-loss");
    let failed = run["seconds"]
        .as_array()
        .expect("seconds")
        .iter()
        .filter(|second| second["failed"] != 0);
    let regions: Vec<_> = failed.map(|second| &second["region"]).collect();
    assert!(
        !regions.is_empty() && regions.iter().all(|region| *region == "ap-northeast-1"),
        "{regions:?}"
    );
    assert!(run["failovers"][0]["first_success_ms"].is_u64(), "{}", run["failovers"]);

    let run = fleet.drill("region-loss-with-data");
    let loss = &run["disk_losses"][0];
    assert_eq!(loss["region"], "ap-northeast-1");
    assert!(loss["writes"].as_u64() > Some(0), "it was cut off before: {loss}");

    let marker = |region: &str| fleet.data.path().join(region).join("not-of-the-database");
    std::fs::write(marker("us-east-1"), "goes with the disk").expect("the disk is writable");
    let run = fleet.drill("failover-and-failback");
    assert!(!Path::exists(&marker("us-east-1")), "the disk was lost");
    assert_eq!(
        run["disk_losses"][0]["writes"], 0,
        "a drained region loses nothing with its disk"
    );
    fleet.end().await;
}

/// A link that is slow, and for part of that time also loses packets.
const SLOW_LINK: &str = r#"
duration = "16s"
[[workload]]
kind = "ycsb-a"
rate = 20
[[event]]
at = "2s"
lasts = "10s"
delay = ["us-east-1", "eu-west-1"]
to = "600ms"
jitter = "100ms"
one_way = true
[[event]]
at = "6s"
lasts = "4s"
loss = ["us-east-1", "eu-west-1"]
percent = 5
one_way = true
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a test of this file's parent, which tells testcontainers where the engine is"]
async fn links_with_conditions() {
    let fleet = Fleet::start().await;
    if fleet.can("bandwidth") {
        let run = fleet.drill("slow-link-backlog");
        let there = greatest_lag(&run, "us-east-1", "eu-west-1");
        let elsewhere = greatest_lag(&run, "us-east-1", "ap-northeast-1");
        println!("narrow: {there} ms, others: {elsewhere} ms");
        assert!(there > 3_000.0, "more was written than the link took: {there} ms");
        assert!(elsewhere < 3_000.0, "and only that link is narrow: {elsewhere} ms");
    }
    if fleet.can("delay") {
        let file = fleet.data.path().join("slow-link.toml");
        std::fs::write(&file, SLOW_LINK).expect("the directory is writable");
        let run = fleet.drill(file.to_str().expect("a path in UTF-8"));
        let there = greatest_lag(&run, "us-east-1", "eu-west-1");
        assert!(there >= 600.0, "every packet took as long at least: {there} ms");
    }
    fleet.end().await;
}
