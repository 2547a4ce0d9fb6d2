//! Conversions between the units of links in the control protocol and those that people use.

use std::time::Duration;

/// A duration in microseconds; longer ones become `u64::MAX`.
#[must_use]
pub fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Converts megabits per second to bits per second; 0 means no limit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floating point numbers stop at the bounds"
)]
#[must_use]
pub fn bits_per_second(mbit: Option<f64>) -> u64 {
    mbit.map_or(0, |mbit| (mbit * 1e6).round() as u64)
}

/// Converts bits per second to megabits per second; `None` for 0, which means no limit.
#[expect(clippy::cast_precision_loss, reason = "bits per second of links are far below 2^52")]
#[must_use]
pub fn mbit(bits_per_second: u64) -> Option<f64> {
    (bits_per_second > 0).then_some(bits_per_second as f64 / 1e6)
}

/// Converts percent to millionths, rounded to the nearest; negative values become 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floating point numbers stop at the bounds"
)]
#[must_use]
pub fn millionths(percent: f64) -> u32 {
    (percent * 1e4).round() as u32
}

/// Converts millionths to percent, without rounding.
#[must_use]
pub fn percent(millionths: u32) -> f64 {
    f64::from(millionths) / 1e4
}
