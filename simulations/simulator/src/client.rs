//! A client of one region's DynamoDB endpoint: the real protocol over a pipe in memory.
//!
//! Clients are near their region, a millisecond away: time enough for a region to crash with a write committed and its answer on
//! the way. What matters is that a client knows of each request whether it happened, did not happen, or may have happened.

use std::time::Duration;

use beringia_network::MemoryTransport;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::time::timeout;

/// Where clients are, in the network between them and the regions.
pub(crate) const CLIENTS: &str = "clients";
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The region said no: the operation did not happen.
    #[error("{kind}: {message}")]
    Refused {
        /// The error's name, as in `ConditionalCheckFailedException`.
        kind: String,
        /// What the region said.
        message: String,
    },
    /// The request never left: the operation did not happen.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The answer did not come, or says that the region failed: the operation may or may not have happened.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// A client with one connection, which it opens anew when it broke.
pub struct Client {
    region: String,
    transport: MemoryTransport,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(region: &str, transport: MemoryTransport) -> Self {
        Self {
            region: region.to_owned(),
            transport,
            connection: None,
        }
    }

    /// Calls an operation, such as `PutItem`, with its parameters as the DynamoDB API names them.
    ///
    /// # Errors
    /// [`CallError`], which says what is known about whether it happened.
    pub async fn call(&mut self, operation: &str, parameters: &Value) -> Result<Value, CallError> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        let request = self.request(operation, parameters)?;
        let exchange = async {
            let response = connection.send_request(request).await?;
            let (parts, body) = response.into_parts();
            Ok::<_, hyper::Error>((parts.status, body.collect().await?.to_bytes()))
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Ok((status, body))) => {
                self.connection = Some(connection);
                understand(status, &body)
            }
            Ok(Err(error)) => Err(CallError::Unknown(error.to_string())),
            Err(_) => Err(CallError::Unknown(format!("none within {PATIENCE:?}"))),
        }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, CallError> {
        let unreachable = |error: String| CallError::Unreachable(error);
        let dialled = timeout(PATIENCE, self.transport.dial(CLIENTS, &self.region)).await;
        let dialled = dialled.map_err(|_| unreachable(format!("none within {PATIENCE:?}")))?;
        let pipe = dialled.map_err(|error| unreachable(error.to_string()))?;
        let opened = http1::handshake(TokioIo::new(pipe)).await;
        let (sender, connection) = opened.map_err(|error| unreachable(error.to_string()))?;
        // It ends with the sender, or with the region; whoever waits for an answer hears of that.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }

    fn request(&self, operation: &str, parameters: &Value) -> Result<Request<Full<Bytes>>, CallError> {
        let credential = format!("simulation/20250101/{}/dynamodb/aws4_request", self.region);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={}",
            "0".repeat(64)
        );
        Request::post("/")
            .header(header::HOST, format!("dynamodb.{}.simulated", self.region))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-date", "20250101T000000Z")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(parameters.to_string())))
            .map_err(|error| CallError::Unreachable(error.to_string()))
    }
}

fn understand(status: http::StatusCode, body: &[u8]) -> Result<Value, CallError> {
    let answer = serde_json::from_slice::<Value>(body).map_err(|error| CallError::Unknown(error.to_string()))?;
    if status.is_success() {
        return Ok(answer);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("__type").rsplit('#').next().unwrap_or_default().to_owned();
    if status.is_server_error() {
        return Err(CallError::Unknown(format!("{status} {kind}: {}", text("message"))));
    }
    Err(CallError::Refused {
        kind,
        message: text("message"),
    })
}
