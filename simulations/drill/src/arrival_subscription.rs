//! The subscriptions to the arrivals of control services.

use std::collections::BTreeMap;

use beringia_clock::{SystemClock, WallClock as _};
use beringia_host::fleet::Client;
use beringia_proto::v1::{ControlArrivals, ControlArrivalsRequest};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::Instant,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use crate::{error::DrillError, machine_clocks::RoundTrip};

/// A subscription to the arrivals of one control service.
#[derive(Debug, Default)]
pub(super) struct ArrivalSubscription {
    /// The open stream; `None` while the control service is away.
    line: Mutex<Option<Line>>,
}

#[derive(Debug)]
struct Line {
    requests: UnboundedSender<ControlArrivalsRequest>,
    last_request: u64,
    /// The tasks that wait for a message, by the number of its request.
    waiting: BTreeMap<u64, Asked>,
}

#[derive(Debug)]
struct Asked {
    /// When the request was sent, by the monotonic clock and by the wall clock.
    at: Instant,
    at_ms: u64,
    waits: oneshot::Sender<()>,
}

/// A message that answers a request.
#[derive(Debug)]
pub(super) struct Answered {
    /// The times of the request and the answer.
    pub(super) trip: RoundTrip,
    waits: oneshot::Sender<()>,
}

impl Answered {
    /// Notes that the message was measured, and wakes the task that waits for it.
    pub(super) fn measured(self) {
        // Fails if the task no longer waits.
        self.waits.send(()).ok();
    }
}

impl ArrivalSubscription {
    /// Subscribes to the arrivals of a control service. Once this returns, every later arrival is
    /// reported.
    pub(super) async fn hear(&self, client: &mut Client) -> Result<Streaming<ControlArrivals>, DrillError> {
        let (requests, asked) = unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let mut messages = client.arrivals(asked).await?.into_inner();
        messages.message().await?;
        self.connected(requests);
        Ok(messages)
    }

    pub(super) fn connected(&self, requests: UnboundedSender<ControlArrivalsRequest>) {
        *self.line() = Some(Line {
            requests,
            last_request: 0,
            waiting: BTreeMap::new(),
        });
    }

    /// The request that a message answers, if it answers one; to be called once it has arrived.
    pub(super) fn answered(&self, message: &ControlArrivals) -> Option<Answered> {
        let mut line = self.line();
        let Asked { at, at_ms, waits } = line.as_mut()?.waiting.remove(&message.request)?;
        let trip = RoundTrip {
            sent_ms: at_ms,
            took: at.elapsed(),
            answered_ms: message.now_ms,
        };
        Some(Answered { trip, waits })
    }

    /// Notes that the control service went away. No task waits for it any more.
    pub(super) fn lost(&self) {
        *self.line() = None;
    }

    /// Waits until everything that is visible by now was measured, or the control service is away.
    pub(super) async fn has_heard_all(&self) {
        let heard = {
            let mut line = self.line();
            let Some(line) = line.as_mut() else { return };
            line.last_request += 1;
            let (waits, heard) = oneshot::channel();
            let asked = Asked {
                at: Instant::now(),
                at_ms: SystemClock.now_ms(),
                waits,
            };
            line.waiting.insert(line.last_request, asked);
            let request = ControlArrivalsRequest {
                request: line.last_request,
            };
            if line.requests.send(request).is_err() {
                return;
            }
            heard
        };
        // Fails if the control service went away.
        heard.await.ok();
    }

    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use beringia_host::{
        arrival_groups::{Commit, CommittedWrite, WriteRun, arrived_writes},
        control::arrival_stream::stream,
    };
    use beringia_item::{Region, TableId};
    use futures_util::StreamExt as _;
    use tokio::sync::broadcast;

    use super::*;

    fn commit(sequence: u64) -> Arc<Commit> {
        let committed_ms = 1_000;
        Arc::new(Commit {
            region: Region::new("b").unwrap(),
            visible_ms: 1_040,
            runs: vec![WriteRun {
                table: TableId(7),
                origin: "a".parse().unwrap(),
                by_log: true,
                writes: vec![CommittedWrite { sequence, committed_ms }],
            }],
        })
    }

    #[tokio::test(start_paused = true)]
    async fn measures_all_arrivals_before_the_end() {
        let (commits, heard) = broadcast::channel(64);
        let (requests, asked) = unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked).map(Ok);
        let mut messages = Box::pin(stream(heard, Arc::default(), asked));
        let subscription = Arc::new(ArrivalSubscription::default());
        subscription.has_heard_all().await;
        subscription.connected(requests);
        let measured = Arc::new(Mutex::new(Vec::new()));
        let (subscribed, measures) = (Arc::clone(&subscription), Arc::clone(&measured));
        let before_ms = SystemClock.now_ms();
        let listening = tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let answered = subscribed.answered(&message);
                measures.lock().extend(message.groups.iter().flat_map(arrived_writes));
                if let Some(answered) = answered {
                    let trip = answered.trip;
                    assert!((before_ms..=trip.answered_ms).contains(&trip.sent_ms), "{trip:?}");
                    answered.measured();
                }
            }
        });
        for sequence in 1..=9 {
            commits.send(commit(sequence)).unwrap();
        }
        subscription.has_heard_all().await;
        listening.abort();
        assert!(listening.await.unwrap_err().is_cancelled());
        subscription.lost();
        subscription.has_heard_all().await;
        let sequences: Vec<u64> = measured.lock().iter().map(|write| write.sequence).collect();
        assert_eq!(sequences, (1..=9).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_a_control_service_goes_away() {
        let subscription = ArrivalSubscription::default();
        let (requests, _asked) = unbounded_channel();
        subscription.connected(requests);
        tokio::join!(subscription.has_heard_all(), async { subscription.lost() });
    }
}
