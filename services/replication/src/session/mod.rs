//! An open stream from a peer: subscribes, applies batches in order, and acknowledges them.

mod acks;
mod announced;
mod inbox;
mod questions;
mod refusals;
mod subscribed;

use std::collections::BTreeSet;

use beringia_item::{Mutation, Origin, Region, TableId};
use beringia_storage_types::{RemoteBatch, RemoteKind};

pub(crate) use self::questions::Asked;
use self::{
    acks::Acks, announced::Announced, inbox::Inbox, questions::Questions, refusals::Refusals, subscribed::Subscribed,
};
use crate::{
    context::Context,
    event::{Command, DialId, StoreCall, Ticket},
    message::{Acknowledgement, Batch, Goodbye, Question, Subscription, TableVectors, ToSource},
    out::{Out, Purpose},
    quarantine::TooFarAhead,
};

/// An open stream, on which this region is the receiver.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    region: Region,
    pub(crate) link: DialId,
    /// Identifies the source's process; 0 until its hello.
    pub(crate) incarnation: u128,
    subscribed: Subscribed,
    pub(crate) refusals: Refusals,
    inbox: Inbox,
    acks: Acks,
    questions: Questions,
    pub(crate) announced: Announced,
}

impl Session {
    pub(crate) fn new(region: Region, link: DialId) -> Self {
        Self {
            region,
            link,
            incarnation: 0,
            subscribed: Subscribed::default(),
            refusals: Refusals::default(),
            inbox: Inbox::default(),
            acks: Acks::default(),
            questions: Questions::default(),
            announced: Announced::default(),
        }
    }

    /// Empties what only saves work, and resets what only counts it (see
    /// [`Replicator::description`](crate::Replicator::description)).
    pub(crate) fn normalize(&mut self) {
        self.acks.normalize();
        self.questions.normalize();
    }

    /// Subscribes to these tables, given in order, and origins, unless the stream is subscribed to
    /// exactly them already.
    pub(crate) fn subscribe(
        &mut self,
        context: &Context,
        out: &mut Out,
        tables: impl Iterator<Item = TableId> + Clone,
        origins: &BTreeSet<Origin>,
    ) {
        if self.refusals.expire(context.now.elapsed_ms) {
            self.subscribed.start_over();
        }
        if self.subscribed.is_to(tables.clone(), origins) {
            return;
        }
        let tables: BTreeSet<TableId> = tables.collect();
        let generation = self.subscribed.change(&tables, origins);
        self.refusals.retain(&tables);
        let vectors: TableVectors = tables.iter().map(|table| (*table, context.vector(*table))).collect();
        self.acks.on_subscribed(&vectors);
        let subscription = Subscription {
            generation,
            tables: vectors,
            origins: origins.iter().cloned().collect(),
        };
        out.push(Command::SendToSource(self.link, ToSource::Subscribe(subscription)));
    }

    /// Records what the source's log no longer holds; it is requested again after a pause.
    pub(crate) fn on_refusal(&mut self, context: &Context, generation: u64, parts: Vec<(TableId, Origin)>) {
        if generation == self.subscribed.generation() {
            let parts = parts
                .into_iter()
                .filter(|(table, origin)| self.subscribed.contains(table, origin));
            let retry_at_ms = context.now.elapsed_ms + context.tuning.refused_retry_ms;
            self.refusals.add(parts, retry_at_ms);
        }
    }

    /// Requests again what was refused of the table: a copy has set the table's vector.
    pub(crate) fn retry(&mut self, table: TableId) {
        if self.refusals.remove(table) {
            self.subscribed.start_over();
        }
    }

    /// Drops everything in progress on this stream after the store refused the batches; the source
    /// has to start again from what is durable here.
    pub(crate) fn restart(&mut self, out: &mut Out, ticket: Ticket) {
        if self.inbox.end(ticket).is_none() {
            return;
        }
        self.subscribed.stop();
        // The vectors report what is durable; the batch number only opens the window. It covers all
        // batches that arrived, including those that waited behind the refused ones: a source whose
        // window they fill would never send again.
        self.acks.complete(self.inbox.clear());
        self.acknowledge(out, self.acks.of_batch());
    }

    /// Removes the writes that are too far ahead from the commit that the store refused because of
    /// one, and hands over the rest at once. `None` if the commit's content was not kept, or
    /// nothing in it seems too far ahead.
    pub(crate) fn without_what_waits(
        &mut self,
        context: &Context,
        out: &mut Out,
        ticket: Ticket,
    ) -> Option<TooFarAhead> {
        let (mut apply, last) = self.inbox.take_kept(ticket)?;
        let mut waiting = self.take_out(context, &mut apply);
        if waiting.is_empty() {
            return None;
        }
        self.inbox.end(ticket);
        self.hand_over(context, out, apply, last);
        waiting.extend(self.apply(context, out));
        Some(waiting)
    }

