//! Axes: the position of a value in pixels, and round values for ticks.

use crate::format::decimals;

/// A scale from values to pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    from: f64,
    to: f64,
    pixel_from: f64,
    pixel_to: f64,
    log: bool,
}

impl Axis {
    /// A linear axis from `from` at `pixels.0` to `to` at `pixels.1`.
    pub(crate) fn linear(from: f64, to: f64, pixels: (f64, f64)) -> Self {
        Self {
            from,
            to: if to > from { to } else { from + 1.0 },
            pixel_from: pixels.0,
            pixel_to: pixels.1,
            log: false,
        }
    }

    /// A logarithmic axis by powers of ten, from the power at or below the least value (at least
    /// 0.1) to that at or above the greatest.
    pub(crate) fn logarithmic(least: f64, greatest: f64, pixels: (f64, f64)) -> Self {
        let from = libm::exp10(libm::log10(least.max(0.1)).floor());
        let to = libm::exp10(libm::log10(greatest.max(from * 1.0001)).ceil());
        Self {
            from,
            to,
            pixel_from: pixels.0,
            pixel_to: pixels.1,
            log: true,
        }
    }

    /// The position of a value; values beyond an end are drawn at the end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        let share = if self.log {
            (libm::log10(value) - libm::log10(self.from)) / (libm::log10(self.to) - libm::log10(self.from))
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.pixel_from + share * (self.pixel_to - self.pixel_from)
    }

    /// About `about` round values: each a multiple of 1, 2 or 5, or a power of ten.
    pub(crate) fn ticks(&self, about: f64) -> Vec<f64> {
        if self.log {
            let decades = (libm::log10(self.to) - libm::log10(self.from)).round();
            let stride = (decades / about).ceil().max(1.0);
            return multiples(0.0, decades, stride)
                .map(|power| libm::exp10(libm::log10(self.from).round() + power))
                .collect();
        }
        let rough = (self.to - self.from) / about;
        let power = libm::exp10(libm::log10(rough).floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
        multiples(self.from, self.to, step).collect()
    }

    /// About `about` round times of an axis in milliseconds.
    pub(crate) fn time_ticks(&self, about: f64) -> Vec<f64> {
        const SECONDS: [f64; 17] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        ];
        let rough = (self.to - self.from) / about;
        let step = SECONDS
            .into_iter()
            .map(|seconds| seconds * 1000.0)
            .find(|step| *step >= rough);
        match step {
            Some(step) => multiples(self.from, self.to, step).collect(),
            None => self.ticks(about),
        }
    }
}

/// The multiples of `step` from `from` to `to`, at most 1000.
fn multiples(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (from / step).ceil();
    (0..1000u32)
        .map(move |index| (first + f64::from(index)) * step)
        .take_while(move |value| *value <= to + step * 1e-6)
}

/// A time since the beginning, as `12 s`, `1:30` or `1:02:00`: in one form along an axis that ends
/// at `end_ms`.
pub(crate) fn clock(ms: f64, end_ms: f64) -> String {
    let seconds = ms / 1000.0;
    if end_ms <= 120_000.0 {
        return format!("{} s", decimals(seconds, 1));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times since the beginning are not negative, and saturate"
    )]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if end_ms < 3_600_000.0 {
        format!("{}:{seconds:02}", whole / 60)
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// A short form of a value for an axis: 12, 1.5k, 3M.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{}G", decimals(value / 1e9, 1)),
        value if value >= 1e6 => format!("{}M", decimals(value / 1e6, 1)),
        value if value >= 1e4 => format!("{}k", decimals(value / 1e3, 1)),
        value => decimals(value, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let axis = Axis::linear(0.0, 930.0, (100.0, 0.0));
        assert_eq!(axis.ticks(4.0), [0.0, 500.0]);
        assert_eq!(axis.ticks(5.0), [0.0, 200.0, 400.0, 600.0, 800.0]);
        assert_eq!(axis.at(465.0), 50.0);
        assert_eq!(axis.at(-5.0), 100.0);
        let time = Axis::linear(0.0, 95_000.0, (0.0, 950.0));
        assert_eq!(time.time_ticks(8.0), [0.0, 15e3, 30e3, 45e3, 60e3, 75e3, 90e3]);
    }

    #[test]
    fn a_logarithmic_axis_goes_from_power_to_power() {
        let axis = Axis::logarithmic(3.0, 45_000.0, (100.0, 0.0));
        assert_eq!(axis.ticks(9.0), [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
        assert_eq!(axis.at(0.0), 100.0);
        assert_eq!(axis.at(1e5), 0.0);
    }

    #[test]
    fn times_have_one_form_along_an_axis() {
        assert_eq!(clock(1500.0, 60_000.0), "1.5 s");
        assert_eq!(clock(90_000.0, 600_000.0), "1:30");
        assert_eq!(clock(90_000.0, 7_200_000.0), "0:01:30");
        assert_eq!(short(15_000.0), "15k");
    }
}
