//! Heat maps: conflicts by winner and loser, by pair and time, and lag by pair.

use super::{
    axis::{Axis, clock},
    grid::{Fold, Grid},
    markup::{label, line, picture, rectangle, width_of},
};
use crate::{
    Run,
    format::{count, duration_ms},
};

/// The most pairs that the map over time shows: those with the most conflicts.
const PAIRS_MAX: usize = 16;
const CELL_HEIGHT: f64 = 34.0;

/// A cell of a matrix.
struct Cell {
    text: String,
    title: String,
    /// The intensity of the colour, 0 to 1.
    heat: f64,
}

/// Conflicts by winner and loser; `None` where there were none.
pub(crate) fn conflict_matrix(run: &Run) -> Option<String> {
    let of_pair = |winner: &str, loser: &str| {
        let cells = run
            .conflicts
            .iter()
            .filter(|cell| cell.winner == winner && cell.loser == loser);
        cells.map(|cell| cell.count).sum::<u64>()
    };
    let pairs = run
        .regions
        .iter()
        .flat_map(|winner| run.regions.iter().map(move |loser| (winner, loser)));
    let most = pairs
        .map(|(winner, loser)| of_pair(winner, loser))
        .max()
        .filter(|most| *most > 0)?;
    Some(matrix(run, "conflict-matrix", ("winner", "loser"), |winner, loser| {
        let conflicts = of_pair(winner, loser);
        Some(Cell {
            text: count(conflicts),
            title: format!("{winner} won {} conflicts against {loser}", count(conflicts)),
            heat: conflicts as f64 / most as f64,
        })
    }))
}

/// The 99th percentile of lag by pair; `None` where nothing was replicated.
pub(crate) fn lag_matrix(run: &Run) -> Option<String> {
    let busy = || run.pairs.iter().filter(|pair| pair.lag_ms.count > 0);
    let most = busy().map(|pair| pair.lag_ms.p99).fold(0.0, f64::max);
    busy().next()?;
    Some(matrix(run, "lag-matrix", ("written in", "visible in"), |from, to| {
        let pair = busy().find(|pair| pair.from == from && pair.to == to)?;
        Some(Cell {
            text: whole_ms(pair.lag_ms.p99),
            title: format!(
                "{from} → {to}: p99 {}, greatest {}",
                duration_ms(pair.lag_ms.p99),
                duration_ms(pair.lag_ms.max)
            ),
            heat: pair.lag_ms.p99 / most.max(f64::MIN_POSITIVE),
        })
    }))
}

/// Milliseconds for a narrow cell, which has no room for tenths.
fn whole_ms(ms: f64) -> String {
    duration_ms(if ms > 10.0 { ms.round() } else { ms })
}

/// A matrix of regions by regions. `axes` names rows and columns.
fn matrix(run: &Run, id: &str, axes: (&str, &str), cell: impl Fn(&str, &str) -> Option<Cell>) -> String {
    let names = run.regions.iter().map(|region| width_of(region)).fold(60.0, f64::max);
    let (left, top) = (names + 14.0, 44.0);
    let cell_width = if run.regions.len() > 5 { 58.0 } else { names.max(92.0) };
    let mut out = label(left, 12.0, "unit", "start", &format!("{} →", axes.1));
    out.push_str(&label(left - 8.0, top - 10.0, "unit", "end", &format!("{} ↓", axes.0)));
    for (column, region) in run.regions.iter().enumerate() {
        let x = left + (column as f64 + 0.5) * cell_width;
        let shown = if run.regions.len() > 5 {
            short_name(region)
        } else {
            region.clone()
        };
        out.push_str(&label(x, top - 10.0, "tick", "middle", &shown));
    }
    for (row, from) in run.regions.iter().enumerate() {
        let y = top + row as f64 * CELL_HEIGHT;
        out.push_str(&label(left - 8.0, y + CELL_HEIGHT / 2.0 + 4.0, "tick", "end", from));
        for (column, to) in run.regions.iter().enumerate() {
            let x = left + column as f64 * cell_width;
            let size = (cell_width - 2.0, CELL_HEIGHT - 2.0);
            let Some(cell) = (from != to).then(|| cell(from, to)).flatten() else {
                out.push_str(&rectangle("void", (x, y), size, "rx=\"2\""));
                continue;
            };
            out.push_str(&heated((x, y), size, &cell));
        }
    }
    let (width, height) = (
        left + run.regions.len() as f64 * cell_width,
        top + run.regions.len() as f64 * CELL_HEIGHT,
    );
    let svg = picture(width, height, id, &format!("{} by {}", axes.0, axes.1), &out);
    format!("<div class=\"matrix\" style=\"max-width:{width:.0}px\">{svg}</div>")
}

