//! The dialled side: the way to each peer, and whose streams are whose.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};

use crate::{event::DialId, out::Out, receiver::Receiver, session::Session, world::World};

/// The streams that this region dials: it receives there.
#[derive(Debug)]
pub(super) struct Dialled {
    /// The way to each peer.
    pub(super) receivers: BTreeMap<Region, Receiver>,
    /// To whom each stream was dialled, until it is over.
    links: BTreeMap<DialId, Region>,
    next_link: u64,
}

impl Dialled {
    pub(super) fn new(peers: &BTreeSet<Region>, world: &World) -> Self {
        let receiver = |peer: &Region| (peer.clone(), Receiver::new(peer.clone(), world));
        Self {
            receivers: peers.iter().map(receiver).collect(),
            links: BTreeMap::new(),
            next_link: 0,
        }
    }

    pub(super) fn tick(&mut self, world: &World, out: &mut Out) {
        for (region, receiver) in &mut self.receivers {
            receiver.tick(world, out, &mut self.next_link);
            if let Some(link) = receiver.link() {
                self.links.entry(link).or_insert_with(|| region.clone());
            }
        }
    }

    /// To whom the stream was dialled, until it is over.
    pub(super) fn peer_of(&self, link: DialId) -> Option<&Region> {
        self.links.get(&link)
    }

    /// Whom an event of the stream concerns; `None` where another stream took its place. Nothing
    /// more comes of a stream that was closed.
    pub(super) fn concerned(&mut self, link: DialId, is_closed: bool) -> Option<Region> {
        let region = self.links.get(&link)?.clone();
        let is_current = self.receivers.get(&region).and_then(Receiver::link) == Some(link);
        if is_closed || !is_current {
            self.links.remove(&link);
        }
        is_current.then_some(region)
    }

    /// The open stream to the peer.
    pub(super) fn session(&self, peer: &Region) -> Option<&Session> {
        self.receivers.get(peer).and_then(Receiver::session)
    }

    /// The open stream to the peer.
    pub(super) fn session_mut(&mut self, peer: &Region) -> Option<&mut Session> {
        self.receivers.get_mut(peer).and_then(Receiver::session_mut)
    }

    /// The open stream with this number.
    pub(super) fn session_on(&mut self, link: DialId) -> Option<&mut Session> {
        let peer = self.links.get(&link)?;
        let session = self.receivers.get_mut(peer).and_then(Receiver::session_mut)?;
        (session.link == link).then_some(session)
    }

    /// Tables with writes of an origin that are missing here and that all who have them refuse to
    /// send, because their logs begin above them; with one of those. An origin that is out of reach
    /// may still have them in its log.
    pub(super) fn out_of_logs(&self, world: &World) -> BTreeMap<TableId, (Origin, Region)> {
        let sessions = self.receivers.values().filter_map(Receiver::session);
        let refused: BTreeSet<&(TableId, Origin)> = sessions.flat_map(|session| &session.refused).collect();
        let mut found = BTreeMap::new();
        for part in refused {
            let (table, origin) = part;
            let here = world.vector(*table).get(origin);
            let has_more = |receiver: &Receiver| {
                let theirs = receiver.session().and_then(|session| session.theirs.get(table));
                theirs.is_some_and(|vector| vector.get(origin) > here)
            };
            let is_refused =
                |receiver: &&Receiver| receiver.session().is_some_and(|session| session.refused.contains(part));
            let out_of_reach = self
                .receivers
                .get(origin.region())
                .is_some_and(|receiver| receiver.session().is_none());
            let holders: Vec<&Receiver> = self.receivers.values().filter(|receiver| has_more(receiver)).collect();
            if let Some(holder) = holders.first()
                && !out_of_reach
                && holders.iter().all(is_refused)
            {
                found
                    .entry(*table)
                    .or_insert_with(|| (origin.clone(), holder.region.clone()));
            }
        }
        found
    }
}
