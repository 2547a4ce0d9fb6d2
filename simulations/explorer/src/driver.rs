//! Drives a region's replicator: something happens, its commands are carried out at once on the
//! region's store, and what it sends comes back.

use std::collections::VecDeque;

use beringia_decisions::{CommandAnswer, StoreCommand};
use beringia_item::{Region, TableId};
use beringia_replication::{
    AcceptId, Command, DialId, Event, LinkEvent, StoreAnswer, StoreCall,
    message::{KeyPage, RowPage, ToReceiver},
};
use beringia_storage::{Catalog, RemoteBatch, RemoteKind, Replica, ReplicaStatus, StoreError};

use crate::{
    bounds::{Kind, SITES},
    message::Message,
    site::Site,
    written::{Ledger, Writes},
};

type Result<T> = std::result::Result<T, StoreError>;

/// How much time passes when time passes, in ms: more than every interval of replication that
/// matters here.
const WAIT_MS: u64 = 10_000;

/// Something that happens to a region. Other regions are named by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    /// A client writes, and the region may acknowledge.
    Write {
        /// The number of the key.
        key: u8,
        /// The kind of write.
        kind: Kind,
    },
    /// Messages of a source arrive, which are those of a queue.
    FromSource(usize, u32),
    /// Messages of a receiver arrive, which are those of a queue.
    FromReceiver(usize, u32),
    /// A receiver opened a stream.
    Accepted(usize),
    /// The stream to a source is open.
    Opened(usize),
    /// The stream of a receiver ended.
    ReceiverGone(usize),
    /// The stream to a source ended.
    SourceGone(usize),
    /// The store gets the batch of a queue with one message again, which came from a source.
    Again(usize, u32),
    /// Timers of the present expire.
    Tick,
    /// Time passes, and timers expire.
    Wait,
    /// The region trims its log.
    Trim,
    /// The process starts again.
    Restart,
    /// The process starts again on an empty disk.
    LoseDisk,
    /// The wall clock jumps, in ms.
    JumpClock(i64),
}

/// Something that a region did to a stream, with messages of type `M`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent<M> {
    ToReceiver(usize, M),
    ToSource(usize, M),
    /// It dials a source.
    Dial(usize),
    /// It ended the stream to a source.
    HangUp(usize),
    /// It ended the stream of a receiver.
    TurnAway(usize),
}

/// What a search knows beyond the region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) regions: &'a [Region],
    /// The writes of all regions.
    pub(crate) ledger: &'a Ledger,
    /// The writes that a vector may cover although their region lost them.
    pub(crate) excused: Writes,
}

