//! A program of the user's that does to regions what their control services cannot, such as cutting the network between containers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use beringia_scenario::{Action, Ends};

use crate::failure::Failure;

/// That program.
#[derive(Debug, Clone)]
pub(crate) struct Hook(PathBuf);

impl Hook {
    pub(crate) fn new(program: &Path) -> Self {
        Self(program.to_path_buf())
    }

    /// Makes sure that it can be started. It is asked about the word with which every drill calls it in the end; its answer does not matter.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        self.can("undo").await.map(drop)
    }

    /// Whether it can do what a word stands for; else what it says about that.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) async fn can(&self, word: &str) -> Result<Result<(), String>, Failure> {
        self.call(&["can".to_owned(), word.to_owned()]).await
    }

    /// Does it, and waits until it is done.
    ///
    /// # Errors
    /// Where it cannot be started, or says by its exit code that it failed.
    pub(crate) async fn act(&self, words: &[String]) -> Result<(), Failure> {
        let failed =
            |said: String| Failure::wrong(format!("`{} {}` failed: {said}", self.0.display(), words.join(" ")));
        self.call(words).await?.map_err(failed)
    }

    /// What it said on standard error, where its exit code is not 0.
    async fn call(&self, words: &[String]) -> Result<Result<(), String>, Failure> {
        let mut command = Command::new(&self.0);
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.map_err(std::io::Error::from).flatten();
        let output =
            output.map_err(|error| Failure::wrong(format!("cannot start the hook {}: {error}", self.0.display())))?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(Err(if said.is_empty() {
            output.status.to_string()
        } else {
            said
        }))
    }
}

/// What a hook is called with for an action; `None` for what needs none.
pub(crate) fn words(action: &Action) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut say = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
    let how = |reset: bool| if reset { "reset" } else { "silent" };
    match action {
        Action::Delay { ends, delay, jitter } => {
            let ms = |length: &std::time::Duration| format!("{}", length.as_secs_f64() * 1e3);
            say(&["delay"]);
            say(&which(ends));
            say(&[&ms(delay), &ms(jitter)]);
        }
        Action::Loss { ends, percent } => {
            say(&["loss"]);
            say(&which(ends));
            say(&[&percent.to_string()]);
        }
        Action::Bandwidth { ends, mbit } => {
            say(&["bandwidth"]);
            say(&which(ends));
            say(&[&mbit.map_or_else(|| "unlimited".to_owned(), |mbit| mbit.to_string())]);
        }
        Action::Cut { ends, reset } => {
            say(&["cut"]);
            say(&which(ends));
            say(&[how(*reset)]);
        }
        Action::Isolate { region, reset } => say(&["isolate", region, how(*reset)]),
        Action::Heal(None) => say(&["heal"]),
        Action::Heal(Some(ends)) => {
            say(&["heal"]);
            say(&which(ends));
        }
        Action::Crash { region, lose_disk } => {
            say(&["crash", region, if *lose_disk { "lose-disk" } else { "keep-disk" }]);
        }
        Action::Restart { region } => say(&["restart", region]),
        Action::SlowDisk { region, by } => say(&["slow-disk", region, &by.as_millis().to_string()]),
        Action::DiskFull { region, full } => say(&["disk-full", region, if *full { "yes" } else { "no" }]),
        Action::ClockStep { region, by_ms } => say(&["clock-step", region, &by_ms.to_string()]),
        Action::ClockDrift { region, ppm } => say(&["clock-drift", region, &ppm.to_string()]),
        Action::PauseReplication { .. }
        | Action::ResumeReplication { .. }
        | Action::AddReplica { .. }
        | Action::RemoveReplica { .. }
        | Action::Shift { .. }
        | Action::Rate { .. }
        | Action::Drain { .. }
        | Action::Undrain { .. } => return None,
    }
    Some(words)
}

fn which(ends: &Ends) -> [&str; 3] {
    [&ends.from, &ends.to, if ends.one_way { "one-way" } else { "both" }]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(action: &Action) -> String {
        words(action).map(|words| words.join(" ")).unwrap_or_default()
    }

    #[test]
    fn a_hook_is_called_with_one_word_for_everything_that_it_needs_to_know() {
        let ends = |one_way| Ends {
            from: "a".to_owned(),
            to: "b".to_owned(),
            one_way,
        };
        let region = || "a".to_owned();
        let delay = Action::Delay {
            ends: ends(true),
            delay: Duration::from_micros(2500),
            jitter: Duration::ZERO,
        };
        assert_eq!(said(&delay), "delay a b one-way 2.5 0");
        let cut = Action::Cut {
            ends: ends(false),
            reset: true,
        };
        assert_eq!(said(&cut), "cut a b both reset");
        assert_eq!(said(&Action::Heal(None)), "heal");
        assert_eq!(said(&Action::Heal(Some(ends(false)))), "heal a b both");
        let crash = Action::Crash {
            region: region(),
            lose_disk: true,
        };
        assert_eq!(said(&crash), "crash a lose-disk");
        assert_eq!(words(&Action::Drain { region: region() }), None);
    }
}
