//! All links of a network and the wires on them, and what commands do to them.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use beringia_clock::SeededRandomness;
use tokio::time::Instant;

use crate::{
    StateUpdate,
    live::Dialled,
    medium::Medium,
    settings::{Direction, LinkMode, LinkSettings, LinkSnapshot, NetworkError},
    wire::{Cargo, Role, Wire},
};

/// Identifies a link by its index into [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId(usize);

/// Identifies a wire on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireId {
    pub(crate) link: LinkId,
    number: u64,
}

struct Link {
    from: Arc<str>,
    to: Arc<str>,
    medium: Medium,
    randomness: SeededRandomness,
    /// The wires by number. A number is never used again.
    wires: BTreeMap<u64, Wire>,
    wires_ever: u64,
    bytes_delivered: u64,
}

/// All links of a network.
pub(crate) struct State {
    regions: Vec<String>,
    /// One link for each ordered pair, by the order of the regions. Those from a region to itself
    /// are never used.
    links: Vec<Link>,
    pub(crate) dialled: Dialled,
    connections_ever: u64,
}

impl State {
    pub(crate) fn new(regions: &[String], randomness: &SeededRandomness) -> Self {
        let pairs = regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to)));
        let links = pairs.map(|(from, to)| Link {
            from: from.as_str().into(),
            to: to.as_str().into(),
            medium: Medium::new(),
            randomness: randomness.derive(&format!("link {from} {to}")),
            wires: BTreeMap::new(),
            wires_ever: 0,
            bytes_delivered: 0,
        });
        Self {
            regions: regions.to_vec(),
            links: links.collect(),
            dialled: Dialled::default(),
            connections_ever: 0,
        }
    }

    pub(crate) fn link_id(&self, from: &str, to: &str) -> Result<LinkId, NetworkError> {
        let (from_index, to_index) = (self.region_index(from)?, self.region_index(to)?);
        if from_index == to_index {
            return Err(NetworkError::SameRegion(from.to_owned()));
        }
        Ok(LinkId(from_index * self.regions.len() + to_index))
    }

    fn region_index(&self, name: &str) -> Result<usize, NetworkError> {
        let index = self.regions.iter().position(|region| region == name);
        index.ok_or_else(|| NetworkError::UnknownRegion {
            name: name.to_owned(),
            known: self.regions.clone(),
        })
    }

    pub(crate) fn back(&self, LinkId(index): LinkId) -> LinkId {
        let (from, to) = (index / self.regions.len(), index % self.regions.len());
        LinkId(to * self.regions.len() + from)
    }

    pub(crate) fn ends(&self, LinkId(index): LinkId) -> (&Arc<str>, &Arc<str>) {
        (&self.links[index].from, &self.links[index].to)
    }

    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections_ever += 1;
        self.connections_ever
    }

    fn round_trip(&self, link: LinkId) -> Duration {
        self.links[link.0].medium.settings.delay + self.links[self.back(link).0].medium.settings.delay
    }
}

