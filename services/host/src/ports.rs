//! Binding ports. A start binds all its ports before it changes anything.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::net::TcpListener;

use crate::error::StartError;

/// The greatest number of free ports of 127.0.0.1 that are tried until one is free on ::1, too.
const PAIRS_TRIED_MAX: usize = 16;

/// The addresses on which regions listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// For clients 127.0.0.1 and, if the machine has it, ::1, since clients try either first for
    /// `localhost`. For replication 127.0.0.1.
    Localhost,
    /// This address only, for clients and for replication.
    Address(IpAddr),
}

impl Listen {
    /// The address for replication, which clients have too.
    pub(crate) const fn ip(self) -> IpAddr {
        match self {
            Self::Localhost => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::Address(ip) => ip,
        }
    }
}

/// A text that is neither an IP address nor `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or localhost")]
pub struct NotAnAddress;

impl FromStr for Listen {
    type Err = NotAnAddress;

    /// Reads `localhost` or an IP address; an IPv6 address may have the brackets that it has in
    /// URLs.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Localhost);
        }
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip = match bracketed {
            Some(inner) => inner.parse().map(IpAddr::V6),
            None => text.parse(),
        };
        ip.map(Self::Address).map_err(|_| NotAnAddress)
    }
}

/// An address that cannot be bound, and why.
pub(crate) type Unbound = (SocketAddr, io::Error);

/// The listeners for clients at one port, on one or two addresses.
pub(crate) struct ClientListeners {
    first: TcpListener,
    second: Option<TcpListener>,
}

/// The addresses of the listeners for clients at one port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddresses {
    first: SocketAddr,
    second: Option<SocketAddr>,
}

impl ClientAddresses {
    /// The address that is shown to people and programs.
    pub(crate) const fn shown(self) -> SocketAddr {
        self.first
    }

    /// Listens at the addresses of a killed region.
    pub(crate) async fn listen_again(self) -> Result<ClientListeners, Unbound> {
        let first = listen_again(self.first).await?;
        let second = match self.second {
            Some(address) => Some(listen_again(address).await?),
            None => None,
        };
        Ok(ClientListeners { first, second })
    }
}

impl ClientListeners {
    /// The local addresses of the listeners.
    pub(crate) fn addresses(&self) -> Result<ClientAddresses, StartError> {
        Ok(ClientAddresses {
            first: local(&self.first)?,
            second: self.second.as_ref().map(local).transpose()?,
        })
    }

    /// The URL on this machine that is shown to people and programs.
    pub(crate) fn url(&self) -> Result<String, StartError> {
        url(&self.first)
    }

    /// The one or two listeners, the first one first.
    pub(crate) fn each(self) -> impl Iterator<Item = TcpListener> {
        [Some(self.first), self.second].into_iter().flatten()
    }
}

/// Listens for clients at the port, on every address that they may use. The error names the purpose
/// and the flag that chooses another port.
pub(crate) async fn listen_for_clients(
    listen: Listen,
    port: u16,
    purpose: &str,
    flag: &'static str,
) -> Result<ClientListeners, StartError> {
    let bound = match listen {
        Listen::Address(ip) => {
            let address = SocketAddr::new(ip, port);
            let first = TcpListener::bind(address).await.map_err(|source| (address, source));
            first.map(|first| ClientListeners { first, second: None })
        }
        Listen::Localhost => bind_loopback(port, TcpListener::bind).await,
    };
    bound.map_err(|(address, source)| StartError::Port {
        address,
        purpose: purpose.to_owned(),
        flag,
        source,
    })
}

/// Listens on 127.0.0.1, and at the same port on ::1 if the machine has this address. Port 0: any
/// port that is free on both.
async fn bind_loopback<Bound>(port: u16, bind: impl Fn(SocketAddr) -> Bound) -> Result<ClientListeners, Unbound>
where
    Bound: Future<Output = io::Result<TcpListener>>,
{
    let mut tried = 0;
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let first = bind(address).await.map_err(|error| (address, error))?;
        let chosen = first.local_addr().map_err(|error| (address, error))?;
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, chosen.port()));
        tried += 1;
        match bind(address).await {
            Ok(second) => {
                let second = Some(second);
                return Ok(ClientListeners { first, second });
            }
            Err(_) if bind((Ipv6Addr::LOCALHOST, 0).into()).await.is_err() => {
                tracing::debug!("this machine does not have the address ::1");
                return Ok(ClientListeners { first, second: None });
            }
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse && tried < PAIRS_TRIED_MAX => {}
            Err(error) => return Err((address, error)),
        }
    }
}

/// Listens at the port of one address. The error names the purpose and the flag that chooses
/// another port.
pub(crate) async fn listen(
    address: IpAddr,
    port: u16,
    purpose: &str,
    flag: &'static str,
) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address).await.map_err(|source| StartError::Port {
        address,
        purpose: purpose.to_owned(),
        flag,
        source,
    })
}

