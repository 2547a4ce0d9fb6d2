//! The endpoint for all regions of this process. The region in a request's credentials decides
//! which one answers; where its clients were moved, the policy of the endpoint does.

use std::sync::Arc;

use beringia_clock::{SystemClock, SystemRandomness};
use beringia_endpoint::{ConnectionLimits, CredentialScope, Regions, Resolved, Resolver, Server, Unroutable, serve};
use beringia_storage::logging_panics;
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::{Instrument as _, error_span};

use crate::{accept, error::StartError, ports::ClientListeners, tap::Tap};

/// The running endpoint, with the means to stop it.
pub(crate) struct Endpoint {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Checks the health of the regions, if the policy does.
    checks: JoinHandle<()>,
}

impl Endpoint {
    /// Serves the regions that are currently up in `regions`. `tap` counts the requests for those
    /// that are not, and those that another region answers.
    ///
    /// # Errors
    /// If the local address of a listener cannot be determined.
    pub(crate) fn start(listeners: ClientListeners, regions: Arc<Regions>, tap: Tap) -> Result<Self, StartError> {
        let url = listeners.url()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let checks = tokio::spawn({
            let regions = Arc::clone(&regions);
            async move { logging_panics("health checks", regions.check_health()).await }
        });
        let server = Server::new(
            Arc::new(CountingResolver { regions, tap }),
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            ConnectionLimits::default(),
        );
        let shutdown = Box::pin(async move {
            // Dropping the sender stops the endpoint, too.
            let _ = stopped.await;
        });
        let span = error_span!(parent: None, "endpoint", %url);
        let serving = serve(Arc::new(server), accept::clients(listeners, None), shutdown);
        let task = tokio::spawn(logging_panics("the endpoint for all regions", serving).instrument(span));
        Ok(Self {
            url,
            stop,
            task,
            checks,
        })
    }

    /// The URL at which clients reach the endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Accepts no new requests and finishes those in progress.
    pub(crate) async fn shutdown(self) {
        let _ = self.stop.send(());
        self.checks.abort();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the endpoint for all regions failed");
        }
    }
}

/// Finds regions, and counts the requests for those that are down, or in whose place another one
/// answers.
struct CountingResolver {
    regions: Arc<Regions>,
    tap: Tap,
}

impl Resolver for CountingResolver {
    fn resolve(&self, scope: Option<CredentialScope<'_>>) -> Result<Resolved, Unroutable> {
        let found = self.regions.resolve(scope);
        match &found {
            Err(Unroutable::Down(region)) => {
                let identity = scope.map_or("", |scope| scope.access_key);
                self.tap.traffic().undelivered(region, identity);
            }
            Ok(Resolved {
                services,
                rerouted_from: Some(called),
            }) => self.tap.traffic().rerouted(called, services.region()),
            _ => {}
        }
        found
    }
}
