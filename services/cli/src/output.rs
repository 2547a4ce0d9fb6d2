//! Writes the output of commands: text for people, or one JSON object per line for programs.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::OnceLock,
};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    error::CommandError,
    style::{ERROR, HEAD, cell_style, paint},
};

/// The form of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences for people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// The format of errors and notes, the same as that of the output.
static ERROR_FORMAT: OnceLock<Format> = OnceLock::new();

/// Sets the format of errors and notes for the whole process.
pub(crate) fn set_error_format(format: Format) {
    // Later calls have no effect; each process makes only one.
    let _ = ERROR_FORMAT.set(format);
}

/// The line of an error in JSON: the error in a field `error`.
#[derive(Serialize)]
struct FailureJson<'a> {
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    kind: &'a str,
    message: String,
}

/// The line of a note in JSON: its text in a field `note`.
#[derive(Serialize)]
struct NoteJson<'a> {
    note: &'a str,
}

/// Writes one line and flushes it, so that the reader of a pipe sees it at once.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Writes one JSON object on one line, without colours.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Writes a note to standard error, as a line or as one JSON object. Results go to standard output
/// instead.
pub(crate) fn note(text: &str) {
    match ERROR_FORMAT.get() {
        Some(Format::Json) => json_to_stderr(&NoteJson {
            note: &anstream::adapter::strip_str(text).to_string(),
        }),
        // If standard error is closed, there is nowhere to report it.
        _ => drop(writeln!(anstream::stderr().lock(), "{text}")),
    }
}

/// Writes an error to standard error, as a line or as one JSON object.
pub(crate) fn failure(failure: &CommandError) {
    match ERROR_FORMAT.get() {
        Some(Format::Json) => json_to_stderr(&FailureJson {
            error: ErrorJson {
                kind: failure.kind(),
                message: failure.to_string(),
            },
        }),
        _ => note(&format!("{} {failure}", paint(ERROR, "error:"))),
    }
}

/// Writes clap's help, or its error about the arguments.
pub(crate) fn help(text: &str, is_error: bool) {
    // A closed output is ignored, as in `note`.
    let _ = if is_error {
        write!(anstream::stderr().lock(), "{text}")
    } else {
        write!(anstream::stdout().lock(), "{text}")
    };
}

fn json_to_stderr(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Progress on standard error, where that is a terminal.
pub(crate) fn progress_bar() -> ProgressBar {
    if io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style)
    } else {
        ProgressBar::hidden()
    }
}

/// Writes a table with a header and without padding at the ends of lines.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<(), CommandError> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    table.add_rows(&rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Padding at the ends of lines would end up in what people copy.
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    // Colours are added last, since the library would count their escape sequences as text.
    let Some((head, body)) = text.split_first().filter(|(_, body)| body.len() == rows.len()) else {
        return line(&text.join("\n"));
    };
    let body = body.iter().zip(&rows).map(|(line, row)| painted(line, header, row));
    let head = paint(HEAD, head);
    let painted: Vec<String> = std::iter::once(head).chain(body).collect();
    line(&painted.join("\n"))
}

/// The line of a row, with the colours of its cells.
fn painted<const N: usize>(line: &str, header: [&str; N], row: &[String; N]) -> String {
    let mut text = String::new();
    let mut rest = line;
    for (column, cell) in header.into_iter().zip(row) {
        // Only blanks separate cells, so the first occurrence of the text is the cell.
        let Some((blanks, after)) = rest.split_once(cell.as_str()).filter(|_| !cell.is_empty()) else {
            continue;
        };
        text.push_str(blanks);
        match cell_style(column, cell) {
            None => text.push_str(cell),
            Some(style) => text.push_str(&paint(style, cell)),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colouring_a_row_keeps_its_text() {
        let header = ["REGION", "", "STATE", "LAG"];
        let row = ["down", "", "down", "2000 ms"].map(str::to_owned);
        let line = "down          down   2000 ms";
        let painted = painted(line, header, &row);
        assert!(painted.starts_with("down          \u{1b}"), "{painted:?}");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), line);
    }
}
