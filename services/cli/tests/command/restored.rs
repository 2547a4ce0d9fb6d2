//! A database file that is put back to an earlier copy while the regions are stopped.

use std::{fs, path::Path, thread, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use crate::{
    dynamodb::{converge, get, global_table, put, try_call},
    process::{PATIENCE, Server, stdout, up},
};

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";

/// Copies the database of us-east-1, with its write-ahead log, over that in the other directory.
fn copy_database(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{US}.db{suffix}");
        let _ = fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Writes as soon as the region serves the table: it refuses requests while it copies it.
fn put_soon(up: &Server, pk: &str) {
    let item = json!({"TableName": "Things", "Item": {"pk": {"S": pk}, "v": {"S": "kept"}}});
    let since = Instant::now();
    while !try_call(up.endpoint(), US, "PutItem", &item).is_ok_and(|(status, _)| status == 200) {
        assert!(since.elapsed() < PATIENCE, "{pk} is refused");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Stop, copy the file, go on writing, stop, put the copy back, write, converge. Before the own
/// sequence continued at the wall clock, the others skipped the new writes as covered.
#[test]
fn file_that_was_put_back_loses_no_later_write() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = directory.path().join("data");
    let words = up(&["--data", data.to_str().unwrap()]);
    let server = Server::start(&words);
    global_table(server.endpoint(), US, &[EU, "ap-northeast-1"], || converge(&server));
    put(server.endpoint(), US, "old", "before");
    converge(&server);
    server.end();
    copy_database(&data, copies.path());

    let server = Server::start(&words);
    for number in 0..20 {
        put(server.endpoint(), US, &format!("lost {number}"), "kept");
    }
    put(server.endpoint(), US, "old", "after");
    converge(&server);
    let regions = &server.json(&["status"])[0]["regions"];
    assert!(
        regions
            .as_array()
            .unwrap()
            .iter()
            .all(|region| region["store_epoch"] == 1),
        "a restart begins no epoch: {regions}"
    );
    server.end();
    copy_database(copies.path(), &data);

    let server = Server::start(&words);
    for number in 0..10 {
        put_soon(&server, &format!("new {number}"));
    }
    converge(&server);
    for region in [US, EU, "ap-northeast-1"] {
        for number in 0..10 {
            let pk = format!("new {number}");
            assert_eq!(
                get(server.endpoint(), region, &pk).as_deref(),
                Some("kept"),
                "{pk} in {region}"
            );
        }
        for number in 0..20 {
            let pk = format!("lost {number}");
            assert_eq!(
                get(server.endpoint(), region, &pk).as_deref(),
                Some("kept"),
                "{pk} in {region}"
            );
        }
        assert_eq!(
            get(server.endpoint(), region, "old").as_deref(),
            Some("after"),
            "in {region}"
        );
    }
    let status = &server.json(&["status"])[0]["regions"];
    let of_us = status.as_array().unwrap().iter().find(|region| region["name"] == US);
    let of_us = of_us.unwrap();
    assert_eq!(
        (&of_us["store_epoch"], &of_us["tables_missing_own_writes"]),
        (&json!(2), &json!(0))
    );
    let text = stdout(&server.command(&["status"]));
    assert!(text.contains("store epoch 2"), "{text}");
}
