//! The services of a region, in one table that routes each request to its service.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use beringia_clock::{Randomness, WallClock};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, request::Parts};
use tracing::{Instrument as _, Span, debug, debug_span, error_span, field};

use crate::{
    auth::{Authentication, CredentialScope, credential},
    coding::Coding,
    connection::spans_name_regions,
    refusal::EndpointRefusal,
    response::{Body, RequestId, ResponseHeaders},
    service::{Protocol, Received, Route, SharedService},
};

/// The services of one region, and which requests they accept.
pub struct RegionServices {
    region: String,
    authentication: Authentication,
    clock: Arc<dyn WallClock>,
    response_headers: ResponseHeaders,
    /// The region's span, for requests whose own spans are not logged, so that every record names
    /// the region. At level `warn` and below, records name it by a field instead.
    span: Span,
    /// Never empty. The first service gets the requests that no other one recognises.
    table: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    route: &'static Route,
    service: SharedService,
}

impl fmt::Debug for RegionServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionServices")
            .field("region", &self.region)
            .field("authentication", &self.authentication)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl RegionServices {
    /// Creates the table of a region. The `first` service also answers requests that are neither
    /// signed nor recognised by target or path, such as health checks. `clock` judges the age of
    /// signatures and dates the answers; `randomness` generates their ids.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what a region shares is handed over alike everywhere"
    )]
    pub fn new(
        region: impl Into<String>,
        authentication: Authentication,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
        first: SharedService,
    ) -> Self {
        let response_headers = ResponseHeaders::new(Arc::clone(&clock), randomness.as_ref());
        let region = region.into();
        let services = Self {
            span: error_span!(parent: None, "region", %region),
            region,
            authentication,
            clock,
            response_headers,
            table: Vec::new(),
        };
        services.with(&first)
    }

    /// Adds a service. If a request matches several services, the one that was added first gets it.
    #[must_use]
    pub fn with(mut self, service: &SharedService) -> Self {
        let entries = service.routes().iter().map(|route| Entry {
            route,
            service: service.clone(),
        });
        self.table.extend(entries);
        self
    }

    /// The region that the services answer for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Answers a request that did not arrive over a connection of a [`crate::Server`].
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let credential = credential(&parts);
        let scope = credential.as_deref().and_then(CredentialScope::of);
        let found = self.find(scope.map(|scope| scope.service), &parts);
        drop(credential);
        self.answer(found, None, parts, body).await
    }

    /// Finds the service that a request is for: by the service in its credential `scope`, else by
    /// target, else by path, else the first one.
    ///
    /// # Errors
    /// [`EndpointRefusal::UnknownOperation`], which lists the services, for an unknown scope or
    /// target.
    pub(crate) fn find(&self, scope: Option<&str>, request: &Parts) -> Result<&Entry, EndpointRefusal> {
        let target = request.headers.get("x-amz-target").map(HeaderValue::to_str);
        let target = target.and_then(Result::ok);
        let has_target = |entry: &&Entry| target.is_some_and(|target| entry.route.has_target(target));
        let has_path = |entry: &&Entry| entry.route.has_path(request.uri.path());
        // A target that names a service takes precedence over an unknown scope: the signature check
        // then rejects the scope, as DynamoDB does.
        let is_known = |scope: &str| self.table.iter().any(|entry| entry.route.scope == scope);
        let scope = scope.filter(|scope| is_known(scope) || !self.table.iter().any(|entry| has_target(&entry)));
        let of_scope = |entry: &&Entry| scope.is_none_or(|scope| entry.route.scope == scope);
        let candidates = || self.table.iter().filter(of_scope);
        let found = candidates().find(has_target).or_else(|| candidates().find(has_path));
        let prefix = target
            .and_then(|target| target.split_once('.'))
            .map(|(prefix, _)| prefix);
        match (found, scope, prefix) {
            (Some(entry), ..) => Ok(entry),
            (None, None, Some(prefix)) => Err(self.unknown(prefix)),
            (None, scope, _) => {
                let first = candidates().next();
                first.ok_or_else(|| self.unknown(scope.unwrap_or_default()))
            }
        }
    }

    /// The error for a request to a service that is not in the table.
    fn unknown(&self, service: &str) -> EndpointRefusal {
        let known: Vec<&str> = self.table.iter().map(|entry| entry.route.name).collect();
        EndpointRefusal::UnknownOperation(Some(format!(
            "service '{service}' is not served here; this endpoint serves {}",
            known.join(", ")
        )))
    }

    /// Answers a request for the service found for it. Its signature must be for this region, or
    /// for the one that it was rerouted from.
    pub(crate) async fn answer(
        &self,
        found: Result<&Entry, EndpointRefusal>,
        rerouted_from: Option<&str>,
        parts: Parts,
        body: Bytes,
    ) -> Response<Body> {
        let coding = Coding::wanted(&parts.headers);
        let id = self.response_headers.request_id();
        let service = found.as_ref().map(|entry| entry.route.name).ok();
        let answer = async {
            let response = match found {
                Ok(Entry { route, service }) => {
                    let check = Check {
                        services: self,
                        route,
                        called: rerouted_from.unwrap_or(&self.region),
                    };
                    let request = Received {
                        region: &self.region,
                        parts,
                        body,
                    };
                    service.handle(request, check).await
                }
                Err(refusal) => refusal.answer(Protocol::apparent(&parts), &parts),
            };
            debug!(status = response.status().as_u16(), rerouted_from, "answered");
            response
        };
        let response = answer.instrument(self.request_span(id, service)).await;
        self.response_headers.finish(response, id, coding)
    }

    /// The span of a request. Its service records the operation and the table.
    fn request_span(&self, id: RequestId, service: Option<&str>) -> Span {
        let span = debug_span!(
            parent: None,
            "request",
            region = %self.region,
            service = service.map(field::display),
            operation = field::Empty,
            table = field::Empty,
            request_id = %id,
        );
        if span.is_disabled() && spans_name_regions() {
            self.span.clone()
        } else {
            span
        }
    }
}

/// The signature check of a request, for the service that it was routed to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check<'r> {
    services: &'r RegionServices,
    route: &'static Route,
    /// The region that the signature must be for.
    called: &'r str,
}

impl Check<'_> {
    /// Checks the request's signature.
    ///
    /// # Errors
    /// The errors of AWS, in the order of its checks.
    pub(crate) fn signature(&self, request: &Received<'_>) -> Result<(), EndpointRefusal> {
        let RegionServices {
            authentication, clock, ..
        } = self.services;
        authentication.check(
            &request.parts,
            &request.body,
            self.called,
            self.route.scope,
            clock.now_ms(),
        )
    }

    /// The form of the service's errors.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.route.protocol
    }
}
