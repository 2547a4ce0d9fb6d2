//! `env`: prints what a shell must export so that programs that use AWS reach the regions.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use super::{PlaceArguments, environment::Variables};
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Print the environment in which AWS SDKs and tools reach a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Print the lines by which a shell sets the environment in which AWS SDKs and tools reach a running `up`: AWS_ENDPOINT_URL, and \
        what is not set of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_DEFAULT_REGION, AWS_PAGER and AWS_MAX_ATTEMPTS. What is \
        set already is kept, except for the endpoint.\n\n\
        An AWS CLI older than 2.13 (or 1.29) ignores AWS_ENDPOINT_URL and sends its requests to Amazon: Debian's is one. `beringia aws` works \
        with every version. SDKs know the variable since the middle of 2023.",
    after_help = "Examples:\n  \
        eval \"$(beringia env)\"                                                  sh, bash, zsh\n  \
        beringia env --shell fish | source\n  \
        beringia env --shell powershell | Out-String | Invoke-Expression\n  \
        beringia env --format json | jq -r .AWS_ENDPOINT_URL"
)]
pub(crate) struct EnvArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// Whose syntax the lines have.
    #[arg(long, value_enum, default_value = "sh")]
    pub(crate) shell: Shell,
}

/// A kind of shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// sh, bash, zsh and their like.
    Sh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// A comment below the lines. It comes last and has no quotes, so that it does no harm where an
/// `eval` without quotes makes one line of everything.
const WARNING: &str =
    "# An AWS CLI older than 2.13 ignores AWS_ENDPOINT_URL and sends its requests to Amazon: use: beringia aws";

/// Prints the lines, or one JSON object.
pub(crate) async fn export(arguments: &EnvArguments, format: Format) -> Result<(), CommandError> {
    let variables = Variables::of_this_process();
    let target = arguments.place.target(variables.region().as_deref()).await?;
    let mut missing = variables.missing(&target, false);
    missing.extend(arguments.place.given());
    match format {
        Format::Json => output::json(&missing.into_iter().collect::<BTreeMap<_, _>>()),
        Format::Text => {
            for (name, value) in &missing {
                output::line(&arguments.shell.assignment(name, value))?;
            }
            output::line(WARNING)
        }
    }
}

impl Shell {
    /// The line that sets a variable for this shell and the programs that it starts.
    fn assignment(self, name: &str, value: &str) -> String {
        let quoted = self.quoted(value);
        match self {
            Self::Sh => format!("export {name}={quoted}"),
            Self::Fish => format!("set -gx {name} {quoted}"),
            Self::Powershell => format!("$Env:{name} = {quoted}"),
        }
    }

    /// A value in single quotes, as each shell has them.
    fn quoted(self, value: &str) -> String {
        let escaped = match self {
            Self::Sh => value.replace('\'', r"'\''"),
            Self::Fish => value.replace('\\', r"\\").replace('\'', r"\'"),
            Self::Powershell => value.replace('\'', "''"),
        };
        format!("'{escaped}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_its_own_syntax() {
        assert_eq!(Shell::Sh.assignment("A", "it's"), r"export A='it'\''s'");
        assert_eq!(Shell::Fish.assignment("A", r"it's \"), r"set -gx A 'it\'s \\'");
        assert_eq!(Shell::Powershell.assignment("A", "it's"), "$Env:A = 'it''s'");
        assert_eq!(Shell::Sh.assignment("AWS_PAGER", ""), "export AWS_PAGER=''");
    }
}
