//! A byte stream of the operating system that passes through a link.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::{
    path::{Admission, Path},
    wire::Cargo,
};

/// How much is requested in one read of the inner stream.
const READ_BYTES: usize = 16 << 10;
/// Less room than this is not worth a read.
const READ_BYTES_MIN: usize = 2 << 10;

/// One end of a connection. The bytes that it reads have passed through a link. If the other end is
/// in no region of the network, the connection is foreign and passes everything unchanged.
pub struct Shaped<S> {
    inner: S,
    path: Option<Path>,
    scratch: BytesMut,
}

impl<S> Shaped<S> {
    pub(crate) fn new(inner: S, path: Path) -> Self {
        Self {
            inner,
            path: Some(path),
            scratch: BytesMut::new(),
        }
    }

    pub(crate) fn foreign(inner: S) -> Self {
        Self {
            inner,
            path: None,
            scratch: BytesMut::new(),
        }
    }

    /// Returns whether the other end is in no region of the network, so that nothing shapes this
    /// connection.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.path.is_none()
    }

    /// The connection's number from 1 in the order of dialling, the same at both ends; `None` if
    /// the connection is foreign.
    #[must_use]
    pub fn connection(&self) -> Option<u64> {
        self.path.as_ref().map(|path| path.connection)
    }

    /// Returns the inner byte stream.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> Shaped<S> {
    /// Takes what the inner stream has, so that its journey begins when it enters the link and not
    /// when it is read. Returns `Ready` only if bytes need not be kept.
    fn poll_take(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(path) = &self.path else {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        };
        loop {
            match path.admit(context) {
                Admission::Full => return Poll::Pending,
                Admission::Direct => {
                    let before = buffer.filled().len();
                    ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
                    path.delivered_directly(&buffer.filled()[before..]);
                    return Poll::Ready(Ok(()));
                }
                Admission::Room => {
                    if self.scratch.capacity() < READ_BYTES_MIN {
                        self.scratch.reserve(READ_BYTES);
                    }
                    path.send(
                        match ready!(poll_read_buf(Pin::new(&mut self.inner), context, &mut self.scratch)) {
                            Ok(0) => Cargo::End,
                            Ok(_) => Cargo::Bytes(self.scratch.split().freeze()),
                            Err(error) => Cargo::Failure(error.kind()),
                        },
                    );
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Shaped<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(result) = this.poll_take(context, buffer) {
            return Poll::Ready(result);
        }
        match &this.path {
            Some(path) => path.poll_read(context, buffer),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> Shaped<S> {
    fn poll_through<T>(
        &mut self,
        context: &mut Context<'_>,
        lost: T,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let inner = Pin::new(&mut self.inner);
        match &self.path {
            Some(path) => path.poll_through(context, lost, |context| write(inner, context)),
            None => write(inner, context),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shaped<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_through(context, bytes.len(), |inner, context| inner.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.get_mut().poll_through(context, bytes, |inner, context| {
            inner.poll_write_vectored(context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_through(context, (), |inner, context| inner.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_through(context, (), |inner, context| inner.poll_shutdown(context))
    }
}
