//! What is to be done, and why the store was asked, so that its answers find their way back.

use std::collections::BTreeMap;

use beringia_item::TableId;

use crate::{
    event::{AcceptId, Command, DialId, StoreCall, Ticket},
    message::Span,
};

/// Names the walk over one span of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WalkId {
    /// The attempt: a join's or a repair's, numbered over both.
    pub(crate) attempt: u64,
    pub(crate) span: Span,
}

/// Why the store was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Batches of a stream are applied.
    Stream(DialId),
    /// A source's cursor looks for its position.
    Position(AcceptId),
    /// A source's cursor reads.
    Read(AcceptId),
    /// A receiver's request is answered.
    Serve(AcceptId, u64),
    /// A walk over a range.
    Walk(WalkId),
    /// A join's vector is set.
    Finish(TableId, u64),
    /// A comparison of digests.
    Compare(DialId, TableId),
    /// A replica's state is set.
    SetReplica(TableId),
}

/// Collects commands.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) commands: Vec<Command>,
    pub(crate) purposes: BTreeMap<Ticket, Purpose>,
    next_ticket: u64,
}

impl Out {
    pub(crate) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Calls the store; the answer finds its way back by the purpose.
    pub(crate) fn call(&mut self, purpose: Purpose, call: StoreCall) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let before = self.purposes.insert(ticket, purpose);
        debug_assert!(before.is_none(), "calls are numbered once");
        self.commands.push(Command::Call(ticket, call));
        ticket
    }
}
