//! Streams: what opens, says hello, sends, and ends.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};

use super::{Replicator, Sending};
use crate::{
    compare::Comparisons,
    event::{AcceptId, Command, DialId, LinkEvent},
    join::Join,
    message::{Answer, Goodbye, Reply, ToReceiver, ToSource},
    out::WalkId,
    receiver::Receiver,
    session::Asked,
    source::Source,
    sync::Walks,
};

impl Replicator {
    pub(super) fn on_dialled(&mut self, link: DialId, event: LinkEvent<ToReceiver>) {
        let Some(region) = self.links.get(&link).cloned() else {
            return;
        };
        let is_current = self.receivers.get(&region).and_then(Receiver::link) == Some(link);
        if matches!(event, LinkEvent::Closed(_)) || !is_current {
            self.links.remove(&link);
        }
        if !is_current {
            return;
        }
        let result = match event {
            LinkEvent::Opened => {
                if let Some(receiver) = self.receivers.get_mut(&region) {
                    receiver.on_opened(&self.world, &mut self.out);
                    self.dirty = true;
                }
                Ok(())
            }
            LinkEvent::Message(message) => self.on_message_from_source(&region, message),
            LinkEvent::Closed(reason) => return self.on_down(&region, Goodbye::for_now(reason)),
        };
        if let Err(goodbye) = result {
            self.hang_up(&region, goodbye);
        }
    }

    fn on_message_from_source(&mut self, region: &Region, message: ToReceiver) -> Result<(), Goodbye> {
        let Some(receiver) = self.receivers.get_mut(region) else {
            return Ok(());
        };
        match message {
            ToReceiver::Hello(hello) => {
                self.dirty = true;
                return receiver.on_hello(&self.world, &hello);
            }
            ToReceiver::Goodbye(goodbye) => {
                if let Some(link) = receiver.link() {
                    self.out.push(Command::HangUp(link));
                }
                self.on_down(region, goodbye);
                return Ok(());
            }
            _ => {}
        }
        let Some(session) = receiver.session_mut() else {
            return Err(Goodbye::for_now("something else came before the hello".to_owned()));
        };
        match message {
            ToReceiver::Batch(batch) => {
                let waiting = session.on_batch(&self.world, &mut self.out, batch)?;
                self.hold(waiting);
                Ok(())
            }
            ToReceiver::Refusal(refusal) => {
                session.on_refusal(&self.world, refusal.generation, refusal.parts);
                self.dirty = true;
                Ok(())
            }
            ToReceiver::Vectors(vectors) => {
                session.learn(&self.world, &vectors);
                Ok(())
            }
            ToReceiver::Lost(regions) => {
                session.lost = regions;
                Ok(())
            }
            ToReceiver::Withdraw(tables) => {
                session.forget(&tables);
                Ok(())
            }
            ToReceiver::Reply(reply) => self.on_reply(region, reply),
            ToReceiver::Hello(_) | ToReceiver::Goodbye(_) => Ok(()),
        }
    }

