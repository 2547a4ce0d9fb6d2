//! An accepted stream: the receiver's subscription, and reading the log for it.

mod announcements;
mod send_window;
mod serving;

use std::{collections::BTreeSet, sync::Arc};

use beringia_item::{Mutation, Origin, Region, TableId};
use beringia_storage_types::{
    LogFilter, LogPage, LogPosition, PlantedBug, SharedVectors, StoreError, changed_vectors, planted,
};

use self::{announcements::Announcements, send_window::SendWindow, serving::Serving};
use crate::{
    context::Context,
    event::{AcceptId, Command, StoreAnswer, StoreCall},
    hello::{check_hello, clock_ahead_ms, hello_of},
    message::{Acknowledgement, BelowLowWatermark, Goodbye, Hello, Request, Subscription, TableVectors, ToReceiver},
    out::{Out, Purpose},
    watermark::ReportedWatermarks,
};

/// A sequence above that of any write. Half of the type's range, because databases store no larger
/// integers.
const BEYOND: u64 = u64::MAX / 2;

/// How many times the log may grow by records that the receiver does not want before it is read all
/// the same: the next read begins where the last one ended, and should not have much to skip.
const UNREAD_MAX: u32 = 64;

/// The part of the log that remains to be sent.
#[derive(Debug, Clone)]
enum Cursor {
    /// The receiver has not subscribed to anything yet.
    Idle,
    /// The store is looking for the position. `again`: the subscription changed meanwhile.
    Opening { again: bool },
    /// The store is reading. `again` as above; `grew`: the log grew meanwhile.
    Reading { again: bool, grew: bool },
    /// Everything has been sent. `unread`: how often the log has grown since by records that the
    /// receiver does not want.
    AtEnd { unread: u32 },
    /// Nothing is sent until the receiver acknowledges: the window is full.
    Blocked,
}

/// An accepted stream, on which this region is the source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    link: AcceptId,
    opened_ms: u64,
    /// The receiving region; `None` until it said hello.
    pub(crate) peer: Option<Region>,
    pub(crate) clock_ahead_ms: i64,
    subscription: Option<Subscription>,
    /// The vectors that the receiver reported: in its subscription first, then in every
    /// acknowledgement.
    pub(crate) acknowledged: TableVectors,
    /// How far the receiver has this region's own writes, and since when.
    pub(crate) reported: ReportedWatermarks,
    cursor: Cursor,
    position: LogPosition,
    filter: Arc<LogFilter>,
    /// Up to where the receiver has been sent everything since the cursor was opened.
    sent: TableVectors,
    /// This region's vectors of which nothing is owed: of the wanted origins, they cover no more
    /// than `sent`. Only tables whose vectors differ from these have to be looked at.
    compared: SharedVectors,
    window: SendWindow,
    announcements: Announcements,
    serving: Serving,
}

impl Source {
    pub(crate) fn new(link: AcceptId, context: &Context) -> Self {
        Self {
            link,
            opened_ms: context.now.elapsed_ms,
            peer: None,
            clock_ahead_ms: 0,
            subscription: None,
            acknowledged: TableVectors::new(),
            reported: ReportedWatermarks::default(),
            cursor: Cursor::Idle,
            position: LogPosition::default(),
            filter: Arc::default(),
            sent: TableVectors::new(),
            compared: SharedVectors::new(),
            window: SendWindow::default(),
            announcements: Announcements::default(),
            serving: Serving::new(link),
        }
    }

    /// Empties what only saves work, and resets what only counts it (see
    /// [`Replicator::description`](crate::Replicator::description)).
    pub(crate) fn normalize(&mut self) {
        self.compared = SharedVectors::new();
        if let Cursor::AtEnd { unread } = &mut self.cursor {
            *unread = 0;
        }
    }

