//! Drills: plays plans in real time, against regions that already run or are started for the drill.

mod abort;
mod application;
mod arrival_lag;
mod arrival_subscription;
mod error;
mod evidence;
mod hook;
mod lease;
mod machine_clocks;
mod measure;
mod never_arrived;
mod perform;
mod plan;
mod progress;
mod read_back;
mod running;
mod scope;
mod seen_writes;
mod stage;
mod tables;
mod watch;

pub use abort::{AbortWhen, NotALimit};
pub use error::{DrillError, HookError, NoMeans};
pub use evidence::EvidenceError;
pub use hook::Hook;
pub use plan::{check, hurry, with_probes};
pub use progress::DrillProgress;
pub use running::RunningDrill;
pub use stage::Stage;
pub use tables::TableError;
