//! A region whose disk cannot be synced fails: `region` ends, and `up` starts the region again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    dynamodb::{ask, call, try_call},
    process::{Server, beringia, on_free_ports},
};

const US: &str = "us-east-1";

/// A disk whose syncs can fail.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// Builds the library that makes syncs fail, with the C compiler that SQLite needs too.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["cache", "disk"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage-sqlite/tests/store/failing_sync.c");
        let built = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()))
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&directory.path().join("failing_sync.so"), &source])
            .arg("-ldl")
            .status();
        assert!(built.unwrap().success());
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts `up` or `region` on this disk.
    fn start(&self, command: &str, arguments: &[&str]) -> Server {
        let data = self.path("cache").display().to_string();
        let common = ["--format", "json", "--data", &data];
        let mut program = beringia();
        program
            .env("LD_PRELOAD", self.path("failing_sync.so"))
            .env("SYNC_FAULTS_CACHE", self.path("cache"))
            .env("SYNC_FAULTS_DISK", self.path("disk"));
        Server::start_program(program, &on_free_ports(command, &[&common, arguments].concat()))
    }

    /// The next sync of the write-ahead log of a region fails.
    fn fail(&self, region: &str) {
        fs::write(self.path("disk/fail"), format!("{region}.db-wal")).unwrap();
    }
}

fn create_table(server: &Server) {
    let table = json!({
        "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    });
    ask(server.endpoint(), US, "CreateTable", &table);
}

fn item(pk: &str) -> Value {
    json!({"TableName": "Things", "Item": {"pk": {"S": pk}}})
}

fn has(server: &Server, pk: &str) -> bool {
    let key = json!({"TableName": "Things", "Key": {"pk": {"S": pk}}});
    ask(server.endpoint(), US, "GetItem", &key)["Item"].is_object()
}

#[test]
fn region_that_fails_ends_with_exit_code_3() {
    let disk = Disk::new();
    let region = disk.start("region", &["--name", US]);
    create_table(&region);
    ask(region.endpoint(), US, "PutItem", &item("before"));
    disk.fail(US);
    let (status, _) = call(region.endpoint(), US, "PutItem", &item("lost"));
    assert_eq!(status, 500);
    let (status, printed) = region.ended();
    assert_eq!(status.code(), Some(3), "{printed}");
    let error: Value = printed
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("no error: {printed}"));
    assert_eq!(error["error"]["kind"], "region_failed");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("us-east-1 failed: the database cannot be synced to its disk: "),
        "{message}"
    );
    let region = disk.start("region", &["--name", US]);
    ask(region.endpoint(), US, "PutItem", &item("after"));
    assert!(has(&region, "before"));
}

#[test]
fn up_starts_a_region_that_failed_again() {
    let disk = Disk::new();
    let up = disk.start("up", &["--regions", "us-east-1,eu-west-1"]);
    create_table(&up);
    ask(up.endpoint(), US, "PutItem", &item("before"));
    disk.fail(US);
    let (status, _) = call(up.endpoint(), US, "PutItem", &item("lost"));
    assert_eq!(status, 500);
    // Until it is started again, the region refuses writes, or is down.
    while !try_call(up.endpoint(), US, "PutItem", &item("after")).is_ok_and(|(status, _)| status == 200) {
        std::thread::yield_now();
    }
    assert!(has(&up, "before"));
    let printed = up.end();
    assert!(printed.contains("the region failed, and is started again"), "{printed}");
}
