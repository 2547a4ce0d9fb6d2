//! Cuts, resets, heals and crashes of a region.

mod common;

use std::io::ErrorKind;

use beringia_network::{Direction, LinkMode};
use common::{TestNetwork, ms, pattern, read_error, read_exactly, write, write_error};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

/// A silent cut delivers nothing, and healing it delivers what was on the way.
#[tokio::test(start_paused = true)]
async fn silent_cut_holds_bytes_until_it_is_healed() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    write(&mut near, b"before").await;
    assert!(timeout(ms(20), far.read_u8()).await.is_err(), "it is on the way");
    test.network.cut("a", "b", Direction::Both).expect("valid");
    write(&mut near, b" during").await;
    assert!(
        timeout(ms(100_000), far.read_u8()).await.is_err(),
        "nothing comes through, and nothing fails"
    );
    assert_eq!(test.network.show()[0].bytes_delivered, 0);
    test.network.heal("b", "a", Direction::Both).expect("valid");
    let healed_ms = test.now_ms();
    assert_eq!(read_exactly(&mut far, 13).await, b"before during");
    assert_eq!(test.now_ms(), healed_ms + 30);
    write(&mut near, b"after").await;
    assert_eq!(read_exactly(&mut far, 5).await, b"after");
    assert_eq!(test.now_ms(), healed_ms + 60);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_arrived_before_a_cut_can_be_read() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    write(&mut near, b"here").await;
    assert!(timeout(ms(1), far.read_exact(&mut [0; 4])).await.is_err());
    sleep(ms(29)).await;
    write(&mut near, b"there").await;
    test.network.isolate("b").expect("valid");
    let here = timeout(ms(1), read_exactly(&mut far, 4)).await;
    assert_eq!(here.expect("it had arrived"), b"here");
    assert!(timeout(ms(10_000), far.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_one_way_cut_leaves_the_other_direction() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    test.network.cut("a", "b", Direction::OneWay).expect("valid");
    write(&mut near, b"lost in between").await;
    write(&mut far, b"heard").await;
    assert_eq!(read_exactly(&mut near, 5).await, b"heard");
    assert!(timeout(ms(10_000), far.read_u8()).await.is_err());
    let modes: Vec<_> = test.network.show().iter().map(|link| link.mode).collect();
    assert_eq!(modes[..3], [LinkMode::Cut, LinkMode::Open, LinkMode::Open]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_stops_the_writer_when_the_buffers_are_full() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(1).await;
    test.network.cut("a", "b", Direction::Both).expect("valid");
    let total = 4 << 20;
    let writing = tokio::spawn(async move { near.write_all(&pattern(total)).await });
    assert!(timeout(ms(60_000), far.read_u8()).await.is_err());
    assert!(!writing.is_finished());
    assert_eq!(test.network.show()[0].bytes_in_flight, 0, "a cut link takes nothing");
    test.network.heal_all();
    assert_eq!(read_exactly(&mut far, total).await, pattern(total));
    writing.await.expect("done").expect("written");
}

#[tokio::test(start_paused = true)]
async fn healing_sends_held_bytes_at_the_links_bandwidth() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(10).await;
    test.network
        .bandwidth("a", "b", Direction::Both, Some(8.0))
        .expect("valid");
    write(&mut near, &pattern(30_000)).await;
    assert!(timeout(ms(5), far.read_u8()).await.is_err());
    test.network.cut("a", "b", Direction::Both).expect("valid");
    sleep(ms(1)).await;
    test.network.heal("a", "b", Direction::Both).expect("valid");
    let healed_ms = test.now_ms();
    assert_eq!(read_exactly(&mut far, 30_000).await, pattern(30_000));
    assert_eq!(test.now_ms(), healed_ms + 30 + 10);
}

/// New connections are refused until the link is healed.
#[tokio::test(start_paused = true)]
async fn reset_breaks_both_ends_and_refuses_until_healed() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    write(&mut near, b"gone").await;
    let reading = tokio::spawn(async move { (read_error(&mut far).await, far) });
    tokio::task::yield_now().await;
    test.network.reset("a", "b", Direction::OneWay).expect("valid");
    let broken_ms = test.now_ms();
    let (kind, mut far) = reading.await.expect("done");
    assert_eq!((kind, test.now_ms()), (ErrorKind::ConnectionReset, broken_ms));
    assert_eq!(read_error(&mut near).await, ErrorKind::ConnectionReset);
    assert_eq!(write_error(&mut near).await, ErrorKind::ConnectionReset);
    assert_eq!(write_error(&mut far).await, ErrorKind::ConnectionReset);

    let _at_a = test.transport.listen("a");
    for (from, to) in [("a", "b"), ("b", "a")] {
        let refused = test
            .transport
            .dial(from, to)
            .await
            .err()
            .expect("a connection needs both directions");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(test.network.show()[0].mode, LinkMode::Reset);
    test.network.heal("a", "b", Direction::Both).expect("valid");
    let (mut near, mut far) = test.connected().await;
    write(&mut near, b"again").await;
    assert_eq!(read_exactly(&mut far, 5).await, b"again");
}

#[tokio::test(start_paused = true)]
async fn a_reset_wakes_a_writer_that_waits() {
    let mut test = TestNetwork::new(1);
    let (mut near, _far) = test.connected_with_delay(30).await;
    let writing = tokio::spawn(async move { near.write_all(&pattern(4 << 20)).await });
    sleep(ms(1_000)).await;
    assert!(!writing.is_finished());
    test.network.reset("b", "a", Direction::OneWay).expect("valid");
    let failed = writing.await.expect("done").expect_err("the connection broke");
    assert_eq!(failed.kind(), ErrorKind::ConnectionReset);
}

/// They also fail if the end has not left yet.
#[tokio::test(start_paused = true)]
async fn writes_after_the_end_of_a_stream_fail() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected().await;
    test.network.cut("a", "b", Direction::OneWay).expect("valid");
    write(&mut near, b"all").await;
    near.shutdown().await.expect("shut down");
    // Under the cut there is no news of the failure.
    write(&mut near, b"lost").await;
    test.network.heal_all();
    let mut bytes = Vec::new();
    far.read_to_end(&mut bytes).await.expect("read");
    assert_eq!(bytes, b"all");

    let (mut near, _far) = test.connected().await;
    near.shutdown().await.expect("shut down");
    assert_eq!(write_error(&mut near).await, ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_waits_learns_that_its_peer_is_gone() {
    let mut test = TestNetwork::new(1);
    let (mut near, far) = test.connected_with_delay(30).await;
    let writing = tokio::spawn(async move { near.write_all(&pattern(8 << 20)).await.map(|()| near) });
    sleep(ms(1_000)).await;
    assert!(!writing.is_finished());
    let gone_ms = test.now_ms();
    drop(far);
    // The rest seems to be written, as into a kernel's buffer; the news comes when it has crossed.
    let mut near = writing.await.expect("done").expect("swallowed");
    assert_eq!(test.now_ms(), gone_ms);
    sleep(ms(60)).await;
    assert_eq!(write_error(&mut near).await, ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn connecting_under_a_silent_cut_waits_for_the_heal() {
    let mut test = TestNetwork::new(1);
    test.delay(30, 30);
    test.network.cut("b", "a", Direction::OneWay).expect("valid");
    assert!(
        timeout(ms(50_000), test.transport.dial("a", "b")).await.is_err(),
        "the answer does not come back"
    );
    test.at_b
        .next()
        .await
        .expect("listening")
        .expect("b accepted, and will learn")
        .shutdown()
        .await
        .expect("shut");

    test.network.cut("a", "b", Direction::Both).expect("valid");
    let dialling = test.dialling();
    sleep(ms(1_000)).await;
    test.network.heal("a", "b", Direction::Both).expect("valid");
    let healed_ms = test.now_ms();
    dialling.await.expect("done").expect("open");
    assert_eq!(test.now_ms(), healed_ms + 60);
}

#[tokio::test(start_paused = true)]
async fn reset_refuses_connections_being_opened() {
    let test = TestNetwork::new(1);
    test.delay(30, 30);
    let dialling = test.dialling();
    sleep(ms(10)).await;
    test.network.reset("a", "b", Direction::Both).expect("valid");
    assert_eq!(
        dialling.await.expect("done").expect_err("refused").kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(test.now_ms(), 10);
}

/// The crash of a region breaks its own connections at once.
#[tokio::test(start_paused = true)]
async fn peers_learn_of_a_crash_one_delay_later() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(40).await;
    write(&mut near, b"last words").await;
    assert!(timeout(ms(10), far.read_u8()).await.is_err());
    test.network.kill_region("a").expect("valid");
    let killed_ms = test.now_ms();
    assert_eq!(read_error(&mut near).await, ErrorKind::ConnectionReset);
    assert_eq!(write_error(&mut near).await, ErrorKind::ConnectionReset);

    far.write_all(b"are you there?").await.expect("b does not know of it");
    assert_eq!(
        read_exactly(&mut far, 10).await,
        b"last words",
        "what was on the way arrives"
    );
    assert_eq!(test.now_ms(), killed_ms + 30);
    assert_eq!(read_error(&mut far).await, ErrorKind::ConnectionReset);
    assert_eq!(test.now_ms(), killed_ms + 40);
    assert_eq!(write_error(&mut far).await, ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn the_news_of_a_crash_does_not_pass_a_silent_cut() {
    let mut test = TestNetwork::new(1);
    let (_near, mut far) = test.connected_with_delay(40).await;
    test.network.isolate("a").expect("valid");
    test.network.kill_region("a").expect("valid");
    assert!(timeout(ms(10_000), far.read_u8()).await.is_err());
    far.write_all(b"hello?").await.expect("b does not know of it");
    test.network.heal_all();
    let healed_ms = test.now_ms();
    assert_eq!(read_error(&mut far).await, ErrorKind::ConnectionReset);
    assert_eq!(test.now_ms(), healed_ms + 40);
}

#[tokio::test(start_paused = true)]
async fn dropping_an_end_under_a_cut_is_noticed_after_the_heal() {
    let mut test = TestNetwork::new(1);
    let (near, mut far) = test.connected_with_delay(40).await;
    test.network.cut("a", "b", Direction::Both).expect("valid");
    drop(near);
    far.write_all(b"hello?").await.expect("b does not know of it");
    assert!(timeout(ms(10_000), far.read_u8()).await.is_err());
    test.network.heal_all();
    let healed_ms = test.now_ms();
    assert_eq!(far.read(&mut [0; 8]).await.expect("the end"), 0);
    assert_eq!(test.now_ms(), healed_ms + 40);
}

#[tokio::test(start_paused = true)]
async fn a_writer_learns_nothing_while_its_own_direction_is_cut() {
    let mut test = TestNetwork::new(1);
    let (mut near, far) = test.connected_with_delay(40).await;
    test.network.cut("a", "b", Direction::OneWay).expect("valid");
    drop(far);
    for _ in 0..10 {
        near.write_all(b"into the void")
            .await
            .expect("nothing comes back to what does not arrive");
        sleep(ms(1_000)).await;
    }
    test.network.heal_all();
    near.write_all(b"arrives").await.expect("the news is not here yet");
    sleep(ms(80)).await;
    assert_eq!(write_error(&mut near).await, ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn dialling_a_crashing_region_is_refused_after_a_round_trip() {
    let mut test = TestNetwork::new(1);
    test.delay(30, 30);
    let dialling = test.dialling();
    sleep(ms(10)).await;
    test.network.kill_region("b").expect("valid");
    drop(std::mem::replace(&mut test.at_b, test.transport.listen("nobody")));
    assert_eq!(
        dialling.await.expect("done").expect_err("refused").kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(test.now_ms(), 60);
    assert_eq!(
        test.network.show().iter().map(|link| link.connections).sum::<usize>(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_region_that_crashes_stops_dialling() {
    let test = TestNetwork::new(1);
    test.delay(30, 30);
    let dialling = test.dialling();
    sleep(ms(10)).await;
    test.network.kill_region("a").expect("valid");
    assert_eq!(
        dialling.await.expect("done").expect_err("crashed").kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(test.now_ms(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_heal_of_one_link_leaves_the_other_cut() {
    let mut test = TestNetwork::new(1);
    let (mut near, mut far) = test.connected_with_delay(30).await;
    test.network.cut("a", "b", Direction::Both).expect("valid");
    test.network.heal("a", "b", Direction::OneWay).expect("valid");
    write(&mut near, b"there").await;
    assert_eq!(read_exactly(&mut far, 5).await, b"there");
    write(&mut far, b"back").await;
    assert!(
        timeout(ms(100_000), near.read_u8()).await.is_err(),
        "the way back is still cut"
    );
    test.network.heal("b", "a", Direction::OneWay).expect("valid");
    assert_eq!(read_exactly(&mut near, 4).await, b"back");
}
