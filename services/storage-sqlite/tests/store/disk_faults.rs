//! Reads, writes and syncs fail, the disk is full, and bits change: no acknowledged write is lost,
//! and no read returns what was not written.

use beringia_clock::Randomness as _;
use beringia_faulty_disk::{Faults, Operation};
use beringia_storage::Store as _;
use beringia_storage_sqlite::Execution;

use crate::machine::{Machine, Usage, holds, trim};

const SEEDS: u64 = 12;
/// The number of seeds with `BERINGIA_LONG` in the environment.
const LONG_SEEDS: u64 = 2_000;
/// The number of processes that a machine starts.
const LIVES: u64 = 3;

const EXECUTIONS: [Execution; 2] = [Execution::Inline, Execution::Threads];

fn seeds() -> u64 {
    std::env::var_os("BERINGIA_LONG").map_or(SEEDS, |_| LONG_SEEDS)
}

/// Several processes meet such faults. Each ends by a kill or by a loss of power.
async fn meet(seed: u64, execution: Execution, faults: Faults) {
    let mut machine = Machine::new(seed, Usage::of(execution));
    for _ in 0..LIVES {
        machine.disk.set_faults(faults);
        let mut store = machine.live().await;
        if machine.random.below(2) == 0 {
            // The next process meets what a failed one left in the page cache.
            machine.disk.kill();
            store.take().inspect(|store| store.abandon());
            store = machine.live().await;
        }
        machine.disk.set_faults(Faults::default());
        if machine.random.below(2) == 0 {
            machine.kill(store).await;
        } else {
            machine.lose_power(store).await;
        }
    }
}

fn assert_no_loss_with(faults: Faults) {
    for execution in EXECUTIONS {
        for seed in 0..seeds() {
            let is_whole = holds(meet(seed, execution, faults));
            assert!(is_whole, "{execution:?}, seed {seed}, {faults:?}");
        }
    }
}

#[test]
fn failed_syncs_lose_no_acknowledged_write() {
    assert_no_loss_with(Faults {
        syncs: 4.0,
        ..Faults::default()
    });
}

/// What the failed sync should have stored is in the page cache, and the next process loses power
/// while it recovers that, or soon after.
#[test]
fn power_is_lost_after_a_failed_sync_and_a_restart() {
    for execution in EXECUTIONS {
        let usage = Usage {
            steps: 4,
            ..Usage::of(execution)
        };
        for seed in 0..8 * seeds() {
            let life = async {
                let mut machine = Machine::new(seed, usage);
                let store = machine.start().await.unwrap();
                for _ in 0..machine.random.below(4) {
                    assert!(machine.write(&store).await);
                }
                machine.disk.fail_next(Operation::Sync, "-wal");
                // Deletes of missing items have nothing to sync.
                while machine.write(&store).await {}
                machine.disk.kill();
                store.abandon();
                machine.disk.cut_power_after(machine.random.below(50));
                let store = machine.live().await;
                machine.lose_power(store).await;
            };
            assert!(holds(life), "{execution:?}, seed {seed}");
        }
    }
}

#[test]
fn failed_writes_lose_no_acknowledged_write() {
    assert_no_loss_with(Faults {
        writes: 1.7,
        ..Faults::default()
    });
}

#[test]
fn failed_reads_lose_no_acknowledged_write() {
    assert_no_loss_with(Faults {
        reads: 2.5,
        ..Faults::default()
    });
}

#[test]
fn faults_of_all_kinds_lose_no_acknowledged_write() {
    assert_no_loss_with(Faults {
        reads: 0.5,
        writes: 0.5,
        syncs: 1.0,
    });
}

#[test]
fn full_disk_loses_no_acknowledged_write() {
    for execution in EXECUTIONS {
        for seed in 0..seeds() {
            let life = async {
                let mut machine = Machine::new(seed, Usage::of(execution));
                for _ in 0..LIVES {
                    let capacity = 60_000 + machine.random.below(600_000);
                    machine.disk.set_capacity(Some(usize::try_from(capacity).unwrap()));
                    let store = machine.live().await;
                    machine.disk.set_capacity(None);
                    machine.lose_power(store).await;
                }
            };
            assert!(holds(life), "{execution:?}, seed {seed}");
        }
    }
}

/// A store that opens after bits have changed returns what was written, or an error, or nothing.
#[test]
fn changed_bits_make_no_wrong_value() {
    for seed in 0..seeds() {
        let life = async {
            let mut machine = Machine::new(seed, Usage::of(Execution::Inline));
            let store = machine.start().await.unwrap();
            for _ in 0..20 {
                assert!(machine.write(&store).await);
            }
            trim(&store).await;
            store.close().await;
            let path = machine.disk.path("region.db");
            for _ in 0..=machine.random.below(20) {
                let (byte, bit) = (machine.random.below(200_000), machine.random.below(8));
                machine
                    .disk
                    .flip(&path, usize::try_from(byte).unwrap(), u8::try_from(bit).unwrap());
            }
            if let Ok(store) = machine.open() {
                machine.read_all_damaged(&store).await;
                store.abandon();
            }
        };
        assert!(holds(life), "seed {seed}");
    }
}
