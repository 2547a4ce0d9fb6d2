//! Objects whose sequential behaviour is well known: a register and a queue.

use beringia_linearizability::{Decision, Model, Operation, check};

/// A register that holds a number, at first 0.
pub(crate) struct Register;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OfRegister {
    Write(i64),
    /// A read and what it returned.
    Read(i64),
    /// A compare-and-set of the first number to the second, and whether it succeeded.
    Cas(i64, i64, bool),
}

impl Model for Register {
    type State = i64;
    type Call = OfRegister;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &OfRegister, _: u64) -> Option<i64> {
        match call {
            OfRegister::Write(value) => Some(*value),
            OfRegister::Read(value) => (value == state).then_some(*state),
            OfRegister::Cas(from, to, true) => (from == state).then_some(*to),
            OfRegister::Cas(from, _, false) => (from != state).then_some(*state),
        }
    }

    fn is_read(&self, call: &OfRegister) -> bool {
        matches!(call, OfRegister::Read(_) | OfRegister::Cas(_, _, false))
    }
}

/// A first-in-first-out queue of letters, at first empty.
pub(crate) struct Queue;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OfQueue {
    Enqueue(char),
    /// The removal of the first letter, and that letter.
    Dequeue(char),
}

impl Model for Queue {
    type State = String;
    type Call = OfQueue;

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, call: &OfQueue, _: u64) -> Option<String> {
        match call {
            OfQueue::Enqueue(letter) => Some(format!("{state}{letter}")),
            OfQueue::Dequeue(letter) => state.strip_prefix(*letter).map(str::to_owned),
        }
    }
}

/// An operation that was called and returned at these times.
pub(crate) fn known<C>(called: u64, returned: u64, call: C) -> Operation<C> {
    Operation {
        call,
        called,
        returned: Some(returned),
    }
}

/// An operation of which no answer came.
pub(crate) fn unknown<C>(called: u64, call: C) -> Operation<C> {
    Operation {
        call,
        called,
        returned: None,
    }
}

/// The index of the operation that has no possible point, and the states before it; `None` if the
/// history is linearizable.
pub(crate) fn obstacle<M: Model>(model: &M, history: &[Operation<M::Call>]) -> Option<(usize, Vec<M::State>)> {
    match check(model, history, 1_000_000) {
        Decision::Linearizable => None,
        Decision::Impossible(obstacle) => Some((obstacle.operation, obstacle.states)),
        Decision::Undecided => panic!("a short history is decided"),
    }
}
