//! Repair of rows that were deleted from outside.

use crate::{
    dynamodb::{converge, get, global_table, put},
    process::{Server, up},
};

#[test]
fn detects_and_repairs_rows_deleted_from_outside() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let up = Server::start(&up(&["--data", data.to_str().unwrap()]));
    global_table(up.endpoint(), "us-east-1", &["eu-west-1"], || converge(&up));
    for number in 0..20 {
        put(up.endpoint(), "us-east-1", &format!("item {number}"), "kept");
    }
    converge(&up);
    let sound = up.json(&["converge", "--verify"]);
    assert_eq!(sound[0]["repaired"], serde_json::json!([]), "nothing is damaged yet");

    // Deletes every row, of the table and of the catalog.
    let database = rusqlite::Connection::open(data.join("eu-west-1.db")).unwrap();
    database.busy_timeout(crate::process::PATIENCE).unwrap();
    assert!(database.execute("DELETE FROM item", []).unwrap() >= 20);
    drop(database);
    assert_eq!(get(up.endpoint(), "eu-west-1", "item 7"), None, "the damage is real");

    let repaired = up.json(&["converge", "--verify", "--timeout", "60"]);
    assert_eq!(repaired[0]["converged"], true);
    assert_eq!(repaired[0]["digest"], sound[0]["digest"], "it is the state from before");
    let repaired = repaired[0]["repaired"].as_array().unwrap();
    assert!(
        repaired
            .iter()
            .any(|of| of["region"] == "eu-west-1" && of["table"] == "Things"),
        "{repaired:?}"
    );
    assert!(repaired.iter().all(|of| of["region"] == "eu-west-1"), "{repaired:?}");
    for number in 0..20 {
        assert_eq!(
            get(up.endpoint(), "eu-west-1", &format!("item {number}")).as_deref(),
            Some("kept")
        );
    }
}
