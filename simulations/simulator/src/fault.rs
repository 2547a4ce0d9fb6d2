//! Faults, and the times at which they happen.

use std::{fmt, time::Duration};

use beringia_network::Direction;
use tokio::time::{Instant, sleep_until};

use crate::{SimulationError, World};

/// Something that is done to a world while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A silent cut of the link from the first region to the second, or of both links between them.
    Cut(String, String, Direction),
    /// The same, with resets.
    Reset(String, String, Direction),
    /// A silent cut of every link of a region.
    Isolate(String),
    /// All links open again; what they do to bytes stays.
    Heal,
    /// Another delay and jitter, both directions.
    Delay(String, String, Duration, Duration),
    /// Percent of packets that must be sent again, both directions.
    Loss(String, String, f64),
    /// Megabits per second, both directions.
    Bandwidth(String, String, Option<f64>),
    /// A region's process is gone.
    Crash(String),
    /// A region that crashed starts again with its disk.
    Restart(String),
    /// A region's wall clock is wrong from now on: by milliseconds, and by millionths of the time since the beginning.
    Clock(String, i64, i64),
}

/// Faults with their times since the load began, in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline(Vec<(Duration, Fault)>);

impl Timeline {
    /// Faults with their times.
    #[must_use]
    pub fn new(mut faults: Vec<(Duration, Fault)>) -> Self {
        // Of two at one time the earlier in the list happens first.
        faults.sort_by_key(|(at, _)| *at);
        Self(faults)
    }

    /// When the first fault happens, if any does.
    #[must_use]
    pub fn first(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Lets them happen, in order, counted from `began`.
    ///
    /// # Errors
    /// [`SimulationError`] for a fault that makes no sense, such as the crash of a region that is down.
    pub async fn play(&self, world: &mut World, began: Instant) -> Result<(), SimulationError> {
        for (at, fault) in &self.0 {
            sleep_until(began + *at).await;
            world.trace.note(format_args!("fault: {fault}"));
            fault.strike(world).await?;
        }
        Ok(())
    }
}

impl Fault {
    async fn strike(&self, world: &mut World) -> Result<(), SimulationError> {
        let network = world.network().clone();
        match self {
            Self::Cut(from, to, direction) => network.cut(from, to, *direction)?,
            Self::Reset(from, to, direction) => network.reset(from, to, *direction)?,
            Self::Isolate(region) => network.isolate(region)?,
            Self::Heal => network.heal_all(),
            Self::Delay(one, other, delay, jitter) => network.delay(one, other, Direction::Both, *delay, *jitter)?,
            Self::Loss(one, other, percent) => network.loss(one, other, Direction::Both, *percent)?,
            Self::Bandwidth(one, other, mbit) => network.bandwidth(one, other, Direction::Both, *mbit)?,
            Self::Crash(region) => world.crash_region(region)?,
            Self::Restart(region) => world.start_region(region).await?,
            Self::Clock(region, offset_ms, drift_ppm) => world.clock(region)?.set_error(*offset_ms, *drift_ppm),
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |direction: &Direction| match direction {
            Direction::OneWay => "->",
            Direction::Both => "<->",
        };
        match self {
            Self::Cut(from, to, direction) => write!(f, "cut {from} {} {to}", arrow(direction)),
            Self::Reset(from, to, direction) => write!(f, "reset {from} {} {to}", arrow(direction)),
            Self::Isolate(region) => write!(f, "isolate {region}"),
            Self::Heal => f.write_str("heal"),
            Self::Delay(one, other, delay, jitter) => {
                write!(
                    f,
                    "delay {one} <-> {other} {} ms, jitter {} ms",
                    delay.as_millis(),
                    jitter.as_millis()
                )
            }
            Self::Loss(one, other, percent) => write!(f, "loss {one} <-> {other} {percent} %"),
            Self::Bandwidth(one, other, Some(mbit)) => write!(f, "bandwidth {one} <-> {other} {mbit} Mbit/s"),
            Self::Bandwidth(one, other, None) => write!(f, "bandwidth {one} <-> {other} unlimited"),
            Self::Crash(region) => write!(f, "crash {region}"),
            Self::Restart(region) => write!(f, "restart {region}"),
            Self::Clock(region, offset_ms, drift_ppm) => {
                write!(f, "clock of {region} off by {offset_ms} ms and {drift_ppm} ppm")
            }
        }
    }
}
