//! The fuzz targets: each takes any bytes and panics if a promise about them does not hold.
//!
//! `tests/fuzz` runs them with libFuzzer; `tests/tests/fuzz.rs` runs them with the kept corpora on
//! every run of the tests.

mod expressions;
mod items;
mod statements;
mod wire;

/// A target: the name of its program and of its corpus in `tests/fuzz`, and the function that takes
/// an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("codec", items::codec),
    ("expression", expressions::expression),
    ("json", items::json),
    ("key", items::key),
    ("number", items::number),
    ("partiql", statements::partiql),
    ("receiver", wire::from_receiver),
    ("source", wire::from_source),
    ("state", items::state),
];

/// Runs the target with this name.
///
/// # Panics
/// If there is no such target, or the target finds a broken promise.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no fuzz target `{name}`"));
    target(input);
}
