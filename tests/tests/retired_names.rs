//! Names and phrases that the glossary replaced do not return. `docs/retired-names.txt` lists them.

use std::collections::{BTreeMap, BTreeSet};

use beringia_tests::repository;
use sources::sources;
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, Ident, ImplItemFn, ItemConst, ItemEnum, ItemFn, ItemMod, ItemStatic,
    ItemStruct, ItemTrait, ItemType, Lit, Meta, Path, Token, TraitItemFn, Variant,
    punctuated::Punctuated,
    visit::{self, Visit},
};

mod sources;

const LIST: &str = "docs/retired-names.txt";

/// The extensions of files with definitions.
const DEFINING: [&str; 5] = ["rs", "proto", "py", "sh", "toml"];

/// Files with messages, comments or pages: their extensions, and the names of those without one.
const WORDED: [&str; 14] = [
    "rs",
    "proto",
    "md",
    "py",
    "sh",
    "toml",
    "c",
    "tsv",
    "yaml",
    "html",
    "css",
    "js",
    "run",
    "Dockerfile",
];

/// What begins, continues or ends a comment, and the end of a line that the next one continues.
const MARKERS: [&str; 10] = ["//", "///", "//!", "#", "\\", "/*", "*", "*/", "<!--", "-->"];

/// The kind of a definition and its name, as the list gives them.
type Name = (String, String);

/// An entry of the list.
#[derive(Debug, PartialEq, Eq)]
enum Retired {
    /// A definition of a crate.
    Name { crate_: String, name: Name },
    /// A phrase of messages, comments or pages.
    Phrase(String),
}

/// Parses the list: `CRATE KIND NAME` or `phrase: TEXT` on each line. Lines that begin with `#` are
/// comments.
fn retired() -> Vec<Retired> {
    let list = std::fs::read_to_string(repository().join(LIST)).expect("the list is there");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(entry).collect()
}

fn entry(line: &str) -> Retired {
    if let Some(phrase) = line.strip_prefix("phrase: ") {
        return Retired::Phrase(phrase.to_owned());
    }
    let parts: Vec<&str> = line.split_whitespace().collect();
    let [crate_, kind, name] = parts[..] else {
        panic!("expected a crate, a kind and a name: {line}");
    };
    assert!(KINDS.contains(&kind), "an unknown kind: {line}");
    Retired::Name {
        crate_: crate_.to_owned(),
        name: (kind.to_owned(), name.to_owned()),
    }
}

const KINDS: [&str; 10] = [
    "type",
    "variant",
    "function",
    "module",
    "field",
    "constant",
    "proto-message",
    "proto-field",
    "option",
    "json-key",
];

/// The crate that a file belongs to.
fn crate_of(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    match parts.next()? {
        "services" | "simulations" => match parts.next()? {
            "cli" => Some("beringia".to_owned()),
            // Files that the crate `scenario` reads.
            "scenarios" => Some("beringia-scenario".to_owned()),
            name => Some(format!("beringia-{name}")),
        },
        name @ ("proto" | "regions" | "tests") => Some(format!("beringia-{name}")),
        _ => None,
    }
}

/// Collects the definitions of Rust files.
#[derive(Default)]
struct Definitions(BTreeSet<Name>);

impl Definitions {
    fn add(&mut self, kind: &str, name: &Ident) {
        self.0.insert((kind.to_owned(), name.to_string()));
    }

    fn add_fields(&mut self, fields: &Fields, are_keys: bool) {
        for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
            self.add("field", name);
            if are_keys {
                self.add("json-key", name);
            }
        }
    }
}

/// Returns whether a type derives `Serialize` or `Deserialize`, so that its fields are keys.
fn has_keys(attributes: &[Attribute]) -> bool {
    let derives = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"));
    let mut derived = derives.flat_map(|derive| {
        derive
            .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
            .expect("the derived traits")
    });
    derived.any(|path| {
        let name = path.segments.last().expect("a path has a name");
        name.ident == "Serialize" || name.ident == "Deserialize"
    })
}

