//! Compares several runs: the settings that vary, and the measures.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Run, WriteError,
    distribution::{Distribution, Elapsed, plain, shown},
    files::{csv_of, make, put},
    format::{count, decimals},
    judge::absent_in_words,
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
    /// The duration of the slowest convergence.
    pub converged_ms: Option<Elapsed>,
    /// The slowest convergence as a multiple of its lower bound.
    pub converged_ratio: Option<f64>,
    /// The 99th percentile of the lag of the worst pair; `Never` where writes never arrived.
    pub lag_p99_ms: Option<Elapsed>,
    /// Bytes on the wire per mutation that arrived.
    pub wire_bytes_per_mutation: Option<f64>,
    /// The longest time in which users of a region were not served within the objective.
    pub recovery_ms: Option<Elapsed>,
    /// The longest time from a fault until users whose clients were moved were served within the
    /// objective.
    pub objective_ms: Option<Elapsed>,
    /// The greatest effective loss of a move of clients ([`crate::EffectiveLoss::writes`]).
    pub effective_loss: Option<f64>,
    /// Acknowledged writes that were lost with a disk; `None` where no disk was lost.
    pub lost_with_disk: Option<f64>,
    /// Acknowledged writes that their regions keep as unshipped.
    pub unshipped: f64,
}

/// The least and the greatest of a measure over the runs of one point, and its mean over those that
/// ended. What did not end is infinite, and so is the mean where none did.
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
    /// Infinite for what did not end.
    pub(crate) of: fn(&Measured) -> Option<f64>,
    pub(crate) more_is_better: bool,
}

/// Every measure, in the order in which they are shown.
pub(crate) const MEASURES: [Measure; 13] = [
    Measure {
        title: "conflicts",
        unit: "per 100 writes",
        of: |measured| measured.conflicts_percent,
        more_is_better: false,
    },
    Measure {
        title: "kept",
        unit: "per 100 writes",
        of: |measured| measured.kept_percent,
        more_is_better: true,
    },
    Measure {
        title: "lost to conflicts",
        unit: "per 100 writes",
        of: |measured| measured.lost_to_conflicts_percent,
        more_is_better: false,
    },
    Measure {
        title: "lost updates",
        unit: "per run",
        of: |measured| measured.lost_updates,
        more_is_better: false,
    },
    Measure {
        title: "converged",
        unit: "ms",
        of: |measured| measured.converged_ms.map(Elapsed::ms),
        more_is_better: false,
    },
    Measure {
        title: "converged",
        unit: "times the bound",
        of: |measured| measured.converged_ratio,
        more_is_better: false,
    },
    Measure {
        title: "lag p99",
        unit: "ms",
        of: |measured| measured.lag_p99_ms.map(Elapsed::ms),
        more_is_better: false,
    },
    Measure {
        title: "wire",
        unit: "bytes per mutation",
        of: |measured| measured.wire_bytes_per_mutation,
        more_is_better: false,
    },
    Measure {
        title: "recovery",
        unit: "ms",
        of: |measured| measured.recovery_ms.map(Elapsed::ms),
        more_is_better: false,
    },
    Measure {
        title: "time to objective",
        unit: "ms",
        of: |measured| measured.objective_ms.map(Elapsed::ms),
        more_is_better: false,
    },
    Measure {
        title: "effective loss",
        unit: "writes",
        of: |measured| measured.effective_loss,
        more_is_better: false,
    },
    Measure {
        title: "lost with a disk",
        unit: "writes",
        of: |measured| measured.lost_with_disk,
        more_is_better: false,
    },
    Measure {
        title: "unshipped",
        unit: "writes",
        of: |measured| Some(measured.unshipped),
        more_is_better: false,
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
    /// the mean, and the least and the greatest in brackets. The mean is that of the runs that
    /// ended; where one did not, the greatest is `never`.
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

    /// Writes `sweep.html`, `sweep.json`, `sweep.csv` (a line for each run) and `distributions.csv`
    /// (a line for each measure) into a directory, which is created if needed. Returns the path of
    /// the page.
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
        let distributions = self.distributions();
        put(
            directory,
            "distributions.csv",
            csv_of(
                &Distribution::csv_head(),
                distributions.iter().map(Distribution::csv_row),
            ),
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
            "recovery_ms",
            "objective_ms",
            "effective_loss",
            "lost_with_disk",
            "unshipped",
        ];
        let fixed = ["seed", "holds"].into_iter().chain(measured).map(str::to_owned);
        self.varied.iter().cloned().chain(fixed).collect()
    }
}

impl ComparedRun {
    fn csv_row(&self) -> Vec<String> {
        let measured = MEASURES.iter().map(|measure| (measure.of)(&self.measured));
        let measured = measured.map(|value| value.map(plain).unwrap_or_default());
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
        let slowest = run.slowest_convergence();
        let to_objective = run.failovers.iter().map(crate::Failover::until_objective_ms);
        Self {
            acknowledged,
            conflicts_percent: percent(run.conflict_count()),
            kept_percent: percent(run.writes.current + run.writes.superseded),
            lost_to_conflicts_percent: percent(run.writes.lost_to_conflicts),
            lost_updates: Some(run.anomaly_count("lost-update") as f64),
            converged_ms: slowest.map(|one| Elapsed::of(one.elapsed_ms)),
            converged_ratio: slowest.and_then(crate::Convergence::ratio).map(round),
            lag_p99_ms: lag_p99(run),
            wire_bytes_per_mutation: (mutations > 0).then(|| round(wire_bytes as f64 / mutations as f64)),
            recovery_ms: run.slowest_recovery().map(|slowest| Elapsed::of(slowest.longest_ms())),
            objective_ms: to_objective.max_by_key(|ms| ms.unwrap_or(u64::MAX)).map(Elapsed::of),
            effective_loss: run
                .failovers
                .iter()
                .map(|failover| failover.effective_loss.writes() as f64)
                .reduce(f64::max),
            lost_with_disk: (!run.disk_losses.is_empty()).then_some(run.writes.lost_with_disk as f64),
            unshipped: run.writes.unshipped as f64,
        }
    }
}

/// The 99th percentile of the lag of the worst pair; `None` where nothing was replicated.
fn lag_p99(run: &Run) -> Option<Elapsed> {
    if run.pairs.iter().find_map(absent_in_words).is_some() {
        return Some(Elapsed::Never);
    }
    let busy = run.pairs.iter().filter(|pair| pair.lag_ms.count > 0);
    busy.map(|pair| pair.lag_ms.p99).reduce(f64::max).map(Elapsed::Ms)
}

/// Rounds to four decimals, so that a value survives JSON unchanged.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The spread of a measure over the runs that have it; `None` where none has.
pub(crate) fn spread(runs: &[&ComparedRun], of: fn(&Measured) -> Option<f64>) -> Option<Spread> {
    let values: Vec<f64> = runs.iter().filter_map(|run| of(&run.measured)).collect();
    let least = values.iter().copied().reduce(f64::min)?;
    let greatest = values.iter().copied().reduce(f64::max)?;
    let ended: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let mean = match ended.as_slice() {
        [] => f64::INFINITY,
        ended => ended.iter().sum::<f64>() / ended.len() as f64,
    };
    Some(Spread { mean, least, greatest })
}

impl Spread {
    /// The mean and, where the runs differ, the least and the greatest.
    pub(crate) fn format(&self, unit: &str) -> String {
        let one = |value: f64| shown(value, unit);
        if self.least < self.greatest {
            format!("{} ({}–{})", one(self.mean), one(self.least), one(self.greatest))
        } else {
            one(self.mean)
        }
    }
}
