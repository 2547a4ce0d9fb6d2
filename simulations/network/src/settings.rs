//! What can be set on a link, what can be seen of it, and what is refused.

use std::{io, time::Duration};

use beringia_regions::{BANDWIDTH_MBIT_MAX, BANDWIDTH_MBIT_MIN, DELAY_MAX, DELAY_MS_MAX, LOSS_PERCENT_MAX, Link};
use thiserror::Error;

/// What a link does to bytes while it is open.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct LinkSettings {
    /// One way; at most [`DELAY_MAX`]. tokio's timers, and so arrivals, tick in milliseconds.
    pub delay: Duration,
    /// Up to so much is added to a packet's delay, uniformly; at most [`DELAY_MAX`].
    pub jitter: Duration,
    /// Megabits (10^6 bits) per second, [`BANDWIDTH_MBIT_MIN`] to [`BANDWIDTH_MBIT_MAX`]; `None`: unlimited.
    pub bandwidth_mbit: Option<f64>,
    /// Share of packets that must be sent again, 0 to [`LOSS_PERCENT_MAX`].
    pub loss_percent: f64,
}

impl From<&Link> for LinkSettings {
    fn from(link: &Link) -> Self {
        Self {
            delay: Duration::from_secs_f64(link.delay_ms / 1e3),
            jitter: Duration::from_secs_f64(link.jitter_ms / 1e3),
            bandwidth_mbit: link.bandwidth_mbit,
            loss_percent: link.loss_percent,
        }
    }
}

impl LinkSettings {
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        let invalid = |setting, value: String, expected: String| {
            Err(NetworkError::OutOfBounds {
                setting,
                value,
                expected,
            })
        };
        for (setting, value) in [("delay", self.delay), ("jitter", self.jitter)] {
            if value > DELAY_MAX {
                let expected = format!("at most {DELAY_MS_MAX} ms");
                return invalid(setting, format!("{} ms", value.as_millis()), expected);
            }
        }
        match self.bandwidth_mbit {
            Some(mbit) if !(BANDWIDTH_MBIT_MIN..=BANDWIDTH_MBIT_MAX).contains(&mbit) => invalid(
                "bandwidth",
                format!("{mbit} Mbit/s"),
                format!("{BANDWIDTH_MBIT_MIN} to {BANDWIDTH_MBIT_MAX} Mbit/s"),
            ),
            _ if !(0.0..=LOSS_PERCENT_MAX).contains(&self.loss_percent) => invalid(
                "loss",
                format!("{} %", self.loss_percent),
                format!("0 to {LOSS_PERCENT_MAX} %; to lose everything, cut the link"),
            ),
            _ => Ok(()),
        }
    }
}

/// Whether a link lets anything through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// It does.
    Open,
    /// It does not, and does not say so.
    Cut,
    /// It breaks connections and refuses new ones.
    Reset,
}

/// Which of the two links between a pair of regions a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Only the one from the first region to the second.
    OneWay,
    /// That one and the one back.
    Both,
}

/// A directed link at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkSnapshot {
    /// Where bytes enter.
    pub from: String,
    /// Where bytes leave.
    pub to: String,
    /// What it does while open.
    pub settings: LinkSettings,
    /// Whether it lets anything through.
    pub mode: LinkMode,
    /// Connections established over it, dialled from either side.
    pub connections: usize,
    /// Bytes that left it since the network was made.
    pub bytes_delivered: u64,
    /// Bytes on the way.
    pub bytes_in_flight: usize,
}

/// Why the network refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// A name that no region has.
    #[error("no region is called {name:?}; expected one of {}", known.join(", "))]
    UnknownRegion {
        /// The name that was given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// There is no link from a region to itself.
    #[error("{0} has no link to itself; expected two different regions")]
    SameRegion(String),
    /// A setting that no link can have.
    #[error("{setting} of {value}; expected {expected}")]
    OutOfBounds {
        /// Which setting.
        setting: &'static str,
        /// The value that was given, with its unit.
        value: String,
        /// The bounds.
        expected: String,
    },
}

impl From<NetworkError> for io::Error {
    fn from(error: NetworkError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
