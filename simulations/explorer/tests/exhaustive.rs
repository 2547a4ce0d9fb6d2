//! Every order of events in small worlds, without a violation. Each test prints how much it visited
//! (`--nocapture`).
//!
//! An optimised build visits worlds with three writes (two with cuts and lost disks). A build with
//! debug assertions is several times slower, and visits worlds with one write less. With
//! `BERINGIA_LONG=1` an optimised build visits larger worlds as well, each search up to a number of
//! worlds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the size of a search is part of its result")]

use beringia_explorer::{Bounds, ConflictPolicy, Kind, explore};

const PUTS_AND_DELETES: [Kind; 2] = [Kind::Put, Kind::Delete];
const ALL_KINDS: [Kind; 4] = [Kind::Put, Kind::Delete, Kind::Add, Kind::Set];
/// Whether the build is optimised, so that there is time for larger worlds.
const IS_OPTIMISED: bool = !cfg!(debug_assertions);

/// Visits everything within the bounds, and expects no violation.
fn assert_exhausted(name: &str, bounds: &Bounds) {
    assert!(visit(name, bounds), "{name} was not exhausted");
}

/// Visits what is within the bounds, and expects no violation. Returns whether that was everything.
fn visit(name: &str, bounds: &Bounds) -> bool {
    let explored = explore(bounds).unwrap();
    let extent = if explored.is_exhausted {
        "exhausted"
    } else {
        "not exhausted"
    };
    println!(
        "{name}, {} writes: {extent}, {} worlds, {} steps, {} states of regions, {} deep",
        bounds.writes, explored.worlds, explored.steps, explored.region_states, explored.depth
    );
    if let Some(found) = explored.counterexample {
        panic!("{name}: {found}");
    }
    explored.is_exhausted
}

/// Visits the larger worlds one after another, up to a number of worlds in each search.
fn visit_larger(searches: &[(&str, usize, Bounds)]) {
    if !IS_OPTIMISED || std::env::var_os("BERINGIA_LONG").is_none() {
        return;
    }
    for (name, worlds_max, bounds) in searches {
        let bounds = Bounds {
            worlds_max: *worlds_max,
            ..bounds.clone()
        };
        visit(name, &bounds);
    }
}

/// Three writes of one item, or two without optimisation.
fn writes() -> Bounds {
    Bounds {
        writes: if IS_OPTIMISED { 3 } else { 2 },
        ..Bounds::default()
    }
}

/// The same number of writes that are puts or deletes.
fn puts_and_deletes() -> Bounds {
    Bounds {
        kinds: PUTS_AND_DELETES.to_vec(),
        ..writes()
    }
}

/// One write less, for faults after which much happens.
fn fewer_writes() -> Bounds {
    Bounds {
        writes: writes().writes - 1,
        ..Bounds::default()
    }
}

/// Batches and acknowledgements wait on their way and arrive past those of other streams.
#[test]
fn all_deliveries() {
    let puts = Bounds {
        late_acks: true,
        ..writes()
    };
    assert_exhausted("deliveries of puts", &puts);
    let both = Bounds {
        late_acks: true,
        ..puts_and_deletes()
    };
    assert_exhausted("deliveries of puts and deletes", &both);
}

/// Batches and acknowledgements are lost with their stream, and stores get batches twice.
#[test]
fn all_breaks_and_duplicates() {
    let breaks = Bounds { breaks: 1, ..writes() };
    assert_exhausted("breaks", &breaks);
    let duplicates = Bounds {
        keys: 2,
        late_acks: true,
        duplicates: 1,
        ..writes()
    };
    assert_exhausted("duplicates", &duplicates);
}

/// A process crashes, and starts again on its disk.
#[test]
fn all_crashes() {
    let crashes = Bounds { crashes: 1, ..writes() };
    assert_exhausted("crashes", &crashes);
}

/// Two regions are cut off from each other, and the third one relays their writes.
#[test]
fn all_cuts_and_relays() {
    let once = Bounds {
        cuts: 1,
        waits: 1,
        ..fewer_writes()
    };
    assert_exhausted("cuts, with time", &once);
    if IS_OPTIMISED {
        let twice = Bounds {
            waits: 2,
            writes: 1,
            ..once
        };
        assert_exhausted("cuts, with time twice", &twice);
    }
}

/// A clock jumps ahead, back, or so far that the others discard the region's writes.
#[test]
fn all_jumps_of_a_clock() {
    let bounds = Bounds {
        clock_steps: 1,
        jumps_ms: vec![100, -100, 2000],
        ..writes()
    };
    assert_exhausted("clocks", &bounds);
}

/// Tombstones are collected while writes from before the delete are still on their way.
#[test]
fn all_trims() {
    for trimmer in 0..if IS_OPTIMISED { 3 } else { 1 } {
        let late = Bounds {
            late_acks: true,
            trims: 1,
            trimmers: vec![trimmer],
            ..puts_and_deletes()
        };
        assert_exhausted("trims, late acknowledgements", &late);
        let in_time = Bounds {
            waits: 1,
            late_acks: false,
            writes: 2,
            ..late
        };
        assert_exhausted("trims, with time", &in_time);
    }
}

#[test]
fn all_merges() {
    for (name, policy) in [
        ("attribute", ConflictPolicy::Attribute),
        ("merge", ConflictPolicy::Merge),
    ] {
        let updates = Bounds {
            kinds: vec![Kind::Add, Kind::Set],
            policy,
            ..writes()
        };
        assert_exhausted(name, &updates);
        let all_kinds = Bounds {
            kinds: ALL_KINDS.to_vec(),
            ..updates
        };
        assert_exhausted(&format!("{name}, with puts and deletes"), &all_kinds);
    }
}

/// A disk is lost before or after a write; its region gets the catalog and copies the table.
#[test]
fn all_losses_of_a_disk() {
    let bounds = Bounds {
        lost_disks: 1,
        waits: 1,
        ..fewer_writes()
    };
    assert_exhausted("lost disks", &bounds);
}

/// Three writes with faults of streams, and faults together.
#[test]
fn larger_worlds_of_streams() {
    let cut = Bounds {
        cuts: 1,
        waits: 1,
        ..writes()
    };
    let together = Bounds {
        writes: 2,
        late_acks: true,
        breaks: 1,
        duplicates: 1,
        crashes: 1,
        clock_steps: 1,
        ..puts_and_deletes()
    };
    visit_larger(&[
        (
            "breaks, puts and deletes",
            300_000,
            Bounds {
                breaks: 1,
                ..puts_and_deletes()
            },
        ),
        ("cuts, with time", 100_000, cut.clone()),
        (
            "cuts, with time twice",
            100_000,
            Bounds {
                writes: 2,
                waits: 2,
                ..cut
            },
        ),
        ("a break, a duplicate, a crash and a jump of a clock", 200_000, together),
    ]);
}

/// Three writes with faults of stores, and faults together.
#[test]
fn larger_worlds_of_stores() {
    let trim = Bounds {
        waits: 1,
        trims: 1,
        trimmers: vec![0],
        ..puts_and_deletes()
    };
    visit_larger(&[
        (
            "crashes, puts and deletes",
            300_000,
            Bounds {
                crashes: 1,
                ..puts_and_deletes()
            },
        ),
        ("trims, with time", 400_000, trim.clone()),
        (
            "lost disks",
            100_000,
            Bounds {
                lost_disks: 1,
                waits: 1,
                ..writes()
            },
        ),
        (
            "a lost disk and a trim",
            100_000,
            Bounds {
                writes: 2,
                lost_disks: 1,
                ..trim
            },
        ),
    ]);
}
