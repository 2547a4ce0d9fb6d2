//! Replication between regions as a state machine: events in, commands out; no sockets, no timers, no tasks.
//!
//! One [`Replicator`] per region. Its driver tells it what happens ([`Event`]) and does what it says ([`Command`]): it opens and
//! ends streams, carries messages, calls the store, and ticks. The protocol, and why it is as it is, is described in
//! `docs/replication.md`. Two rules carry most of it:
//!
//! - What a stream brings is applied in the order of the source's log, from the receiver's own vectors on. So the vector never has
//!   a hole, a stream may break anywhere, and what comes twice is skipped.
//! - A receiver that drops anything (a clock too far ahead, a table that went away) subscribes anew, and takes nothing of what was
//!   sent before: `generation` in [`message::Subscription`] and [`message::Batch`].

mod compare;
mod difference;
mod event;
mod hello;
mod join;
pub mod message;
mod out;
mod quarantine;
mod receiver;
mod relay;
mod replicator;
mod session;
mod source;
mod status;
mod sync;
mod tuning;
mod watermark;
mod world;

pub use event::{AcceptId, Command, DialId, Event, LinkEvent, Now, StoreAnswer, StoreCall, TableView, Ticket};
pub use replicator::{Config, Replicator};
pub use status::{JoinStage, JoinStatus, LinkState, PeerStatus, Quarantine, Status};
pub use tuning::{DEFAULT_UNREACHABLE_MS_MAX, Tuning};
pub use watermark::{Standing, Watermark};
