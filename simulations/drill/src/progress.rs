//! Reports the progress of a drill.

use std::time::Duration;

/// A receiver of a drill's progress.
pub trait DrillProgress: Send + Sync {
    /// The timeline begins, and takes `length`.
    fn begin(&self, length: Duration);

    /// The drill does something new. `played` is the time in the timeline, while it runs.
    fn show(&self, doing: &str, played: Option<Duration>);

    /// A message that should stay visible, and is in no report.
    fn note(&self, text: &str);

    /// The drill has ended; its progress is no longer shown.
    fn end(&self);
}
