//! The timeline of a run: faults, availability, and every measure over the same time.

use serde::Serialize;

use super::{
    applications,
    axis::{Axis, clock},
    grid::{Fold, Grid},
    markup::{Px, Text, heading, label, line, picture, rectangle, region_class, width_of},
    panels::{Panel, Place, Series, panels},
};
use crate::{FaultKind, FaultSpan, Run, format::percent};

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = WIDTH - 64.0;
/// The most rows of faults; the rest are counted below.
const FAULT_ROWS_MAX: usize = 14;
const FAULT_ROW: f64 = 19.0;
const STRIP_ROW: f64 = 16.0;
/// The gap between panels, with room for a title.
const GAP: f64 = 38.0;

/// The data of the pointer, as the page's script reads it.
#[derive(Serialize)]
struct Hover<'a> {
    left: f64,
    right: f64,
    step_ms: u64,
    steps: usize,
    panels: Vec<HoverPanel<'a>>,
    faults: &'a [FaultSpan],
}

#[derive(Serialize)]
struct HoverPanel<'a> {
    title: &'a str,
    unit: &'a str,
    series: &'a [Series],
}

/// The chart and the data for its pointer.
pub(crate) fn timeline(run: &Run) -> String {
    let grid = Grid::of(run);
    let time = Axis::linear(0.0, grid.end_ms(), (LEFT, RIGHT));
    let mut panels = panels(run, &grid);
    panels.extend(applications::panels(run, &grid));

    let mut content = String::new();
    let mut y = 26.0;
    content.push_str(&label(LEFT, y - 8.0, "title", "start", "Faults and changes"));
    let (faults, faults_bottom) = draw_faults(run, &time, y);
    content.push_str(&faults);
    y = faults_bottom + GAP - 6.0;
    let says = "share of operations due that were answered within the objective; pale: all, strong: almost none";
    content.push_str(&heading((LEFT, y - 8.0), "Availability", says));
    let shades_top = y;
    content.push_str(&draw_availability(run, &grid, y));
    y += STRIP_ROW * run.regions.len() as f64 + GAP;

    let mut drawn = String::new();
    for panel in &panels {
        let bottom = y + panel.height();
        let place = Place {
            left: LEFT,
            right: RIGHT,
            top: y,
            bottom,
        };
        drawn.push_str(&panel.draw(place, &grid));
        y = bottom + GAP;
    }
    let bottom = y - GAP + 4.0;
    content.push_str(&draw_shades(run, &time, shades_top, bottom));
    content.push_str(&drawn);
    content.push_str(&draw_time(run, &time, grid.end_ms(), bottom));
    content.push_str("<line id=\"pointer\" class=\"pointer\" y1=\"18\" y2=\"0\" visibility=\"hidden\"/>");
    let described =
        "Faults, availability, lag, backlog, divergence, throughput, errors, latency and conflicts over time";
    let svg = picture(WIDTH, bottom + 34.0, "timeline", described, &content);
    format!("{}{svg}{}", legend(run), hover_data(run, &grid, &panels))
}

/// The legend of the regions' colours.
fn legend(run: &Run) -> String {
    let entries = run.regions.iter().enumerate().map(|(index, region)| {
        format!(
            "<span><svg viewBox=\"0 0 22 8\"><line class=\"line {}\" x1=\"0\" y1=\"4\" x2=\"22\" y2=\"4\"/></svg>{}</span>",
            region_class(index),
            Text(region)
        )
    });
    format!("<div class=\"legend\">{}</div>", entries.collect::<String>())
}

fn kind_class(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Partition => "partition",
        FaultKind::Network => "network",
        FaultKind::Region => "region",
        FaultKind::Disk => "disk",
        FaultKind::Clock => "clock",
        FaultKind::Operation => "operation",
        FaultKind::Traffic => "traffic",
    }
}

/// A bar for each fault with its label in or beside it, in as few rows as possible; and the bottom
/// of the rows.
fn draw_faults(run: &Run, time: &Axis, top: f64) -> (String, f64) {
    let mut rows_end: Vec<f64> = Vec::new();
    let mut out = String::new();
    let mut hidden = 0;
    for fault in &run.faults {
        let from = time.at(fault.from_ms as f64);
        let until = fault.until_ms.map_or(RIGHT, |until| time.at(until as f64));
        let until = until.max(from + 3.0);
        let text = width_of(&fault.label);
        let inside = text + 8.0 <= until - from;
        let beside = !inside && until + 5.0 + text <= RIGHT;
        let begins = if inside || beside { from } else { from - 4.0 - text };
        let ends = if beside { until + 5.0 + text } else { until };
        let row = rows_end
            .iter()
            .position(|end| *end + 6.0 <= begins)
            .unwrap_or(rows_end.len());
        if row >= FAULT_ROWS_MAX {
            hidden += 1;
            continue;
        }
        if row == rows_end.len() {
            rows_end.push(0.0);
        }
        if let Some(end) = rows_end.get_mut(row) {
            *end = ends;
        }
        let y = top + row as f64 * FAULT_ROW;
        let class = format!("fault {}", kind_class(fault.kind));
        let title = format!("<title>{}</title>", Text(&fault.label));
        let rounded = rectangle(&class, (from, y), (until - from, FAULT_ROW - 4.0), "rx=\"3\"");
        out.push_str(&format!("<g>{title}{rounded}</g>"));
        let (x, class, anchor) = match (inside, beside) {
            (true, _) => (from + 5.0, "event within", "start"),
            (_, true) => (until + 5.0, "event", "start"),
            // Neither inside nor after the bar: before it, over anything drawn there.
            _ => (from - 4.0, "event", "end"),
        };
        out.push_str(&label(x, y + 11.5, class, anchor, &fault.label));
    }
    if run.faults.is_empty() {
        out.push_str(&label(LEFT + 8.0, top + 12.0, "unit", "start", "none"));
    }
    let mut bottom = top + rows_end.len().max(1) as f64 * FAULT_ROW;
    if hidden > 0 {
        let more = format!("and {hidden} more, in faults.csv");
        out.push_str(&label(LEFT, bottom + 12.0, "unit", "start", &more));
        bottom += FAULT_ROW;
    }
    (out, bottom)
}

