//! The scenarios that there are.

use std::{collections::BTreeMap, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_network::Direction;
use beringia_regions::Topology;

use crate::{
    fault::{Fault, Timeline},
    scenario::Scenario,
    workload::WorkloadConfig,
};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn workload() -> WorkloadConfig {
    WorkloadConfig {
        table: "load".to_owned(),
        writers: 3,
        keys: 30,
        pause: ms(50),
        delete_percent: 10,
        update_percent: 30,
        filler_bytes: 200,
    }
}

/// Three regions; one is cut off silently from the others, another crashes and comes back meanwhile.
#[must_use]
pub fn partition(seed: u64) -> Scenario {
    let crashed = "ap-northeast-1".to_owned();
    Scenario {
        name: "partition".to_owned(),
        seed,
        topology: Topology::three(),
        workload: workload(),
        faults: Timeline::new(vec![
            (ms(1_000), Fault::Isolate("eu-west-1".to_owned())),
            // The keepalive notices the partition after four seconds, so later than this.
            (ms(3_000), Fault::Crash(crashed.clone())),
            (ms(4_000), Fault::Restart(crashed)),
        ]),
        heal_at: ms(7_000),
        stop_at: ms(8_000),
        patience: ms(60_000),
    }
}

/// Three regions, and a dozen faults of all kinds at random times.
#[must_use]
pub fn storm(seed: u64) -> Scenario {
    /// How many faults.
    const FAULTS: usize = 12;
    /// Within which time.
    const WITHIN_MS: u64 = 10_000;
    /// When the last crashed region is back at the latest.
    const CALM: Duration = ms(11_000);
    let topology = Topology::three();
    let names: Vec<&str> = topology.names().collect();
    let dice = SeededRandomness::new(seed).derive("storm");
    let mut times: Vec<u64> = (0..FAULTS).map(|_| dice.below(WITHIN_MS)).collect();
    times.sort_unstable();
    let mut down_until: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for at in times {
        let region = names[pick(&dice, names.len())];
        let is_down = down_until.get(region).is_some_and(|until| at <= *until);
        if dice.below(5) == 0 && !is_down {
            let back = at + 1 + dice.below(2_000);
            down_until.insert(region, back);
            faults.push((ms(at), Fault::Crash(region.to_owned())));
            faults.push((ms(back).min(CALM), Fault::Restart(region.to_owned())));
        } else {
            faults.push((ms(at), misfortune(&dice, &names, region)));
        }
    }
    Scenario {
        name: "storm".to_owned(),
        seed,
        workload: workload(),
        faults: Timeline::new(faults),
        heal_at: ms(12_500),
        stop_at: ms(13_000),
        // The links stay as bad as the storm left them.
        patience: ms(300_000),
        topology,
    }
}

/// One fault that breaks no process, about `region` and maybe another.
fn misfortune(dice: &SeededRandomness, names: &[&str], region: &str) -> Fault {
    let others: Vec<&str> = names.iter().copied().filter(|name| *name != region).collect();
    let (one, other) = (region.to_owned(), others[pick(dice, others.len())].to_owned());
    let direction = if dice.below(2) == 0 {
        Direction::OneWay
    } else {
        Direction::Both
    };
    match dice.below(8) {
        0 | 1 => Fault::Cut(one, other, direction),
        2 => Fault::Reset(one, other, direction),
        3 => Fault::Isolate(one),
        4 => Fault::Heal,
        5 => Fault::Delay(one, other, ms(dice.below(300)), ms(dice.below(100))),
        6 => Fault::Loss(one, other, 20.0 * dice.unit_f64()),
        _ if dice.below(2) == 0 => Fault::Bandwidth(one, other, Some(0.2 + 5.0 * dice.unit_f64())),
        // Well within the offset that regions allow each other, also between two that are wrong in opposite directions.
        _ => Fault::Clock(
            one,
            200 - i64::try_from(dice.below(400)).unwrap_or(0),
            100 - i64::try_from(dice.below(200)).unwrap_or(0),
        ),
    }
}

fn pick(dice: &SeededRandomness, count: usize) -> usize {
    usize::try_from(dice.below(count as u64)).unwrap_or(0)
}
