//! The search for a linearization: depth first, with remembered configurations.

use std::collections::BTreeSet;

use crate::{Decision, Model, Obstacle, Operation};

/// Searches for a linearization. `steps_max` bounds the number of calls of [`Model::step`]; an
/// ordinary history needs little more than two for each operation, times the number of operations
/// that overlap.
pub fn check<M: Model>(model: &M, operations: &[Operation<M::Call>], steps_max: u64) -> Decision<M::State> {
    let mut search = Search {
        model,
        operations,
        events: events(operations),
        steps_left: steps_max,
    };
    search.run()
}

/// A call or a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    /// At one time, calls come first.
    is_return: bool,
    operation: usize,
}

/// Returns the calls and returns in the order of time.
fn events<C>(operations: &[Operation<C>]) -> Vec<Event> {
    let of = |(operation, of): (usize, &Operation<C>)| {
        let event = |at, is_return| Event {
            at,
            is_return,
            operation,
        };
        let returned = of.returned.map(|at| event(at.max(of.called), true));
        std::iter::once(event(of.called, false)).chain(returned)
    };
    let mut events: Vec<Event> = operations.iter().enumerate().flat_map(of).collect();
    events.sort_unstable();
    events
}

/// A point that the search can have reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Configuration<S> {
    /// The index of the next event.
    next: usize,
    state: S,
    /// The operations that were called and have no point yet, in the order of their calls.
    open: Vec<usize>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    operations: &'a [Operation<M::Call>],
    events: Vec<Event>,
    steps_left: u64,
}

/// The budget of steps is used up.
struct Exhausted;

impl<M: Model> Search<'_, M> {
    fn run(&mut self) -> Decision<M::State> {
        self.found().unwrap_or(Decision::Undecided)
    }

    fn found(&mut self) -> Result<Decision<M::State>, Exhausted> {
        let mut waiting = vec![Configuration {
            next: 0,
            state: self.model.initial(),
            open: Vec::new(),
        }];
        let mut visited: BTreeSet<Configuration<M::State>> = BTreeSet::new();
        let mut furthest: Option<(usize, BTreeSet<M::State>)> = None;
        while let Some(mut configuration) = waiting.pop() {
            self.advance(&mut configuration)?;
            let Some(event) = self.events.get(configuration.next).copied() else {
                return Ok(Decision::Linearizable);
            };
            let (reached, states) = furthest.get_or_insert_with(|| (configuration.next, BTreeSet::new()));
            if configuration.next > *reached {
                *reached = configuration.next;
                states.clear();
            }
            if configuration.next == *reached && states.len() < Obstacle::<M::State>::STATES_MAX {
                states.insert(configuration.state.clone());
            }
            if visited.insert(configuration.clone()) {
                self.branch(&configuration, event, &mut waiting)?;
            }
        }
        Ok(match furthest {
            Some((reached, states)) => Decision::Impossible(Obstacle {
                operation: self.events[reached].operation,
                states: states.into_iter().collect(),
            }),
            None => Decision::Linearizable,
        })
    }

    /// Visits events up to the return of an operation that has no point yet.
    fn advance(&mut self, configuration: &mut Configuration<M::State>) -> Result<(), Exhausted> {
        while let Some(event) = self.events.get(configuration.next).copied() {
            if event.is_return {
                if configuration.open.contains(&event.operation) {
                    break;
                }
            } else {
                let start = configuration.open.len();
                configuration.open.push(event.operation);
                if !self.settle(configuration, start, event.at)? {
                    // The operation came too late when it was called. The search ends at its
                    // return, so that the obstacle names it.
                    configuration.open.push(event.operation);
                }
            }
            configuration.next += 1;
        }
        Ok(())
    }

    /// Settles the open operations from index `start` on, as far as the present state allows: a
    /// read that the state explains has its point here, and an operation of unknown outcome that
    /// comes too late did not happen. Returns `false` if an operation that has returned comes too
    /// late.
    fn settle(
        &mut self,
        configuration: &mut Configuration<M::State>,
        start: usize,
        by: u64,
    ) -> Result<bool, Exhausted> {
        let mut kept = start;
        for index in start..configuration.open.len() {
            let operation = configuration.open[index];
            let of = &self.operations[operation];
            let is_read = self.model.is_read(&of.call);
            if self.model.is_too_late(&configuration.state, &of.call) {
                if of.returned.is_some() {
                    configuration.open.truncate(kept);
                    return Ok(false);
                }
                continue;
            }
            // A read that did not return says nothing.
            let is_settled = is_read
                && (of.returned.is_none()
                    || self.step(&configuration.state, operation, by)?.as_ref() == Some(&configuration.state));
            if !is_settled {
                configuration.open[kept] = operation;
                kept += 1;
            }
        }
        configuration.open.truncate(kept);
        Ok(true)
    }

    /// Adds what can follow where an operation has to return: that operation, or another open one
    /// before it. The most promising is added last, so that it is visited first.
    fn branch(
        &mut self,
        from: &Configuration<M::State>,
        event: Event,
        waiting: &mut Vec<Configuration<M::State>>,
    ) -> Result<(), Exhausted> {
        let mut order: Vec<usize> = from.open.clone();
        let returned = |operation: &usize| self.operations[*operation].returned.unwrap_or(u64::MAX);
        order.sort_by_key(|operation| {
            std::cmp::Reverse((*operation != event.operation, returned(operation), *operation))
        });
        for operation in order {
            let Some(state) = self.step(&from.state, operation, event.at)? else {
                continue;
            };
            let others = from.open.iter().copied().filter(|other| *other != operation);
            let mut next = Configuration {
                next: from.next,
                state,
                open: others.collect(),
            };
            if self.settle(&mut next, 0, event.at)? {
                waiting.push(next);
            }
        }
        Ok(())
    }

    fn step(&mut self, state: &M::State, operation: usize, by: u64) -> Result<Option<M::State>, Exhausted> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Exhausted)?;
        Ok(self.model.step(state, &self.operations[operation].call, by))
    }
}
