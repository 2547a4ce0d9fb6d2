//! The writes that a drill reports as lost, counted a second time from outside: by a client of its
//! own, with its own record of what was acknowledged.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use crate::{
    drill::{outcome, scenario},
    dynamodb::{ask, converge, try_call, up_with_table},
};

const AP: &str = "ap-northeast-1";

/// `region-loss-with-data`, shorter: Tokyo is cut off, and two seconds later its disk is lost.
const LOSS: &str = "topology = \"three\"\nduration = \"10s\"\n\
    [[event]]\nat = \"3s\"\nlasts = \"4s\"\nisolate = \"ap-northeast-1\"\n\
    [[event]]\nat = \"5s\"\nlasts = \"3s\"\ncrash = \"ap-northeast-1\"\nlose_disk = true\n\
    [[event]]\nat = \"6s\"\nlasts = \"3s\"\nshift = \"ap-northeast-1\"\nto = \"us-east-1\"\n\
    [expect]\nrpo_max = \"60s\"\n";
/// A write that was acknowledged this long before the cut has arrived in the other regions, and
/// Tokyo knows that: a round trip to the farthest takes some 220 ms, the rest is for a slow
/// machine.
const ROUND_TRIP: Duration = Duration::from_millis(500);

/// Writes items to Tokyo, each once, until `is_over`. Returns the number of each acknowledged item,
/// and when it was acknowledged.
fn write_items(endpoint: &str, is_over: &mpsc::Receiver<()>) -> Vec<(u32, Instant)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if is_over.recv_timeout(Duration::from_millis(10)) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        let item = json!({"TableName": "Things", "Item": {"pk": {"S": number.to_string()}}});
        if try_call(endpoint, AP, "PutItem", &item).is_ok_and(|(status, _)| status == 200) {
            acknowledged.push((number, Instant::now()));
        }
    }
    acknowledged
}

/// The greatest number of items that were acknowledged within one round trip.
fn most_in_flight(acknowledged: &[(u32, Instant)]) -> u64 {
    let within = |index: usize| {
        let (_, began) = acknowledged[index];
        let later = acknowledged[index..].iter();
        later
            .take_while(|(_, at)| at.duration_since(began) <= ROUND_TRIP)
            .count()
    };
    (0..acknowledged.len()).map(within).max().unwrap_or(0) as u64
}

/// The drill counts what Tokyo had not been told to have arrived, with its own probes; the client
/// counts which of its acknowledged items no region has afterwards. The two may differ by the
/// writes in flight when Tokyo was cut off: they arrived, but Tokyo never heard of that.
#[test]
fn a_count_from_outside_agrees_with_the_drill() {
    let up = up_with_table(&[]);
    let (_directory, file) = scenario(LOSS);
    let (over, is_over) = mpsc::channel::<()>();
    let (output, acknowledged) = std::thread::scope(|scope| {
        let endpoint = up.endpoint();
        let writer = scope.spawn(move || write_items(endpoint, &is_over));
        let words = ["drill", "run", file.to_str().unwrap(), "--attach", "--allow-data-loss"];
        let output = up.command(&[&words[..], &["--format", "json"]].concat());
        drop(over);
        (output, writer.join().unwrap())
    });
    let run = outcome(&output);
    converge(&up);
    let is_gone = |number: u32| {
        let key = json!({"TableName": "Things", "Key": {"pk": {"S": number.to_string()}}});
        ask(up.endpoint(), "us-east-1", "GetItem", &key)["Item"].is_null()
    };
    let gone = acknowledged.iter().filter(|(number, _)| is_gone(*number)).count() as u64;
    let loss = &run["disk_losses"][0];
    assert_eq!(loss["region"], AP, "{run}");
    let reported = loss["reported_backlog"]["writes"].as_u64().unwrap();
    let probes = loss["writes"].as_u64().unwrap();
    assert!(gone > 20, "{gone} of {} acknowledged", acknowledged.len());
    let in_flight = most_in_flight(&acknowledged) + probes;
    let difference = reported.saturating_sub(probes).abs_diff(gone);
    assert!(
        difference <= in_flight && reported >= gone,
        "{gone} are gone; the drill reported {reported}, {probes} probes among them; up to {in_flight} were in flight"
    );
    let effective = &run["failovers"][0]["effective_loss"]["mutations_max"];
    assert!(effective.as_u64().unwrap() >= gone, "{gone} are gone: {effective}");
    let rpo = run["verdicts"].as_array().unwrap();
    let rpo = rpo
        .iter()
        .find(|verdict| verdict["expected"].as_str().unwrap().contains("RPO"));
    assert_eq!(rpo.unwrap()["holds"], true, "{run}");
}
