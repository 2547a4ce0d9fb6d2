//! The commands of one event, and the purpose of each store call, by which its answer is routed.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};

use crate::{
    change::{BootstrapChange, RepairChange, ReplicaChange, SessionChange, StateChange, StreamSide},
    event::{AcceptId, Command, DialId, StoreCall, Ticket},
    message::RangeSpan,
};

/// Identifies the range sync of one span in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RangeSyncId {
    /// The attempt, numbered over bootstraps and repairs together.
    pub(crate) attempt: u64,
    pub(crate) span: RangeSpan,
}

/// Why the store was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Apply batches of a stream.
    Stream(DialId),
    /// Find the log position for a source's cursor.
    Position(AcceptId),
    /// Read the log for a source's cursor.
    Read(AcceptId),
    /// Answer a receiver's request, which has this number.
    Serve(AcceptId, u64),
    /// A step of the range sync of a span.
    RangeSync(RangeSyncId),
    /// Set the vector at the end of a bootstrap.
    Finish(TableId, u64),
    /// Compute this region's digests for a comparison.
    Compare(DialId, TableId),
    /// Set the status of a replica.
    SetReplica(TableId),
    /// Begin a store epoch.
    BeginEpoch,
}

/// Collects commands and the state changes to log, and remembers the purpose of each store call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Out {
    pub(crate) commands: Vec<Command>,
    /// The state changes made by the current event.
    pub(crate) changes: Vec<StateChange>,
    pub(crate) purposes: BTreeMap<Ticket, Purpose>,
    next_ticket: u64,
}

impl Out {
    pub(crate) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds a state change of the current event, which the node logs.
    pub(crate) fn report(&mut self, change: StateChange) {
        self.changes.push(change);
    }

    pub(crate) fn report_stream(&mut self, peer: &Region, side: StreamSide, change: SessionChange) {
        let peer = peer.clone();
        self.report(StateChange::Stream { peer, side, change });
    }

    pub(crate) fn report_bootstrap(&mut self, table: TableId, change: BootstrapChange) {
        self.report(StateChange::Bootstrap { table, change });
    }

    pub(crate) fn report_repair(&mut self, table: TableId, peer: Region, change: RepairChange) {
        self.report(StateChange::Repair { table, peer, change });
    }

    pub(crate) fn report_replica(&mut self, table: TableId, change: ReplicaChange) {
        self.report(StateChange::Replica { table, change });
    }

    /// Calls the store and remembers the purpose, by which the answer is routed.
    pub(crate) fn call(&mut self, purpose: Purpose, call: StoreCall) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let before = self.purposes.insert(ticket, purpose);
        debug_assert!(before.is_none(), "ticket numbers are unique");
        self.commands.push(Command::Call(ticket, call));
        ticket
    }
}
