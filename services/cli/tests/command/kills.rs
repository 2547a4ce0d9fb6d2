//! Regions in processes of their own are killed under load, again and again. Clients that know
//! nothing of regions but their endpoints record what was acknowledged, and find all of it
//! afterwards, in every region.
//!
//! Three kills at each run; with `BERINGIA_LONG` twenty.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    dynamodb::{ask, global_table, try_call},
    process::{PATIENCE, Server, free_port, run, stderr},
};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];
const KILLS: usize = 3;
const LONG_KILLS: usize = 20;
/// The number of clients in each region.
const CLIENTS: usize = 4;
/// The number of items that each client writes in turn.
const ITEMS: usize = 8;
/// A region is killed after this many acknowledgements, and one more for each earlier kill.
const ACKNOWLEDGED_MIN: usize = 60;

/// What an item may contain: a number that grows with each write, or nothing after a delete.
#[derive(Debug, Default, Clone)]
struct Possible {
    /// What the last acknowledged write left.
    acknowledged: Option<usize>,
    /// What a later write left, if it happened: nobody knows.
    unknown: Vec<Option<usize>>,
}

impl Possible {
    fn contains(&self, found: Option<usize>) -> bool {
        found == self.acknowledged || self.unknown.contains(&found)
    }
}

/// The record of a client: its items by key, and the number of its last write.
#[derive(Debug, Default)]
struct Client {
    items: BTreeMap<String, Possible>,
    writes: usize,
}

impl Client {
    /// Writes its items in turn until the load is over or the region does not answer.
    fn write(&mut self, name: &str, (endpoint, region): (&str, &str), load: &Load) {
        while !load.is_over.load(Ordering::Relaxed) {
            self.writes += 1;
            let number = self.writes;
            let key = format!("{region}-{name}-{}", number % ITEMS);
            let is_delete = number.is_multiple_of(5);
            let left = (!is_delete).then_some(number);
            let id = json!({"S": key});
            let answer = if is_delete {
                let delete = json!({"TableName": "Things", "Key": {"pk": id}});
                try_call(endpoint, region, "DeleteItem", &delete)
            } else {
                let item = json!({"pk": id, "number": {"N": number.to_string()}});
                try_call(
                    endpoint,
                    region,
                    "PutItem",
                    &json!({"TableName": "Things", "Item": item}),
                )
            };
            let possible = self.items.entry(key).or_default();
            if answer.is_ok_and(|(status, _)| status == 200) {
                *possible = Possible {
                    acknowledged: left,
                    unknown: Vec::new(),
                };
                load.acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                possible.unknown.push(left);
                return;
            }
        }
    }
}

/// What the clients of a region and the test tell each other.
#[derive(Debug, Default)]
struct Load {
    is_over: AtomicBool,
    acknowledged: AtomicUsize,
}

/// Regions on disk, which come back on the same ports.
struct Regions {
    directory: tempfile::TempDir,
    /// The ports of each region: for clients, for control, for replication.
    ports: [[u16; 3]; 3],
    /// The processes; `None` for a killed one.
    running: [Option<Server>; 3],
}

impl Regions {
    fn start() -> Self {
        let ports = [(); 3].map(|()| [(); 3].map(|()| free_port()));
        let mut regions = Self {
            directory: tempfile::tempdir().unwrap(),
            ports,
            running: [None, None, None],
        };
        for place in 0..REGIONS.len() {
            regions.restart(place);
        }
        regions
    }

    fn restart(&mut self, place: usize) {
        let data = self.directory.path().join(REGIONS[place]);
        let mut words = ["region", "--format", "json", "--name", REGIONS[place], "--data"]
            .map(str::to_owned)
            .to_vec();
        words.push(data.to_str().unwrap().to_owned());
        for (kind, port) in ["dynamodb", "control", "replication"].iter().zip(self.ports[place]) {
            words.extend([format!("--{kind}-port"), port.to_string()]);
        }
        for (peer, name) in REGIONS.iter().enumerate().filter(|(peer, _)| *peer != place) {
            words.push(format!("--peer={name}=127.0.0.1:{}", self.ports[peer][2]));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.running[place] = Some(Server::start(&words));
    }

    /// Kills a process as `kill -9` does.
    fn kill(&mut self, place: usize) {
        drop(self.running[place].take());
    }

    fn endpoint(&self, place: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[place][0])
    }

