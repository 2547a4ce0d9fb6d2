//! Every message to clients, apart from those about signatures, is listed in `docs/messages.tsv`,
//! with the place where DynamoDB's own wording was seen.
//!
//! The messages are read from the sources. Each string literal that has several words counts as a
//! message, or as a part of one, unless it is a text for developers: documentation, a lint's
//! reason, a panic, a log line. Messages of a single word are not seen.

use std::collections::{BTreeMap, BTreeSet};

use beringia_tests::repository;
use sources::sources;
use syn::{
    Attribute, ExprMethodCall, ImplItemFn, Item, Lit, LitStr, Macro, Meta,
    buffer::{Cursor, TokenBuffer},
    visit::{self, Visit},
};

mod sources;

const LIST: &str = "docs/messages.tsv";
/// The directories and files whose texts reach clients.
const SOURCES: [&str; 5] = [
    "services/engine/src/",
    "services/expression/src/",
    "services/gateway/src/",
    "services/item/src/json/",
    "services/item/src/number.rs",
];
/// A message has at least this many letters outside its placeholders.
const LETTERS_MIN: usize = 5;
/// Macros whose texts are for developers.
const MACROS_FOR_DEVELOPERS: [&str; 17] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "debug_span",
    "error",
    "info",
    "info_span",
    "panic",
    "todo",
    "trace",
    "unimplemented",
    "unreachable",
    "warn",
];
/// Methods whose texts are for developers.
const METHODS_FOR_DEVELOPERS: [&str; 2] = ["expect", "expect_err"];

/// Collects the texts of messages, with the placeholders that `format!` fills.
#[derive(Default)]
struct Messages(BTreeSet<String>);

impl Messages {
    fn of(text: &str) -> Self {
        let mut found = Self::default();
        found.visit_file(&syn::parse_file(text).expect("sources are Rust"));
        found
    }

    fn add(&mut self, text: &LitStr) {
        let text = text.value();
        if text.trim().contains(' ') && letters(&text) >= LETTERS_MIN {
            self.0.insert(text);
        }
    }

    /// Adds the texts in the arguments of a macro or an attribute.
    fn add_tokens(&mut self, mut cursor: Cursor<'_>) {
        let mut is_for_developers = false;
        while !cursor.eof() {
            if let Some((inside, _, _, next)) = cursor.any_group() {
                if !is_for_developers {
                    self.add_tokens(inside);
                }
                cursor = next;
            } else if let Some((literal, next)) = cursor.literal() {
                if let Lit::Str(text) = Lit::new(literal) {
                    self.add(&text);
                }
                cursor = next;
            } else {
                let (token, next) = cursor.token_tree().expect("a token precedes the end");
                let token = token.to_string();
                // `#` precedes an attribute, such as documentation.
                is_for_developers = token == "#" || METHODS_FOR_DEVELOPERS.contains(&token.as_str());
                cursor = next;
            }
        }
    }
}

/// The number of letters outside placeholders.
fn letters(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut letters = 0;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 && character.is_alphabetic() => letters += 1,
            _ => {}
        }
    }
    letters
}

/// Whether something is compiled only for tests.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        meta => meta.path().is_ident("test"),
    })
}

impl<'ast> Visit<'ast> for Messages {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Const(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    /// Sees the messages of `thiserror`, and skips all other attributes.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("error")
        {
            self.add_tokens(TokenBuffer::new2(list.tokens.clone()).begin());
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = &call.path.segments.last().expect("a macro has a name").ident;
        if !MACROS_FOR_DEVELOPERS.iter().any(|other| name == other) {
            self.add_tokens(TokenBuffer::new2(call.tokens.clone()).begin());
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if METHODS_FOR_DEVELOPERS.iter().any(|other| call.method == other) {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.add(text);
    }
}

/// The messages in the sources.
fn messages() -> BTreeSet<String> {
    let is_of_clients = |path: &str| {
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
        !is_test && SOURCES.iter().any(|place| path.starts_with(place))
    };
    let sources = sources(&["rs"])
        .into_iter()
        .filter(|source| is_of_clients(&source.path));
    sources.flat_map(|source| Messages::of(&source.text).0).collect()
}

/// The lines of the list without its comments: each message, and what is known of its wording.
fn list() -> Vec<(String, String)> {
    let list = std::fs::read_to_string(repository().join(LIST)).expect("the list is there");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let entries = lines.map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no tab: {line}")));
    entries
        .map(|(message, wording)| (message.to_owned(), wording.to_owned()))
        .collect()
}

#[test]
fn every_message_is_listed() {
    let found = messages();
    let listed: BTreeSet<String> = list().into_iter().map(|(message, _)| message).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&found).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "missing in {LIST}: {missing:#?}\nno longer in the sources: {stale:#?}"
    );
}

#[test]
fn messages_are_listed_once_and_in_order() {
    let list = list();
    let messages: Vec<&String> = list.iter().map(|(message, _)| message).collect();
    for pair in messages.windows(2) {
        assert!(pair[0] < pair[1], "{:?} precedes {:?}", pair[0], pair[1]);
    }
}

/// A source is a link, so that it can be looked at.
#[test]
fn every_message_says_where_its_wording_is_from() {
    let is_known = |wording: &str| {
        let link = wording.strip_prefix("differs: ").unwrap_or(wording);
        let is_link = link.starts_with("https://") && !link.contains(' ');
        let is_own = wording.strip_prefix("own: ").is_some_and(|why| !why.is_empty());
        is_link || is_own || ["no source", "recorded", "DynamoDB Local"].contains(&wording)
    };
    let unknown: BTreeMap<_, _> = list().into_iter().filter(|(_, wording)| !is_known(wording)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn texts_for_developers_are_no_messages() {
    let source = r##"
        /// Why a request is refused.
        #[derive(Debug, thiserror::Error)]
        enum Refused {
            #[error("the table {0} is full")]
            Full(String),
        }
        #[expect(clippy::unused_async, reason = "all operations are alike")]
        fn refuse(name: &str) -> String {
            tracing::warn!("a request is refused");
            let key = key(name).expect("the name was checked");
            macro_of_this_crate! {
                /// A variant of the macro.
                Closed => "the region is closed",
            }
            format!("no table {name}: {}", key.unwrap_or("the key is missing")) + "ok {name} {key}"
        }
        #[cfg(test)]
        mod tests {
            const EXPECTED: &str = "a text of tests";
        }
    "##;
    let expected = [
        "no table {name}: {}",
        "the key is missing",
        "the region is closed",
        "the table {0} is full",
    ];
    assert_eq!(Messages::of(source).0, expected.map(str::to_owned).into());
}