/// Listens at the address of a killed region. Its tasks drop their listeners soon after they are
/// aborted, but not at once.
pub(crate) async fn listen_again(address: SocketAddr) -> Result<TcpListener, Unbound> {
    let mut attempts_left = 100;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts_left > 0 => {
                attempts_left -= 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result.map_err(|error| (address, error)),
        }
    }
}

/// The `place`-th port (from 0) of a kind whose first port is `first`; 0, any free port, stays 0.
pub(crate) fn nth(first: u16, place: usize, flag: &'static str) -> Result<u16, StartError> {
    if first == 0 {
        return Ok(0);
    }
    u16::try_from(place)
        .ok()
        .and_then(|place| first.checked_add(place))
        .ok_or(StartError::NoPort {
            flag,
            first,
            number: place + 1,
        })
}

/// The listener's URL on this machine. A listener on all addresses is reached by the loopback
/// address.
pub(crate) fn url(listener: &TcpListener) -> Result<String, StartError> {
    let address = local(listener)?;
    Ok(format!("http://{}", reachable(address)))
}

/// The local address of a listener.
pub(crate) fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Listener)
}

/// The address at which a listener bound to `address` is reached from this machine.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Binds addresses of IPv4, and lets those of IPv6 fail with an error for this port.
    async fn bind_without_ipv6(
        address: SocketAddr,
        error: impl Fn(u16) -> Option<io::ErrorKind>,
    ) -> io::Result<TcpListener> {
        match error(address.port()).filter(|_| address.is_ipv6()) {
            Some(kind) => Err(kind.into()),
            // The port is a free one of IPv4, so that the test does not depend on IPv6.
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        }
    }

    #[tokio::test]
    async fn without_ipv6_only_ipv4_is_bound() {
        for kind in [io::ErrorKind::AddrNotAvailable, io::ErrorKind::Unsupported] {
            for port in [0, free_port().await] {
                let bound = bind_loopback(port, |address| bind_without_ipv6(address, move |_| Some(kind))).await;
                let bound = bound.unwrap();
                assert!(bound.second.is_none() && bound.addresses().unwrap().second.is_none());
                assert!(bound.url().unwrap().starts_with("http://127.0.0.1:"));
            }
        }
    }

    async fn free_port() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    }

    /// Fails the first `failures` attempts to take a chosen port on ::1.
    async fn bind_pair(port: u16, failures: usize) -> (Result<ClientListeners, Unbound>, usize) {
        let attempts = AtomicUsize::new(0);
        let in_use = |port: u16| {
            let fails = port != 0 && attempts.fetch_add(1, Ordering::Relaxed) < failures;
            fails.then_some(io::ErrorKind::AddrInUse)
        };
        let attempt = |address: SocketAddr| {
            let error = address.is_ipv6().then(|| in_use(address.port())).flatten();
            bind_without_ipv6(address, move |_| error)
        };
        let bound = bind_loopback(port, attempt).await;
        (bound, attempts.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn free_port_is_free_on_both_addresses() {
        let (bound, attempts) = bind_pair(0, 3).await;
        assert!(bound.unwrap().second.is_some());
        assert_eq!(attempts, 4);
        let (bound, attempts) = bind_pair(0, usize::MAX).await;
        let (address, error) = bound.err().unwrap();
        assert!(address.is_ipv6() && error.kind() == io::ErrorKind::AddrInUse);
        assert_eq!(attempts, PAIRS_TRIED_MAX);
    }

    #[tokio::test]
    async fn given_port_is_not_replaced_by_another() {
        let port = free_port().await;
        let (bound, attempts) = bind_pair(port, 1).await;
        let (address, error) = bound.err().unwrap();
        assert!(address.is_ipv6() && error.kind() == io::ErrorKind::AddrInUse);
        assert_eq!(attempts, 1);
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in ["localhost", "LocalHost"] {
            assert_eq!(text.parse(), Ok(Listen::Localhost));
        }
        for text in ["::1", "[::1]"] {
            assert_eq!(text.parse(), Ok(Listen::Address(Ipv6Addr::LOCALHOST.into())));
        }
        assert_eq!("0.0.0.0".parse(), Ok(Listen::Address(Ipv4Addr::UNSPECIFIED.into())));
        for text in ["", "nowhere", "[127.0.0.1]", "[::1", "::1]", "127.0.0.1:80"] {
            assert_eq!(text.parse::<Listen>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn ports_follow_each_other_and_zero_means_any() {
        assert_eq!(nth(8001, 2, "--p").ok(), Some(8003));
        assert_eq!(nth(0, 2, "--p").ok(), Some(0));
        assert!(nth(65535, 1, "--p").is_err());
    }

    #[test]
    fn unspecified_address_is_reached_on_loopback() {
        assert_eq!(
            reachable("0.0.0.0:80".parse().unwrap()),
            "127.0.0.1:80".parse().unwrap()
        );
        assert_eq!(reachable("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(
            reachable("10.0.0.1:80".parse().unwrap()),
            "10.0.0.1:80".parse().unwrap()
        );
    }
}
