//! The stream of arrivals for clients that measure. Arrivals are collected for a short time, since
//! there can be tens of thousands in a second.

use std::{future::pending, sync::Arc, time::Duration};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_proto::v1::{ControlArrivals, ControlArrivalsRequest};
use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::{
    sync::broadcast::{Receiver, error::TryRecvError},
    time::{Interval, MissedTickBehavior, interval},
};
use tonic::Status;

use crate::{
    arrival_groups::{Commit, Gathered},
    commit_times::{CommitTimes, ReportedUntil},
};

/// How long arrivals are collected; each has its own time.
const GATHERED_FOR: Duration = Duration::from_millis(50);
/// A message ends with the commit that contains this many-th arrival, at some ten kilobytes.
const ARRIVALS_MAX: usize = 4096;

/// All arrivals from now on, and when this process's regions committed their own writes, as far as
/// that is known. The stream begins with an empty message, which tells the client that
/// it has begun. Each request is answered at once with everything that has arrived.
pub fn stream<R>(
    heard: Receiver<Arc<Commit>>,
    times: Arc<Mutex<CommitTimes>>,
    requests: R,
) -> impl Stream<Item = Result<ControlArrivals, Status>> + Send + use<R>
where
    R: Stream<Item = Result<ControlArrivalsRequest, Status>> + Send + Unpin,
{
    let mut ticks = interval(GATHERED_FOR);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = Telling {
        heard,
        times,
        reported: ReportedUntil::default(),
        requests: Some(requests),
        ticks,
        is_behind: false,
    };
    let began = stream::iter([Ok(ControlArrivals::default())]);
    began.chain(stream::unfold(telling, |mut telling| async move {
        let message = telling.next().await?;
        Some((Ok(message), telling))
    }))
}

struct Telling<R> {
    heard: Receiver<Arc<Commit>>,
    times: Arc<Mutex<CommitTimes>>,
    reported: ReportedUntil,
    /// `None` once the client makes no more requests.
    requests: Option<R>,
    ticks: Interval,
    /// Whether more had arrived than fits into one message.
    is_behind: bool,
}

impl<R: Stream<Item = Result<ControlArrivalsRequest, Status>> + Unpin> Telling<R> {
    /// The next message that is not empty; `None` once nothing can arrive any more.
    async fn next(&mut self) -> Option<ControlArrivals> {
        loop {
            let request = self.wait().await;
            let mut message = self.gather(if request.is_some() { usize::MAX } else { ARRIVALS_MAX })?;
            message.request = request.unwrap_or(0);
            if message != ControlArrivals::default() {
                message.now_ms = SystemClock.now_ms();
                return Some(message);
            }
        }
    }

    /// Waits until the next message is due. Returns the number of the request that asked for it, if
    /// one did.
    async fn wait(&mut self) -> Option<u64> {
        if std::mem::take(&mut self.is_behind) {
            return None;
        }
        let requests = &mut self.requests;
        let request = async {
            loop {
                match requests {
                    None => pending().await,
                    Some(open) => match open.next().await {
                        Some(Ok(request)) => return request.request,
                        Some(Err(_)) | None => *requests = None,
                    },
                }
            }
        };
        tokio::select! {
            biased;
            request = request => {
                self.ticks.reset();
                Some(request)
            }
            _ = self.ticks.tick() => None,
        }
    }

