//! Drills measure the requests of applications, apart from their own.

use std::{
    fs, io,
    path::Path,
    process::Output,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    dynamodb::{call, converge, get, put, try_call, up_with_table},
    lease::status_when,
    process::{Server, stderr, stdout},
};

const AP: &str = "ap-northeast-1";

/// A region is down for four of ten seconds. The probes move after one. On a busy machine an
/// application makes some requests later than usual, which seem to be missing: a tenth may.
const LOSS: &str = "topology = \"three\"\nduration = \"10s\"\n\
    [[event]]\nat = \"4s\"\nlasts = \"4s\"\ncrash = \"ap-northeast-1\"\n\
    [[event]]\nat = \"5s\"\nlasts = \"4s\"\nshift = \"ap-northeast-1\"\nto = \"us-east-1\"\n\
    [expect]\nslo = { success = 90, window = \"1s\" }\nrto_max = \"2s\"\navailability = { ap-northeast-1 = 75 }\n";

/// [`LOSS`] with another event, and with an expectation of the region to which clients move.
fn loss_and(event: &str) -> String {
    let (timeline, expected) = LOSS.split_once("[expect]").unwrap();
    let expected = expected.replace("ap-northeast-1 = 75", "us-east-1 = 95");
    format!("{timeline}[[event]]\n{event}\n[expect]{expected}")
}

/// The number of requests that an application has made.
#[derive(Debug, Clone, Copy)]
struct Made {
    all: u64,
    failed: u64,
}

/// How often an application makes a request.
const EVERY: Duration = Duration::from_millis(20);

