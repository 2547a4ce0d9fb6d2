//! PartiQL statements through the engine.

mod batch;
mod select;
mod transaction;
mod write;

use beringia_engine::{
    ApiError,
    api::{ExecuteStatementInput, ExecuteStatementOutput, ReturnConsumedCapacity},
};
use beringia_item::{AttributeValue, Item};

use crate::support::{Harness, item, n, s};

pub(crate) fn statement(text: &str) -> ExecuteStatementInput {
    ExecuteStatementInput {
        statement: text.to_owned(),
        ..ExecuteStatementInput::default()
    }
}

impl Harness {
    pub(crate) async fn execute(&self, text: &str) -> Result<ExecuteStatementOutput, ApiError> {
        self.engine.execute_statement(statement(text)).await
    }

    pub(crate) async fn execute_with<const N: usize>(
        &self,
        text: &str,
        parameters: [AttributeValue; N],
    ) -> Result<ExecuteStatementOutput, ApiError> {
        let input = ExecuteStatementInput {
            parameters: Some(parameters.to_vec()),
            ..statement(text)
        };
        self.engine.execute_statement(input).await
    }

    /// The units of its table that a statement consumes.
    pub(crate) async fn units_of(&self, input: ExecuteStatementInput) -> f64 {
        let input = ExecuteStatementInput {
            return_consumed_capacity: ReturnConsumedCapacity::Total,
            ..input
        };
        let output = self.engine.execute_statement(input).await.unwrap();
        output.consumed_capacity.unwrap().total.capacity_units
    }

    /// The items that a statement returns.
    pub(crate) async fn items_of(&self, text: &str) -> Vec<Item> {
        let output = self.execute(text).await;
        output.unwrap_or_else(|error| panic!("{text}: {error}")).items
    }
}

/// A harness with songs of several artists.
pub(crate) async fn songs() -> Harness {
    let harness = Harness::new().with_music().await;
    for (artist, song, genre, year, length) in [
        ("Can", "Halleluhwah", "kraut", 1971, 18),
        ("Can", "Spoon", "kraut", 1972, 3),
        ("Can", "Vitamin C", "funk", 1972, 3),
        ("Neu", "Hallogallo", "kraut", 1972, 10),
        ("Faust", "Krautrock", "kraut", 1973, 11),
    ] {
        harness
            .put(
                "music",
                item([
                    ("artist", s(artist)),
                    ("song", s(song)),
                    ("genre", s(genre)),
                    ("year", n(year)),
                    ("length", n(length)),
                ]),
            )
            .await;
    }
    harness
}
