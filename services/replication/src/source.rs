//! One accepted stream: this region reads its log for a receiver, within a window, and answers its questions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beringia_item::{Mutation, Origin, Region, TableId, VersionVector};
use beringia_storage_types::{LogFilter, LogPage, LogPosition, StoreError};

use crate::{
    event::{AcceptId, Command, StoreAnswer, StoreCall},
    hello::{check_hello, clock_ahead_ms, hello_of},
    message::{
        Acknowledgement, Answer, Batch, BelowFloor, Goodbye, Hello, Question, Reply, Request, Subscription,
        TableVectors, ToReceiver,
    },
    out::{Out, Purpose},
    watermark::Said,
    world::World,
};

/// A sequence that no write has. Half of what the type holds, since databases know no greater integers.
const BEYOND: u64 = u64::MAX / 2;

/// So many times the log may grow by what the receiver does not want before it is read all the same: reading begins where it last ended,
/// and is not to pass over more than a little.
const UNREAD_MAX: u32 = 64;

/// What the receiver is owed from the log.
#[derive(Debug)]
enum Cursor {
    /// Nothing is subscribed to.
    Idle,
    /// The store looks for the position. `again`: what is subscribed to changed meanwhile.
    Opening { again: bool },
    /// The store reads. `again` as above; `grew`: the log grew meanwhile.
    Reading { again: bool, grew: bool },
    /// Everything was sent. `unread`: how often the log grew since by what the receiver does not want.
    AtEnd { unread: u32 },
    /// The window is full.
    Blocked,
}

/// An accepted stream.
#[derive(Debug)]
pub(crate) struct Source {
    link: AcceptId,
    opened_ms: u64,
    /// Who receives; `None` until it said hello.
    pub(crate) peer: Option<Region>,
    pub(crate) clock_ahead_ms: i64,
    subscription: Option<Subscription>,
    /// What the receiver said that it has: of its subscription first, then of every acknowledgement.
    pub(crate) acknowledged: TableVectors,
    /// Since when it has what of this region's own writes.
    pub(crate) said: Said,
    cursor: Cursor,
    position: LogPosition,
    filter: LogFilter,
    /// Up to where the receiver has been sent everything since the cursor was opened.
    sent: TableVectors,
    next_batch: u64,
    unacknowledged: VecDeque<(u64, usize)>,
    unacknowledged_bytes: usize,
    announced: TableVectors,
    announced_lost: BTreeSet<Region>,
    announce_at_ms: u64,
    /// Requests that the store works on, and their tables.
    serving: BTreeMap<u64, TableId>,
}

impl Source {
    pub(crate) fn new(link: AcceptId, world: &World) -> Self {
        Self {
            link,
            opened_ms: world.now.elapsed_ms,
            peer: None,
            clock_ahead_ms: 0,
            subscription: None,
            acknowledged: TableVectors::new(),
            said: Said::default(),
            cursor: Cursor::Idle,
            position: LogPosition::default(),
            filter: LogFilter::default(),
            sent: TableVectors::new(),
            next_batch: 1,
            unacknowledged: VecDeque::new(),
            unacknowledged_bytes: 0,
            announced: TableVectors::new(),
            announced_lost: BTreeSet::new(),
            announce_at_ms: 0,
            serving: BTreeMap::new(),
        }
    }