/// Plays a scenario while an application makes 50 requests per second, each with `request`. Each of
/// its clients waits for the answer before it makes the next request, and catches up. Returns the
/// output, and how many requests the application made.
fn play(
    up: &Server,
    scenario: &str,
    words: &[&str],
    clients: u32,
    request: impl Fn(Made) -> io::Result<(u16, Value)> + Sync,
) -> (Output, Made) {
    let directory = tempfile::tempdir().unwrap();
    let file: &Path = &directory.path().join("scenario.toml");
    fs::write(file, scenario).unwrap();
    let (all, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let made = || Made {
        all: all.load(Ordering::Relaxed),
        failed: failed.load(Ordering::Relaxed),
    };
    let began = Instant::now();
    let client = |number: u32, is_over: mpsc::Receiver<()>| {
        let mut due = began + EVERY * number;
        let wait = |due: Instant| is_over.recv_timeout(due.saturating_duration_since(Instant::now()));
        // Until the drill has ended.
        while wait(due) == Err(RecvTimeoutError::Timeout) {
            let answer = request(made());
            all.fetch_add(1, Ordering::Relaxed);
            if !answer.is_ok_and(|(status, _)| status == 200) {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            due += EVERY * clients;
        }
    };
    let output = std::thread::scope(|scope| {
        let running: Vec<_> = (1..=clients)
            .map(|number| {
                let (over, is_over) = mpsc::channel();
                let client = &client;
                scope.spawn(move || client(number, is_over));
                over
            })
            .collect();
        let drill = ["drill", "run", file.to_str().unwrap(), "--attach", "--format", "json"];
        let output = up.command(&[&drill, words].concat());
        drop(running);
        output
    });
    (output, made())
}

/// Reads an item from a region.
fn read(endpoint: &str, region: &str) -> io::Result<(u16, Value)> {
    let item = json!({"TableName": "Things", "Key": {"pk": {"S": "1"}}});
    try_call(endpoint, region, "GetItem", &item)
}

/// Writes an item of 10 KB in a region.
fn write(endpoint: &str, region: &str, number: u64) -> io::Result<(u16, Value)> {
    let item = json!({"pk": {"S": number.to_string()}, "v": {"S": "x".repeat(10_000)}});
    try_call(
        endpoint,
        region,
        "PutItem",
        &json!({"TableName": "Things", "Item": item}),
    )
}

/// As [`play`] with one client, with the outcome.
fn drill(
    up: &Server,
    scenario: &str,
    request: impl Fn(Made) -> io::Result<(u16, Value)> + Sync,
) -> (Output, Value, Made) {
    let (output, made) = play(up, scenario, &[], 1, request);
    let outcome = outcome(&output);
    (output, outcome, made)
}

fn outcome(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// The verdict about what contains these words.
fn verdict<'r>(run: &'r Value, words: &str) -> &'r Value {
    let mut verdicts = run["verdicts"].as_array().unwrap().iter();
    let named = verdicts.find(|verdict| verdict["expected"].as_str().unwrap().contains(words));
    named.unwrap_or_else(|| panic!("no {words}: {}", run["verdicts"]))
}

fn holds(run: &Value, words: &str) -> bool {
    verdict(run, words)["holds"] == true
}

/// The length and the cause of the longest outage of the application in Virginia.
fn longest_outage_in_virginia(run: &Value) -> (Duration, String) {
    let recoveries = run["application_recoveries"].as_array().unwrap();
    let mut there = recoveries
        .iter()
        .filter(|one| one["region"] == "us-east-1" && one["identity"] == "any");
    let outages = there.next().unwrap()["outages"].as_array().unwrap().iter();
    let end = |outage: &Value| outage["until_ms"].as_u64().or(run["load_ms"].as_u64()).unwrap();
    let length = |outage: &Value| Duration::from_millis(end(outage) - outage["from_ms"].as_u64().unwrap());
    let of_each = outages.map(|outage| (length(outage), outage["cause"].as_str().unwrap().to_owned()));
    of_each.max().unwrap_or_else(|| panic!("always served: {recoveries:?}"))
}

/// The counts of the application in Tokyo.
fn in_tokyo(run: &Value) -> Value {
    let applications = run["applications"].as_array().unwrap();
    let own = applications
        .iter()
        .find(|one| one["region"] == AP && one["identity"] == "any");
    own.unwrap_or_else(|| panic!("no application: {run}")).clone()
}

/// The region refuses its connections, which nobody counts: they are estimated, and the report says
/// so. The probes alone would have passed.
#[test]
fn an_application_pinned_to_a_lost_region_fails_the_drill() {
    let up = up_with_table(&[]);
    let regions = up.ready["regions"].as_array().unwrap();
    let own = regions.iter().find(|region| region["name"] == AP).unwrap()["dynamodb"]
        .as_str()
        .unwrap();
    let (output, run, Made { failed, .. }) = drill(&up, LOSS, |_| read(own, AP));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(failed > 20, "{failed}");
    assert!(!holds(&run, "application any served again within"), "{run}");
    assert!(!holds(&run, "applications in ap-northeast-1 answered"), "{run}");
    assert!(holds(&run, "RTO"), "{}", run["verdicts"]);
    let missing = in_tokyo(&run)["missing"].as_u64().unwrap();
    assert!(missing * 2 > failed && missing < failed * 2, "{missing} of {failed}");
    let tables = in_tokyo(&run)["tables"].clone();
    assert_eq!(
        (tables.as_array().unwrap().len(), &tables[0]["table"]),
        (1, &json!("Things"))
    );
    assert!(
        run["notes"].to_string().contains("not measured: the connections"),
        "{}",
        run["notes"]
    );
}

/// The endpoint for all regions counts what it cannot deliver.
#[test]
fn with_none_an_application_stays_in_a_lost_region() {
    let up = up_with_table(&["--shift-policy", "none"]);
    let endpoint = up.endpoint();
    let (output, run, Made { failed, .. }) = drill(&up, LOSS, |_| read(endpoint, AP));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let applications = run["applications"].as_array().unwrap();
    let undelivered: u64 = applications
        .iter()
        .flat_map(|one| one["tables"].as_array().unwrap())
        .map(|table| table["undelivered"].as_u64().unwrap())
        .sum();
    assert!(undelivered > 20 && undelivered <= failed, "{undelivered} of {failed}");
    assert!(!holds(&run, "application any served again within"), "{run}");
    assert_eq!(run["rerouted"], json!([]));
}

/// The application keeps its region: one second after the move, the other one answers.
#[test]
fn with_dns_an_application_follows_the_move() {
    let up = up_with_table(&["--shift-policy", "dns=1s"]);
    let endpoint = up.endpoint();
    let (_, run, Made { failed, .. }) = drill(&up, LOSS, |_| read(endpoint, AP));
    assert!(failed > 20, "{failed}");
    let rerouted = run["rerouted"].as_array().unwrap();
    assert_eq!(rerouted.len(), 1, "{rerouted:?}");
    assert_eq!(
        (&rerouted[0]["called"], &rerouted[0]["served_by"]),
        (&json!(AP), &json!("us-east-1"))
    );
    let requests = rerouted[0]["requests"].as_u64().unwrap();
    assert!(requests > 20, "{requests}");
    // They were answered there.
    let applications = run["applications"].as_array().unwrap();
    let mut others = applications.iter().filter(|one| one["region"] == "us-east-1");
    let answered = others.find(|one| one["identity"] == "any").unwrap()["tables"][0]["answered"].clone();
    assert!(answered.as_u64().unwrap() + 5 >= requests, "{answered} of {requests}");
    assert_eq!(up.json(&["status"])[0]["reroutes"], json!([]), "its end was orderly");
}

/// The region that an application calls which moves after ten failures.
fn called(made: Made) -> &'static str {
    if made.failed < 10 { AP } else { "us-east-1" }
}

