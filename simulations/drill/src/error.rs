//! Why a drill cannot go on.

use std::{io, path::PathBuf};

use beringia_host::{StartError, fleet::ControlError};
use beringia_workload::WorkloadError;
use tonic::Status;

use crate::{evidence::EvidenceError, tables::TableError};

/// Why a drill cannot be played, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Its own regions cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The regions' control services do not do what they are asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The user's program does not do what it is asked.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A table cannot be made, changed or removed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The load cannot begin.
    #[error(transparent)]
    Load(#[from] WorkloadError),
    /// Regions are not watched.
    #[error("nothing given with --control hosts {0}: a drill needs all regions")]
    NotHosted(String),
    /// Not the form of an endpoint's address.
    #[error("--dynamodb {0}: expected NAME=HOST:PORT")]
    EndpointForm(String),
    /// The address of an endpoint of no region.
    #[error("--dynamodb {flag}: no region is called {name}")]
    UnknownEndpoint {
        /// The address.
        flag: String,
        /// What was taken for a region.
        name: String,
    },
    /// The plan is for other regions.
    #[error(
        "the scenario has the regions {wanted}, but here are {here}: start `beringia up` with the scenario's topology, or give the \
         scenario this one"
    )]
    OtherRegions {
        /// Those of the plan.
        wanted: String,
        /// Those that there are.
        here: String,
    },
    /// The plan has what cannot be done here.
    #[error(
        "this scenario cannot be played here; `beringia sim run {scenario}` can\n  {}",
        problems.join("\n  ")
    )]
    Unplayable {
        /// What the user calls the scenario.
        scenario: String,
        /// Each thing that cannot be done, and why.
        problems: Vec<String>,
    },
    /// Nobody can carry out an action.
    #[error(transparent)]
    NoMeans(#[from] NoMeans),
    /// An action of the timeline failed.
    #[error("{action}: {source}")]
    Action {
        /// The action.
        action: String,
        /// Why.
        source: Box<DrillError>,
    },
    /// Regions differ before the load.
    #[error("the tables are not the same everywhere before the load begins\n{}", .0.join("\n"))]
    NotEqual(Vec<String>),
    /// A region's evidence cannot be read.
    #[error("what {region} says that it holds of {table} is not understood: {source}")]
    Evidence {
        /// The region.
        region: String,
        /// The table.
        table: String,
        /// What is wrong with it.
        source: EvidenceError,
    },
    /// There is nothing to judge.
    #[error("the drill did not begin")]
    NotBegun,
    /// Somebody still measures.
    #[error("the drill's measurements did not end")]
    Measuring,
}

impl From<Status> for DrillError {
    fn from(status: Status) -> Self {
        Self::Control(status.into())
    }
}

/// Why a hook does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It cannot be started.
    #[error("cannot start the hook {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It says by its exit code that it failed.
    #[error("`{} {words}` failed: {said}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// What it was called with.
        words: String,
        /// What it said on standard error.
        said: String,
    },
}

/// Nobody can carry out an action here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the regions are processes of their own on a real network; --hook names a program that can")]
pub struct NoMeans;
