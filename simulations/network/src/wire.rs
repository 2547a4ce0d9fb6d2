//! One direction of one connection: the bytes in flight, and their times of arrival.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use beringia_clock::SeededRandomness;
use bytes::{Buf, Bytes};
use tokio::{
    io::ReadBuf,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    medium::{Medium, stretched},
    settings::LinkMode,
};

/// The bytes that an Ethernet frame of 1,500 bytes leaves for TCP.
const PACKET_BYTES: usize = 1_460;
/// The bytes that a sender may give beyond those in flight before it has to wait. Linux gives a
/// socket's buffer about as much at first.
const UNSENT_BYTES_MAX: usize = 64 << 10;
/// The cost of keeping a piece in addition to its bytes. It is counted so that many small pieces
/// are bounded too.
const FLIGHT_COST_BYTES: usize = 64;

/// Something that crosses the link.
#[derive(Debug, Clone)]
pub(crate) enum Cargo {
    Bytes(Bytes),
    /// The sender shut its side down.
    End,
    /// The sender is gone.
    Failure(io::ErrorKind),
    /// One half of opening a connection.
    Handshake,
}

/// Cargo that is on the way.
#[derive(Debug, Clone)]
struct Flight {
    cargo: Cargo,
    /// When the transmitter is done with the cargo.
    sent: Instant,
    /// How long the cargo travels after that.
    travel: Duration,
    /// When the cargo arrives. If earlier cargo arrives later, this one waits for it.
    due: Instant,
    /// Whether the cargo had arrived when the link was cut, so that the cut does not affect it.
    arrived: bool,
}

/// Bytes that enter at the same time travel in one packet: the fate of a packet must not depend on
/// how many reads it took to see it.
#[derive(Debug)]
struct Packet {
    entered: Instant,
    room_bytes: usize,
    loss_and_jitter: Duration,
}

/// The use of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Carries the first packet of a connection that is being opened; the dialling region waits for
    /// its arrival.
    Opening,
    /// Carries what the dialling region reads before its connection is open.
    Answering,
    /// Carries what a region reads from an open connection.
    Established,
}

/// The next event of a wire for its reader.
pub(crate) enum Delivery {
    /// Bytes, or the end of the stream if there are none.
    Bytes,
    Handshake,
    Failure(io::ErrorKind),
    /// Nothing yet, and nothing before this time, if it is known.
    Nothing(Option<Instant>),
}

/// How to treat a write.
pub(crate) enum WriteDelivery {
    Pass,
    /// The peer is gone and the news is still on its way: the bytes are lost, as they are in a
    /// kernel's buffer.
    Swallow,
    Fail(io::ErrorKind),
}

/// One direction of one connection, seen by its reader.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) role: Role,
    randomness: SeededRandomness,
    flights: VecDeque<Flight>,
    in_flight_cost_bytes: usize,
    pub(crate) in_flight_bytes: usize,
    packet: Option<Packet>,
    /// Bytes that the sender gave and the link has no room for yet, as a kernel keeps them.
    unsent: VecDeque<Cargo>,
    unsent_bytes: usize,
    /// Whether the sender has ended the stream.
    sender_done: bool,
    /// Whether the reader has seen the end of the stream.
    ended: bool,
    severed: Option<io::ErrorKind>,
    /// The news that the reader's own writes fail.
    write_failure: Option<Flight>,
    /// Wakes the reader when the first cargo on the way arrives.
    timer: Option<Pin<Box<Sleep>>>,
    pub(crate) reader: Option<Waker>,
    /// The waker of the task that writes at the reader's end.
    pub(crate) writer: Option<Waker>,
    /// The waker of a sender that waits for room.
    pub(crate) sender: Option<Waker>,
}