#[test]
fn an_application_that_moves_is_served_again() {
    let up = up_with_table(&[]);
    let endpoint = up.endpoint();
    let (_, run, Made { failed, .. }) = drill(&up, LOSS, |made| read(endpoint, called(made)));
    assert_eq!(failed, 10);
    assert!(holds(&run, "application any served again within"), "{run}");
    // A part of the second in which it moved may be missing.
    let missing = in_tokyo(&run)["missing"].as_u64().unwrap();
    assert!(missing <= 25, "{missing}: {run}");
}

/// A fifth of its requests are writes, which find no room on the disk of the region to which it has
/// moved.
#[test]
fn an_application_that_partly_fails_after_its_move_fails() {
    let up = up_with_table(&[]);
    let endpoint = up.endpoint();
    let full = loss_and("at = \"4s\"\nlasts = \"5s\"\ndisk_full = \"us-east-1\"");
    let (output, run, made) = drill(&up, &full, |made| match made.all % 5 {
        0 => write(endpoint, called(made), made.all),
        _ => read(endpoint, called(made)),
    });
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!holds(&run, "application any served again within"), "{run}");
    let there = verdict(&run, "applications in us-east-1 answered");
    assert_eq!(there["holds"], false, "{there}");
    let (longest, cause) = longest_outage_in_virginia(&run);
    assert!(longest >= Duration::from_secs(3), "{longest:?}: {there}");
    assert_eq!(cause, "failed", "{there}");
    // Not many more than the writes of these five seconds failed, and the ten before the move.
    assert!(made.failed > 20 && made.failed < made.all / 4, "{made:?}");
}

/// It writes, and each write is answered, but late. It has so many clients that it makes its usual
/// requests: none is missing.
#[test]
fn an_application_with_a_slow_disk_fails_the_drill() {
    let up = up_with_table(&[]);
    let endpoint = up.endpoint();
    let slow = "topology = \"three\"\nduration = \"10s\"\n\
        [[event]]\nat = \"4s\"\nlasts = \"4s\"\nslow_disk = \"us-east-1\"\nby = \"400ms\"\n\
        [expect]\nslo = { window = \"1s\", p99_ms = 200 }\nrto_max = \"2s\"\navailability = { us-east-1 = 95 }\n";
    let (output, made) = play(&up, slow, &[], 50, |made| write(endpoint, "us-east-1", made.all % 100));
    let run = outcome(&output);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(made.failed, 0);
    assert!(!holds(&run, "application any served again within"), "{run}");
    let there = verdict(&run, "applications in us-east-1 answered");
    assert_eq!(there["holds"], false, "{there}");
    let (longest, cause) = longest_outage_in_virginia(&run);
    assert!(longest >= Duration::from_secs(3), "{longest:?}: {there}");
    assert_eq!(cause, "late", "{there}");
}

