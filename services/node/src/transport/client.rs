//! A dialled stream: connect to the peer, call it, and read until the stream ends.

use std::{io, sync::Arc, time::Duration};

use beringia_item::Region;
use beringia_proto::v1::{FromSource, replication_client::ReplicationClient};
use beringia_replication::{
    DialId, Event, LinkEvent,
    message::{ToReceiver, ToSource},
};
use beringia_wire::{MESSAGE_BYTES_MAX, Unpacker, from_source, to_source};
use futures_util::StreamExt;
use http::Uri;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::time::timeout;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use crate::{
    BoxedIo, Connector,
    driver::{Driver, Wire},
    traffic::Tap,
};

/// Bytes that a peer may send ahead on a stream. It fits a full window of unacknowledged writes, so
/// that distance does not limit throughput.
pub(super) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// How long the last messages may take to leave after the stream was given up.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Opens the stream and reads it until it ends.
pub(crate) async fn dial(
    driver: Arc<Driver>,
    link: DialId,
    region: Region,
    connector: Connector,
    wire: Wire<ToSource>,
) {
    let Wire { waiting, hung_up, .. } = wire;
    let closed = |reason: String| Event::Dialled(link, LinkEvent::Closed(reason));
    let limit = driver.tuning.connect_timeout;
    let channel = tokio::select! {
        biased;
        () = hung_up.cancelled() => return,
        channel = timeout(limit, connect(&driver, connector)) => channel,
    };
    let channel = match channel {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return driver.dispatch(closed(format!("cannot connect to {region}: {}", causes(&error)))),
        Err(_) => return driver.dispatch(closed(format!("cannot connect to {region} within {limit:?}"))),
    };
    driver.dispatch(Event::Dialled(link, LinkEvent::Opened));

    let tap = Tap::default();
    tap.belongs_to(&region, &driver.meter);
    let sent = tap.clone();
    let outgoing = waiting.map(move |message| {
        let message = to_source(message);
        sent.sent(message.encoded_len());
        message
    });
    let mut client = ReplicationClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let call = tokio::select! {
        biased;
        () = hung_up.cancelled() => return,
        call = timeout(limit, client.replicate(outgoing)) => call,
    };
    let mut incoming = match call {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return driver.dispatch(closed(format!("{region}: {}", words(&status)))),
        Err(_) => return driver.dispatch(closed(format!("{region} did not answer within {limit:?}"))),
    };
    tokio::select! {
        biased;
        () = hung_up.cancelled() => {}
        () = read(&driver, link, &mut incoming, &tap) => {}
    }
    // The goodbye may still be on its way out. Incoming messages are discarded.
    let _ = timeout(LINGER, async { while let Ok(Some(_)) = incoming.message().await {} }).await;
}

async fn read(driver: &Arc<Driver>, link: DialId, incoming: &mut Streaming<FromSource>, tap: &Tap) {
    let mut unpacker = Unpacker::default();
    loop {
        let reason = match incoming.message().await {
            Ok(Some(message)) => {
                let unpacked = unpacker.unpack(message);
                let message = unpacked.and_then(|message| {
                    tap.received(message.encoded_len());
                    from_source(message)
                });
                match message {
                    Ok(message) => {
                        if let ToReceiver::Batch(batch) = &message {
                            let (number, mutations) = (batch.number, batch.mutations.len());
                            tracing::debug!(batch = number, mutations, "batch received");
                        }
                        driver.dispatch(Event::Dialled(link, LinkEvent::Message(message)));
                    }
                    Err(unreadable) => return driver.refuse_source(link, unreadable.to_string()),
                }
                continue;
            }
            Ok(None) => "the peer ended the stream".to_owned(),
            Err(status) => words(&status),
        };
        return driver.dispatch(Event::Dialled(link, LinkEvent::Closed(reason)));
    }
}

async fn connect(driver: &Driver, connector: Connector) -> Result<Channel, tonic::transport::Error> {
    let tuning = &driver.tuning;
    let endpoint = Endpoint::from_static("http://replication.beringia")
        .executor(driver.scope.clone())
        .connect_timeout(tuning.connect_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES)
        .http2_keep_alive_interval(tuning.keepalive_interval)
        .keep_alive_timeout(tuning.keepalive_timeout)
        .keep_alive_while_idle(true);
    let connector = service_fn(move |_: Uri| {
        let connecting = connector();
        async move { Ok::<_, io::Error>(TokioIo::<BoxedIo>::new(connecting.await?)) }
    });
    endpoint.connect_with_connector(connector).await
}

/// The text of a status, without the gRPC details.
pub(super) fn words(status: &tonic::Status) -> String {
    let message = match std::error::Error::source(status) {
        Some(source) => causes(source),
        None => status.message().to_owned(),
    };
    if message.is_empty() {
        format!("the stream broke: {}", status.code())
    } else {
        message
    }
}

/// An error with its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
