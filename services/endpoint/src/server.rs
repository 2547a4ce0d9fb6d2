//! The HTTP server: reads whole requests from connections, within bounds, and has them answered.

use std::{fmt, sync::Arc, time::Duration};

use beringia_clock::{Randomness, WallClock};
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture};
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::{
    auth::{CredentialScope, credential},
    coding::is_coded,
    connection::{Bounds, report, serve_connection, span_of_tasks},
    cors::FromScript,
    io::Incoming,
    refusal::EndpointRefusal,
    regions::{Resolved, Resolver, Unroutable},
    response::{Body, ResponseHeaders},
    service::Protocol,
};

/// The maximum size of a request's body, in bytes (DynamoDB developer guide, "Service, account, and
/// table quotas").
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of a body that is too large is read and dropped before its connection is closed, in
/// bytes.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The maximum size of a request's head and of its first line, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A head above this size, in bytes, is not even read. HTTP/2 counts 32 bytes per header on top of
/// its text.
const HEAD_READ_BYTES_MAX: u32 = 64 * 1024;
/// A body above this size in bytes, or of unknown size, waits for one of a few permits, so that
/// bodies cannot exhaust memory.
const LARGE_BODY_BYTES: u64 = 1024 * 1024;
/// The pause after a failed accept (for lack of file descriptors, for instance), so that the loop
/// does not spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Resource limits and timeouts of a server.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The maximum number of connections, and of requests in progress over all of them; further
    /// ones wait.
    pub connections_max: usize,
    /// The maximum number of large bodies that are being read or processed.
    pub large_bodies_max: usize,
    /// How long the head of a request may take to arrive, and therefore how long a connection may
    /// idle.
    pub head_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a shutdown waits for requests in progress.
    pub drain_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            large_bodies_max: 8,
            head_timeout: Duration::from_secs(180),
            body_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// An HTTP server in front of one or all regions.
pub struct Server {
    resolver: Arc<dyn Resolver>,
    response_headers: ResponseHeaders,
    limits: ConnectionLimits,
    large_bodies: Semaphore,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Creates a server that routes requests with `resolver`. `clock` and `randomness` supply dates
    /// and ids for the answers that the server gives itself.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what a region shares is handed over alike everywhere"
    )]
    pub fn new(
        resolver: Arc<dyn Resolver>,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
        limits: ConnectionLimits,
    ) -> Self {
        let large_bodies = Semaphore::new(limits.large_bodies_max);
        Self {
            resolver,
            response_headers: ResponseHeaders::new(clock, randomness.as_ref()),
            limits,
            large_bodies,
        }
    }

    /// The bounds of each of its connections.
    fn bounds(&self) -> Bounds {
        Bounds {
            head_bytes_max: HEAD_READ_BYTES_MAX,
            head_timeout: self.limits.head_timeout,
            drain_timeout: self.limits.drain_timeout,
            requests: Arc::new(Semaphore::new(self.limits.connections_max)),
        }
    }

    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        name_host(&mut parts);
        let version = parts.version;
        let script = FromScript::of(&parts);
        let mut response = if head_bytes(&parts) > HEAD_BYTES_MAX {
            self.refuse(StatusCode::BAD_REQUEST)
        } else if script.as_ref().is_some_and(FromScript::is_preflight) {
            self.empty(StatusCode::OK)
        } else {
            self.respond(parts, body).await
        };
        if let Some(script) = script {
            script.allow(response.headers_mut());
        }
        if version == Version::HTTP_2 {
            // In HTTP/2 only the stream ends, not the connection.
            response.headers_mut().remove(header::CONNECTION);
        }
        response
    }

    async fn respond(&self, parts: Parts, mut body: hyper::body::Incoming) -> Response<Body> {
        let length = content_length(&parts);
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            // A client that waits for permission to send the body gets its answer at once.
            return if parts.headers.contains_key(header::EXPECT) {
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                self.refuse_large(&mut body).await
            };
        }
        // A body with a content coding may become large. The semaphore is never closed, so this
        // always gets a permit eventually.
        let large = (length.is_none_or(|length| length > LARGE_BODY_BYTES) || is_coded(&parts.headers))
            && !hyper::body::Body::is_end_stream(&body);
        let place = if large {
            self.large_bodies.acquire().await.ok()
        } else {
            None
        };
        let read = timeout(
            self.limits.body_timeout,
            Limited::new(&mut body, BODY_BYTES_MAX).collect(),
        )
        .await;
        let body: Bytes = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                // Nothing more is kept in memory, so another large body may be read meanwhile.
                drop(place);
                return self.refuse_large(&mut body).await;
            }
            Ok(Err(_)) => return self.refuse(StatusCode::BAD_REQUEST),
            Err(_) => return self.refuse(StatusCode::REQUEST_TIMEOUT),
        };
        let credential = credential(&parts);
        let scope = credential.as_deref().and_then(CredentialScope::of);
        match self.resolver.resolve(scope) {
            Ok(Resolved {
                services,
                rerouted_from,
            }) => {
                let found = services.find(scope.map(|scope| scope.service), &parts);
                drop(credential);
                services.answer(found, rerouted_from.as_deref(), parts, body).await
            }
            Err(reason) => self.unroutable(reason, &parts),
        }
    }

    /// The answer to a request that no region can answer. If its region is down, the connection is
    /// closed, so that the client connects again, as to a region that it must look for.
    fn unroutable(&self, reason: Unroutable, parts: &Parts) -> Response<Body> {
        let is_down = matches!(reason, Unroutable::Down(_));
        let mut answer = EndpointRefusal::from(reason).answer(Protocol::apparent(parts), parts);
        if is_down {
            close(&mut answer);
        }
        self.response_headers
            .finish(answer, self.response_headers.request_id(), None)
    }

    /// Refuses a body that is too large. Reads the rest of it and drops it, since most clients read
    /// no answer before they have sent everything.
    async fn refuse_large(&self, body: &mut hyper::body::Incoming) -> Response<Body> {
        let is_read = timeout(self.limits.body_timeout, discard(body)).await;
        if is_read == Ok(true) {
            self.empty(StatusCode::PAYLOAD_TOO_LARGE)
        } else {
            self.refuse(StatusCode::PAYLOAD_TOO_LARGE)
        }
    }

    /// Answers a request that was not read to its end, and closes its connection.
    fn refuse(&self, status: StatusCode) -> Response<Body> {
        let mut response = self.empty(status);
        close(&mut response);
        response
    }

    fn empty(&self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        self.response_headers
            .finish(response, self.response_headers.request_id(), None)
    }
}

