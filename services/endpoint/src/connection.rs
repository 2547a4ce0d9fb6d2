//! One connection: HTTP/1.1, or HTTP/2 if the client starts with it, until it breaks, idles for too
//! long, or has to close because of a shutdown.

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    rt::Executor,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, level_filters::LevelFilter};

use crate::response::Body;

/// The maximum number of open streams on an HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// The flow-control window of each stream, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The flow-control window of the whole connection, in bytes. It covers all streams, so that bodies
/// that wait for a permit do not block the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// The limits in size and time that every connection of a server has.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// The largest request head that is read at all, in bytes.
    pub(crate) head_bytes_max: u32,
    /// How long the head of a request may take to arrive, and therefore how long a connection may
    /// idle.
    pub(crate) head_timeout: Duration,
    /// How long a closing connection may take.
    pub(crate) drain_timeout: Duration,
    /// Permits for requests, shared by all connections. A request holds one from its head until its
    /// answer is sent.
    pub(crate) requests: Arc<Semaphore>,
}

/// Serves a connection. When `closing` is cancelled, it finishes the requests in progress and
/// closes. If the future is dropped, so are they. `listener` is the span of the server that
/// accepted the connection.
pub(crate) async fn serve_connection<C, F>(
    stream: C,
    bounds: Bounds,
    closing: CancellationToken,
    listener: Span,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let tasks = Arc::new(Mutex::new(JoinSet::new()));
    let http = builder(
        &bounds,
        Streams {
            tasks: Arc::downgrade(&tasks),
            listener: listener.clone(),
        },
    );
    let activity = Arc::new(Mutex::new(Activity::begin()));
    let service = service_fn({
        let (activity, requests) = (Arc::clone(&activity), Arc::clone(&bounds.requests));
        move |request| {
            let under_way = InProgress::begin(&activity);
            let (requests, answer) = (Arc::clone(&requests), answer.clone());
            async move {
                // The semaphore is never closed, so this always gets a permit eventually.
                let place = requests.acquire_owned().await.ok();
                let answer = answer(request).await;
                Ok::<_, Infallible>(answer.map(|body| Sent {
                    body,
                    _place: place,
                    _under_way: under_way,
                }))
            }
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => served,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = idled(&activity, bounds.head_timeout) => {
            connection.as_mut().graceful_shutdown();
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
            timeout(bounds.drain_timeout, connection).await.unwrap_or_else(late)
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection failed");
    }
    reap(&mut tasks.lock(), &listener);
}

fn builder(bounds: &Bounds, streams: Streams) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(streams);
    // The date is set with the other headers, from the region's own clock.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .auto_date_header(false);
    http.http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_header_list_size(bounds.head_bytes_max)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    http
}

/// Whether spans name the region in the messages of requests. At level `warn` and below, a field
/// does: entering a span at every poll would cost several percent of a GetItem.
pub(crate) fn spans_name_regions() -> bool {
    LevelFilter::current() > LevelFilter::WARN
}

/// The span of a connection's tasks: the current one, or none if spans name no regions.
pub(crate) fn span_of_tasks() -> Span {
    if spans_name_regions() {
        Span::current()
    } else {
        Span::none()
    }
}

/// Logs a task that panicked, in the listener's span: the task itself may have none. Drops the
/// results of the others.
pub(crate) fn report(done: Result<(), JoinError>, listener: &Span) {
    if let Err(error) = done
        && error.is_panic()
    {
        listener.in_scope(|| tracing::error!(%error, "the task of a connection panicked"));
    }
}

fn reap(tasks: &mut JoinSet<()>, listener: &Span) {
    while let Some(done) = tasks.try_join_next() {
        report(done, listener);
    }
}

/// Runs the streams of an HTTP/2 connection. The connection owns the tasks, so they end with it.
#[derive(Clone)]
struct Streams {
    tasks: Weak<Mutex<JoinSet<()>>>,
    listener: Span,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        if let Some(tasks) = self.tasks.upgrade() {
            let mut tasks = tasks.lock();
            reap(&mut tasks, &self.listener);
            tasks.spawn(stream.instrument(span_of_tasks()));
        }
    }
}

/// The activity on a connection, for its idle timeout.
struct Activity {
    under_way: usize,
    /// When the last request ended, or the connection began.
    since: Instant,
}

impl Activity {
    fn begin() -> Self {
        Self {
            under_way: 0,
            since: Instant::now(),
        }
    }
}

/// Completes when no request has been in progress for the given time. It polls, so it can take up
/// to twice as long.
async fn idled(activity: &Mutex<Activity>, after: Duration) {
    loop {
        let idle_since = {
            let activity = activity.lock();
            (activity.under_way == 0).then_some(activity.since)
        };
        let now = Instant::now();
        let end = idle_since.unwrap_or(now) + after;
        if end <= now {
            return;
        }
        sleep_until(end).await;
    }
}

/// A request in progress, until its answer is sent or abandoned.
struct InProgress(Arc<Mutex<Activity>>);

impl InProgress {
    fn begin(activity: &Arc<Mutex<Activity>>) -> Self {
        activity.lock().under_way += 1;
        Self(Arc::clone(activity))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut activity = self.0.lock();
        activity.under_way -= 1;
        activity.since = Instant::now();
    }
}

/// The body of an answer, with what is released once it is sent.
struct Sent {
    body: Body,
    _place: Option<OwnedSemaphorePermit>,
    _under_way: InProgress,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
