//! Comments and Markdown are at most 100 columns wide, doc comments say something, and the names of
//! tests are short.

use sources::{Source, sources};

mod sources;

const COLUMNS_MAX: usize = 100;
/// The greatest number of characters in a test's name.
const TEST_NAME_MAX: usize = 60;
/// A doc comment has more words than this.
const WORDS_MIN: usize = 4;
/// Generated from the service model, whose documentation is not wrapped.
const GENERATED: &str = "services/gateway/src/shape/requests/";

/// Collects complaints about lines, and fails a test with all of them at once.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        self.0.push(format!("{}:{}: {what}", source.path, line + 1));
    }

    fn assert_none(self) {
        assert!(self.0.is_empty(), "{} lines:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// The width of a line without what cannot be wrapped: the targets of links, and URLs.
fn width(line: &str) -> usize {
    let mut rest = line;
    let mut width = 0;
    while let Some((before, link)) = rest.split_once("](") {
        width += before.chars().count() + "]()".len();
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    let words = rest.split(' ');
    let of_words = words.map(|word| if word.contains("://") { 0 } else { word.chars().count() } + 1);
    (width + of_words.sum::<usize>()).saturating_sub(1)
}

/// Tells the lines of prose from code blocks and tables.
#[derive(Default)]
struct Prose {
    in_code: bool,
}

impl Prose {
    /// Whether the next line, without the characters that begin a comment, is prose.
    fn is_prose(&mut self, line: &str) -> bool {
        let line = line.trim();
        if line.starts_with("```") {
            self.in_code = !self.in_code;
            return false;
        }
        !self.in_code && !line.starts_with('|')
    }
}

/// The text of a line that is a comment; `None` for code.
fn comment<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    if path.ends_with(".rs") || path.ends_with(".proto") || path.ends_with(".c") {
        let text = line.strip_prefix("//")?;
        Some(text.trim_start_matches(['/', '!']))
    } else {
        line.strip_prefix('#').filter(|text| text.starts_with(' '))
    }
}

#[test]
fn markdown_and_comments_wrap_at_100_columns() {
    let mut complaints = Complaints::default();
    for source in sources(&["md", "rs", "proto", "toml", "py", "sh", "c", "yaml"]) {
        if source.path.starts_with(GENERATED) {
            continue;
        }
        let is_markdown = source.path.ends_with(".md");
        let mut prose = Prose::default();
        for (number, line) in source.text.lines().enumerate() {
            let text = if is_markdown {
                Some(line)
            } else {
                comment(&source.path, line)
            };
            match text {
                Some(text) if prose.is_prose(text) && width(line) > COLUMNS_MAX => {
                    complaints.add(&source, number, &format!("{} columns", width(line)));
                }
                Some(_) => {}
                // A code block in a comment ends with the comment.
                None => prose = Prose::default(),
            }
        }
    }
    complaints.assert_none();
}

#[test]
fn width_leaves_out_targets_of_links() {
    assert_eq!(width("12345"), 5);
    assert_eq!(width("a [b](docs/c.md) d"), "a [b]() d".len());
    assert_eq!(width("see https://example.com/a for it"), "see  for it".len());
    assert_eq!(width("größer"), 6);
}

#[test]
fn doc_comments_say_something() {
    let mut complaints = Complaints::default();
    for source in sources(&["rs"]) {
        if source.path.starts_with(GENERATED) {
            continue;
        }
        let mut paragraph: Option<(usize, String)> = None;
        for (number, line) in source.text.lines().chain([""]).enumerate() {
            match line.trim_start().strip_prefix("///") {
                Some(text) => {
                    let (_, words) = paragraph.get_or_insert((number, String::new()));
                    words.push_str(text);
                    words.push(' ');
                }
                None => {
                    if let Some((first, words)) = paragraph.take()
                        && words.split_whitespace().count() < WORDS_MIN
                    {
                        complaints.add(&source, first, words.trim());
                    }
                }
            }
        }
    }
    complaints.assert_none();
}

#[test]
fn test_names_have_at_most_60_characters() {
    let mut complaints = Complaints::default();
    for source in sources(&["rs"]) {
        let mut is_test = false;
        for (number, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[") {
                is_test |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
                continue;
            }
            let name = line
                .split_once("fn ")
                .and_then(|(_, rest)| rest.split(['(', '<']).next());
            if is_test
                && let Some(name) = name
                && name.len() > TEST_NAME_MAX
            {
                complaints.add(&source, number, &format!("{name}: {} characters", name.len()));
            }
            is_test &= line.starts_with("//");
        }
    }
    complaints.assert_none();
}