impl Wire {
    pub(crate) fn new(role: Role, randomness: SeededRandomness) -> Self {
        Self {
            role,
            randomness,
            flights: VecDeque::new(),
            in_flight_cost_bytes: 0,
            in_flight_bytes: 0,
            packet: None,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            sender_done: false,
            ended: false,
            severed: None,
            write_failure: None,
            timer: None,
            reader: None,
            writer: None,
            sender: None,
        }
    }

    pub(crate) fn severed(&self) -> Option<io::ErrorKind> {
        self.severed
    }

    /// Returns whether to take more from the sender.
    pub(crate) fn has_room(&self, medium: &Medium) -> bool {
        !self.sender_done && medium.mode == LinkMode::Open && self.in_flight_cost_bytes < medium.in_flight_bytes_max()
    }

    /// Returns whether bytes can go to the reader without being kept here.
    pub(crate) fn is_transparent(&self, medium: &Medium) -> bool {
        medium.is_transparent() && self.flights.is_empty() && !self.sender_done
    }

    /// How many bytes the sender may give before it has to wait.
    pub(crate) fn unsent_room(&self) -> usize {
        UNSENT_BYTES_MAX.saturating_sub(self.unsent_bytes)
    }

    /// Returns whether the sender gave something that is not on its way yet.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Returns whether the sender ended the stream or is gone.
    pub(crate) fn is_ending(&self) -> bool {
        self.sender_done || matches!(self.unsent.back(), Some(Cargo::End))
    }

    /// Takes cargo from the sender, to be sent when there is room.
    pub(crate) fn keep(&mut self, cargo: Cargo) {
        // A severed wire leads nowhere.
        if self.severed.is_none() && !self.is_ending() {
            self.unsent_bytes += cargo.len();
            self.unsent.push_back(cargo);
            debug_assert!(self.unsent_bytes <= UNSENT_BYTES_MAX, "a sender waits for room");
        }
    }

    /// Sends as much of what is kept as there is room for. Returns the wakers of a sender that
    /// waits and of a reader that need not wait any more.
    pub(crate) fn pump(&mut self, medium: &mut Medium, round_trip: Duration, now: Instant) -> [Option<Waker>; 2] {
        let was_idle = self.flights.is_empty();
        while self.has_room(medium)
            && let Some(cargo) = self.unsent.pop_front()
        {
            self.unsent_bytes -= cargo.len();
            self.send(cargo, medium, round_trip, now);
        }
        let sender = if self.unsent_room() > 0 {
            self.sender.take()
        } else {
            None
        };
        let reader = if was_idle {
            self.set_timer(medium.mode, now)
        } else {
            None
        };
        [sender, reader]
    }

    /// Sets the timer to wake the reader, whichever task calls. Returns the reader's waker if the
    /// first cargo has arrived.
    fn set_timer(&mut self, mode: LinkMode, now: Instant) -> Option<Waker> {
        let reader = self.reader.clone()?;
        let flight = self.flights.front()?;
        if flight.has_arrived(mode, now) {
            return Some(reader);
        }
        let due = flight.due;
        match self.poll_timer(due, &mut Context::from_waker(&reader)) {
            Poll::Ready(()) => Some(reader),
            Poll::Pending => None,
        }
    }

    /// Ready when `due` has come; otherwise the task of `context` is woken then.
    pub(crate) fn poll_timer(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        let fired = timer.as_mut().poll(context);
        if fired.is_ready() {
            self.timer = None;
        }
        fired
    }