    /// Collects what has arrived, as far as it fits; `None` if nothing is left and nothing can
    /// arrive.
    fn gather(&mut self, arrivals_max: usize) -> Option<ControlArrivals> {
        let mut gathered = Gathered::default();
        let mut missed_commits = 0;
        let mut is_over = false;
        while gathered.arrivals() < arrivals_max {
            match self.heard.try_recv() {
                Ok(commit) => gathered.add(&commit),
                Err(TryRecvError::Lagged(missed)) => missed_commits += missed,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => {
                    is_over = gathered.arrivals() == 0 && missed_commits == 0;
                    break;
                }
            }
        }
        self.is_behind = gathered.arrivals() >= arrivals_max;
        // After the arrivals, so that the commits of those from this process are there.
        let commits = self.times.lock().since(&mut self.reported);
        (!is_over).then(|| ControlArrivals {
            groups: gathered.into_groups(),
            missed_commits,
            commits,
            ..ControlArrivals::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use beringia_item::{Region, TableId};
    use tokio::{
        sync::{
            broadcast,
            mpsc::{self, UnboundedSender},
        },
        time::Instant,
    };
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;
    use crate::arrival_groups::{CommittedWrite, WriteRun, arrived_writes};

    type Requests = UnboundedSender<Result<ControlArrivalsRequest, Status>>;
    type Messages = std::pin::Pin<Box<dyn Stream<Item = Result<ControlArrivals, Status>> + Send>>;

    /// A commit of this many writes, whose sequences begin with `first`.
    fn commit(first: u64, writes: u64) -> Arc<Commit> {
        let write = |sequence| CommittedWrite {
            sequence,
            committed_ms: 1000,
        };
        Arc::new(Commit {
            region: Region::new("us").unwrap(),
            visible_ms: 1040,
            runs: vec![WriteRun {
                table: TableId(7),
                origin: "eu".parse().unwrap(),
                by_log: true,
                writes: (first..first + writes).map(write).collect(),
            }],
        })
    }

    /// An open stream of arrivals, whose client may be this many commits behind.
    async fn listening(behind_max: usize) -> (broadcast::Sender<Arc<Commit>>, Requests, Messages) {
        let (commits, heard) = broadcast::channel(behind_max);
        let (requests, asked) = mpsc::unbounded_channel();
        let (times, asked) = (Arc::default(), UnboundedReceiverStream::new(asked));
        let mut messages: Messages = Box::pin(stream(heard, times, asked));
        let began = Instant::now();
        assert_eq!(next(&mut messages).await, ControlArrivals::default());
        assert_eq!(began.elapsed(), Duration::ZERO, "at once");
        (commits, requests, messages)
    }

    /// The next message, without its time.
    async fn next(messages: &mut Messages) -> ControlArrivals {
        ControlArrivals {
            now_ms: 0,
            ..messages.next().await.unwrap().unwrap()
        }
    }

    fn sequences(message: &ControlArrivals) -> Vec<u64> {
        message
            .groups
            .iter()
            .flat_map(arrived_writes)
            .map(|arrived_writes| arrived_writes.sequence)
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn arrivals_within_a_short_time_share_a_message() {
        let (commits, requests, mut messages) = listening(8).await;
        for first in [1, 2, 3] {
            commits.send(commit(first, 1)).unwrap();
        }
        assert_eq!(sequences(&next(&mut messages).await), [1, 2, 3]);
        commits.send(commit(4, 2)).unwrap();
        let began = Instant::now();
        let message = next(&mut messages).await;
        assert_eq!((sequences(&message), message.request), (vec![4, 5], 0));
        assert!(began.elapsed() <= GATHERED_FOR, "{:?}", began.elapsed());
        drop((commits, requests));
        assert!(messages.next().await.is_none(), "nothing will arrive");
    }

    #[tokio::test(start_paused = true)]
    async fn request_is_answered_at_once_with_all_arrivals() {
        let (commits, requests, mut messages) = listening(4096).await;
        requests.send(Ok(ControlArrivalsRequest { request: 6 })).unwrap();
        let nothing = ControlArrivals {
            request: 6,
            ..ControlArrivals::default()
        };
        assert_eq!(next(&mut messages).await, nothing);
        let writes = ARRIVALS_MAX as u64;
        for number in 0..3 {
            commits.send(commit(1 + number * writes, writes)).unwrap();
        }
        requests.send(Ok(ControlArrivalsRequest { request: 7 })).unwrap();
        drop(requests);
        let began = Instant::now();
        let message = next(&mut messages).await;
        assert_eq!((sequences(&message).len(), message.request), (3 * ARRIVALS_MAX, 7));
        assert_eq!(began.elapsed(), Duration::ZERO);
        commits.send(commit(1, 1)).unwrap();
        assert_eq!(sequences(&next(&mut messages).await), [1], "it continues");
    }

    /// A client learns when the regions of this process committed their own writes, once.
    #[tokio::test(start_paused = true)]
    async fn commits_have_the_time_of_the_machine() {
        let (_commits, heard) = broadcast::channel(1);
        let (_requests, asked) = mpsc::unbounded_channel();
        let times = Arc::new(Mutex::new(CommitTimes::default()));
        times.lock().begin("eu", 3);
        let asked = UnboundedReceiverStream::new(asked);
        let mut messages: Messages = Box::pin(stream(heard, Arc::clone(&times), asked));
        assert_eq!(next(&mut messages).await, ControlArrivals::default());
        let before_ms = SystemClock.now_ms();
        let first = messages.next().await.unwrap().unwrap();
        assert!((before_ms..=SystemClock.now_ms()).contains(&first.now_ms), "{first:?}");
        times.lock().committed("eu", 4, 1_000);
        let second = next(&mut messages).await;
        let reported = |message: &ControlArrivals| {
            let commits = message.commits.iter();
            let reported = commits.map(|one| (one.origin.clone(), one.sequences.clone(), one.at_ms.clone()));
            reported.collect::<Vec<_>>()
        };
        assert_eq!(reported(&first), [("eu".to_owned(), vec![3], vec![0])]);
        assert_eq!(reported(&second), [("eu".to_owned(), vec![4], vec![1_000])]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_arrivals_are_sent_in_several_messages_without_delay() {
        let (commits, _requests, mut messages) = listening(8).await;
        let writes = ARRIVALS_MAX as u64;
        for number in 0..3 {
            commits.send(commit(1 + number * writes, writes)).unwrap();
        }
        let began = Instant::now();
        for number in 0..3 {
            assert_eq!(sequences(&next(&mut messages).await)[0], 1 + number * writes);
        }
        assert!(began.elapsed() <= GATHERED_FOR, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn commits_that_a_slow_client_missed_are_counted() {
        let (commits, _requests, mut messages) = listening(4).await;
        for first in 1..=10 {
            commits.send(commit(first, 1)).unwrap();
        }
        let message = next(&mut messages).await;
        assert_eq!((sequences(&message), message.missed_commits), (vec![7, 8, 9, 10], 6));
        commits.send(commit(11, 1)).unwrap();
        assert_eq!(next(&mut messages).await.missed_commits, 0);
    }
}
