//! The gateway's tables of requests are what the public model of the API and the corrections give.

use beringia_tests::{python, repository};

#[test]
fn the_tables_of_requests_are_what_the_model_gives() {
    let generator = repository().join("services/gateway/model/generate.py");
    python::succeeds(python::python().arg(generator).arg("--check"));
}
