//! When bytes arrive through an open link, to the millisecond of virtual time.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::{
    io::ErrorKind,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use beringia_network::{Direction, IN_FLIGHT_BYTES_MAX, LinkMode, MemoryTransport, NetworkError, Tap};
use common::{TestNetwork, ms, network, pattern, read_exactly, write};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    time::{Instant, sleep, timeout},
};

#[tokio::test(start_paused = true)]
async fn bytes_arrive_one_delay_after_they_were_written() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected().await;
    assert_eq!(test.now_ms(), 0, "a link adds nothing by default");
    test.delay(30, 7);
    write(&mut near, b"ping").await;
    assert_eq!(read_exactly(&mut far, 4).await, b"ping");
    assert_eq!(test.now_ms(), 30);
    write(&mut far, b"pong").await;
    assert_eq!(read_exactly(&mut near, 4).await, b"pong");
    assert_eq!(test.now_ms(), 37);
}

#[tokio::test(start_paused = true)]
async fn a_connection_opens_after_both_delays() {
    let mut test = TestNetwork::new(1);
    test.delay(30, 12);
    let (dialled, accepted) = {
        let transport = test.transport.clone();
        tokio::join!(transport.dial("a", "b"), test.at_b.next())
    };
    assert_eq!(test.now_ms(), 42);
    let numbers = (
        dialled.expect("open").connection(),
        accepted.and_then(Result::ok).expect("open").connection(),
    );
    assert_eq!(numbers, (1, 1), "both ends know the connection by one number");
}

#[tokio::test(start_paused = true)]
async fn dialling_without_listener_is_refused_after_a_round_trip() {
    let test = TestNetwork::new(1);
    test.network
        .delay("a", "c", Direction::Both, ms(50), ms(0))
        .expect("valid");
    let refused = test.transport.dial("a", "c").await.err().expect("c has no listener");
    assert_eq!((refused.kind(), test.now_ms()), (ErrorKind::ConnectionRefused, 100));

    drop(test.transport.listen("c"));
    let refused = test
        .transport
        .dial("a", "c")
        .await
        .err()
        .expect("c has no listener any more");
    assert_eq!((refused.kind(), test.now_ms()), (ErrorKind::ConnectionRefused, 200));

    let nowhere = test
        .transport
        .dial("a", "mars")
        .await
        .err()
        .expect("there is no such region");
    assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        nowhere.to_string(),
        "no region is called \"mars\"; expected one of a, b, c"
    );
}

/// Bandwidth also spaces the packets of a single connection.
#[tokio::test(start_paused = true)]
async fn connections_of_a_link_share_its_bandwidth() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected().await;
    let (mut other_near, mut other_far) = test.connected().await;
    test.delay(100, 100);
    // 8 Mbit/s are 1,000 bytes in a millisecond.
    test.bandwidth(Some(8.0));
    write(&mut near, &pattern(40_000)).await;
    let reading = tokio::spawn(async move { read_exactly(&mut far, 40_000).await });
    tokio::task::yield_now().await;
    write(&mut other_near, b"!").await;
    read_exactly(&mut other_far, 1).await;
    assert_eq!(
        test.now_ms(),
        141,
        "it waited for the other connection's 40 ms, and rounds up"
    );
    assert_eq!(reading.await.expect("read"), pattern(40_000));

    write(&mut other_near, b"!").await;
    read_exactly(&mut other_far, 1).await;
    assert_eq!(test.now_ms(), 242, "an idle link transmits at once");
    test.bandwidth(None);
    write(&mut other_near, &pattern(40_000)).await;
    read_exactly(&mut other_far, 40_000).await;
    assert_eq!(test.now_ms(), 342);
}

