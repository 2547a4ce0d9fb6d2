//! Which region answers a request: one and the same on a region's own endpoint, the one of the credential's scope on the
//! endpoint for all.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{error::Failure, gateway::Gateway};

/// Finds the gateway of a request's region.
pub trait Resolver: Send + Sync + 'static {
    /// The gateway that answers a request whose credential is scoped to `region`; `None` where it has no well-formed credential
    /// (then whichever gateway answers will refuse it, but for a health check).
    ///
    /// # Errors
    /// [`Unroutable`] where there is none.
    fn resolve(&self, region: Option<&str>) -> Result<Arc<Gateway>, Unroutable>;
}

/// Why no region answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// No such region.
    #[error("Credential should be scoped to a valid region, not '{asked}'. The regions of this endpoint are {}.", .known.join(", "))]
    Unknown {
        /// The name that the request gave.
        asked: String,
        /// The names that there are, in order.
        known: Vec<String>,
    },
    /// The region is there, but does not run now.
    #[error("The region {0} is not running.")]
    Down(String),
}

impl From<Unroutable> for Failure {
    fn from(reason: Unroutable) -> Self {
        match reason {
            Unroutable::Unknown { .. } => Self::invalid_signature(reason.to_string()),
            Unroutable::Down(_) => Self::unavailable(reason.to_string()),
        }
    }
}

/// A region's own endpoint: every request is for it. Whether the credential's scope must fit is for its
/// [`crate::Authentication`].
#[derive(Debug, Clone)]
pub struct OneRegion(pub Arc<Gateway>);

impl Resolver for OneRegion {
    fn resolve(&self, _region: Option<&str>) -> Result<Arc<Gateway>, Unroutable> {
        Ok(Arc::clone(&self.0))
    }
}

/// All regions of a process, by name. Regions come and go while requests are served.
#[derive(Debug, Default)]
pub struct Regions {
    /// `None` for a region that does not run now.
    gateways: RwLock<BTreeMap<String, Option<Arc<Gateway>>>>,
}

impl Regions {
    /// No regions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the region answers with this gateway. It may have been there before.
    pub fn up(&self, gateway: Arc<Gateway>) {
        let name = gateway.region().to_owned();
        self.write(name, Some(gateway));
    }

    /// From now on the region is known but does not answer.
    pub fn down(&self, region: &str) {
        self.write(region.to_owned(), None);
    }

    fn write(&self, region: String, gateway: Option<Arc<Gateway>>) {
        // A map that is only ever inserted into is whole whoever panicked.
        self.gateways
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(region, gateway);
    }
}

impl Resolver for Regions {
    fn resolve(&self, region: Option<&str>) -> Result<Arc<Gateway>, Unroutable> {
        let gateways = self.gateways.read().unwrap_or_else(PoisonError::into_inner);
        let found = match region {
            Some(name) => gateways.get_key_value(name),
            None => gateways
                .iter()
                .find(|(_, gateway)| gateway.is_some())
                .or_else(|| gateways.iter().next()),
        };
        match found {
            Some((_, Some(gateway))) => Ok(Arc::clone(gateway)),
            Some((name, None)) => Err(Unroutable::Down(name.clone())),
            None => Err(Unroutable::Unknown {
                asked: region.unwrap_or_default().to_owned(),
                known: gateways.keys().cloned().collect(),
            }),
        }
    }
}
