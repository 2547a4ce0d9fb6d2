//! Real TCP connections between regions that run in this process.
//!
//! An accepted connection does not say which region dialled. So the dialling side chooses its port
//! before it connects and notes it here, and the accepting side looks it up. At no time is a
//! dialled connection unknown.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{Network, path::Path, state::LinkId, stream::Shaped, wire::Role};

/// The link and the connection's number, by the dialling side's local address. The address is
/// unspecified if the system chooses it.
pub(crate) type Dialled = BTreeMap<SocketAddr, (LinkId, u64)>;

/// The TCP connections that a region accepts, each shaped by the link on which it came.
pub struct Accepted {
    listener: TcpListener,
    network: Network,
    region: String,
}

impl Network {
    /// Opens a TCP connection to `address`, where the region `to` accepts. This takes the delays of
    /// both directions. Under a silent cut it waits, so give it a timeout.
    ///
    /// # Errors
    /// Those of connecting; `ConnectionRefused` if a link is reset; `InvalidInput` for regions
    /// without a link between them.
    pub async fn connect(&self, from: &str, to: &str, address: SocketAddr) -> io::Result<Shaped<TcpStream>> {
        let (link, connection) = self.number_connection(from, to)?;
        let dial = async {
            let socket = bound_towards(address)?;
            let noted = Noted::new(self, socket.local_addr()?, link, connection);
            let stream = socket.connect(address).await?;
            stream.set_nodelay(true)?;
            Ok((stream, noted))
        };
        let ((stream, noted), path) = Path::open(self, link, connection, dial, |dialled, _| Ok(dialled)).await?;
        Ok(Shaped::new(stream, path.noted(noted)))
    }

    /// Wraps the accepting end of a connection to `region`. A connection that [`Network::connect`]
    /// did not dial is foreign and passes unshaped.
    ///
    /// # Errors
    /// Those of asking the socket for its addresses; `ConnectionRefused` if the link was reset
    /// meanwhile.
    pub fn accept(&self, stream: TcpStream, region: &str) -> io::Result<Shaped<TcpStream>> {
        stream.set_nodelay(true)?;
        let dialled = self.take_dialled(stream.local_addr()?, stream.peer_addr()?);
        match dialled {
            Some((link, connection)) if **self.lock().ends(link).1 == *region => {
                let path = Path::attach(self, link, Role::Established, connection)?;
                Ok(Shaped::new(stream, path))
            }
            _ => Ok(Shaped::foreign(stream)),
        }
    }

    fn take_dialled(&self, local: SocketAddr, peer: SocketAddr) -> Option<(LinkId, u64)> {
        let source = peer.ip().to_canonical();
        // Between two sockets of one machine both ends see the same address; from another machine
        // the port means nothing.
        if local.ip().to_canonical() != source {
            return None;
        }
        let dialled = &mut self.lock().dialled;
        let exact = dialled.remove(&SocketAddr::new(source, peer.port()));
        exact.or_else(|| dialled.remove(&SocketAddr::new(unspecified_like(source), peer.port())))
    }

    /// The connections to `region` that `listener` accepts. A connection that a reset breaks before
    /// it is accepted is left out.
    pub fn accepted(&self, listener: TcpListener, region: &str) -> Accepted {
        Accepted {
            listener,
            network: self.clone(),
            region: region.to_owned(),
        }
    }

    pub(crate) fn number_connection(&self, from: &str, to: &str) -> io::Result<(LinkId, u64)> {
        let mut state = self.lock();
        let link = state.link_id(from, to)?;
        Ok((link, state.next_connection()))
    }
}

impl Stream for Accepted {
    type Item = io::Result<Shaped<TcpStream>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let (stream, _) = ready!(self.listener.poll_accept(context))?;
            if let Ok(shaped) = self.network.accept(stream, &self.region) {
                return Poll::Ready(Some(Ok(shaped)));
            }
        }
    }
}

/// Creates a socket whose local port is known before it connects.
fn bound_towards(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // On the loopback device the source address is the destination's; elsewhere the system chooses
    // it.
    let source = if address.ip().is_loopback() {
        address.ip()
    } else {
        unspecified_like(address.ip())
    };
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket)
}

fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The record of which region dials from a local address. The accepting side takes it, perhaps long
/// after dialling ended. If it does not, the record is removed with the dialled connection.
pub(crate) struct Noted {
    network: Network,
    source: SocketAddr,
    connection: u64,
}

impl Noted {
    fn new(network: &Network, source: SocketAddr, link: LinkId, connection: u64) -> Self {
        network.lock().dialled.insert(source, (link, connection));
        Self {
            network: network.clone(),
            source,
            connection,
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let dialled = &mut self.network.lock().dialled;
        // Another connection may have the port by now.
        if dialled
            .get(&self.source)
            .is_some_and(|(_, connection)| *connection == self.connection)
        {
            dialled.remove(&self.source);
        }
    }
}
