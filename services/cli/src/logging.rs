//! Log records on standard error.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::{error::CommandError, style};

/// The form of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time, level, spans from the outermost on, where it was logged, message, fields.
    Text,
    /// For programs: one JSON object per line with `timestamp`, `level`, `target`, `fields` and
    /// `spans`.
    Json,
}

/// Starts logging what passes the filter.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| CommandError::usage(format!("--log {filter}: {error}")))?;
    let records = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => records.with_ansi(style::on_stderr()).init(),
        // The list of spans has the present one as its last.
        LogFormat::Json => records.json().with_current_span(false).init(),
    }
    Ok(())
}
