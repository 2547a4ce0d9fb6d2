//! One region's DynamoDB API: a whole HTTP request in, a whole HTTP response out.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use beringia_clock::{Randomness, WallClock};
use beringia_engine::Engine;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    auth::Authentication,
    coding::{Coding, decoded},
    error::Failure,
    listener::{Call, Listener},
    operation::Operation,
    stamp::{Body, ContentType, Stamp},
};

/// The largest body of a request, bytes (developer guide, "Service, account, and table quotas").
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is answered to a method, path or content type that is none of the API's.
const NOT_FOUND: &str = "<UnknownOperationException/>\n";

/// One region's DynamoDB API.
pub struct Gateway {
    engine: Arc<Engine>,
    authentication: Authentication,
    clock: Arc<dyn WallClock>,
    stamp: Stamp,
    listener: OnceLock<Arc<dyn Listener>>,
}

/// What this process is answered where it asked itself ([`Gateway::ask`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As a client would get it.
    pub status: StatusCode,
    /// JSON: what the operation answers, or the exception. Empty where an operation has nothing to answer.
    pub body: Vec<u8>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("region", self.engine.region())
            .field("authentication", &self.authentication)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// The API of the engine's region. `clock` judges the age of signatures and dates the answers; `randomness` makes their ids.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what a region shares is handed over alike everywhere"
    )]
    pub fn new(
        engine: Arc<Engine>,
        authentication: Authentication,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let stamp = Stamp::new(Arc::clone(&clock), randomness.as_ref());
        Self {
            engine,
            authentication,
            clock,
            stamp,
            listener: OnceLock::new(),
        }
    }

    /// From now on this one hears of what is asked; a second one does not.
    pub fn tell(&self, listener: Arc<dyn Listener>) {
        self.listener.get_or_init(|| listener);
    }

    /// Carries out an operation for this process itself, which needs neither HTTP nor a signature and is told to no listener.
    pub async fn ask(&self, operation: &str, parameters: Map<String, Value>) -> Answer {
        let target = format!("DynamoDB_20120810.{operation}");
        let answer = match Operation::of_target(Some(&target)) {
            Ok(operation) => operation.run(&self.engine, self.region(), parameters).await,
            Err(failure) => Err(failure),
        };
        answer.map_or_else(
            |failure| Answer {
                status: failure.status(),
                body: serde_json::to_vec(&failure).unwrap_or_default(),
            },
            |body| Answer {
                status: StatusCode::OK,
                body,
            },
        )
    }

    /// The region that it answers for.
    #[must_use]
    pub fn region(&self) -> &str {
        self.engine.region().as_str()
    }

    /// Answers a request. Dropped before it is done, a write may or may not have happened.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let root = parts.uri.path() == "/";
        if parts.method == Method::GET && root {
            // The trailing blank is DynamoDB's.
            let health = format!("healthy: {} ", self.host(&parts));
            return self.stamp.plain(StatusCode::OK, health);
        }
        let content_type = media_type(&parts.headers);
        let ours = matches!(content_type, "application/json" | "application/x-amz-json-1.0");
        if parts.method != Method::POST || !root || (!body.is_empty() && !ours) {
            return self.stamp.plain(StatusCode::NOT_FOUND, NOT_FOUND.to_owned());
        }
        let answers_in = match content_type {
            "application/json" | "" => ContentType::Json,
            _ => ContentType::AmzJson,
        };
        match self.answer(&parts, &body).await {
            Ok(answer) => {
                let coding = Coding::wanted(&parts.headers);
                self.stamp.coded(StatusCode::OK, answers_in, coding, answer)
            }
            Err(failure) => self.stamp.failure(answers_in, &failure),
        }
    }

    /// What the client calls this endpoint; where it does not say, DynamoDB's name.
    fn host(&self, parts: &Parts) -> String {
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        named.map_or_else(|| format!("dynamodb.{}.amazonaws.com", self.region()), str::to_owned)
    }

    /// Everything in the order in which DynamoDB finds fault: JSON, operation, signature, the operation's own.
    async fn answer(&self, parts: &Parts, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let plain = decoded(&parts.headers, body, BODY_BYTES_MAX)?;
        let request = if plain.is_empty() { None } else { Some(parse(&plain)?) };
        let target = parts
            .headers
            .get("x-amz-target")
            .map(|value| value.to_str().unwrap_or_default());
        let operation = Operation::of_target(target)?;
        // What is signed is what was sent.
        self.authentication
            .check(parts, body, self.region(), self.clock.now_ms())?;
        let request = request.ok_or_else(Failure::malformed_json)?;
        let heard = self.listener.get().filter(|listener| listener.listens());
        let heard = heard.map(|listener| (listener, request.clone(), Instant::now()));
        let answer = operation.run(&self.engine, &self.host(parts), request).await;
        if let Some((listener, parameters, began)) = heard {
            let status = answer.as_ref().err().map_or(StatusCode::OK, Failure::status).as_u16();
            listener.answered(Call {
                operation: operation.to_string(),
                parameters,
                began,
                status,
            });
        }
        if let Err(failure) = &answer
            && failure.status() == StatusCode::INTERNAL_SERVER_ERROR
        {
            tracing::error!(region = self.region(), %operation, ?failure, "a request failed");
        }
        answer
    }
}

/// The body as a JSON object. The parser refuses what nests deeper than 128, which no document of DynamoDB does (32 levels of
/// two each, and the request around them).
fn parse(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Failure::malformed_json()),
    }
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("?"))
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}
