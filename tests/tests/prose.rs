//! Comments, docstrings and Markdown are at most 100 columns wide, doc comments say something, and
//! the names of tests are short.

use sources::{Source, sources};

mod sources;

const COLUMNS_MAX: usize = 100;
/// The files whose prose is wrapped: their extensions, and the names of those without an extension.
const FILES: [&str; 11] = [
    "md",
    "rs",
    "proto",
    "toml",
    "py",
    "sh",
    "c",
    "js",
    "yaml",
    "run",
    "Dockerfile",
];
/// The greatest number of characters in a test's name.
const TEST_NAME_MAX: usize = 60;
/// The least number of words in a doc comment.
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

/// Finds the comments of a source, and the docstrings of Python.
struct Comments {
    /// What begins a comment.
    marker: &'static str,
    /// What delimits a string on one line. In Rust, `'` also begins a lifetime.
    quotes: &'static [char],
    /// Whether `"""` delimits strings of several lines.
    has_long_strings: bool,
    /// The string of several lines that the next line continues.
    open: Option<LongString>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LongString {
    Docstring,
    Value,
}

impl Comments {
    const LONG_QUOTE: &str = "\"\"\"";

    fn of(path: &str) -> Self {
        let is_like_c = [".rs", ".proto", ".c", ".js"].iter().any(|end| path.ends_with(end));
        Self {
            marker: if is_like_c { "//" } else { "# " },
            quotes: if is_like_c { &['"'] } else { &['"', '\''] },
            has_long_strings: path.ends_with(".py"),
            open: None,
        }
    }

    /// The text of the next line that is a comment or belongs to a docstring; `None` for code.
    fn next<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let begins = self.open.is_none();
        if self.has_long_strings {
            let quotes = line.matches(Self::LONG_QUOTE).count();
            let is_docstring = begins && line.trim_start().starts_with(Self::LONG_QUOTE);
            let string = match self.open {
                None if is_docstring => Some(LongString::Docstring),
                None if quotes > 0 => Some(LongString::Value),
                open => open,
            };
            if let Some(string) = string {
                self.open = Some(string).filter(|_| quotes.is_multiple_of(2) != begins);
                let text = line.trim_start().trim_start_matches(Self::LONG_QUOTE);
                return Some(text).filter(|_| string == LongString::Docstring);
            }
        }
        self.comment(line)
    }

    /// The comment at the end of a line without strings of several lines.
    fn comment<'a>(&self, line: &'a str) -> Option<&'a str> {
        let mut quote = None;
        let mut is_escaped = false;
        let mut is_word_start = true;
        for (at, character) in line.char_indices() {
            match quote {
                Some(_) if is_escaped => is_escaped = false,
                Some(end) if character == end => quote = None,
                Some(_) => is_escaped = character == '\\',
                None if self.quotes.contains(&character) => quote = Some(character),
                None if is_word_start && let Some(text) = line[at..].strip_prefix(self.marker) => {
                    return Some(text.trim_start_matches(['/', '!']));
                }
                None => {}
            }
            is_word_start = character == ' ';
        }
        None
    }
}

/// The lines of a file whose prose is too wide, from 0, and the width of each.
fn too_wide(path: &str, text: &str) -> Vec<(usize, usize)> {
    let is_markdown = path.ends_with(".md");
    let mut comments = Comments::of(path);
    let mut prose = Prose::default();
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let text = if is_markdown { Some(line) } else { comments.next(line) };
        match text {
            Some(text) if prose.is_prose(text) && width(line) > COLUMNS_MAX => found.push((number, width(line))),
            Some(_) => {}
            // A code block in a comment ends with the comment.
            None => prose = Prose::default(),
        }
    }
    found
}

#[test]
fn markdown_and_comments_wrap_at_100_columns() {
    let mut complaints = Complaints::default();
    for source in sources(&FILES) {
        if source.path.starts_with(GENERATED) {
            continue;
        }
        for (line, width) in too_wide(&source.path, &source.text) {
            complaints.add(&source, line, &format!("{width} columns"));
        }
    }
    complaints.assert_none();
}

#[test]
fn too_wide_prose_is_found_in_every_kind_of_file() {
    let wide = ["word"; 21].join(" ");
    let files = [
        ("a.md", format!("{wide}\n\n```\n{wide}\n```\n| {wide} |\n")),
        (
            "a.rs",
            format!("/// {wide}\nfn f<'a>() {{}}\nf(); // {wide}\nf(\"// {wide}\");\n"),
        ),
        ("a.js", format!("// {wide}\nf(\"{wide}\");\n")),
        (
            "a.py",
            format!("\"\"\"{wide}\"\"\"\n\nx = 'a # {wide}'\nx = 1  # {wide}\n"),
        ),
        (
            "a.py",
            format!("\"\"\"Word.\n\n| {wide} |\n{wide}\n\"\"\"\nx = \"\"\"\n# {wide}\n{wide}\"\"\"\n# {wide}\n"),
        ),
        ("a.toml", format!("a = \"{wide}\"\nb = 1 # {wide}\n# {wide}\n")),
        ("a.yaml", format!("a:\n  # {wide}\n  b: {wide}\n")),
        (
            "a.sh",
            format!("#!/bin/sh {wide}\necho '# {wide}' # {wide}\necho \"$# {wide}\"\n"),
        ),
        ("Dockerfile", format!("# {wide}\nRUN {wide}\n")),
    ];
    let found: Vec<Vec<usize>> = files
        .iter()
        .map(|(path, text)| too_wide(path, text).into_iter().map(|(line, _)| line).collect())
        .collect();
    let expected = [
        vec![0],
        vec![0, 2],
        vec![0],
        vec![0, 3],
        vec![3, 8],
        vec![1, 2],
        vec![1],
        vec![1],
        vec![0],
    ];
    assert_eq!(found, expected);
}

#[test]
fn scripts_without_an_extension_are_read() {
    let paths: Vec<String> = sources(&FILES).into_iter().map(|source| source.path).collect();
    for path in [".ci/run", "containers/Dockerfile", "tests/fuzz/run"] {
        assert!(paths.iter().any(|other| other == path), "{path}");
    }
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