/// Without a drill: the nearest region answers until the lost one is back.
#[test]
fn with_health_checks_the_nearest_region_answers() {
    let up = up_with_table(&["--shift-policy", "health-check=2x100ms"]);
    put(up.endpoint(), AP, "1", "before");
    converge(&up);
    let _ = up.json(&["region-fail", AP]);
    let served_by = |status: &Value, region: &str| {
        let reroute = status["reroutes"][0].clone();
        reroute["region"] == AP && reroute["served_by"] == region && reroute["failing"] == true
    };
    status_when(up.control(), "rerouted", |status| served_by(status, "us-east-1"));
    assert_eq!(get(up.endpoint(), AP, "1").as_deref(), Some("before"));
    let _ = up.json(&["region-recover", AP]);
    status_when(up.control(), "back", |status| status["reroutes"] == json!([]));
    let found = call(up.endpoint(), AP, "DescribeTable", &json!({"TableName": "Things"})).1;
    let arn = found["Table"]["TableArn"].as_str().unwrap();
    assert!(arn.contains(AP), "{arn}");
}

/// The probes move a second after the loss; the application does before that.
#[test]
fn with_health_checks_an_application_moves_in_a_drill() {
    let up = up_with_table(&["--shift-policy", "health-check=2x100ms"]);
    let endpoint = up.endpoint();
    let (_, run, Made { failed, .. }) = drill(&up, LOSS, |_| read(endpoint, AP));
    let rerouted = run["rerouted"].as_array().unwrap();
    let pairs: Vec<_> = rerouted.iter().map(|one| (&one["called"], &one["served_by"])).collect();
    assert_eq!(pairs, [(&json!(AP), &json!("us-east-1"))], "{run}");
    let requests = rerouted[0]["requests"].as_u64().unwrap();
    assert!(requests > 20, "{requests}");
    // It failed for less than a quarter of the four seconds.
    assert!(failed * 3 < requests, "{failed} failed, {requests} moved");
    // The rate is an estimate: 50 requests per second, for four seconds.
    let missing = in_tokyo(&run)["missing"].as_u64().unwrap();
    assert!(missing <= 25, "they were served elsewhere, but for {missing}");
    status_when(up.control(), "back", |status| status["reroutes"] == json!([]));
}

/// The region refuses its connections: nobody counts a single failure.
#[test]
fn a_drill_stops_when_a_killed_region_refuses() {
    let up = up_with_table(&[]);
    let regions = up.ready["regions"].as_array().unwrap();
    let own = regions.iter().find(|region| region["name"] == AP).unwrap()["dynamodb"].clone();
    let own = own.as_str().unwrap();
    let (output, Made { failed, .. }) = play(&up, LOSS, &["--abort-when", "errors=20"], 1, |_| read(own, AP));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let printed = stderr(&output);
    assert!(
        printed.contains("aborted: ") && printed.contains("refused by killed regions"),
        "{printed}"
    );
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_drill_stops_when_an_application_fails() {
    let up = up_with_table(&[]);
    let endpoint = up.endpoint();
    let abort = ["--abort-when", "errors=20"];
    let (output, Made { failed, .. }) = play(&up, LOSS, &abort, 1, |_| read(endpoint, AP));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let printed = stderr(&output);
    assert!(
        printed.contains("aborted: ") && printed.contains("(errors=20/10s)"),
        "{printed}"
    );
    assert!(failed > 20, "{failed}");
    let status = &up.json(&["status"])[0];
    let mut regions = status["regions"].as_array().unwrap().iter();
    assert!(regions.all(|region| region["state"] == "running"), "{status}");
    assert_eq!(status["leases"], json!([]), "its end was orderly");
}
