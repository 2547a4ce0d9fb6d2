//! Clients that are built on boto3: the AWS CLI as people type it, PynamoDB as applications declare
//! models, applications in three regions, and moto, which imitates DynamoDB.

use beringia_tests::{command::beringia, python, up::Up};

#[test]
fn aws_cli_creates_tables_pages_waits_and_sets_exit_codes() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.aws", up.endpoint()]));
}

#[test]
fn pynamodb_saves_queries_batches_transacts_and_guards_versions() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.models", up.endpoint()]));
}

/// moto is an independent imitation of DynamoDB.
#[test]
fn random_operations_match_moto() {
    let up = Up::start(&["--ephemeral"]);
    let printed = python::succeeds(python::python().args(["-m", "differential", up.endpoint()]));
    assert!(printed.contains("the same answers"), "{printed}");
}

/// Runs a program of `tests/clients/applications`: it writes in one region, reads in the others,
/// and compares its tables and their indexes between the regions.
fn runs_in_three_regions(application: &str) {
    let up = Up::start(&["--ephemeral"]);
    let printed = python::succeeds(
        python::python()
            .args(["-m", application, up.endpoint(), &up.control.0])
            .arg(beringia()),
    );
    assert!(printed.contains("the same in every region"), "{printed}");
}

#[test]
fn celery_results_are_read_in_other_regions() {
    runs_in_three_regions("applications.tasks");
}

#[test]
fn langgraph_conversations_continue_in_other_regions() {
    runs_in_three_regions("applications.agents");
}

#[test]
fn pynamodb_indexes_are_the_same_in_every_region() {
    runs_in_three_regions("applications.catalogue");
}