    /// Whether the receiver has subscribed, and so reported its vectors on this stream.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscription.is_some()
    }

    /// The generation of the last subscription; 0 before the first.
    fn generation(&self) -> u64 {
        self.subscription
            .as_ref()
            .map_or(0, |subscription| subscription.generation)
    }

    fn send(&self, out: &mut Out, message: ToReceiver) {
        out.push(Command::SendToReceiver(self.link, message));
    }

    /// Answers the receiver's hello and returns the receiver's region. The error ends the stream: a
    /// second hello, or one that does not fit this region.
    pub(crate) fn hello(&mut self, context: &Context, out: &mut Out, hello: &Hello) -> Result<Region, Goodbye> {
        if self.peer.is_some() {
            return Err(Goodbye::for_now("a second hello arrived"));
        }
        self.send(out, ToReceiver::Hello(hello_of(context, Some(hello.region.clone()))));
        check_hello(context, hello, None)?;
        self.peer = Some(hello.region.clone());
        self.clock_ahead_ms = clock_ahead_ms(context, hello);
        Ok(hello.region.clone())
    }

    pub(crate) fn hello_overdue(&self, context: &Context) -> bool {
        self.peer.is_none() && context.now.elapsed_ms >= self.opened_ms + context.tuning.hello_timeout_ms
    }

    /// Replaces the subscription on this stream.
    pub(crate) fn subscribe(
        &mut self,
        context: &Context,
        out: &mut Out,
        subscription: Subscription,
    ) -> Result<(), Goodbye> {
        debug_assert!(self.peer.is_some(), "a receiver subscribes after its hello");
        if self
            .subscription
            .as_ref()
            .is_some_and(|old| old.generation >= subscription.generation)
        {
            return Err(Goodbye::for_now(
                "a subscription arrived that is older than the current one",
            ));
        }
        // The receiver may have lost its disk: its new vectors replace what it reported before.
        for (table, vector) in &subscription.tables {
            self.acknowledged.insert(*table, vector.clone());
        }
        self.reported.learn(context, &subscription.tables);
        self.subscription = Some(subscription);
        self.announce(context, out);
        self.reopen(context, out);
        Ok(())
    }

    /// Looks for the position again, because the subscription changed or the set of served tables.
    pub(crate) fn reopen(&mut self, context: &Context, out: &mut Out) {
        match &mut self.cursor {
            Cursor::Opening { again } | Cursor::Reading { again, .. } => {
                *again = true;
                return;
            }
            Cursor::Idle | Cursor::AtEnd { .. } | Cursor::Blocked => {}
        }
        let Some(subscription) = &self.subscription else { return };
        let mut tables: TableVectors = subscription.tables.clone();
        tables.retain(|table, _| context.serves(*table));
        for (table, vector) in &mut tables {
            if let Some(acknowledged) = self.acknowledged.get(table) {
                vector.merge(acknowledged);
            }
            if planted().is_some_and(PlantedBug::trusts_sent)
                && let Some(sent) = self.sent.get(table)
            {
                vector.merge(sent);
            }
        }
        self.filter = Arc::new(LogFilter {
            origins: subscription.origins.clone(),
            tables,
        });
        self.open(out);
    }

    fn open(&mut self, out: &mut Out) {
        if self.filter.tables.is_empty() || self.filter.origins.is_empty() {
            self.cursor = Cursor::Idle;
            return;
        }
        self.sent.clone_from(&self.filter.tables);
        self.compared = SharedVectors::new();
        self.cursor = Cursor::Opening { again: false };
        out.call(
            Purpose::Position(self.link),
            StoreCall::Position(LogFilter::clone(&self.filter)),
        );
    }

    /// Whether the cursor depends on whether this region serves one of these tables.
    pub(crate) fn concerns(&self, tables: &BTreeSet<TableId>) -> bool {
        self.subscription
            .as_ref()
            .is_some_and(|subscription| subscription.tables.keys().any(|table| tables.contains(table)))
    }

    pub(crate) fn on_position(
        &mut self,
        context: &Context,
        out: &mut Out,
        answer: Result<LogPosition, Vec<(TableId, Origin)>>,
    ) {
        if let Cursor::Opening { again: true } = self.cursor {
            self.cursor = Cursor::Idle;
            return self.reopen(context, out);
        }
        match answer {
            Ok(position) => {
                self.position = position;
                self.read(context, out);
            }
            Err(missing) => self.refuse(out, missing),
        }
    }

    /// Tells the receiver what the log does not hold and continues without it: no write is above
    /// that vector.
    fn refuse(&mut self, out: &mut Out, missing: Vec<(TableId, Origin)>) {
        let tables = &mut Arc::make_mut(&mut self.filter).tables;
        for (table, origin) in &missing {
            match tables.get_mut(table) {
                Some(vector) if vector.get(origin) < BEYOND => vector.advance(origin, BEYOND),
                // The table went away meanwhile, or the store repeats its answer.
                _ => drop(tables.remove(table)),
            }
        }
        let refusal = BelowLowWatermark {
            generation: self.generation(),
            parts: missing,
        };
        self.send(out, ToReceiver::Refusal(refusal));
        self.open(out);
    }

    fn read(&mut self, context: &Context, out: &mut Out) {
        if self.window.is_full(context.tuning.window_bytes) {
            self.cursor = Cursor::Blocked;
            return;
        }
        self.cursor = Cursor::Reading {
            again: false,
            grew: false,
        };
        let call = StoreCall::Read {
            from: self.position,
            filter: Arc::clone(&self.filter),
            max_bytes: context.tuning.batch_bytes,
        };
        out.call(Purpose::Read(self.link), call);
    }

    /// Continues reading because the log grew; `vectors` are this region's after the append.
    pub(crate) fn on_log_appended(&mut self, context: &Context, out: &mut Out, vectors: &SharedVectors) {
        match &mut self.cursor {
            Cursor::AtEnd { unread } => {
                let unread = *unread + 1;
                if unread > UNREAD_MAX || self.is_owed(vectors) {
                    return self.read(context, out);
                }
                self.compared.clone_from(vectors);
                self.cursor = Cursor::AtEnd { unread };
            }
            Cursor::Reading { grew, .. } => *grew = true,
            Cursor::Idle | Cursor::Opening { .. } | Cursor::Blocked => {}
        }
    }

    pub(crate) fn on_log(&mut self, context: &Context, out: &mut Out, page: LogPage) {
        let Cursor::Reading { again, grew } = self.cursor else {
            return;
        };
        if again {
            self.cursor = Cursor::Idle;
            return self.reopen(context, out);
        }
        let LogPage { mutations, next, end } = page;
        debug_assert!(next >= self.position, "the log is read forwards");
        self.position = next;
        for mutation in &mutations {
            let version = &mutation.version;
            self.sent
                .entry(mutation.table)
                .or_default()
                .advance(&version.origin, version.sequence);
        }
        let progress = end.as_ref().map_or_else(Vec::new, |vectors| self.progress(vectors));
        self.send_batch(out, mutations, progress);
        if end.is_some() && !grew {
            self.cursor = Cursor::AtEnd { unread: 0 };
        } else {
            self.read(context, out);
        }
    }

    /// Whether a region with these vectors has something that the receiver wants and was not sent.
    fn is_owed(&self, vectors: &SharedVectors) -> bool {
        changed_vectors(&self.compared, vectors).any(|(table, vector)| {
            let mut origins = self.filter.origins.iter();
            self.sent
                .get(&table)
                .is_some_and(|sent| origins.any(|origin| vector.get(origin) > sent.get(origin)))
        })
    }

    /// The vector entries that the receiver may advance although it gets no mutation for them.
    fn progress(&mut self, vectors: &SharedVectors) -> Vec<(TableId, Origin, u64)> {
        let mut progress = Vec::new();
        for (table, vector) in changed_vectors(&self.compared, vectors) {
            let Some(sent) = self.sent.get_mut(&table) else {
                continue;
            };
            for origin in &self.filter.origins {
                let sequence = vector.get(origin);
                if sequence > sent.get(origin) {
                    sent.advance(origin, sequence);
                    progress.push((table, origin.clone(), sequence));
                }
            }
        }
        self.compared.clone_from(vectors);
        progress
    }

    fn send_batch(&mut self, out: &mut Out, mutations: Vec<Mutation>, progress: Vec<(TableId, Origin, u64)>) {
        if mutations.is_empty() && progress.is_empty() {
            return;
        }
        let batch = self.window.batch(self.generation(), mutations, progress);
        self.send(out, ToReceiver::Batch(batch));
    }

    pub(crate) fn acknowledge(
        &mut self,
        context: &Context,
        out: &mut Out,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), Goodbye> {
        self.window.acknowledge(acknowledgement.batch)?;
        self.reported.learn(context, &acknowledgement.tables);
        let known = |table: &TableId| self.peer.as_ref().is_some_and(|peer| context.has_replica(peer, *table));
        for (table, vector) in &acknowledgement.tables {
            // Bounded by the tables that the catalog and the subscription name.
            if known(table) || self.acknowledged.contains_key(table) {
                self.acknowledged.entry(*table).or_default().merge(vector);
            }
        }
        if matches!(self.cursor, Cursor::Blocked) {
            self.read(context, out);
        }
        Ok(())
    }

    /// Announces this region's vectors of tables that both regions have, where they changed.
    fn announce(&mut self, context: &Context, out: &mut Out) {
        let Some(peer) = &self.peer else { return };
        for message in self.announcements.changes(context, peer) {
            self.send(out, message);
        }
    }

    /// Takes back the announcements of tables that are not served any more.
    pub(crate) fn withdraw(&mut self, context: &Context, out: &mut Out) {
        let Some(peer) = &self.peer else { return };
        if let Some(message) = self.announcements.withdraw(context, peer) {
            self.send(out, message);
        }
    }

    pub(crate) fn tick(&mut self, context: &Context, out: &mut Out) {
        if self.subscription.is_some() && self.announcements.is_due(context) {
            self.announce(context, out);
        }
    }

    /// Answers a request, or fails if the receiver has too many pending.
    pub(crate) fn request(&mut self, context: &Context, out: &mut Out, request: Request) -> Result<(), Goodbye> {
        let Some(peer) = &self.peer else {
            return Err(Goodbye::for_now("a request arrived before the hello"));
        };
        self.serving.request(context, out, peer, request)
    }

    /// Replies with the store's answer to a request.
    pub(crate) fn on_served(
        &mut self,
        context: &Context,
        out: &mut Out,
        id: u64,
        result: Result<StoreAnswer, StoreError>,
    ) {
        self.serving.on_answer(context, out, id, result);
    }

    /// The reason for ending the stream after a call of the cursor failed.
    pub(crate) fn on_failure(&self, failure: &StoreError) -> Goodbye {
        let what = match self.cursor {
            Cursor::Opening { .. } => "finding the log position failed",
            _ => "reading the log failed",
        };
        Goodbye::for_now(format!("{what}: {failure}"))
    }
}
