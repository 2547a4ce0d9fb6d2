//! The distributions of measures over the seeds of a scenario.

use serde::{Deserialize, Serialize};

use crate::{
    Comparison,
    comparison::{MEASURES, Measure},
    format::{count, decimals, duration_ms},
    summary::{aligned, table},
};

/// How long something took that may not have ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elapsed {
    /// It ended after this number of milliseconds.
    Ms(f64),
    /// It did not end before the run did.
    Never,
}

impl Elapsed {
    /// The time in milliseconds; infinite if it did not end.
    pub(crate) const fn ms(self) -> f64 {
        match self {
            Self::Ms(ms) => ms,
            Self::Never => f64::INFINITY,
        }
    }

    pub(crate) fn of(ms: Option<u64>) -> Self {
        ms.map_or(Self::Never, |ms| Self::Ms(ms as f64))
    }
}

/// A measure over several seeds. What did not end is worse than every time, and infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The name of the measure.
    pub title: &'static str,
    /// Its unit, such as `ms`.
    pub unit: &'static str,
    /// The number of runs that have the measure.
    pub runs: u64,
    /// The value that half of the runs do not exceed (for measures of which more is better: that
    /// half of the runs reach).
    pub p50: f64,
    /// The same for nine of ten runs.
    pub p90: f64,
    /// The worst value of all.
    pub worst: f64,
    /// The first seed with the worst value.
    pub worst_seed: u64,
}

impl Comparison {
    /// The distribution of each measure over all runs, without those that no run has.
    #[must_use]
    pub fn distributions(&self) -> Vec<Distribution> {
        MEASURES
            .iter()
            .filter_map(|measure| self.distribution(measure))
            .collect()
    }

    fn distribution(&self, measure: &Measure) -> Option<Distribution> {
        let values = self.runs.iter();
        let mut values: Vec<(f64, u64)> = values
            .filter_map(|run| Some(((measure.of)(&run.measured)?, run.seed)))
            .collect();
        // From the best value to the worst; of equal ones, the first seed is the last.
        values.sort_by(|one, other| {
            let by_value = one.0.total_cmp(&other.0);
            let by_value = if measure.more_is_better {
                by_value.reverse()
            } else {
                by_value
            };
            by_value.then(other.1.cmp(&one.1))
        });
        let (worst, worst_seed) = *values.last()?;
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).map_or(worst, |(value, _)| *value)
        };
        Some(Distribution {
            title: measure.title,
            unit: measure.unit,
            runs: values.len() as u64,
            p50: at(50),
            p90: at(90),
            worst,
            worst_seed,
        })
    }

    /// A table with a line for each measure: its median, its 90th percentile, and the worst value
    /// with its seed.
    #[must_use]
    pub fn distribution_table(&self) -> String {
        let over = format!("over {} seeds", count(self.runs.len() as u64));
        let mut table = table(&[&over, "unit", "p50", "p90", "worst", "seed"]);
        for distribution in self.distributions() {
            table.add_row(distribution.cells());
        }
        aligned(table)
    }
}

impl Distribution {
    /// Title, unit, median, 90th percentile, worst value and its seed, for people.
    pub(crate) fn cells(&self) -> Vec<String> {
        let value = |value| shown(value, self.unit);
        vec![
            self.title.to_owned(),
            self.unit.to_owned(),
            value(self.p50),
            value(self.p90),
            value(self.worst),
            self.worst_seed.to_string(),
        ]
    }

    /// The columns of `distributions.csv`.
    pub(crate) fn csv_head() -> Vec<String> {
        let head = ["measure", "unit", "runs", "p50", "p90", "worst", "worst_seed"];
        head.map(str::to_owned).to_vec()
    }

    pub(crate) fn csv_row(&self) -> Vec<String> {
        let [p50, p90, worst] = [self.p50, self.p90, self.worst].map(plain);
        let (runs, seed) = (self.runs.to_string(), self.worst_seed.to_string());
        vec![self.title.to_owned(), self.unit.to_owned(), runs, p50, p90, worst, seed]
    }
}

/// A value in its unit, for people.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    match unit {
        _ if value.is_infinite() => "never".to_owned(),
        "ms" => duration_ms(value),
        _ => decimals(value, 2),
    }
}

/// A value for programs.
pub(crate) fn plain(value: f64) -> String {
    if value.is_infinite() {
        "never".to_owned()
    } else {
        decimals(value, 4)
    }
}
