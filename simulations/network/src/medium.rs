//! The state that all connections over a directed link share: its settings, its mode, and when its
//! transmitter is free.

use std::time::Duration;

use beringia_clock::{Randomness, SeededRandomness};
use tokio::time::Instant;

use crate::settings::{LinkMode, LinkSettings};

/// The most that one direction of a connection keeps on the way, including bookkeeping. With less
/// bandwidth the limit is twice the bandwidth-delay product, but at least 64 KiB. Beyond the limit
/// the sender waits.
pub const IN_FLIGHT_BYTES_MAX: usize = 2 << 20;
const IN_FLIGHT_BYTES_MIN: usize = 64 << 10;
/// Linux adds at least this much to the smoothed round trip (`TCP_RTO_MIN`).
const RETRANSMISSION_MARGIN: Duration = Duration::from_millis(200);
/// Linux waits no longer than this between two attempts (`TCP_RTO_MAX`).
const RETRANSMISSION_MAX: Duration = Duration::from_secs(120);
/// Linux sends a packet again this many times (`tcp_retries2`). Here the last one arrives, since
/// giving up is the job of the keepalive in the layers above.
const RETRANSMISSIONS_MAX: u32 = 15;

/// The state that all wires of a directed link share.
#[derive(Debug)]
pub(crate) struct Medium {
    pub(crate) settings: LinkSettings,
    pub(crate) mode: LinkMode,
    /// When the transmitter has sent everything that it was given. If it is idle, this is in the
    /// past or `None`.
    free_at: Option<Instant>,
}

impl Medium {
    pub(crate) fn new() -> Self {
        Self {
            settings: LinkSettings::default(),
            mode: LinkMode::Open,
            free_at: None,
        }
    }

    /// Returns whether bytes pass as if there were no link.
    pub(crate) fn is_transparent(&self) -> bool {
        self.mode == LinkMode::Open && self.settings == LinkSettings::default()
    }

    /// Returns whether bytes that enter at the same time also arrive at the same time, so that
    /// packets need not be distinguished.
    pub(crate) fn treats_packets_alike(&self) -> bool {
        let settings = &self.settings;
        settings.jitter.is_zero() && settings.bandwidth_mbit.is_none() && settings.loss_percent == 0.0
    }

    /// The most that one direction of a connection may keep on the way, in bytes.
    pub(crate) fn in_flight_bytes_max(&self) -> usize {
        let Some(mbit) = self.settings.bandwidth_mbit else {
            return IN_FLIGHT_BYTES_MAX;
        };
        let delay = self.settings.delay + self.settings.jitter;
        let product = mbit * 1e6 / 8.0 * delay.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, and the result is clamped"
        )]
        #[expect(clippy::cast_sign_loss, reason = "bandwidth and delay are not negative")]
        let bytes = (2.0 * product) as usize;
        bytes.clamp(IN_FLIGHT_BYTES_MIN, IN_FLIGHT_BYTES_MAX)
    }

    /// Hands `bytes` to the transmitter at `now`, and returns when it has sent the last of them.
    pub(crate) fn transmit(&mut self, bytes: usize, now: Instant) -> Instant {
        let Some(mbit) = self.settings.bandwidth_mbit else {
            return now;
        };
        #[expect(clippy::cast_precision_loss, reason = "a read is far smaller than 2^52 bytes")]
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / (mbit * 1e6));
        let sent = self.free_at.map_or(now, |free_at| free_at.max(now)) + takes;
        self.free_at = Some(sent);
        sent
    }

    /// Discards what the transmitter still had to send, because all of it will be transmitted
    /// again.
    pub(crate) fn restart_transmitter(&mut self) {
        self.free_at = None;
    }

    /// Changes the settings. Returns by which factor the time of what waits for the transmitter
    /// grows: 0 if there is no limit any more.
    pub(crate) fn set(&mut self, settings: LinkSettings, now: Instant) -> f64 {
        let stretch = match (self.settings.bandwidth_mbit, settings.bandwidth_mbit) {
            (Some(before), Some(after)) => before / after,
            (_, None) => 0.0,
            // Without a limit nothing was waiting.
            (None, Some(_)) => 1.0,
        };
        self.settings = settings;
        self.free_at = self
            .free_at
            .filter(|free_at| *free_at > now)
            .map(|free_at| stretched(free_at, now, stretch));
        stretch
    }

    /// The time that jitter and loss add to the delay of one packet.
    pub(crate) fn loss_and_jitter(&self, randomness: &SeededRandomness, round_trip: Duration) -> Duration {
        // Both are drawn even if they are not used, so that changing one setting does not shuffle
        // the other.
        let jitter = self.settings.jitter.mul_f64(randomness.unit_f64());
        let mut lost = Duration::ZERO;
        let mut timeout = round_trip + RETRANSMISSION_MARGIN;
        for _ in 0..RETRANSMISSIONS_MAX {
            if randomness.unit_f64() * 100.0 >= self.settings.loss_percent {
                break;
            }
            lost += timeout;
            timeout = (timeout * 2).min(RETRANSMISSION_MAX);
        }
        jitter + lost
    }
}

/// Moves `later` so that its distance from `now` is multiplied by `factor`.
pub(crate) fn stretched(later: Instant, now: Instant, factor: f64) -> Instant {
    now + later.saturating_duration_since(now).mul_f64(factor)
}
