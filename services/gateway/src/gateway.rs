//! The DynamoDB API of one region: takes a whole request and returns a whole answer.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use beringia_endpoint::{
    ContentType, Early, EndpointRefusal, Protocol, Received, Route, Service, access_key, json, media_type,
};
use beringia_engine::Engine;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug_span, error_span, field};

use crate::{
    error::RequestError,
    listener::{Call, Listener},
    meter::{Meter, RequestMeter, RequestOutcome},
    operation::{DYNAMODB, Operation, STREAMS},
};

/// The greatest number of tables that the span of a request names.
const TABLES_NAMED_MAX: usize = 16;
/// The greatest length of a table's name or ARN, in bytes.
const TABLE_LENGTH_MAX: usize = 1024;

/// The answer to a method, path or content type that the API does not have.
const NOT_FOUND: &str = "<UnknownOperationException/>\n";

/// The name of the services of this API in the credential scope of signatures.
pub const CREDENTIAL_SCOPE: &str = "dynamodb";

/// The services of this API. They share one credential scope.
const ROUTES: [Route; 2] = [
    Route {
        name: "dynamodb",
        scope: CREDENTIAL_SCOPE,
        target_prefixes: &[DYNAMODB],
        path_prefixes: &[],
        protocol: Protocol::AwsJson10,
    },
    Route {
        name: "dynamodbstreams",
        scope: CREDENTIAL_SCOPE,
        target_prefixes: &[STREAMS],
        path_prefixes: &[],
        protocol: Protocol::AwsJson10,
    },
];

/// The DynamoDB API of one region.
pub struct Gateway {
    engine: Arc<Engine>,
    listener: OnceLock<Arc<dyn Listener>>,
    meter: OnceLock<Arc<dyn Meter>>,
}

/// The answer to an operation that this process itself asked for ([`Gateway::ask`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status that a client would get.
    pub status: StatusCode,
    /// JSON: the answer of the operation, or the exception. Empty if the operation has nothing to
    /// answer.
    pub body: Vec<u8>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("region", self.engine.region())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Creates the API of the engine's region.
    #[must_use]
    pub const fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            listener: OnceLock::new(),
            meter: OnceLock::new(),
        }
    }

    /// Sets the listener that is notified of operations. Only the first call has an effect.
    pub fn set_listener(&self, listener: Arc<dyn Listener>) {
        self.listener.get_or_init(|| listener);
    }

    /// Sets the meter that counts clients' requests. Only the first call has an effect.
    pub fn set_meter(&self, meter: Arc<dyn Meter>) {
        self.meter.get_or_init(|| meter);
    }

    /// Begins to count a request, if requests are counted.
    fn metered(&self, parts: &Parts, asked: &Asked) -> Option<RequestMeter> {
        let meter = self.meter.get()?;
        let table = asked.request.as_ref().and_then(first_table);
        Some(RequestMeter::begin(meter, access_key(parts), table.map(str::to_owned)))
    }

    /// Executes an operation on tables, items or streams for this process itself. It needs neither
    /// HTTP nor a signature, and listeners are not notified.
    pub fn ask(&self, operation: &str, parameters: Map<String, Value>) -> BoxFuture<'_, HttpAnswer> {
        let of = |service: &str| Operation::of_target(Some(&format!("{service}.{operation}")));
        let operation = of(DYNAMODB).or_else(|unknown| of(STREAMS).map_err(|_| unknown));
        let span = self.own_span();
        let asking = async move {
            let answer = match operation {
                Ok(operation) => {
                    name_request(&Span::current(), operation, &parameters);
                    let answer = operation.run(&self.engine, self.region(), parameters).await;
                    self.log_failure(operation, &answer);
                    answer
                }
                Err(refusal) => Err(refusal.into()),
            };
            answer.map_or_else(
                |failure| HttpAnswer {
                    status: failure.status(),
                    body: serde_json::to_vec(&failure).unwrap_or_default(),
                },
                |body| HttpAnswer {
                    status: StatusCode::OK,
                    body,
                },
            )
        };
        Box::pin(asking.instrument(span))
    }

    /// The span of a request that this process makes itself. Such a request has no id.
    fn own_span(&self) -> Span {
        let region = self.region();
        let (operation, table) = (field::Empty, field::Empty);
        let span = debug_span!(parent: None, "request", %region, operation, table);
        if span.is_disabled() {
            error_span!(parent: None, "region", %region)
        } else {
            span
        }
    }

    /// The region that the API answers for.
    #[must_use]
    pub fn region(&self) -> &str {
        self.engine.region().as_str()
    }

    /// The host by which the client addresses this endpoint; DynamoDB's host name if the request
    /// does not say.
    fn host(&self, parts: &Parts) -> String {
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        named.map_or_else(|| format!("dynamodb.{}.amazonaws.com", self.region()), str::to_owned)
    }

    /// Executes an operation, and notifies the listener.
    async fn perform(
        &self,
        operation: Operation,
        host: &str,
        request: Option<Map<String, Value>>,
    ) -> Result<Vec<u8>, RequestError> {
        let request = request.ok_or(EndpointRefusal::MalformedJson)?;
        name_request(&Span::current(), operation, &request);
        let heard = self.listener.get().filter(|listener| listener.listens());
        let heard = heard.map(|listener| (listener, request.clone(), Instant::now()));
        let answer = operation.run(&self.engine, host, request).await;
        if let Some((listener, parameters, began)) = heard {
            let status = answer
                .as_ref()
                .err()
                .map_or(StatusCode::OK, RequestError::status)
                .as_u16();
            listener.answered(Call {
                operation: operation.name().to_owned(),
                plane: operation.plane(),
                parameters,
                began,
                status,
            });
        }
        self.log_failure(operation, &answer);
        answer
    }

    /// Logs an operation that failed inside the region, as opposed to one that was refused.
    fn log_failure(&self, operation: Operation, answer: &Result<Vec<u8>, RequestError>) {
        if let Err(failure) = answer
            && failure.status() == StatusCode::INTERNAL_SERVER_ERROR
        {
            tracing::error!(
                region = self.region(),
                operation = operation.name(),
                ?failure,
                "a request failed"
            );
        }
    }
}

