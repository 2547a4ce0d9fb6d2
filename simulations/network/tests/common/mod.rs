//! A network of three regions in memory, and reads and writes that report when they happened.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use beringia_clock::SeededRandomness;
use beringia_network::{Direction, MemoryListener, MemoryStream, MemoryTransport, Network};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time::Instant,
};

pub(crate) type Connection = MemoryStream;

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn network(seed: u64) -> Network {
    Network::new(["a", "b", "c"], &SeededRandomness::new(seed))
}

pub(crate) struct TestNetwork {
    pub(crate) network: Network,
    pub(crate) transport: MemoryTransport,
    pub(crate) at_b: MemoryListener,
    began: Instant,
}

impl TestNetwork {
    pub(crate) fn new(seed: u64) -> Self {
        let network = network(seed);
        let transport = MemoryTransport::new(network.clone());
        let at_b = transport.listen("b");
        Self {
            network,
            transport,
            at_b,
            began: Instant::now(),
        }
    }

    /// Milliseconds of virtual time since the beginning.
    pub(crate) fn now_ms(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    /// Opens a connection that `a` dials and `b` accepts: `a`'s end, then `b`'s.
    pub(crate) async fn connected(&mut self) -> (Connection, Connection) {
        let near = self.transport.dial("a", "b").await.expect("b listens");
        let far = self.at_b.next().await.expect("still listening").expect("accepted");
        (near, far)
    }

    /// Opens a connection; from then on a link takes `delay_ms` in each direction.
    pub(crate) async fn connected_with_delay(&mut self, delay_ms: u64) -> (Connection, Connection) {
        let ends = self.connected().await;
        self.delay(delay_ms, delay_ms);
        ends
    }

    /// Sets the delays from `a` to `b` and back.
    pub(crate) fn delay(&self, there_ms: u64, back_ms: u64) {
        for (from, to, delay_ms) in [("a", "b", there_ms), ("b", "a", back_ms)] {
            self.network
                .delay(from, to, Direction::OneWay, ms(delay_ms), ms(0))
                .expect("valid");
        }
    }

    /// Sets the bandwidth from `a` to `b` in megabits per second.
    pub(crate) fn bandwidth(&self, mbit: Option<f64>) {
        self.network
            .bandwidth("a", "b", Direction::OneWay, mbit)
            .expect("valid");
    }

    /// Has `a` dial `b` in the background of the test.
    pub(crate) fn dialling(&self) -> JoinHandle<io::Result<()>> {
        let transport = self.transport.clone();
        tokio::spawn(async move { transport.dial("a", "b").await.map(|_| ()) })
    }
}

pub(crate) async fn write(to: &mut Connection, bytes: &[u8]) {
    to.write_all(bytes).await.expect("written");
}

/// Returns how the next read fails.
pub(crate) async fn read_error(from: &mut Connection) -> ErrorKind {
    from.read_u8().await.expect_err("the connection is broken").kind()
}

/// Returns how the next write fails.
pub(crate) async fn write_error(to: &mut Connection) -> ErrorKind {
    to.write_all(b"x").await.expect_err("the connection is broken").kind()
}

pub(crate) async fn read_exactly(from: &mut Connection, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).await.expect("read");
    bytes
}

/// `count` bytes that differ from their neighbours, so that a lost or swapped one shows.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|index| u8::try_from(index * 31 % 251).expect("below 251"))
        .collect()
}
