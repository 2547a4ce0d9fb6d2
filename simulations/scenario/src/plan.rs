//! What one run of a scenario does: concrete actions at concrete times.

use std::time::Duration;

use crate::Scenario;

/// One run of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is run. Its `events` are what `timeline` was drawn from.
    pub scenario: Scenario,
    /// Everything random in the run follows from it.
    pub seed: u64,
    /// What happens, in order of time.
    pub timeline: Vec<Planned>,
}

/// An action and when it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Since the load began.
    pub at: Duration,
    /// What happens.
    pub action: Action,
}

/// A pair of regions, and which of the two links between them are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    /// From here.
    pub from: String,
    /// To there.
    pub to: String,
    /// Only that link, not its opposite.
    pub one_way: bool,
}

/// What can be done to regions, to the links between them, and to the load.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Another delay and jitter.
    Delay {
        /// Which links.
        ends: Ends,
        /// One way.
        delay: Duration,
        /// At most so much more, for each packet.
        jitter: Duration,
    },
    /// Another share of lost packets.
    Loss {
        /// Which links.
        ends: Ends,
        /// 0 to 99.
        percent: f64,
    },
    /// Another bandwidth.
    Bandwidth {
        /// Which links.
        ends: Ends,
        /// Megabits per second; `None`: without limit.
        mbit: Option<f64>,
    },
    /// Nothing comes through.
    Cut {
        /// Which links.
        ends: Ends,
        /// Whether connections break at once, rather than falling silent.
        reset: bool,
    },
    /// All links of a region are cut.
    Isolate {
        /// The region.
        region: String,
        /// Whether connections break at once, rather than falling silent.
        reset: bool,
    },
    /// Links that are cut are open again: these, or all.
    Heal(Option<Ends>),
    /// A region's process is gone.
    Crash {
        /// The region.
        region: String,
        /// Whether its disk is gone too.
        lose_disk: bool,
    },
    /// A region that crashed starts, with the disk that it has left.
    Restart {
        /// The region.
        region: String,
    },
    /// Every commit of a region takes so much longer; zero: as it was.
    SlowDisk {
        /// The region.
        region: String,
        /// By how much.
        by: Duration,
    },
    /// A region's disk takes nothing more, or does again.
    DiskFull {
        /// The region.
        region: String,
        /// Whether it is full.
        full: bool,
    },
    /// A region's clock jumps.
    ClockStep {
        /// The region.
        region: String,
        /// Milliseconds forward; negative: back.
        by_ms: i64,
    },
    /// A region's clock gains from now on.
    ClockDrift {
        /// The region.
        region: String,
        /// Millionths; negative: it loses.
        ppm: i64,
    },
    /// A region neither sends nor takes changes of the workloads' tables.
    PauseReplication {
        /// The region.
        region: String,
    },
    /// It does again.
    ResumeReplication {
        /// The region.
        region: String,
    },
    /// A region gets replicas of the workloads' tables.
    AddReplica {
        /// The region.
        region: String,
    },
    /// A region gives up its replicas.
    RemoveReplica {
        /// The region.
        region: String,
    },
    /// Clients of one region go to another from now on; `from` gets its own back with a shift from `to` itself.
    Shift {
        /// Whose clients.
        from: String,
        /// Where they go. The same as `from`: back home.
        to: String,
    },
    /// Workloads run at another rate.
    Rate {
        /// Only this workload; `None`: all.
        workload: Option<String>,
        /// Only in this region; `None`: in all.
        region: Option<String>,
        /// Operations per second in each region.
        per_second: f64,
    },
    /// A region stops taking writes, and ships all that it has. The timeline goes on meanwhile.
    Drain {
        /// The region.
        region: String,
    },
    /// It takes writes again.
    Undrain {
        /// The region.
        region: String,
    },
}

impl Plan {
    /// Draws what the seed decides.
    #[must_use]
    pub fn draw(scenario: &Scenario, seed: u64) -> Self {
        Self {
            scenario: scenario.clone(),
            seed,
            timeline: Vec::new(),
        }
    }
}
