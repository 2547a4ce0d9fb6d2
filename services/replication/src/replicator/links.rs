//! Events and messages of dialled streams, and the range syncs on them.

use beringia_item::{Region, TableId};

use super::{Replicator, bootstraps::Bootstraps};
use crate::{
    change::{SessionChange, StreamSide},
    compare::Comparisons,
    event::{Command, DialId, LinkEvent},
    message::{Goodbye, PeerAnswer, Reply, ToReceiver},
    out::{Out, RangeSyncId},
    range_sync::RangeSyncs,
    receiver::Receiver,
    session::Asked,
};

impl Replicator {
    pub(super) fn on_dialled(&mut self, link: DialId, event: LinkEvent<ToReceiver>) {
        let Some(region) = self.dialled.peer_of(link).cloned() else {
            return;
        };
        let result = match event {
            LinkEvent::Opened => {
                if let Some(receiver) = self.dialled.receivers.get_mut(&region) {
                    receiver.on_opened(&self.context, &mut self.out);
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
        let Some(receiver) = self.dialled.receivers.get_mut(region) else {
            return Ok(());
        };
        match message {
            ToReceiver::Hello(hello) => {
                self.dirty = true;
                receiver.on_hello(&self.context, &hello)?;
                let clock_ahead_ms = receiver.clock_ahead_ms.unwrap_or_default();
                let change = SessionChange::Connected { clock_ahead_ms };
                self.out.report_stream(region, StreamSide::Receiving, change);
                return Ok(());
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
            return Err(Goodbye::for_now("a message arrived before the hello".to_owned()));
        };
        match message {
            ToReceiver::Batch(batch) => {
                let waiting = session.on_batch(&self.context, &mut self.out, batch)?;
                self.hold(waiting);
                Ok(())
            }
            ToReceiver::Refusal(refusal) => {
                session.on_refusal(&self.context, refusal.generation, refusal.parts);
                self.dirty = true;
                Ok(())
            }
            ToReceiver::Vectors(vectors) => {
                session.announced.learn(&self.context, &vectors);
                Ok(())
            }
            ToReceiver::Lost(regions) => {
                session.announced.lost = regions;
                Ok(())
            }
            ToReceiver::Withdraw(tables) => {
                session.announced.withdraw(&tables);
                Ok(())
            }
            ToReceiver::Reply(reply) => self.on_reply(region, reply),
            ToReceiver::Hello(_) | ToReceiver::Goodbye(_) => Ok(()),
        }
    }

    fn on_reply(&mut self, region: &Region, reply: Reply) -> Result<(), Goodbye> {
        let Some(session) = self.dialled.session_mut(region) else {
            return Ok(());
        };
        let asked = session.answered(reply.id)?;
        let context = &self.context;
        let out = &mut self.out;
        match (asked, reply.answer) {
            (Asked::BootstrapStart(table, attempt), PeerAnswer::Digest(digest)) => {
                if let Some(bootstrap) = self.bootstraps.bootstrap_mut(table, attempt) {
                    bootstrap.on_start(context, out, session, digest.vector);
                }
            }
            (Asked::Compare(table), PeerAnswer::Digest(digest)) => {
                self.comparisons.on_theirs(out, region, table, digest);
            }
            (Asked::Compare(_), PeerAnswer::Unavailable(_)) => self.comparisons.on_failed(context, region),
            (Asked::BootstrapStart(table, attempt), PeerAnswer::Unavailable(reason)) => {
                self.restart_bootstrap(table, attempt, &reason);
            }
            (Asked::SyncKeys(id) | Asked::SyncRows(id), PeerAnswer::Unavailable(reason)) => {
                self.break_range_sync(id, &reason);
            }
            (Asked::SyncKeys(id), PeerAnswer::Keys(page)) => {
                let Some((syncs, _)) = syncs_of(&mut self.bootstraps, &mut self.comparisons, id) else {
                    return Ok(());
                };
                syncs
                    .on_keys(context, out, id, page)
                    .map_err(|why| Goodbye::for_now(why.0))?;
            }
            (Asked::SyncRows(id), PeerAnswer::Rows(page)) => {
                let Some((syncs, _)) = syncs_of(&mut self.bootstraps, &mut self.comparisons, id) else {
                    return Ok(());
                };
                syncs
                    .on_rows(context, out, session, id, page)
                    .map_err(|why| Goodbye::for_now(why.0))?;
                self.after_range_sync(id);
            }
            _ => return Err(Goodbye::for_now("a reply does not fit its request".to_owned())),
        }
        Ok(())
    }

    /// Ends the dialled stream and tells the other side why.
    pub(super) fn hang_up(&mut self, region: &Region, goodbye: Goodbye) {
        if let Some(receiver) = self.dialled.receivers.get_mut(region) {
            let was_open = receiver.session().is_some();
            report_down(&mut self.out, receiver, &goodbye);
            receiver.end(&self.context, &mut self.out, goodbye);
            self.after_down(region, was_open);
        }
    }

    /// Handles the end of the dialled stream.
    fn on_down(&mut self, region: &Region, goodbye: Goodbye) {
        if let Some(receiver) = self.dialled.receivers.get_mut(region) {
            let was_open = receiver.session().is_some();
            report_down(&mut self.out, receiver, &goodbye);
            receiver.on_ended(&self.context, goodbye);
            self.after_down(region, was_open);
        }
    }

    fn after_down(&mut self, region: &Region, was_open: bool) {
        if !was_open {
            return;
        }
        self.dirty = true;
        self.comparisons.on_down(&mut self.out, region);
        self.bootstraps.on_down(&self.context, &mut self.out, region);
    }

    /// Gives up a range sync that cannot continue: its bootstrap starts over, its repair ends.
    pub(super) fn break_range_sync(&mut self, id: RangeSyncId, reason: &str) {
        let bootstrap = self.bootstraps.bootstrap_of(id).map(|(table, _)| table);
        if let Some(table) = bootstrap {
            self.restart_bootstrap(table, id.attempt, reason);
        } else {
            self.comparisons.end_repair(&mut self.out, id.attempt, reason);
        }
    }

    /// Discards a copy and starts it over.
    pub(super) fn restart_bootstrap(&mut self, table: TableId, attempt: u64, reason: &str) {
        self.dirty |= self
            .bootstraps
            .restart(&self.context, &mut self.out, table, attempt, reason);
    }

    /// Checks, after a step of a range sync, whether its bootstrap or repair is done.
    pub(super) fn after_range_sync(&mut self, id: RangeSyncId) {
        let Some((_, bootstrap)) = self.bootstraps.bootstrap_of(id) else {
            return self.comparisons.check_done(&mut self.out);
        };
        // The set of served tables changes with it.
        self.dirty |= bootstrap.check_done(&self.context, &mut self.out);
    }
}

/// Reports that a dialled stream is about to end: it disconnects, failed to open, or was refused. A
/// refusal that repeats its reason is not reported.
fn report_down(out: &mut Out, receiver: &Receiver, goodbye: &Goodbye) {
    let reason = goodbye.reason.clone();
    let change = if receiver.session().is_some() {
        SessionChange::Disconnected { reason }
    } else if !goodbye.permanent {
        SessionChange::Failed { reason }
    } else if receiver.refused.as_ref() != Some(&reason) {
        SessionChange::Refused { reason }
    } else {
        return;
    };
    out.report_stream(&receiver.region, StreamSide::Receiving, change);
}

/// The range sync that the id names, and the region that it reads from.
pub(super) fn syncs_of<'a>(
    bootstraps: &'a mut Bootstraps,
    comparisons: &'a mut Comparisons,
    id: RangeSyncId,
) -> Option<(&'a mut RangeSyncs, Region)> {
    bootstraps.syncs_of(id).or_else(|| comparisons.syncs_of(id))
}
