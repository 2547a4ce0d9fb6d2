//! Drills measure the requests of applications, apart from their own.

use std::{
    fs,
    path::Path,
    process::Output,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    dynamodb::{call, converge, get, put, try_call, up_with_table},
    lease::status_when,
    process::{Server, stderr, stdout},
};

const AP: &str = "ap-northeast-1";

/// A region is down for four of ten seconds. The probes move after one.
const LOSS: &str = "topology = \"three\"\nduration = \"10s\"\n\
    [[event]]\nat = \"4s\"\nlasts = \"4s\"\ncrash = \"ap-northeast-1\"\n\
    [[event]]\nat = \"5s\"\nlasts = \"4s\"\nshift = \"ap-northeast-1\"\nto = \"us-east-1\"\n\
    [expect]\nslo = { window = \"1s\" }\nrto_max = \"2s\"\navailability = { ap-northeast-1 = 75 }\n";

/// Plays [`LOSS`] while an application reads up to 50 items per second at an endpoint, from the
/// region that `choose` gives after so many failures. Returns the output, and how many requests
/// failed.
fn play(up: &Server, endpoint: &str, words: &[&str], choose: impl Fn(u64) -> &'static str + Sync) -> (Output, u64) {
    let directory = tempfile::tempdir().unwrap();
    let file: &Path = &directory.path().join("loss.toml");
    fs::write(file, LOSS).unwrap();
    let failed = AtomicU64::new(0);
    let (over, is_over) = mpsc::channel::<()>();
    let output = std::thread::scope(|scope| {
        let (failed, choose) = (&failed, &choose);
        scope.spawn(move || {
            let item = json!({"TableName": "Things", "Key": {"pk": {"S": "1"}}});
            // Until the drill has ended, every 20 ms.
            while is_over.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                let answer = try_call(endpoint, choose(failed.load(Ordering::Relaxed)), "GetItem", &item);
                if !answer.is_ok_and(|(status, _)| status == 200) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let drill = ["drill", "run", file.to_str().unwrap(), "--attach", "--format", "json"];
        let output = up.command(&[&drill, words].concat());
        drop(over);
        output
    });
    (output, failed.load(Ordering::Relaxed))
}

/// As [`play`], with the outcome.
fn drill(up: &Server, endpoint: &str, choose: impl Fn(u64) -> &'static str + Sync) -> (Output, Value, u64) {
    let (output, failed) = play(up, endpoint, &[], choose);
    let outcome = serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (output, outcome, failed)
}

fn holds(run: &Value, words: &str) -> bool {
    let mut verdicts = run["verdicts"].as_array().unwrap().iter();
    let named = verdicts.find(|verdict| verdict["expected"].as_str().unwrap().contains(words));
    named.unwrap_or_else(|| panic!("no {words}: {}", run["verdicts"]))["holds"] == true
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
    let (output, run, failed) = drill(&up, own, |_| AP);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(failed > 20, "{failed}");
    assert!(!holds(&run, "application any served again within"), "{run}");
    assert!(!holds(&run, "applications in ap-northeast-1 answered"), "{run}");
    assert!(holds(&run, "RTO"), "{}", run["verdicts"]);
    let missing = in_tokyo(&run)["missing"].as_u64().unwrap();
    assert!(missing > 10 && missing < failed * 3, "{missing} of {failed}");
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
    let (output, run, failed) = drill(&up, up.endpoint(), |_| AP);
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
    let (_, run, failed) = drill(&up, up.endpoint(), |_| AP);
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

#[test]
fn an_application_that_moves_is_served_again() {
    let up = up_with_table(&[]);
    let choose = |failed| if failed < 10 { AP } else { "us-east-1" };
    let (_, run, failed) = drill(&up, up.endpoint(), choose);
    assert_eq!(failed, 10);
    assert!(holds(&run, "application any served again within"), "{run}");
    // A part of the second in which it moved may be missing.
    assert!(in_tokyo(&run)["missing"].as_u64().unwrap() <= 50, "{run}");
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
    let (_, run, failed) = drill(&up, up.endpoint(), |_| AP);
    let rerouted = run["rerouted"].as_array().unwrap();
    let pairs: Vec<_> = rerouted.iter().map(|one| (&one["called"], &one["served_by"])).collect();
    assert_eq!(pairs, [(&json!(AP), &json!("us-east-1"))], "{run}");
    let requests = rerouted[0]["requests"].as_u64().unwrap();
    assert!(requests > 20 && failed < requests, "{failed} failed, {requests} moved");
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
    let (output, failed) = play(&up, own.as_str().unwrap(), &["--abort-when", "errors=20"], |_| AP);
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
    let (output, failed) = play(&up, up.endpoint(), &["--abort-when", "errors=20"], |_| AP);
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
