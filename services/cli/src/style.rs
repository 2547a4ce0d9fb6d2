//! The colours of text output, and when they are used.

use std::{borrow::Cow, io};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;

/// For states that are as they should be.
const GOOD: Style = AnsiColor::Green.on_default();
/// For states that may recover without an operator.
const WARNING: Style = AnsiColor::Yellow.on_default();
/// For states that are broken, failed, or cut on purpose.
const BAD: Style = AnsiColor::Red.on_default();
/// For the word `error:` before an error, and for `FAILED`.
pub(crate) const ERROR: Style = BAD.bold();
/// For the headers of tables.
pub(crate) const HEAD: Style = Style::new().bold();
/// Lag from which a cell is shown as a warning, in milliseconds. Links delay by less.
const LAG_WARNING_MS: u64 = 1000;

/// Sets for the whole process when colours are used. `auto`: where the output is a terminal, unless
/// `NO_COLOR` is set; `CLICOLOR_FORCE` turns them on for pipes, too.
pub(crate) fn choose(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether colours are used on standard error.
pub(crate) fn on_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Text in a style. Where colours are not used, the streams of [`crate::output`] remove the style
/// again.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a cell, by the header of its column.
pub(crate) fn cell_style(column: &str, cell: &str) -> Option<Style> {
    match (column, cell) {
        ("STATE" | "LINK" | "CONNECTION", "running" | "open" | "connected") => Some(GOOD),
        ("STATE" | "LINK" | "CONNECTION", "down" | "cut" | "reset" | "refused") => Some(BAD),
        ("STATE" | "CONNECTION", "unknown" | "connecting" | "running, takes no writes") => Some(WARNING),
        ("LAG", lag) => {
            let ms = lag.strip_suffix(" ms")?.parse::<u64>().ok()?;
            (ms >= LAG_WARNING_MS).then_some(WARNING)
        }
        ("DIVERGENT RANGES", ranges) if ranges != "0" => Some(WARNING),
        _ => None,
    }
}

/// Colours the first verdict of each line: `✓` and `passed`, or `✗` and `FAILED`.
pub(crate) fn verdicts(text: &str) -> String {
    let mut lines = text.lines().map(verdict);
    let first = lines.next().unwrap_or_default();
    lines.fold(first.into_owned(), |text, line| text + "\n" + &line)
}

fn verdict(line: &str) -> Cow<'_, str> {
    let words = [("✓", GOOD), ("✗", BAD), ("  passed  ", GOOD), (" FAILED", ERROR)];
    let starts = |word: &str| line.trim_start().starts_with(word) || (word.starts_with(' ') && line.contains(word));
    match words.into_iter().find(|(word, _)| starts(word)) {
        None => Cow::Borrowed(line),
        Some((word, style)) => Cow::Owned(line.replacen(word, &paint(style, word), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_coloured_in_their_columns_only() {
        assert_eq!(cell_style("STATE", "down"), Some(BAD));
        assert_eq!(cell_style("TABLE", "down"), None, "a table named `down`");
        assert_eq!(cell_style("LAG", "999 ms"), None);
        assert_eq!(cell_style("LAG", "1000 ms"), Some(WARNING));
        assert_eq!(cell_style("LAG", "-"), None);
        assert_eq!(cell_style("DIVERGENT RANGES", "0"), None);
        assert_eq!(cell_style("DIVERGENT RANGES", "2 (0, 7)"), Some(WARNING));
    }

    #[test]
    fn verdicts_are_coloured_and_keep_their_text() {
        let text = "partition  FAILED  (seed 1)\n  ✗ rpo: 3\n  ✓ conflicts: 2\n\n  Seen  nothing";
        let painted = verdicts(text);
        let expected = [paint(ERROR, " FAILED"), paint(BAD, "✗"), paint(GOOD, "✓")];
        assert!(expected.iter().all(|part| painted.contains(part)), "{painted:?}");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), text);
    }
}
