//! Starting and stopping: the ready line, what is refused before anything changes, and signals.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::Path,
};

use serde_json::Value;

use crate::process::{PORTS, Server, assert_refused, on_free_ports, run, start_until, stdout, up};

/// Every file below a directory, with its content.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        if path.is_dir() {
            files.push((format!("{name}/"), Vec::new()));
        } else {
            files.push((name, fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

// By default nothing is logged while nothing goes wrong. With JSON, each line is one object that
// names its region.
#[test]
fn a_server_is_quiet_unless_asked_and_logs_json_on_request() {
    let quiet = Server::up(&[]);
    assert_eq!(quiet.end(), "");
    let asked = Server::up(&["--log", "beringia=info", "--log-format", "json"]);
    let printed = asked.end();
    let records: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let opened = |record: &&Value| record["fields"]["message"] == "the store is open";
    let regions: BTreeSet<&str> = records
        .iter()
        .filter(opened)
        .filter_map(|record| record["fields"]["region"].as_str())
        .collect();
    assert_eq!(regions, BTreeSet::from(["ap-northeast-1", "eu-west-1", "us-east-1"]));
    for record in &records {
        for part in ["timestamp", "level", "target", "fields"] {
            assert!(!record[part].is_null(), "no {part}: {record}");
        }
    }
}

#[test]
fn the_ready_line_names_the_endpoints_of_every_region() {
    let server = Server::up(&[]);
    let ready = server.ready.as_object().unwrap();
    assert_eq!(
        ready.keys().map(String::as_str).collect::<Vec<_>>(),
        ["control", "endpoint", "event", "regions"]
    );
    assert!(
        server
            .first_line
            .starts_with(r#"{"event":"ready","control":"http://127.0.0.1:"#),
        "{}",
        server.first_line
    );
    let regions = ready["regions"].as_array().unwrap();
    let names: Vec<&str> = regions.iter().map(|region| region["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["us-east-1", "eu-west-1", "ap-northeast-1"]);
    let mut urls: Vec<&str> = ["control", "endpoint"].map(|kind| ready[kind].as_str().unwrap()).into();
    for region in regions {
        assert_eq!(region.as_object().unwrap().len(), 3);
        urls.extend([
            region["dynamodb"].as_str().unwrap(),
            region["replication"].as_str().unwrap(),
        ]);
    }
    for url in &urls {
        TcpStream::connect(url.strip_prefix("http://").unwrap()).expect("it accepts connections when it says so");
    }
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), 8, "every listener has a port of its own");
}

#[test]
fn the_text_form_shows_a_table_and_lines_to_try() {
    let words = on_free_ports("up", &["--ephemeral"]);
    let (mut child, text, _) = start_until(&words, |line| line.contains("Ctrl-C"));
    child.kill().unwrap();
    child.wait().unwrap();
    for part in [
        "REGION",
        "us-east-1",
        "all regions",
        "aws dynamodb list-tables --region us-east-1",
        "beringia --control http://127.0.0.1:",
        "eval \"$(beringia env --control http://127.0.0.1:",
        "boto3.resource('dynamodb'",
    ] {
        assert!(text.contains(part), "expected `{part}` in:\n{text}");
    }
    assert!(!text.contains("estimated"), "these delays were measured:\n{text}");
}

#[test]
fn estimated_delays_are_marked_where_they_are_shown() {
    let directory = tempfile::tempdir().unwrap();
    let topology = directory.path().join("t.toml");
    let regions = ["us-east-1", "eu-west-1", "me-central-1"].map(|name| format!("[[region]]\nname = \"{name}\"\n"));
    fs::write(&topology, regions.concat()).unwrap();
    let topology = topology.to_str().unwrap();
    let arguments = on_free_ports("up", &["--ephemeral", "--topology", topology]);
    let (mut child, text, _) = start_until(&arguments, |line| line.contains("Ctrl-C"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.contains("are estimated from their distance"), "{text}");

    let server = Server::up(&["--topology", topology]);
    let marked = |links: &[Value]| {
        let marked = links.iter().filter(|link| link["delay_estimated"] == true);
        marked
            .map(|link| format!("{}>{}", link["from"], link["to"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    let links = server.json(&["net", "show"]);
    let gulf = [
        "us-east-1>me-central-1",
        "eu-west-1>me-central-1",
        "me-central-1>us-east-1",
        "me-central-1>eu-west-1",
    ];
    assert_eq!(marked(&links), gulf);
    let text = stdout(&server.command(&["net", "show"]));
    assert_eq!(text.matches(" ms estimated").count(), 4, "{text}");

    let links = server.json(&["net", "delay", "us-east-1", "me-central-1", "80", "--one-way"]);
    assert_eq!(marked(&links), gulf[1..], "a delay that was set is not estimated");
}

#[test]
fn sigterm_exits_with_0_and_prints_nothing_more() {
    let server = Server::up(&[]);
    server.terminate();
    let (status, rest) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(rest, "");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let server = Server::up(&[]);
    let address = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    // A request in progress, which a clean shutdown waits for.
    let mut request = TcpStream::connect(&address).unwrap();
    request
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .unwrap();
    // The server has accepted it once it answers a later one.
    crate::dynamodb::ask(server.endpoint(), "us-east-1", "ListTables", &serde_json::json!({}));
    server.terminate();
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    server.terminate();
    assert_eq!(server.wait().0.code(), Some(130));
}

#[test]
fn every_region_has_its_own_database_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let words = up(&["--data", data.to_str().unwrap()]);
    for _ in 0..2 {
        // The second time with the files of the first.
        let server = Server::start(&words);
        for region in ["us-east-1", "eu-west-1", "ap-northeast-1"] {
            assert!(data.join(format!("{region}.db")).is_file());
        }
        server.terminate();
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

#[test]
fn refuses_a_taken_port_and_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for flag in PORTS {
        let mut words = vec!["up", "--data", data.to_str().unwrap()];
        for other in PORTS {
            words.extend([other, if other == flag { port.as_str() } else { "0" }]);
        }
        assert_refused(&run(&words), &[&format!("127.0.0.1:{port}"), flag]);
        assert!(!data.exists(), "{flag}");
    }
}

#[test]
fn refuses_a_data_directory_of_another_topology() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let topology = directory.path().join("pair.toml");
    fs::write(
        &topology,
        "[defaults]\ndelay_ms = 1\n[[region]]\nname = \"moon-1\"\n[[region]]\nname = \"mars-1\"\n",
    )
    .unwrap();
    let data_path = data.to_str().unwrap();
    let words = up(&["--data", data_path, "--topology", topology.to_str().unwrap()]);
    let server = Server::start(&words);
    server.terminate();
    assert_eq!(server.wait().0.code(), Some(0));
    let before = contents(&data);
    assert_refused(
        &run(&up(&["--data", data_path])),
        &["belongs to the regions mars-1,moon-1", "--data"],
    );
    assert_eq!(contents(&data), before);
    drop(Server::start(&words));
}

#[test]
fn refuses_a_foreign_file_and_leaves_it_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("eu-west-1.db"), "dear diary").unwrap();
    let before = contents(directory.path());
    assert_refused(
        &run(&up(&["--data", directory.path().to_str().unwrap()])),
        &["cannot start eu-west-1", "eu-west-1.db"],
    );
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn refuses_an_invalid_topology_with_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let topology = directory.path().join("t.toml");
    let data = directory.path().join("data");
    let words = [
        "--topology",
        topology.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ];
    assert_refused(&run(&up(&words)), &["cannot read", "t.toml"]);
    fs::write(&topology, "[[region]]\nname = \"a\"\nnmae = \"b\"\n").unwrap();
    assert_refused(&run(&up(&words)), &["t.toml:3:1", "nmae"]);
    fs::write(&topology, "[[region]]\nname = \n").unwrap();
    assert_refused(&run(&up(&words)), &["t.toml:2:"]);
    assert!(!data.exists());
}

#[test]
fn refuses_invalid_credentials_without_printing_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    assert_refused(
        &run(&up(&["--ephemeral", "--credentials", file.to_str().unwrap()])),
        &["cannot read the credentials"],
    );
    fs::write(&file, "[default]\naws_access_key_id = AKIA\n").unwrap();
    assert_refused(
        &run(&up(&["--ephemeral", "--credentials", file.to_str().unwrap()])),
        &["credentials:2", "AKIA"],
    );
    let output = run(&up(&["--ephemeral", "--access-key", "topsecret"]));
    assert_refused(&output, &["ID=SECRET"]);
    assert!(!crate::process::stderr(&output).contains("topsecret"));
}

#[test]
fn ephemeral_excludes_a_data_directory() {
    assert_refused(&run(&up(&["--ephemeral", "--data", "somewhere"])), &["--data"]);
}

#[test]
fn a_region_runs_in_its_own_process() {
    let words = |name| on_free_ports("region", &["--format", "json", "--ephemeral", "--name", name]);
    let server = Server::start(&words("eu-west-1"));
    let regions = server.ready["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 1);
    assert_eq!(regions[0]["name"], "eu-west-1");
    assert_eq!(server.ready["endpoint"], regions[0]["dynamodb"]);

    let status = server.json(&["status"]);
    let states: Vec<&str> = status[0]["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| region["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["unknown", "running", "unknown"]);

    assert_refused(&server.command(&["net", "show"]), &["no network model", "beringia up"]);
    assert_refused(&server.command(&["region-fail", "eu-west-1"]), &["process of its own"]);
    assert_refused(
        &server.command(&["converge", "--timeout", "0"]),
        &["us-east-1", "ap-northeast-1", "--control"],
    );
    server.terminate();
    assert_eq!(server.wait().0.code(), Some(0));
    assert_refused(&run(&words("mars-1")), &["no region `mars-1`", "us-east-1"]);
}

#[test]
fn two_processes_cannot_share_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let words = up(&["--data", data.to_str().unwrap()]);
    let server = Server::start(&words);
    assert_refused(&run(&words), &["cannot start us-east-1"]);
    assert_eq!(server.json(&["net", "show"]).len(), 6, "the first one keeps running");
}
