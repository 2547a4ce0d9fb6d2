//! Which region answers the requests for another one on the endpoint for all regions: where clients
//! were moved to, as far as the policy follows that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::policy::ShiftPolicy;

/// A region whose requests another one answers, or is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reroute {
    /// The region that requests name.
    pub called: String,
    /// The region that its clients were moved to; `None` if they were not, or have come back.
    pub moved_to: Option<String>,
    /// The region that answers now.
    pub served_by: String,
    /// Whether the region fails its health checks.
    pub is_failing: bool,
    /// The time until the records of the move are too old, so that the endpoint follows it.
    pub followed_in: Option<Duration>,
}

/// The moves of clients, and the health of regions.
#[derive(Debug)]
pub(crate) struct Reroutes {
    policy: ShiftPolicy,
    /// The other regions of each region, the nearest first.
    nearest: BTreeMap<String, Vec<String>>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By region, where its clients were last moved.
    moves: BTreeMap<String, Move>,
    health: BTreeMap<String, Health>,
}

/// A move of a region's clients.
#[derive(Debug, Clone)]
struct Move {
    /// `None`: back to the region itself.
    to: Option<String>,
    since: Instant,
    /// The region that answered before, as `to`. It is that of cached records.
    before: Option<String>,
}

#[derive(Debug, Default)]
struct Health {
    is_failing: bool,
    /// How many checks in a row had another result.
    changing: u32,
}

impl Move {
    /// When the last record from before the move is too old.
    fn followed_at(&self, ttl: Duration) -> Instant {
        self.since + ttl
    }
}

impl Reroutes {
    pub(crate) fn new(policy: ShiftPolicy, nearest: BTreeMap<String, Vec<String>>) -> Self {
        Self {
            policy,
            nearest,
            state: RwLock::default(),
        }
    }

    pub(crate) fn policy(&self) -> ShiftPolicy {
        self.policy
    }

    /// The region that answers for `called` now; `None` if it is that region itself.
    pub(crate) fn target(&self, called: &str) -> Option<String> {
        self.target_in(&self.state.read(), called)
    }

    fn target_in(&self, state: &State, called: &str) -> Option<String> {
        let moved = state.moves.get(called);
        match self.policy {
            ShiftPolicy::None => None,
            ShiftPolicy::Dns { ttl } => moved.and_then(|moved| {
                let is_followed = Instant::now() >= moved.followed_at(ttl);
                if is_followed { &moved.to } else { &moved.before }.clone()
            }),
            ShiftPolicy::HealthCheck { .. } => {
                let is_failing = |region: &str| state.health.get(region).is_some_and(|health| health.is_failing);
                if !is_failing(called) {
                    return None;
                }
                let wanted = moved.and_then(|moved| moved.to.as_ref());
                let nearest = self.nearest.get(called).into_iter().flatten();
                wanted
                    .into_iter()
                    .chain(nearest)
                    .find(|region| !is_failing(region))
                    .cloned()
            }
        }
    }

    /// Notes that the clients of a region are moved to another one, or back with `None`.
    pub(crate) fn shift(&self, called: &str, to: Option<&str>) {
        let mut state = self.state.write();
        let before = self.target_in(&state, called);
        info!(called, to = to.unwrap_or(called), policy = %self.policy, "clients were moved");
        let moved = Move {
            to: to.map(str::to_owned),
            since: Instant::now(),
            before,
        };
        state.moves.insert(called.to_owned(), moved);
    }

    /// Undoes the move of a region's clients at once, as if it had not been.
    pub(crate) fn undo(&self, called: &str) {
        self.state.write().moves.remove(called);
    }

    /// Where a region's clients were moved to; `None` if they were not, or have come back.
    pub(crate) fn moved_to(&self, called: &str) -> Option<String> {
        self.state.read().moves.get(called)?.to.clone()
    }

    /// Notes the result of a health check of a region.
    pub(crate) fn checked(&self, region: &str, passed: bool) {
        let ShiftPolicy::HealthCheck { threshold, .. } = self.policy else {
            return;
        };
        let mut state = self.state.write();
        let health = state.health.entry(region.to_owned()).or_default();
        if health.is_failing != passed {
            health.changing = 0;
            return;
        }
        health.changing += 1;
        if health.changing >= threshold {
            *health = Health {
                is_failing: !passed,
                changing: 0,
            };
            warn!(%region, healthy = passed, checks = threshold, "the health of a region has changed");
        }
    }

