//! The panels of the timeline: charts over the same time, one below the other.

use beringia_history::FailureCause;
use serde::Serialize;

use super::{
    axis::{Axis, short},
    grid::{Fold, Grid, Values, greatest},
    markup::{Px, heading, label, line, region_class},
};
use crate::{Player, Run, format::duration_ms, summary::causes};

/// The kind of chart in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Lines,
    Area,
    Bars,
}

/// A chart of one measure over time.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) log: bool,
    pub(crate) shape: Shape,
    pub(crate) series: Vec<Series>,
}

/// A series of a panel.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// The CSS class that gives its colour.
    pub(crate) class: String,
    pub(crate) values: Values,
}

/// The position of a panel in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

/// Every panel of a run, from top to bottom. A panel without measurements says so.
pub(crate) fn panels(run: &Run, grid: &Grid) -> Vec<Panel> {
    let lines = |title: &str, unit, log, series| Panel {
        title: title.to_owned(),
        unit,
        log,
        shape: Shape::Lines,
        series,
    };
    let mut panels = vec![
        lines(
            "Replication lag of a region's writes, p99 to the slowest other region",
            "ms",
            true,
            per_origin(run, |pair| {
                let points = pair.lag.iter().map(|point| (point.second * 1000, point.p99_ms));
                grid.fold(points, Fold::Greatest)
            }),
        ),
        lines(
            "Backlog of a region's writes to the region that is furthest behind",
            "mutations",
            false,
            per_origin(run, |pair| {
                let points = pair.backlog.iter().map(|point| (point.at_ms, point.mutations as f64));
                grid.fold_level(points)
            }),
        ),
        Panel {
            title: divergence_title(run).to_owned(),
            unit: divergent_things(run),
            log: false,
            shape: Shape::Area,
            series: vec![alone(divergent_things(run), {
                let points = run.divergence.iter().map(|point| (point.at_ms, point.keys as f64));
                grid.fold_level(points)
            })],
        },
        lines(
            "Operations answered",
            "per second",
            false,
            per_second(run, grid, &|second| second.answered),
        ),
        lines(
            "Operations failed or without an answer",
            "per second",
            false,
            per_second(run, grid, &|second| second.failed),
        ),
        lines(
            "Client latency p99, from when the operation was due",
            "ms",
            true,
            answered_only(run, grid),
        ),
        Panel {
            title: "Conflicts".to_owned(),
            unit: "per second",
            log: false,
            shape: Shape::Bars,
            series: vec![alone("conflicts", {
                let per_step = |cell: &crate::ConflictCell| cell.count as f64 / grid.seconds_per_step();
                grid.fold(
                    run.conflicts.iter().map(|cell| (cell.second * 1000, per_step(cell))),
                    Fold::Sum,
                )
            })],
        },
    ];
    panels.extend(causes(run).into_iter().map(|cause| {
        let failed = |second: &crate::RegionSecond| second.causes.of(cause);
        lines(title_of(cause), "per second", false, per_second(run, grid, &failed))
    }));
    if run.seconds.iter().any(|second| second.rejected > 0) {
        let rejected = per_second(run, grid, &|second| second.rejected);
        panels.push(lines("Operations rejected by condition", "per second", false, rejected));
    }
    panels
}

/// The title of the panel with the operations that failed for one cause.
const fn title_of(cause: FailureCause) -> &'static str {
    match cause {
        FailureCause::Throttled => "Operations throttled",
        FailureCause::Unavailable => "Operations refused by a region that is not available (503)",
        FailureCause::Timeout => "Operations without a connection or an answer in time",
        FailureCause::Refused => "Operations whose connection was refused",
        FailureCause::Reset => "Operations whose connection was reset",
        FailureCause::Unresolved => "Operations to a name without an address",
        FailureCause::NotSent => "Operations not sent, because no client was free",
        FailureCause::Error => "Operations answered with another error",
    }
}

/// The unit of divergence: live regions are compared by the digests of ranges.
pub(crate) fn divergent_things(run: &Run) -> &'static str {
    match run.player {
        Player::Sim => "keys",
        Player::Drill | Player::Containers => "ranges",
    }
}

fn divergence_title(run: &Run) -> &'static str {
    match run.player {
        Player::Sim => "Divergence: keys that are not the same everywhere",
        Player::Drill | Player::Containers => {
            "Divergence: ranges, of 256 in each table, that are not the same everywhere"
        }
    }
}

/// A series that belongs to no region.
fn alone(name: &str, values: Values) -> Series {
    Series {
        name: name.to_owned(),
        class: "all".to_owned(),
        values,
    }
}

/// For each region, the greatest value over the pairs in which it is the origin.
fn per_origin(run: &Run, values: impl Fn(&crate::Pair) -> Values) -> Vec<Series> {
    let series = run.regions.iter().enumerate().map(|(index, region)| Series {
        name: region.clone(),
        class: region_class(index),
        values: greatest(run.pairs.iter().filter(|pair| pair.from == *region).map(&values)),
    });
    series.collect()
}

/// A count of each region, per second.
fn per_second(run: &Run, grid: &Grid, count: &dyn Fn(&crate::RegionSecond) -> u64) -> Vec<Series> {
    let value = |second: &crate::RegionSecond| count(second) as f64 / grid.seconds_per_step();
    let series = run.regions.iter().enumerate().map(|(index, region)| {
        let seconds = run.seconds.iter().filter(|second| second.region == *region);
        Series {
            name: region.clone(),
            class: region_class(index),
            values: grid.fold(seconds.map(|second| (second.second * 1000, value(second))), Fold::Sum),
        }
    });
    series.collect()
}

