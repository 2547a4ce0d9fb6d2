//! Bytes sent to and received from each peer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_item::Region;

/// Bytes of messages, before compression.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// The traffic of every peer.
#[derive(Debug)]
pub(crate) struct Meter(BTreeMap<Region, Arc<Traffic>>);

impl Meter {
    pub(crate) fn new<'a>(peers: impl Iterator<Item = &'a Region>) -> Self {
        Self(peers.map(|peer| (peer.clone(), Arc::default())).collect())
    }

    /// The bytes sent to the peer and received from it.
    pub(crate) fn of(&self, peer: &Region) -> (u64, u64) {
        self.0.get(peer).map_or((0, 0), |traffic| {
            (
                traffic.sent.load(Ordering::Relaxed),
                traffic.received.load(Ordering::Relaxed),
            )
        })
    }
}

/// Counts the bytes of one stream, whose peer may become known only with its hello.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<OnceLock<Arc<Traffic>>>);

impl Tap {
    /// Counts all further bytes for this peer, or for none if it is not a configured peer.
    pub(crate) fn belongs_to(&self, peer: &Region, meter: &Meter) {
        if let Some(traffic) = meter.0.get(peer) {
            self.0.get_or_init(|| Arc::clone(traffic));
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(traffic) = self.0.get() {
            traffic.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        if let Some(traffic) = self.0.get() {
            traffic.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}
