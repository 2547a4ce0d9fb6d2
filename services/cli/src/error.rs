//! How a command ends when it does not end well, and with which exit code.

use std::{io, process::ExitCode};

use beringia_host::fleet::ControlError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// What was asked about is not so: exit code 1.
    #[error("{0}")]
    CheckFailed(String),
    /// Wrong input, or the command cannot start: exit code 2.
    #[error("{0}")]
    UsageError(String),
    /// No control service answers: exit code 2.
    #[error("{0}")]
    Unreachable(String),
    /// The reader of the output closed it (`beringia conflicts | head`): not an error of ours, exit
    /// code 0.
    #[error("the output was closed")]
    OutputClosed,
    /// A second signal while shutting down: exit code 130, as shells say it.
    #[error("ended at once, before everything was shut down")]
    Interrupted,
    /// A signal ended work of which a part is done: the same exit code.
    #[error("interrupted: {0}")]
    Unfinished(String),
}

impl CommandError {
    /// The exit code of what a signal ended.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Wrong input, said in a sentence.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::UsageError(message.into())
    }

    /// What programs tell failures apart by.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::CheckFailed(_) => "check_failed",
            Self::UsageError(_) => "usage_error",
            Self::Unreachable(_) => "unreachable",
            Self::OutputClosed => "output_closed",
            Self::Interrupted | Self::Unfinished(_) => "interrupted",
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::CheckFailed(_) => ExitCode::from(1),
            Self::UsageError(_) | Self::Unreachable(_) => ExitCode::from(2),
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

/// Errors that are told in their own words: wrong input, or what cannot start.
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
    /// For refusals of the control service; that it does not answer at all is said by `Fleet`.
    fn from(status: tonic::Status) -> Self {
        Self::UsageError(status.message().to_owned())
    }
}