    /// Sends `cargo` on its way at `now`.
    pub(crate) fn send(&mut self, cargo: Cargo, medium: &mut Medium, round_trip: Duration, now: Instant) {
        match cargo {
            Cargo::Bytes(bytes) if medium.treats_packets_alike() => {
                self.put(Cargo::Bytes(bytes), Duration::ZERO, medium, now);
            }
            Cargo::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    let packet = self.packet_with_room(medium, round_trip, now);
                    let piece = bytes.split_to(packet.room_bytes.min(bytes.len()));
                    packet.room_bytes -= piece.len();
                    let loss_and_jitter = packet.loss_and_jitter;
                    self.put(Cargo::Bytes(piece), loss_and_jitter, medium, now);
                }
            }
            signal => {
                self.sender_done |= matches!(signal, Cargo::End | Cargo::Failure(_));
                let loss_and_jitter = medium.loss_and_jitter(&self.randomness, round_trip);
                self.put(signal, loss_and_jitter, medium, now);
            }
        }
    }

    fn packet_with_room(&mut self, medium: &Medium, round_trip: Duration, now: Instant) -> &mut Packet {
        let current = self
            .packet
            .take()
            .filter(|packet| packet.entered == now && packet.room_bytes > 0);
        self.packet.insert(current.unwrap_or_else(|| Packet {
            entered: now,
            room_bytes: PACKET_BYTES,
            loss_and_jitter: medium.loss_and_jitter(&self.randomness, round_trip),
        }))
    }

    fn put(&mut self, cargo: Cargo, loss_and_jitter: Duration, medium: &mut Medium, now: Instant) {
        let bytes = cargo.len();
        let sent = medium.transmit(bytes, now);
        let travel = medium.settings.delay + loss_and_jitter;
        let due = sent + travel;
        self.in_flight_bytes += bytes;
        self.in_flight_cost_bytes += bytes + FLIGHT_COST_BYTES;
        self.flights.push_back(Flight {
            cargo,
            sent,
            travel,
            due,
            arrived: false,
        });
        self.assert_counted();
    }

    /// Asserts that what is on the way is counted: nothing costs nothing, and bytes cost at least
    /// their length.
    fn assert_counted(&self) {
        debug_assert_eq!(
            self.flights.is_empty(),
            self.in_flight_cost_bytes == 0,
            "what is on the way costs something"
        );
        debug_assert!(
            self.in_flight_bytes <= self.in_flight_cost_bytes,
            "bytes are counted as cost"
        );
        debug_assert!(
            !self.unsent.is_empty() || self.unsent_bytes == 0,
            "nothing unsent has no bytes"
        );
    }

    /// Gives the reader what has arrived.
    pub(crate) fn deliver(
        &mut self,
        buffer: &mut ReadBuf<'_>,
        mode: LinkMode,
        now: impl FnOnce() -> Instant,
    ) -> Delivery {
        if let Some(kind) = self.severed {
            return Delivery::Failure(kind);
        }
        if self.flights.is_empty() {
            return if self.ended {
                Delivery::Bytes
            } else {
                Delivery::Nothing(None)
            };
        }
        let now = now();
        let filled_before = buffer.filled().len();
        while let Some(flight) = self.flights.front_mut() {
            let is_first = buffer.filled().len() == filled_before;
            if !flight.has_arrived(mode, now) {
                let next = (mode == LinkMode::Open).then_some(flight.due);
                return if is_first {
                    Delivery::Nothing(next)
                } else {
                    Delivery::Bytes
                };
            }
            if let Cargo::Bytes(bytes) = &mut flight.cargo {
                let taken = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..taken]);
                bytes.advance(taken);
                let is_empty = bytes.is_empty();
                self.in_flight_bytes -= taken;
                self.in_flight_cost_bytes -= taken;
                if !is_empty {
                    return Delivery::Bytes;
                }
                self.drop_front();
                continue;
            }
            if !is_first {
                return Delivery::Bytes;
            }
            return match self.drop_front() {
                Some(Cargo::Failure(kind)) => {
                    self.severed = Some(kind);
                    Delivery::Failure(kind)
                }
                Some(Cargo::Handshake) => Delivery::Handshake,
                Some(Cargo::End | Cargo::Bytes(_)) | None => {
                    self.ended = true;
                    Delivery::Bytes
                }
            };
        }
        // All that was on the way was bytes, and went into the buffer.
        Delivery::Bytes
    }

    fn drop_front(&mut self) -> Option<Cargo> {
        self.in_flight_cost_bytes -= FLIGHT_COST_BYTES;
        let cargo = self.flights.pop_front().map(|flight| flight.cargo);
        self.assert_counted();
        cargo
    }

    /// Returns how to treat a write of the region that reads this wire.
    pub(crate) fn write_delivery(&mut self, mode: LinkMode, now: impl FnOnce() -> Instant) -> WriteDelivery {
        if let Some(kind) = self.severed {
            return WriteDelivery::Fail(kind);
        }
        match &self.write_failure {
            None => WriteDelivery::Pass,
            Some(Flight {
                cargo: Cargo::Failure(kind),
                ..
            }) if self.write_failure_arrived(mode, now()) => WriteDelivery::Fail(*kind),
            Some(_) => WriteDelivery::Swallow,
        }
    }

    fn write_failure_arrived(&self, mode: LinkMode, now: Instant) -> bool {
        self.write_failure
            .as_ref()
            .is_some_and(|flight| flight.has_arrived(mode, now))
    }

    /// Records that a write found the peer gone at `now`. The peer's machine learned of the write
    /// `way_there` later, and its answer crosses this link.
    pub(crate) fn fail_writes(&mut self, kind: io::ErrorKind, way_there: Duration, medium: &Medium, now: Instant) {
        let (sent, travel) = (now + way_there, medium.settings.delay);
        let flight = Flight {
            cargo: Cargo::Failure(kind),
            sent,
            travel,
            due: sent + travel,
            arrived: false,
        };
        self.write_failure.get_or_insert(flight);
    }

    /// The sender's process crashed: the bytes in flight arrive, then the news.
    pub(crate) fn lose_sender(&mut self, medium: &mut Medium, round_trip: Duration, now: Instant) {
        let kind = io::ErrorKind::ConnectionReset;
        self.discard_unsent();
        if !self.sender_done {
            self.send(Cargo::Failure(kind), medium, round_trip, now);
        }
        self.fail_writes(kind, Duration::ZERO, medium, now);
    }

    /// Breaks the connection for its reader at once.
    pub(crate) fn sever(&mut self, kind: io::ErrorKind) {
        self.severed.get_or_insert(kind);
        self.flights.clear();
        self.in_flight_bytes = 0;
        self.in_flight_cost_bytes = 0;
        self.discard_unsent();
    }

    fn discard_unsent(&mut self) {
        self.unsent.clear();
        self.unsent_bytes = 0;
    }

    /// The link is cut at `now`: only what has arrived is still delivered.
    pub(crate) fn on_cut(&mut self, now: Instant) {
        for flight in self.flights.iter_mut().chain(self.write_failure.as_mut()) {
            flight.arrived |= flight.due <= now;
        }
    }

    /// The link is open again: the bytes that were in flight are transmitted once more.
    pub(crate) fn on_heal(&mut self, medium: &mut Medium, now: Instant) {
        let travel = medium.settings.delay;
        for flight in self
            .flights
            .iter_mut()
            .chain(self.write_failure.as_mut())
            .filter(|flight| !flight.arrived)
        {
            flight.sent = medium.transmit(flight.cargo.len(), now);
            flight.travel = travel;
            flight.due = flight.sent + travel;
        }
    }

    /// Bytes that wait for the transmitter at `now` take `stretch` times as long.
    pub(crate) fn on_bandwidth(&mut self, stretch: f64, now: Instant) {
        for flight in self.flights.iter_mut().filter(|flight| flight.sent > now) {
            flight.sent = stretched(flight.sent, now, stretch);
            flight.due = flight.sent + flight.travel;
        }
    }
}

impl Flight {
    fn has_arrived(&self, mode: LinkMode, now: Instant) -> bool {
        self.arrived || (mode == LinkMode::Open && self.due <= now)
    }
}

impl Cargo {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::End | Self::Failure(_) | Self::Handshake => 0,
        }
    }
}
