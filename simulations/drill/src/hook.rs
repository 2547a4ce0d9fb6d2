//! The hook: a program of the user that carries out actions that the control services cannot, such
//! as cutting the network between containers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use beringia_regions::Topology;
use beringia_scenario::{Action, Ends};

use crate::error::HookError;

/// The result of a call of the hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The exit code was 0.
    Yes,
    /// The exit code was not 0; has the output on standard error.
    No(String),
}

/// A hook, and the topology whose delays the network has by itself.
#[derive(Debug, Clone)]
pub struct Hook {
    program: PathBuf,
    /// The topology of the scenario. The real network may differ.
    topology: Topology,
}

impl Hook {
    /// A hook at the path `program`. The network is assumed to have the delays of `topology`.
    pub fn new(program: &Path, topology: &Topology) -> Self {
        Self {
            program: program.to_path_buf(),
            topology: topology.clone(),
        }
    }

    /// Checks that the program can be started, by asking whether it can `undo`, as every drill does
    /// at its end. The answer does not matter.
    ///
    /// # Errors
    /// [`HookError::Start`], if the program cannot be started.
    pub async fn check(&self) -> Result<(), HookError> {
        self.can("undo").await.map(drop)
    }

    /// Asks whether the hook can carry out an action, by its word.
    ///
    /// # Errors
    /// [`HookError::Start`], if the program cannot be started.
    pub(crate) async fn can(&self, word: &str) -> Result<Answer, HookError> {
        self.call(&["can".to_owned(), word.to_owned()]).await
    }

    /// Carries out an action, and waits until it is done.
    ///
    /// # Errors
    /// [`HookError`], if the program cannot be started or fails.
    pub(crate) async fn act(&self, action: &Action) -> Result<(), HookError> {
        match words(action, &self.topology) {
            Some(words) => self.call_successfully(&words).await,
            None => Ok(()),
        }
    }

    /// Asks the hook to undo everything that it did.
    ///
    /// # Errors
    /// As [`Hook::act`].
    pub(crate) async fn undo(&self) -> Result<(), HookError> {
        self.call_successfully(&["undo".to_owned()]).await
    }

    async fn call_successfully(&self, words: &[String]) -> Result<(), HookError> {
        match self.call(words).await? {
            Answer::Yes => Ok(()),
            Answer::No(reason) => Err(HookError::Failed {
                program: self.program.clone(),
                words: words.join(" "),
                reason,
            }),
        }
    }

    async fn call(&self, words: &[String]) -> Result<Answer, HookError> {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.map_err(std::io::Error::from).flatten();
        let output = output.map_err(|source| HookError::Start {
            program: self.program.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(Answer::Yes);
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(Answer::No(if reason.is_empty() {
            output.status.to_string()
        } else {
            reason
        }))
    }
}

/// The word for an action, with which the hook is asked whether it can carry it out; `None` for
/// actions that need no hook.
pub(crate) fn word(action: &Action, topology: &Topology) -> Option<String> {
    words(action, topology).and_then(|words| words.into_iter().next())
}

/// The arguments of the hook for an action; `None` for actions that need no hook. The hook adds to
/// the delays that the network has by itself: it adds nothing to a link that is to be as the
/// scenario's topology has it.
fn words(action: &Action, topology: &Topology) -> Option<Vec<String>> {
    let adds = !action.is_usual(topology);
    let mut words = Vec::new();
    let mut say = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
    let how = |reset: bool| if reset { "reset" } else { "silent" };
    match action {
        Action::Delay { ends, delay, jitter } => {
            let ms = |length: &Duration| if adds { length.as_secs_f64() * 1e3 } else { 0.0 }.to_string();
            say(&["delay"]);
            say(&which(ends));
            say(&[&ms(delay), &ms(jitter)]);
        }
        Action::Loss { ends, percent } => {
            say(&["loss"]);
            say(&which(ends));
            say(&[&if adds { *percent } else { 0.0 }.to_string()]);
        }
        Action::Bandwidth { ends, mbit } => {
            say(&["bandwidth"]);
            say(&which(ends));
            let limit = mbit.filter(|_| adds);
            say(&[&limit.map_or_else(|| "unlimited".to_owned(), |mbit| mbit.to_string())]);
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
        Action::CopyDisk { .. }
        | Action::RestoreDisk { .. }
        | Action::LosePower { .. }
        | Action::FailingDisk { .. }
        | Action::FlipBits { .. }
        | Action::PauseReplication { .. }
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
    use super::*;

    /// From a to b 40 ms, loss and a bandwidth limit; from b to a 40 ms.
    fn topology() -> Topology {
        let link = "[[link]]\nfrom = \"a\"\nto = \"b\"\nloss_percent = 2\nbandwidth_mbit = 20\n";
        let text = format!("[defaults]\ndelay_ms = 40\n[[region]]\nname = \"a\"\n[[region]]\nname = \"b\"\n{link}");
        Topology::parse(&text, Path::new("test.toml")).expect("a topology")
    }

    fn reason(action: &Action) -> String {
        let words = words(action, &topology());
        words.map(|words| words.join(" ")).unwrap_or_default()
    }

    fn ends(one_way: bool) -> Ends {
        Ends {
            from: "a".to_owned(),
            to: "b".to_owned(),
            one_way,
        }
    }

    #[test]
    fn actions_become_arguments_of_the_hook() {
        let region = || "a".to_owned();
        let delay = Action::Delay {
            ends: ends(true),
            delay: Duration::from_micros(2500),
            jitter: Duration::ZERO,
        };
        assert_eq!(reason(&delay), "delay a b one-way 2.5 0");
        let cut = Action::Cut {
            ends: ends(false),
            reset: true,
        };
        assert_eq!(reason(&cut), "cut a b both reset");
        assert_eq!(reason(&Action::Heal(None)), "heal");
        assert_eq!(reason(&Action::Heal(Some(ends(false)))), "heal a b both");
        let crash = Action::Crash {
            region: region(),
            lose_disk: true,
        };
        assert_eq!(reason(&crash), "crash a lose-disk");
        assert_eq!(words(&Action::Drain { region: region() }, &topology()), None);
        assert_eq!(word(&cut, &topology()).as_deref(), Some("cut"));
    }

    #[test]
    fn a_hook_adds_nothing_to_links_as_in_the_topology() {
        let delay = |ms, one_way| Action::Delay {
            ends: ends(one_way),
            delay: Duration::from_millis(ms),
            jitter: Duration::ZERO,
        };
        assert_eq!(reason(&delay(300, false)), "delay a b both 300 0");
        assert_eq!(reason(&delay(40, false)), "delay a b both 0 0");
        let loss = |percent, one_way| Action::Loss {
            ends: ends(one_way),
            percent,
        };
        assert_eq!(reason(&loss(2.0, true)), "loss a b one-way 0");
        assert_eq!(
            reason(&loss(2.0, false)),
            "loss a b both 2",
            "the way back loses nothing"
        );
        let bandwidth = |mbit| Action::Bandwidth { ends: ends(true), mbit };
        assert_eq!(reason(&bandwidth(Some(20.0))), "bandwidth a b one-way unlimited");
        assert_eq!(reason(&bandwidth(Some(0.25))), "bandwidth a b one-way 0.25");
    }
}
