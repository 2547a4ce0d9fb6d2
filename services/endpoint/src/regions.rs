//! Finds the region that answers a request: always the same one on a region's own endpoint, and the
//! one in the credential scope on the endpoint for all regions. There, the first region answers for
//! names that are placeholders, such as `local`, and another region for one whose clients were
//! moved.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use parking_lot::RwLock;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use crate::{
    auth::CredentialScope,
    policy::ShiftPolicy,
    refusal::EndpointRefusal,
    reroutes::{Reroute, Reroutes},
    table::RegionServices,
};

/// How long a region may take to answer a health check.
const CHECKED_WITHIN: Duration = Duration::from_secs(4);

/// Finds the services of the region that a request is for.
pub trait Resolver: Send + Sync + 'static {
    /// The services of the region that a request's credential is scoped to, or of the region that
    /// answers in its place. `scope` is `None` if the request has no well-formed credential; any
    /// region may then answer, which rejects it unless it is a health check.
    ///
    /// # Errors
    /// [`Unroutable`] if no region can answer.
    fn resolve(&self, scope: Option<CredentialScope<'_>>) -> Result<Resolved, Unroutable>;
}

/// The region that answers a request.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The services of the region that answers.
    pub services: Arc<RegionServices>,
    /// The region that the request is for, if another one answers: its signature is for this one.
    pub rerouted_from: Option<String>,
}

impl From<Arc<RegionServices>> for Resolved {
    fn from(services: Arc<RegionServices>) -> Self {
        Self {
            services,
            rerouted_from: None,
        }
    }
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
    fn resolve(&self, _scope: Option<CredentialScope<'_>>) -> Result<Resolved, Unroutable> {
        Ok(Arc::clone(&self.0).into())
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
    reroutes: Reroutes,
    /// The services, by their name in credential scopes, that another region can answer.
    movable: BTreeSet<&'static str>,
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regions")
            .field("regions", &self.regions)
            .field("reroutes", &self.reroutes)
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
            reroutes: Reroutes::new(ShiftPolicy::None, BTreeMap::new()),
            movable: BTreeSet::new(),
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

    /// Follows moves of clients by this policy, with requests for the `movable` services, by their
    /// name in credential scopes. `nearest` has, for each region, the others, the nearest first.
    #[must_use]
    pub fn following(
        self,
        policy: ShiftPolicy,
        nearest: BTreeMap<String, Vec<String>>,
        movable: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self {
            reroutes: Reroutes::new(policy, nearest),
            movable: movable.into_iter().collect(),
            ..self
        }
    }

    /// Moves the clients of a region to another one, or back with `None`. The policy decides when
    /// their requests follow.
    pub fn shift(&self, region: &str, to: Option<&str>) {
        self.reroutes.shift(region, to);
    }

    /// Undoes the move of a region's clients at once, as if it had not been.
    pub fn undo_shift(&self, region: &str) {
        self.reroutes.undo(region);
    }

    /// Where a region's clients were moved to; `None` if they were not, or have come back.
    #[must_use]
    pub fn moved_to(&self, region: &str) -> Option<String> {
        self.reroutes.moved_to(region)
    }

    /// The policy by which moves of clients are followed.
    #[must_use]
    pub fn policy(&self) -> ShiftPolicy {
        self.reroutes.policy()
    }

    /// The regions whose clients were moved, or that fail their health checks, by name.
    #[must_use]
    pub fn reroutes(&self) -> Vec<Reroute> {
        self.reroutes.list()
    }

    /// Checks the health of every region until the future is dropped, if the policy does. A region
    /// is healthy if it answers `GET /`, in the same way as requests of clients.
    pub async fn check_health(&self) {
        let ShiftPolicy::HealthCheck { interval: every, .. } = self.policy() else {
            return;
        };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let regions = self.regions.read().clone();
            let checks = regions.into_iter().map(|(name, services)| async move {
                let passed = match services {
                    Some(services) => timeout(every.min(CHECKED_WITHIN), is_healthy(&services)).await,
                    None => Ok(false),
                };
                self.reroutes.checked(&name, passed == Ok(true));
            });
            join_all(checks).await;
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
    fn resolve(&self, scope: Option<CredentialScope<'_>>) -> Result<Resolved, Unroutable> {
        let regions = self.regions.read();
        let called = scope.map(|scope| scope.region);
        let found = match called {
            Some(name) => regions.iter().find(|(known, _)| known == name),
            None => regions.iter().find(|(_, services)| services.is_some()),
        };
        let (name, services) = match (found, called, regions.first()) {
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
        let is_movable = scope.is_some_and(|scope| self.movable.contains(scope.service));
        let target = is_movable.then(|| self.reroutes.target(name)).flatten();
        let other = target.and_then(|target| regions.iter().find(|(known, _)| *known == target));
        let (serving, services) = other.map_or((name, services), |(serving, services)| (serving, services));
        Ok(Resolved {
            services: services.clone().ok_or_else(|| Unroutable::Down(serving.clone()))?,
            rerouted_from: other.map(|_| name.clone()),
        })
    }
}

/// Whether a region answers a health check.
async fn is_healthy(services: &RegionServices) -> bool {
    let answer = services.handle(Request::new(Bytes::new())).await;
    answer.status().is_success()
}
