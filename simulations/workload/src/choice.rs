//! How workloads choose keys: uniform, zipfian or latest.

use beringia_clock::{Randomness, SeededRandomness};
use beringia_scenario::KeyChoice;

/// Draws numbers from 0 to n - 1, lower ones more often: the k-th in proportion to 1 / (k +
/// 1)^theta.
///
/// Gray, Sundaresan, Englert, Baclawski, Weinberger: "Quickly Generating Billion-Record Synthetic
/// Databases", SIGMOD 1994, figure 9. When n grows, zeta is extended instead of recomputed, as YCSB
/// does.
#[derive(Debug, Clone)]
pub struct Zipfian {
    theta: f64,
    items: u64,
    zeta: f64,
    eta: f64,
}

impl Zipfian {
    /// The distribution over this many numbers, at least 1, with a skew above 0 and below 1.
    #[must_use]
    pub fn new(items: u64, theta: f64) -> Self {
        let mut zipfian = Self {
            theta,
            items: 0,
            zeta: 0.0,
            eta: 0.0,
        };
        zipfian.grow(items.max(1));
        zipfian
    }

    /// Extends the distribution to more numbers. The cost is proportional to the number of new
    /// ones.
    pub fn grow(&mut self, items: u64) {
        if items <= self.items {
            return;
        }
        self.zeta += zeta(self.items, items, self.theta);
        self.items = items;
        let share = libm::pow(2.0 / real(items), 1.0 - self.theta);
        self.eta = (1.0 - share) / (1.0 - zeta(0, 2, self.theta) / self.zeta);
    }

    /// Draws a number below the number of items. 0 is the most frequent, and each following one is
    /// less frequent.
    pub fn draw(&self, dice: &SeededRandomness) -> u64 {
        let uniform = dice.unit_f64();
        let scaled = uniform * self.zeta;
        if scaled < 1.0 || self.items == 1 {
            return 0;
        }
        if scaled < 1.0 + libm::pow(0.5, self.theta) {
            return 1;
        }
        let share = libm::pow(self.eta * uniform - self.eta + 1.0, 1.0 / (1.0 - self.theta));
        whole(real(self.items) * share).min(self.items - 1)
    }
}

/// The sum of 1 / k^theta for k above `from` up to `to`.
fn zeta(from: u64, to: u64, theta: f64) -> f64 {
    (from + 1..=to).map(|k| libm::pow(real(k), -theta)).sum()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a distribution of keys is no more exact than a float"
)]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and cut to the bound by the caller"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A choice of key that is drawn before it is known which keys exist when the operation is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The key with this number.
    Key(u64),
    /// The key that was inserted last, or the one this many insertions earlier.
    Latest(u64),
}

/// Chooses a workload's keys in one region.
#[derive(Debug)]
pub(crate) struct Chooser {
    keys: u64,
    /// Keys that this region has inserted since the load began.
    inserted: u64,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Uniform,
    Zipfian(Zipfian),
    Latest(Zipfian),
}

impl Chooser {
    pub(crate) fn new(keys: u64, choice: KeyChoice) -> Self {
        let keys = keys.max(1);
        let way = match choice {
            KeyChoice::Uniform => Way::Uniform,
            KeyChoice::Zipfian { theta } => Way::Zipfian(Zipfian::new(keys, theta)),
            KeyChoice::Latest { theta } => Way::Latest(Zipfian::new(keys, theta)),
        };
        Self { keys, inserted: 0, way }
    }

    pub(crate) fn draw(&self, dice: &SeededRandomness) -> Chosen {
        match &self.way {
            Way::Uniform => Chosen::Key(dice.below(self.keys)),
            Way::Zipfian(zipfian) => Chosen::Key(zipfian.draw(dice)),
            Way::Latest(zipfian) => Chosen::Latest(zipfian.draw(dice)),
        }
    }

    /// Counts one more insertion by this region, and returns how many there were before.
    pub(crate) fn insert(&mut self) -> u64 {
        let before = self.inserted;
        self.inserted += 1;
        if let Way::Latest(zipfian) = &mut self.way {
            zipfian.grow(self.keys + self.inserted);
        }
        before
    }
}
