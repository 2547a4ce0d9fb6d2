//! Drawn histories: those of sequential runs are accepted, and all are judged as by trying every
//! order.

use beringia_linearizability::{Decision, Model, Operation, check};
use proptest::prelude::*;

use crate::objects::{OfRegister, Register};

/// Whether some order of the operations fits, found by trying them all.
fn is_linearizable<M: Model>(model: &M, history: &[Operation<M::Call>]) -> bool {
    let open: Vec<usize> = (0..history.len()).collect();
    can_continue(model, history, &model.initial(), &open)
}

fn can_continue<M: Model>(model: &M, history: &[Operation<M::Call>], state: &M::State, open: &[usize]) -> bool {
    let first_return = open.iter().filter_map(|index| history[*index].returned).min();
    let Some(first_return) = first_return else {
        return true;
    };
    open.iter().any(|index| {
        let rest: Vec<usize> = open.iter().copied().filter(|other| other != index).collect();
        let after = || model.step(state, &history[*index].call, u64::MAX);
        history[*index].called <= first_return
            && after().is_some_and(|after| can_continue(model, history, &after, &rest))
    })
}

/// What a client asks of a register.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Write(i64),
    Read,
    Cas(i64, i64),
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        (1..4i64).prop_map(Wish::Write),
        Just(Wish::Read),
        (0..4i64, 0..4i64).prop_map(|(from, to)| Wish::Cas(from, to)),
    ]
}

/// A run of a register: operations happen at even times in this order, and are called and return
/// at the given distances from that. The answers of some never come.
fn run(operations: &[(Wish, u64, u64, bool)]) -> Vec<Operation<OfRegister>> {
    let mut state = 0;
    let mut history = Vec::new();
    for (index, (wish, before, after, is_answered)) in operations.iter().enumerate() {
        let at = 20 + 2 * index as u64;
        let call = match *wish {
            Wish::Write(value) => OfRegister::Write(value),
            Wish::Read => OfRegister::Read(state),
            Wish::Cas(from, to) => OfRegister::Cas(from, to, from == state),
        };
        match call {
            OfRegister::Write(value) | OfRegister::Cas(_, value, true) => state = value,
            _ => {}
        }
        history.push(Operation {
            call,
            called: at - before,
            returned: is_answered.then_some(at + after),
        });
    }
    history
}

fn operations(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Wish, u64, u64, bool)>> {
    prop::collection::vec((wish(), 0..12u64, 0..12u64, prop::bool::weighted(0.85)), count)
}

fn decided(history: &[Operation<OfRegister>]) -> bool {
    match check(&Register, history, 10_000_000) {
        Decision::Linearizable => true,
        Decision::Impossible(obstacle) => {
            assert!(!obstacle.states.is_empty() && history[obstacle.operation].returned.is_some());
            false
        }
        Decision::Undecided => panic!("a short history is decided"),
    }
}

proptest! {
    #[test]
    fn histories_of_sequential_runs_are_accepted(operations in operations(0..60)) {
        prop_assert!(decided(&run(&operations)));
    }

    /// A changed answer, or a changed time, is accepted exactly where some order explains it.
    #[test]
    fn changed_histories_are_judged_as_by_all_orders(
        operations in operations(1..8),
        changed in any::<prop::sample::Index>(),
        value in 0..4i64,
        earlier in 0..10u64,
    ) {
        let mut history = run(&operations);
        let changed = changed.get_mut(&mut history);
        changed.call = match changed.call {
            OfRegister::Read(_) => OfRegister::Read(value),
            OfRegister::Write(_) => OfRegister::Write(value),
            OfRegister::Cas(from, to, has_succeeded) => OfRegister::Cas(from, to, !has_succeeded),
        };
        changed.returned = changed.returned.map(|returned| returned.saturating_sub(earlier).max(changed.called));
        prop_assert_eq!(decided(&history), is_linearizable(&Register, &history));
    }
}
