//! A connection's path through the network: the wire that one end reads, opened by a handshake and
//! closed on drop.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use parking_lot::MutexGuard;
use tokio::{io::ReadBuf, time::Instant};

use crate::{
    Network,
    live::Noted,
    state::{LinkId, State, WireId, remember},
    wire::{Cargo, Delivery, Role, WriteDelivery},
};

/// The wire that one end of a connection reads. Dropping it takes the wire off its link.
pub(crate) struct Path {
    network: Network,
    wire: WireId,
    /// The connection's number, the same at both ends.
    pub(crate) connection: u64,
    /// The record in which the accepting side finds which region dialled.
    noted: Option<Noted>,
}

/// Whether the reader may take bytes from the sender.
pub(crate) enum Admission {
    /// Pass the bytes directly to the reader; they need not be kept.
    Direct,
    /// Take more bytes and send them on their way.
    Room,
    /// Take nothing for now.
    Full,
}

impl Path {
    pub(crate) fn attach(network: &Network, link: LinkId, role: Role, connection: u64) -> io::Result<Self> {
        let wire = network.lock().attach(link, role)?;
        Ok(Self {
            network: network.clone(),
            wire,
            connection,
            noted: None,
        })
    }

    /// Opens a connection over the link and the link back. The first packet crosses; then `dial`
    /// reaches the listener; then the answer (or the refusal) is sent, and `accept` makes the
    /// stream behind it; then the answer crosses. Dropping the future cancels the connection.
    pub(crate) async fn open<D, S>(
        network: &Network,
        link: LinkId,
        connection: u64,
        dial: impl Future<Output = io::Result<D>>,
        accept: impl FnOnce(D, &Self) -> io::Result<S>,
    ) -> io::Result<(S, Self)> {
        let back = network.lock().back(link);
        let answering = Self::attach(network, back, Role::Answering, connection)?;
        let opening = Self::attach(network, link, Role::Opening, connection)?;
        opening.send(Cargo::Handshake);
        opening.handshake().await?;
        drop(opening);
        let dialled = dial.await;
        answering.send(Cargo::Handshake);
        let stream = dialled.and_then(|dialled| accept(dialled, &answering));
        answering.handshake().await?;
        let stream = stream?;
        answering.establish();
        Ok((stream, answering))
    }

    pub(crate) fn noted(mut self, noted: Noted) -> Self {
        self.noted = Some(noted);
        self
    }

    /// Waits until the handshake has crossed.
    async fn handshake(&self) -> io::Result<()> {
        poll_fn(
            |context| match self.poll_delivery(context, &mut ReadBuf::new(&mut [])) {
                Poll::Ready(Delivery::Failure(kind)) => Poll::Ready(Err(kind.into())),
                Poll::Ready(_) => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            },
        )
        .await
    }

    fn establish(&self) {
        if let Some((wire, _)) = self.network.lock().wire(self.wire) {
            wire.role = Role::Established;
        }
    }

    pub(crate) fn send(&self, cargo: Cargo) {
        self.network.lock().send(self.wire, cargo, Instant::now());
    }

    /// Returns whether to take more from the sender. Registers the task to be woken when the link's
    /// state changes.
    pub(crate) fn admit(&self, context: &Context<'_>) -> Admission {
        let mut state = self.network.lock();
        let Some((wire, medium)) = state.wire(self.wire) else {
            return Admission::Full;
        };
        remember(&mut wire.reader, context);
        if wire.severed().is_some() {
            Admission::Full
        } else if wire.is_transparent(medium) {
            Admission::Direct
        } else if wire.has_room(medium) {
            Admission::Room
        } else {
            Admission::Full
        }
    }

