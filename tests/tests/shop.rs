//! A real application in Python, served from three regions while one of them is cut off.

use beringia_tests::{command::beringia, python, up::Up};

#[test]
fn a_shop_loses_no_order_while_a_region_is_cut_off() {
    let up = Up::start(&["--ephemeral"]);
    let report = python::succeeds(
        python::python()
            .args([
                "-m",
                "shop",
                "--rounds",
                "10",
                "--endpoint",
                up.endpoint(),
                "--control",
                &up.control.0,
            ])
            .arg("--beringia")
            .arg(beringia()),
    );
    assert!(report.contains("none lost, none torn, no piece sold twice"), "{report}");
    assert!(report.contains("lost some to a newer cart"), "{report}");
}
