//! The errors of commands, and the exit code of each.

use std::{io, process::ExitCode};

use beringia_host::fleet::ControlError;

/// The reason for which a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// A check failed, such as that of `converge`: exit code 1.
    #[error("{0}")]
    CheckFailed(String),
    /// Wrong input, or the command cannot start: exit code 2.
    #[error("{0}")]
    UsageError(String),
    /// No control service answers: exit code 2.
    #[error("{0}")]
    Unreachable(String),
    /// The region that the process runs failed: exit code 3.
    #[error("{0}; start the process again")]
    RegionFailed(String),
    /// The reader of the output closed it (`beringia conflicts | head`): not an error of
    /// `beringia`, exit code 0.
    #[error("the output was closed")]
    OutputClosed,
    /// A second signal while shutting down: exit code 130, as in shells.
    #[error("ended at once, before everything was shut down")]
    Interrupted,
    /// A signal ended work of which a part is done: exit code 130.
    #[error("interrupted: {0}")]
    Unfinished(String),
}

impl CommandError {
    /// The exit code after a signal.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// A [`CommandError::UsageError`] with this message.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::UsageError(message.into())
    }

    /// The name of the kind in JSON, by which programs distinguish errors.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::CheckFailed(_) => "check_failed",
            Self::UsageError(_) => "usage_error",
            Self::Unreachable(_) => "unreachable",
            Self::RegionFailed(_) => "region_failed",
            Self::OutputClosed => "output_closed",
            Self::Interrupted | Self::Unfinished(_) => "interrupted",
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::CheckFailed(_) => ExitCode::from(1),
            Self::UsageError(_) | Self::Unreachable(_) => ExitCode::from(2),
            Self::RegionFailed(_) => ExitCode::from(3),
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Interrupted | Self::Unfinished(_) => ExitCode::from(Self::INTERRUPTED),
        }
    }
}

impl From<io::Error> for CommandError {
    /// For errors of writing to the output.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::UsageError(format!("cannot write the output: {error}"))
        }
    }
}

/// Converts errors that mean wrong input, or that a command cannot start. Their texts stay as they
/// are.
macro_rules! reported_as_usage_errors {
    ($($error:ty),+) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::UsageError(error.to_string())
            }
        })+
    };
}
reported_as_usage_errors!(
    beringia_drill::DrillError,
    beringia_drill::HookError,
    beringia_host::CredentialsError,
    beringia_host::StartError,
    beringia_regions::TopologyError,
    beringia_report::WriteError,
    beringia_scenario::ScenarioError,
    beringia_scenario::SettingError
);

impl From<ControlError> for CommandError {
    fn from(error: ControlError) -> Self {
        let message = error.to_string();
        match error {
            ControlError::Silent(_) => Self::Unreachable(message),
            _ => Self::UsageError(message),
        }
    }
}

impl From<tonic::Status> for CommandError {
    /// For errors that the control service returns. `Fleet` reports a service that does not answer.
    fn from(status: tonic::Status) -> Self {
        Self::UsageError(status.message().to_owned())
    }
}