    /// Gives the reader what has arrived, or registers it to be woken when something arrives.
    pub(crate) fn poll_delivery(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Delivery> {
        let before = buffer.filled().len();
        let (delivery, wake) = loop {
            let mut state = self.network.lock();
            let Some((wire, medium)) = state.wire(self.wire) else {
                return Poll::Pending;
            };
            remember(&mut wire.reader, context);
            match wire.deliver(buffer, medium.mode, Instant::now) {
                Delivery::Nothing(None) => return Poll::Pending,
                Delivery::Nothing(Some(next)) => ready!(wire.poll_timer(next, context)),
                delivery => {
                    let more = wire.has_unsent().then(Instant::now);
                    state.count_delivered(self.wire, buffer.filled().len() - before);
                    break (delivery, more.map(|now| state.pump(self.wire, now)));
                }
            }
        };
        wake.into_iter().flatten().flatten().for_each(Waker::wake);
        self.show_tap(&buffer.filled()[before..]);
        Poll::Ready(delivery)
    }

    /// Like [`Path::poll_delivery`], as a read of a stream.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_delivery(context, buffer)) {
            Delivery::Failure(kind) => Poll::Ready(Err(kind.into())),
            Delivery::Bytes | Delivery::Handshake | Delivery::Nothing(_) => Poll::Ready(Ok(())),
        }
    }

    /// Counts bytes that went to the reader without being kept.
    pub(crate) fn delivered_directly(&self, bytes: &[u8]) {
        self.network.lock().count_delivered(self.wire, bytes.len());
        self.show_tap(bytes);
    }

    fn show_tap(&self, bytes: &[u8]) {
        let Some(tap) = self.network.shared.tap.get().filter(|_| !bytes.is_empty()) else {
            return;
        };
        let (from, to) = {
            let state = self.network.lock();
            let (from, to) = state.ends(self.wire.link);
            (Arc::clone(from), Arc::clone(to))
        };
        tap.delivered(&from, &to, self.connection, bytes);
    }

    /// Writes with `write`, unless the connection is broken. A failure of the stream shows when the
    /// news has crossed the network. Until then writes seem to succeed with the result `lost`, as
    /// they do into a kernel's buffer.
    pub(crate) fn poll_through<T>(
        &self,
        context: &mut Context<'_>,
        lost: T,
        write: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.write_delivery(context) {
            WriteDelivery::Fail(kind) => return Poll::Ready(Err(kind.into())),
            WriteDelivery::Swallow => return Poll::Ready(Ok(lost)),
            WriteDelivery::Pass => {}
        }
        match ready!(write(context)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(error) => {
                self.network.lock().fail_writes(self.wire, error.kind(), Instant::now());
                // Without delay the news arrives at once.
                match self.write_delivery(context) {
                    WriteDelivery::Fail(kind) => Poll::Ready(Err(kind.into())),
                    WriteDelivery::Swallow | WriteDelivery::Pass => Poll::Ready(Ok(lost)),
                }
            }
        }
    }

    /// Returns how to treat a write. Registers the task to be woken when that changes.
    fn write_delivery(&self, context: &Context<'_>) -> WriteDelivery {
        let mut state = self.network.lock();
        let Some((wire, medium)) = state.wire(self.wire) else {
            return WriteDelivery::Pass;
        };
        remember(&mut wire.writer, context);
        wire.write_delivery(medium.mode, Instant::now)
    }

    /// Returns the inlet of this wire, for the other end of a connection in memory.
    pub(crate) fn inlet(&self) -> Inlet {
        Inlet {
            network: self.network.clone(),
            wire: self.wire,
        }
    }
}

/// Where one end of a connection in memory puts what it writes: on the wire that the other end
/// reads. Dropping it ends that stream.
pub(crate) struct Inlet {
    network: Network,
    wire: WireId,
}

impl Inlet {
    /// Takes as much of the slices as there is room for, as one piece, and puts it on the link.
    ///
    /// # Errors
    /// `BrokenPipe` if the other end no longer reads, and after the end.
    pub(crate) fn poll_write(&self, context: &Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let Some((wire, _)) = state.wire(self.wire).filter(|(wire, _)| !wire.is_ending()) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let offered = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let taken = offered.min(wire.unsent_room());
        if taken == 0 && offered > 0 {
            remember(&mut wire.sender, context);
            return Poll::Pending;
        }
        if taken > 0 {
            let mut piece = BytesMut::with_capacity(taken);
            for slice in slices {
                let part = slice.len().min(taken - piece.len());
                piece.extend_from_slice(&slice[..part]);
            }
            self.put(state, Cargo::Bytes(piece.freeze()));
        }
        Poll::Ready(Ok(taken))
    }

    /// Ends the stream: no more bytes follow.
    pub(crate) fn end(&self) {
        self.put(self.network.lock(), Cargo::End);
    }

    fn put(&self, mut state: MutexGuard<'_, State>, cargo: Cargo) {
        if let Some((wire, _)) = state.wire(self.wire) {
            wire.keep(cargo);
            let wake = state.pump(self.wire, Instant::now());
            drop(state);
            wake.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let sender = self.network.lock().detach(self.wire);
        sender.into_iter().for_each(Waker::wake);
    }
}