    /// Takes in a batch. Returns the origins whose writes have to wait and are to be left out of
    /// the next subscription.
    pub(crate) fn on_batch(&mut self, context: &Context, out: &mut Out, batch: Batch) -> Result<TooFarAhead, Goodbye> {
        if batch.generation > self.subscribed.generation() {
            return Err(Goodbye::for_now("a batch arrived out of order"));
        }
        self.inbox.push(batch, context.tuning.inbox_bytes_max)?;
        Ok(self.apply(context, out))
    }

    /// Hands the next batches to the store if it is free. Leaves out writes that have to wait;
    /// nothing more is taken of their origins.
    fn apply(&mut self, context: &Context, out: &mut Out) -> TooFarAhead {
        let mut waiting = TooFarAhead::new();
        loop {
            let batches = self.inbox.take(context.tuning.apply_bytes);
            let Some(last) = batches.last().map(|batch| batch.number) else {
                return waiting;
            };
            let mut apply = RemoteBatch {
                kind: RemoteKind::Stream,
                from: Some(self.region.clone()),
                ..RemoteBatch::default()
            };
            for batch in batches {
                self.add(batch, &mut apply);
            }
            waiting.extend(self.take_out(context, &mut apply));
            self.hand_over(context, out, apply, last);
        }
    }

    /// Adds the part of the batch that is still wanted and leaves no gap. All writes of a
    /// transaction have one origin; those to tables that this region does not take are left out.
    fn add(&self, batch: Batch, apply: &mut RemoteBatch) {
        let takes = |table: &TableId, origin: &Origin| self.subscribed.takes(batch.generation, table, origin);
        let of = |mutation: &Mutation| takes(&mutation.table, mutation.origin());
        apply.mutations.extend(batch.mutations.into_iter().filter(of));
        let progress = batch.progress.into_iter();
        apply
            .progress
            .extend(progress.filter(|(table, origin, _)| takes(table, origin)));
    }

    /// Removes writes that have to wait. Nothing more of their origins is taken in this
    /// subscription.
    fn take_out(&mut self, context: &Context, apply: &mut RemoteBatch) -> TooFarAhead {
        let waiting = context.take_out(apply);
        for origin in waiting.keys() {
            self.subscribed.stop_origin(origin);
        }
        waiting
    }

    /// Hands the batch to the store, unless it is empty.
    fn hand_over(&mut self, context: &Context, out: &mut Out, apply: RemoteBatch, last: u64) {
        if apply.mutations.is_empty() && apply.progress.is_empty() {
            self.acks.complete(last);
            self.acknowledge(out, self.acks.of_batch());
            return;
        }
        let kept = context.limit_ms.is_none().then(|| apply.clone());
        let ticket = out.call(Purpose::Stream(self.link), StoreCall::Apply(apply));
        self.inbox.begin(ticket, last, kept);
    }

    /// Acknowledges the batches that the store applied, and applies the next ones. Returns the
    /// origins whose writes have to wait and are to be left out of the next subscription.
    pub(crate) fn on_applied(&mut self, context: &Context, out: &mut Out, ticket: Ticket) -> TooFarAhead {
        let Some(last) = self.inbox.end(ticket) else {
            return TooFarAhead::new();
        };
        self.acks.complete(last);
        self.acknowledge_changes(context, out);
        self.apply(context, out)
    }

    /// Reports to the source, on a tick, vectors that advanced through other streams.
    pub(crate) fn report_changes(&mut self, context: &Context, out: &mut Out) {
        if self.acks.is_behind(context, &self.subscribed) {
            self.acknowledge_changes(context, out);
        }
    }

    /// Acknowledges, with the vectors that the source does not know yet.
    fn acknowledge_changes(&mut self, context: &Context, out: &mut Out) {
        let acknowledgement = self.acks.with_changes(context, &self.subscribed);
        self.acknowledge(out, acknowledgement);
    }

    fn acknowledge(&self, out: &mut Out, acknowledgement: Acknowledgement) {
        debug_assert!(
            acknowledgement.batch <= self.inbox.received(),
            "only received batches are acknowledged"
        );
        out.push(Command::SendToSource(self.link, ToSource::Acknowledge(acknowledgement)));
    }

    /// Sends a request to the source and remembers its purpose.
    pub(crate) fn ask(&mut self, out: &mut Out, asked: Asked, table: TableId, question: Question) {
        let request = self.questions.ask(asked, table, question);
        out.push(Command::SendToSource(self.link, ToSource::Request(request)));
    }

    /// The purpose of the request that the source answered.
    pub(crate) fn answered(&mut self, id: u64) -> Result<Asked, Goodbye> {
        self.questions.answered(id)
    }

    /// The region of the source.
    pub(crate) const fn region(&self) -> &Region {
        &self.region
    }
}
