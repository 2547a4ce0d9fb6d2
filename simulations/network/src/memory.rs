//! Connections in memory, for simulation: listeners by region, and pipes between them.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
};

use crate::{
    Network,
    path::{Inlet, Path},
    wire::Role,
};

/// The number of connections that can wait to be accepted. A dial beyond that waits too.
const BACKLOG: usize = 128;

type Accepting = mpsc::Sender<MemoryStream>;
type Place = mpsc::OwnedPermit<MemoryStream>;

/// Opens connections in memory between the regions of a [`Network`]. Clones are handles to the same
/// transport.
#[derive(Clone)]
pub struct MemoryTransport {
    network: Network,
    listeners: Arc<Mutex<BTreeMap<String, Accepting>>>,
}

/// The connections that a region accepts. After the listener is dropped, dialling is refused.
pub struct MemoryListener {
    accepted: mpsc::Receiver<MemoryStream>,
}

impl MemoryTransport {
    /// Creates a transport whose connections pass through `network`.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            network,
            listeners: Arc::default(),
        }
    }

    /// The network that shapes the connections.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Accepts connections for `region`, replacing an earlier listener.
    pub fn listen(&self, region: &str) -> MemoryListener {
        let (accepting, accepted) = mpsc::channel(BACKLOG);
        self.listeners().insert(region.to_owned(), accepting);
        MemoryListener { accepted }
    }

    /// Opens a connection, which takes the delays of both directions. Under a silent cut it waits,
    /// so give it a timeout.
    ///
    /// # Errors
    /// `ConnectionRefused` if there is no listener or a link is reset; `InvalidInput` for regions
    /// without a link between them.
    pub async fn dial(&self, from: &str, to: &str) -> io::Result<MemoryStream> {
        let (link, connection) = self.network.number_connection(from, to)?;
        let knock = async {
            let listener = self
                .listeners()
                .get(to)
                .cloned()
                .ok_or(io::ErrorKind::ConnectionRefused)?;
            listener
                .reserve_owned()
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
        };
        let accept = |place: Place, answering: &Path| {
            let path = Path::attach(&self.network, link, Role::Established, connection)?;
            let inlet = path.inlet();
            place.send(MemoryStream {
                inlet: answering.inlet(),
                path,
            });
            Ok(inlet)
        };
        let (inlet, path) = Path::open(&self.network, link, connection, knock, accept).await?;
        Ok(MemoryStream { inlet, path })
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Accepting>> {
        self.listeners.lock()
    }
}

/// One end of a connection in memory. Written bytes are on the link at once, as far as there is
/// room. So the reader is woken when something arrives, and not before.
pub struct MemoryStream {
    // Dropped first, so that the other end reads to the end of the stream, and learns later that
    // its own writes have no reader.
    inlet: Inlet,
    path: Path,
}

impl MemoryStream {
    /// The connection's number from 1 in the order of dialling, the same at both ends.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.path.connection
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().path.poll_read(context, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inlet, path } = self.get_mut();
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        path.poll_through(context, bytes, |context| inlet.poll_write(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().path.poll_through(context, (), |_| Poll::Ready(Ok(())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inlet, path } = self.get_mut();
        path.poll_through(context, (), |_| {
            inlet.end();
            Poll::Ready(Ok(()))
        })
    }
}

impl Stream for MemoryListener {
    type Item = io::Result<MemoryStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut()
            .accepted
            .poll_recv(context)
            .map(|accepted| accepted.map(Ok))
    }
}
