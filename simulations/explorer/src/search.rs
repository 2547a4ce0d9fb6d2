//! The search: breadth first, each world once.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use beringia_storage::{StoreError, plant};

use crate::{bounds::Bounds, counterexample::Counterexample, step::Step, universe::Universe, world::World};

/// What a search found.
#[derive(Debug, Clone)]
pub struct Explored {
    /// The number of worlds.
    pub worlds: usize,
    /// The number of steps between them.
    pub steps: usize,
    /// The number of states of single regions that they consist of.
    pub region_states: usize,
    /// The length of the longest shortest way to a world, in steps.
    pub depth: usize,
    /// Whether every world within the bounds was visited.
    pub is_exhausted: bool,
    /// The shortest way to a world that violates an invariant.
    pub counterexample: Option<Counterexample>,
}

/// How a world was first reached.
#[derive(Debug, Clone, Copy)]
struct Reached {
    from: u32,
    by: Step,
}

struct Search {
    universe: Universe,
    steps: Vec<Step>,
    visited: BTreeSet<u128>,
    reached: Vec<Reached>,
    taken: usize,
}

/// Visits every world within the bounds, until one violates an invariant.
///
/// # Errors
/// [`StoreError`] if the first world cannot be made.
pub fn explore(bounds: &Bounds) -> Result<Explored, StoreError> {
    plant(bounds.planted_bug);
    let explored = Universe::new(bounds).and_then(search);
    plant(None);
    explored
}

fn search(mut universe: Universe) -> Result<Explored, StoreError> {
    let worlds_max = universe.bounds.worlds_max;
    let first = universe.first()?;
    let steps = universe.steps();
    let mut search = Search {
        universe,
        steps,
        visited: [first.fingerprint()].into(),
        reached: Vec::new(),
        taken: 0,
    };
    let mut frontier = vec![(first, 0)];
    let mut depth = 0;
    let mut counterexample = None;
    while !frontier.is_empty() && counterexample.is_none() && search.visited.len() < worlds_max {
        let mut next = Vec::new();
        for (place, (world, number)) in frontier.iter().enumerate() {
            counterexample = search.expand(world, *number, &mut next);
            if counterexample.is_some() || search.visited.len() >= worlds_max {
                break;
            }
            let to_visit = frontier[place + 1..].iter().chain(&next);
            search.universe.drop_unneeded(to_visit.map(|(world, _)| world));
        }
        depth += usize::from(!next.is_empty());
        frontier = next;
    }
    Ok(Explored {
        worlds: search.visited.len(),
        steps: search.taken,
        region_states: search.universe.sites_seen(),
        depth,
        is_exhausted: counterexample.is_none() && search.visited.len() < worlds_max,
        counterexample,
    })
}

impl Search {
    /// Visits the worlds after one. Returns a violation of the world itself, or of a step from it.
    fn expand(&mut self, world: &World, number: u32, next: &mut Vec<(World, u32)>) -> Option<Counterexample> {
        for place in 0..self.steps.len() {
            let step = self.steps[place];
            let after = match self.universe.after(world, step) {
                Ok(Some(after)) => after,
                Ok(None) => continue,
                Err(error) => return Some(self.counterexample(number, Some(step), error.to_string())),
            };
            self.taken += 1;
            if !self.visited.insert(after.fingerprint()) {
                continue;
            }
            self.reached.push(Reached { from: number, by: step });
            let Ok(number) = u32::try_from(self.reached.len()) else {
                return Some(self.counterexample(number, Some(step), "too many worlds".to_owned()));
            };
            next.push((after, number));
        }
        match self.universe.violation(world) {
            Ok(None) => None,
            Ok(Some(violation)) => Some(self.counterexample(number, None, violation)),
            Err(error) => Some(self.counterexample(number, None, error.to_string())),
        }
    }

    /// The steps to a world, and one more.
    fn counterexample(&self, mut number: u32, last: Option<Step>, violation: String) -> Counterexample {
        let mut steps: Vec<Step> = last.into_iter().collect();
        while let Some(reached) = (number as usize)
            .checked_sub(1)
            .and_then(|place| self.reached.get(place))
        {
            steps.push(reached.by);
            number = reached.from;
        }
        steps.reverse();
        Counterexample {
            violation,
            steps,
            policy: self.universe.bounds.policy,
        }
    }
}
