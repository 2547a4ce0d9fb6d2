//! Random runs that failed before the rule that each test names existed, made as short as possible.
//! The order of messages depends on a run's seed, so a change of the protocol may turn such a run
//! into an ordinary one; the scripted tests check the rules step by step.

use beringia_item::ConflictPolicy;

use crate::{
    Action::{
        self, AddReplica, CollectGarbage, CopyDisk, Crash, Cut, Heal, Reset, Restore, Run, SetPolicy, Skew, Transact,
        Update, Wipe, Write,
    },
    copies, drops, hot_keys,
    model::policy::Change,
    play, play_additions, play_under,
};

const fn put(site: usize, key: u8) -> Action {
    write(site, key, false)
}

const fn delete(site: usize, key: u8) -> Action {
    write(site, key, true)
}

const fn write(site: usize, key: u8, delete: bool) -> Action {
    Write {
        site,
        table: 0,
        key,
        delete,
    }
}

const fn transact(site: usize, keys: [u8; 2]) -> Action {
    Transact { site, table: 0, keys }
}

/// Adds a replica of region 0's table.
const fn add(by: usize, at: usize) -> Action {
    AddReplica { site: by, table: 0, at }
}

const fn run(steps: usize) -> Action {
    Run { steps }
}

#[test]
fn rows_of_an_aborted_copy_spread_after_their_origin_lost_them() {
    let actions = [
        Crash { site: 2 },
        run(20),
        add(0, 2),
        Reset { a: 2, b: 1 },
        run(20),
        CollectGarbage { site: 0 },
        put(0, 0),
        run(6),
        Wipe { site: 1 },
        run(31 + 9 + 14),
        Crash { site: 2 },
        run(29 + 19 + 21 + 17),
        Wipe { site: 2 },
        Crash { site: 2 },
        run(7 + 315),
        Wipe { site: 1 },
        put(0, 0),
        run(13),
        put(0, 0),
        run(109),
        Wipe { site: 0 },
    ];
    play(copies(10_773_842_667_569_135_300), &actions);
}

#[test]
fn writes_trimmed_from_all_logs_are_copied_in_place() {
    let actions = [CollectGarbage { site: 2 }, CollectGarbage { site: 0 }, Wipe { site: 1 }];
    play(copies(4), &actions);
}

#[test]
fn unreachable_origin_may_still_have_trimmed_writes() {
    let actions = [Cut { a: 0, b: 1 }, add(1, 2), put(1, 2), run(356)];
    play(copies(9), &actions);
}

#[test]
fn row_lost_by_its_source_after_a_copy_attempt_is_dropped() {
    let actions = [
        add(0, 2),
        put(0, 0),
        run(37),
        Crash { site: 1 },
        run(37),
        Wipe { site: 0 },
    ];
    play(copies(9), &actions);
}

#[test]
fn copy_waits_for_writes_before_its_newest_row() {
    let actions = [
        Reset { a: 2, b: 0 },
        Crash { site: 1 },
        run(29),
        add(0, 2),
        delete(0, 0),
    ];
    play(copies(2), &actions);
}

#[test]
fn quarantined_stream_continues_with_a_full_window() {
    let actions = [
        Cut { a: 0, b: 1 },
        run(10),
        delete(1, 0),
        Reset { a: 1, b: 0 },
        Skew { site: 2, skew_ms: 745 },
        transact(2, [1, 0]),
        run(10),
        put(1, 1),
        put(2, 1),
        put(1, 0),
        transact(1, [1, 0]),
    ];
    play(hot_keys(10), &actions);
}

#[test]
fn reports_of_a_region_being_dropped_do_not_count_as_shipped() {
    let actions = [
        Cut { a: 0, b: 2 },
        put(2, 0),
        run(11),
        put(1, 0),
        run(5 + 4),
        Crash { site: 0 },
        run(260),
        put(1, 0),
        put(2, 0),
        put(1, 0),
        put(2, 0),
        run(5 + 232 + 39),
        transact(0, [0, 2]),
        Cut { a: 1, b: 2 },
        run(32),
        put(2, 2),
        Reset { a: 1, b: 2 },
        put(0, 0),
        put(1, 0),
        put(0, 0),
        run(27),
        put(0, 0),
        run(17),
    ];
    play(drops(14_501_782_012_141_401_030), &actions);
}

/// Of a region that is dropped, a write is safe only if all regions that vote for the drop have it.
#[test]
fn writes_that_only_one_voter_has_are_not_safe() {
    let actions = [
        run(4),
        put(2, 0),
        Reset { a: 0, b: 1 },
        put(2, 0),
        put(1, 0),
        Reset { a: 2, b: 0 },
        Cut { a: 0, b: 1 },
        put(2, 0),
        run(13),
        put(2, 2),
        run(10),
        Cut { a: 0, b: 2 },
        run(32 + 27),
        Heal { a: 1, b: 0 },
        Cut { a: 2, b: 0 },
        run(8 + 23),
        put(2, 2),
        run(118 + 16 + 37),
        Cut { a: 0, b: 1 },
        run(19 + 11),
        put(1, 0),
        run(28 + 7),
        put(1, 0),
        run(27),
        put(1, 0),
        run(2 + 19),
    ];
    play(drops(8_175_970_312_848_585_039), &actions);
}

/// This also holds if the winner is an addition on top of the assigned value.
#[test]
fn addition_concurrent_with_an_assignment_is_journalled() {
    let update = |site, change| Update {
        site,
        keys: vec![1],
        changes: vec![change],
    };
    let actions = [
        run(100),
        update(0, Change::Assign("n", 0)),
        update(1, Change::Add(1)),
        update(0, Change::Add(1)),
    ];
    play_under(ConflictPolicy::Merge, 0, &actions);
}

/// The vector covers the copied rows only once the copy is complete.
#[test]
fn copy_in_place_may_run_ahead_of_the_vector() {
    let nothing = || Update {
        site: 0,
        keys: vec![0],
        changes: vec![],
    };
    let policy = ConflictPolicy::Item;
    let actions = [
        run(50),
        Crash { site: 0 },
        Cut { a: 2, b: 0 },
        run(19 + 37),
        Heal { a: 0, b: 2 },
        nothing(),
        run(38 + 26),
        SetPolicy { site: 0, policy },
        Crash { site: 2 },
        Cut { a: 0, b: 2 },
        put(0, 0),
        run(1 + 8 + 19),
        Reset { a: 1, b: 0 },
        nothing(),
        run(32),
        CollectGarbage { site: 0 },
    ];
    play_under(policy, 51_566_485_287_733_057, &actions);
}

/// The region adds to a counter before it learns that its disk is an older copy.
#[test]
fn addition_after_a_restore_keeps_the_shipped_ones() {
    let actions = [
        put(2, 0),
        run(300),
        CopyDisk { site: 2 },
        put(2, 0),
        run(300),
        Restore { site: 2 },
        put(2, 0),
    ];
    play_additions(0, &actions);
}
