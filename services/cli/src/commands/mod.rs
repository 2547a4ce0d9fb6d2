//! The commands: each has its arguments beside what it does.

mod aws;
mod conflicts;
mod control;
mod converge;
mod drain;
mod drill;
mod explain;
mod leases;
mod net;
mod quantity;
mod ready;
mod record;
mod recovery;
mod region;
mod replication;
mod reroutes;
mod serve;
mod sim;
mod status;
mod up;

use clap::Subcommand;

use crate::{error::CommandError, output::Format, runtime};

/// The commands. The arguments of each carry its help, where clap reads it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::UpArguments),
    Region(region::RegionArguments),
    Aws(aws::AwsArguments),
    Env(aws::EnvArguments),
    Status(status::StatusArguments),
    Net(net::NetArguments),
    Drain(drain::DrainArguments),
    Undrain(drain::UndrainArguments),
    RegionFail(recovery::RegionFailArguments),
    RegionRecover(recovery::RegionRecoverArguments),
    Converge(converge::ConvergeArguments),
    Conflicts(conflicts::ConflictsArguments),
    Explain(explain::ExplainArguments),
    Record(record::RecordArguments),
    Sim(sim::SimArguments),
    Drill(drill::DrillArguments),
}

impl Command {
    /// Runs the command on the runtime that it needs.
    pub(crate) fn run(self, format: Format) -> Result<(), CommandError> {
        match self {
            Self::Up(up) => runtime::serve(up::run(up, format)),
            Self::Region(region) => runtime::serve(region::run(region, format)),
            Self::Aws(aws) => Err(aws::replace_process(runtime::ask(aws::prepare(aws))?)),
            Self::Env(env) => runtime::ask(aws::export(&env, format)),
            Self::Status(status) => runtime::ask(status::run(&status, format)),
            Self::Net(net) => runtime::ask(net::run(net, format)),
            Self::Drain(drain) => runtime::ask(drain::run(&drain, format)),
            Self::Undrain(undrain) => runtime::ask(drain::undo(&undrain, format)),
            Self::RegionFail(fail) => runtime::ask(recovery::fail(&fail, format)),
            Self::RegionRecover(recover) => runtime::ask(recovery::recover(&recover, format)),
            Self::Converge(converge) => runtime::ask(converge::run(&converge, format)),
            Self::Conflicts(conflicts) => runtime::ask(conflicts::run(&conflicts, format)),
            Self::Explain(explain) => runtime::ask(explain::run(&explain, format)),
            Self::Record(record) => runtime::ask(record::run(&record, format)),
            Self::Sim(sim) => sim::run(&sim, format),
            Self::Drill(drill) => runtime::serve(drill::run(&drill, format)),
        }
    }

    /// The log filter when neither --log nor RUST_LOG is given. Simulations log nothing: faults are
    /// intended there, and a log record cannot carry virtual time.
    pub(crate) const fn default_log(&self) -> &'static str {
        if matches!(self, Self::Sim(_)) { "off" } else { "warn" }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::Command;
    use crate::Arguments;

    #[test]
    fn control_addresses_may_be_separated_by_commas_or_repeated() {
        let arguments = Arguments::parse_from([
            "beringia",
            "status",
            "--control",
            "http://a:1,http://b:2",
            "--control",
            "http://c:3",
        ]);
        let Command::Status(status) = arguments.command else {
            panic!("another command")
        };
        assert_eq!(status.control.addresses, ["http://a:1", "http://b:2", "http://c:3"]);
    }
}