fn heated((x, y): (f64, f64), (width, height): (f64, f64), cell: &Cell) -> String {
    // The square root makes small values distinguishable from none.
    let opacity = cell.heat.clamp(0.0, 1.0).sqrt();
    let title = super::markup::Text(&cell.title);
    let fill = rectangle(
        "heat",
        (x, y),
        (width, height),
        &format!("rx=\"2\" fill-opacity=\"{opacity:.3}\""),
    );
    let class = if opacity > 0.55 { "on-heat" } else { "cell" };
    let text = label(x + width / 2.0, y + height / 2.0 + 4.0, class, "middle", &cell.text);
    let under = rectangle("under", (x, y), (width, height), "rx=\"2\"");
    format!("<g><title>{title}</title>{under}{fill}{text}</g>")
}

/// `ap-southeast-2` as `apse2`, for narrow columns.
fn short_name(region: &str) -> String {
    let parts: Vec<&str> = region.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return region.to_owned();
    };
    if middle.is_empty() {
        return region.chars().take(8).collect();
    }
    let points = middle.iter().map(|part| match *part {
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        other => other.get(..1).unwrap_or(other),
    });
    format!("{first}{}{last}", points.collect::<String>())
}

/// Conflicts of each pair over time; `None` where there were none.
pub(crate) fn conflicts_over_time(run: &Run) -> Option<String> {
    let grid = Grid::of(run);
    let mut pairs: Vec<(&str, &str, u64)> = Vec::new();
    for cell in &run.conflicts {
        let known = pairs
            .iter_mut()
            .find(|(winner, loser, _)| *winner == cell.winner && *loser == cell.loser);
        match known {
            Some((_, _, total)) => *total += cell.count,
            None => pairs.push((&cell.winner, &cell.loser, cell.count)),
        }
    }
    pairs.retain(|(_, _, total)| *total > 0);
    pairs.sort_by_key(|(_, _, total)| std::cmp::Reverse(*total));
    pairs.truncate(PAIRS_MAX);
    let names: Vec<String> = pairs
        .iter()
        .map(|(winner, loser, _)| format!("{winner} over {loser}"))
        .collect();
    let left = names.iter().map(|name| width_of(name)).reduce(f64::max)? + 14.0;
    let (right, row) = (1080.0 - 56.0, 20.0);
    let width = (right - left) / grid.steps as f64;
    let series: Vec<_> = pairs
        .iter()
        .map(|(winner, loser, _)| {
            let cells = run
                .conflicts
                .iter()
                .filter(|cell| cell.winner == *winner && cell.loser == *loser);
            grid.fold(cells.map(|cell| (cell.second * 1000, cell.count as f64)), Fold::Sum)
        })
        .collect();
    let most = series.iter().flatten().flatten().copied().fold(0.0, f64::max);
    let mut out = String::new();
    for (index, (name, values)) in names.iter().zip(&series).enumerate() {
        let y = 6.0 + index as f64 * row;
        out.push_str(&label(left - 8.0, y + 12.5, "tick", "end", name));
        out.push_str(&rectangle("under", (left, y), (right - left, row - 3.0), ""));
        for (step, value) in values.iter().enumerate() {
            let Some(value) = value.filter(|value| *value > 0.0) else {
                continue;
            };
            let more = format!("fill-opacity=\"{:.3}\"", (value / most).sqrt());
            let x = left + step as f64 * width;
            out.push_str(&rectangle("heat", (x, y), (width, row - 3.0), &more));
        }
        let total = pairs.get(index).map_or(0, |pair| pair.2);
        out.push_str(&label(right + 8.0, y + 12.5, "tick", "start", &count(total)));
    }
    let bottom = 6.0 + names.len() as f64 * row + 2.0;
    let time = Axis::linear(0.0, grid.end_ms(), (left, right));
    out.push_str(&line("axis", (left, bottom), (right, bottom)));
    for tick in time.time_ticks(10.0) {
        let x = time.at(tick);
        out.push_str(&label(x, bottom + 15.0, "tick", "middle", &clock(tick, grid.end_ms())));
    }
    Some(picture(
        1080.0,
        bottom + 22.0,
        "conflict-time",
        "Conflicts by pair of regions over time",
        &out,
    ))
}
