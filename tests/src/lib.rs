//! Shared code of the tests that cross crates: a running `beringia up`, its command line, Python
//! with boto3, a minimal HTTP client, and the fuzz targets.

pub mod command;
pub mod fuzz;
pub mod http;
pub mod python;
pub mod up;

use std::path::{Path, PathBuf};

/// The root directory of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory in which these tests keep what they need again (the Python environment, container
/// images), next to the build.
///
/// # Panics
/// If the test binary is not in a target directory.
#[must_use]
pub fn cache() -> PathBuf {
    profile_directory()
        .parent()
        .expect("the profile's directory lies in the target directory")
        .join("beringia-tests")
}

/// The directory of the profile that the tests were built with, such as `target/debug`.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    let directory = test.parent().expect("the running test lies in a directory");
    // Tests are in target/PROFILE/deps; programs and benchmarks' parents are one level higher.
    if directory.ends_with("deps") {
        directory.parent().expect("deps lies in a directory").to_owned()
    } else {
        directory.to_owned()
    }
}

/// A topology file of these regions whose links have no delay.
#[must_use]
pub fn topology_without_delay(regions: &[&str]) -> String {
    let regions: String = regions
        .iter()
        .map(|name| format!("\n[[region]]\nname = \"{name}\"\n"))
        .collect();
    format!("latencies = \"none\"\n[defaults]\ndelay_ms = 0\n{regions}")
}
