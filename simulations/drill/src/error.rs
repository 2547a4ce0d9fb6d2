//! The errors of drills.

use std::{io, path::PathBuf};

use beringia_host::{StartError, fleet::ControlError};
use beringia_workload::WorkloadError;
use tonic::Status;

use crate::{evidence::EvidenceError, lease::has_expired, tables::TableError};

/// Why a drill cannot be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The drill's own regions cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A control service refuses a request, or does not answer.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The hook cannot be started or fails.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A table cannot be created, changed or deleted.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The load cannot be started.
    #[error(transparent)]
    Load(#[from] WorkloadError),
    /// No control service hosts some of the regions.
    #[error("no address given with --control hosts {0}: a drill needs the control services of all regions")]
    NotHosted(String),
    /// The address of an endpoint is not of the form NAME=HOST:PORT.
    #[error("--dynamodb {0}: expected NAME=HOST:PORT")]
    EndpointForm(String),
    /// The address of an endpoint names an unknown region.
    #[error("--dynamodb {flag}: no region is called {name}")]
    UnknownEndpoint {
        /// The value of `--dynamodb`.
        flag: String,
        /// The name that no region has.
        name: String,
    },
    /// The plan has other regions than the fleet.
    #[error(
        "the scenario has the regions {wanted}, but the running regions are {here}: start \
         `beringia up` with the scenario's topology, or give the scenario this topology"
    )]
    OtherRegions {
        /// The regions of the plan.
        wanted: String,
        /// The regions of the fleet.
        here: String,
    },
    /// Some actions of the plan cannot be carried out here.
    #[error(
        "this scenario cannot be played here; `beringia sim run {scenario}` can\n  {}",
        problems.join("\n  ")
    )]
    Unplayable {
        /// The scenario, as the user named it.
        scenario: String,
        /// Each action that cannot be carried out, and why.
        problems: Vec<String>,
    },
    /// Neither the control services nor a hook can carry out an action.
    #[error(transparent)]
    NoMeans(#[from] NoMeans),
    /// An action of the timeline failed.
    #[error("{action}: {source}")]
    Action {
        /// The action that failed, as a sentence.
        action: String,
        /// Why the action failed, for example an answer of a control service.
        source: Box<DrillError>,
    },
    /// The clients of a region are moved already, perhaps by another drill.
    #[error(
        "the clients of {0} are moved already, and this scenario moves clients, too: wait until the drill that \
         moved them has ended, or its lease has expired (`beringia status`)"
    )]
    AlreadyMoved(String),
    /// Regions still differ when the load should begin.
    #[error("the regions still differ before the load begins\n{}", .0.join("\n"))]
    NotEqual(Vec<String>),
    /// The evidence of a region cannot be decoded.
    #[error("cannot decode the evidence of {region} about {table}: {source}")]
    Evidence {
        /// The region that sent the evidence.
        region: String,
        /// The table that the evidence is about.
        table: String,
        /// Why the message cannot be decoded.
        source: EvidenceError,
    },
    /// The drill did not start, so there is nothing to judge.
    #[error("the drill did not begin")]
    NotBegun,
    /// The regions have undone the drill's changes, since it did not renew its lease in time.
    #[error("{}: it was suspended, or had no connection, for too long", .0.message())]
    LeaseLost(Status),
    /// The errors of applications passed the limit of the drill.
    #[error("{0}")]
    Aborted(String),
    /// A task that measures did not end.
    #[error("a task of the drill's measurements did not end")]
    Measuring,
}

impl DrillError {
    /// Whether a control service refuses because the drill's lease has expired: it has undone the
    /// drill's changes.
    pub(crate) fn is_lease_lost(&self) -> bool {
        match self {
            Self::LeaseLost(_) => true,
            Self::Control(ControlError::Refused(status)) => has_expired(status),
            _ => false,
        }
    }
}

impl From<Status> for DrillError {
    fn from(status: Status) -> Self {
        Self::Control(status.into())
    }
}

/// Why a hook did not carry out what it was called for.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The program cannot be started.
    #[error("cannot start the hook {}: {source}", program.display())]
    Start {
        /// The program, as `--hook` names it.
        program: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The program ended with an exit code other than 0.
    #[error("`{} {words}` failed: {reason}", program.display())]
    Failed {
        /// The program, as `--hook` names it.
        program: PathBuf,
        /// The arguments of the call, such as `isolate eu-west-1 silent`.
        words: String,
        /// Its output on standard error, or its exit code if that is empty.
        reason: String,
    },
}

/// Neither the control services nor a hook can carry out an action here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMeans {
    /// A program could carry it out.
    #[error("the regions are processes of their own on a real network; name a program that can do it with --hook")]
    NoHook,
    /// Only a simulation can carry it out.
    #[error("only simulations have disks that are copied, put back, or fail; play it with `beringia sim run`")]
    Simulated,
}
