//! Which region answers a request: one and the same on a region's own endpoint, the one of the credential's scope on the
//! endpoint for all.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;

use crate::{refusal::Refusal, table::RegionServices};

/// Finds the services of a request's region.
pub trait Resolver: Send + Sync + 'static {
    /// The services that answer a request whose credential is scoped to `region`; `None` where it
    /// has no well-formed credential (then whichever region answers will refuse it, but for a
    /// health check).
    ///
    /// # Errors
    /// [`Unroutable`] where there is none.
    fn resolve(&self, region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable>;
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

impl From<Unroutable> for Refusal {
    fn from(reason: Unroutable) -> Self {
        match reason {
            Unroutable::Unknown { .. } => Self::InvalidSignature(reason.to_string()),
            Unroutable::Down(_) => Self::Unavailable(reason.to_string()),
        }
    }
}

/// A region's own endpoint: every request is for it. Whether the credential's scope must fit is for its
/// [`crate::Authentication`].
#[derive(Debug, Clone)]
pub struct OneRegion(pub Arc<RegionServices>);

impl Resolver for OneRegion {
    fn resolve(&self, _region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable> {
        Ok(Arc::clone(&self.0))
    }
}

/// All regions of a process, by name. Regions come and go while requests are served.
#[derive(Debug, Default)]
pub struct Regions {
    /// `None` for a region that does not run now.
    regions: RwLock<BTreeMap<String, Option<Arc<RegionServices>>>>,
}

impl Regions {
    /// No regions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the region answers with these services. It may have been there before.
    pub fn up(&self, services: Arc<RegionServices>) {
        let name = services.region().to_owned();
        self.regions.write().insert(name, Some(services));
    }

    /// From now on the region is known but does not answer.
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
