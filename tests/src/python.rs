//! Python with boto3 in a virtual environment that the tests create.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{cache, repository};

/// A Python command with the packages of `tests/clients/requirements.txt`, in the directory
/// `tests/clients`. The environment is created once per version of that file.
///
/// # Panics
/// If Python is not installed or a package cannot be installed.
#[must_use]
pub fn python() -> Command {
    let clients = repository().join("tests/clients");
    let requirements = clients.join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("tests/clients/requirements.txt is readable");
    fs::create_dir_all(cache()).expect("the build directory is writable");

    // Tests run in parallel, also in several processes: one creates the environment, the others
    // wait.
    let lock = fs::File::create(cache().join("python.lock")).expect("the build directory is writable");
    lock.lock().expect("the lock is granted");
    let environment = cache().join("python");
    let stamp = environment.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment));
        run(Command::new(interpreter(&environment))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements));
        fs::write(&stamp, &wanted).expect("the environment is writable");
    }
    let mut command = Command::new(interpreter(&environment));
    command
        .current_dir(clients)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null());
    command
}

fn interpreter(environment: &std::path::Path) -> PathBuf {
    environment.join("bin/python")
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// Runs a Python program and waits for its end.
///
/// # Panics
/// If the program fails. The message contains its output.
pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}