/// The command-line option that a field defines, without its dashes.
fn option_of(field: &Field) -> Option<String> {
    let arguments = field.attrs.iter().filter(|attribute| attribute.path().is_ident("arg"));
    let mut settings = arguments.flat_map(|argument| {
        argument
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .expect("the settings of an argument")
    });
    match settings.find(|setting| setting.path().is_ident("long"))? {
        Meta::NameValue(given) => match given.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name), ..
            }) => Some(name.value()),
            _ => panic!("the name of an option is a literal"),
        },
        _ => Some(field.ident.as_ref()?.to_string().replace('_', "-")),
    }
}

impl<'ast> Visit<'ast> for Definitions {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.add("type", &item.ident);
        self.add_fields(&item.fields, has_keys(&item.attrs));
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.add("type", &item.ident);
        let are_keys = has_keys(&item.attrs);
        for variant in &item.variants {
            self.add_fields(&variant.fields, are_keys);
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        self.add("variant", &variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if let Some(option) = option_of(field) {
            self.0.insert(("option".to_owned(), option));
        }
        visit::visit_field(self, field);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.add("type", &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.add("type", &item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add("function", &item.sig.ident);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add("function", &item.sig.ident);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.add("function", &item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.add("module", &item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.add("constant", &item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.add("constant", &item.ident);
        visit::visit_item_static(self, item);
    }
}

/// The definitions of a protocol file: its messages and their fields.
fn proto_definitions(text: &str) -> impl Iterator<Item = Name> + '_ {
    text.lines().filter_map(|line| {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("message ") {
            let name = rest.split_whitespace().next()?;
            return Some(("proto-message".to_owned(), name.to_owned()));
        }
        let (before, _) = line.split_once(" = ").filter(|_| !line.starts_with("//"))?;
        let name = before.split_whitespace().last()?;
        Some(("proto-field".to_owned(), name.to_owned()))
    })
}

/// The modules that a path names: the directories in its crate, and the stem of the file.
fn modules_of(path: &str) -> impl Iterator<Item = Name> + '_ {
    let (stem, _) = path.rsplit_once('.').expect("a path with an extension");
    let parts = stem.split('/').skip(2);
    parts.map(|name| ("module".to_owned(), name.to_owned()))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// String literals that could be a key. Macros such as `json!` contain them, too, so the text is
/// searched and not the syntax.
fn quoted_keys(text: &str) -> impl Iterator<Item = Name> + '_ {
    let is_key = |quoted: &&str| !quoted.is_empty() && quoted.chars().all(is_of_name);
    let keys = text.split('"').skip(1).filter(is_key);
    keys.map(|key| ("json-key".to_owned(), key.to_owned()))
}

/// The keys of a TOML file.
fn toml_keys(text: &str) -> impl Iterator<Item = Name> + '_ {
    let keys = text
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key);
    let keys = keys.filter(|key| key.chars().all(is_of_name));
    keys.map(|key| ("json-key".to_owned(), key.to_owned()))
}

/// The definitions of each crate.
fn definitions() -> BTreeMap<String, BTreeSet<Name>> {
    let mut definitions: BTreeMap<String, BTreeSet<Name>> = BTreeMap::new();
    for source in sources(&DEFINING) {
        let Some(crate_) = crate_of(&source.path) else { continue };
        let of_crate = definitions.entry(crate_).or_default();
        of_crate.extend(modules_of(&source.path));
        let (_, extension) = source.path.rsplit_once('.').expect("a path with an extension");
        match extension {
            "rs" => {
                let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
                let mut found = Definitions::default();
                found.visit_file(&file);
                of_crate.extend(found.0);
                of_crate.extend(quoted_keys(&source.text));
            }
            "proto" => of_crate.extend(proto_definitions(&source.text)),
            "py" => of_crate.extend(quoted_keys(&source.text)),
            "toml" => of_crate.extend(toml_keys(&source.text)),
            _ => {}
        }
    }
    definitions
}

#[test]
fn no_retired_name_is_defined() {
    let definitions = definitions();
    let returned: Vec<Retired> = retired()
        .into_iter()
        .filter(|entry| match entry {
            Retired::Name { crate_, name } => definitions[crate_].contains(name),
            Retired::Phrase(_) => false,
        })
        .collect();
    assert!(returned.is_empty(), "these are defined again: {returned:#?}");
}

#[test]
fn no_retired_phrase_is_used() {
    let phrases: Vec<String> = retired()
        .into_iter()
        .filter_map(|entry| match entry {
            Retired::Phrase(phrase) => Some(phrase),
            Retired::Name { .. } => None,
        })
        .collect();
    assert!(!phrases.is_empty(), "the list has phrases");
    let mut found = Vec::new();
    for source in sources(&WORDED) {
        let used = used(&phrases, &source.text).into_iter();
        found.extend(used.map(|phrase| format!("{}: {phrase}", source.path)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The phrases that a text has as whole words, in whatever case.
fn used<'a>(phrases: &'a [String], text: &str) -> Vec<&'a str> {
    // A phrase may be broken between two lines of a comment.
    let words = text.split_whitespace().filter(|word| !MARKERS.contains(word));
    let text = words.collect::<Vec<_>>().join(" ").to_lowercase();
    let is_whole = |at: usize, phrase: &str| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    };
    let is_used = |phrase: &str| text.match_indices(phrase).any(|(at, _)| is_whole(at, phrase));
    phrases
        .iter()
        .map(String::as_str)
        .filter(|phrase| is_used(phrase))
        .collect()
}

#[test]
fn phrases_are_found_as_whole_words_and_across_lines() {
    let phrases = ["in haste", "put off"].map(str::to_owned);
    let found = |text| used(&phrases, text);
    assert_eq!(found("written In Haste, then"), ["in haste"]);
    assert_eq!(found("// done in\n    // haste, put\n# off"), ["in haste", "put off"]);
    assert_eq!(found("/*\n * all in\n * haste */"), ["in haste"]);
    assert!(found("they begin hastening; output off").is_empty());
}

/// The files besides sources and pages are read, too.
#[test]
fn phrases_are_sought_in_every_kind_of_file() {
    let paths: BTreeSet<String> = sources(&WORDED).into_iter().map(|source| source.path).collect();
    for path in [
        ".ci/run",
        "containers/Dockerfile",
        "containers/compose.yaml",
        "docs/messages.tsv",
        "simulations/report/assets/report.css",
        "simulations/report/assets/report.js",
        "tests/fuzz/run",
    ] {
        assert!(paths.contains(path), "{path}");
    }
}

/// The definitions that the list is checked against are really found.
#[test]
fn definitions_of_every_kind_are_found() {
    let definitions = definitions();
    let expected = [
        ("beringia-item", "type", "Mutation"),
        ("beringia-item", "field", "causal_context"),
        ("beringia-item", "function", "depends_on"),
        ("beringia-replication", "variant", "RangeSync"),
        ("beringia-replication", "module", "range_sync"),
        ("beringia-history", "constant", "MARKER"),
        ("beringia-proto", "proto-message", "BootstrapReport"),
        ("beringia-proto", "proto-field", "unshipped"),
        // A file and a directory of tests, and a file in Python.
        ("beringia-tests", "module", "python_clients"),
        ("beringia-replication", "module", "scripted"),
        ("beringia-tests", "module", "contention"),
        // An option named by its field, and one with a name of its own.
        ("beringia", "option", "log-format"),
        ("beringia", "option", "access-key"),
        // A field of a serialized type, a literal in a macro, one in Python, and a key of TOML.
        ("beringia-oracle", "json-key", "superseded"),
        ("beringia", "json-key", "Replicas"),
        ("beringia-tests", "json-key", "experimentTemplate"),
        ("beringia-scenario", "json-key", "regions"),
    ];
    for (crate_, kind, name) in expected {
        let name = (kind.to_owned(), name.to_owned());
        assert!(definitions[crate_].contains(&name), "{crate_} {name:?}");
    }
    let covered: BTreeSet<&str> = expected.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(covered, BTreeSet::from(KINDS));
}
