//! What a service is to the endpoint: how its requests are recognised, in which protocol it talks,
//! and how it answers.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use crate::{coding::decoded, refusal::Refusal, server::BODY_BYTES_MAX, table::Check};

/// How requests and errors of a service look (Smithy, "AWS protocols").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `awsJson1_0`: `POST /`, the operation in `X-Amz-Target`, errors in the body's `__type`.
    AwsJson10,
    /// `restJson1`: the operation is method and path, errors have the header `x-amzn-errortype`.
    RestJson1,
}

impl Protocol {
    /// The protocol that a request seems to be in, where no service says so.
    pub(crate) fn apparent(request: &Parts) -> Self {
        if request.uri.path() == "/" {
            Self::AwsJson10
        } else {
            Self::RestJson1
        }
    }
}

/// How requests for a service are recognised. A request belongs to the service that its credential
/// scope names; of several with the same scope, to the one whose target prefix or path fits. A
/// request without a credential scope is chosen by target prefix, then by path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// What users call the service; unique in a table.
    pub name: &'static str,
    /// The service in the credential scope of its signatures.
    pub scope: &'static str,
    /// What comes before the dot in `X-Amz-Target`; none for a protocol without targets.
    pub target_prefixes: &'static [&'static str],
    /// First segments of its paths, each with a leading slash; none for a protocol without paths.
    pub path_prefixes: &'static [&'static str],
    /// How refusals look.
    pub protocol: Protocol,
}

impl Route {
    /// Whether the target is one of this service.
    pub(crate) fn has_target(&self, target: &str) -> bool {
        let prefix = target.split_once('.').map_or(target, |(prefix, _)| prefix);
        self.target_prefixes.contains(&prefix)
    }

    /// Whether the path is one of this service.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let is_below = |prefix: &&str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.path_prefixes.iter().any(is_below)
    }
}

/// A whole request of at most 16 MiB, at its region.
#[derive(Debug)]
pub struct Received<'r> {
    /// The region that answers.
    pub region: &'r str,
    /// Head of the request.
    pub parts: Parts,
    /// Its body as it was sent, which is what a signature covers.
    pub body: Bytes,
}

impl Received<'_> {
    /// The body as it was before it was coded.
    ///
    /// # Errors
    /// [`Refusal::Undecodable`] for an unknown coding and for a body that is not in its coding, as
    /// DynamoDB has it; [`Refusal::TooLarge`] for more than 16 MiB.
    pub fn decoded_body(&self) -> Result<Cow<'_, [u8]>, Refusal> {
        decoded(&self.parts.headers, &self.body, BODY_BYTES_MAX)
    }
}

/// A service of a region. One value may serve several regions ([`Received::region`] says which is
/// meant).
pub trait Service: Send + Sync + 'static {
    /// What [`Service::prepare`] hands to [`Service::answer`].
    type Prepared: Send;

    /// How its requests are recognised; at least one.
    fn routes(&self) -> &'static [Route];

    /// Looks at the request before its signature is checked: whatever the service finds wrong
    /// earlier than that. Must not act.
    ///
    /// # Errors
    /// [`Early`] where the request is refused, or needs no signature.
    fn prepare(&self, request: &Received<'_>) -> Result<Self::Prepared, Early>;

    /// Answers a request whose signature was accepted. Dropped before it is done, its effects may
    /// or may not have happened. Boxed, so that it is compiled with the service and not with each
    /// crate that serves it.
    fn answer<'r>(&'r self, request: Received<'r>, prepared: Self::Prepared) -> BoxFuture<'r, Response<Bytes>>;
}

/// What a request gets before its signature is looked at.
#[derive(Debug)]
pub enum Early {
    /// It is refused, in the form of the service's protocol.
    Refused(Refusal),
    /// It is answered.
    Answered(Box<Response<Bytes>>),
}

impl From<Refusal> for Early {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Response<Bytes>> for Early {
    fn from(answer: Response<Bytes>) -> Self {
        Self::Answered(Box::new(answer))
    }
}

/// A service of any type. Only through it are services reached, so that none answers without the
/// check of the signature.
#[derive(Clone)]
pub struct SharedService(Arc<dyn Handler>);

impl SharedService {
    /// The service, to stand in a table.
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

/// [`Service`] without its type.
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

/// Of which type a JSON answer says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`, for requests that say so, or say nothing.
    Json,
    /// `application/x-amz-json-1.0`.
    AmzJson,
}

impl ContentType {
    /// The type in which a request of these headers is answered.
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

/// The content type of a request without its parameters; empty where there is none.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("?"))
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// An answer of JSON.
#[must_use]
pub fn json(status: StatusCode, content_type: ContentType, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type.header());
    response
}
