//! The parts of the page that are text and tables.

use super::markup::{Px, Text, rectangle};
use crate::{
    Run,
    figures::{Figure, Tone, figures},
    format::{bytes, count, decimals, duration_ms},
};

/// The cards with the headline figures.
pub(crate) fn cards(run: &Run) -> String {
    let card = |figure: Figure| {
        let tone = match figure.tone {
            Tone::Plain => "",
            Tone::Bad => " bad",
        };
        format!(
            "<div class=\"card{tone}\"><div class=\"what\">{}</div><div class=\"value\">{}</div><div class=\"more\">{}</div></div>",
            Text(figure.name),
            Text(&figure.value),
            Text(&figure.more)
        )
    };
    let cards = figures(run).into_iter().map(card);
    format!("<div class=\"cards\">{}</div>\n", cards.collect::<String>())
}

/// The table of verdicts; failed expectations come first.
pub(crate) fn verdicts(run: &Run) -> String {
    if run.verdicts.is_empty() {
        return "<p class=\"says\">This run was not judged.</p>".to_owned();
    }
    let (failed, held): (Vec<_>, Vec<_>) = run.verdicts.iter().partition(|verdict| !verdict.holds);
    let rows = failed.into_iter().chain(held).map(|verdict| {
        let (class, mark) = if verdict.holds {
            ("holds", "✓ holds")
        } else {
            ("fails", "✗ fails")
        };
        format!(
            "<tr class=\"{class}\"><td class=\"mark\">{mark}</td><td>{}</td><td>{}</td></tr>",
            Text(&verdict.expected),
            Text(&verdict.measured)
        )
    });
    let head = "<tr><th></th><th>expected</th><th>measured</th></tr>";
    format!("<table class=\"verdicts\">{head}{}</table>", rows.collect::<String>())
}

/// Quantiles of client latency, by region.
pub(crate) fn latencies(run: &Run) -> String {
    let head = "<tr><th>clients in</th><th>answered</th><th>min</th><th>p50</th><th>p90</th><th>p95</th><th>p99</th>\
                <th>p99.9</th><th>max</th></tr>";
    let rows = run.latencies.iter().map(|latency| {
        let ms = &latency.latency_ms;
        let cells = ms.all().map(|ms| format!("<td>{}</td>", decimals(ms, 1)));
        format!(
            "<tr><td>{}</td><td>{}</td>{}</tr>",
            Text(&latency.region),
            count(ms.count),
            cells.concat()
        )
    });
    let table = format!("<table class=\"numbers\">{head}{}</table>", rows.collect::<String>());
    format!("<div class=\"wide\">{table}</div>")
}

/// Quantiles of every pair's lag.
pub(crate) fn lag(run: &Run) -> String {
    let head = "<tr><th>from</th><th>to</th><th>mutations</th><th>missing</th><th>min</th><th>p50</th><th>p90</th><th>p95</th><th>p99</th>\
                <th>p99.9</th><th>max</th><th>excess p50</th><th>excess p99</th><th>on the wire</th><th>per mutation</th></tr>";
    let rows = run.pairs.iter().map(|pair| {
        let lag = &pair.lag_ms;
        let per_mutation = if pair.mutations == 0 {
            "–".to_owned()
        } else {
            format!("{} B", decimals(pair.wire_bytes as f64 / pair.mutations as f64, 0))
        };
        let excess = [pair.excess_ms.p50, pair.excess_ms.p99];
        let cells = lag.all().into_iter().chain(excess).map(|ms| {
            let shown = if lag.count == 0 {
                "–".to_owned()
            } else {
                decimals(ms, 1)
            };
            format!("<td>{shown}</td>")
        });
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td>{}<td>{}</td><td>{per_mutation}</td></tr>",
            Text(&pair.from),
            Text(&pair.to),
            count(pair.mutations),
            count(pair.missing),
            cells.collect::<String>(),
            bytes(pair.wire_bytes)
        )
    });
    let table = format!("<table class=\"numbers\">{head}{}</table>", rows.collect::<String>());
    // Ten regions have ninety pairs.
    if run.pairs.len() > 20 {
        format!(
            "<details><summary>All {} pairs</summary><div class=\"wide\">{table}</div></details>",
            run.pairs.len()
        )
    } else {
        format!("<div class=\"wide\">{table}</div>")
    }
}

/// A bar of all acknowledged writes, and a table of its parts.
pub(crate) fn writes(run: &Run) -> String {
    let writes = &run.writes;
    let parts = [
        ("current", "current in every region at the end", writes.current),
        (
            "superseded",
            "superseded by a write that causally depends on it",
            writes.superseded,
        ),
        (
            "conflicted",
            "lost to a concurrent write (a conflict)",
            writes.lost_to_conflicts,
        ),
        ("disk", "lost with a disk", writes.lost_with_disk),
        (
            "unshipped",
            "unshipped when the region's replica was dropped",
            writes.unshipped,
        ),
        ("lost", "lost otherwise", writes.lost),
    ];
    let all = writes.acknowledged.max(1) as f64;
    let (mut x, mut bar) = (0.0, String::new());
    for (class, _, number) in parts {
        let width = number as f64 / all * 1000.0;
        if number > 0 {
            bar.push_str(&rectangle(
                &format!("part {class}"),
                (x, 0.0),
                ((width - 1.0).max(1.0), 22.0),
                "",
            ));
        }
        x += width;
    }
    let rows = parts.iter().map(|(class, what, number)| {
        let share = decimals(*number as f64 * 100.0 / all, 2);
        format!(
            "<tr><td><svg class=\"swatch\" viewBox=\"0 0 12 12\">{}</svg> {what}</td><td>{}</td><td>{share} %</td></tr>",
            rectangle(&format!("part {class}"), (0.0, 0.0), (12.0, 12.0), ""),
            count(*number)
        )
    });
    format!(
        "<svg viewBox=\"0 0 1000 {}\" class=\"bar\" role=\"img\" aria-label=\"Shares of the acknowledged writes\">{bar}</svg>\
         <table class=\"numbers fit\"><tr><th>{} acknowledged, of these</th><th>writes</th><th>share</th></tr>{}\
         <tr><td>without an answer (not among the acknowledged)</td><td>{}</td><td></td></tr></table>",
        Px(22.0),
        count(writes.acknowledged),
        rows.collect::<String>(),
        count(writes.unknown)
    )
}

/// The table of anomalies, with the worst case and an example of each.
pub(crate) fn anomalies(run: &Run) -> String {
    let rows = run.anomalies.iter().map(|anomaly| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            Text(&anomaly.name),
            count(anomaly.count),
            anomaly.worst_ms.map_or_else(|| "–".to_owned(), duration_ms),
            Text(anomaly.example.as_deref().unwrap_or(""))
        )
    });
    let head = "<tr><th>anomaly</th><th>times</th><th>worst</th><th class=\"words\">for example</th></tr>";
    format!(
        "<div class=\"wide\"><table class=\"numbers fit\">{head}{}</table></div>",
        rows.collect::<String>()
    )
}

/// A list of sentences.
pub(crate) fn list(sentences: &[String], class: &str) -> String {
    let entries = sentences.iter().map(|sentence| format!("<li>{}</li>", Text(sentence)));
    format!("<ul class=\"{class}\">{}</ul>", entries.collect::<String>())
}