/// Closes the connection after this answer. In HTTP/2 only the stream ends.
fn close<B>(answer: &mut Response<B>) {
    answer
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Reads a body to its end and drops it, up to [`DISCARDED_BYTES_MAX`]. Returns whether the end was
/// reached.
async fn discard(body: &mut hyper::body::Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > DISCARDED_BYTES_MAX {
            return false;
        }
    }
    true
}

/// Sets the `Host` header from the request target if only that names the host (always in HTTP/2),
/// since signatures cover the header.
fn name_host(parts: &mut Parts) {
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
}

/// The approximate size of a request's first line and headers, in bytes.
fn head_bytes(parts: &Parts) -> usize {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    target + headers.sum::<usize>()
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Serves connections until `shutdown` completes; then accepts no new ones, finishes the requests
/// in progress (for at most [`ConnectionLimits::drain_timeout`]) and returns. If `incoming` ends
/// first, returns when the last connection is closed.
///
/// If the future is dropped, every connection is cut at once, as in a crash. The caller sets
/// `TCP_NODELAY` on the connections, and runs the future in a span that names the region or the
/// address, for the log. The future is boxed so that it is compiled once, in this crate.
pub fn serve(server: Arc<Server>, incoming: Incoming, shutdown: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    Box::pin(serve_until(server, incoming, shutdown))
}

async fn serve_until(server: Arc<Server>, mut incoming: Incoming, mut shutdown: BoxFuture<'static, ()>) {
    let mut connections = JoinSet::new();
    let span = Span::current();
    let bounds = server.bounds();
    let closing = CancellationToken::new();
    let mut ended = false;
    while !(ended && connections.is_empty()) {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(done) = connections.join_next(), if !connections.is_empty() => report(done, &span),
            accepted = incoming.next(), if !ended && connections.len() < server.limits.connections_max => match accepted {
                Some(Ok(stream)) => {
                    let server = Arc::clone(&server);
                    let answer = move |request| {
                        let server = Arc::clone(&server);
                        async move { server.answer(request).await }
                    };
                    let connection = serve_connection(stream, bounds.clone(), closing.clone(), span.clone(), answer);
                    connections.spawn(connection.instrument(span_of_tasks()));
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                }
                None => ended = true,
            },
        }
    }
    // Close the listener, so that no client waits for an accept that never comes.
    drop(incoming);
    closing.cancel();
    let drain = async {
        while let Some(done) = connections.join_next().await {
            report(done, &span);
        }
    };
    if timeout(server.limits.drain_timeout, drain).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests in progress did not finish before the drain timeout; closing their connections"
        );
    }
}
