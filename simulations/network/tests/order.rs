//! Under all changes of a link, bytes arrive in order, each once, and all of them after the heal.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use beringia_network::{Direction, Network};
use common::{TestNetwork, ms, pattern};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    Sleep(u64),
    Delay { delay_ms: u64, jitter_ms: u64 },
    Loss(f64),
    Bandwidth(Option<f64>),
    Cut(Direction),
    Heal,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..20_000_usize).prop_map(Step::Write),
        4 => (0..400_u64).prop_map(Step::Sleep),
        1 => (0..300_u64, 0..300_u64).prop_map(|(delay_ms, jitter_ms)| Step::Delay { delay_ms, jitter_ms }),
        1 => (0.0..60.0).prop_map(Step::Loss),
        1 => proptest::option::of(0.1..100.0).prop_map(Step::Bandwidth),
        1 => any::<bool>().prop_map(|both| Step::Cut(if both { Direction::Both } else { Direction::OneWay })),
        2 => Just(Step::Heal),
    ]
}

fn command(network: &Network, step: &Step) {
    let result = match *step {
        Step::Delay { delay_ms, jitter_ms } => network.delay("a", "b", Direction::OneWay, ms(delay_ms), ms(jitter_ms)),
        Step::Loss(percent) => network.loss("a", "b", Direction::OneWay, percent),
        Step::Bandwidth(mbit) => network.bandwidth("a", "b", Direction::OneWay, mbit),
        Step::Cut(direction) => network.cut("a", "b", direction),
        Step::Heal => network.heal("a", "b", Direction::Both),
        Step::Write(_) | Step::Sleep(_) => Ok(()),
    };
    result.expect("valid");
}

/// Returns what was sent, what had arrived after each step, and what arrived in all.
async fn run(steps: &[Step], seed: u64) -> (Vec<u8>, Vec<(Duration, usize)>, Vec<u8>) {
    let mut test = TestNetwork::new(seed);
    let (mut near, mut far) = test.connected().await;
    let total = steps
        .iter()
        .map(|step| if let Step::Write(bytes) = step { *bytes } else { 0 })
        .sum();
    let sent = pattern(total);
    let received = Arc::new(Mutex::new(Vec::new()));
    let filling = Arc::clone(&received);
    let reader = tokio::spawn(async move {
        let mut buffer = [0; 999];
        loop {
            match far.read(&mut buffer).await.expect("no failure") {
                0 => return,
                count => filling
                    .lock()
                    .expect("not poisoned")
                    .extend_from_slice(&buffer[..count]),
            }
        }
    });
    let to_write = sent.clone();
    let (amounts, mut granted) = tokio::sync::mpsc::unbounded_channel::<usize>();
    let writer = tokio::spawn(async move {
        let mut rest = to_write.as_slice();
        while let Some(amount) = granted.recv().await {
            let (now, later) = rest.split_at(amount);
            near.write_all(now).await.expect("no failure");
            rest = later;
        }
        near.shutdown().await.expect("no failure");
    });
    let began = tokio::time::Instant::now();
    let mut progress = Vec::new();
    for step in steps {
        match step {
            Step::Write(bytes) => amounts.send(*bytes).expect("writing"),
            Step::Sleep(milliseconds) => sleep(ms(*milliseconds)).await,
            _ => command(&test.network, step),
        }
        let received = received.lock().expect("not poisoned");
        assert!(
            sent.starts_with(&received),
            "after {step:?} the bytes are not a prefix of those sent"
        );
        progress.push((began.elapsed(), received.len()));
    }
    drop(amounts);
    test.network.heal_all();
    writer.await.expect("no panic");
    reader.await.expect("no panic");
    progress.push((began.elapsed(), received.lock().expect("not poisoned").len()));
    let received = received.lock().expect("not poisoned").clone();
    (sent, progress, received)
}

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn delivers_all_bytes_in_order(steps in proptest::collection::vec(step(), 1..40), seed: u64) {
        let (sent, progress, received) = in_virtual_time(run(&steps, seed));
        prop_assert_eq!(&received, &sent);
        // Nothing but the seed decides when bytes arrive.
        let (_, again, _) = in_virtual_time(run(&steps, seed));
        prop_assert_eq!(again, progress);
    }
}
