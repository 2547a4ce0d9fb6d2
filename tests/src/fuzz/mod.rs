//! What fuzzing runs: each target takes any bytes and panics where a promise about them does not hold.
//!
//! `tests/fuzz` feeds them from libFuzzer; `tests/tests/fuzz.rs` feeds them the kept corpora on every run of the tests.

mod expressions;
mod items;
mod wire;

/// A target: the name of its program and its corpus in `tests/fuzz`, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("codec", items::codec),
    ("expression", expressions::expression),
    ("json", items::json),
    ("key", items::key),
    ("number", items::number),
    ("receiver", wire::from_receiver),
    ("source", wire::from_source),
    ("state", items::state),
];

/// Runs a target by its name.
///
/// # Panics
/// Where there is no such target, and where the target does.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no fuzz target `{name}`"));
    target(input);
}
