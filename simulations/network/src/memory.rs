//! Connections in memory, for simulation: listeners by region, and pipes between them.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};

use crate::{Network, path::Path, stream::Shaped, wire::Role};

/// What a pipe holds before its writer waits; Linux gives a socket's buffer about as much at first.
const PIPE_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted. A dial beyond that waits too.
const BACKLOG: usize = 128;

type Accepting = mpsc::Sender<Shaped<DuplexStream>>;

/// Opens connections in memory between the regions of a [`Network`]. Clones are handles to the same one.
#[derive(Clone)]
pub struct MemoryTransport {
    network: Network,
    listeners: Arc<Mutex<BTreeMap<String, Accepting>>>,
}

/// The connections that a region accepts. Dropping it closes the door: dialling is then refused.
pub struct Listener {
    accepted: mpsc::Receiver<Shaped<DuplexStream>>,
}

impl MemoryTransport {
    /// Connections through `network`.
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

    /// Accepts connections for `region`, instead of whoever did before.
    pub fn listen(&self, region: &str) -> Listener {
        let (accepting, accepted) = mpsc::channel(BACKLOG);
        self.listeners().insert(region.to_owned(), accepting);
        Listener { accepted }
    }

    /// Opens a connection, which takes the delays of both directions. Under a silent cut it waits; give it a timeout.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens or a link is reset; `InvalidInput` for regions without a link between.
    pub async fn dial(&self, from: &str, to: &str) -> io::Result<Shaped<DuplexStream>> {
        let (link, connection) = self.network.number_connection(from, to)?;
        let knock = async {
            let door = self
                .listeners()
                .get(to)
                .cloned()
                .ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = duplex(PIPE_BYTES);
            let place = door.reserve().await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            let path = Path::attach(&self.network, link, Role::Established, connection)?;
            place.send(Shaped::new(far, path));
            Ok(near)
        };
        let (near, path) = Path::open(&self.network, link, connection, knock).await?;
        Ok(Shaped::new(near, path))
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Accepting>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Listener {
    type Item = io::Result<Shaped<DuplexStream>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut()
            .accepted
            .poll_recv(context)
            .map(|accepted| accepted.map(Ok))
    }
}