/// A region while something happens to it.
pub(crate) struct Driver<'a> {
    site: Site,
    surroundings: Surroundings<'a>,
    sent: Vec<Sent<Message>>,
    /// Whether the store changed since it was last looked at.
    is_changed: bool,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(site: Site, surroundings: Surroundings<'a>) -> Self {
        Self {
            site,
            surroundings,
            sent: Vec::new(),
            is_changed: false,
        }
    }

    /// The region after something happened to it, and what it sent; `None` if nothing happened.
    /// `messages` are those that the input names.
    pub(crate) fn take(mut self, input: Input, messages: &[&Message]) -> Result<Option<(Site, Vec<Sent<Message>>)>> {
        let has_happened = match input {
            Input::Write { key, kind } => self.write(key, kind)?,
            Input::FromSource(..) | Input::FromReceiver(..) => self.receive(input, messages)?,
            Input::Accepted(_) | Input::Opened(_) | Input::ReceiverGone(_) | Input::SourceGone(_) => {
                self.stream_changed(input)?
            }
            Input::Again(from, _) => self.again(from, messages)?,
            Input::Tick => true,
            Input::Wait => {
                self.site.elapsed_ms += WAIT_MS;
                self.site.wall_ms += WAIT_MS;
                true
            }
            Input::Trim => self.trim()?,
            Input::Restart | Input::LoseDisk => self.restart(input)?,
            Input::JumpClock(by_ms) => {
                self.site.wall_ms = self.site.wall_ms.saturating_add_signed(by_ms);
                true
            }
        };
        if !has_happened {
            return Ok(None);
        }
        // A stream that broke is dialled again at once.
        if matches!(input, Input::Tick | Input::Wait | Input::SourceGone(_)) {
            let vectors = self.site.store.reader().vectors();
            self.handle(Event::Tick { vectors })?;
        }
        self.look()?;
        self.site.note_acknowledged(self.surroundings.regions);
        Ok(Some((self.site, self.sent)))
    }

    fn look(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_changed) {
            self.site.look()?;
        }
        Ok(())
    }

    fn place(&self, region: &Region) -> Result<usize> {
        let place = self.surroundings.regions.iter().position(|other| other == region);
        place.ok_or_else(|| StoreError::Database(format!("{region} is not in this world")))
    }

    fn write(&mut self, key: u8, kind: Kind) -> Result<bool> {
        if !self.site.write(self.surroundings.ledger, key, kind)? {
            return Ok(false);
        }
        self.is_changed = true;
        self.log_grew()?;
        Ok(true)
    }

    fn log_grew(&mut self) -> Result<()> {
        let vectors = self.site.store.reader().vectors();
        self.handle(Event::LogAppended { vectors })
    }

    fn receive(&mut self, input: Input, messages: &[&Message]) -> Result<bool> {
        for message in messages {
            // A message may have ended the stream.
            let event = match (input, message) {
                (Input::FromSource(from, _), Message::ToReceiver(message)) => {
                    let link = self.site.dialled[from];
                    link.map(|link| Event::Dialled(link, LinkEvent::Message(message.clone())))
                }
                (Input::FromReceiver(to, _), Message::ToSource(message)) => {
                    let link = self.site.accepted[to];
                    link.map(|link| Event::Accepted(link, LinkEvent::Message(message.clone())))
                }
                _ => return Err(StoreError::damaged("a message goes the wrong way")),
            };
            if let Some(event) = event {
                self.handle(event)?;
            }
        }
        Ok(true)
    }

    fn stream_changed(&mut self, input: Input) -> Result<bool> {
        let closed = || "the stream broke".to_owned();
        let event = match input {
            Input::Accepted(to) => {
                // No store call is under way that would be answered on an earlier stream.
                let link = AcceptId(to as u64);
                self.site.accepted[to] = Some(link);
                Some(Event::Accepted(link, LinkEvent::Opened))
            }
            Input::Opened(from) => self.site.dialled[from].map(|link| Event::Dialled(link, LinkEvent::Opened)),
            Input::ReceiverGone(to) => {
                let link = self.site.accepted[to].take();
                link.map(|link| Event::Accepted(link, LinkEvent::Closed(closed())))
            }
            Input::SourceGone(from) => {
                let link = self.site.dialled[from].take();
                link.map(|link| Event::Dialled(link, LinkEvent::Closed(closed())))
            }
            _ => None,
        };
        let Some(event) = event else { return Ok(false) };
        self.handle(event)?;
        Ok(true)
    }

    /// The store applies a batch a second time, as it would if two regions relayed it.
    fn again(&mut self, from: usize, messages: &[&Message]) -> Result<bool> {
        let Some(Message::ToReceiver(ToReceiver::Batch(batch))) = messages.first() else {
            return Err(StoreError::damaged("only a batch comes again"));
        };
        let batch = RemoteBatch {
            mutations: batch.mutations.clone(),
            progress: batch.progress.clone(),
            kind: RemoteKind::Stream,
            from: Some(self.surroundings.regions[from].clone()),
            ..RemoteBatch::default()
        };
        self.apply(&batch)?;
        self.log_grew()?;
        Ok(true)
    }

    fn trim(&mut self) -> Result<bool> {
        let acknowledged = self.site.replicator.acknowledged();
        self.is_changed = true;
        match self.site.carry_out(StoreCommand::Trim(acknowledged.into()))? {
            CommandAnswer::More(Ok(_)) => Ok(true),
            other => Err(StoreError::Database(format!("the trim failed: {other:?}"))),
        }
    }

    fn restart(&mut self, input: Input) -> Result<bool> {
        if input == Input::LoseDisk {
            self.site.lose_disk()?;
        }
        self.site.restart(self.surroundings.regions)?;
        self.is_changed = true;
        self.handle(Event::Catalog(self.site.catalog()))?;
        Ok(true)
    }

    /// Feeds an event to the replicator, and the answers of the store after it.
    fn handle(&mut self, event: Event) -> Result<()> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.site.now();
            for command in self.site.replicator.handle(now, event) {
                self.obey(command, &mut events)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Command, events: &mut VecDeque<Event>) -> Result<()> {
        let dialled = |site: &Site, link: DialId| (0..SITES).find(|from| site.dialled[*from] == Some(link));
        let accepted = |site: &Site, link: AcceptId| (0..SITES).find(|to| site.accepted[*to] == Some(link));
        match command {
            Command::Dial(link, region) => {
                let from = self.place(&region)?;
                self.site.dialled[from] = Some(link);
                self.sent.push(Sent::Dial(from));
            }
            Command::SendToSource(link, message) => {
                let from = dialled(&self.site, link);
                self.sent
                    .extend(from.map(|from| Sent::ToSource(from, Message::ToSource(message))));
            }
            Command::SendToReceiver(link, message) => {
                let to = accepted(&self.site, link);
                self.sent
                    .extend(to.map(|to| Sent::ToReceiver(to, Message::ToReceiver(message))));
            }
            Command::HangUp(link) => {
                if let Some(from) = dialled(&self.site, link) {
                    self.site.dialled[from] = None;
                    self.sent.push(Sent::HangUp(from));
                }
            }
            Command::TurnAway(link) => {
                if let Some(to) = accepted(&self.site, link) {
                    self.site.accepted[to] = None;
                    self.sent.push(Sent::TurnAway(to));
                }
            }
            Command::Call(ticket, call) => {
                let answer = self.call(call, events)?;
                events.push_front(Event::Answered(ticket, answer));
            }
        }
        Ok(())
    }

    /// Carries out a call. The events that it causes besides its answer come after all others.
    fn call(&mut self, call: StoreCall, events: &mut VecDeque<Event>) -> Result<Result<StoreAnswer>> {
        let answer = if let StoreCall::Apply(_) | StoreCall::SetReplica { .. } | StoreCall::BeginEpoch(_) = call {
            let before = (self.site.store.reader().vectors(), self.site.catalog());
            let answer = self.change(call);
            let after = (self.site.store.reader().vectors(), self.site.catalog());
            if after.1 != before.1 {
                events.push_back(Event::Catalog(after.1));
            }
            if after.0 != before.0 {
                events.push_back(Event::LogAppended { vectors: after.0 });
            }
            answer
        } else {
            self.read(call)
        };
        match answer {
            // A replicator knows what to do about these. Others would end its streams.
            Err(error @ (StoreError::Quarantined { .. } | StoreError::UnknownTable(_))) => Ok(Err(error)),
            answer => answer.map(Ok),
        }
    }

    /// Carries out a call that changes the store.
    fn change(&mut self, call: StoreCall) -> Result<StoreAnswer> {
        match call {
            StoreCall::Apply(batch) => self.apply(&batch),
            StoreCall::SetReplica { table, status } => self.set_replica(table, status),
            StoreCall::BeginEpoch(known) => {
                self.is_changed = true;
                match self.site.carry_out(StoreCommand::BeginEpoch(known))? {
                    CommandAnswer::Done(done) => done.map(|()| StoreAnswer::Done),
                    other => Err(StoreError::Database(format!("no epoch began: {other:?}"))),
                }
            }
            other => Err(StoreError::Database(format!("no world is so large that {other:?}"))),
        }
    }

    /// Carries out a call that changes nothing.
    fn read(&self, call: StoreCall) -> Result<StoreAnswer> {
        let reader = self.site.store.reader();
        match call {
            StoreCall::Position(filter) => reader.log_position(&filter).map(StoreAnswer::Position),
            StoreCall::Read {
                from,
                filter,
                max_bytes,
            } => reader.read_log(from, &filter, max_bytes).map(StoreAnswer::Log),
            StoreCall::Digest { table, as_of: None } => reader.digest(table).map(StoreAnswer::Digest),
            StoreCall::Digest {
                table,
                as_of: Some(vector),
            } => reader.digest_as_of(table, &vector).map(StoreAnswer::Digest),
            StoreCall::Keys {
                table,
                span,
                after,
                max,
            } => {
                let found = reader.raw_rows(table, span.first..=span.last, after.as_ref(), max)?;
                let last = found.len() < max;
                let rows = found.into_iter().map(|row| (row.key, row.fingerprint)).collect();
                Ok(StoreAnswer::Keys(KeyPage { rows, last }))
            }
            StoreCall::Rows { table, keys, .. } => {
                let mutations = reader.mutations(table, &keys)?;
                let answered = keys.len();
                Ok(StoreAnswer::Rows(RowPage { mutations, answered }))
            }
            other => Err(StoreError::Database(format!("no world is so large that {other:?}"))),
        }
    }

    fn apply(&mut self, batch: &RemoteBatch) -> Result<StoreAnswer> {
        self.look()?;
        let answer = self.site.carry_out(StoreCommand::Apply(batch.clone()))?;
        let CommandAnswer::Apply(applied) = answer else {
            return Err(StoreError::Database(format!("a batch was not applied: {answer:?}")));
        };
        let newer = applied?.newer;
        // What is shown is still from before the batch.
        self.site
            .note_received(batch, self.surroundings.ledger, self.surroundings.excused);
        self.is_changed = true;
        let now = self.site.store.reader().vectors();
        Ok(StoreAnswer::applied(&batch.tables(), &now, newer))
    }

    fn set_replica(&mut self, table: TableId, status: ReplicaStatus) -> Result<StoreAnswer> {
        let region = self.site.region.clone();
        let since_ms = self.site.wall_ms;
        self.is_changed = true;
        self.site.redefine(move |catalog: &Catalog| {
            let status = status.clone();
            let edit = catalog.change_of_replica(table, &region, Replica { status, since_ms });
            Ok(edit.into_iter().collect())
        })?;
        Ok(StoreAnswer::Done)
    }
}
