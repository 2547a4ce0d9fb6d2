//! The built-in topologies, so that a first run needs no file.

use std::path::Path;

use crate::Topology;

pub(crate) fn two() -> Topology {
    built_in(include_str!("../two.toml"), "two.toml")
}

pub(crate) fn three() -> Topology {
    built_in(include_str!("../three.toml"), "three.toml")
}

pub(crate) fn ten() -> Topology {
    built_in(include_str!("../ten.toml"), "ten.toml")
}

#[expect(
    clippy::expect_used,
    reason = "the text is part of the program, and a test parses each of them"
)]
fn built_in(text: &str, name: &str) -> Topology {
    Topology::parse(text, Path::new(name)).expect("a built-in topology is valid")
}
