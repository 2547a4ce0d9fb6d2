//! A load is open: operations become due independent of the results of earlier ones.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use beringia_clock::ManualClock;
use beringia_history::{History, NOT_SENT, Operation, OperationOutcome};
use beringia_scenario::{Policy, Workload, WorkloadKind};
use beringia_workload::{CallError, Load, Loaded, Setting, Target, Targets};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-1";

/// Regions that answer every call with an empty answer after a millisecond, except that [`HOME`]
/// does not answer before `silent_until`.
struct Quiet {
    silent_until: Instant,
}

struct QuietRegion {
    answers_from: Instant,
}

#[async_trait]
impl Target for QuietRegion {
    async fn call(&mut self, _: &str, _: Value) -> Result<Value, CallError> {
        sleep(Duration::from_millis(1)).await;
        sleep_until(self.answers_from).await;
        Ok(json!({}))
    }
}

impl Targets for Quiet {
    fn target(&self, region: &str) -> Box<dyn Target> {
        let answers_from = if region == HOME {
            self.silent_until
        } else {
            Instant::now()
        };
        Box::new(QuietRegion { answers_from })
    }
}

fn setting(seed: u64, silent: Duration) -> Setting {
    let workload = Workload {
        rate: 100.0,
        clients: 2,
        keys: 10,
        value_bytes: 40,
        ..Workload::new("load", WorkloadKind::YcsbA)
    };
    Setting {
        workloads: vec![workload],
        policy: Policy::Item,
        regions: vec![HOME.to_owned()],
        duration: Duration::from_secs(10),
        throttling: false,
        patience: Duration::from_secs(2),
        seed,
        targets: Arc::new(Quiet {
            silent_until: Instant::now() + silent,
        }),
        clock: Arc::new(ManualClock::new(0)),
    }
}

async fn played(setting: &Setting) -> History {
    let load = Load::start(setting, Loaded::default()).expect("it can be played");
    sleep(setting.duration).await;
    load.stop().await
}

fn due(history: &History) -> Vec<u64> {
    let mut due: Vec<u64> = history.operations.iter().map(|operation| operation.due_us).collect();
    due.sort_unstable();
    due
}

#[tokio::test(start_paused = true)]
async fn due_times_depend_on_the_seed_and_not_on_answers() {
    let (calm, stalled) = (setting(1, Duration::ZERO), setting(1, Duration::from_secs(5)));
    let (calm, stalled) = (played(&calm).await, played(&stalled).await);
    let other = played(&setting(2, Duration::ZERO)).await;
    assert!(
        (850..1_150).contains(&calm.operations.len()),
        "{}",
        calm.operations.len()
    );
    assert_eq!(due(&calm), due(&stalled));
    assert_ne!(due(&calm), due(&other));
}

#[tokio::test(start_paused = true)]
async fn a_stall_counts_for_every_operation_that_was_due_in_it() {
    let history = played(&setting(1, Duration::from_secs(5))).await;
    let not_sent = |operation: &&Operation| operation.name == NOT_SENT;
    let (late, sent): (Vec<_>, Vec<_>) = history.operations.iter().partition(not_sent);
    assert!(
        late.iter()
            .all(|late| late.outcome == OperationOutcome::Unreachable && late.due_us < 3_000_000)
    );
    assert!(
        (250..350).contains(&late.len()),
        "those of the first three seconds: {}",
        late.len()
    );
    let waited = sent
        .iter()
        .filter(|sent| sent.done_us - sent.due_us > 1_000_000)
        .count();
    assert!(waited > 80, "those of the fourth second waited: {waited}");
    assert!(
        sent.iter()
            .all(|sent| sent.due_us <= sent.sent_us && sent.sent_us < sent.done_us)
    );
}

#[tokio::test(start_paused = true)]
async fn clients_follow_traffic_shifts_and_rate_changes() {
    let setting = setting(1, Duration::from_secs(600));
    let load = Load::start(&setting, Loaded::default()).expect("it can be played");
    load.shift(HOME, AWAY);
    sleep(Duration::from_secs(2)).await;
    load.set_rate(Some("another"), None, 0.0);
    load.set_rate(None, Some(AWAY), 0.0);
    sleep(Duration::from_secs(2)).await;
    load.set_rate(Some("load"), Some(HOME), 0.0);
    let before = load.progress()[HOME];
    sleep(Duration::from_secs(3)).await;
    let after = load.progress()[HOME];
    assert_eq!(after.due, before.due, "nothing is due at a rate of 0");
    load.set_rate(None, None, 500.0);
    sleep(Duration::from_secs(2)).await;
    let history = load.stop().await;
    assert!(
        history
            .operations
            .iter()
            .all(|operation| operation.region == AWAY && operation.home == HOME)
    );
    assert!((340..460).contains(&after.due), "four seconds of 100: {}", after.due);
    let count = history.operations.len() as u64 - after.due;
    assert!((880..1_120).contains(&count), "two seconds of 500: {count}");
}

#[tokio::test(start_paused = true)]
async fn no_two_writes_have_the_same_marker() {
    let mut setting = setting(1, Duration::ZERO);
    setting.regions.push(AWAY.to_owned());
    let mut another = setting.workloads[0].clone();
    another.name = "another".to_owned();
    setting.workloads.push(another);
    let history = played(&setting).await;
    let writes = history.operations.iter().flat_map(|operation| &operation.writes);
    let mut markers: Vec<&str> = writes.map(|write| write.marker.as_str()).collect();
    let count = markers.len();
    assert!(count > 1_500, "{count}");
    markers.sort_unstable();
    markers.dedup();
    assert_eq!(markers.len(), count);
}
