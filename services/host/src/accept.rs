//! Connections of a node: accepted ones as a stream, and connectors that open them.

use std::{io, net::SocketAddr, time::Duration};

use beringia_network::Network;
use beringia_node::{BoxedIo, Connector, Incoming};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::net::{TcpListener, TcpStream};

use crate::ports::ClientListeners;

/// The pause after a failure to accept, such as too many open files, whose cause seldom goes away
/// at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The connections that a listener accepts, unmodified.
pub(crate) fn plain(listener: TcpListener, region: Option<String>) -> Incoming {
    incoming(listener, region, |stream| {
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    })
}

/// The connections that the listeners for clients accept, unmodified. The stream never ends;
/// dropping it closes the listeners. `region` is the region that listens; `None` for the endpoint
/// for all regions.
pub(crate) fn clients(listeners: ClientListeners, region: Option<&str>) -> Incoming {
    let accepted = listeners
        .each()
        .map(|listener| plain(listener, region.map(str::to_owned)));
    stream::select_all(accepted).boxed()
}

/// The connections that a region accepts from its peers through the modelled links.
pub(crate) fn shaped(listener: TcpListener, network: Network, region: String) -> Incoming {
    let name = Some(region.clone());
    incoming(listener, name, move |stream| {
        Ok(Box::new(network.accept(stream, &region)?))
    })
}

fn incoming(
    listener: TcpListener,
    region: Option<String>,
    wrap: impl Fn(TcpStream) -> io::Result<BoxedIo> + Send + Sync + 'static,
) -> Incoming {
    let accepted = stream::unfold((listener, region, wrap), |(listener, region, wrap)| async move {
        loop {
            match listener.accept().await {
                // A connection that has already ended is ignored.
                Ok((stream, _)) => {
                    if let Ok(io) = wrap(stream) {
                        return Some((Ok(io), (listener, region, wrap)));
                    }
                }
                Err(error) => {
                    match &region {
                        Some(region) => tracing::warn!(%region, %error, "cannot accept a connection"),
                        None => tracing::warn!(%error, "cannot accept a connection to the endpoint for all regions"),
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    accepted.boxed()
}

/// Opens connections to a peer through the modelled links.
pub(crate) fn through(network: Network, from: String, to: String, address: SocketAddr) -> Connector {
    std::sync::Arc::new(move || {
        let (network, from, to) = (network.clone(), from.clone(), to.clone());
        async move { Ok(Box::new(network.connect(&from, &to, address).await?) as BoxedIo) }.boxed()
    })
}

/// Opens connections to a peer at `host:port`. The name is resolved each time, since containers
/// change addresses.
pub(crate) fn direct(address: String) -> Connector {
    std::sync::Arc::new(move || {
        let address = address.clone();
        async move {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedIo)
        }
        .boxed()
    })
}
