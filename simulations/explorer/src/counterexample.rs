//! A way to a world that violates an invariant, as text for people.

use std::fmt;

use beringia_item::ConflictPolicy;

use crate::step::Step;

/// The shortest list of steps to a world that violates an invariant.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// The violated invariant, in words.
    pub violation: String,
    /// The steps from the first world.
    pub steps: Vec<Step>,
    /// The conflict policy of the table.
    pub policy: ConflictPolicy,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after {} steps: {}", self.steps.len(), self.violation)?;
        for (place, step) in (1..).zip(&self.steps) {
            writeln!(f, "{place:4}. {step}")?;
        }
        write!(f, "as a scenario:\n{}", self.scenario())
    }
}
