//! Drills: plays plans in real time, against regions that already run or are started for the drill.

mod arrivals;
mod error;
mod evidence;
mod hook;
mod measure;
mod perform;
mod plan;
mod progress;
mod scope;
mod session;
mod stage;
mod tables;
mod watch;

pub use error::{DrillError, HookError, NoMeans};
pub use evidence::EvidenceError;
pub use hook::Hook;
pub use plan::{check, hurry, with_probes};
pub use progress::Progress;
pub use session::Session;
pub use stage::Stage;
pub use tables::TableError;
