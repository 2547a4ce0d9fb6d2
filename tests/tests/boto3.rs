//! Every operation through boto3 as its users use it: resource and client, paginators, waiters,
//! batch writer.

use beringia_tests::{python, up::Up};

#[test]
fn boto3_reads_and_writes_in_every_region() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.tour", up.endpoint(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}

/// Tags stay in their region, and items expire in all regions.
#[test]
fn tags_expiry_and_older_request_forms_work() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.settings", up.endpoint()]));
}

/// The refusal gives its reason, and the throughput comes back.
#[test]
fn exhausted_throughput_is_refused_and_recovers() {
    let up = Up::start(&["--ephemeral", "--throttling"]);
    python::succeeds(python::python().args(["-m", "sdk.throttling", up.endpoint()]));
    let status = up.control.run(&["status"]);
    let refused = &status[0]["regions"][0]["refused"];
    assert!(refused["throttled_reads"].as_u64() > Some(1), "{refused}");
    assert!(refused["throttled_writes"].as_u64() > Some(4), "{refused}");
}

/// An acknowledged transaction is done exactly once.
#[test]
fn transaction_conflicts_are_reported() {
    // The database is on a disk, where a commit takes long enough for other transactions to
    // conflict with it.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let up = Up::start(&["--data", data.to_str().expect("a path of characters")]);
    python::succeeds(python::python().args(["-m", "sdk.contention", up.endpoint()]));
    let status = up.control.run(&["status"]);
    let refused = &status[0]["regions"][0]["refused"];
    assert!(refused["transaction_conflicts"].as_u64() >= Some(3), "{refused}");
}

/// Reads lag behind as far as configured, and index keys have several attributes.
#[test]
fn stale_reads_and_multi_attribute_index_keys_work() {
    const STALE_MS: &str = "300";
    let up = Up::start(&["--ephemeral", "--stale-reads", STALE_MS]);
    python::succeeds(python::python().args(["-m", "sdk.stale", up.endpoint(), STALE_MS]));
}

#[test]
fn partiql_behaves_like_the_operations_on_items() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.partiql", up.endpoint(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}

/// The regions converge after the experiment.
#[test]
fn fault_injection_experiment_pauses_replication() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.experiment", up.endpoint(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}

#[test]
fn every_service_checks_signatures_alike() {
    let up = Up::start(&["--ephemeral", "--access-key", "AKIA=secret"]);
    python::succeeds(python::python().args(["-m", "sdk.services", up.endpoint(), up.region("eu-west-1")]));
}

/// This holds while shards and streams change and while the server is killed.
#[test]
fn stream_consumers_miss_and_repeat_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("a path of characters");
    let state = directory.path().join("state.json");
    for phase in ["begin", "again"] {
        // Each shard is replaced by its child after less than a second instead of hours.
        let up = Up::start(&["--data", data, "--stream-shard-age-ms", "700"]);
        python::succeeds(
            python::python()
                .args(["-m", "streams", up.endpoint()])
                .arg(&state)
                .arg(phase),
        );
    }
}

/// Workers in two regions read 5,000 changes, which several writers made, while a process with the
/// same files and ports is killed and started again.
#[test]
fn streams_have_all_changes_in_order_across_kills() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let printed = python::succeeds(
        python::python()
            .args(["-m", "streams.kills"])
            .arg(beringia_tests::command::beringia())
            .arg(directory.path().join("data")),
    );
    assert_eq!(printed.matches(": 5000 changes in").count(), 2, "{printed}");
}
