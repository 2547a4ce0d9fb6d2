//! Generates the messages and services from the `.proto` files, with protox instead of an installed
//! `protoc`.

use std::{error::Error, path::Path};

/// The files, relative to this directory. A new file only has to be added here.
const FILES: [&str; 2] = ["beringia/v1/control.proto", "beringia/v1/replication.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=beringia");
    let descriptors = protox::compile(FILES.map(|file| root.join(file)), [root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
