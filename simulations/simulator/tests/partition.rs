//! Three regions, a partition in the middle of a write load, a crash: no promise is broken, whatever the seed.

use std::{io::Write, process::abort, time::Duration};

use beringia_simulator::{
    in_virtual_time,
    partition::{PartitionConfig, Report, run},
};

fn simulated(seed: u64) -> Report {
    let on_stuck = |stuck| {
        // The stuck thread can neither be interrupted nor fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let config = PartitionConfig::new(seed);
    let report = in_virtual_time("partition", Duration::from_secs(120), on_stuck, run(&config));
    report.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", replay(seed)))
}

fn replay(seed: u64) -> String {
    format!("replay: cargo run -p beringia-simulator --bin simulate -- {seed}")
}

#[test]
fn no_acknowledged_write_is_lost_and_all_regions_converge_on_the_greatest_versions() {
    for seed in 1..=2 {
        let report = simulated(seed);
        assert!(report.violations.is_empty(), "{report}\n{}", replay(seed));
        for (region, acknowledged) in &report.acknowledged_in_partition {
            assert!(
                *acknowledged > 100,
                "{region} takes writes with its links cut: {acknowledged}\n{}",
                replay(seed)
            );
        }
        assert!(
            report.convergence.digest.ranges.iter().any(|range| range.items > 0),
            "they agree on something"
        );
    }
}
