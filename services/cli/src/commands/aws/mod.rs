//! `aws` and `env`: run the AWS CLI, or set up other programs, against a running `up`.

mod environment;
mod export;

use std::{env, ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

use beringia_regions::Topology;
use clap::Args;

use self::environment::{Target, Variables};
pub(crate) use self::export::{EnvArguments, export};
use super::control::{ControlArguments, DEFAULT_CONTROL};
use crate::error::CommandError;

/// The endpoint for an AWS CLI that only shows its help, when no control service answers.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8000";

/// Run the AWS CLI on the regions of a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "beringia [OPTIONS] aws [ARGS]...",
    long_about = "Run the AWS CLI (the program `aws`) on the regions of a running `up`: with its endpoint, with a region, and with credentials.\n\n\
        Everything after `aws` is passed to the AWS CLI unchanged, even --help; options of beringia go before `aws`. Input, output and exit code \
        are those of the AWS CLI. --region chooses the region that answers.\n\n\
        beringia passes --endpoint-url, which every version of the AWS CLI supports, and sets variables that are not set yet: AWS_ACCESS_KEY_ID \
        and AWS_SECRET_ACCESS_KEY, to placeholders, which work unless `up` was given access keys; AWS_REGION and AWS_DEFAULT_REGION, to the first \
        region; AWS_PAGER, to nothing; and AWS_MAX_ATTEMPTS=2, so that a call to a failed region fails soon (version 1 of the CLI would retry for \
        25 seconds). With --profile, credentials and region come from the profile.",
    after_help = "Examples:\n  \
        beringia aws dynamodb list-tables\n  \
        beringia aws dynamodb scan --table-name carts --region eu-west-1\n  \
        beringia --control http://127.0.0.1:9190 aws dynamodb list-tables\n  \
        AWS_MAX_ATTEMPTS=10 beringia aws dynamodb list-tables --region eu-west-1      wait for a region that comes back\n\n\
        `beringia env` sets up a shell for other programs in the same way."
)]
pub(crate) struct AwsArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// The arguments of the AWS CLI.
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// The options that say which endpoint clients get.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The endpoint of the regions, for use through containers and tunnels, where the control
    /// service reports an address that cannot be reached. The control service is then not asked.
    #[arg(long, value_name = "URL", env = "BERINGIA_ENDPOINT")]
    pub(crate) endpoint: Option<String>,
}

impl TargetArguments {
    /// The options that were given, as variables, so that later commands of the same shell use
    /// them, too.
    fn given(&self) -> Vec<(&'static str, String)> {
        let addresses = self.control.addresses.join(",");
        let control = (addresses != DEFAULT_CONTROL).then_some(("BERINGIA_CONTROL", addresses));
        let endpoint = self.endpoint.clone().map(|endpoint| ("BERINGIA_ENDPOINT", endpoint));
        control.into_iter().chain(endpoint).collect()
    }

    /// Asks the control service for the endpoint, unless one was given. Where each region has only
    /// an endpoint of its own, it is that of `region`.
    async fn resolve(&self, region: Option<&str>) -> Result<Target, CommandError> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(Target::without_control(endpoint));
        }
        let fleet = self.control.connect().await?;
        let endpoint = fleet.endpoint(region);
        let endpoint = endpoint
            .ok_or_else(|| CommandError::usage("the control service hosts no region: start one with `beringia up`"))?;
        let region = fleet.topology().into_iter().next().unwrap_or_else(default_region);
        Ok(Target { endpoint, region })
    }
}

impl Target {
    fn without_control(endpoint: &str) -> Self {
        let scheme = if endpoint.contains("://") { "" } else { "http://" };
        Self {
            endpoint: format!("{scheme}{endpoint}"),
            region: default_region(),
        }
    }
}

/// The first region of the topology that `up` runs by default.
fn default_region() -> String {
    Topology::three().names().next().unwrap_or_default().to_owned()
}

/// Builds the command that runs the AWS CLI.
pub(crate) async fn prepare(arguments: AwsArguments) -> Result<Command, CommandError> {
    let words = Words(&arguments.words);
    let variables = Variables::of_this_process();
    let region = words.value_of("region").or_else(|| variables.region());
    let mut command = Command::new("aws");
    let target = if let Some(endpoint) = words.value_of("endpoint-url") {
        Target::without_control(&endpoint)
    } else {
        let target = match arguments.target.resolve(region.as_deref()).await {
            Err(CommandError::Unreachable(_)) if words.send_no_request() => Target::without_control(DEFAULT_ENDPOINT),
            target => target?,
        };
        command.args(["--endpoint-url", &target.endpoint]);
        target
    };
    let has_profile = words.value_of("profile").is_some();
    command
        .args(&arguments.words)
        .envs(variables.missing(&target, has_profile));
    Ok(command)
}

/// Replaces this process by the AWS CLI. Returns only if that fails.
pub(crate) fn replace_process(mut command: Command) -> CommandError {
    let error = command.exec();
    if error.kind() == io::ErrorKind::NotFound {
        return CommandError::usage(
            "there is no program `aws` on the PATH: install the AWS CLI, for example with `apt-get install awscli` or `brew install awscli`, \
             or see https://aws.amazon.com/cli",
        );
    }
    CommandError::usage(format!("cannot run `aws`: {error}"))
}

/// The arguments of the AWS CLI.
struct Words<'a>(&'a [OsString]);

impl Words<'_> {
    /// The value of an option of the AWS CLI.
    fn value_of(&self, option: &str) -> Option<String> {
        let mut words = self.0.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            match word.strip_prefix("--").and_then(|word| word.strip_prefix(option)) {
                Some("") => return words.next().map(|value| value.into_owned()),
                Some(joined) if joined.starts_with('=') => return Some(joined[1..].to_owned()),
                _ => {}
            }
        }
        None
    }

    /// Whether the AWS CLI sends no request, so that no region needs to run.
    fn send_no_request(&self) -> bool {
        let is =
            |word: Option<&OsString>, names: &[&str]| word.is_some_and(|word| names.iter().any(|name| word == name));
        self.0.is_empty() || is(self.0.first(), &["--version", "--help", "configure"]) || is(self.0.last(), &["help"])
    }
}

impl Variables {
    /// Reads the environment of this process.
    fn of_this_process() -> Self {
        Self::new(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn finds_options_of_the_aws_cli() {
        let given = words("--region=eu-west-1 dynamodb --profile mine --regional x");
        let given = Words(&given);
        assert_eq!(given.value_of("region").as_deref(), Some("eu-west-1"));
        assert_eq!(given.value_of("profile").as_deref(), Some("mine"));
        assert_eq!(given.value_of("endpoint-url"), None);
    }

    #[test]
    fn help_needs_no_regions() {
        for text in ["", "help", "--version", "dynamodb put-item help", "configure list"] {
            assert!(Words(&words(text)).send_no_request(), "{text}");
        }
        assert!(!Words(&words("dynamodb list-tables")).send_no_request());
    }

    #[test]
    fn endpoint_without_scheme_gets_http() {
        assert_eq!(Target::without_control("h:1").endpoint, "http://h:1");
        assert_eq!(Target::without_control("https://h:1").endpoint, "https://h:1");
        assert_eq!(Target::without_control("h:1").region, "us-east-1");
    }
}
