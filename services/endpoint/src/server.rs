//! HTTP over given connections: takes whole requests off them, bounded in every direction, and has them answered.

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

use crate::{
    auth::{Scope, credential},
    coding::is_coded,
    connection::{Bounds, report, serve_connection},
    cors::FromScript,
    io::Incoming,
    refusal::Refusal,
    regions::Resolver,
    service::Protocol,
    stamp::{Body, Stamp},
};

/// The largest body of a request, bytes (DynamoDB developer guide, "Service, account, and table
/// quotas").
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest head of a request, and of its first line, bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A head above this size is not even read, bytes. HTTP/2 counts 32 bytes per header on top of its text.
const HEAD_READ_BYTES_MAX: u32 = 64 * 1024;
/// A body above this size, or of unknown size, waits for one of few places, so that bodies cannot fill the memory.
const LARGE_BODY_BYTES: u64 = 1024 * 1024;
/// After a failed accept (no file descriptors, for instance) there is a pause, so that the loop does not spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Bounds of a server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, and requests at once over all of them; further ones wait.
    pub connections_max: usize,
    /// Large bodies being read or worked on at once.
    pub large_bodies_max: usize,
    /// How long the head of a request may take to arrive, and so how long a connection may idle.
    pub head_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a shutdown waits for requests under way.
    pub drain_timeout: Duration,
}

impl Default for Limits {
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
    stamp: Stamp,
    limits: Limits,
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
    /// A server whose requests go where `resolver` says. `clock` and `randomness` mark the answers that it gives itself.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what a region shares is handed over alike everywhere"
    )]
    pub fn new(
        resolver: Arc<dyn Resolver>,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
        limits: Limits,
    ) -> Self {
        let large_bodies = Semaphore::new(limits.large_bodies_max);
        Self {
            resolver,
            stamp: Stamp::new(clock, randomness.as_ref()),
            limits,
            large_bodies,
        }
    }

    /// What holds for each of its connections.
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
            // There a stream is given up, not the connection.
            response.headers_mut().remove(header::CONNECTION);
        }
        response
    }

    async fn respond(&self, parts: Parts, body: hyper::body::Incoming) -> Response<Body> {
        let length = content_length(&parts);
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return self.refuse(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // A semaphore that is never closed always gives a place in the end.
        // A coded body may become large.
        let large = (length.is_none_or(|length| length > LARGE_BODY_BYTES) || is_coded(&parts.headers))
            && !hyper::body::Body::is_end_stream(&body);
        let _place = if large {
            self.large_bodies.acquire().await.ok()
        } else {
            None
        };
        let read = timeout(self.limits.body_timeout, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        let body: Bytes = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return self.refuse(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => return self.refuse(StatusCode::BAD_REQUEST),
            Err(_) => return self.refuse(StatusCode::REQUEST_TIMEOUT),
        };
        let credential = credential(&parts);
        let scope = credential.as_deref().and_then(Scope::of);
        match self.resolver.resolve(scope.map(|scope| scope.region)) {
            Ok(services) => {
                let found = services.find(scope.map(|scope| scope.service), &parts);
                drop(credential);
                services.answer(found, parts, body).await
            }
            Err(reason) => {
                let answer = Refusal::from(reason).answer(Protocol::apparent(&parts), &parts);
                self.stamp.finish(answer, None)
            }
        }
    }

    /// Answers a request that was not read to its end, and gives up its connection.
    fn refuse(&self, status: StatusCode) -> Response<Body> {
        let mut response = self.empty(status);
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    fn empty(&self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        self.stamp.finish(response, None)
    }
}

/// Names the host as HTTP/1.1 does, also where the target of the request does so (as always in HTTP/2): signatures cover it.
fn name_host(parts: &mut Parts) {
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
}

/// Bytes of a request's first line and headers, near enough.
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

/// Serves connections until `shutdown` is ready; then takes no new ones, finishes the requests under way (for no longer than
/// [`Limits::drain_timeout`]) and returns. Where `incoming` ends first, returns when the last connection is closed.
///
/// Dropped, it cuts every connection at once, as a crash would. `TCP_NODELAY` is for whoever accepts. Boxed, so that it is compiled
/// once, here.
pub fn serve(server: Arc<Server>, incoming: Incoming, shutdown: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    Box::pin(serve_until(server, incoming, shutdown))
}

async fn serve_until(server: Arc<Server>, mut incoming: Incoming, mut shutdown: BoxFuture<'static, ()>) {
    let mut connections = JoinSet::new();
    let bounds = server.bounds();
    let closing = CancellationToken::new();
    let mut ended = false;
    while !(ended && connections.is_empty()) {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(done) = connections.join_next(), if !connections.is_empty() => report(done),
            accepted = incoming.next(), if !ended && connections.len() < server.limits.connections_max => match accepted {
                Some(Ok(stream)) => {
                    let server = Arc::clone(&server);
                    let answer = move |request| {
                        let server = Arc::clone(&server);
                        async move { server.answer(request).await }
                    };
                    connections.spawn(serve_connection(stream, bounds.clone(), closing.clone(), answer));
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                }
                None => ended = true,
            },
        }
    }
    // Nobody may wait in line for a door that stays shut.
    drop(incoming);
    closing.cancel();
    let drain = async {
        while let Some(done) = connections.join_next().await {
            report(done);
        }
    };
    if timeout(server.limits.drain_timeout, drain).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests under way did not finish in time and are cut"
        );
    }
}
