//! Drives the state machine: feeds it events and carries out its commands. Each task dispatches its
//! own events and carries out the resulting commands at once. Nothing here waits, so a slow peer or
//! disk delays no other.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_clock::{Randomness, WallClock};
use beringia_item::{Region, TableId};
use beringia_replication::{
    AcceptId, Command, DialId, Event, LinkEvent, Now, Replicator, StoreCall, StreamSide, TableView, Ticket,
    message::{Goodbye, PeerAnswer, ToReceiver, ToSource, weight},
};
use beringia_storage::{Catalog, Store};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, debug};

use crate::{
    Connector, NodeTuning,
    calls::Calls,
    changes::{ChangeLog, session_span},
    outbox::{Full, Outbox, Waiting, outbox},
    scope::TaskScope,
    traffic::Meter,
    transport,
};

/// State shared by all tasks of a region's replication.
pub(crate) struct Driver {
    pub(crate) scope: TaskScope,
    pub(crate) tuning: NodeTuning,
    pub(crate) meter: Meter,
    pub(crate) calls: Calls,
    connectors: BTreeMap<Region, Connector>,
    clock: Arc<dyn WallClock>,
    started: Instant,
    next_accept: AtomicU64,
    machine: Mutex<Machine>,
}

/// The state machine, and the streams that it knows.
struct Machine {
    replicator: Replicator,
    dialled: BTreeMap<DialId, Link<ToSource>>,
    accepted: BTreeMap<AcceptId, Link<ToReceiver>>,
    log: ChangeLog,
    /// Whether an event is being handled. It is set at the begin of the next event only if the one
    /// before panicked, and left the state machine inconsistent.
    is_handling: bool,
}

/// A stream, as seen by the state machine.
struct Link<M> {
    outbox: Outbox<M>,
    /// Tells the stream's task to stop reading.
    hung_up: CancellationToken,
    span: Span,
}

/// A stream, as seen from its task's side.
pub(crate) struct Wire<M> {
    pub(crate) waiting: Waiting<M>,
    pub(crate) hung_up: CancellationToken,
    /// The stream's span, in which its task runs.
    pub(crate) span: Span,
}

fn link<M>(max_bytes: usize, span: Span) -> (Link<M>, Wire<M>) {
    let (outbox, waiting) = outbox(max_bytes);
    let hung_up = CancellationToken::new();
    let wire = Wire {
        waiting,
        hung_up: hung_up.clone(),
        span: span.clone(),
    };
    let link = Link { outbox, hung_up, span };
    (link, wire)
}

/// The goodbye to a peer that sends malformed messages. The peer may try again.
fn goodbye(reason: &str) -> Goodbye {
    Goodbye {
        reason: reason.to_owned(),
        permanent: false,
    }
}

/// The parts that a driver is built from.
pub(crate) struct Parts {
    pub(crate) scope: TaskScope,
    pub(crate) tuning: NodeTuning,
    pub(crate) calls: Calls,
    pub(crate) connectors: BTreeMap<Region, Connector>,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// How long peers had been unreachable before this process, milliseconds.
    pub(crate) unreachable_ms: BTreeMap<Region, u64>,
}

