//! The `beringia` command.

fn main() {}
