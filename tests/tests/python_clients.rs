//! Clients that are built on boto3: the AWS CLI as people type it, PynamoDB as applications declare
//! models, and moto, which imitates DynamoDB.

use beringia_tests::{python, up::Up};

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
