//! The endpoint for all regions of this process: the region in a request's credentials chooses
//! which one answers.

use std::sync::Arc;

use beringia_clock::{SystemClock, SystemRandomness};
use beringia_endpoint::{Limits, Regions, Server, serve};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::accept;

/// A running endpoint.
pub(crate) struct Endpoint {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Serves the regions that are up in `regions`, at every moment.
    pub(crate) fn start(listener: TcpListener, regions: Arc<Regions>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(
            regions,
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            Limits::default(),
        );
        let shutdown = Box::pin(async move {
            // A sender that was dropped means the same.
            let _ = stopped.await;
        });
        let task = tokio::spawn(serve(Arc::new(server), accept::plain(listener), shutdown));
        Self { stop, task }
    }

    /// Takes no new requests and finishes those under way.
    pub(crate) async fn shutdown(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the endpoint for all regions ended badly");
        }
    }
}
