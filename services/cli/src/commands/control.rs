//! The arguments of commands that talk to control services, and the connection to those services.

use beringia_host::fleet::Fleet;
use clap::Args;

use crate::{error::CommandError, output};

/// The address of `up`'s control service by default.
pub(crate) const DEFAULT_CONTROL: &str = "http://127.0.0.1:9090";

/// The addresses of the control services.
#[derive(Debug, Clone, Args)]
pub(crate) struct ControlArguments {
    /// Address of a control service. Where each region is a process of its own, give one address
    /// per process: repeat the option, or separate the addresses by commas.
    #[arg(
        long = "control",
        value_name = "URL",
        env = "BERINGIA_CONTROL",
        value_delimiter = ',',
        default_value = DEFAULT_CONTROL,
        global = true
    )]
    pub(crate) addresses: Vec<String>,
}

impl ControlArguments {
    /// Connects to all control services and asks what they host. Notes those that do not answer on
    /// standard error.
    pub(crate) async fn connect(&self) -> Result<Fleet, CommandError> {
        let fleet = Fleet::connect(&self.addresses).await?;
        for address in fleet.silent() {
            output::note(&format!(
                "no control service answers at {address}: its regions are left out"
            ));
        }
        Ok(fleet)
    }
}