/// Operations that connections perform on their wires.
impl State {
    /// Adds a wire to the link, unless the link refuses connections.
    pub(crate) fn attach(&mut self, link: LinkId, role: Role) -> io::Result<WireId> {
        let refuses = |id: LinkId| self.links[id.0].medium.mode == LinkMode::Reset;
        if refuses(link) || refuses(self.back(link)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let entry = &mut self.links[link.0];
        entry.wires_ever += 1;
        let number = entry.wires_ever;
        let randomness = entry.randomness.derive(&format!("wire {number}"));
        let before = entry.wires.insert(number, Wire::new(role, randomness));
        debug_assert!(before.is_none(), "wires are numbered once");
        Ok(WireId { link, number })
    }

    /// Takes the wire off its link. Returns the waker of a sender that waits for room on it, which
    /// will not come.
    pub(crate) fn detach(&mut self, id: WireId) -> Option<Waker> {
        let wire = self.links[id.link.0].wires.remove(&id.number);
        wire.and_then(|wire| wire.sender)
    }

    /// Returns the wire and the medium of its link; `None` once the wire is detached.
    pub(crate) fn wire(&mut self, id: WireId) -> Option<(&mut Wire, &mut Medium)> {
        let Link { wires, medium, .. } = &mut self.links[id.link.0];
        wires.get_mut(&id.number).map(|wire| (wire, medium))
    }

    pub(crate) fn send(&mut self, id: WireId, cargo: Cargo, now: Instant) {
        let round_trip = self.round_trip(id.link);
        if let Some((wire, medium)) = self.wire(id) {
            wire.send(cargo, medium, round_trip, now);
        }
    }

    /// Sends what is kept on the wire, as far as there is room. Returns the wakers of the tasks
    /// that this concerns.
    pub(crate) fn pump(&mut self, id: WireId, now: Instant) -> [Option<Waker>; 2] {
        let round_trip = self.round_trip(id.link);
        match self.wire(id) {
            Some((wire, medium)) => wire.pump(medium, round_trip, now),
            None => [None, None],
        }
    }

    /// Sends on all wires of a link that has changed.
    fn pump_all(&mut self, link: LinkId, now: Instant) -> Vec<Waker> {
        let round_trip = self.round_trip(link);
        let Link { wires, medium, .. } = &mut self.links[link.0];
        let wakers = wires.values_mut().flat_map(|wire| wire.pump(medium, round_trip, now));
        wakers.flatten().collect()
    }

    pub(crate) fn count_delivered(&mut self, id: WireId, bytes: usize) {
        self.links[id.link.0].bytes_delivered += bytes as u64;
    }

    /// Records that a write of the region that reads `id` found its peer gone. The news comes back
    /// over `id`, unless the write itself is stuck in a cut, so that there is no news.
    pub(crate) fn fail_writes(&mut self, id: WireId, kind: io::ErrorKind, now: Instant) {
        let there = &self.links[self.back(id.link).0].medium;
        if there.mode == LinkMode::Open {
            let way_there = there.settings.delay;
            if let Some((wire, medium)) = self.wire(id) {
                wire.fail_writes(kind, way_there, medium, now);
            }
        }
    }
}

/// Commands that change links or break connections.
impl State {
    pub(crate) fn change(
        &mut self,
        from: &str,
        to: &str,
        direction: Direction,
        change: &impl Fn(&mut LinkSettings),
        now: Instant,
    ) -> StateUpdate<Result<(), NetworkError>> {
        let changed = self.pair(from, to, direction).and_then(|links| {
            let mut changed = Vec::new();
            for link in links {
                let mut settings = self.links[link.0].medium.settings;
                change(&mut settings);
                settings.check()?;
                changed.push((link, settings));
            }
            Ok(changed)
        });
        StateUpdate::of(changed, |changed| {
            let mut wake = Vec::new();
            for (link, settings) in changed {
                wake.extend(self.links[link.0].set(settings, now));
                wake.extend(self.pump_all(link, now));
            }
            wake
        })
    }

    pub(crate) fn cut(
        &mut self,
        from: &str,
        to: &str,
        direction: Direction,
        now: Instant,
    ) -> StateUpdate<Result<(), NetworkError>> {
        let links = self.pair(from, to, direction);
        StateUpdate::of(links, |links| {
            links.into_iter().flat_map(|link| self.links[link.0].cut(now)).collect()
        })
    }

    pub(crate) fn reset(
        &mut self,
        from: &str,
        to: &str,
        direction: Direction,
    ) -> StateUpdate<Result<(), NetworkError>> {
        let links = self.pair(from, to, direction);
        StateUpdate::of(links, |links| {
            for link in &links {
                self.links[link.0].medium.mode = LinkMode::Reset;
            }
            // A connection needs both directions, so it breaks whichever of them is reset.
            let there = links.first().copied();
            let both = there.into_iter().chain(there.map(|link| self.back(link)));
            both.flat_map(|link| self.links[link.0].sever_all()).collect()
        })
    }

    pub(crate) fn heal(
        &mut self,
        from: &str,
        to: &str,
        direction: Direction,
        now: Instant,
    ) -> StateUpdate<Result<(), NetworkError>> {
        let links = self.pair(from, to, direction);
        StateUpdate::of(links, |links| self.heal_links(links, now))
    }

    pub(crate) fn heal_all(&mut self, now: Instant) -> StateUpdate<()> {
        StateUpdate {
            result: (),
            wake: self.heal_links((0..self.links.len()).map(LinkId), now),
        }
    }

    fn heal_links(&mut self, links: impl IntoIterator<Item = LinkId>, now: Instant) -> Vec<Waker> {
        let mut wake = Vec::new();
        for link in links {
            wake.extend(self.links[link.0].heal(now));
            wake.extend(self.pump_all(link, now));
        }
        wake
    }

    pub(crate) fn isolate(&mut self, region: &str, now: Instant) -> StateUpdate<Result<(), NetworkError>> {
        StateUpdate::of(self.region_index(region), |_| {
            let concerned = self
                .links
                .iter_mut()
                .filter(|link| *link.from == *region || *link.to == *region);
            concerned.flat_map(|link| link.cut(now)).collect()
        })
    }