/// An operation whose signature is still to be checked.
pub struct Asked {
    operation: Operation,
    /// `None` if the request has no body, which is reported after the signature check.
    request: Option<Map<String, Value>>,
}

impl Service for Gateway {
    type Prepared = Asked;

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    /// Makes the checks before the signature in DynamoDB's order: path and content type, JSON,
    /// operation.
    fn prepare(&self, request: &Received<'_>) -> Result<Asked, Early> {
        let Received { parts, body, .. } = request;
        let root = parts.uri.path() == "/";
        if parts.method == Method::GET && root {
            // The trailing blank is DynamoDB's.
            let health = format!("healthy: {} ", self.host(parts));
            return Err(Response::new(Bytes::from(health)).into());
        }
        let content_type = media_type(&parts.headers);
        let ours = matches!(content_type, "application/json" | "application/x-amz-json-1.0");
        if parts.method != Method::POST || !root || (!body.is_empty() && !ours) {
            let mut answer = Response::new(Bytes::from_static(NOT_FOUND.as_bytes()));
            *answer.status_mut() = StatusCode::NOT_FOUND;
            return Err(answer.into());
        }
        let plain = request.decoded_body()?;
        let members = if plain.is_empty() { None } else { Some(parse(&plain)?) };
        let target = parts.headers.get("x-amz-target");
        let target = target.map(|value| value.to_str().unwrap_or_default());
        Ok(Asked {
            operation: Operation::of_target(target)?,
            request: members,
        })
    }

    fn answer<'r>(&'r self, request: Received<'r>, asked: Asked) -> BoxFuture<'r, Response<Bytes>> {
        Box::pin(async move {
            let answers_in = ContentType::of(&request.parts.headers);
            let host = self.host(&request.parts);
            let metered = self.metered(&request.parts, &asked);
            let answer = self.perform(asked.operation, &host, asked.request).await;
            if let Some(metered) = metered {
                metered.end(RequestOutcome::of(&answer));
            }
            match answer {
                Ok(answer) => json(StatusCode::OK, answers_in, answer),
                Err(failure) => {
                    let body = serde_json::to_vec(&failure).unwrap_or_default();
                    json(failure.status(), answers_in, body)
                }
            }
        })
    }
}

/// Records operation and tables in the span of a request, if level `debug` is logged.
fn name_request(span: &Span, operation: Operation, request: &Map<String, Value>) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    span.record("operation", field::display(operation.name()));
    if let Some(tables) = tables_of(request) {
        span.record("table", tables);
    }
}

/// The tables that a request names, separated by commas.
fn tables_of(request: &Map<String, Value>) -> Option<String> {
    let names: Vec<&str> = names_of_tables(request).into_iter().take(TABLES_NAMED_MAX).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// The first table that a request names, in alphabetical order.
fn first_table(request: &Map<String, Value>) -> Option<&str> {
    // A fast path for most requests.
    if let Some(Value::String(name)) = request.get("TableName") {
        return (1..=TABLE_LENGTH_MAX).contains(&name.len()).then_some(name.as_str());
    }
    names_of_tables(request).into_iter().next()
}

/// The tables that a request names. Values that are too long to be names are left out.
fn names_of_tables(request: &Map<String, Value>) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = match request {
        request if request.contains_key("TableName") => request["TableName"].as_str().into_iter().collect(),
        request if request.contains_key("RequestItems") => {
            let tables = request["RequestItems"].as_object().into_iter();
            tables.flat_map(Map::keys).map(String::as_str).collect()
        }
        request => {
            let items = request.get("TransactItems").and_then(Value::as_array).into_iter();
            let actions = items.flatten().filter_map(Value::as_object).flat_map(Map::values);
            actions.filter_map(|action| action.get("TableName")?.as_str()).collect()
        }
    };
    names.retain(|name| (1..=TABLE_LENGTH_MAX).contains(&name.len()));
    names
}

/// Parses the body as a JSON object. The parser rejects nesting deeper than 128, which no DynamoDB
/// document reaches (32 levels of two each, and the request around them).
fn parse(body: &[u8]) -> Result<Map<String, Value>, EndpointRefusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(EndpointRefusal::MalformedJson),
    }
}
