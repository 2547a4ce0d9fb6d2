//! What scenario files mean, what wrong ones are told, and what seeds make of them.

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
