//! The modules of a crate do not import each other in cycles, so that each can be read with the
//! modules below it and nothing else.
//!
//! The files are parsed with `syn`, the parser that Rust's derive macros use. Imports nest, occur
//! in functions, and are spelled as paths within expressions, none of which is visible in lines
//! that begin with `use`. This test does not see into macro calls. An import of something that
//! `lib.rs` exports again counts as an import of `lib.rs`, which imports every module. Methods that
//! several files give one type call each other without an import; such calls are not seen either.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

/// The crates whose modules are checked.
const CRATES: &[&str] = &[
    "services/committer",
    "services/decisions",
    "services/replication",
    "services/storage-memory",
    "services/storage-sqlite",
    "simulations/oracle",
];

/// A module as its path from the crate's root; the root's path is empty.
type Module = Vec<String>;

/// Finds the Rust files below a directory, with the modules that they contain.
fn modules(directory: &Path, module: &Module, found: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(directory).expect("sources can be listed") {
        let path = entry.expect("sources can be listed").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name in UTF-8");
        let mut inner = module.clone();
        if !matches!(stem, "lib" | "mod") {
            inner.push(stem.to_owned());
        }
        if path.is_dir() {
            modules(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(inner, path);
        }
    }
}

/// Collects the modules that a file names.
struct Imports<'a> {
    files: &'a BTreeMap<Module, PathBuf>,
    /// The present module, including modules inside the file.
    module: Module,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// Records the module that a path leads to, if it is in this crate.
    fn note(&mut self, path: &[String]) {
        let mut at = self.module.clone();
        match path.first().map(String::as_str) {
            Some("crate") => at.clear(),
            Some("self") => {}
            Some("super") => drop(at.pop()),
            Some(name) => {
                at.push(name.to_owned());
                // Without a keyword of origin, the path names a module below or an item of another
                // crate.
                if !self.files.contains_key(&at) {
                    return;
                }
            }
            None => return,
        }
        let mut rest = &path[1..];
        while let Some(("super", after)) = rest.split_first().map(|(name, after)| (name.as_str(), after)) {
            at.pop();
            rest = after;
        }
        for name in rest {
            at.push(name.clone());
            if !self.files.contains_key(&at) {
                at.pop();
                break;
            }
        }
        // A module inside a file belongs to the file.
        while !self.files.contains_key(&at) {
            at.pop();
        }
        self.found.insert(at);
    }

    fn note_tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(before, tree)),
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.note(before);
                before.pop();
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.note(before);
                before.pop();
            }
            _ => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // A single word is a name in scope, whose import has been seen.
        if path.segments.len() > 1 {
            let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(&names);
        }
        visit::visit_path(self, path);
    }
}

/// The modules that each module of the crate imports.
fn imports(sources: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut files = BTreeMap::new();
    modules(sources, &Module::new(), &mut files);
    let of = |(module, path): (&Module, &PathBuf)| {
        let text = fs::read_to_string(path).expect("sources can be read");
        let mut visitor = Imports {
            files: &files,
            module: module.clone(),
            found: BTreeSet::new(),
        };
        visitor.visit_file(&syn::parse_file(&text).expect("sources are Rust"));
        visitor.found.remove(module);
        (module.clone(), visitor.found)
    };
    files.iter().map(of).collect()
}

/// The modules that import themselves through others.
fn in_cycles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reaches_itself = |module: &&Module| {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&Module> = imports[*module].iter().collect();
        while let Some(next) = waiting.pop() {
            if seen.insert(next) {
                waiting.extend(&imports[next]);
            }
        }
        seen.contains(module)
    };
    let cyclic = imports.keys().filter(reaches_itself);
    cyclic.map(|module| format!("crate::{}", module.join("::"))).collect()
}

#[test]
fn modules_do_not_import_each_other_in_cycles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in CRATES {
        let imports = imports(&root.join(name).join("src"));
        let edges: usize = imports.values().map(BTreeSet::len).sum();
        assert!(edges > imports.len(), "{name}: imports are found, {edges} of them");
        assert_eq!(in_cycles(&imports), Vec::<String>::new(), "modules of {name} in cycles");
    }
}

#[test]
fn a_cycle_through_a_third_module_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let imports = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::from([module("b")])),
    ]);
    assert_eq!(in_cycles(&imports), ["crate::b", "crate::c"]);
}
