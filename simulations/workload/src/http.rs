//! A client of a region's DynamoDB endpoint: the real protocol over any byte stream that can be
//! dialled.
//!
//! The client must know of each request whether it happened, did not happen, or may have happened.
//! So it sends each request once, and leaves it to the workload whether to send another.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use beringia_history::FailureCause;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{CallError, Target, Targets, target::understand};

/// The default time that a client waits for a connection, and then for an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Opens byte streams to regions' DynamoDB endpoints.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// The byte stream of a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a connection to the DynamoDB endpoint of a region. It may wait for ever.
    ///
    /// # Errors
    /// If nothing accepts connections there.
    async fn dial(&self, region: &str) -> io::Result<Self::Stream>;
}

/// Opens TCP connections to regions' DynamoDB endpoints.
#[derive(Debug, Clone, Default)]
pub struct TcpDial {
    /// The `host:port` of each region's DynamoDB endpoint, by region.
    pub addresses: BTreeMap<String, String>,
}

#[async_trait]
impl Dial for TcpDial {
    type Stream = TcpStream;

    async fn dial(&self, region: &str) -> io::Result<TcpStream> {
        let unknown = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no address of region {region} is known"),
            )
        };
        let address = self.addresses.get(region).ok_or_else(unknown)?;
        // The name is looked up first, so that a name without an address can be told from a region
        // that refuses connections.
        let found = lookup_host(address).await.map_err(unresolved)?;
        let found: Vec<SocketAddr> = found.collect();
        let stream = TcpStream::connect(found.as_slice()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Creates clients that speak HTTP/1.1.
pub struct HttpTargets<D> {
    dial: Arc<D>,
    patience: Duration,
}

/// A client that speaks HTTP/1.1 over one connection, which it opens again after it broke.
pub struct HttpTarget<D> {
    region: String,
    dial: Arc<D>,
    patience: Duration,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl<D: Dial> HttpTargets<D> {
    /// Creates clients that dial with `dial` and wait [`PATIENCE`].
    #[must_use]
    pub fn new(dial: D) -> Self {
        Self::with_patience(dial, PATIENCE)
    }

    /// Creates clients that wait up to `patience` for a connection, and then for an answer.
    #[must_use]
    pub fn with_patience(dial: D, patience: Duration) -> Self {
        Self {
            dial: Arc::new(dial),
            patience,
        }
    }

    /// Returns a client of a region. It connects at the first call.
    #[must_use]
    pub fn client(&self, region: &str) -> HttpTarget<D> {
        HttpTarget {
            region: region.to_owned(),
            dial: Arc::clone(&self.dial),
            patience: self.patience,
            connection: None,
        }
    }
}

impl<D: Dial> Targets for HttpTargets<D> {
    fn target(&self, region: &str) -> Box<dyn Target> {
        Box::new(self.client(region))
    }
}

#[async_trait]
impl<D: Dial> Target for HttpTarget<D> {
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, CallError> {
        let mut connection = match self.ready_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let request = self.request(operation, &parameters)?;
        let exchange = async {
            let response = connection.send_request(request).await?;
            let (parts, body) = response.into_parts();
            Ok::<_, hyper::Error>((parts.status, body.collect().await?.to_bytes()))
        };
        match timeout(self.patience, exchange).await {
            Ok(Ok((status, body))) => {
                self.connection = Some(connection);
                understand(status.as_u16(), &body)
            }
            Ok(Err(error)) => Err(CallError::Unknown(cause_of_broken(&error), error.to_string())),
            Err(_) => Err(CallError::Unknown(
                FailureCause::Timeout,
                format!("none within {:?}", self.patience),
            )),
        }
    }
}

impl<D: Dial> HttpTarget<D> {
    /// The open connection, once it has ended the exchange before. `None` if there is none, or if
    /// it closed after that.
    async fn ready_connection(&mut self) -> Option<http1::SendRequest<Full<Bytes>>> {
        let mut connection = self.connection.take()?;
        connection.ready().await.ok()?;
        Some(connection)
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, CallError> {
        let unreachable = CallError::Unreachable;
        let dialled = timeout(self.patience, self.dial.dial(&self.region)).await;
        let late = |_| unreachable(FailureCause::Timeout, format!("none within {:?}", self.patience));
        let stream = dialled
            .map_err(late)?
            .map_err(|error| unreachable(cause_of(&error), error.to_string()))?;
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| unreachable(FailureCause::Reset, error.to_string()))?;
        // The task ends with the sender or with the region. A request that waits for an answer gets
        // the error.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }

    /// Builds a request. The credential's scope names the region, as in SDKs. No region checks the
    /// signature of this client.
    fn request(&self, operation: &str, parameters: &Value) -> Result<Request<Full<Bytes>>, CallError> {
        let credential = format!("workload/20250101/{}/dynamodb/aws4_request", self.region);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={}",
            "0".repeat(64)
        );
        Request::post("/")
            .header(header::HOST, format!("dynamodb.{}.workload", self.region))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-date", "20250101T000000Z")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(parameters.to_string())))
            .map_err(|error| CallError::Unreachable(FailureCause::Error, error.to_string()))
    }
}

/// The error of a name that has no address.
fn unresolved(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, error)
}

/// Why a connection could not be opened.
fn cause_of(error: &io::Error) -> FailureCause {
    match error.kind() {
        io::ErrorKind::NotFound => FailureCause::Unresolved,
        io::ErrorKind::TimedOut => FailureCause::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown => FailureCause::Refused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => FailureCause::Reset,
        _ => FailureCause::Error,
    }
}

/// Why an exchange broke off. What was answered may not be HTTP.
fn cause_of_broken(error: &hyper::Error) -> FailureCause {
    if error.is_parse() {
        FailureCause::Error
    } else {
        FailureCause::Reset
    }
}

#[cfg(test)]
mod tests;