    /// Whether the receiver has said what it has, on this stream.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscription.is_some()
    }

    pub(crate) fn send(&self, out: &mut Out, message: ToReceiver) {
        out.push(Command::SendToReceiver(self.link, message));
    }

    /// The receiver says who it is.
    pub(crate) fn hello(&mut self, world: &World, out: &mut Out, hello: &Hello) -> Result<Region, Goodbye> {
        if self.peer.is_some() {
            return Err(Goodbye::for_now("a second hello"));
        }
        self.send(out, ToReceiver::Hello(hello_of(world, Some(hello.region.clone()))));
        check_hello(world, hello, None)?;
        self.peer = Some(hello.region.clone());
        self.clock_ahead_ms = clock_ahead_ms(world, hello);
        Ok(hello.region.clone())
    }

    pub(crate) fn hello_overdue(&self, world: &World) -> bool {
        self.peer.is_none() && world.now.elapsed_ms >= self.opened_ms + world.tuning.hello_timeout_ms
    }

    /// The receiver wants something else than before.
    pub(crate) fn subscribe(
        &mut self,
        world: &World,
        out: &mut Out,
        subscription: Subscription,
    ) -> Result<(), Goodbye> {
        if self
            .subscription
            .as_ref()
            .is_some_and(|old| old.generation >= subscription.generation)
        {
            return Err(Goodbye::for_now("a subscription that is older than the one before"));
        }
        // What the receiver says now counts, not what it said before it lost its disk.
        for (table, vector) in &subscription.tables {
            self.acknowledged.insert(*table, vector.clone());
        }
        self.said.learn(world, &subscription.tables);
        self.subscription = Some(subscription);
        self.announce(world, out);
        self.reopen(world, out);
        Ok(())
    }

    /// Looks for the position again: the subscription changed, or what this region serves.
    pub(crate) fn reopen(&mut self, world: &World, out: &mut Out) {
        match &mut self.cursor {
            Cursor::Opening { again } | Cursor::Reading { again, .. } => {
                *again = true;
                return;
            }
            Cursor::Idle | Cursor::AtEnd { .. } | Cursor::Blocked => {}
        }
        let Some(subscription) = &self.subscription else { return };
        let mut tables: TableVectors = subscription.tables.clone();
        tables.retain(|table, _| world.serves(*table));
        for (table, vector) in &mut tables {
            if let Some(acknowledged) = self.acknowledged.get(table) {
                vector.merge(acknowledged);
            }
        }
        self.filter = LogFilter {
            origins: subscription.origins.clone(),
            tables,
        };
        self.open(out);
    }

    fn open(&mut self, out: &mut Out) {
        if self.filter.tables.is_empty() || self.filter.origins.is_empty() {
            self.cursor = Cursor::Idle;
            return;
        }
        self.sent.clone_from(&self.filter.tables);
        self.cursor = Cursor::Opening { again: false };
        out.call(Purpose::Position(self.link), StoreCall::Position(self.filter.clone()));
    }

    /// Whether the cursor depends on whether this region serves one of these tables.
    pub(crate) fn concerns(&self, tables: &BTreeSet<TableId>) -> bool {
        self.subscription
            .as_ref()
            .is_some_and(|subscription| subscription.tables.keys().any(|table| tables.contains(table)))
    }

    pub(crate) fn on_position(
        &mut self,
        world: &World,
        out: &mut Out,
        answer: Result<LogPosition, Vec<(TableId, Origin)>>,
    ) {
        if let Cursor::Opening { again: true } = self.cursor {
            self.cursor = Cursor::Idle;
            return self.reopen(world, out);
        }
        match answer {
            Ok(position) => {
                self.position = position;
                self.read(world, out);
            }
            Err(missing) => self.refuse(out, missing),
        }
    }

    /// Goes on without what the log does not hold: nothing is above that vector.
    fn refuse(&mut self, out: &mut Out, missing: Vec<(TableId, Origin)>) {
        for (table, origin) in &missing {
            match self.filter.tables.get_mut(table) {
                Some(vector) if vector.get(origin) < BEYOND => vector.advance(origin, BEYOND),
                // The table went away meanwhile, or the store repeats itself.
                _ => drop(self.filter.tables.remove(table)),
            }
        }
        let generation = self
            .subscription
            .as_ref()
            .map_or(0, |subscription| subscription.generation);
        self.send(
            out,
            ToReceiver::Refusal(BelowFloor {
                generation,
                parts: missing,
            }),
        );
        self.open(out);
    }

    fn read(&mut self, world: &World, out: &mut Out) {
        if self.unacknowledged_bytes >= world.tuning.window_bytes {
            self.cursor = Cursor::Blocked;
            return;
        }
        self.cursor = Cursor::Reading {
            again: false,
            grew: false,
        };
        let call = StoreCall::Read {
            from: self.position,
            filter: self.filter.clone(),
            max_bytes: world.tuning.batch_bytes,
        };
        out.call(Purpose::Read(self.link), call);
    }

    /// The log grew; `vectors` are this region's since.
    pub(crate) fn on_log_appended(&mut self, world: &World, out: &mut Out, vectors: &TableVectors) {
        let is_owed = self.is_owed(vectors);
        match &mut self.cursor {
            Cursor::AtEnd { unread } if !is_owed && *unread < UNREAD_MAX => *unread += 1,
            Cursor::AtEnd { .. } => self.read(world, out),
            Cursor::Reading { grew, .. } => *grew = true,
            Cursor::Idle | Cursor::Opening { .. } | Cursor::Blocked => {}
        }
    }

    pub(crate) fn on_log(&mut self, world: &World, out: &mut Out, page: LogPage) {
        let Cursor::Reading { again, grew } = self.cursor else {
            return;
        };
        if again {
            self.cursor = Cursor::Idle;
            return self.reopen(world, out);
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
            self.read(world, out);
        }
    }

    /// Whether a region with these vectors has something that the receiver wants and was not sent.
    fn is_owed(&self, vectors: &TableVectors) -> bool {
        let is_behind = |(table, sent): (&TableId, &VersionVector)| {
            let vector = vectors.get(table);
            vector.is_some_and(|vector| {
                let mut origins = self.filter.origins.iter();
                origins.any(|origin| vector.get(origin) > sent.get(origin))
            })
        };
        self.sent.iter().any(is_behind)
    }

    /// What the receiver can take as complete although no mutation says so.
    fn progress(&mut self, vectors: &TableVectors) -> Vec<(TableId, Origin, u64)> {
        let mut progress = Vec::new();
        for (table, sent) in &mut self.sent {
            let Some(vector) = vectors.get(table) else { continue };
            for origin in &self.filter.origins {
                let sequence = vector.get(origin);
                if sequence > sent.get(origin) {
                    sent.advance(origin, sequence);
                    progress.push((*table, origin.clone(), sequence));
                }
            }
        }
        progress
    }

    fn send_batch(&mut self, out: &mut Out, mutations: Vec<Mutation>, progress: Vec<(TableId, Origin, u64)>) {
        if mutations.is_empty() && progress.is_empty() {
            return;
        }
        let generation = self
            .subscription
            .as_ref()
            .map_or(0, |subscription| subscription.generation);
        let batch = Batch {
            number: self.next_batch,
            generation,
            mutations,
            progress,
        };
        debug_assert!(
            self.unacknowledged
                .back()
                .is_none_or(|(last, _)| last + 1 == batch.number),
            "batches are numbered without a gap"
        );
        self.next_batch += 1;
        let weight = batch.weight();
        self.unacknowledged.push_back((batch.number, weight));
        self.unacknowledged_bytes += weight;
        self.send(out, ToReceiver::Batch(batch));
    }

    pub(crate) fn acknowledge(
        &mut self,
        world: &World,
        out: &mut Out,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), Goodbye> {
        if acknowledgement.batch >= self.next_batch {
            return Err(Goodbye::for_now("an acknowledgement of what was not sent"));
        }
        while let Some((number, weight)) = self.unacknowledged.front().copied() {
            if number > acknowledgement.batch {
                break;
            }
            self.unacknowledged.pop_front();
            self.unacknowledged_bytes -= weight;
        }
        debug_assert_eq!(
            self.unacknowledged.is_empty(),
            self.unacknowledged_bytes == 0,
            "the window holds what is not acknowledged"
        );
        self.said.learn(world, &acknowledgement.tables);
        let known = |table: &TableId| self.peer.as_ref().is_some_and(|peer| world.has_replica(peer, *table));
        for (table, vector) in &acknowledgement.tables {
            // Bounded by what the catalog and the subscription name.
            if known(table) || self.acknowledged.contains_key(table) {
                self.acknowledged.entry(*table).or_default().merge(vector);
            }
        }
        if matches!(self.cursor, Cursor::Blocked) {
            self.read(world, out);
        }
        Ok(())
    }

    /// Tells the receiver how far this region is, in the tables that both hold, where that changed.
    fn announce(&mut self, world: &World, out: &mut Out) {
        self.announce_at_ms = world.now.elapsed_ms + world.tuning.announce_ms;
        let Some(peer) = self.peer.clone() else { return };
        let lost = world.lost();
        if self.announced_lost != lost {
            self.announced_lost.clone_from(&lost);
            self.send(out, ToReceiver::Lost(lost));
        }
        let mut changed = TableVectors::new();
        for table in world.served() {
            if !world.has_replica(&peer, table) {
                continue;
            }
            let vector = world.vector(table);
            if self.announced.get(&table) != Some(&vector) {
                changed.insert(table, vector);
            }
        }
        if !changed.is_empty() {
            self.announced.extend(changed.clone());
            self.send(out, ToReceiver::Vectors(changed));
        }
    }

    /// Takes back what was announced of tables that are not served any more, so that the receiver expects nothing of them here.
    pub(crate) fn withdraw(&mut self, world: &World, out: &mut Out) {
        let Some(peer) = &self.peer else { return };
        let stands = |table: TableId| world.serves(table) && world.has_replica(peer, table);
        let gone: Vec<TableId> = self.announced.keys().copied().filter(|table| !stands(*table)).collect();
        if !gone.is_empty() {
            self.announced.retain(|table, _| !gone.contains(table));
            self.send(out, ToReceiver::Withdraw(gone));
        }
    }

    pub(crate) fn tick(&mut self, world: &World, out: &mut Out) {
        if self.subscription.is_some() && world.now.elapsed_ms >= self.announce_at_ms {
            self.announce(world, out);
        }
    }

    /// Answers a question, or hangs up on a receiver that asks more at once than is allowed.
    pub(crate) fn request(&mut self, world: &World, out: &mut Out, request: Request) -> Result<(), Goodbye> {
        if self.serving.len() >= world.tuning.requests_max || self.serving.contains_key(&request.id) {
            return Err(Goodbye::for_now("too many requests at once"));
        }
        let Some(peer) = &self.peer else {
            return Err(Goodbye::for_now("a request before the hello"));
        };
        let table = request.table;
        if !world.serves(table) {
            return self.unavailable(out, request.id, not_served(world, table));
        }
        // A source that does not know of the replica could forget a tombstone while the replica copies rows that it deletes.
        if !world.has_replica(peer, table) {
            let reason = format!(
                "{} does not know that {peer} has a replica of table {table}",
                world.region
            );
            return self.unavailable(out, request.id, reason);
        }
        let call = match request.question {
            Question::Digest => StoreCall::Digest(table),
            Question::Keys { span, after } => StoreCall::Keys {
                table,
                span,
                after,
                max: world.tuning.keys_per_page,
            },
            Question::Rows { keys } => StoreCall::Rows {
                table,
                keys,
                max_bytes: world.tuning.reply_bytes,
            },
        };
        self.serving.insert(request.id, table);
        out.call(Purpose::Serve(self.link, request.id), call);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads as the answer that it is")]
    fn unavailable(&self, out: &mut Out, id: u64, reason: String) -> Result<(), Goodbye> {
        self.send(
            out,
            ToReceiver::Reply(Reply {
                id,
                answer: Answer::Unavailable(reason),
            }),
        );
        Ok(())
    }

    pub(crate) fn on_served(&mut self, world: &World, out: &mut Out, id: u64, result: Result<StoreAnswer, StoreError>) {
        let Some(table) = self.serving.remove(&id) else {
            return;
        };
        let answer = match result {
            _ if !world.serves(table) => Answer::Unavailable(not_served(world, table)),
            Ok(StoreAnswer::Digest(digest)) => Answer::Digest(digest),
            Ok(StoreAnswer::Keys(page)) => Answer::Keys(page),
            Ok(StoreAnswer::Rows(page)) => Answer::Rows(page),
            Ok(other) => Answer::Unavailable(format!("the store answered {other:?}")),
            Err(failure) => Answer::Unavailable(failure.to_string()),
        };
        self.send(out, ToReceiver::Reply(Reply { id, answer }));
    }

    /// The cursor's call failed.
    pub(crate) fn on_failure(&self, failure: &StoreError) -> Goodbye {
        let what = match self.cursor {
            Cursor::Opening { .. } => "finding the log's position failed",
            _ => "reading the log failed",
        };
        Goodbye::for_now(format!("{what}: {failure}"))
    }
}

fn not_served(world: &World, table: TableId) -> String {
    let region = &world.region;
    if world.paused.contains(&table) {
        format!("the replication of table {table} is paused in {region}")
    } else {
        format!("{region} does not serve table {table}")
    }
}
