//! The dialled side: the connection to each peer.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};

use crate::{context::Context, event::DialId, out::Out, receiver::Receiver, session::Session};

/// The streams that this region dials and on which it is the receiver.
#[derive(Debug, Clone)]
pub(super) struct Dialled {
    /// The connection to each peer.
    pub(super) receivers: BTreeMap<Region, Receiver>,
    next_link: u64,
}

impl Dialled {
    pub(super) fn new(peers: &BTreeSet<Region>, context: &Context) -> Self {
        let receiver = |peer: &Region| (peer.clone(), Receiver::new(peer.clone(), context));
        Self {
            receivers: peers.iter().map(receiver).collect(),
            next_link: 0,
        }
    }

    pub(super) fn tick(&mut self, context: &Context, out: &mut Out) {
        for receiver in self.receivers.values_mut() {
            receiver.tick(context, out, &mut self.next_link);
        }
        debug_assert!(self.is_consistent(), "{self:?}");
    }

    /// Numbers the streams by their peers, and normalizes them (see
    /// [`Replicator::description`](super::Replicator)).
    pub(super) fn normalize(&mut self, numbers: &BTreeMap<Region, DialId>) {
        self.next_link = 0;
        for receiver in self.receivers.values_mut() {
            if let Some(number) = numbers.get(&receiver.region) {
                receiver.normalize(*number);
            }
        }
    }

    /// Checks that every stream was numbered here, and no two have the same number.
    fn is_consistent(&self) -> bool {
        let links: Vec<DialId> = self.receivers.values().filter_map(Receiver::link).collect();
        let distinct: BTreeSet<DialId> = links.iter().copied().collect();
        distinct.len() == links.len() && links.iter().all(|link| link.0 <= self.next_link)
    }

    /// The peer that the stream was dialled to; `None` if the stream is over or was replaced.
    pub(super) fn peer_of(&self, link: DialId) -> Option<&Region> {
        let mut receivers = self.receivers.values();
        let receiver = receivers.find(|receiver| receiver.link() == Some(link));
        receiver.map(|receiver| &receiver.region)
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
        let mut sessions = self.receivers.values_mut().filter_map(Receiver::session_mut);
        sessions.find(|session| session.link == link)
    }

    /// Tables with writes that are missing here and that every region that has them refuses to
    /// send, because its log begins above them; each with the origin of the writes and one of those
    /// regions. Origins that are unreachable are left out: they may still have the writes in their
    /// log.
    pub(super) fn out_of_logs(&self, context: &Context) -> BTreeMap<TableId, (Origin, Region)> {
        let sessions = self.receivers.values().filter_map(Receiver::session);
        let refused: BTreeSet<&(TableId, Origin)> = sessions.flat_map(|session| session.refusals.iter()).collect();
        let mut found = BTreeMap::new();
        for part in refused {
            let (table, origin) = part;
            let here = context.vector(*table).get(origin);
            let has_more = |receiver: &Receiver| {
                let theirs = receiver
                    .session()
                    .and_then(|session| session.announced.vectors.get(table));
                theirs.is_some_and(|vector| vector.get(origin) > here)
            };
            let is_refused = |receiver: &&Receiver| {
                receiver
                    .session()
                    .is_some_and(|session| session.refusals.contains(part))
            };
            let unreachable = self
                .receivers
                .get(origin.region())
                .is_some_and(|receiver| receiver.session().is_none());
            let holders: Vec<&Receiver> = self.receivers.values().filter(|receiver| has_more(receiver)).collect();
            if let Some(holder) = holders.first()
                && !unreachable
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