    pub(crate) fn kill_region(&mut self, region: &str, now: Instant) -> StateUpdate<Result<(), NetworkError>> {
        StateUpdate::of(self.region_index(region), |_| {
            let mut wake = Vec::new();
            for index in 0..self.links.len() {
                let round_trip = self.round_trip(LinkId(index));
                let link = &mut self.links[index];
                if *link.to == *region {
                    wake.extend(link.sever_readers());
                } else if *link.from == *region {
                    wake.extend(link.lose_senders(round_trip, now));
                }
            }
            wake
        })
    }

    pub(crate) fn show(&self) -> Vec<LinkSnapshot> {
        self.links
            .iter()
            .filter(|link| link.from != link.to)
            .map(Link::snapshot)
            .collect()
    }

    fn pair(&self, from: &str, to: &str, direction: Direction) -> Result<Vec<LinkId>, NetworkError> {
        let there = self.link_id(from, to)?;
        Ok(match direction {
            Direction::OneWay => vec![there],
            Direction::Both => vec![there, self.back(there)],
        })
    }
}

impl<T> StateUpdate<Result<(), T>> {
    fn of<U>(found: Result<U, T>, change: impl FnOnce(U) -> Vec<Waker>) -> Self {
        match found {
            Ok(found) => Self {
                result: Ok(()),
                wake: change(found),
            },
            Err(error) => Self {
                result: Err(error),
                wake: Vec::new(),
            },
        }
    }
}

/// Each of these returns the wakers of the tasks that it concerns, in the order of the wires.
impl Link {
    fn set(&mut self, settings: LinkSettings, now: Instant) -> Vec<Waker> {
        let stretch = self.medium.set(settings, now);
        self.wires.values_mut().for_each(|wire| wire.on_bandwidth(stretch, now));
        self.wakers()
    }

    fn cut(&mut self, now: Instant) -> Vec<Waker> {
        if self.medium.mode == LinkMode::Open {
            self.wires.values_mut().for_each(|wire| wire.on_cut(now));
        }
        self.medium.mode = LinkMode::Cut;
        self.wakers()
    }

    fn heal(&mut self, now: Instant) -> Vec<Waker> {
        if self.medium.mode == LinkMode::Open {
            return Vec::new();
        }
        self.medium.mode = LinkMode::Open;
        self.medium.restart_transmitter();
        self.wires
            .values_mut()
            .for_each(|wire| wire.on_heal(&mut self.medium, now));
        self.wakers()
    }

    fn sever_all(&mut self) -> Vec<Waker> {
        let kind_for = |role| match role {
            Role::Opening | Role::Answering => io::ErrorKind::ConnectionRefused,
            Role::Established => io::ErrorKind::ConnectionReset,
        };
        self.wires.values_mut().for_each(|wire| wire.sever(kind_for(wire.role)));
        self.wakers()
    }

    /// Breaks the connections of the region that this link leads to, which crashed.
    fn sever_readers(&mut self) -> Vec<Waker> {
        // The first packet of a connection still arrives: the machine is up, and refuses.
        let readers = self.wires.values_mut().filter(|wire| wire.role != Role::Opening);
        readers.for_each(|wire| wire.sever(io::ErrorKind::ConnectionReset));
        self.wakers()
    }

    /// Tells readers that the region that this link comes from crashed.
    fn lose_senders(&mut self, round_trip: Duration, now: Instant) -> Vec<Waker> {
        for wire in self.wires.values_mut() {
            match wire.role {
                Role::Opening => wire.sever(io::ErrorKind::ConnectionReset),
                // It is not known yet whether there will be a connection.
                Role::Answering => {}
                Role::Established => wire.lose_sender(&mut self.medium, round_trip, now),
            }
        }
        self.wakers()
    }

    fn wakers(&mut self) -> Vec<Waker> {
        let wires = self.wires.values_mut();
        wires
            .flat_map(|wire| [wire.reader.take(), wire.writer.take(), wire.sender.take()])
            .flatten()
            .collect()
    }

    fn snapshot(&self) -> LinkSnapshot {
        LinkSnapshot {
            from: self.from.to_string(),
            to: self.to.to_string(),
            settings: self.medium.settings,
            mode: self.medium.mode,
            connections: self
                .wires
                .values()
                .filter(|wire| wire.role == Role::Established)
                .count(),
            bytes_delivered: self.bytes_delivered,
            bytes_in_flight: self.wires.values().map(|wire| wire.in_flight_bytes).sum(),
        }
    }
}

/// Updates `waker` without cloning it each time.
pub(crate) fn remember(waker: &mut Option<Waker>, context: &Context<'_>) {
    match waker {
        Some(known) => known.clone_from(context.waker()),
        None => *waker = Some(context.waker().clone()),
    }
}
