//! Every operation, through boto3 as its users use it: resource and client, paginators, waiters, batch writer.

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

#[test]
fn tags_stay_in_their_region_items_expire_in_all_and_the_older_request_forms_work() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.settings", up.endpoint()]));
}

#[test]
fn throughput_that_is_used_up_is_refused_with_its_reason_and_comes_back() {
    let up = Up::start(&["--ephemeral", "--throttling"]);
    python::succeeds(python::python().args(["-m", "sdk.throttling", up.endpoint()]));
    let status = up.control.run(&["status"]);
    let refused = &status[0]["regions"][0]["refused"];
    assert!(refused["throttled_reads"].as_u64() > Some(1), "{refused}");
    assert!(refused["throttled_writes"].as_u64() > Some(4), "{refused}");
}

#[test]
fn transactions_that_meet_say_so_and_what_is_acknowledged_is_done_once() {
    // On a disk, where a commit takes long enough to be met.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let up = Up::start(&["--data", data.to_str().expect("a path of characters")]);
    python::succeeds(python::python().args(["-m", "sdk.contention", up.endpoint()]));
    let status = up.control.run(&["status"]);
    let refused = &status[0]["regions"][0]["refused"];
    assert!(refused["transaction_conflicts"].as_u64() >= Some(3), "{refused}");
}

#[test]
fn reads_lag_behind_as_far_as_was_asked_for_and_index_keys_have_several_attributes() {
    const STALE_MS: &str = "300";
    let up = Up::start(&["--ephemeral", "--stale-reads", STALE_MS]);
    python::succeeds(python::python().args(["-m", "sdk.stale", up.endpoint(), STALE_MS]));
}

#[test]
fn partiql_reads_writes_and_replicates_like_the_operations_on_items() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.partiql", up.endpoint(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}

#[test]
fn an_experiment_of_the_fault_injection_service_pauses_replication_and_the_regions_agree_after_it() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.experiment", up.endpoint(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}

#[test]
fn every_service_of_an_endpoint_checks_signatures_alike() {
    let up = Up::start(&["--ephemeral", "--access-key", "AKIA=secret"]);
    python::succeeds(python::python().args(["-m", "sdk.services", up.endpoint(), up.region("eu-west-1")]));
}

#[test]
fn a_stream_consumer_misses_and_repeats_nothing_over_shards_streams_and_a_killed_server() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("a path of characters");
    let state = directory.path().join("state.json");
    for phase in ["begin", "again"] {
        // Each shard goes over into its child after moments instead of hours.
        let up = Up::start(&["--data", data, "--stream-shard-age-ms", "700"]);
        python::succeeds(
            python::python()
                .args(["-m", "streams", up.endpoint()])
                .arg(&state)
                .arg(phase),
        );
    }
}