/// The time of an event.
fn now(started: Instant, clock: &dyn WallClock) -> Now {
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Now {
        elapsed_ms,
        wall_ms: clock.now_ms(),
    }
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            scope,
            tuning,
            calls,
            connectors,
            randomness,
            unreachable_ms,
        } = parts;
        let started = Instant::now();
        let clock = Arc::clone(&calls.clock);
        let config = beringia_replication::Config {
            region: calls.store.region().clone(),
            peers: connectors.keys().cloned().collect(),
            incarnation: randomness.uuid_v4_like(),
            tuning: tuning.replication.clone(),
            unreachable_ms,
            own: calls.store.own_sequences(),
        };
        let replicator = Replicator::new(config, now(started, &*clock));
        let machine = Machine {
            replicator,
            dialled: BTreeMap::new(),
            accepted: BTreeMap::new(),
            log: ChangeLog::new(calls.store.region().clone()),
            is_handling: false,
        };
        Self {
            scope,
            tuning,
            meter: Meter::new(connectors.keys()),
            calls,
            connectors,
            clock,
            started,
            next_accept: AtomicU64::new(0),
            machine: Mutex::new(machine),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.calls.store
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Gives read access to the state machine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Replicator) -> T) -> T {
        look(&self.machine.lock().replicator)
    }

    /// Feeds an event to the state machine and carries out the resulting commands. Does nothing
    /// after a panic in it: the region has failed, and is to be started again.
    pub(crate) fn dispatch(self: &Arc<Self>, event: Event) {
        let mut machine = self.machine.lock();
        let machine = &mut *machine;
        if std::mem::replace(&mut machine.is_handling, true) {
            return;
        }
        let now = now(self.started, &*self.clock);
        // A message that does not fit closes its stream, which is another event.
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            match &event {
                Event::Dialled(link, LinkEvent::Closed(_)) => drop(machine.dialled.remove(link)),
                Event::Accepted(link, LinkEvent::Closed(_)) => drop(machine.accepted.remove(link)),
                _ => {}
            }
            let commands = machine.replicator.handle(now, event);
            self.log_changes(machine);
            for command in commands {
                events.extend(self.obey(machine, command));
            }
        }
        machine.is_handling = false;
    }

    fn log_changes(&self, machine: &mut Machine) {
        let changes = machine.replicator.changes();
        if !changes.is_empty() {
            let catalog = self.store().catalog();
            changes.iter().for_each(|change| machine.log.log(&catalog, change));
        }
    }

    fn obey(self: &Arc<Self>, machine: &mut Machine, command: Command) -> Option<Event> {
        let full = || "the peer sends requests but does not read the answers".to_owned();
        match command {
            Command::Dial(dial, region) => return self.dial(machine, dial, region),
            Command::SendToSource(dial, message) => {
                let link = machine.dialled.get(&dial)?;
                if let Err(Full) = link.outbox.push(message, MESSAGE_BYTES) {
                    hang_up(machine.dialled.remove(&dial));
                    return Some(Event::Dialled(dial, LinkEvent::Closed(full())));
                }
            }
            Command::SendToReceiver(accept, message) => {
                let link = machine.accepted.get(&accept)?;
                let bytes = bytes_of(&message);
                if let ToReceiver::Batch(batch) = &message {
                    let (number, mutations) = (batch.number, batch.mutations.len());
                    link.span.in_scope(|| debug!(batch = number, mutations, "batch sent"));
                }
                if let Err(Full) = link.outbox.push(message, bytes) {
                    hang_up(machine.accepted.remove(&accept));
                    return Some(Event::Accepted(accept, LinkEvent::Closed(full())));
                }
            }
            Command::HangUp(dial) => hang_up(machine.dialled.remove(&dial)),
            Command::TurnAway(accept) => hang_up(machine.accepted.remove(&accept)),
            Command::Call(ticket, call) => {
                let span = machine.log.span_of(&call);
                return self.call(ticket, call, span);
            }
        }
        None
    }

    /// Opens a stream to a peer. Kept out of [`Self::dispatch`]: the task's future is large and
    /// would take stack space there for every message.
    #[cold]
    #[inline(never)]
    fn dial(self: &Arc<Self>, machine: &mut Machine, dial: DialId, region: Region) -> Option<Event> {
        let Some(connector) = self.connectors.get(&region) else {
            let reason = format!("no address of {region} is known");
            return Some(Event::Dialled(dial, LinkEvent::Closed(reason)));
        };
        let span = session_span(self.store().region(), Some(&region), StreamSide::Receiving);
        let (link, wire) = link(self.tuning.outbox_bytes_max, span);
        let before = machine.dialled.insert(dial, link);
        debug_assert!(before.is_none(), "numbers of dialled streams are unique");
        let connector = Arc::clone(connector);
        let span = wire.span.clone();
        let session = transport::dial(Arc::clone(self), dial, region, connector, wire);
        self.scope.spawn(session.instrument(span));
        None
    }

    /// Makes a store call. An answer that is not available at once arrives as a later event.
    fn call(self: &Arc<Self>, ticket: Ticket, call: StoreCall, span: Span) -> Option<Event> {
        let is_quick = matches!(call, StoreCall::Read { .. });
        let driver = Arc::clone(self);
        let mut answer = Box::pin(async move { driver.calls.call(call).await });
        // Recent log records are in memory; a task would then cost more than the answer.
        if is_quick && let Some(answer) = (&mut answer).now_or_never() {
            return Some(Event::Answered(ticket, answer));
        }
        let driver = Arc::clone(self);
        let answered = async move {
            let answer = answer.await;
            driver.dispatch(Event::Answered(ticket, answer));
        };
        self.scope.spawn(answered.instrument(span));
        None
    }

    /// Registers a stream that a peer opened.
    pub(crate) fn accept(self: &Arc<Self>) -> (AcceptId, Wire<ToReceiver>) {
        let accept = AcceptId(self.next_accept.fetch_add(1, Ordering::Relaxed));
        let span = session_span(self.store().region(), None, StreamSide::Sending);
        let (link, wire) = link(self.tuning.outbox_bytes_max, span);
        let before = self.machine.lock().accepted.insert(accept, link);
        debug_assert!(before.is_none(), "numbers of accepted streams are unique");
        self.dispatch(Event::Accepted(accept, LinkEvent::Opened));
        (accept, wire)
    }

    /// Ends a stream whose peer sends malformed messages, with a goodbye.
    pub(crate) fn refuse_source(self: &Arc<Self>, dial: DialId, reason: String) {
        if let Some(link) = self.machine.lock().dialled.get(&dial) {
            let _ = link.outbox.push(ToSource::Goodbye(goodbye(&reason)), MESSAGE_BYTES);
        }
        self.dispatch(Event::Dialled(dial, LinkEvent::Closed(reason)));
    }

    /// As [`Self::refuse_source`], towards a receiver.
    pub(crate) fn refuse_receiver(self: &Arc<Self>, accept: AcceptId, reason: String) {
        if let Some(link) = self.machine.lock().accepted.get(&accept) {
            let _ = link.outbox.push(ToReceiver::Goodbye(goodbye(&reason)), MESSAGE_BYTES);
        }
        self.dispatch(Event::Accepted(accept, LinkEvent::Closed(reason)));
    }

    pub(crate) fn tick(self: &Arc<Self>) {
        let vectors = self.store().vectors();
        self.dispatch(Event::Tick { vectors });
    }

    pub(crate) fn catalog_changed(self: &Arc<Self>) {
        let catalog = view(&self.store().catalog(), self.store().region());
        self.dispatch(Event::Catalog(catalog));
    }
}

