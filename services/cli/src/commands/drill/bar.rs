//! Shows the progress of a drill on standard error.

use std::time::Duration;

use beringia_drill::DrillProgress;
use indicatif::ProgressBar;

use crate::output;

/// A progress line; hidden where standard error is not a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(output::progress_bar())
    }
}

impl DrillProgress for Bar {
    fn begin(&self, length: Duration) {
        self.0.set_length(length.as_secs());
    }

    fn show(&self, doing: &str, played: Option<Duration>) {
        if let Some(played) = played {
            self.0.set_position(played.as_secs());
        }
        self.0.set_message(doing.to_owned());
        self.0.tick();
    }

    fn note(&self, text: &str) {
        output::note(text);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
