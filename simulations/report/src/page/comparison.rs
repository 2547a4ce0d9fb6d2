//! The page of a sweep: each measure against the settings that vary.

use super::{
    axis::{Axis, short},
    document,
    markup::{Px, Text, heading, label, line, picture},
    section,
};
use crate::{
    Comparison,
    comparison::{MEASURES, Measure, Spread, spread},
    format::{count, duration_ms},
};

const WIDTH: f64 = 540.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 208.0;

/// The setting along the horizontal axis, and the combinations of the other settings, a line each.
struct Layout<'a> {
    /// The index of the setting along the axis.
    across: usize,
    /// The values of that setting in order.
    positions: Vec<&'a str>,
    /// Whether the values are numbers, so that points can be joined by lines.
    numbers: bool,
    /// The values of the other settings, one entry for each line.
    lines: Vec<Vec<&'a str>>,
}

/// The page of a comparison.
pub(crate) fn comparison_page(comparison: &Comparison) -> String {
    let layout = Layout::of(comparison);
    let charts = MEASURES
        .iter()
        .map(|measure| format!("<div>{}</div>", chart(comparison, &layout, measure)));
    let charts = format!(
        "{}<div class=\"charts\">{}</div>",
        layout.legend(comparison),
        charts.collect::<String>()
    );
    let failed = comparison.runs.iter().filter(|run| !run.holds).count();
    let (class, word) = if failed == 0 {
        ("holds", "✓ all passed".to_owned())
    } else {
        (
            "fails",
            format!(
                "✗ {} of {} failed",
                count(failed as u64),
                count(comparison.runs.len() as u64)
            ),
        )
    };
    let header = format!(
        "<header><div class=\"name\"><h1>{}: {}</h1><span class=\"badge {class}\">{word}</span></div>\
         <p class=\"facts\">{} runs of {} points. Dots are means of the runs that ended; a bar through a dot goes from the least to the greatest run, \
         and to the upper edge if one did not end.</p></header>",
        Text(&comparison.scenario),
        Text(&comparison.varied.join(" × ")),
        count(comparison.runs.len() as u64),
        count(comparison.points().len() as u64)
    );
    let over_seeds = "Half of the runs, and nine of ten, are no worse; the worst run has this seed.";
    let body = format!(
        "{header}{}{}{}",
        section("Distributions over all runs", over_seeds, &distributions(comparison)),
        section("Charts", "", &charts),
        section("Numbers", "", &numbers(comparison))
    );
    document(&format!("{}: Beringia sweep", comparison.scenario), &body)
}

impl<'a> Layout<'a> {
    /// The axis has the first setting whose values are numbers; without one, the first setting.
    fn of(comparison: &'a Comparison) -> Self {
        let values_of = |setting: usize| {
            let mut values: Vec<&str> = Vec::new();
            for value in comparison.runs.iter().filter_map(|run| run.values.get(setting)) {
                if !values.contains(&value.as_str()) {
                    values.push(value);
                }
            }
            values
        };
        let all_numbers = |setting: &usize| values_of(*setting).iter().all(|value| value.parse::<f64>().is_ok());
        let numeric = (0..comparison.varied.len()).find(all_numbers);
        let across = numeric.unwrap_or(0);
        let mut lines: Vec<Vec<&str>> = Vec::new();
        for (values, _) in comparison.points() {
            let others = others(values, across);
            if !lines.contains(&others) {
                lines.push(others);
            }
        }
        Self {
            across,
            positions: values_of(across),
            numbers: numeric.is_some(),
            lines,
        }
    }

    /// The horizontal middle of a position.
    fn x(&self, position: usize) -> f64 {
        LEFT + (position as f64 + 0.5) * (RIGHT - LEFT) / self.positions.len().max(1) as f64
    }

    fn legend(&self, comparison: &Comparison) -> String {
        let names: Vec<&str> = comparison
            .varied
            .iter()
            .enumerate()
            .filter(|(setting, _)| *setting != self.across)
            .map(|(_, name)| name.as_str())
            .collect();
        if names.is_empty() {
            return String::new();
        }
        let entries = self.lines.iter().enumerate().map(|(index, values)| {
            let named = names.iter().zip(values).map(|(name, value)| format!("{name} {value}"));
            format!(
                "<span><svg viewBox=\"0 0 22 8\"><line class=\"line {}\" x1=\"0\" y1=\"4\" x2=\"22\" y2=\"4\"/></svg>{}</span>",
                super::markup::region_class(index),
                Text(&named.collect::<Vec<_>>().join(", "))
            )
        });
        format!("<div class=\"legend\">{}</div>", entries.collect::<String>())
    }
}

fn others(values: &[String], across: usize) -> Vec<&str> {
    let others = values.iter().enumerate().filter(|(setting, _)| *setting != across);
    others.map(|(_, value)| value.as_str()).collect()
}

