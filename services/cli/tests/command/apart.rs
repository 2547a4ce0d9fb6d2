//! Drills over regions that are processes of their own, with slow links between them.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::mpsc::unbounded_channel,
    time::{Instant, sleep_until},
};

use crate::{
    drill::{outcome, scenario},
    process::{Server, regions_over, run, stderr},
};

/// Opens a port that is a slow link to another port of this machine, and returns it.
fn slow_link(to: u16, delay: Duration) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The caller tries again.
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                    return;
                };
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::join!(forward(from_near, to_far, delay), forward(from_far, to_near, delay));
            });
        }
    });
    port
}

/// Forwards everything in one direction, each byte after the delay, until either end closes.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sent, mut under_way) = unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            if sent.send((Instant::now() + delay, bytes[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // Fails if that end is closed already.
        to.shutdown().await.ok();
    };
    tokio::join!(reading, writing);
}

/// The clock of one region is 400 ms ahead, and drags the hybrid clocks of the others along: by
/// hybrid times, writes would arrive before they were committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_between_processes_does_not_shrink_under_fast_clocks() {
    const DELAY: Duration = Duration::from_millis(150);
    let runtime = Handle::current();
    let regions = regions_over(&["us-east-1", "eu-west-1", "ap-northeast-1"], |port| {
        let _entered = runtime.enter();
        slow_link(port, DELAY)
    });
    let controls = regions.iter().map(Server::control).collect::<Vec<_>>().join(",");
    let text = "duration = \"4s\"\n[clocks.eu-west-1]\noffset = \"400ms\"\n\
                [[workload]]\nrate = 40\n[expect]\nconverged_within = \"60s\"\n";
    let (_directory, file) = scenario(text);
    let words = [
        "drill",
        "run",
        file.to_str().unwrap(),
        "--attach",
        "--with-load",
        "--allowance",
        "10",
        "--format",
        "json",
    ];
    let output = run(&[&words[..], &["--control", &controls]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let run = outcome(&output);
    let verdicts = run["verdicts"].as_array().unwrap();
    let allowed = |verdict: &Value| verdict["expected"] == "converged within 60 s with 10 s allowed";
    assert!(verdicts.iter().any(allowed), "{verdicts:?}");
    assert_eq!(run["allowance_ms"], 10_000);
    for pair in run["pairs"].as_array().unwrap() {
        let lag = &pair["lag_ms"];
        assert!(lag["count"].as_u64().unwrap() > 20, "{lag}");
        // A busy machine notices some milliseconds late that a region has committed.
        assert!(lag["p50"].as_f64().unwrap() >= 130.0, "{lag}");
    }
    assert_eq!(
        run["notes"],
        serde_json::json!([]),
        "every commit was told, by one clock"
    );
}
