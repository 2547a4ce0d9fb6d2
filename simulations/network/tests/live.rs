//! The same links over real TCP connections and the real clock.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::{io::ErrorKind, net::SocketAddr};

use beringia_network::{Accepted, Direction, Network, Shaped};
use common::{ms, network, pattern};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

async fn listening(network: &Network, region: &str, host: &str) -> (Accepted, SocketAddr) {
    let listener = TcpListener::bind((host, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (network.accepted(listener, region), address)
}

async fn next(accepted: &mut Accepted) -> Shaped<TcpStream> {
    accepted.next().await.expect("listening").expect("accepted")
}

/// The accepting side knows which region dialled, and both directions are shaped.
#[tokio::test]
async fn shapes_dialled_connections_in_both_directions() {
    let network = network(1);
    let (mut at_b, address) = listening(&network, "b", "127.0.0.1").await;
    network
        .delay("a", "b", Direction::OneWay, ms(60), ms(0))
        .expect("valid");
    network
        .delay("b", "a", Direction::OneWay, ms(30), ms(0))
        .expect("valid");
    let began = Instant::now();
    let (near, mut far) = tokio::join!(network.connect("a", "b", address), next(&mut at_b));
    let mut near = near.expect("open");
    assert!(began.elapsed() >= ms(90), "opening waits out both delays");
    assert_eq!((near.connection(), far.connection()), (Some(1), Some(1)));

    let began = Instant::now();
    near.write_all(&pattern(100_000)).await.expect("written");
    let mut bytes = vec![0; 100_000];
    far.read_exact(&mut bytes).await.expect("read");
    assert_eq!(bytes, pattern(100_000));
    assert!(began.elapsed() >= ms(60));
    far.write_all(b"ok").await.expect("written");
    near.read_exact(&mut bytes[..2]).await.expect("read");
    assert!(began.elapsed() >= ms(90));
    let shown = network.show();
    assert_eq!((shown[0].bytes_delivered, shown[2].bytes_delivered), (100_000, 2));
}

#[tokio::test]
async fn cut_reset_and_heal_act_on_real_connections() {
    let network = network(1);
    let (mut at_b, address) = listening(&network, "b", "127.0.0.1").await;
    let (near, mut far) = tokio::join!(network.connect("a", "b", address), next(&mut at_b));
    let mut near = near.expect("open");
    network.cut("a", "b", Direction::OneWay).expect("valid");
    near.write_all(b"later").await.expect("written");
    assert!(timeout(ms(50), far.read_u8()).await.is_err(), "nothing passes a cut");
    network.heal("a", "b", Direction::Both).expect("valid");
    let mut bytes = [0; 5];
    far.read_exact(&mut bytes).await.expect("read");
    assert_eq!(&bytes, b"later");

    network.reset("a", "b", Direction::Both).expect("valid");
    assert_eq!(
        near.read_u8().await.expect_err("broken").kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(
        far.read_u8().await.expect_err("broken").kind(),
        ErrorKind::ConnectionReset
    );
    let refused = network.connect("a", "b", address).await.err().expect("refused");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn passes_foreign_connections_unshaped() {
    let network = network(1);
    let (mut at_b, address) = listening(&network, "b", "127.0.0.1").await;
    network.isolate("b").expect("valid");
    let (stranger, mut far) = tokio::join!(TcpStream::connect(address), next(&mut at_b));
    assert!(far.is_foreign());
    stranger.expect("open").write_all(b"hi").await.expect("written");
    let mut bytes = [0; 2];
    far.read_exact(&mut bytes).await.expect("read");
    assert_eq!(&bytes, b"hi");
}

#[tokio::test]
async fn listener_on_every_address_identifies_the_dialling_region() {
    let network = network(1);
    let (mut at_c, address) = listening(&network, "c", "0.0.0.0").await;
    let loopback = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let (near, far) = tokio::join!(network.connect("a", "c", loopback), next(&mut at_c));
    assert_eq!((near.expect("open").connection(), far.connection()), (Some(1), Some(1)));
}

#[tokio::test]
async fn dialling_an_unused_port_is_refused() {
    let network = network(1);
    let (at_b, address) = listening(&network, "b", "127.0.0.1").await;
    drop(at_b);
    let refused = network.connect("a", "b", address).await.err().expect("refused");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(network.show().iter().all(|link| link.connections == 0));
}

#[tokio::test]
async fn tells_many_simultaneous_connections_apart() {
    let network = network(1);
    let (at_b, address) = listening(&network, "b", "127.0.0.1").await;
    let dials = (0..50).map(|index| {
        let network = network.clone();
        let from = if index % 2 == 0 { "a" } else { "c" };
        tokio::spawn(async move {
            let mut near = network.connect(from, "b", address).await.expect("open");
            let number = near.connection().expect("not foreign");
            near.write_u64(number).await.expect("written");
            near
        })
    });
    let dials: Vec<_> = dials.collect();
    let accepted: Vec<_> = at_b.take(50).collect().await;
    for connection in accepted {
        let mut connection = connection.expect("accepted");
        assert_eq!(
            Some(connection.read_u64().await.expect("read")),
            connection.connection()
        );
    }
    for dial in dials {
        dial.await.expect("done");
    }
}
