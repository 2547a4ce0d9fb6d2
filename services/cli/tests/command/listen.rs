//! The addresses that `up` and `region` listen on.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use serde_json::{Value, json};

use crate::{
    dynamodb::{ask, global_table, put},
    process::{PORTS, Server, assert_refused, on_free_ports, run, stderr, up},
};

/// Whether this machine has the address ::1; without it, only the IPv4 part of the tests runs.
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The addresses that the ready line names: for clients (all regions, each region, and the control
/// service), and for replication.
fn shown(server: &Server) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let regions = server.ready["regions"].as_array().unwrap();
    let urls = regions.iter().map(|region| &region["dynamodb"]);
    let clients = urls.chain([&server.ready["endpoint"], &server.ready["control"]]);
    let replication = regions.iter().map(|region| address(&region["replication"]));
    (clients.map(address).collect(), replication.collect())
}

fn address(url: &Value) -> SocketAddr {
    url.as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

/// The same port of the other loopback address.
fn on_ipv6(address: SocketAddr) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, address.port()).into()
}

/// The loopback addresses that the process listens on, from proc(5).
fn listening(server: &Server) -> BTreeSet<SocketAddr> {
    let process = format!("/proc/{}", server.process());
    let files = fs::read_dir(format!("{process}/fd")).unwrap();
    let own: BTreeSet<String> = files
        .filter_map(|file| Some(fs::read_link(file.ok()?.path()).ok()?.display().to_string()))
        .collect();
    let mut found = BTreeSet::new();
    for (table, ip, loopback) in [
        ("tcp", IpAddr::from(Ipv4Addr::LOCALHOST), "0100007F"),
        ("tcp6", Ipv6Addr::LOCALHOST.into(), "00000000000000000000000001000000"),
    ] {
        let sockets = fs::read_to_string(format!("{process}/net/{table}")).unwrap_or_default();
        for socket in sockets.lines().skip(1) {
            let fields: Vec<&str> = socket.split_whitespace().collect();
            let (local, state, inode) = (fields[1], fields[3], fields[9]);
            if state == "0A" && own.contains(&format!("socket:[{inode}]")) {
                let (host, port) = local.split_once(':').unwrap();
                assert_eq!(host, loopback);
                found.insert((ip, u16::from_str_radix(port, 16).unwrap()).into());
            }
        }
    }
    found
}

/// Asserts that the server listens for clients on both loopback addresses, for other regions on
/// one, and shows those of IPv4.
fn assert_on_both(server: &Server) {
    let (clients, replication) = shown(server);
    let mut expected: BTreeSet<SocketAddr> = clients.iter().chain(&replication).copied().collect();
    assert!(expected.iter().all(|address| address.ip() == Ipv4Addr::LOCALHOST));
    if has_ipv6() {
        expected.extend(clients.into_iter().map(on_ipv6));
    }
    assert_eq!(listening(server), expected);
}

#[test]
fn clients_reach_both_loopback_addresses_by_default() {
    let server = Server::up(&[]);
    assert_on_both(&server);
    let ipv4 = server.endpoint();
    global_table(ipv4, "us-east-1", &[], || ());
    put(ipv4, "us-east-1", "a", "1");
    if has_ipv6() {
        let port = address(&server.ready["endpoint"]).port();
        let ipv6 = format!("http://[::1]:{port}");
        put(&ipv6, "us-east-1", "b", "2");
        for endpoint in [ipv4, &ipv6] {
            let scanned = ask(endpoint, "us-east-1", "Scan", &json!({"TableName": "Things"}));
            assert_eq!(scanned["Count"], 2);
        }
        let control = on_ipv6(address(&server.ready["control"]));
        let status = run(&["status", "--control", &format!("http://{control}")]);
        assert!(status.status.success(), "{}", stderr(&status));
    }
    // A region that is recovered listens on both again.
    server.json(&["region-fail", "eu-west-1"]);
    server.json(&["region-recover", "eu-west-1"]);
    assert_on_both(&server);
}

#[test]
fn localhost_means_both_loopback_addresses() {
    assert_on_both(&Server::up(&["--listen", "localhost"]));
    let region = on_free_ports("region", &["--format", "json", "--ephemeral", "--name", "eu-west-1"]);
    assert_on_both(&Server::start(&region));
}

#[test]
fn one_address_is_the_only_one() {
    let server = Server::up(&["--listen", "127.0.0.1"]);
    let (clients, replication) = shown(&server);
    let shown: BTreeSet<SocketAddr> = clients.into_iter().chain(replication).collect();
    assert!(shown.iter().all(|address| address.ip() == Ipv4Addr::LOCALHOST));
    assert_eq!(listening(&server), shown);
}

#[test]
fn regions_replicate_over_ipv6() {
    if !has_ipv6() {
        return;
    }
    for listen in ["::1", "[::1]"] {
        let server = Server::up(&["--regions", "us-east-1,us-east-2", "--listen", listen]);
        let (clients, replication) = shown(&server);
        let shown: BTreeSet<SocketAddr> = clients.into_iter().chain(replication).collect();
        assert!(shown.iter().all(|address| address.ip() == Ipv6Addr::LOCALHOST));
        assert_eq!(listening(&server), shown);
        let converge = || drop(server.json(&["converge", "--timeout", "60"]));
        global_table(server.endpoint(), "us-east-1", &["us-east-2"], converge);
        put(server.endpoint(), "us-east-1", "a", "1");
        converge();
        let scanned = ask(server.endpoint(), "us-east-2", "Scan", &json!({"TableName": "Things"}));
        assert_eq!(scanned["Count"], 1);
    }
}

/// A client of `localhost` would reach the other program on one of the two addresses.
#[test]
fn port_that_is_taken_on_ipv6_is_refused() {
    if !has_ipv6() {
        return;
    }
    let taken = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for flag in PORTS.into_iter().filter(|flag| *flag != "--replication-port") {
        let mut words = vec!["up", "--data", data.to_str().unwrap()];
        for other in PORTS {
            words.extend([other, if other == flag { port.as_str() } else { "0" }]);
        }
        assert_refused(&run(&words), &[&format!("cannot listen on [::1]:{port} for "), flag]);
        assert!(!data.exists(), "{flag}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for listen in ["nowhere", "127.0.0.1:8000", "[127.0.0.1]", "[::1", ""] {
        let output = run(&up(&["--ephemeral", "--listen", listen]));
        assert_refused(&output, &[]);
        let error: Value = serde_json::from_str(&stderr(&output)).unwrap();
        assert_eq!(
            error,
            json!({"error": {"kind": "usage_error", "message": format!(
                "invalid value '{listen}' for '--listen <ADDRESS>': expected an IP address or localhost"
            )}})
        );
    }
}

/// 192.0.2.1 is reserved for documentation.
#[test]
fn address_of_another_machine_is_refused() {
    let output = run(&up(&["--ephemeral", "--listen", "192.0.2.1"]));
    assert_refused(
        &output,
        &["cannot listen on 192.0.2.1:0 for ", "no such address", "--listen"],
    );
}
