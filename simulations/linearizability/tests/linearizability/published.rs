//! Published histories, retyped: each has its source.

use beringia_linearizability::{Decision, Operation, check};

use crate::objects::{OfQueue::*, OfRegister::*, Queue, Register, known, obstacle, unknown};

/// Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990,
/// figure 1: four histories of a queue.
#[test]
fn queues_of_herlihy_and_wing() {
    let first = [
        known(0, 4, Enqueue('x')),
        known(2, 6, Enqueue('y')),
        known(8, 12, Dequeue('x')),
        known(10, 14, Dequeue('y')),
        known(16, 18, Enqueue('z')),
    ];
    assert_eq!(obstacle(&Queue, &first), None, "q1");
    let second = [
        known(0, 2, Enqueue('x')),
        known(4, 8, Enqueue('y')),
        known(6, 10, Dequeue('y')),
    ];
    assert_eq!(
        obstacle(&Queue, &second),
        Some((2, vec!["xy".to_owned()])),
        "q2: y was enqueued after x"
    );
    let third = [known(0, 6, Enqueue('x')), known(2, 4, Dequeue('x'))];
    assert_eq!(obstacle(&Queue, &third), None, "q3");
    let fourth = [
        known(0, 6, Enqueue('x')),
        known(1, 7, Enqueue('y')),
        known(8, 10, Dequeue('y')),
        known(12, 14, Dequeue('y')),
    ];
    assert_eq!(
        obstacle(&Queue, &fourth).map(|(operation, _)| operation),
        Some(3),
        "q4: y comes twice"
    );
}

/// Herlihy and Wing 1990, section 2: a register that goes back to an old value.
#[test]
fn a_register_does_not_go_back() {
    let back = [
        known(0, 2, Write(5)),
        known(4, 20, Write(1)),
        known(6, 8, Read(1)),
        known(10, 12, Read(5)),
    ];
    assert_eq!(obstacle(&Register, &back), Some((3, vec![1])));
    let mut overlapping = back;
    overlapping[3].called = 7;
    assert_eq!(obstacle(&Register, &overlapping), None, "the two reads overlap");
}

/// Porcupine, `porcupine_test.go`, `TestRegisterModel` and `TestZeroDuration`.
#[test]
fn registers_of_porcupine() {
    let seen_by_one = [
        known(0, 100, Write(100)),
        known(25, 75, Read(100)),
        known(30, 60, Read(0)),
    ];
    assert_eq!(obstacle(&Register, &seen_by_one), None);
    let gone = [
        known(0, 100, Write(200)),
        known(10, 30, Read(200)),
        known(40, 90, Read(0)),
    ];
    assert_eq!(obstacle(&Register, &gone), Some((2, vec![200])));
    let at_once = [
        known(0, 100, Write(100)),
        known(25, 75, Read(100)),
        known(30, 30, Read(0)),
        known(30, 30, Read(0)),
    ];
    assert_eq!(obstacle(&Register, &at_once), None);
    let gone_at_once = [
        known(0, 100, Write(200)),
        known(10, 10, Read(200)),
        known(10, 10, Read(200)),
        known(40, 90, Read(0)),
    ];
    assert_eq!(obstacle(&Register, &gone_at_once), Some((3, vec![200])));
}

/// Knossos, `wgl_test.clj`: `crash-test`, `sequential-test`, `preserves-indices-test` and
/// `read-wrong-initial-value-test`.
#[test]
fn registers_of_knossos() {
    assert_eq!(obstacle(&Register, &[unknown(0, Write(1))]), None);
    assert_eq!(obstacle(&Register, &[known(0, 1, Read(0))]), None);
    assert_eq!(
        obstacle(&Register, &[known(5, 7, Write(1)), known(99, 100, Read(2))]),
        Some((1, vec![1]))
    );
    assert_eq!(obstacle(&Register, &[known(0, 1, Read(1))]), Some((0, vec![0])));
}

/// Knossos, `wgl_test.clj`, `bad-analysis-test-2`, reduced to the end that its comment explains:
/// after concurrent reads of 0 and a write of 2, another read of 0 is one too many if a
/// compare-and-set has meanwhile found the 2.
#[test]
fn a_read_after_a_seen_write_is_one_too_many() {
    let history = [
        known(0, 6, Read(0)),
        known(1, 8, Write(2)),
        unknown(7, Cas(1, 1, true)),
        known(2, 9, Read(0)),
        known(10, 12, Read(0)),
    ];
    assert_eq!(obstacle(&Register, &history), Some((4, vec![2])));
}

/// A write of unknown outcome may happen late, and only once.
#[test]
fn an_unanswered_write_may_happen_late_but_once() {
    let late = [
        unknown(0, Write(1)),
        known(10, 11, Read(0)),
        known(20, 21, Read(1)),
        known(30, 31, Write(2)),
    ];
    assert_eq!(obstacle(&Register, &late), None);
    let mut twice = late.to_vec();
    twice.push(known(40, 41, Read(1)));
    assert_eq!(obstacle(&Register, &twice), Some((4, vec![2])));
    twice.insert(0, unknown(35, Write(1)));
    assert_eq!(obstacle(&Register, &twice), None, "another write of the same value");
}

/// Twenty clients write at once. Each of their writes is read in turn, which leaves one order; a
/// read that none explains leaves all of them to be tried, which the bound of steps prevents.
#[test]
fn a_search_ends_when_its_steps_are_used_up() {
    let mut history: Vec<Operation<_>> = (1..=20).map(|value| known(0, 200, Write(value))).collect();
    history.extend((1..=20u32).map(|value| known(u64::from(value) * 4, u64::from(value) * 4 + 2, Read(value.into()))));
    assert_eq!(check(&Register, &history, 2_000), Decision::Linearizable);
    history.push(known(210, 211, Read(99)));
    assert_eq!(check(&Register, &history, 2_000), Decision::Undecided);
}
