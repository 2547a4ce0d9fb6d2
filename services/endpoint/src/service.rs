//! The interface between the endpoint and a service: how the service's requests are recognised,
//! which protocol it uses, and how it answers.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use crate::{coding::decoded, refusal::EndpointRefusal, server::BODY_BYTES_MAX, table::Check};

/// The form of a service's requests and errors (Smithy, "AWS protocols").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `awsJson1_0`: `POST /`, the operation in `X-Amz-Target`, errors in the body's `__type`.
    AwsJson10,
    /// `restJson1`: the operation is method and path, errors have the header `x-amzn-errortype`.
    RestJson1,
}

impl Protocol {
    /// Guesses the protocol of a request that no service claims.
    pub(crate) fn apparent(request: &Parts) -> Self {
        if request.uri.path() == "/" {
            Self::AwsJson10
        } else {
            Self::RestJson1
        }
    }
}

/// How requests for a service are recognised. A request belongs to the service in its credential
/// scope; among several with the same scope, to the one whose target prefix or path matches. A
/// request without a credential scope is routed by target prefix, then by path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The service's name for users; unique in a table.
    pub name: &'static str,
    /// The service's name in the credential scope of signatures.
    pub scope: &'static str,
    /// The part before the dot in `X-Amz-Target`; empty for a protocol without targets.
    pub target_prefixes: &'static [&'static str],
    /// First segments of the service's paths, each with a leading slash; empty for a protocol
    /// without paths.
    pub path_prefixes: &'static [&'static str],
    /// The form of the service's errors.
    pub protocol: Protocol,
}

impl Route {
    /// Whether the target belongs to this service.
    pub(crate) fn has_target(&self, target: &str) -> bool {
        let prefix = target.split_once('.').map_or(target, |(prefix, _)| prefix);
        self.target_prefixes.contains(&prefix)
    }

    /// Whether the path belongs to this service.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let is_below = |prefix: &&str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.path_prefixes.iter().any(is_below)
    }
}

/// A whole request of at most 16 MiB, with the region that answers it.
#[derive(Debug)]
pub struct Received<'r> {
    /// The name of the region that answers.
    pub region: &'r str,
    /// The head of the request.
    pub parts: Parts,
    /// The body as it was sent, which is what a signature covers.
    pub body: Bytes,
}

impl Received<'_> {
    /// The body without its content coding.
    ///
    /// # Errors
    /// [`EndpointRefusal::Undecodable`] for an unknown coding and for a body that does not match
    /// its coding, as in DynamoDB; [`EndpointRefusal::TooLarge`] for more than 16 MiB.
    pub fn decoded_body(&self) -> Result<Cow<'_, [u8]>, EndpointRefusal> {
        decoded(&self.parts.headers, &self.body, BODY_BYTES_MAX)
    }
}

/// A service of a region. One value can serve several regions; [`Received::region`] says which one
/// a request is for.
pub trait Service: Send + Sync + 'static {
    /// Passed from [`Service::prepare`] to [`Service::answer`].
    type Prepared: Send;

    /// How the service's requests are recognised; at least one route.
    fn routes(&self) -> &'static [Route];

    /// Makes the checks that the service performs before the signature is verified. Must have no
    /// side effects.
    ///
    /// # Errors
    /// [`Early`] if the request is rejected, or answered without a signature.
    fn prepare(&self, request: &Received<'_>) -> Result<Self::Prepared, Early>;

    /// Answers a request whose signature was accepted. If the future is dropped early, the
    /// operation may or may not have taken effect. It is boxed so that it is compiled with the
    /// service, not with each crate that serves it.
    fn answer<'r>(&'r self, request: Received<'r>, prepared: Self::Prepared) -> BoxFuture<'r, Response<Bytes>>;
}

/// The answer to a request whose signature was not verified.
#[derive(Debug)]
pub enum Early {
    /// The request is rejected, in the form of the service's protocol.
    Refused(EndpointRefusal),
    /// The request is answered without a signature, like a health check.
    Answered(Box<Response<Bytes>>),
}

impl From<EndpointRefusal> for Early {
    fn from(refusal: EndpointRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Response<Bytes>> for Early {
    fn from(answer: Response<Bytes>) -> Self {
        Self::Answered(Box::new(answer))
    }
}

/// A service of any type. Services can be called only through it, which guarantees that signatures
/// are checked.
#[derive(Clone)]
pub struct SharedService(Arc<dyn Handler>);

impl SharedService {
    /// Wraps a service, for a table of services.
    #[must_use]
    pub fn new(service: Arc<impl Service>) -> Self {
        Self(service)
    }

    pub(crate) fn routes(&self) -> &'static [Route] {
        self.0.routes()
    }

    pub(crate) fn handle<'r>(&'r self, request: Received<'r>, check: Check<'r>) -> BoxFuture<'r, Response<Bytes>> {
        self.0.handle(request, check)
    }
}

impl fmt::Debug for SharedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.routes().iter().map(|route| route.name);
        f.debug_list().entries(names).finish()
    }
}

/// The object-safe form of [`Service`].
trait Handler: Send + Sync {
    fn routes(&self) -> &'static [Route];

    fn handle<'r>(&'r self, request: Received<'r>, check: Check<'r>) -> BoxFuture<'r, Response<Bytes>>;
}

impl<S: Service> Handler for S {
    fn routes(&self) -> &'static [Route] {
        Service::routes(self)
    }

    fn handle<'r>(&'r self, request: Received<'r>, check: Check<'r>) -> BoxFuture<'r, Response<Bytes>> {
        Box::pin(async move {
            let prepared = self.prepare(&request);
            let checked = prepared.and_then(|prepared| Ok(check.signature(&request).map(|()| prepared)?));
            match checked {
                Ok(prepared) => self.answer(request, prepared).await,
                Err(Early::Refused(refusal)) => refusal.answer(check.protocol(), &request.parts),
                Err(Early::Answered(answer)) => *answer,
            }
        })
    }
}

/// The content type of a JSON answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`, for requests that have this type, or none.
    Json,
    /// `application/x-amz-json-1.0`, for all other requests.
    AmzJson,
}

impl ContentType {
    /// The content type of the answer to a request with these headers.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        match media_type(request) {
            "application/json" | "" => Self::Json,
            _ => Self::AmzJson,
        }
    }

    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::AmzJson => "application/x-amz-json-1.0",
        })
    }
}

/// The content type of a request without its parameters; empty if there is none.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("?"))
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Creates an answer with a JSON body.
#[must_use]
pub fn json(status: StatusCode, content_type: ContentType, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type.header());
    response
}
