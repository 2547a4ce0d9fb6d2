//! The curve along which regions converged, against the lower bound.

use super::{
    axis::{Axis, short},
    markup::{Px, Text, label, line, picture},
    panels::divergent_things,
};
use crate::{
    Convergence, Run,
    format::{decimals, duration_ms},
};

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 226.0;
/// The most convergences that are drawn: the slowest, those that are judged first.
const CURVES_MAX: usize = 6;

/// The keys that still differ, from when regions had to converge; `None` where nothing had to
/// converge, or divergence was not watched.
pub(crate) fn curves(run: &Run) -> Option<String> {
    let mut slowest: Vec<&Convergence> = run.convergences.iter().collect();
    slowest.sort_by_key(|one| {
        (
            one.disturbed_after_ms.is_some() && !one.is_late,
            std::cmp::Reverse(one.elapsed_ms.unwrap_or(u64::MAX)),
        )
    });
    slowest.truncate(CURVES_MAX);
    slowest.sort_by_key(|one| one.from_ms);
    let lasted = |one: &Convergence| {
        one.elapsed_ms
            .unwrap_or_else(|| run.total_ms.saturating_sub(one.from_ms)) as f64
    };
    let longest = slowest
        .iter()
        .map(|one| lasted(one).max(one.bound_ms))
        .reduce(f64::max)?;
    let curves: Vec<Vec<(f64, f64)>> = slowest.iter().map(|one| curve(run, one, lasted(one))).collect();
    let most = curves.iter().flatten().map(|(_, keys)| *keys).fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let time = Axis::linear(0.0, longest.max(1.0) * 1.04, (LEFT, RIGHT));
    let keys = Axis::linear(0.0, most * 1.05, (BOTTOM, TOP));
    let title = format!(
        "How many {} differ, since regions could converge",
        divergent_things(run)
    );
    let mut out = label(LEFT, TOP - 12.0, "title", "start", &title);
    for tick in keys.ticks(4.0) {
        let y = keys.at(tick);
        out.push_str(&line("grid", (LEFT, y), (RIGHT, y)));
        out.push_str(&label(LEFT - 8.0, y + 4.0, "tick", "end", &short(tick)));
    }
    for tick in time.time_ticks(8.0) {
        let x = time.at(tick);
        out.push_str(&line("axis", (x, BOTTOM), (x, BOTTOM + 4.0)));
        out.push_str(&label(x, BOTTOM + 17.0, "tick", "middle", &duration_ms(tick)));
    }
    out.push_str(&line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM)));
    for (index, (one, points)) in slowest.iter().zip(&curves).enumerate() {
        out.push_str(&draw(index, one, points, &time, &keys));
    }
    let svg = picture(
        WIDTH,
        BOTTOM + 26.0,
        "convergence",
        "Divergence over the time since the heal",
        &out,
    );
    Some(format!("{}{svg}", legend(&slowest)))
}

/// The divergence during a convergence, as steps.
fn curve(run: &Run, one: &Convergence, lasted: f64) -> Vec<(f64, f64)> {
    let before = run
        .divergence
        .iter()
        .take_while(|point| point.at_ms <= one.from_ms)
        .last();
    let begin = before.map(|point| (0.0, point.keys as f64));
    let within = run
        .divergence
        .iter()
        .map(|point| (point.at_ms as f64 - one.from_ms as f64, point.keys as f64));
    let within = within.filter(|(at, _)| *at > 0.0 && *at <= lasted);
    let end = one.elapsed_ms.map(|elapsed| (elapsed as f64, 0.0));
    begin.into_iter().chain(within).chain(end).collect()
}

fn draw(index: usize, one: &Convergence, points: &[(f64, f64)], time: &Axis, keys: &Axis) -> String {
    let class = format!("r{}", index % 6);
    let mut path = String::new();
    for (step, (at, differ)) in points.iter().enumerate() {
        let (x, y) = (Px(time.at(*at)), Px(keys.at(*differ)));
        path.push_str(&if step == 0 {
            format!("M{x} {y}")
        } else {
            format!("H{x}V{y}")
        });
    }
    let mut out = format!("<path class=\"line {class}\" d=\"{path}\"/>");
    if let Some((at, differ)) = points.last() {
        let (x, y) = (Px(time.at(*at)), Px(keys.at(*differ)));
        out.push_str(&format!(
            "<circle class=\"dot {class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>"
        ));
    }
    if one.bound_ms > 0.0 {
        let x = time.at(one.bound_ms);
        out.push_str(&line(&format!("line bound {class}"), (x, TOP), (x, BOTTOM)));
    }
    out
}

fn legend(shown: &[&Convergence]) -> String {
    let entries = shown.iter().enumerate().map(|(index, one)| {
        let took = match (one.elapsed_ms, one.ratio()) {
            (None, _) => "not before the run ended".to_owned(),
            (Some(elapsed), None) => duration_ms(elapsed as f64),
            (Some(elapsed), Some(ratio)) => format!(
                "{}, {} times the lower bound of {} (broken line)",
                duration_ms(elapsed as f64),
                decimals(ratio, 2),
                duration_ms(one.bound_ms)
            ),
        };
        let took = match one.disturbed_after_ms {
            Some(after_ms) => format!(
                "{took}; something else kept regions apart from {} on",
                duration_ms(after_ms as f64)
            ),
            None => took,
        };
        format!(
            "<span><svg viewBox=\"0 0 22 8\"><line class=\"line r{}\" x1=\"0\" y1=\"4\" x2=\"22\" y2=\"4\"/></svg>after {} at {}: {}</span>",
            index % 6,
            Text(&one.after),
            Text(&duration_ms(one.from_ms as f64)),
            Text(&took)
        )
    });
    format!("<div class=\"legend\">{}</div>", entries.collect::<String>())
}