/// The assumed weight of a small message, bytes.
const MESSAGE_BYTES: usize = 256;

fn bytes_of(message: &ToReceiver) -> usize {
    match message {
        ToReceiver::Batch(batch) => batch.weight(),
        ToReceiver::Reply(reply) => match &reply.answer {
            PeerAnswer::Rows(page) => page.mutations.iter().map(weight).sum::<usize>() + MESSAGE_BYTES,
            PeerAnswer::Keys(page) => page.rows.iter().map(|(key, _)| key.0.len() + 32).sum::<usize>() + MESSAGE_BYTES,
            PeerAnswer::Digest(digest) => digest.ranges.len() * 32 + MESSAGE_BYTES,
            PeerAnswer::Unavailable(_) => MESSAGE_BYTES,
        },
        _ => MESSAGE_BYTES,
    }
}

/// Dropping the outbox lets its messages still be sent.
fn hang_up<M>(link: Option<Link<M>>) {
    if let Some(link) = link {
        link.hung_up.cancel();
    }
}

/// The global tables of which the region has a replica.
fn view(catalog: &Catalog, region: &Region) -> BTreeMap<TableId, TableView> {
    let view = |table: &beringia_storage::Table| {
        let view = TableView::of(&table.replicas, region, table.bootstrapped, table.replica_epoch)?;
        Some((table.id, view))
    };
    let held = catalog.by_id.values().filter(|table| table.held);
    held.filter_map(|table| view(table)).collect()
}
