//! Finds the region that answers a request: always the same one on a region's own endpoint, and the
//! one in the credential scope on the endpoint for all regions.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;

use crate::{refusal::Refusal, table::RegionServices};

/// Finds the services of the region that a request is for.
pub trait Resolver: Send + Sync + 'static {
    /// The services of the region that a request's credential is scoped to. `region` is `None` if
    /// the request has no well-formed credential; any region may then answer, which rejects it
    /// unless it is a health check.
    ///
    /// # Errors
    /// [`Unroutable`] if no region can answer.
    fn resolve(&self, region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable>;
}

/// Why no region can answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// The region does not exist.
    #[error("Credential should be scoped to a valid region, not '{asked}'. The regions of this endpoint are {}.", .known.join(", "))]
    Unknown {
        /// The region that the request named.
        asked: String,
        /// The existing regions, in order.
        known: Vec<String>,
    },
    /// The region exists but is not running.
    #[error("The region {0} is not running.")]
    Down(String),
}

impl From<Unroutable> for Refusal {
    fn from(reason: Unroutable) -> Self {
        match reason {
            Unroutable::Unknown { .. } => Self::InvalidSignature(reason.to_string()),
            Unroutable::Down(_) => Self::Unavailable(reason.to_string()),
        }
    }
}

/// The endpoint of a single region, which answers every request. Its [`crate::Authentication`]
/// decides whether the credential scope must match.
#[derive(Debug, Clone)]
pub struct OneRegion(pub Arc<RegionServices>);

impl Resolver for OneRegion {
    fn resolve(&self, _region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable> {
        Ok(Arc::clone(&self.0))
    }
}

/// All regions of a process, by name. Regions can be added and stopped while requests are served.
#[derive(Debug, Default)]
pub struct Regions {
    /// `None` for a region that is not running.
    regions: RwLock<BTreeMap<String, Option<Arc<RegionServices>>>>,
}

impl Regions {
    /// Creates an endpoint without regions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a region that answers with these services, or brings it back up.
    pub fn up(&self, services: Arc<RegionServices>) {
        let name = services.region().to_owned();
        self.regions.write().insert(name, Some(services));
    }

    /// Marks a region as down: it stays known, but does not answer.
    pub fn down(&self, region: &str) {
        self.regions.write().insert(region.to_owned(), None);
    }
}

impl Resolver for Regions {
    fn resolve(&self, region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable> {
        let regions = self.regions.read();
        let found = match region {
            Some(name) => regions.get_key_value(name),
            None => regions
                .iter()
                .find(|(_, services)| services.is_some())
                .or_else(|| regions.iter().next()),
        };
        match found {
            Some((_, Some(services))) => Ok(Arc::clone(services)),
            Some((name, None)) => Err(Unroutable::Down(name.clone())),
            None => Err(Unroutable::Unknown {
                asked: region.unwrap_or_default().to_owned(),
                known: regions.keys().cloned().collect(),
            }),
        }
    }
}