#[tokio::test(start_paused = true)]
async fn the_first_packet_does_not_wait_for_the_last() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(100).await;
    test.bandwidth(Some(8.0));
    write(&mut near, &pattern(50_000)).await;
    read_exactly(&mut far, 1_000).await;
    assert_eq!(test.now_ms(), 102, "one packet of 1,460 bytes");
    read_exactly(&mut far, 49_000).await;
    assert_eq!(test.now_ms(), 150);
}

#[tokio::test(start_paused = true)]
async fn raising_the_bandwidth_releases_waiting_packets() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(100).await;
    // At 0.008 Mbit/s, 50,000 bytes take 50 s.
    test.bandwidth(Some(0.008));
    write(&mut near, &pattern(50_000)).await;
    read_exactly(&mut far, 1_460).await;
    assert_eq!(test.now_ms(), 1_560);
    test.bandwidth(Some(8.0));
    read_exactly(&mut far, 50_000 - 1_460).await;
    // At 1,560 ms 1,560 bytes had been sent; the other 48,440 take 48.44 ms.
    assert_eq!(test.now_ms(), 1_560 + 49 + 100);
}

#[tokio::test(start_paused = true)]
async fn jitter_varies_delays_and_keeps_the_order_of_packets() {
    let mut test = TestNetwork::new(7);
    let (mut near, mut far) = test.connected().await;
    test.network
        .delay("a", "b", Direction::OneWay, ms(20), ms(40))
        .expect("valid");
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&arrivals);
    let began = Instant::now();
    let reading = tokio::spawn(async move {
        for index in 0..100_u8 {
            assert_eq!(read_exactly(&mut far, 1).await, [index]);
            noted.lock().expect("not poisoned").push(began.elapsed());
        }
    });
    for index in 0..100_u8 {
        write(&mut near, &[index]).await;
        sleep(ms(10)).await;
    }
    reading.await.expect("in order");
    let arrivals = arrivals.lock().expect("not poisoned");
    let delays: Vec<_> = arrivals
        .iter()
        .zip(0..)
        .map(|(arrival, index)| *arrival - ms(10) * index)
        .collect();
    assert!(
        delays.iter().all(|delay| (ms(20)..=ms(61)).contains(delay)),
        "{delays:?}"
    );
    let (shortest, longest) = (delays.iter().min(), delays.iter().max());
    assert!(
        shortest < Some(&ms(25)) && longest > Some(&ms(50)),
        "of 100 some are short and some long: {delays:?}"
    );
}