    /// The regions whose clients were moved, those that fail their health checks, and those for
    /// which another one answers.
    pub(crate) fn list(&self) -> Vec<Reroute> {
        let state = self.state.read();
        let failing = state.health.iter().filter(|(_, health)| health.is_failing);
        let failing: BTreeSet<&String> = failing.map(|(region, _)| region).collect();
        let regions: BTreeSet<&String> = state.moves.keys().chain(failing.iter().copied()).collect();
        let reroutes = regions.into_iter().map(|called| {
            let moved = state.moves.get(called);
            let remaining = match (self.policy, moved) {
                (ShiftPolicy::Dns { ttl }, Some(moved)) => {
                    moved.followed_at(ttl).saturating_duration_since(Instant::now())
                }
                _ => Duration::ZERO,
            };
            Reroute {
                called: called.clone(),
                moved_to: moved.and_then(|moved| moved.to.clone()),
                served_by: self.target_in(&state, called).unwrap_or_else(|| called.clone()),
                is_failing: failing.contains(called),
                followed_in: Some(remaining).filter(|remaining| !remaining.is_zero()),
            }
        });
        let is_over = |one: &Reroute| {
            let is_at_home = one.moved_to.is_none() && one.served_by == one.called;
            is_at_home && !one.is_failing && one.followed_in.is_none()
        };
        reroutes.filter(|one| !is_over(one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn reroutes(policy: ShiftPolicy) -> Reroutes {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let nearest = [("a", names(&["b", "c"])), ("b", names(&["c", "a"]))];
        Reroutes::new(
            policy,
            nearest.map(|(region, others)| (region.to_owned(), others)).into(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn with_none_nobody_moves() {
        let reroutes = reroutes(ShiftPolicy::None);
        reroutes.shift("a", Some("b"));
        advance(TTL).await;
        assert_eq!(reroutes.target("a"), None);
        let listed = &reroutes.list()[0];
        assert_eq!(
            (listed.moved_to.as_deref(), listed.served_by.as_str()),
            (Some("b"), "a")
        );
        reroutes.shift("a", None);
        assert_eq!(reroutes.list(), []);
    }

    /// Records from before a move are used until they are too old, also when clients come back.
    #[tokio::test(start_paused = true)]
    async fn with_dns_clients_move_after_the_ttl() {
        let reroutes = reroutes(ShiftPolicy::Dns { ttl: TTL });
        reroutes.shift("a", Some("b"));
        let almost = TTL - Duration::from_millis(1);
        advance(almost).await;
        assert_eq!(reroutes.target("a"), None);
        assert_eq!(reroutes.list()[0].followed_in, Some(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(reroutes.target("a").as_deref(), Some("b"));
        assert_eq!(reroutes.target("b"), None);
        reroutes.shift("a", None);
        advance(almost).await;
        assert_eq!(reroutes.target("a").as_deref(), Some("b"));
        assert_eq!(reroutes.moved_to("a"), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!((reroutes.target("a"), reroutes.list()), (None, vec![]));
    }

    /// A move that is ended before it was followed is never seen. An undone one ends at once.
    #[tokio::test(start_paused = true)]
    async fn with_dns_a_short_move_is_not_followed() {
        let reroutes = reroutes(ShiftPolicy::Dns { ttl: TTL });
        reroutes.shift("a", Some("b"));
        advance(TTL / 2).await;
        reroutes.shift("a", None);
        advance(TTL / 2).await;
        assert_eq!(reroutes.target("a"), None);
        reroutes.shift("a", Some("b"));
        advance(TTL).await;
        assert_eq!(reroutes.target("a").as_deref(), Some("b"));
        reroutes.undo("a");
        assert_eq!((reroutes.target("a"), reroutes.list()), (None, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn health_changes_after_checks_in_a_row() {
        let reroutes = reroutes(ShiftPolicy::HealthCheck {
            threshold: 2,
            interval: TTL,
        });
        let served_after = |region: &str, results: &[bool]| {
            results.iter().for_each(|&passed| reroutes.checked(region, passed));
            reroutes.target("a").unwrap_or_else(|| "a".to_owned())
        };
        // A move alone moves nobody who is served.
        reroutes.shift("a", Some("c"));
        assert_eq!(served_after("a", &[false, true, false]), "a");
        assert_eq!(served_after("a", &[false]), "c");
        reroutes.undo("a");
        assert_eq!(served_after("a", &[true, false]), "b", "the nearest region");
        assert_eq!(served_after("b", &[false, false]), "c");
        let listed: Vec<_> = reroutes
            .list()
            .into_iter()
            .map(|one| (one.called, one.served_by))
            .collect();
        let pair = |called: &str, served: &str| (called.to_owned(), served.to_owned());
        assert_eq!(listed, [pair("a", "c"), pair("b", "c")]);
        assert_eq!(served_after("c", &[false, false]), "a", "no region is healthy");
        assert_eq!(served_after("b", &[true, true]), "b");
        assert_eq!(served_after("a", &[true, true]), "a");
    }
}
