//! Power is lost in the middle of any write or sync: no acknowledged write is lost, none is torn,
//! and all parts of the state agree.

use beringia_clock::Randomness as _;
use beringia_storage::Store as _;
use beringia_storage_sqlite::Execution;

use crate::machine::{Machine, Usage, holds, trim};

const SEEDS: u64 = 40;
/// The number of seeds with `BERINGIA_LONG` in the environment.
const LONG_SEEDS: u64 = 3_000;
/// The number of times that a machine loses power.
const LIVES: u64 = 3;
/// At most so many writes and syncs are made before power is lost, and often far fewer.
const CHANGES_MAX_LOG2: u64 = 10;

const EXECUTIONS: [Execution; 2] = [Execution::Inline, Execution::Threads];

fn seeds(usual: u64, long: u64) -> u64 {
    std::env::var_os("BERINGIA_LONG").map_or(usual, |_| long)
}

/// Loses power several times, each in the middle of a random write or sync.
pub(crate) async fn lose_power_at_random(seed: u64, usage: Usage) {
    let mut machine = Machine::new(seed, usage);
    for _ in 0..LIVES {
        let magnitude = machine.random.below(CHANGES_MAX_LOG2 + 1);
        machine.disk.cut_power_after(machine.random.below(1 << magnitude));
        let store = machine.live().await;
        machine.lose_power(store).await;
    }
}

#[test]
fn no_acknowledged_write_is_lost_with_power() {
    for execution in EXECUTIONS {
        for seed in 0..seeds(SEEDS, LONG_SEEDS) {
            let is_whole = holds(lose_power_at_random(seed, Usage::of(execution)));
            assert!(is_whole, "{execution:?}, seed {seed}");
        }
    }
}

/// Items of this size make the committer and the thread of checkpoints copy the log.
#[test]
fn power_is_lost_during_checkpoints_beside_commits() {
    for execution in EXECUTIONS {
        let usage = Usage {
            item_bytes: 380_000,
            steps: 40,
            ..Usage::of(execution)
        };
        for seed in 0..seeds(2, 100) {
            let lives = async {
                let mut machine = Machine::new(seed, usage);
                for _ in 0..2 {
                    machine.disk.cut_power_after(2_000 + machine.random.below(8_000));
                    let store = machine.live().await;
                    machine.lose_power(store).await;
                }
            };
            assert!(holds(lives), "{execution:?}, seed {seed}");
        }
    }
}

/// Creates a database, writes, closes it, opens it again, writes, trims, and closes it. Returns
/// whether all of that succeeded.
async fn short_life(machine: &mut Machine) -> bool {
    for _ in 0..2 {
        let Some(store) = machine.start().await else {
            return false;
        };
        for _ in 0..2 {
            if !machine.write(&store).await {
                store.abandon();
                return false;
            }
            trim(&store).await;
        }
        store.close().await;
    }
    true
}

#[test]
fn power_is_lost_in_every_write_and_sync() {
    // The order of writes is the same for both, as far as they follow from requests.
    for (execution, step) in [(Execution::Inline, 1), (Execution::Threads, 3)] {
        let mut is_complete = false;
        let mut cut = 0;
        while !is_complete {
            let life = async {
                let mut machine = Machine::new(cut, Usage::of(execution));
                machine.disk.cut_power_after(cut);
                short_life(&mut machine).await;
                is_complete = machine.disk.changes() <= cut;
                machine.lose_power(None).await;
            };
            assert!(holds(life), "{execution:?}, after {cut} writes and syncs");
            cut += step;
        }
        assert!(cut > 100, "only {cut} writes and syncs");
    }
}
