//! The search itself: the states that an obstacle names, and what a model may tell the search to
//! save steps.

use beringia_linearizability::{Decision, Model, Obstacle, Operation, check};
use proptest::prelude::*;

use crate::objects::{OfQueue::*, OfRegister::*, Queue, Register, known, obstacle, unknown};

#[test]
fn an_obstacle_names_only_the_states_that_got_furthest() {
    let mut history = vec![known(0, 10, Write(1)), known(0, 11, Write(2))];
    history.push(known(30, 31, Read(9)));
    assert_eq!(obstacle(&Register, &history), Some((2, vec![1, 2])), "either order");
    history[2].call = Read(2);
    history.push(known(30, 32, Read(9)));
    assert_eq!(
        obstacle(&Register, &history),
        Some((3, vec![2])),
        "only one order explains the first read"
    );
}

#[test]
fn an_obstacle_names_some_of_many_states() {
    let mut history: Vec<_> = (1..=6).map(|value| known(0, 10, Write(value))).collect();
    history.push(known(20, 21, Read(9)));
    let (operation, states) = obstacle(&Register, &history).expect("nothing wrote 9");
    assert_eq!((operation, states.len()), (6, Obstacle::<i64>::STATES_MAX));
}

/// A queue says nothing about its operations, so none is taken for a read.
#[test]
fn an_operation_without_an_answer_may_change_a_queue() {
    let history = [unknown(0, Enqueue('x')), known(2, 4, Dequeue('x'))];
    assert_eq!(obstacle(&Queue, &history), None);
}

#[test]
fn reads_that_the_state_explains_need_no_search() {
    let history: Vec<_> = (0..100).map(|at| known(at, 1_000, Read(0))).collect();
    assert_eq!(check(&Register, &history, 100), Decision::Linearizable);
}

/// Of two writes at once, the one that returns first is tried first.
#[test]
fn writes_are_tried_in_the_order_of_their_returns() {
    let round = |at: u64| {
        let (first, second) = (known(at, at + 10, Write(1)), known(at + 5, at + 15, Write(2)));
        [first, second, known(at + 20, at + 21, Read(2))]
    };
    let history: Vec<_> = (0..100).flat_map(|number| round(number * 30)).collect();
    assert_eq!(check(&Register, &history, 400), Decision::Linearizable);
}

/// A number that only grows. It tells the search which operations come too late, if it is to.
struct Growing {
    tells: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum OfGrowing {
    /// Sets the number to a greater one.
    Raise(u64),
    Read(u64),
}

impl Model for Growing {
    type State = u64;
    type Call = OfGrowing;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, state: &u64, call: &OfGrowing, _: u64) -> Option<u64> {
        match call {
            OfGrowing::Raise(to) => (to > state).then_some(*to),
            OfGrowing::Read(number) => (number == state).then_some(*state),
        }
    }

    fn is_read(&self, call: &OfGrowing) -> bool {
        matches!(call, OfGrowing::Read(_))
    }

    fn is_too_late(&self, state: &u64, call: &OfGrowing) -> bool {
        self.tells
            && match call {
                OfGrowing::Raise(to) => to <= state,
                OfGrowing::Read(number) => number < state,
            }
    }
}

#[test]
fn an_operation_that_comes_too_late_is_the_obstacle() {
    use OfGrowing::{Raise, Read};
    for tells in [false, true] {
        let growing = Growing { tells };
        let called_late = [known(0, 1, Raise(5)), known(2, 3, Read(5)), known(4, 5, Read(3))];
        assert_eq!(obstacle(&growing, &called_late), Some((2, vec![5])), "{tells}");
        let in_time = [known(0, 9, Raise(5)), known(1, 8, Raise(3)), known(2, 3, Read(0))];
        assert_eq!(obstacle(&growing, &in_time), None, "{tells}");
        let never = [known(0, 1, Raise(5)), unknown(2, Raise(3)), known(4, 5, Read(5))];
        assert_eq!(obstacle(&growing, &never), None, "the second did not happen: {tells}");
    }
}

fn growing() -> impl Strategy<Value = Operation<OfGrowing>> {
    let call = prop_oneof![
        (1..5u64).prop_map(OfGrowing::Raise),
        (0..5u64).prop_map(OfGrowing::Read)
    ];
    (call, 0..20u64, prop::option::weighted(0.85, 0..10u64)).prop_map(|(call, called, took)| Operation {
        call,
        called,
        returned: took.map(|took| called + took),
    })
}

proptest! {
    /// What a model tells about operations that come too late changes no decision.
    #[test]
    fn telling_what_is_too_late_changes_no_decision(history in prop::collection::vec(growing(), 0..7)) {
        let decided = |tells| obstacle(&Growing { tells }, &history).map(|(operation, _)| operation);
        prop_assert_eq!(decided(true).is_some(), decided(false).is_some());
    }
}
