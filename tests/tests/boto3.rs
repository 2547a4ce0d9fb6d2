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
