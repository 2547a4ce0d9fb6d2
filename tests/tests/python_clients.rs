//! What others built on boto3's core: the AWS CLI as people type it, and PynamoDB's models as applications declare them.

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
