//! Compares several runs: the settings that vary, and the measures.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Run, WriteError,
    files::{csv_of, make, put},
    format::{count, decimals, duration_ms},
    page::comparison_page,
    summary::{aligned, table},
};

/// Runs of one scenario that differ in some settings (and in their seeds).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The name of the one scenario that all runs play.
    pub scenario: String,
    /// The settings that vary, such as `link.delay_ms`.
    pub varied: Vec<String>,
    /// The runs, in the order in which they were added.
    pub runs: Vec<ComparedRun>,
}

/// A run, with the settings that distinguish it from the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// The value of each setting that varies, in their order.
    pub values: Vec<String>,
    /// The seed from which the run was drawn.
    pub seed: u64,
    /// Whether all of its expectations hold.
    pub holds: bool,
    /// Its measurements, reduced to a few numbers.
    pub measured: Measured,
}

/// The measures that are compared; `None` where a run has no such measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The number of acknowledged writes.
    pub acknowledged: f64,
    /// Conflicts per 100 acknowledged writes.
    pub conflicts_percent: Option<f64>,
    /// Acknowledged writes that are current at the end or superseded, per 100.
    pub kept_percent: Option<f64>,
    /// Acknowledged writes lost to conflicts, wholly or in part, per 100.
    pub lost_to_conflicts_percent: Option<f64>,
    /// Updates that a client based on a read, and that were lost (anomaly `lost-update`).
    pub lost_updates: Option<f64>,
    /// The duration of the slowest convergence, in milliseconds.
    pub converged_ms: Option<f64>,
    /// The slowest convergence as a multiple of its lower bound.
    pub converged_ratio: Option<f64>,
    /// The 99th percentile of the lag of the worst pair, in milliseconds.
    pub lag_p99_ms: Option<f64>,
    /// Bytes on the wire per mutation that arrived.
    pub wire_bytes_per_mutation: Option<f64>,
}

/// The mean, the least and the greatest of a measure over the runs of one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

/// A measure that is drawn and tabulated.
pub(crate) struct Measure {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) of: fn(&Measured) -> Option<f64>,
}

/// Every measure, in the order in which they are shown.
pub(crate) const MEASURES: [Measure; 8] = [
    Measure {
        title: "conflicts",
        unit: "per 100 writes",
        of: |measured| measured.conflicts_percent,
    },
    Measure {
        title: "kept",
        unit: "per 100 writes",
        of: |measured| measured.kept_percent,
    },
    Measure {
        title: "lost to conflicts",
        unit: "per 100 writes",
        of: |measured| measured.lost_to_conflicts_percent,
    },
    Measure {
        title: "lost updates",
        unit: "per run",
        of: |measured| measured.lost_updates,
    },
    Measure {
        title: "converged",
        unit: "ms",
        of: |measured| measured.converged_ms,
    },
    Measure {
        title: "converged",
        unit: "times the bound",
        of: |measured| measured.converged_ratio,
    },
    Measure {
        title: "lag p99",
        unit: "ms",
        of: |measured| measured.lag_p99_ms,
    },
    Measure {
        title: "wire",
        unit: "bytes per mutation",
        of: |measured| measured.wire_bytes_per_mutation,
    },
];

impl Comparison {
    /// A comparison of runs of a scenario in which the settings `varied` differ. It has no runs
    /// yet.
    #[must_use]
    pub fn new(scenario: &str, varied: Vec<String>) -> Self {
        Self {
            scenario: scenario.to_owned(),
            varied,
            runs: Vec::new(),
        }
    }

    /// Adds a run. `values` has one value for each setting that varies.
    pub fn add(&mut self, values: Vec<String>, run: &Run) {
        self.runs.push(ComparedRun {
            values,
            seed: run.seed,
            holds: run.holds(),
            measured: Measured::of(run),
        });
    }