/// A row for each region with a cell for each step in which operations were due: the stronger the
/// colour, the fewer were answered within the objective.
fn draw_availability(run: &Run, grid: &Grid, top: f64) -> String {
    let width = (RIGHT - LEFT) / grid.steps as f64;
    let mut out = String::new();
    for (index, region) in run.regions.iter().enumerate() {
        let y = top + index as f64 * STRIP_ROW;
        out.push_str(&label(LEFT - 8.0, y + 10.5, "tick", "end", region));
        let of = |count: fn(&crate::RegionSecond) -> u64| {
            let seconds = run.seconds.iter().filter(|second| second.region == *region);
            grid.fold(
                seconds.map(|second| (second.second * 1000, count(second) as f64)),
                Fold::Sum,
            )
        };
        let shares = of(|second| second.due).into_iter().zip(of(|second| second.within));
        let shares: Vec<Option<f64>> = shares
            .map(|(due, within)| due.filter(|due| *due > 0.0).map(|due| within.unwrap_or(0.0) / due))
            .collect();
        let mut step = 0;
        // Adjacent cells of one shade are drawn as one shape.
        for alike in shares.chunk_by(|one, other| shade(*one) == shade(*other)) {
            if let Some(Some(share)) = alike.first() {
                let x = LEFT + step as f64 * width;
                let size = (alike.len() as f64 * width, STRIP_ROW - 4.0);
                let share = shade(Some(*share)).unwrap_or(0);
                out.push_str(&rectangle(&format!("share s{share}"), (x, y), size, ""));
            }
            step += alike.len();
        }
        let text = run.availability(region).map_or_else(|| "–".to_owned(), percent);
        out.push_str(&label(RIGHT + 8.0, y + 10.5, "tick", "start", &text));
    }
    out
}

/// The shade of a share, 0 to 4: 4 for all, 0 for almost none.
fn shade(share: Option<f64>) -> Option<u8> {
    share.map(|share| match share {
        share if share >= 0.9999 => 4,
        share if share >= 0.99 => 3,
        share if share >= 0.9 => 2,
        share if share >= 0.5 => 1,
        _ => 0,
    })
}

/// The duration of each fault, shaded behind everything below.
fn draw_shades(run: &Run, time: &Axis, top: f64, bottom: f64) -> String {
    let faults = run.faults.iter().filter(|fault| fault.kind.is_fault());
    let shades = faults.map(|fault| {
        let from = time.at(fault.from_ms as f64);
        let until = fault.until_ms.map_or(RIGHT, |until| time.at(until as f64));
        let size = ((until - from).max(1.0), bottom - top);
        rectangle(&format!("shade {}", kind_class(fault.kind)), (from, top), size, "")
    });
    shades.collect()
}

/// The axis of time at the bottom, and a line where the load ends.
fn draw_time(run: &Run, time: &Axis, end_ms: f64, bottom: f64) -> String {
    let mut out = line("axis", (LEFT, bottom), (RIGHT, bottom));
    for tick in time.time_ticks(10.0) {
        let x = time.at(tick);
        out.push_str(&line("axis", (x, bottom), (x, bottom + 4.0)));
        out.push_str(&label(x, bottom + 17.0, "tick", "middle", &clock(tick, end_ms)));
    }
    if run.total_ms > run.load_ms {
        let x = time.at(run.load_ms as f64);
        out.push_str(&line("end", (x, 30.0), (x, bottom)));
        out.push_str(&label(x, bottom + 30.0, "unit", "middle", "end of the load"));
    }
    out.push_str(&format!(
        "<rect id=\"field\" x=\"{}\" y=\"0\" width=\"{}\" height=\"{}\" fill=\"none\" pointer-events=\"all\"/>",
        Px(LEFT),
        Px(RIGHT - LEFT),
        Px(bottom)
    ));
    out
}

/// The values under the pointer, for the script. JSON in a page must not end the element that
/// contains it.
fn hover_data(run: &Run, grid: &Grid, panels: &[Panel]) -> String {
    let data = Hover {
        left: LEFT,
        right: RIGHT,
        step_ms: grid.step_ms,
        steps: grid.steps,
        panels: panels
            .iter()
            .map(|panel| HoverPanel {
                title: &panel.title,
                unit: panel.unit,
                series: &panel.series,
            })
            .collect(),
        faults: &run.faults,
    };
    // Cannot fail: the data has only strings, numbers and lists. Without it the page only has no
    // pointer.
    let json = serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"timeline-data\">{json}</script>")
}