/// Client latency of each region. A second without answers has none.
fn answered_only(run: &Run, grid: &Grid) -> Vec<Series> {
    let series = run.regions.iter().enumerate().map(|(index, region)| {
        let seconds = run.seconds.iter().filter(|second| second.region == *region);
        Series {
            name: region.clone(),
            class: region_class(index),
            values: grid.fold(
                seconds.filter_map(|second| Some((second.second * 1000, second.latency_ms_p99?))),
                Fold::Greatest,
            ),
        }
    });
    series.collect()
}

impl Panel {
    /// Draws the panel, with its title above it and its values beside it.
    pub(crate) fn draw(&self, place: Place, grid: &Grid) -> String {
        let unit = if self.log {
            format!("{}, log scale", self.unit)
        } else {
            self.unit.to_owned()
        };
        let mut out = heading((place.left, place.top - 8.0), &self.title, &unit);
        let measured = || {
            self.series
                .iter()
                .flat_map(|series| series.values.iter().flatten().copied())
        };
        let most = measured().fold(0.0, f64::max);
        if most == 0.0 {
            let text = if measured().next().is_some() {
                "none"
            } else {
                "nothing measured"
            };
            let y = f64::midpoint(place.top, place.bottom);
            out.push_str(&line("grid", (place.left, place.bottom), (place.right, place.bottom)));
            out.push_str(&label(place.left + 8.0, y + 4.0, "unit", "start", text));
            return out;
        }
        let axis = if self.log {
            let least = measured().filter(|value| *value > 0.0).fold(most, f64::min);
            Axis::logarithmic(least, most, (place.bottom, place.top))
        } else {
            Axis::linear(0.0, most * 1.05, (place.bottom, place.top))
        };
        for tick in axis.ticks(4.0) {
            let y = axis.at(tick);
            out.push_str(&line("grid", (place.left, y), (place.right, y)));
            out.push_str(&label(place.left - 8.0, y + 4.0, "tick", "end", &self.tick(tick)));
        }
        for series in &self.series {
            out.push_str(&self.draw_series(series, place, &axis, grid));
        }
        out
    }

    /// A value beside the axis; a time in a suitable unit.
    fn tick(&self, value: f64) -> String {
        if self.unit == "ms" {
            duration_ms(value)
        } else {
            short(value)
        }
    }

    /// The height of the panel: small where everything is zero, which one line says.
    pub(crate) fn height(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| series.values.iter().flatten());
        let empty = values.copied().fold(0.0, f64::max) == 0.0;
        if empty { 22.0 } else { 104.0 }
    }

    fn draw_series(&self, series: &Series, place: Place, axis: &Axis, grid: &Grid) -> String {
        let width = (place.right - place.left) / grid.steps as f64;
        let middle = |step: usize| place.left + (step as f64 + 0.5) * width;
        let class = &series.class;
        if self.shape == Shape::Bars {
            let bars = series.values.iter().enumerate().filter_map(|(step, value)| {
                let value = value.filter(|value| *value > 0.0)?;
                let (x, y) = (Px(middle(step) - width * 0.4), axis.at(value));
                Some(format!(
                    "M{x} {}V{}h{}V{}z",
                    Px(place.bottom),
                    Px(y),
                    Px(width * 0.8),
                    Px(place.bottom)
                ))
            });
            return format!("<path class=\"bars {class}\" d=\"{}\"/>", bars.collect::<String>());
        }
        let mut out = String::new();
        for run in unbroken(&series.values) {
            let points: Vec<(f64, f64)> = run
                .iter()
                .map(|(step, value)| (middle(*step), axis.at(*value)))
                .collect();
            let path: String = points.iter().map(|(x, y)| format!("L{} {}", Px(*x), Px(*y))).collect();
            let path = path.replacen('L', "M", 1);
            let ends = points.first().zip(points.last());
            if let ([(x, y)], Shape::Lines) = (points.as_slice(), self.shape) {
                // A line of one point would be invisible.
                let (from, to) = ((*x - width / 2.0, *y), (*x + width / 2.0, *y));
                out.push_str(&line(&format!("line {class}"), from, to));
            } else if let (Shape::Area, Some(((first, _), (last, _)))) = (self.shape, ends) {
                let (first, last, bottom) = (Px(*first), Px(*last), Px(place.bottom));
                out.push_str(&format!(
                    "<path class=\"area {class}\" d=\"{path}L{last} {bottom}L{first} {bottom}z\"/>"
                ));
                out.push_str(&format!("<path class=\"line {class}\" d=\"{path}\"/>"));
            } else {
                out.push_str(&format!("<path class=\"line {class}\" d=\"{path}\"/>"));
            }
        }
        out
    }
}

/// The stretches of a series in which every step has a value.
fn unbroken(values: &Values) -> Vec<Vec<(usize, f64)>> {
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut open = false;
    for (step, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) if open => run.push((step, *value)),
            (Some(value), _) => runs.push(vec![(step, *value)]),
            (None, _) => {}
        }
        open = value.is_some();
    }
    runs
}
