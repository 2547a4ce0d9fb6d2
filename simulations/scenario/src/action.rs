//! What can be done to regions, to the links between them, and to the load.

use std::{fmt, time::Duration};

use beringia_regions::Topology;

use crate::{
    replay,
    time::{show, show_signed_ms},
};

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
        /// Only of this table; `None`: of all.
        table: Option<String>,
    },
    /// It does again.
    ResumeReplication {
        /// The region.
        region: String,
        /// Only of this table; `None`: of all that are paused.
        table: Option<String>,
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
    /// Clients of one region go to another from now on; a shift of a region to itself brings its clients back.
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

impl Ends {
    /// The directed links that are meant, as pairs of where bytes enter and where they leave.
    pub fn ways(&self) -> impl Iterator<Item = (&str, &str)> {
        let back = (!self.one_way).then_some((self.to.as_str(), self.from.as_str()));
        [(self.from.as_str(), self.to.as_str())].into_iter().chain(back)
    }
}

impl Action {
    /// Whether it gives links the delay, loss or bandwidth that the topology says of them, as the end of an event does that gave them others.
    #[must_use]
    pub fn is_usual(&self, topology: &Topology) -> bool {
        replay::is_usual(self, topology)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.from,
            if self.one_way { "->" } else { "<->" },
            self.to
        )
    }
}

impl fmt::Display for Action {
    /// A line of a trace: everything that the action says, the same on every machine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reset = |reset: &bool| if *reset { ", with resets" } else { "" };
        match self {
            Self::Delay { ends, delay, jitter } => {
                write!(f, "delay {ends} {}, jitter {}", show(*delay), show(*jitter))
            }
            Self::Loss { ends, percent } => write!(f, "loss {ends} {percent} %"),
            Self::Bandwidth { ends, mbit: Some(mbit) } => write!(f, "bandwidth {ends} {mbit} Mbit/s"),
            Self::Bandwidth { ends, mbit: None } => write!(f, "bandwidth {ends} unlimited"),
            Self::Cut { ends, reset: resets } => write!(f, "cut {ends}{}", reset(resets)),
            Self::Isolate { region, reset: resets } => write!(f, "isolate {region}{}", reset(resets)),
            Self::Heal(Some(ends)) => write!(f, "heal {ends}"),
            Self::Heal(None) => f.write_str("heal every link"),
            Self::Crash {
                region,
                lose_disk: true,
            } => write!(f, "crash {region}, its disk is lost"),
            Self::Crash { region, .. } => write!(f, "crash {region}"),
            Self::Restart { region } => write!(f, "restart {region}"),
            Self::SlowDisk { region, by } if by.is_zero() => write!(f, "disk of {region} as fast as it was"),
            Self::SlowDisk { region, by } => write!(f, "disk of {region} slower by {}", show(*by)),
            Self::DiskFull { region, full: true } => write!(f, "disk of {region} full"),
            Self::DiskFull { region, .. } => write!(f, "disk of {region} has room"),
            Self::ClockStep { region, by_ms } => write!(f, "clock of {region} jumps by {}", show_signed_ms(*by_ms)),
            Self::ClockDrift { region, ppm } => write!(f, "clock of {region} drifts by {ppm} ppm"),
            Self::PauseReplication { region, table } => {
                write!(f, "pause replication of {region}")?;
                table.iter().try_for_each(|table| write!(f, ", table {table}"))
            }
            Self::ResumeReplication { region, table } => {
                write!(f, "resume replication of {region}")?;
                table.iter().try_for_each(|table| write!(f, ", table {table}"))
            }
            Self::AddReplica { region } => write!(f, "add a replica in {region}"),
            Self::RemoveReplica { region } => write!(f, "remove the replica in {region}"),
            Self::Shift { from, to } if from == to => write!(f, "clients of {from} come back"),
            Self::Shift { from, to } => write!(f, "clients of {from} go to {to}"),
            Self::Rate {
                workload,
                region,
                per_second,
            } => {
                write!(f, "rate {per_second}/s")?;
                workload.iter().try_for_each(|name| write!(f, " of {name}"))?;
                region.iter().try_for_each(|name| write!(f, " in {name}"))
            }
            Self::Drain { region } => write!(f, "drain {region}"),
            Self::Undrain { region } => write!(f, "undrain {region}"),
        }
    }
}
