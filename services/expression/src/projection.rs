//! Projections: which parts of an item to return.

use std::collections::BTreeSet;

use beringia_item::Item;

use crate::{
    ExpressionError, Placeholders,
    error::Kind,
    parser::{Parser, parse},
    path::{Path, PathTree, note_clashes},
};

/// The attributes to return, and their places in the answer.
#[derive(Debug, Clone)]
pub struct Projection(Parts);

/// The parts of an item, and their places in the answer.
#[derive(Debug, Clone)]
enum Parts {
    /// Inside the maps and lists that contain them.
    Nested(PathTree),
    /// At the top level, each under a name of its own.
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

    /// Rejects a text without any token, as [`Projection::parse`] does. For requests in which that
    /// fault is reported before those of other expressions.
    ///
    /// # Errors
    /// DynamoDB's message, `Invalid ProjectionExpression: The expression can not be empty;`.
    pub fn check_not_empty(text: &str) -> Result<(), ExpressionError> {
        crate::parser::check_not_empty(text, Kind::Projection)
    }

    /// A projection to paths that do not overlap.
    pub(crate) fn of(paths: &[Path]) -> Self {
        Self(Parts::Nested(PathTree::new(paths)))
    }

    /// A projection to any paths, each under PartiQL's name for it: the last name of the path and
    /// the indexes after it, so `a.b[0]` is `b[0]`. If several paths have the same name, the last
    /// one that exists wins.
    pub(crate) fn named(paths: Vec<Path>) -> Self {
        Self(Parts::Named(
            paths.into_iter().map(|path| (path.last_name(), path)).collect(),
        ))
    }

    /// The projected parts of `item`; missing parts are left out. The parts of an expression keep
    /// the maps and lists around them, and the projected elements of a list are moved together, in
    /// the order of their indexes.
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

    /// The top-level attributes that the projection mentions, each once.
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = match &self.0 {
            Parts::Nested(tree) => tree.attributes().collect(),
            Parts::Named(paths) => paths.iter().map(|(_, path)| path.attribute.as_str()).collect(),
        };
        names.into_iter()
    }

    /// The top-level attributes into whose values a path of the projection leads, each once. They
    /// must not be key attributes, whose values are scalars.
    pub fn nested_names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = match &self.0 {
            Parts::Nested(tree) => tree.nested_attributes().collect(),
            Parts::Named(paths) => {
                let nested = paths.iter().filter(|(_, path)| !path.steps.is_empty());
                nested.map(|(_, path)| path.attribute.as_str()).collect()
            }
        };
        names.into_iter()
    }
}
