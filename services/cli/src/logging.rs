//! Log records on standard error.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::{error::CommandError, style};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time, level, spans from the outermost to the innermost, module, message, fields.
    Text,
    /// For programs: one JSON object per line with `timestamp`, `level`, `target`, `fields` and
    /// `spans`.
    Json,
}

/// Starts logging. `filter` is a level, or directives such as `warn,beringia_node=debug`.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| CommandError::usage(format!("--log {filter}: {error}")))?;
    let records = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => records.with_ansi(style::on_stderr()).init(),
        // The current span is already the last entry of `spans`.
        LogFormat::Json => records.json().with_current_span(false).init(),
    }
    Ok(())
}
