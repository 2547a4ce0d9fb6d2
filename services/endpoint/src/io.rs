//! Connections of any kind: TCP, a duplex pipe, or either behind a link model.

use std::{io, pin::Pin};

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions: a TCP connection, a duplex pipe, or either behind a link
/// model.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A byte stream of any type.
pub type BoxedIo = Box<dyn Io>;

/// Accepted connections. When the stream ends, no more are served.
pub type Incoming = Pin<Box<dyn Stream<Item = io::Result<BoxedIo>> + Send>>;
