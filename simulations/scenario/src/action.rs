//! Actions on regions, on the links between them, and on the load.

use std::{fmt, time::Duration};

use beringia_regions::Topology;

use crate::{
    replay,
    time::{show, show_signed_ms},
};

/// One or both of the links between two regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    /// The region where bytes enter the link.
    pub from: String,
    /// The region where bytes leave the link.
    pub to: String,
    /// Whether only that link is meant and not the link back.
    pub one_way: bool,
}

/// An action on a region, on a link, or on the load.
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Changes the delay and jitter of links.
    Delay {
        ends: Ends,
        /// The one-way delay, without jitter.
        delay: Duration,
        /// The most that is added to the delay of each packet.
        jitter: Duration,
    },
    /// Changes the share of packets that links lose.
    Loss {
        ends: Ends,
        /// The share in percent, 0 to 99.
        percent: f64,
    },
    /// Changes the bandwidth of links.
    Bandwidth {
        ends: Ends,
        /// Megabits per second; `None` is unlimited.
        mbit: Option<f64>,
    },
    /// Cuts links, so that nothing comes through.
    Cut {
        ends: Ends,
        /// Whether connections break at once instead of hanging.
        reset: bool,
    },
    /// Cuts all links of a region.
    Isolate {
        region: String,
        /// Whether connections break at once instead of hanging.
        reset: bool,
    },
    /// Opens cut links: these, or for `None` all.
    Heal(Option<Ends>),
    /// Ends a region's process without warning.
    Crash {
        region: String,
        /// Whether the region also loses its disk.
        lose_disk: bool,
    },
    /// Starts a region that crashed, with the disk that it has left.
    Restart { region: String },
    /// Keeps a copy of a region's disk as it is at this time, as a snapshot of a virtual machine
    /// does.
    CopyDisk { region: String },
    /// Ends a region's process without warning, and puts the last copy of its disk back.
    RestoreDisk { region: String },
    /// Slows down a region's disk.
    SlowDisk {
        region: String,
        /// How much longer every commit takes; zero restores the normal speed.
        by: Duration,
    },
    /// Fills a region's disk so that it takes no more writes, or frees it.
    DiskFull {
        region: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// Cuts the power of a region's machine: what its disk has not synced is lost, in whole or in
    /// part.
    LosePower { region: String },
    /// Makes operations on a region's disk fail from now on.
    FailingDisk {
        region: String,
        /// The shares of operations that fail; none makes the disk well again.
        failing: DiskFailures,
    },
    /// Changes bits in the values on a region's disk.
    FlipBits {
        region: String,
        /// The number of bits.
        bits: u32,
    },
    /// Sets a region's clock forward or back.
    ClockStep {
        region: String,
        /// Milliseconds forward; negative for back.
        by_ms: i64,
    },
    /// Makes a region's clock run fast or slow from now on.
    ClockDrift {
        region: String,
        /// Parts per million that the clock gains; negative if it loses.
        ppm: i64,
    },
    /// Stops a region from sending and applying changes of the workloads' tables.
    PauseReplication {
        region: String,
        /// The only table concerned; `None` for all.
        table: Option<String>,
    },
    /// Ends a pause of replication.
    ResumeReplication {
        region: String,
        /// The only table concerned; `None` for all that are paused.
        table: Option<String>,
    },
    /// Adds replicas of the workloads' tables in a region.
    AddReplica { region: String },
    /// Removes a region's replicas of the workloads' tables.
    RemoveReplica { region: String },
    /// Sends the clients of one region to another from now on.
    Shift {
        /// The home region of the clients.
        from: String,
        /// The region that they call; the same as `from` returns them home.
        to: String,
    },
    /// Changes the rate of workloads.
    Rate {
        /// The only workload concerned; `None` for all.
        workload: Option<String>,
        /// The only region concerned; `None` for all.
        region: Option<String>,
        /// Operations per second in each region.
        per_second: f64,
    },
    /// Stops a region from taking writes and has it ship all that it has. The timeline continues
    /// meanwhile.
    Drain { region: String },
    /// Ends a drain, so that the region takes writes again.
    Undrain { region: String },
}

/// The shares of operations on a disk that fail, in percent of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiskFailures {
    /// Reads of files, which return nothing then.
    pub reads: f64,
    /// Writes to files, of which any part may be made.
    pub writes: f64,
    /// Syncs, after which any part of what was to be durable may be lost.
    pub syncs: f64,
}

impl DiskFailures {
    /// Returns whether no operation fails.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for DiskFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} % of reads, {} % of writes, {} % of syncs",
            self.reads, self.writes, self.syncs
        )
    }
}

impl Ends {
    /// The directed links that are meant, as pairs of the region where bytes enter and the region
    /// where they leave.
    pub fn ways(&self) -> impl Iterator<Item = (&str, &str)> {
        let back = (!self.one_way).then_some((self.to.as_str(), self.from.as_str()));
        [(self.from.as_str(), self.to.as_str())].into_iter().chain(back)
    }
}

impl Action {
    /// Returns whether the action gives links the delay, loss or bandwidth that the topology
    /// defines, as the end of an event does that changed them.
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
    /// Writes the action as a line of a trace: everything that it says, the same on every machine.
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
            Self::CopyDisk { region } => write!(f, "copy the disk of {region}"),
            Self::RestoreDisk { region } => write!(f, "crash {region}, its disk is put back to the copy"),
            Self::SlowDisk { region, by } if by.is_zero() => write!(f, "disk of {region} at its normal speed"),
            Self::SlowDisk { region, by } => write!(f, "disk of {region} slower by {}", show(*by)),
            Self::DiskFull { region, full: true } => write!(f, "disk of {region} full"),
            Self::DiskFull { region, .. } => write!(f, "disk of {region} has room"),
            Self::LosePower { region } => write!(f, "power of {region} lost"),
            Self::FailingDisk { region, failing } if failing.is_none() => write!(f, "disk of {region} works again"),
            Self::FailingDisk { region, failing } => write!(f, "disk of {region} fails {failing}"),
            Self::FlipBits { region, bits } => write!(f, "{bits} bits of the disk of {region} change"),
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