    /// Whether all expectations of all runs hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.runs.iter().all(|run| run.holds)
    }

    /// A table with a line for each point of the grid. Where a point has several runs, a cell has
    /// the mean, and the least and the greatest in brackets.
    #[must_use]
    pub fn table(&self) -> String {
        let measures = MEASURES.iter().map(|measure| match measure.unit {
            "ms" => measure.title.to_owned(),
            unit => format!("{} {unit}", measure.title),
        });
        let head: Vec<String> = self
            .varied
            .iter()
            .cloned()
            .chain(["runs".to_owned(), "failed".to_owned()])
            .chain(measures)
            .collect();
        let mut table = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
        for (values, runs) in self.points() {
            let failed = runs.iter().filter(|run| !run.holds).count();
            let cells = MEASURES.iter().map(|measure| {
                spread(&runs, measure.of).map_or_else(|| "–".to_owned(), |spread| spread.format(measure.unit))
            });
            let row = values
                .iter()
                .cloned()
                .chain([count(runs.len() as u64), count(failed as u64)])
                .chain(cells);
            table.add_row(row.collect::<Vec<_>>());
        }
        aligned(table)
    }

    /// Writes `sweep.html`, `sweep.json` and `sweep.csv` (a line for each run) into a directory,
    /// which is created if needed. Returns the path of the page.
    ///
    /// # Errors
    /// [`WriteError`] if a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, WriteError> {
        make(directory)?;
        put(
            directory,
            "sweep.json",
            serde_json::to_vec_pretty(self).map_err(Into::into),
        )?;
        put(
            directory,
            "sweep.csv",
            csv_of(&self.csv_head(), self.runs.iter().map(ComparedRun::csv_row)),
        )?;
        put(directory, "sweep.html", Ok(comparison_page(self).into_bytes()))
    }

    /// The points of the grid in the order in which they were added, and the runs of each.
    pub(crate) fn points(&self) -> Vec<(&[String], Vec<&ComparedRun>)> {
        let mut points: Vec<(&[String], Vec<&ComparedRun>)> = Vec::new();
        for run in &self.runs {
            match points.iter_mut().find(|(values, _)| *values == run.values) {
                Some((_, runs)) => runs.push(run),
                None => points.push((&run.values, vec![run])),
            }
        }
        points
    }

    fn csv_head(&self) -> Vec<String> {
        let measured = [
            "acknowledged",
            "conflicts_percent",
            "kept_percent",
            "lost_to_conflicts_percent",
            "lost_updates",
            "converged_ms",
            "converged_ratio",
            "lag_p99_ms",
            "wire_bytes_per_mutation",
        ];
        let fixed = ["seed", "holds"].into_iter().chain(measured).map(str::to_owned);
        self.varied.iter().cloned().chain(fixed).collect()
    }
}

impl ComparedRun {
    fn csv_row(&self) -> Vec<String> {
        let measured = MEASURES.iter().map(|measure| (measure.of)(&self.measured));
        let measured = measured.map(|value| value.map(|value| decimals(value, 4)).unwrap_or_default());
        let fixed = [
            self.seed.to_string(),
            self.holds.to_string(),
            decimals(self.measured.acknowledged, 0),
        ];
        self.values.iter().cloned().chain(fixed).chain(measured).collect()
    }
}

impl Measured {
    fn of(run: &Run) -> Self {
        let acknowledged = run.writes.acknowledged as f64;
        let percent = |number: u64| (acknowledged > 0.0).then(|| round(number as f64 * 100.0 / acknowledged));
        let mutations: u64 = run.pairs.iter().map(|pair| pair.mutations).sum();
        let wire_bytes: u64 = run.pairs.iter().map(|pair| pair.wire_bytes).sum();
        let lags = run
            .pairs
            .iter()
            .filter(|pair| pair.lag_ms.count > 0)
            .map(|pair| pair.lag_ms.p99);
        // A convergence that did not end has no time; the failed run shows it.
        let all_ended = run.undisturbed().all(|convergence| convergence.elapsed_ms.is_some());
        let slowest = run.undisturbed().filter(|_| all_ended).max_by_key(|one| one.elapsed_ms);
        Self {
            acknowledged,
            conflicts_percent: percent(run.conflict_count()),
            kept_percent: percent(run.writes.current + run.writes.superseded),
            lost_to_conflicts_percent: percent(run.writes.lost_to_conflicts),
            lost_updates: Some(run.anomaly_count("lost-update") as f64),
            converged_ms: slowest.and_then(|one| one.elapsed_ms).map(|ms| ms as f64),
            converged_ratio: slowest.and_then(crate::Convergence::ratio).map(round),
            lag_p99_ms: lags.reduce(f64::max),
            wire_bytes_per_mutation: (mutations > 0).then(|| round(wire_bytes as f64 / mutations as f64)),
        }
    }
}

/// Rounds to four decimals, so that a value survives JSON unchanged.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The spread of a measure; `None` where no run has the measure.
pub(crate) fn spread(runs: &[&ComparedRun], of: fn(&Measured) -> Option<f64>) -> Option<Spread> {
    let values: Vec<f64> = runs.iter().filter_map(|run| of(&run.measured)).collect();
    let sum: f64 = values.iter().sum();
    let least = values.iter().copied().reduce(f64::min)?;
    let greatest = values.iter().copied().reduce(f64::max)?;
    Some(Spread {
        mean: sum / values.len() as f64,
        least,
        greatest,
    })
}

impl Spread {
    /// The mean and, where the runs differ, the least and the greatest.
    pub(crate) fn format(&self, unit: &str) -> String {
        let one = |value: f64| {
            if unit == "ms" {
                duration_ms(value)
            } else {
                decimals(value, 2)
            }
        };
        if self.least < self.greatest {
            format!("{} ({}–{})", one(self.mean), one(self.least), one(self.greatest))
        } else {
            one(self.mean)
        }
    }
}
