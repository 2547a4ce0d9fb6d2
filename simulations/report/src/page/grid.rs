//! Puts a run's series on a grid of time that is coarse enough to draw.

use std::collections::BTreeMap;

use crate::Run;

/// The most steps that are drawn; a long run has longer steps.
const STEPS_MAX: u64 = 480;
/// The shortest step in milliseconds: regions and pairs are measured by seconds.
const STEP_MS_MIN: u64 = 1000;

/// Equal steps of time from the beginning of the load to the end of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) step_ms: u64,
    pub(crate) steps: usize,
}

/// One value for each step; `None` where nothing was measured.
pub(crate) type Values = Vec<Option<f64>>;

/// How a step combines several values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fold {
    Greatest,
    Sum,
}

impl Grid {
    pub(crate) fn of(run: &Run) -> Self {
        let total_ms = run.total_ms.max(run.load_ms).max(1);
        let step_ms = total_ms.div_ceil(STEPS_MAX).max(STEP_MS_MIN).next_multiple_of(1000);
        Self {
            step_ms,
            steps: usize::try_from(total_ms.div_ceil(step_ms)).unwrap_or(1),
        }
    }

    pub(crate) fn end_ms(&self) -> f64 {
        self.step_ms as f64 * self.steps as f64
    }

    pub(crate) fn seconds_per_step(&self) -> f64 {
        self.step_ms as f64 / 1000.0
    }

    /// Folds timed values into steps. Values after the end are left out.
    pub(crate) fn fold(&self, points: impl Iterator<Item = (u64, f64)>, fold: Fold) -> Values {
        let mut values = vec![None; self.steps];
        for (at_ms, value) in points {
            let step = usize::try_from(at_ms / self.step_ms).unwrap_or(usize::MAX);
            if let Some(slot) = values.get_mut(step) {
                *slot = Some(match (*slot, fold) {
                    (None, _) => value,
                    (Some(before), Fold::Greatest) => value.max(before),
                    (Some(before), Fold::Sum) => value + before,
                });
            }
        }
        values
    }

    /// Folds the values of a level, which holds between two samples: a step without a sample shows
    /// the level before it, up to the last sample.
    pub(crate) fn fold_level(&self, points: impl Iterator<Item = (u64, f64)>) -> Values {
        let mut latest: BTreeMap<u64, f64> = BTreeMap::new();
        let mut values = self.fold(
            points.inspect(|(at, value)| _ = latest.insert(at / self.step_ms, *value)),
            Fold::Greatest,
        );
        let last = latest.keys().next_back().copied().unwrap_or(0);
        let mut level = None;
        for (step, slot) in values
            .iter_mut()
            .enumerate()
            .take_while(|(step, _)| *step as u64 <= last)
        {
            if slot.is_none() {
                *slot = level;
            }
            level = latest.get(&(step as u64)).copied().or(level);
        }
        values
    }
}

/// The greatest of several series, step by step.
pub(crate) fn greatest(series: impl Iterator<Item = Values>) -> Values {
    series
        .reduce(|mut all, one| {
            for (slot, value) in all.iter_mut().zip(one) {
                *slot = match (*slot, value) {
                    (Some(before), Some(value)) => Some(f64::max(before, value)),
                    (before, value) => before.or(value),
                };
            }
            all
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid {
        step_ms: 1000,
        steps: 5,
    };

    #[test]
    fn a_step_shows_the_greatest_or_the_sum_of_its_values() {
        let points = [(0, 1.0), (900, 3.0), (2500, 2.0), (9000, 9.0)];
        let folded = |fold| GRID.fold(points.into_iter(), fold);
        assert_eq!(folded(Fold::Greatest), [Some(3.0), None, Some(2.0), None, None]);
        assert_eq!(folded(Fold::Sum), [Some(4.0), None, Some(2.0), None, None]);
    }

    #[test]
    fn a_level_holds_until_the_next_sample() {
        let points = [(0, 5.0), (900, 3.0), (3500, 0.0)];
        assert_eq!(
            GRID.fold_level(points.into_iter()),
            [Some(5.0), Some(3.0), Some(3.0), Some(0.0), None]
        );
    }
}
