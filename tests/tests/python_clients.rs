//! What others built on boto3: the AWS CLI as people type it, PynamoDB as applications declare models, and moto, which imitates DynamoDB.

use beringia_tests::{python, up::Up};

#[test]
fn the_aws_cli_makes_tables_pages_waits_and_gives_exit_codes() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.aws", up.endpoint()]));
}

#[test]
fn pynamodb_saves_queries_batches_transacts_and_guards_versions() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(python::python().args(["-m", "sdk.models", up.endpoint()]));
}

#[test]
fn random_operations_give_what_an_independent_imitation_of_dynamodb_gives() {
    let up = Up::start(&["--ephemeral"]);
    let said = python::succeeds(python::python().args(["-m", "differential", up.endpoint()]));
    assert!(said.contains("the same answers"), "{said}");
}
