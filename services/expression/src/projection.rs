//! Projections: which parts of an item to return.

use std::collections::BTreeSet;

use beringia_item::Item;

use crate::{
    ExpressionError, Placeholders,
    error::Kind,
    parser::{Parser, parse},
    path::{Path, PathTree, note_clashes},
};

/// Which attributes to return.
#[derive(Debug, Clone)]
pub struct Projection(Parts);

/// What of an item, and where it stands in the answer.
#[derive(Debug, Clone)]
enum Parts {
    /// In the maps and lists that it stands in.
    Nested(PathTree),
    /// At the top, each under a name of its own.
    Named(Vec<(String, Path)>),
}

impl Projection {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid ProjectionExpression: …`.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let paths = parse(text, Kind::Projection, placeholders, |parser| {
            let paths = parser.list(Parser::path)?;
            note_clashes(&paths.iter().collect::<Vec<_>>(), &mut parser.problems);
            Ok(paths)
        })?;
        Ok(Self::of(&paths))
    }

    /// Paths that do not overlap.
    pub(crate) fn of(paths: &[Path]) -> Self {
        Self(Parts::Nested(PathTree::new(paths)))
    }

    /// Any paths, each under the name that PartiQL gives it: the last name in it and the indexes after that, so `a.b[0]` is `b[0]`.
    /// Of two with one name, the later one that is there is shown.
    pub(crate) fn named(paths: Vec<Path>) -> Self {
        Self(Parts::Named(
            paths.into_iter().map(|path| (path.last_name(), path)).collect(),
        ))
    }

    /// The wanted parts of `item`; what is not there is left out. Those of an expression stand inside the maps and lists that they
    /// stand in there, and the wanted elements of a list move together, in the order of their indexes.
    #[must_use]
    pub fn apply(&self, item: &Item) -> Item {
        match &self.0 {
            Parts::Nested(tree) => tree.cut(item),
            Parts::Named(paths) => paths
                .iter()
                .filter_map(|(name, path)| Some((name.clone(), path.find(item)?.clone())))
                .collect(),
        }
    }

    /// The top-level attributes that it mentions, each once.
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = match &self.0 {
            Parts::Nested(tree) => tree.attributes().collect(),
            Parts::Named(paths) => paths.iter().map(|(_, path)| path.attribute.as_str()).collect(),
        };
        names.into_iter()
    }
}
