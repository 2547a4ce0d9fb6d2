//! Settings and snapshots of links, and the errors of invalid commands.

use std::{io, time::Duration};

use beringia_regions::{BANDWIDTH_MBIT_MAX, BANDWIDTH_MBIT_MIN, DELAY_MAX, DELAY_MS_MAX, LOSS_PERCENT_MAX, Link};
use thiserror::Error;

/// The effect of an open link on bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct LinkSettings {
    /// The one-way delay; at most [`DELAY_MAX`]. tokio's timers, and so arrivals, tick in
    /// milliseconds.
    pub delay: Duration,
    /// The most that is added to a packet's delay, drawn uniformly; at most [`DELAY_MAX`].
    pub jitter: Duration,
    /// Megabits (10^6 bits) per second, [`BANDWIDTH_MBIT_MIN`] to [`BANDWIDTH_MBIT_MAX`]; `None` is
    /// unlimited.
    pub bandwidth_mbit: Option<f64>,
    /// The share of packets that must be sent again, 0 to [`LOSS_PERCENT_MAX`].
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
    /// Bytes pass with the link's delay.
    Open,
    /// Nothing passes, and no error is reported.
    Cut,
    /// Connections break, and new ones are refused.
    Reset,
}

/// Which of the two links between a pair of regions a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Only the link from the first region to the second.
    OneWay,
    /// Both that link and the link back.
    Both,
}

/// A snapshot of a directed link.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkSnapshot {
    /// The region where bytes enter.
    pub from: String,
    /// The region where bytes leave.
    pub to: String,
    /// The settings of the link while it is open.
    pub settings: LinkSettings,
    /// Whether the link lets anything through.
    pub mode: LinkMode,
    /// Connections established over the link, dialled from either side.
    pub connections: usize,
    /// Bytes that left the link since the network was created.
    pub bytes_delivered: u64,
    /// Bytes that are on the way.
    pub bytes_in_flight: usize,
}

/// The reason why the network refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// No region has this name.
    #[error("no region is called {name:?}; expected one of {}", known.join(", "))]
    UnknownRegion {
        /// The name in the command.
        name: String,
        /// The names of all regions of the network.
        known: Vec<String>,
    },
    /// A command named the same region twice, and a region has no link to itself.
    #[error("{0} has no link to itself; expected two different regions")]
    SameRegion(String),
    /// A setting is outside its bounds.
    #[error("{setting} of {value}; expected {expected}")]
    OutOfBounds {
        /// What was set, such as the delay or the loss.
        setting: &'static str,
        /// The value that was given, with its unit.
        value: String,
        /// The bounds of the setting, in words.
        expected: String,
    },
}

impl From<NetworkError> for io::Error {
    fn from(error: NetworkError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
