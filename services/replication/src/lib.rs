//! Replication between regions as a state machine: events in, commands out, without sockets, timers
//! or tasks.
//!
//! Each region has one [`Replicator`]. Its driver reports what happens ([`Event`]) and carries out
//! the commands that it gets back ([`Command`]): it opens and ends streams, delivers messages,
//! calls the store, and ticks. `docs/replication.md` describes the protocol and its reasons. Two
//! rules carry most of it:
//!
//! - A receiver applies what a stream brings in the order of the source's log, starting from the
//!   receiver's own version vectors. A vector therefore never has a gap, a stream may break at any
//!   point, and duplicates are skipped.
//! - A receiver that drops a write (its clock is too far ahead, or its table went away) subscribes
//!   again and accepts nothing that was sent under the earlier subscription: see `generation` in
//!   [`message::Subscription`] and [`message::Batch`].

mod bootstrap;
mod change;
mod compare;
mod context;
mod difference;
mod event;
mod hello;
pub mod message;
mod out;
mod quarantine;
mod range_sync;
mod receiver;
mod relay;
mod replicator;
mod session;
mod source;
mod status;
mod tuning;
mod watermark;

pub use change::{
    BootstrapChange, OriginChange, RebootstrapCause, RepairChange, ReplicaChange, SessionChange, StateChange,
    StreamSide,
};
pub use event::{AcceptId, Command, DialId, Event, LinkEvent, Now, StoreAnswer, StoreCall, TableView, Ticket};
pub use replicator::{Config, Replicator};
pub use status::{BootstrapStage, BootstrapStatus, LinkState, PeerStreams, Quarantine, Status};
pub use tuning::{DEFAULT_UNREACHABLE_MS_MAX, Tuning};
pub use watermark::{ReplicaProgress, Watermark};