    fn on_reply(&mut self, region: &Region, reply: Reply) -> Result<(), Goodbye> {
        let Some(session) = self.receivers.get_mut(region).and_then(Receiver::session_mut) else {
            return Ok(());
        };
        let asked = session.answered(reply.id)?;
        let world = &self.world;
        let out = &mut self.out;
        match (asked, reply.answer) {
            (Asked::JoinStart(table, attempt), Answer::Digest(digest)) => {
                if let Some(join) = self.joins.get_mut(&table).filter(|join| join.attempt() == attempt) {
                    join.on_start(world, out, session, digest.vector);
                }
            }
            (Asked::Compare(table), Answer::Digest(digest)) => {
                self.comparisons.on_theirs(out, region, table, digest);
            }
            (Asked::Compare(_), Answer::Unavailable(_)) => self.comparisons.on_failed(world, region),
            (Asked::JoinStart(table, attempt), Answer::Unavailable(reason)) => {
                self.restart_join(table, attempt, &reason);
            }
            (Asked::WalkKeys(id) | Asked::WalkRows(id), Answer::Unavailable(reason)) => {
                self.break_walk(id, &reason);
            }
            (Asked::WalkKeys(id), Answer::Keys(page)) => {
                let Some((walks, _)) = walks_of(&mut self.joins, &mut self.comparisons, id) else {
                    return Ok(());
                };
                walks
                    .on_keys(world, out, id, page)
                    .map_err(|why| Goodbye::for_now(why.0))?;
            }
            (Asked::WalkRows(id), Answer::Rows(page)) => {
                let Some((walks, _)) = walks_of(&mut self.joins, &mut self.comparisons, id) else {
                    return Ok(());
                };
                walks
                    .on_rows(world, out, session, id, page)
                    .map_err(|why| Goodbye::for_now(why.0))?;
                self.after_walk(id);
            }
            _ => return Err(Goodbye::for_now("an answer to another question".to_owned())),
        }
        Ok(())
    }

    /// Ends the dialled stream and says why to the other side.
    pub(super) fn hang_up(&mut self, region: &Region, goodbye: Goodbye) {
        if let Some(receiver) = self.receivers.get_mut(region) {
            let was_open = receiver.session().is_some();
            receiver.end(&self.world, &mut self.out, goodbye);
            self.after_down(region, was_open);
        }
    }

    /// The dialled stream is over.
    fn on_down(&mut self, region: &Region, goodbye: Goodbye) {
        if let Some(receiver) = self.receivers.get_mut(region) {
            let was_open = receiver.session().is_some();
            receiver.on_ended(&self.world, goodbye);
            self.after_down(region, was_open);
        }
    }

    fn after_down(&mut self, region: &Region, was_open: bool) {
        if !was_open {
            return;
        }
        self.dirty = true;
        self.comparisons.on_down(region);
        for join in self.joins.values_mut().filter(|join| join.reads_from(region)) {
            join.interrupt(&self.world);
        }
    }

    pub(super) fn on_accepted(&mut self, link: AcceptId, event: LinkEvent<ToSource>) {
        match event {
            LinkEvent::Opened => {
                if self.sources.len() >= self.world.tuning.accepted_max {
                    let goodbye = Goodbye::for_now("too many streams are open".to_owned());
                    self.out
                        .push(Command::SendToReceiver(link, ToReceiver::Goodbye(goodbye)));
                    self.out.push(Command::TurnAway(link));
                } else {
                    self.sources.insert(link, Source::new(link, &self.world));
                }
            }
            LinkEvent::Message(message) => {
                if let Err(goodbye) = self.on_message_from_receiver(link, message) {
                    self.turn_away(link, goodbye);
                }
            }
            LinkEvent::Closed(reason) => self.on_gone(link, Goodbye::for_now(reason)),
        }
    }

    fn on_message_from_receiver(&mut self, link: AcceptId, message: ToSource) -> Result<(), Goodbye> {
        let Some(source) = self.sources.get_mut(&link) else {
            return Ok(());
        };
        let world = &self.world;
        let out = &mut self.out;
        match message {
            ToSource::Hello(hello) => {
                let said = source.hello(world, out, &hello);
                let clock_ahead_ms = source.clock_ahead_ms;
                match said {
                    Ok(peer) => self.greeted(link, &peer, clock_ahead_ms),
                    Err(goodbye) => {
                        // The other side is a known region only where the hello says so; its status shows the refusal.
                        if let Some(sending) = self
                            .sending
                            .get_mut(&hello.region)
                            .filter(|sending| sending.link.is_none())
                        {
                            sending.refused = Some(goodbye.reason.clone());
                        }
                        return Err(goodbye);
                    }
                }
                Ok(())
            }
            ToSource::Goodbye(goodbye) => {
                self.out.push(Command::TurnAway(link));
                self.on_gone(link, goodbye);
                Ok(())
            }
            _ if source.peer.is_none() => Err(Goodbye::for_now("something else came before the hello".to_owned())),
            ToSource::Subscribe(subscription) => source.subscribe(world, out, subscription),
            ToSource::Acknowledge(acknowledgement) => source.acknowledge(world, out, &acknowledgement),
            ToSource::Request(request) => source.request(world, out, request),
        }
    }

