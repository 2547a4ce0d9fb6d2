//! Log records on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::{error::CommandError, style};

/// Starts logging what passes the filter.
pub(crate) fn start(filter: &str) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| CommandError::usage(format!("--log {filter}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(style::on_stderr())
        .init();
    Ok(())
}
