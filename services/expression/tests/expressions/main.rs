//! The behaviour of expressions, from the perspective of DynamoDB's clients.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod attributes;
mod conditions;
mod conditions_refused;
mod key_conditions;
mod limits;
mod placeholders;
mod projections;
mod properties;
mod statement_access;
mod statement_properties;
mod statements;
mod statements_refused;
mod support;
mod touches;
mod updates;
mod updates_refused;
