//! Projections: which parts of an item to return.

use beringia_item::Item;

use crate::{
    ExpressionError, Placeholders,
    error::Kind,
    parser::{Parser, parse},
    path::{Path, PathTree, note_clashes},
};

/// Which attributes to return.
#[derive(Debug, Clone)]
pub struct Projection(PathTree);

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
        Self(PathTree::new(paths))
    }

    /// The wanted parts of `item`, inside the maps and lists that they stand in; what is not there is left out. The
    /// wanted elements of a list move together, in the order of their indexes.
    #[must_use]
    pub fn apply(&self, item: &Item) -> Item {
        self.0.cut(item)
    }

    /// The top-level attributes that it mentions, each once.
    pub fn top_level_names(&self) -> impl Iterator<Item = &str> {
        self.0.attributes()
    }
}
