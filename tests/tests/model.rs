//! The gateway's tables of requests match the public model of the API with the corrections.

use beringia_tests::{python, repository};

#[test]
fn request_tables_match_the_public_model() {
    let generator = repository().join("services/gateway/model/generate.py");
    python::succeeds(python::python().arg(generator).arg("--check"));
}
