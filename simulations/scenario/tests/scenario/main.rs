//! Tests of scenario files: their meaning, the errors of invalid ones, and the plans that seeds
//! draw from them.

mod draw;
mod files;
mod library;
mod recording;
mod refused;
mod settings;
mod shrink;
mod strategies;
mod support;
mod written;
