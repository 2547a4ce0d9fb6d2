//! The lower bound of convergence.

use std::time::Duration;

use beringia_report::{Shipment, least_convergence};
use proptest::prelude::*;

use crate::support::{millis, seconds};

fn shipment(from: &str, to: &str, mutations: u64, bytes: u64, mbit: Option<f64>) -> Shipment {
    Shipment {
        from: from.to_owned(),
        to: to.to_owned(),
        mutations,
        bytes,
        one_way: millis(40),
        bandwidth_mbit: mbit,
    }
}

#[test]
fn a_link_needs_its_delay_and_the_time_for_its_bytes() {
    // 10 MB over 8 Mbit/s take ten seconds.
    let shipments = [shipment("a", "b", 10, 10_000_000, Some(8.0))];
    assert_eq!(least_convergence(&shipments, |_| None), seconds(10) + millis(40));
}

#[test]
fn a_region_applies_all_shipments_one_after_the_other() {
    let shipments = [
        shipment("a", "c", 3000, 1, None),
        shipment("b", "c", 1000, 1, None),
        shipment("c", "a", 1000, 1, None),
    ];
    assert_eq!(least_convergence(&shipments, |_| Some(1000.0)), seconds(4) + millis(40));
}

#[test]
fn sending_nothing_takes_no_time() {
    assert_eq!(least_convergence(&[], |_| Some(1.0)), Duration::ZERO);
    assert_eq!(
        least_convergence(&[shipment("a", "b", 0, 0, None)], |_| Some(1.0)),
        Duration::ZERO
    );
}

proptest! {
    #[test]
    fn more_shipments_never_lower_the_bound(
        mutations in 1u64..100_000, bytes in 1u64..100_000_000, more in 0u64..1_000_000, mbit in 0.1f64..1000.0, rate in 1.0f64..1e6,
    ) {
        let one = [shipment("a", "b", mutations, bytes, Some(mbit))];
        let larger = [shipment("a", "b", mutations + more, bytes + more, Some(mbit)), shipment("c", "b", more, more, None)];
        prop_assert!(least_convergence(&larger, |_| Some(rate)) >= least_convergence(&one, |_| Some(rate)));
    }
}
