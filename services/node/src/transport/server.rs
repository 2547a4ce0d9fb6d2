//! Accepted streams. Every connection is a task of the region, so that nothing of a killed region
//! is left.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_proto::v1::{
    FromReceiver, FromSource,
    replication_server::{Replication, ReplicationServer},
};
use beringia_replication::{AcceptId, Event, LinkEvent, message::ToSource};
use beringia_wire::{MESSAGE_BYTES_MAX, Packer, from_receiver, to_receiver};
use futures_util::{Stream, StreamExt};
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prost::Message;
use tokio::{sync::Semaphore, time::sleep};
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument as _, Span, field::display};

use super::client::{STREAM_WINDOW_BYTES, words};
use crate::{BoxedIo, Incoming, driver::Driver, traffic::Tap};

/// Connections at the same time. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 128;
/// Streams of one connection at the same time. A peer uses one.
const STREAMS_MAX: u32 = 4;
/// How long a connection may be open without a stream.
const STREAMLESS_MAX: Duration = Duration::from_secs(10);
/// The pause after a failed accept (no file descriptors, for instance), so that the loop does not
/// spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Accepts connections until the listener ends.
pub(crate) async fn serve(driver: Arc<Driver>, mut incoming: Incoming) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed, so that this always yields a permit.
        let place = Arc::clone(&places).acquire_owned().await;
        match incoming.next().await {
            None => return,
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept a replication connection");
                sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
            }
            Some(Ok(connection)) => {
                let driver = Arc::clone(&driver);
                driver.scope.clone().spawn(async move {
                    serve_connection(&driver, connection).await;
                    drop(place);
                });
            }
        }
    }
}

async fn serve_connection(driver: &Arc<Driver>, connection: BoxedIo) {
    let tuning = &driver.tuning;
    let used = Arc::new(AtomicBool::new(false));
    let source = Source {
        driver: Arc::clone(driver),
        used: Arc::clone(&used),
    };
    let service = ReplicationServer::new(source)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    // No `Date` header: it would bring the system's clock into the bytes that a simulation
    // compares.
    let serving = http2::Builder::new(driver.scope.clone())
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(tuning.keepalive_interval)
        .keep_alive_timeout(tuning.keepalive_timeout)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(service));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        biased;
        ended = &mut serving => ended,
        () = sleep(STREAMLESS_MAX) => {
            if !used.load(Ordering::Relaxed) {
                return;
            }
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a replication connection ended");
    }
}

/// The gRPC service: hands streams to the driver.
struct Source {
    driver: Arc<Driver>,
    used: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl Replication for Source {
    type ReplicateStream = Pin<Box<dyn Stream<Item = Result<FromSource, Status>> + Send>>;

    async fn replicate(
        &self,
        request: Request<Streaming<FromReceiver>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        self.used.store(true, Ordering::Relaxed);
        let (link, wire) = self.driver.accept();
        let tap = Tap::default();
        let sent = tap.clone();
        let mut packer = Packer::default();
        let outgoing = wire.waiting.map(move |message| {
            let message = to_receiver(message);
            sent.sent(message.encoded_len());
            Ok(packer.pack(message))
        });
        let driver = Arc::clone(&self.driver);
        let incoming = request.into_inner();
        let session = async move {
            tokio::select! {
                biased;
                () = wire.hung_up.cancelled() => {}
                () = read(driver, link, incoming, tap) => {}
            }
        };
        self.driver.scope.spawn(session.instrument(wire.span));
        Ok(Response::new(Box::pin(outgoing)))
    }
}

async fn read(driver: Arc<Driver>, link: AcceptId, mut incoming: Streaming<FromReceiver>, tap: Tap) {
    loop {
        let reason = match incoming.message().await {
            Ok(Some(message)) => {
                let bytes = message.encoded_len();
                match from_receiver(message) {
                    Ok(message) => {
                        if let ToSource::Hello(hello) = &message {
                            tap.belongs_to(&hello.region, &driver.meter);
                            Span::current().record("peer", display(&hello.region));
                        }
                        if let ToSource::Acknowledge(acknowledgement) = &message {
                            tracing::debug!(batch = acknowledgement.batch, "batch acknowledged");
                        }
                        tap.received(bytes);
                        driver.dispatch(Event::Accepted(link, LinkEvent::Message(message)));
                    }
                    Err(unreadable) => return driver.refuse_receiver(link, unreadable.to_string()),
                }
                continue;
            }
            Ok(None) => "the peer ended the stream".to_owned(),
            Err(status) => words(&status),
        };
        return driver.dispatch(Event::Accepted(link, LinkEvent::Closed(reason)));
    }
}
