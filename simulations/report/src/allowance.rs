//! The stated allowance for the machine of a drill, in the bounds of verdicts.

use std::time::Duration;

use beringia_scenario::Expectations;

use crate::{Run, format::duration};

/// A bound in time as text, with how much of it is allowed for the machine.
pub(crate) fn bound_in_words(expected: &Expectations, most: Duration) -> String {
    if expected.allowance.is_zero() {
        return duration(most);
    }
    let own = most.saturating_sub(expected.allowance);
    format!("{}{}", duration(own), allowed(expected))
}

/// The allowance as the end of an expectation; empty without one.
pub(crate) fn allowed(expected: &Expectations) -> String {
    if expected.allowance.is_zero() {
        return String::new();
    }
    format!(" with {} allowed", duration(expected.allowance))
}

/// The least availability in percent, of which the share may be missing that the allowance has in
/// the load.
pub(crate) fn least_percent(expected: &Expectations, run: &Run, percent_min: f64) -> f64 {
    let share = expected.allowance.as_secs_f64() * 1000.0 / run.load_ms.max(1) as f64;
    (percent_min - 100.0 * share).max(0.0)
}
