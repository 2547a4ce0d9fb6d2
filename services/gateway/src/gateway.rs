//! One region's DynamoDB API: a whole HTTP request in, a whole HTTP response out.

use std::{fmt, sync::Arc};

use beringia_clock::{Randomness, WallClock};
use beringia_engine::Engine;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value};

use crate::{
    auth::Authentication,
    error::Failure,
    operation::Operation,
    stamp::{Body, ContentType, Stamp},
};

/// What is answered to a method, path or content type that is none of the API's.
const NOT_FOUND: &str = "<UnknownOperationException/>\n";

/// One region's DynamoDB API.
pub struct Gateway {
    engine: Arc<Engine>,
    authentication: Authentication,
    clock: Arc<dyn WallClock>,
    stamp: Stamp,
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
        }
    }

    /// The region that it answers for.
    #[must_use]
    pub fn region(&self) -> &str {
        self.engine.region().as_str()
    }

    /// Answers a request. Dropped before it is done, a write may or may not have happened.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if parts.method == Method::GET {
            // The trailing blank is DynamoDB's.
            let health = format!("healthy: dynamodb.{}.amazonaws.com ", self.region());
            return self.stamp.plain(StatusCode::OK, health);
        }
        let content_type = media_type(&parts.headers);
        let ours = matches!(content_type, "application/json" | "application/x-amz-json-1.0");
        if parts.method != Method::POST || (!body.is_empty() && !ours) {
            return self.stamp.plain(StatusCode::NOT_FOUND, NOT_FOUND.to_owned());
        }
        let answers_in = match content_type {
            "application/json" | "" => ContentType::Json,
            _ => ContentType::AmzJson,
        };
        match self.answer(&parts, &body).await {
            Ok(answer) => self.stamp.json(StatusCode::OK, answers_in, answer),
            Err(failure) => self.stamp.failure(answers_in, &failure),
        }
    }

    /// Everything in the order in which DynamoDB finds fault: JSON, operation, signature, the operation's own.
    async fn answer(&self, parts: &Parts, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = if body.is_empty() { None } else { Some(parse(body)?) };
        let target = parts
            .headers
            .get("x-amz-target")
            .map(|value| value.to_str().unwrap_or_default());
        let operation = Operation::of_target(target)?;
        self.authentication
            .check(parts, body, self.region(), self.clock.now_ms())?;
        let request = request.ok_or_else(Failure::malformed_json)?;
        let answer = operation.run(&self.engine, request).await;
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
