//! Who is told of a drill while it goes on.

use std::time::Duration;

/// Whoever watches a drill.
pub trait Progress: Send + Sync {
    /// The timeline begins, and takes so long.
    fn begin(&self, length: Duration);

    /// What the drill does now. `played`: how far the timeline is, where it goes on.
    fn show(&self, doing: &str, played: Option<Duration>);

    /// Something that is worth knowing also afterwards, and is in no report.
    fn note(&self, text: &str);

    /// Nothing goes on any more.
    fn end(&self);
}
