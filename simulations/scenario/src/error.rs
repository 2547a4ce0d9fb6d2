//! Reasons why a scenario cannot be used, each with the place and what was expected.

use std::path::PathBuf;

use beringia_regions::{
    TopologyError,
    form::{FileError, Mistake},
};
use thiserror::Error;

use crate::{RecordingError, fleet::Senseless};

/// The reason why a scenario cannot be used.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The scenario's own file cannot be read, or is not a valid scenario.
    #[error(transparent)]
    File(#[from] FileError<ScenarioProblem>),
    /// The topology that the scenario names cannot be used.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A line of a recording that the scenario names is wrong.
    #[error("{}:{}:{}: {}", file.display(), source.line, source.column, source.problem)]
    Recording {
        /// The path of the recording.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: RecordingError,
    },
    /// No shipped scenario has this name.
    #[error("no scenario is called {name:?}; expected the path of a file, or one of {}", known.join(", "))]
    Unknown {
        /// The name, as the user wrote it.
        name: String,
        /// The names of all shipped scenarios.
        known: Vec<String>,
    },
}

/// A problem at one place of a scenario's file.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScenarioProblem {
    /// A mistake that any file can contain.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A topology that is written in the scenario, or a link of it, is wrong.
    #[error(transparent)]
    Topology(#[from] beringia_regions::TopologyProblem),
    /// A text is not a length of time.
    #[error(
        "{0:?} is not a length of time; expected a number and a unit, such as \"250ms\", \"30s\", \"1.5s\" or \"2m\""
    )]
    Length(String),
    /// A text is neither a length of time nor a span from which one is drawn.
    #[error("{0:?} is not a time; expected one such as \"30s\", or two, the lesser first, such as \"30s..45s\"")]
    Span(String),
    /// The file contains only white space and comments. It was hardly meant that way, and
    /// everything expected of it would hold.
    #[error("an empty scenario; expected at least one setting, such as duration = \"60s\"")]
    Empty,
    /// A file that the scenario names cannot be read.
    #[error("cannot read {}: {reason}; expected {expected}", file.display())]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        reason: String,
        /// The content that the file should have.
        expected: String,
    },
    /// A line of a recording that is written in the scenario is wrong.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Two things have the same name.
    #[error("two {what} are called {name}; expected each name once")]
    Duplicate {
        /// The kind of thing that they are, in the plural.
        what: &'static str,
        /// The name that both have.
        name: String,
    },
    /// A table cannot have this name.
    #[error("{0:?} cannot name a workload and its table; expected 3 to 64 letters, digits, -, _ and .")]
    WorkloadName(String),
    /// An event has no time, or two.
    #[error(
        "when does this happen? expected either at = \"30s\", since the load began, or after = \"10s\", since the event before, or \
         when_drained = \"us-east-1\" (and after = \"10s\", since then)"
    )]
    EventTime,
    /// An event waits for a drain that no earlier event begins.
    #[error("no event above drains {0}; expected one with drain = {0:?}")]
    NoDrain(String),
    /// An event does nothing, or two things.
    #[error("what happens here? expected exactly one of {}", crate::form::actions().join(", "))]
    EventAction,
    /// An event does not name the two ends of a link.
    #[error("which link is this? expected two different regions, such as [\"us-east-1\", \"eu-west-1\"]")]
    LinkEnds,
    /// An event or workload of this kind cannot have this field.
    #[error("{action} has no field {field}; expected {}", if allowed.is_empty() { "no other field".to_owned() } else { allowed.join(", ") })]
    Misfit {
        /// The name of the field that is there.
        field: &'static str,
        /// The kind of the event or workload.
        action: String,
        /// The fields that it can have.
        allowed: Vec<&'static str>,
    },
    /// An event or workload of this kind needs this field.
    #[error("{action} needs {field}; expected {expected}")]
    Missing {
        /// The kind of the event or workload.
        action: String,
        /// The name of the field that is not there.
        field: &'static str,
        /// The expected value in words, with an example.
        expected: &'static str,
    },
    /// An event needs a disk that can fail, and the scenario does not ask for one.
    #[error("{0} needs a disk that can fail; expected disks = \"faulty\" at the top of the scenario")]
    ReliableDisks(&'static str),
    /// An event that nothing undoes has a `lasts`.
    #[error("nothing undoes {0}; expected no lasts")]
    NoOpposite(&'static str),
    /// An event would happen or end after the end of the load.
    #[error("this {what} as late as {at}, but the load ends at {end}; expected an earlier time, or a longer duration")]
    AfterTheEnd {
        /// The word `happens` or `ends`.
        what: &'static str,
        /// The latest time at which it would.
        at: String,
        /// The duration of the scenario.
        end: String,
    },
    /// Two events concern the same thing and may happen in either order.
    #[error(
        "this may come before or after the action of event {other} on {subject} ({what}); expected times whose order does not depend on \
         the seed"
    )]
    Unordered {
        /// The number of the other event in the file, from 1.
        other: usize,
        /// The action of the other event.
        what: String,
        /// What both change, such as a region or a link.
        subject: String,
    },
    /// An action is impossible in the state that earlier actions leave.
    #[error(transparent)]
    Senseless(#[from] Senseless),
    /// A shift sends clients to their own region.
    #[error("the clients of {0} live in {0} already; expected another region, or shift_back = {0:?} to end a shift")]
    ShiftHome(String),
    /// Two fields exclude each other, and both are there.
    #[error("{one} and {other} exclude each other; expected one of them")]
    Either {
        /// The name of one field.
        one: &'static str,
        /// The name of the other field.
        other: &'static str,
    },
}