/// Nothing is missing in the end.
#[tokio::test(start_paused = true)]
async fn lost_packets_arrive_after_a_retransmission_timeout() {
    let mut test = TestNetwork::new(3);
    let (mut near, mut far) = test.connected_with_delay(50).await;
    test.network.loss("a", "b", Direction::OneWay, 20.0).expect("valid");
    let mut delays = Vec::new();
    for index in 0..200_u8 {
        let before = test.now_ms();
        write(&mut near, &[index]).await;
        assert_eq!(read_exactly(&mut far, 1).await, [index]);
        delays.push(test.now_ms() - before);
    }
    // The timeout is the round trip of 100 ms and 200 more; it doubles with each further loss.
    let of_losses = |losses: u32| 50 + 300 * (2_u128.pow(losses) - 1);
    let possible: Vec<u128> = (0..=15).map(of_losses).collect();
    assert!(delays.iter().all(|delay| possible.contains(delay)), "{delays:?}");
    let count = |losses| delays.iter().filter(|delay| **delay == of_losses(losses)).count();
    assert!(
        (130..=180).contains(&count(0)),
        "four fifths are not lost: {}",
        count(0)
    );
    assert!((15..=55).contains(&count(1)), "a sixth is lost once: {}", count(1));
    assert!(count(2) > 0, "some are lost twice");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_travels_like_data() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(25).await;
    write(&mut near, b"bye").await;
    near.shutdown().await.expect("shut down");
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.expect("ended");
    assert_eq!((rest.as_slice(), test.now_ms()), (b"bye".as_slice(), 25));
    write(&mut far, b"and you").await;
    assert_eq!(
        read_exactly(&mut near, 7).await,
        b"and you",
        "only one direction was shut down"
    );
    assert_eq!(test.now_ms(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_writer_learns_that_its_peer_is_gone_after_a_round_trip() {
    let mut test = TestNetwork::new(1);
    let (mut near, far) = test.connected_with_delay(40).await;
    drop(far);
    near.write_all(b"into the void")
        .await
        .expect("the news is not here yet");
    sleep(ms(79)).await;
    near.write_all(b"still").await.expect("the news is not here yet");
    sleep(ms(1)).await;
    let failed = near.write_all(b"now").await.expect_err("the news is here");
    assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn slow_reader_stops_the_writer_with_bounded_memory() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(100).await;
    // The reader looks at the first byte only, so the link takes as much as it can.
    let total = 3 * IN_FLIGHT_BYTES_MAX;
    let writing = tokio::spawn(async move { near.write_all(&pattern(total)).await });
    read_exactly(&mut far, 1).await;
    assert!(timeout(ms(60_000), far.read_exact(&mut [])).await.is_ok());
    sleep(ms(60_000)).await;
    assert!(!writing.is_finished(), "the writer waits for the reader");
    let in_flight = test.network.show()[0].bytes_in_flight;
    assert!(in_flight > IN_FLIGHT_BYTES_MAX / 2, "the link is used: {in_flight}");
    assert!(in_flight <= IN_FLIGHT_BYTES_MAX + 64 * 1024, "and bounded: {in_flight}");
    let mut expected = pattern(total);
    assert_eq!(read_exactly(&mut far, total - 1).await, expected.split_off(1));
    writing.await.expect("done").expect("written");
}

#[tokio::test(start_paused = true)]
async fn bounds_memory_of_many_small_pieces() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(10_000).await;
    let writing = tokio::spawn(async move {
        for _ in 0..200_000 {
            write(&mut near, b"x").await;
            tokio::task::yield_now().await;
        }
    });
    let reading = timeout(ms(9_000), far.read_u8());
    assert!(reading.await.is_err(), "nothing arrives in nine seconds");
    let in_flight = test.network.show()[0].bytes_in_flight;
    assert!(
        in_flight <= IN_FLIGHT_BYTES_MAX.div_ceil(65),
        "{in_flight} pieces of one byte cost more than their bytes"
    );
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn shows_counters_and_settings_of_every_directed_link() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected().await;
    test.delay(5, 0);
    test.network.cut("a", "c", Direction::OneWay).expect("valid");
    write(&mut near, b"12345").await;
    read_exactly(&mut far, 5).await;
    let shown = test.network.show();
    let pairs: Vec<_> = shown
        .iter()
        .map(|link| (link.from.as_str(), link.to.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")]
    );
    let (there, back) = (&shown[0], &shown[2]);
    assert_eq!(
        (there.bytes_delivered, there.connections, there.settings.delay),
        (5, 1, ms(5))
    );
    assert_eq!(
        (back.bytes_delivered, back.connections, back.settings.delay),
        (0, 1, ms(0))
    );
    assert_eq!((shown[1].mode, shown[4].mode), (LinkMode::Cut, LinkMode::Open));
    drop((near, far));
    assert!(
        test.network.show().iter().all(|link| link.connections == 0),
        "closed connections are not counted"
    );
}

#[test]
fn settings_out_of_bounds_are_refused_and_change_nothing() {
    let network = network(1);
    let both = Direction::Both;
    let refused = [
        (
            network.loss("a", "b", both, 99.5),
            "loss of 99.5 %; expected 0 to 99 %; to lose everything, cut the link",
        ),
        (
            network.loss("a", "b", both, f64::NAN),
            "loss of NaN %; expected 0 to 99 %; to lose everything, cut the link",
        ),
        (
            network.bandwidth("a", "b", both, Some(0.0)),
            "bandwidth of 0 Mbit/s; expected 0.001 to 1000000 Mbit/s",
        ),
        (
            network.delay("a", "b", both, ms(600_001), ms(0)),
            "delay of 600001 ms; expected at most 600000 ms",
        ),
        (
            network.delay("a", "b", both, ms(0), ms(600_001)),
            "jitter of 600001 ms; expected at most 600000 ms",
        ),
        (
            network.cut("a", "a", both),
            "a has no link to itself; expected two different regions",
        ),
        (
            network.isolate("d"),
            "no region is called \"d\"; expected one of a, b, c",
        ),
    ];
    for (result, message) in refused {
        assert_eq!(result.expect_err(message).to_string(), message);
    }
    assert_eq!(
        network.heal("a", "x", Direction::Both),
        Err(NetworkError::UnknownRegion {
            name: "x".to_owned(),
            known: ["a", "b", "c"].map(str::to_owned).to_vec(),
        })
    );
    assert!(
        network
            .show()
            .iter()
            .all(|link| link.settings == Default::default() && link.mode == LinkMode::Open)
    );
}

/// Records who delivered what, and when.
struct Trace {
    began: Instant,
    lines: Mutex<Vec<String>>,
}

impl Tap for Trace {
    fn delivered(&self, from: &str, to: &str, connection: u64, bytes: &[u8]) {
        let line = format!("{:?} {from}>{to} #{connection} {bytes:?}", self.began.elapsed());
        self.lines.lock().expect("not poisoned").push(line);
    }
}

/// Two regions talk over two connections through links on which everything random is enabled.
async fn traced_conversation(seed: u64) -> Vec<String> {
    let network = network(seed);
    let trace = Arc::new(Trace {
        began: Instant::now(),
        lines: Mutex::default(),
    });
    network.set_tap(trace.clone());
    let transport = MemoryTransport::new(network.clone());
    let mut at_b = transport.listen("b");
    network.delay("a", "b", Direction::Both, ms(20), ms(30)).expect("valid");
    network.loss("a", "b", Direction::Both, 10.0).expect("valid");
    network.bandwidth("a", "b", Direction::Both, Some(1.0)).expect("valid");
    let echo = tokio::spawn(async move {
        while let Some(Ok(connection)) = at_b.next().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(connection);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    for _ in 0..2 {
        let mut near = transport.dial("a", "b").await.expect("open");
        write(&mut near, &pattern(5_000)).await;
        assert_eq!(read_exactly(&mut near, 5_000).await, pattern(5_000));
    }
    echo.abort();
    let lines = trace.lines.lock().expect("not poisoned");
    lines.clone()
}

#[test]
fn traces_depend_on_the_seed_alone() {
    let run = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(traced_conversation(seed))
    };
    let first = run(11);
    assert!(first.len() > 8, "{first:?}");
    assert_eq!(first, run(11));
    assert_ne!(first, run(12));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn wakes_in_memory_readers_only_when_bytes_arrive() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut bytes = [0; 16];
    let mut buffer = ReadBuf::new(&mut bytes);
    assert!(Pin::new(&mut far).poll_read(&mut context, &mut buffer).is_pending());
    write(&mut near, b"one").await;
    sleep(ms(10)).await;
    write(&mut near, b"two").await;
    sleep(ms(19)).await;
    assert_eq!(woken.0.load(Ordering::Relaxed), 0, "nothing has arrived");
    sleep(ms(1)).await;
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(Pin::new(&mut far).poll_read(&mut context, &mut buffer).is_ready());
    assert_eq!(buffer.filled(), b"one");
    assert!(Pin::new(&mut far).poll_read(&mut context, &mut buffer).is_pending());
    sleep(ms(10)).await;
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert!(Pin::new(&mut far).poll_read(&mut context, &mut buffer).is_ready());
    assert_eq!(buffer.filled(), b"onetwo");
}
