//! Every order of events in small worlds, without a violation. Each test prints how much it visited
//! (`--nocapture`). With `BERINGIA_LONG=1` the larger ones run as well.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the size of a search is part of its result")]

use beringia_explorer::{Bounds, ConflictPolicy, Kind, explore};

const PUTS_AND_DELETES: [Kind; 2] = [Kind::Put, Kind::Delete];
/// The number of worlds after which the searches end that are not known to be exhausted.
const WORLDS_MAX: usize = 400_000;
const ALL_KINDS: [Kind; 4] = [Kind::Put, Kind::Delete, Kind::Add, Kind::Set];

/// Visits everything within the bounds, and expects no violation.
fn assert_exhausted(name: &str, bounds: &Bounds) {
    assert!(visit(name, bounds), "{name} was not exhausted");
}

/// Visits what is within the bounds, and expects no violation. Returns whether that was everything.
fn visit(name: &str, bounds: &Bounds) -> bool {
    let explored = explore(bounds).unwrap();
    println!(
        "{name}: {} worlds, {} steps, {} states of regions, {} deep",
        explored.worlds, explored.steps, explored.region_states, explored.depth
    );
    if let Some(found) = explored.counterexample {
        panic!("{name}: {found}");
    }
    explored.is_exhausted
}

fn is_long() -> bool {
    std::env::var_os("BERINGIA_LONG").is_some()
}

/// Two writes, or three in the long runs.
fn few_writes() -> Bounds {
    Bounds {
        writes: if is_long() { 3 } else { 2 },
        ..Bounds::default()
    }
}

/// Batches and acknowledgements wait on their way and arrive past those of other streams.
#[test]
fn all_deliveries() {
    let bounds = Bounds {
        late_acks: true,
        ..Bounds::default()
    };
    assert_exhausted("deliveries", &bounds);
}

/// Batches and acknowledgements are lost with their stream, stores get batches twice, and processes
/// crash.
#[test]
fn all_breaks_duplicates_and_crashes() {
    let breaks = Bounds {
        breaks: 1,
        ..few_writes()
    };
    assert_exhausted("breaks", &breaks);
    let duplicates = Bounds {
        keys: 2,
        late_acks: true,
        duplicates: 1,
        ..few_writes()
    };
    assert_exhausted("duplicates", &duplicates);
    let crashes = Bounds {
        crashes: 1,
        ..few_writes()
    };
    assert_exhausted("crashes", &crashes);
}

/// Two regions are cut off from each other, and the third one relays their writes.
#[test]
fn all_cuts_and_relays() {
    let bounds = Bounds {
        writes: if is_long() { 2 } else { 1 },
        cuts: 1,
        waits: 2,
        ..Bounds::default()
    };
    assert_exhausted("cuts", &bounds);
}

/// A clock jumps ahead, back, or so far that the others discard the region's writes.
#[test]
fn all_jumps_of_a_clock() {
    let bounds = Bounds {
        clock_steps: 1,
        jumps_ms: vec![100, -100, 2000],
        ..few_writes()
    };
    assert_exhausted("clocks", &bounds);
}

/// Tombstones are collected while writes from before the delete are still on their way.
#[test]
fn all_trims() {
    for trimmer in 0..3 {
        let bounds = Bounds {
            kinds: PUTS_AND_DELETES.to_vec(),
            waits: 1,
            trims: 1,
            trimmers: vec![trimmer],
            ..few_writes()
        };
        assert_exhausted("trims", &bounds);
    }
    let late = Bounds {
        kinds: PUTS_AND_DELETES.to_vec(),
        late_acks: true,
        trims: 1,
        trimmers: vec![0],
        ..few_writes()
    };
    assert_exhausted("trims, late acknowledgements", &late);
}

#[test]
fn all_merges() {
    for (name, policy) in [
        ("attribute", ConflictPolicy::Attribute),
        ("merge", ConflictPolicy::Merge),
    ] {
        let bounds = Bounds {
            kinds: vec![Kind::Add, Kind::Set],
            policy,
            ..Bounds::default()
        };
        assert_exhausted(name, &bounds);
        let with_whole_writes = Bounds {
            kinds: ALL_KINDS.to_vec(),
            policy,
            ..few_writes()
        };
        assert_exhausted(&format!("{name}, with puts and deletes"), &with_whole_writes);
    }
}

/// A disk is lost before or after a write; its region gets the catalog and copies the table.
#[test]
fn all_losses_of_a_disk() {
    let bounds = Bounds {
        writes: if is_long() { 2 } else { 1 },
        lost_disks: 1,
        waits: 1,
        ..Bounds::default()
    };
    assert_exhausted("lost disks", &bounds);
}

/// What takes too long for every run, as far as it goes.
#[test]
fn all_of_the_larger_worlds() {
    if !is_long() {
        return;
    }
    let together = Bounds {
        kinds: PUTS_AND_DELETES.to_vec(),
        late_acks: true,
        breaks: 1,
        duplicates: 1,
        crashes: 1,
        clock_steps: 1,
        writes: 2,
        worlds_max: WORLDS_MAX,
        ..Bounds::default()
    };
    let name = "two writes, all but trims and disks";
    println!("{name}: exhausted: {}", visit(name, &together));
    let disks_and_trims = Bounds {
        kinds: PUTS_AND_DELETES.to_vec(),
        lost_disks: 1,
        waits: 1,
        trims: 1,
        trimmers: vec![0],
        writes: 2,
        worlds_max: WORLDS_MAX,
        ..Bounds::default()
    };
    let name = "a lost disk and a trim";
    println!("{name}: exhausted: {}", visit(name, &disks_and_trims));
}
