//! A connection's way through the network: the wire that one end reads, opened by a handshake and closed on drop.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::ReadBuf,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Network,
    live::Noted,
    state::{LinkId, State, WireId, remember},
    wire::{Cargo, Delivery, Role, WriteFate},
};

/// The wire that one end of a connection reads. Dropping it takes the wire off its link.
pub(crate) struct Path {
    network: Network,
    wire: WireId,
    /// The connection's number, the same at both ends.
    pub(crate) connection: u64,
    /// Wakes the reader when what is first on the way arrives.
    timer: Option<Pin<Box<Sleep>>>,
    /// Where the accepting side finds out who dialled.
    noted: Option<Noted>,
}

/// What the reader may take from the sender.
pub(crate) enum Admission {
    /// Bytes need not be kept: give them to the reader.
    Direct,
    /// Take more and send it on its way.
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
            timer: None,
            noted: None,
        })
    }

    /// Opens a connection over the link and the one back: the first packet crosses, then `dial` makes the stream, then
    /// the answer (or the refusal) crosses. Cancelling is dropping.
    pub(crate) async fn open<S>(
        network: &Network,
        link: LinkId,
        connection: u64,
        dial: impl Future<Output = io::Result<S>>,
    ) -> io::Result<(S, Self)> {
        let back = network.lock().back(link);
        let mut answering = Self::attach(network, back, Role::Answering, connection)?;
        Self::attach(network, link, Role::Opening, connection)?
            .handshake()
            .await?;
        let dialled = dial.await;
        answering.handshake().await?;
        let stream = dialled?;
        answering.establish();
        Ok((stream, answering))
    }

    pub(crate) fn noted(mut self, noted: Noted) -> Self {
        self.noted = Some(noted);
        self
    }

    async fn handshake(&mut self) -> io::Result<()> {
        self.send(Cargo::Handshake);
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

    /// Whether to take more from the sender. Remembers whom to wake when the link's state changes.
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

    /// Gives the reader what has arrived, or has it woken when something does.
    pub(crate) fn poll_delivery(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Delivery> {
        loop {
            let before = buffer.filled().len();
            let delivery = self.deliver(context, buffer);
            self.show_tap(&buffer.filled()[before..]);
            let Delivery::Nothing(next) = delivery else {
                return Poll::Ready(delivery);
            };
            let Some(next) = next else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }

    fn deliver(&self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Delivery {
        let mut state = self.network.lock();
        let before = buffer.filled().len();
        let Some((wire, medium)) = state.wire(self.wire) else {
            return Delivery::Nothing(None);
        };
        remember(&mut wire.reader, context);
        let delivery = wire.deliver(buffer, medium.mode, Instant::now());
        state.count_delivered(self.wire, buffer.filled().len() - before);
        delivery
    }

    /// Notes bytes that went to the reader without being kept.
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

    /// What is to happen to a write. Remembers whom to wake when that changes.
    pub(crate) fn write_fate(&self, context: &Context<'_>) -> WriteFate {
        let mut state = self.network.lock();
        let Some((wire, medium)) = state.wire(self.wire) else {
            return WriteFate::Pass;
        };
        remember(&mut wire.writer, context);
        wire.write_fate(medium.mode, Instant::now)
    }

    /// The stream refused a write at once; the writer learns of it when the news has crossed the network.
    pub(crate) fn fail_writes(&self, kind: io::ErrorKind) {
        self.network.lock().fail_writes(self.wire, kind, Instant::now());
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let state: &mut State = &mut self.network.lock();
        state.detach(self.wire);
    }
}
