//! The endpoint for all regions of this process. The region in a request's credentials decides
//! which one answers.

use std::sync::Arc;

use beringia_clock::{SystemClock, SystemRandomness};
use beringia_endpoint::{Limits, Regions, Server, serve};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{accept, error::StartError, ports};

/// The running endpoint, with the means to stop it.
pub(crate) struct Endpoint {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Serves the regions that are currently up in `regions`.
    ///
    /// # Errors
    /// If the local address of the listener cannot be determined.
    pub(crate) fn start(listener: TcpListener, regions: Arc<Regions>) -> Result<Self, StartError> {
        let url = ports::url(&listener)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(
            regions,
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            Limits::default(),
        );
        let shutdown = Box::pin(async move {
            // Dropping the sender stops the endpoint, too.
            let _ = stopped.await;
        });
        let task = tokio::spawn(serve(Arc::new(server), accept::plain(listener), shutdown));
        Ok(Self { url, stop, task })
    }

    /// The URL at which clients reach the endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Accepts no new requests and finishes those in progress.
    pub(crate) async fn shutdown(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the endpoint for all regions failed");
        }
    }
}
