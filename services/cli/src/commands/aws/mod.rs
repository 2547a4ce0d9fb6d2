//! `aws` and `env`: the AWS CLI, and other programs, on a running `up`.

mod environment;
mod export;

use std::{env, ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

use beringia_regions::Topology;
use clap::Args;

use self::environment::{Target, Variables};
pub(crate) use self::export::{EnvArguments, export};
use super::control::{ControlArguments, USUAL_CONTROL};
use crate::error::CommandError;

/// Where the AWS CLI finds the regions when nothing runs that could be asked, and it only shows its
/// help.
const USUAL_ENDPOINT: &str = "http://127.0.0.1:8000";

/// Run the AWS CLI on the regions of a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "beringia [OPTIONS] aws [WORDS]...",
    long_about = "Run the AWS CLI (the program `aws`) on the regions of a running `up`: with its endpoint, with a region, and with credentials.\n\n\
        Everything after `aws` goes to the AWS CLI as it is, even --help; options of beringia stand before `aws`. Input, output and exit code are \
        those of the AWS CLI. The region (--region) chooses which region answers.\n\n\
        The AWS CLI gets --endpoint-url, which all its versions know. Of the environment it gets what is not set: AWS_ACCESS_KEY_ID and \
        AWS_SECRET_ACCESS_KEY, any of which will do unless `up` was given access keys; AWS_REGION, the first region; AWS_PAGER, empty; and \
        AWS_MAX_ATTEMPTS=2, so that a call to a failed region fails soon, where version 1 of the CLI would try again for 25 seconds. With --profile \
        the credentials and the region are the profile's.",
    after_help = "Examples:\n  \
        beringia aws dynamodb list-tables\n  \
        beringia aws dynamodb scan --table-name carts --region eu-west-1\n  \
        beringia --control http://127.0.0.1:9190 aws dynamodb list-tables\n  \
        AWS_MAX_ATTEMPTS=10 beringia aws dynamodb list-tables --region eu-west-1      wait for a region that comes back\n\n\
        Other programs find the same in their environment by `beringia env`."
)]
pub(crate) struct AwsArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// What the AWS CLI is told.
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// Where clients find the regions.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The endpoint of the regions, where it is not where the control service says (containers,
    /// tunnels). Then the control service is not asked.
    #[arg(long, value_name = "URL", env = "BERINGIA_ENDPOINT")]
    pub(crate) endpoint: Option<String>,
}

impl PlaceArguments {
    /// What was said of the place, so that later commands of the same shell go there, too.
    fn given(&self) -> Vec<(&'static str, String)> {
        let addresses = self.control.addresses.join(",");
        let control = (addresses != USUAL_CONTROL).then_some(("BERINGIA_CONTROL", addresses));
        let endpoint = self.endpoint.clone().map(|endpoint| ("BERINGIA_ENDPOINT", endpoint));
        control.into_iter().chain(endpoint).collect()
    }

    /// Asks the control service where the regions are. Where each region has only an endpoint of
    /// its own, it is that of `region`.
    async fn target(&self, region: Option<&str>) -> Result<Target, CommandError> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(Target::without_control(endpoint));
        }
        let fleet = self.control.connect().await?;
        let endpoint = fleet.endpoint(region);
        let endpoint = endpoint.ok_or_else(|| CommandError::usage("the control service hosts no region"))?;
        let region = fleet.topology().into_iter().next().unwrap_or_else(usual_region);
        Ok(Target { endpoint, region })
    }
}

impl Target {
    fn without_control(endpoint: &str) -> Self {
        let scheme = if endpoint.contains("://") { "" } else { "http://" };
        Self {
            endpoint: format!("{scheme}{endpoint}"),
            region: usual_region(),
        }
    }
}

/// The first region of the topology that `up` runs when it is given none.
fn usual_region() -> String {
    Topology::three().names().next().unwrap_or_default().to_owned()
}

/// Becomes the AWS CLI.
pub(crate) async fn prepare(arguments: AwsArguments) -> Result<Command, CommandError> {
    let words = Words(&arguments.words);
    let variables = Variables::of_this_process();
    let region = words.value_of("region").or_else(|| variables.region());
    let mut command = Command::new("aws");
    let target = if let Some(endpoint) = words.value_of("endpoint-url") {
        Target::without_control(&endpoint)
    } else {
        let target = match arguments.place.target(region.as_deref()).await {
            Err(CommandError::Unreachable(_)) if words.only_ask_for_help() => Target::without_control(USUAL_ENDPOINT),
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

/// Replaces this process by the AWS CLI; returns only where that fails.
pub(crate) fn become_it(mut command: Command) -> CommandError {
    let error = command.exec();
    if error.kind() == io::ErrorKind::NotFound {
        return CommandError::usage(
            "there is no program `aws` on the PATH: install the AWS CLI, for example with `apt-get install awscli` or `brew install awscli`, \
             or as https://aws.amazon.com/cli says",
        );
    }
    CommandError::usage(format!("cannot run `aws`: {error}"))
}

/// What the AWS CLI is told.
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

    /// Whether no service is asked: then it does not matter that none runs.
    fn only_ask_for_help(&self) -> bool {
        let is =
            |word: Option<&OsString>, names: &[&str]| word.is_some_and(|word| names.iter().any(|name| word == name));
        self.0.is_empty() || is(self.0.first(), &["--version", "--help", "configure"]) || is(self.0.last(), &["help"])
    }
}

impl Variables {
    /// As they are set for this process.
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
    fn options_of_the_aws_cli_are_read() {
        let given = words("--region=eu-west-1 dynamodb --profile mine --regional x");
        let given = Words(&given);
        assert_eq!(given.value_of("region").as_deref(), Some("eu-west-1"));
        assert_eq!(given.value_of("profile").as_deref(), Some("mine"));
        assert_eq!(given.value_of("endpoint-url"), None);
    }

    #[test]
    fn help_needs_no_regions() {
        for text in ["", "help", "--version", "dynamodb put-item help", "configure list"] {
            assert!(Words(&words(text)).only_ask_for_help(), "{text}");
        }
        assert!(!Words(&words("dynamodb list-tables")).only_ask_for_help());
    }

    #[test]
    fn an_endpoint_may_be_given_without_its_scheme() {
        assert_eq!(Target::without_control("h:1").endpoint, "http://h:1");
        assert_eq!(Target::without_control("https://h:1").endpoint, "https://h:1");
        assert_eq!(Target::without_control("h:1").region, "us-east-1");
    }
}