    /// Waits until the running regions have equal digests.
    fn converge(&self) {
        let controls = self.running.iter().flatten().map(Server::control);
        let controls = controls.collect::<Vec<_>>().join(",");
        let output = run(&["converge", "--timeout", "60", "--control", &controls]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

/// Runs the clients of all regions until enough is acknowledged in the first victim, then kills the
/// victims, and lets the other clients write on for a while.
fn load_and_kill(regions: &mut Regions, clients: &mut [Vec<Client>], victims: &[usize], enough: usize) {
    let loads: [Load; 3] = Default::default();
    let endpoints: Vec<String> = (0..REGIONS.len()).map(|place| regions.endpoint(place)).collect();
    std::thread::scope(|scope| {
        for (place, clients) in clients.iter_mut().enumerate() {
            for (number, client) in clients.iter_mut().enumerate() {
                let (load, endpoint) = (&loads[place], &endpoints[place]);
                scope.spawn(move || client.write(&number.to_string(), (endpoint, REGIONS[place]), load));
            }
        }
        let began = Instant::now();
        let is_enough = |victim: &usize| loads[*victim].acknowledged.load(Ordering::Relaxed) >= enough;
        while !victims.iter().all(is_enough) && began.elapsed() < PATIENCE {
            pause(Duration::from_millis(2));
        }
        victims.iter().for_each(|victim| regions.kill(*victim));
        pause(Duration::from_millis(200));
        loads
            .iter()
            .for_each(|load| load.is_over.store(true, Ordering::Relaxed));
        for victim in victims {
            let count = loads[*victim].acknowledged.load(Ordering::Relaxed);
            assert!(count >= enough, "{} acknowledged {count} writes", REGIONS[*victim]);
        }
    });
}

/// Waits on the thread of the test; nothing else runs on it.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// The items of a region, each with its number.
fn scan(endpoint: &str, region: &str) -> BTreeMap<String, usize> {
    let scan = json!({"TableName": "Things", "ConsistentRead": true});
    let answer = ask(endpoint, region, "Scan", &scan);
    assert!(answer["LastEvaluatedKey"].is_null(), "the items fit into one page");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = answer["Items"].as_array().unwrap().iter();
    items
        .map(|item| (text(&item["pk"]["S"]), text(&item["number"]["N"]).parse().unwrap()))
        .collect()
}

/// Every region has what some client's record allows, and all have the same.
fn assert_kept(regions: &Regions, clients: &[Vec<Client>], round: usize) {
    let first = scan(&regions.endpoint(0), REGIONS[0]);
    for client in clients.iter().flatten() {
        for (key, possible) in &client.items {
            let found = first.get(key).copied();
            assert!(
                possible.contains(found),
                "after kill {round}, {key} has {found:?}: {possible:?}"
            );
        }
    }
    for (place, region) in REGIONS.iter().enumerate() {
        let items = scan(&regions.endpoint(place), region);
        assert_eq!(items, first, "after kill {round}, {region} has other items");
    }
}

#[test]
fn killed_processes_lose_no_acknowledged_write() {
    let kills = std::env::var_os("BERINGIA_LONG").map_or(KILLS, |_| LONG_KILLS);
    let mut regions = Regions::start();
    global_table(&regions.endpoint(0), REGIONS[0], &REGIONS[1..], || regions.converge());
    let one_region = |_: &str| (0..CLIENTS).map(|_| Client::default()).collect();
    let mut clients: Vec<Vec<Client>> = REGIONS.iter().map(|region| one_region(region)).collect();
    for round in 0..kills {
        // Every third time, all processes die at once.
        let victims = match round % 3 {
            2 => vec![0, 1, 2],
            _ => vec![round * 2 % 3],
        };
        load_and_kill(&mut regions, &mut clients, &victims, ACKNOWLEDGED_MIN + round);
        for victim in victims {
            regions.restart(victim);
        }
        regions.converge();
        assert_kept(&regions, &clients, round);
        // What was unknown is known now.
        let found = scan(&regions.endpoint(0), REGIONS[0]);
        for (key, possible) in clients.iter_mut().flatten().flat_map(|client| &mut client.items) {
            *possible = Possible {
                acknowledged: found.get(key).copied(),
                unknown: Vec::new(),
            };
        }
    }
}
