//! The `beringia` command: starts regions, and watches and steers them while they run.

mod commands;
mod error;
mod invocation;
mod logging;
mod output;
mod presentation;
mod runtime;
mod signals;
mod style;

use std::process::ExitCode;

use clap::{ColorChoice, Parser};

use crate::{commands::Command, error::CommandError, logging::LogFormat, output::Format};

/// Uses a sixth less CPU time than the C library's allocator in simulations and while regions catch
/// up (`.cargo/config.toml` says how it is built).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// DynamoDB Global Tables that anyone can run.
#[derive(Debug, Parser)]
#[command(
    name = "beringia",
    version,
    about = "DynamoDB Global Tables that anyone can run: regions that all accept writes, replicate and converge",
    long_about = "DynamoDB Global Tables that anyone can run.\n\n\
        `beringia up` starts the regions of a topology in one process. Every region speaks the \
        DynamoDB API and accepts writes, and ships them to the others. Concurrent writes are \
        resolved last-writer-wins, ordered by hybrid logical clocks. A network model sits between the \
        regions: the `net` commands, from another terminal, delay, throttle or cut any directed \
        link, or make it lose packets.",
    after_help = "A first tour, in two terminals:\n  \
        beringia up                                start three regions\n  \
        beringia aws dynamodb list-tables          ask the first one, with the AWS CLI\n  \
        beringia net isolate eu-west-1             cut one region off from the others\n  \
        beringia status                            see the backlog grow while applications write on both sides\n  \
        beringia net heal                          open all links again\n  \
        beringia converge --timeout 30             wait until all regions hold the same data\n  \
        beringia conflicts                         see which writes conflicted, and which won\n\n\
        Without anything running:\n  \
        beringia sim run partition                 the same in virtual time, judged and measured\n\n\
        Exit codes: 0 success; 1 a check failed (such as: not converged in time); 2 wrong input, or cannot start; \
        3 the region failed; 130 interrupted."
)]
struct Arguments {
    /// The format of the output and of errors: text for people, or one JSON object per line for
    /// programs.
    #[arg(long, value_enum, default_value = "text", global = true)]
    format: Format,
    /// When to use colours. `auto`: on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE=1 turns
    /// them on for pipes, too.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", global = true)]
    color: ColorChoice,
    /// What to log to standard error: a level, or a filter such as `warn,beringia_node=debug`.
    /// [default: warn; for sim: off]
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", global = true)]
    log: Option<String>,
    /// The format of log lines: text for people, or one JSON object per line, with its spans.
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "FORM",
        env = "BERINGIA_LOG_FORMAT",
        global = true
    )]
    log_format: LogFormat,
    /// The command to run.
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let words = invocation::words(std::env::args_os().collect());
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return invocation::refuse(&error, &words),
    };
    style::choose(arguments.color);
    output::set_error_format(arguments.format);
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, CommandError::OutputClosed) {
                output::failure(&failure);
            }
            failure.exit_code()
        }
    }
}

impl Arguments {
    fn run(self) -> Result<(), CommandError> {
        let log = self.log.as_deref();
        logging::start(log.unwrap_or(self.command.default_log()), self.log_format)?;
        self.command.run(self.format)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_long_about().is_some(), "{name} has no long help");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("beringia {name}")), "{name} has no example");
        }
    }
}
