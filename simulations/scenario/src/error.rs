//! Why a scenario cannot be used, with the place and what was expected.

use std::path::PathBuf;

use beringia_regions::{
    TopologyError,
    form::{FileError, Mistake},
};
use thiserror::Error;

use crate::{RecordingError, fleet::Senseless};

/// Why a scenario cannot be used.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The scenario's own file cannot be read, or does not say what a scenario needs.
    #[error(transparent)]
    File(#[from] FileError<Problem>),
    /// The topology that the scenario names cannot be used.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A recording that the scenario names has a line that is wrong.
    #[error("{}:{}:{}: {}", file.display(), source.line, source.column, source.problem)]
    Recording {
        /// The recording.
        file: PathBuf,
        /// Which line, and what is wrong with it.
        source: RecordingError,
    },
    /// A name that no shipped scenario has.
    #[error("no scenario is called {name:?}; expected the path of a file, or one of {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
}

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// What can be wrong with any file.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A topology that is written in the scenario, or a link of it, is wrong.
    #[error(transparent)]
    Topology(#[from] beringia_regions::Problem),
    /// What is no length of time.
    #[error("{0:?} is no length of time; expected a number and a unit, such as \"250ms\", \"30s\", \"1.5s\" or \"2m\"")]
    Length(String),
    /// What is no length of time, where one that is drawn may stand.
    #[error("{0:?} is no time; expected one such as \"30s\", or two, the lesser first, such as \"30s..45s\"")]
    Span(String),
    /// Nothing but white space and comments: such a file was hardly meant, and all that is expected of it would hold.
    #[error("an empty scenario; expected at least one setting, such as duration = \"60s\"")]
    Empty,
    /// A file that it names cannot be read.
    #[error("cannot read {}: {reason}; expected {expected}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        reason: String,
        /// What is named there.
        expected: String,
    },
    /// A recording that is written in the scenario has a line that is wrong.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Two things of one name.
    #[error("two {what} are called {name}; expected each name once")]
    Duplicate {
        /// What they are.
        what: &'static str,
        /// Their name.
        name: String,
    },
    /// A name that a table cannot have.
    #[error("{0:?} cannot name a workload and its table; expected 3 to 64 letters, digits, -, _ and .")]
    WorkloadName(String),
    /// An event without a time, or with two.
    #[error(
        "when does this happen? expected either at = \"30s\", since the load began, or after = \"10s\", since the event before, or \
         when_drained = \"us-east-1\" (and after = \"10s\", since then)"
    )]
    EventTime,
    /// An event that waits for a drain which no event before begins.
    #[error("no event above drains {0}; expected one with drain = {0:?}")]
    NoDrain(String),
    /// An event that does nothing, or two things.
    #[error("what happens here? expected exactly one of {}", crate::form::actions().join(", "))]
    EventAction,
    /// Which links an event is about.
    #[error("which link is this? expected two different regions, such as [\"us-east-1\", \"eu-west-1\"]")]
    LinkEnds,
    /// A field that an event of its kind cannot have.
    #[error("{field} says nothing about {action}; expected {}", if allowed.is_empty() { "nothing beside it".to_owned() } else { allowed.join(", ") })]
    Misfit {
        /// The field.
        field: &'static str,
        /// The event's or workload's kind.
        action: String,
        /// The fields that it can have.
        allowed: Vec<&'static str>,
    },
    /// A field that an event of its kind needs.
    #[error("{action} needs {field}; expected {expected}")]
    Missing {
        /// The event's or workload's kind.
        action: String,
        /// The field.
        field: &'static str,
        /// An example of it.
        expected: &'static str,
    },
    /// A `lasts` at something that nothing undoes.
    #[error("{0} has no opposite that could follow; expected no lasts")]
    NoOpposite(&'static str),
    /// An event that would happen, or end, when the load has ended.
    #[error("this {what} at up to {at}, and the load ends at {end}; expected an earlier time, or a longer duration")]
    AfterTheEnd {
        /// `happens` or `ends`.
        what: &'static str,
        /// When, at the latest.
        at: String,
        /// The scenario's duration.
        end: String,
    },
    /// Two events about one thing, which may happen in either order.
    #[error(
        "this may come before or after what event {other} does to {subject} ({what}); expected times that leave no doubt, whatever is \
         drawn"
    )]
    Unordered {
        /// The other event: the how manieth of the file, counted from 1.
        other: usize,
        /// What that does.
        what: String,
        /// What both are about.
        subject: String,
    },
    /// Something that cannot be done in the state that things are in by then.
    #[error(transparent)]
    Senseless(#[from] Senseless),
    /// A shift to where the clients are at home.
    #[error("clients of {0} are at home in {0}; expected another region, or shift_back = {0:?} to end a shift")]
    ShiftHome(String),
    /// Two fields of which only one can hold.
    #[error("{one} and {other} exclude each other; expected one of them")]
    Either {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}