fn chart(comparison: &Comparison, layout: &Layout<'_>, measure: &Measure) -> String {
    let points = comparison.points();
    let spreads: Vec<Vec<Option<Spread>>> = layout
        .lines
        .iter()
        .map(|of_line| {
            let at = |position: &&str| {
                let point = points.iter().find(|(values, _)| {
                    others(values, layout.across) == *of_line
                        && values.get(layout.across).is_some_and(|value| value == position)
                })?;
                spread(&point.1, measure.of)
            };
            layout.positions.iter().map(at).collect()
        })
        .collect();
    let most = spreads
        .iter()
        .flatten()
        .flatten()
        .flat_map(|spread| [spread.mean, spread.greatest])
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let mut out = heading((LEFT, TOP - 12.0), measure.title, measure.unit);
    let axis = Axis::linear(0.0, if most > 0.0 { most * 1.08 } else { 1.0 }, (BOTTOM, TOP));
    for tick in axis.ticks(4.0) {
        let y = axis.at(tick);
        let text = if measure.unit == "ms" {
            duration_ms(tick)
        } else {
            short(tick)
        };
        out.push_str(&line("grid", (LEFT, y), (RIGHT, y)));
        out.push_str(&label(LEFT - 8.0, y + 4.0, "tick", "end", &text));
    }
    out.push_str(&line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM)));
    for (position, value) in layout.positions.iter().enumerate() {
        out.push_str(&label(layout.x(position), BOTTOM + 16.0, "tick", "middle", value));
    }
    let across = comparison.varied.get(layout.across).map_or("", String::as_str);
    out.push_str(&label(
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 32.0,
        "unit",
        "middle",
        across,
    ));
    for (index, spreads) in spreads.iter().enumerate() {
        out.push_str(&draw(index, spreads, layout, &axis, measure));
    }
    let described = format!("{} ({}) against {across}", measure.title, measure.unit);
    picture(WIDTH, BOTTOM + 40.0, &measure.title.replace(' ', "-"), &described, &out)
}

fn draw(index: usize, spreads: &[Option<Spread>], layout: &Layout<'_>, axis: &Axis, measure: &Measure) -> String {
    let class = super::markup::region_class(index);
    // Shifted sideways, so that equal points do not hide each other.
    let offset = (index as f64 - (layout.lines.len() as f64 - 1.0) / 2.0) * 7.0;
    let points = spreads
        .iter()
        .enumerate()
        .filter_map(|(position, spread)| Some((layout.x(position) + offset, (*spread)?)));
    let points: Vec<(f64, Spread)> = points.collect();
    let mut out = String::new();
    if layout.numbers {
        let path: String = points
            .iter()
            .filter(|(_, spread)| spread.mean.is_finite())
            .map(|(x, spread)| format!("L{} {}", Px(*x), Px(axis.at(spread.mean))))
            .collect();
        out.push_str(&format!(
            "<path class=\"line {class}\" d=\"{}\"/>",
            path.replacen('L', "M", 1)
        ));
    }
    for (x, spread) in points {
        if spread.mean.is_infinite() {
            out.push_str(&label(x, TOP + 4.0, "tick", "middle", "never"));
            continue;
        }
        let (low, high) = (axis.at(spread.least), axis.at(spread.greatest));
        out.push_str(&line(&format!("line {class}"), (x, low), (x, high)));
        let (x, y) = (Px(x), Px(axis.at(spread.mean)));
        let title = spread.format(measure.unit);
        out.push_str(&format!(
            "<circle class=\"dot {class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"><title>{}</title></circle>",
            Text(&title)
        ));
    }
    out
}

/// The table of distributions, a line for each measure.
fn distributions(comparison: &Comparison) -> String {
    let rows = comparison.distributions().into_iter().map(|distribution| {
        let cells = distribution.cells();
        let cells = cells.iter().map(|cell| format!("<td>{}</td>", Text(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    });
    format!(
        "<div class=\"wide\"><table class=\"numbers\"><tr><th>measure</th><th>unit</th><th>p50</th><th>p90</th>\
         <th>worst</th><th>seed</th></tr>{}</table></div>",
        rows.collect::<String>()
    )
}

/// The table of numbers, a line for each point.
fn numbers(comparison: &Comparison) -> String {
    let varied = comparison.varied.iter().map(|name| format!("<th>{}</th>", Text(name)));
    let measures = MEASURES
        .iter()
        .map(|measure| format!("<th>{}, {}</th>", measure.title, measure.unit));
    let head = format!(
        "{}<th>runs</th><th>failed</th>{}",
        varied.collect::<String>(),
        measures.collect::<String>()
    );
    let rows = comparison.points().into_iter().map(|(values, runs)| {
        let values = values.iter().map(|value| format!("<td>{}</td>", Text(value)));
        let failed = runs.iter().filter(|run| !run.holds).count();
        let cells = MEASURES.iter().map(|measure| {
            let spread = spread(&runs, measure.of);
            format!(
                "<td>{}</td>",
                spread.map_or_else(|| "–".to_owned(), |spread| spread.format(measure.unit))
            )
        });
        format!(
            "<tr>{}<td>{}</td><td>{failed}</td>{}</tr>",
            values.collect::<String>(),
            runs.len(),
            cells.collect::<String>()
        )
    });
    format!(
        "<div class=\"wide\"><table class=\"numbers\"><tr>{head}</tr>{}</table></div>",
        rows.collect::<String>()
    )
}