    /// A receiver said who it is; a stream that it had before is over, whatever the network says.
    fn greeted(&mut self, link: AcceptId, peer: &Region, clock_ahead_ms: i64) {
        let Some(sending) = self.sending.get_mut(peer) else {
            return;
        };
        let former = sending.link.replace(link);
        sending.refused = None;
        sending.last_error = None;
        sending.clock_ahead_ms = Some(clock_ahead_ms);
        if let Some(former) = former.filter(|former| *former != link) {
            self.turn_away(former, Goodbye::for_now("a newer stream took its place".to_owned()));
        }
    }

    /// Ends an accepted stream and says why to the other side.
    pub(super) fn turn_away(&mut self, link: AcceptId, goodbye: Goodbye) {
        self.out
            .push(Command::SendToReceiver(link, ToReceiver::Goodbye(goodbye.clone())));
        self.out.push(Command::TurnAway(link));
        self.on_gone(link, goodbye);
    }

    /// An accepted stream is over.
    fn on_gone(&mut self, link: AcceptId, goodbye: Goodbye) {
        let Some(source) = self.sources.remove(&link) else {
            return;
        };
        let Some(peer) = source.peer.clone() else { return };
        let Some(sending) = self.sending.get_mut(&peer).filter(|sending| sending.link == Some(link)) else {
            return;
        };
        note_end(sending, source, goodbye);
    }

    /// A walk cannot go on: its join begins again, its repair ends.
    pub(super) fn break_walk(&mut self, id: WalkId, reason: &str) {
        let join = self
            .joins
            .iter()
            .find(|(_, join)| join.attempt() == id.attempt)
            .map(|(table, _)| *table);
        if let Some(table) = join {
            self.restart_join(table, id.attempt, reason);
        } else if self
            .comparisons
            .repair
            .as_ref()
            .is_some_and(|repair| repair.walks.attempt == id.attempt)
        {
            self.comparisons.repair = None;
        }
    }

    /// After a step of a walk: the join or the repair may be done.
    pub(super) fn after_walk(&mut self, id: WalkId) {
        let Some(join) = self.joins.values_mut().find(|join| join.attempt() == id.attempt) else {
            return self.comparisons.check_done();
        };
        // What is served changes with it.
        self.dirty |= join.check_done(&self.world, &mut self.out);
    }
}

fn note_end(sending: &mut Sending, source: Source, goodbye: Goodbye) {
    sending.link = None;
    sending.acknowledged = source
        .is_subscribed()
        .then_some(source.acknowledged)
        .or(sending.acknowledged.take());
    if goodbye.permanent {
        sending.refused = Some(goodbye.reason.clone());
    }
    sending.last_error = Some(goodbye.reason);
}

/// The walks that the id names, and whom they read from.
pub(super) fn walks_of<'a>(
    joins: &'a mut BTreeMap<TableId, Join>,
    comparisons: &'a mut Comparisons,
    id: WalkId,
) -> Option<(&'a mut Walks, Region)> {
    if let Some(join) = joins
        .values_mut()
        .find(|join| join.attempt() == id.attempt && join.is_copying())
    {
        let source = join.source()?.clone();
        return Some((join.walks_mut()?, source));
    }
    let repair = comparisons
        .repair
        .as_mut()
        .filter(|repair| repair.walks.attempt == id.attempt)?;
    Some((&mut repair.walks, repair.peer.clone()))
}
