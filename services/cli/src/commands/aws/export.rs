//! `env`: prints the lines by which a shell exports the variables of [`super::environment`].

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use super::{TargetArguments, environment::Variables};
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Print the environment in which AWS SDKs and tools reach a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Print shell commands that set environment variables, with which AWS SDKs and tools reach a running `up`. They always \
        set AWS_ENDPOINT_URL. They set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_DEFAULT_REGION, AWS_PAGER and AWS_MAX_ATTEMPTS \
        only if these are not yet set.\n\n\
        Clients that are older than AWS_ENDPOINT_URL ignore it and send their requests to Amazon: AWS CLIs before 2.13 (of version 1, before \
        1.29), such as Debian's; boto3 before 1.28; the SDK for JavaScript before 3.428; version 1 of the SDK for Go. `beringia aws` works \
        with every AWS CLI. Give an old SDK the endpoint in the program's code.",
    after_help = "Examples:\n  \
        eval \"$(beringia env)\"                                                  sh, bash, zsh\n  \
        beringia env --shell fish | source\n  \
        beringia env --shell powershell | Out-String | Invoke-Expression\n  \
        beringia env --format json | jq -r .AWS_ENDPOINT_URL"
)]
pub(crate) struct EnvArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// The shell for whose syntax the lines are written.
    #[arg(long, value_enum, default_value = "sh")]
    pub(crate) shell: Shell,
}

/// A family of shells with one syntax for setting variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// sh, bash, zsh and other POSIX shells.
    Sh,
    /// The fish shell, on any system.
    Fish,
    /// PowerShell, on any system.
    Powershell,
}

/// A shell comment after the lines. It comes last and contains no quotes, so that it does no harm
/// where an `eval` without quotes joins all lines into one.
const WARNING: &str = "# Clients older than the variable AWS_ENDPOINT_URL ignore it and send their requests to Amazon: \
                       an AWS CLI older than 2.13, boto3 older than 1.28, an SDK for JavaScript older than 3.428, and \
                       version 1 of the SDK for Go. For the AWS CLI, use: beringia aws";

/// Prints the lines, or one JSON object.
pub(crate) async fn export(arguments: &EnvArguments, format: Format) -> Result<(), CommandError> {
    let variables = Variables::of_this_process();
    let target = arguments.target.resolve(variables.region().as_deref()).await?;
    let mut missing = variables.missing(&target, false);
    missing.extend(arguments.target.given());
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
    /// The line that sets a variable for the shell and for the programs that it starts.
    fn assignment(self, name: &str, value: &str) -> String {
        let quoted = self.quoted(value);
        match self {
            Self::Sh => format!("export {name}={quoted}"),
            Self::Fish => format!("set -gx {name} {quoted}"),
            Self::Powershell => format!("$Env:{name} = {quoted}"),
        }
    }

    /// A value in single quotes, escaped for the shell.
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
