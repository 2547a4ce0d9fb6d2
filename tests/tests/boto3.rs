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
fn an_experiment_of_the_fault_injection_service_pauses_replication_and_the_regions_agree_after_it() {
    let up = Up::start(&["--ephemeral"]);
    python::succeeds(
        python::python()
            .args(["-m", "sdk.experiment", up.endpoint(), up.fis(), &up.control.0])
            .arg(beringia_tests::command::beringia()),
    );
}
