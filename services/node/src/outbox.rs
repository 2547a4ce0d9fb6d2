//! The messages that wait to be sent on a stream. The queue is bounded in bytes; messages are
//! encoded only when their turn comes.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use tokio::sync::mpsc;

/// The sending end. When it is dropped, the stream ends after the messages in the queue.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    messages: mpsc::UnboundedSender<(M, usize)>,
    waiting: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// The end from which messages are taken.
#[derive(Debug)]
pub(crate) struct Waiting<M> {
    messages: mpsc::UnboundedReceiver<(M, usize)>,
    waiting: Arc<AtomicUsize>,
}

/// The queue is full: more is waiting than would be if the peer read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Creates an empty outbox that holds up to `max_bytes`.
pub(crate) fn outbox<M>(max_bytes: usize) -> (Outbox<M>, Waiting<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let out = Waiting {
        messages: receiver,
        waiting: Arc::clone(&waiting),
    };
    (
        Outbox {
            messages: sender,
            waiting,
            max_bytes,
        },
        out,
    )
}

impl<M> Outbox<M> {
    /// Appends a message that weighs this many bytes.
    pub(crate) fn push(&self, message: M, bytes: usize) -> Result<(), Full> {
        if self.waiting.load(Ordering::Relaxed).saturating_add(bytes) > self.max_bytes {
            return Err(Full);
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        // The other end is gone only when the stream is over, which its reader notices.
        let _ = self.messages.send((message, bytes));
        Ok(())
    }
}

impl<M> Stream for Waiting<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<M>> {
        let Some((message, bytes)) = ready!(self.messages.poll_recv(context)) else {
            return Poll::Ready(None);
        };
        let before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "only queued bytes are taken out");
        Poll::Ready(Some(message))
    }
}
