//! The report as one self-contained HTML page: the charts are drawn here, the script only adds a
//! pointer.

mod applications;
mod axis;
mod comparison;
mod convergence;
mod grid;
mod heat;
mod markup;
mod panels;
mod tables;
mod timeline;

pub(crate) use comparison::comparison_page;
use markup::Text;

use crate::{Player, Run, figures::headline};

const STYLE: &str = include_str!("../../assets/report.css");
const SCRIPT: &str = include_str!("../../assets/report.js");

/// The page of one run.
pub(crate) fn page(run: &Run) -> String {
    let mut body = header(run);
    body.push_str(&tables::cards(run));
    body.push_str(&section("Verdicts", "", &tables::verdicts(run)));
    body.push_str(&section("Timeline", "", &timeline::timeline(run)));
    if let Some(curves) = convergence::curves(run) {
        body.push_str(&section("Convergence", "", &curves));
    }
    body.push_str(&conflicts(run));
    body.push_str(&section(
        "Lag per pair",
        "From the commit in one region to visible in another, milliseconds. Excess is the lag without the link's own delay.",
        &format!("{}{}", heat::lag_matrix(run).unwrap_or_default(), tables::lag(run)),
    ));
    if !run.latencies.is_empty() {
        body.push_str(&section(
            "Client latency",
            "From when an operation was due to its answer, milliseconds, over the whole run.",
            &tables::latencies(run),
        ));
    }
    if !run.applications.is_empty() {
        let says = "Requests that the regions counted, apart from the drill's own.";
        body.push_str(&section("Applications", says, &applications::tables(run)));
    }
    body.push_str(&section(
        "Outcomes of writes",
        "Every acknowledged write, counted once.",
        &tables::writes(run),
    ));
    if !run.anomalies.is_empty() {
        let says = "From the recorded history of every operation.";
        body.push_str(&section("Anomalies", says, &tables::anomalies(run)));
    }
    if !run.notes.is_empty() {
        body.push_str(&section("Notes", "", &tables::list(&run.notes, "notes")));
    }
    if !run.violations.is_empty() {
        body.push_str(&section(
            "Broken promises",
            "",
            &tables::list(&run.violations, "violations"),
        ));
    }
    body.push_str(&footer(run));
    document(&format!("{}: Beringia {}", run.scenario, player(run)), &body)
}

/// The HTML document around a body.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>{body}</main>\n<div id=\"tip\" hidden></div>\n<script>\n{SCRIPT}</script></body></html>\n",
        Text(title)
    )
}

/// A section of the page with a heading.
fn section(title: &str, says: &str, content: &str) -> String {
    let says = if says.is_empty() {
        String::new()
    } else {
        format!("<p class=\"says\">{}</p>", Text(says))
    };
    format!("<section><h2>{}</h2>{says}{content}</section>\n", Text(title))
}

fn header(run: &Run) -> String {
    let (class, word) = if run.holds() {
        ("holds", "✓ passed")
    } else {
        ("fails", "✗ failed")
    };
    format!(
        "<header><div class=\"name\"><h1>{}</h1><span class=\"badge {class}\">{word}</span></div>\
         <p class=\"about\">{}</p><p class=\"facts\">{}</p></header>\n",
        Text(&run.scenario),
        Text(&run.about),
        Text(&headline(run))
    )
}

fn footer(run: &Run) -> String {
    let again = if run.replay.is_empty() {
        String::new()
    } else {
        format!("Again: <code>{}</code>", Text(&run.replay))
    };
    let identity = &run.identity;
    let fingerprint = match &identity.fingerprint {
        Some(fingerprint) => format!(
            "Fingerprint of the run: <code>{fingerprint}</code>. <code>beringia sim run --check report.json</code> \
             plays it again and compares."
        ),
        None => format!(
            "Fingerprint of the plan: <code>{}</code>. No seed repeats a drill's run.",
            identity.plan_fingerprint
        ),
    };
    format!(
        "<footer>{again}<p>{fingerprint}</p><p>Beringia {}. Numbers behind the figures: report.json and the CSV files beside this page.</p></footer>",
        env!("CARGO_PKG_VERSION")
    )
}

fn player(run: &Run) -> &'static str {
    match run.player {
        Player::Sim => "simulation",
        Player::Drill => "drill",
        Player::Containers => "drill in containers",
    }
}

fn conflicts(run: &Run) -> String {
    let Some(matrix) = heat::conflict_matrix(run) else {
        return section(
            "Conflicts",
            "",
            "<p class=\"says\">None: no two regions wrote an item concurrently.</p>",
        );
    };
    let over_time = heat::conflicts_over_time(run).unwrap_or_default();
    let says = "Concurrent writes to an item: whose write won, and whose lost.";
    section("Conflicts", says, &format!("{matrix}{over_time}"))
}
