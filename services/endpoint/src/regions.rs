//! Finds the region that answers a request: always the same one on a region's own endpoint, and the
//! one in the credential scope on the endpoint for all regions. There, the first region answers for
//! names that are placeholders, such as `local`.

use std::{collections::BTreeSet, fmt, sync::Arc};

use parking_lot::RwLock;
use tracing::warn;

use crate::{refusal::EndpointRefusal, table::RegionServices};

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
    /// The region does not exist here, and no other one may answer in its place.
    #[error(
        "Credential should be scoped to a valid region, not '{asked}'. The regions of this endpoint are {}. {advice}",
        .known.join(", ")
    )]
    Unknown {
        /// The region that the request named.
        asked: String,
        /// The existing regions, in order.
        known: Vec<String>,
        /// What the client can do.
        advice: String,
    },
    /// The region exists but is not running.
    #[error("The region {0} is not running.")]
    Down(String),
}

impl From<Unroutable> for EndpointRefusal {
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

/// The greatest number of unknown names that the log names.
const NAMES_LOGGED_MAX: usize = 64;
/// The bytes of an unknown name that the log shows and that tell it from others.
const NAME_LOGGED_LENGTH_MAX: usize = 64;

/// For a name that no region here has: what a client can do that means the region of that name.
/// `None` for a placeholder, for which the first region answers.
type Advice = dyn Fn(&str) -> Option<String> + Send + Sync;

/// All regions of a process. Regions can be added and stopped while requests are served.
pub struct Regions {
    /// In the order of the topology. `None` for a region that is not running.
    regions: RwLock<Vec<(String, Option<Arc<RegionServices>>)>>,
    advice: Box<Advice>,
    /// The placeholders that were logged, at most [`NAMES_LOGGED_MAX`].
    logged: RwLock<BTreeSet<String>>,
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regions")
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

impl Regions {
    /// Creates an endpoint for the regions with these names, of which none is running yet. The
    /// first one also answers requests for names that no region has.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let regions = names.into_iter().map(|name| (name.to_owned(), None)).collect();
        Self {
            regions: RwLock::new(regions),
            advice: Box::new(|_| None),
            logged: RwLock::default(),
        }
    }

    /// Refuses requests for names that no region here has, if there is advice for them.
    #[must_use]
    pub fn advising(self, advice: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            advice: Box::new(advice),
            ..self
        }
    }

    /// Adds a region that answers with these services, or brings it back up.
    pub fn up(&self, services: Arc<RegionServices>) {
        let name = services.region().to_owned();
        self.set(&name, Some(services));
    }

    /// Marks a region as down: it stays known, but does not answer.
    pub fn down(&self, region: &str) {
        self.set(region, None);
    }

    fn set(&self, name: &str, services: Option<Arc<RegionServices>>) {
        let mut regions = self.regions.write();
        match regions.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = services,
            None => regions.push((name.to_owned(), services)),
        }
    }

    /// Logs once for each placeholder that the first region answers for it.
    fn log_placeholder(&self, name: &str, first: &str) {
        // A client may send control characters and any length. Most requests with a placeholder are
        // not the first ones, and only read.
        let name = &name[..name.floor_char_boundary(NAME_LOGGED_LENGTH_MAX)];
        let is_done = |logged: &BTreeSet<String>| logged.len() >= NAMES_LOGGED_MAX || logged.contains(name);
        if is_done(&self.logged.read()) {
            return;
        }
        let mut logged = self.logged.write();
        if !is_done(&logged) {
            logged.insert(name.to_owned());
            let name = name.escape_debug();
            warn!(%name, region = first, "no region has this name: the first one answers for it");
        }
    }
}

impl Resolver for Regions {
    fn resolve(&self, region: Option<&str>) -> Result<Arc<RegionServices>, Unroutable> {
        let regions = self.regions.read();
        let found = match region {
            Some(name) => regions.iter().find(|(known, _)| known == name),
            None => regions.iter().find(|(_, services)| services.is_some()),
        };
        let (name, services) = match (found, region, regions.first()) {
            (Some(found), _, _) => found,
            (None, None, Some(first)) => first,
            (None, Some(asked), Some(first)) => {
                if let Some(advice) = (self.advice)(asked) {
                    return Err(Unroutable::Unknown {
                        asked: asked.to_owned(),
                        known: regions.iter().map(|(name, _)| name.clone()).collect(),
                        advice,
                    });
                }
                self.log_placeholder(asked, &first.0);
                first
            }
            (None, asked, None) => return Err(Unroutable::Down(asked.unwrap_or_default().to_owned())),
        };
        services.clone().ok_or_else(|| Unroutable::Down(name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_remembered_within_bounds() {
        let regions = Regions::new(["us-east-1"]);
        for number in 0..2 * NAMES_LOGGED_MAX {
            let name = format!("{number}\n{}", "x".repeat(10_000));
            for _ in 0..2 {
                let down = Unroutable::Down("us-east-1".to_owned());
                assert_eq!(regions.resolve(Some(&name)).err(), Some(down));
            }
        }
        let logged = regions.logged.read();
        assert_eq!(logged.len(), NAMES_LOGGED_MAX);
        for name in &*logged {
            assert_eq!(name.len(), NAME_LOGGED_LENGTH_MAX);
        }
    }
}
