//! Binding ports. A start binds all its ports before it changes anything.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use crate::error::StartError;

/// Listens at the port. The error names the purpose and the flag that chooses another port.
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
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

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
