//! The accepted side: streams that greet, send this region's writes, and end.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Region, TableId};
use beringia_storage_types::SharedVectors;

use crate::{
    change::{SessionChange, StreamSide},
    context::Context,
    event::{AcceptId, Command, LinkEvent},
    message::{Goodbye, TableVectors, ToReceiver, ToSource},
    out::Out,
    source::Source,
    status::LinkState,
};

/// The streams that this region accepted and on which it is the source.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    sources: BTreeMap<AcceptId, Source>,
    /// The accepted stream of each peer, and how the last one ended.
    sending: BTreeMap<Region, Sending>,
}

/// The accepted side of a peer.
#[derive(Debug, Clone, Default)]
struct Sending {
    link: Option<AcceptId>,
    refused: Option<String>,
    last_error: Option<String>,
    acknowledged: Option<TableVectors>,
    clock_ahead_ms: Option<i64>,
}

impl Accepted {
    pub(super) fn new(peers: BTreeSet<Region>) -> Self {
        Self {
            sources: BTreeMap::new(),
            sending: peers.into_iter().map(|peer| (peer, Sending::default())).collect(),
        }
    }

    /// Handles an event of a stream.
    pub(super) fn handle(&mut self, context: &Context, out: &mut Out, link: AcceptId, event: LinkEvent<ToSource>) {
        match event {
            LinkEvent::Opened => {
                if self.sources.len() >= context.tuning.accepted_max {
                    let goodbye = Goodbye::for_now("too many streams are open".to_owned());
                    out.push(Command::SendToReceiver(link, ToReceiver::Goodbye(goodbye)));
                    out.push(Command::TurnAway(link));
                } else {
                    self.sources.insert(link, Source::new(link, context));
                }
            }
            LinkEvent::Message(message) => {
                if let Err(goodbye) = self.on_message(context, out, link, message) {
                    self.turn_away(out, link, goodbye);
                }
            }
            LinkEvent::Closed(reason) => self.on_gone(out, link, Goodbye::for_now(reason)),
        }
        debug_assert!(self.is_consistent(), "{self:?}");
        debug_assert!(
            self.sources.len() <= context.tuning.accepted_max,
            "streams beyond the limit are turned away"
        );
    }

    /// Checks that the stream of each peer is open and belongs to it, and that no error is recorded
    /// for it.
    fn is_consistent(&self) -> bool {
        self.sending.iter().all(|(peer, sending)| {
            sending.link.is_none_or(|link| {
                let source = self.sources.get(&link);
                source.is_some_and(|source| source.peer.as_ref() == Some(peer))
                    && sending.refused.is_none()
                    && sending.last_error.is_none()
            })
        })
    }

    fn on_message(
        &mut self,
        context: &Context,
        out: &mut Out,
        link: AcceptId,
        message: ToSource,
    ) -> Result<(), Goodbye> {
        let Some(source) = self.sources.get_mut(&link) else {
            return Ok(());
        };
        match message {
            ToSource::Hello(hello) => {
                let reported = source.hello(context, out, &hello);
                let clock_ahead_ms = source.clock_ahead_ms;
                match reported {
                    Ok(peer) => self.greeted(out, link, &peer, clock_ahead_ms),
                    Err(goodbye) => {
                        // The hello may name a region that is not a peer. If it names one, that
                        // peer's status shows the refusal.
                        if let Some(sending) = self
                            .sending
                            .get_mut(&hello.region)
                            .filter(|sending| sending.link.is_none())
                        {
                            let reason = goodbye.reason.clone();
                            if sending.refused.as_ref() != Some(&reason) {
                                let reason = reason.clone();
                                let change = SessionChange::Refused { reason };
                                out.report_stream(&hello.region, StreamSide::Sending, change);
                            }
                            sending.refused = Some(reason);
                        }
                        return Err(goodbye);
                    }
                }
                Ok(())
            }
            ToSource::Goodbye(goodbye) => {
                out.push(Command::TurnAway(link));
                self.on_gone(out, link, goodbye);
                Ok(())
            }
            _ if source.peer.is_none() => Err(Goodbye::for_now("a message arrived before the hello".to_owned())),
            ToSource::Subscribe(subscription) => source.subscribe(context, out, subscription),
            ToSource::Acknowledge(acknowledgement) => source.acknowledge(context, out, &acknowledgement),
            ToSource::Request(request) => source.request(context, out, request),
        }
    }

    /// Registers the stream of a receiver that said hello. An earlier stream of the same receiver
    /// ends, regardless of the state of the network.
    fn greeted(&mut self, out: &mut Out, link: AcceptId, peer: &Region, clock_ahead_ms: i64) {
        let Some(sending) = self.sending.get_mut(peer) else {
            return;
        };
        let former = sending.link.replace(link).filter(|former| *former != link);
        sending.refused = None;
        sending.last_error = None;
        sending.clock_ahead_ms = Some(clock_ahead_ms);
        let side = StreamSide::Sending;
        if let Some(former) = former {
            let goodbye = Goodbye::for_now("a newer stream replaced this one");
            let reason = goodbye.reason.clone();
            out.report_stream(peer, side, SessionChange::Disconnected { reason });
            self.turn_away(out, former, goodbye);
        }
        out.report_stream(peer, side, SessionChange::Connected { clock_ahead_ms });
    }

    /// Ends a stream and tells the other side why.
    pub(super) fn turn_away(&mut self, out: &mut Out, link: AcceptId, goodbye: Goodbye) {
        out.push(Command::SendToReceiver(link, ToReceiver::Goodbye(goodbye.clone())));
        out.push(Command::TurnAway(link));
        self.on_gone(out, link, goodbye);
    }

    /// Removes a stream that ended.
    fn on_gone(&mut self, out: &mut Out, link: AcceptId, goodbye: Goodbye) {
        let Some(source) = self.sources.remove(&link) else {
            return;
        };
        let Some(peer) = source.peer.clone() else { return };
        let Some(sending) = self.sending.get_mut(&peer).filter(|sending| sending.link == Some(link)) else {
            return;
        };
        let reason = goodbye.reason.clone();
        out.report_stream(&peer, StreamSide::Sending, SessionChange::Disconnected { reason });
        sending.note_end(source, goodbye);
    }

    /// Ends streams on which no hello arrived in time, and announces changes on the others.
    pub(super) fn tick(&mut self, context: &Context, out: &mut Out) {
        let silent: Vec<AcceptId> = self
            .sources
            .iter()
            .filter(|(_, source)| source.hello_overdue(context))
            .map(|(link, _)| *link)
            .collect();
        for link in silent {
            self.turn_away(out, link, Goodbye::for_now("no hello arrived in time"));
        }
        for source in self.sources.values_mut() {
            source.tick(context, out);
        }
    }

    /// Continues reading because the log grew; `vectors` are this region's after the append.
    pub(super) fn on_log_appended(&mut self, context: &Context, out: &mut Out, vectors: &SharedVectors) {
        for source in self.sources.values_mut() {
            source.on_log_appended(context, out, vectors);
        }
    }

    /// Withdraws and reopens as needed after these tables began or ceased to be served.
    pub(super) fn on_served_changed(&mut self, context: &Context, out: &mut Out, changed: &BTreeSet<TableId>) {
        for source in self.sources.values_mut() {
            source.withdraw(context, out);
            if source.concerns(changed) {
                source.reopen(context, out);
            }
        }
    }

    /// Empties what only saves work (see [`Replicator::description`](super::Replicator)).
    pub(super) fn normalize(&mut self) {
        self.sources.values_mut().for_each(Source::normalize);
    }

    /// The open streams, including those without a hello yet.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values()
    }

    pub(super) fn source_mut(&mut self, link: AcceptId) -> Option<&mut Source> {
        self.sources.get_mut(&link)
    }

    /// The peer that said hello on the stream.
    pub(super) fn peer_of(&self, link: AcceptId) -> Option<&Region> {
        self.sources.get(&link)?.peer.as_ref()
    }

    /// The open stream on which a peer has subscribed.
    pub(super) fn source_of(&self, peer: &Region) -> Option<&Source> {
        self.open(peer).filter(|source| source.is_subscribed())
    }

    /// The stream of a peer that said hello.
    fn open(&self, peer: &Region) -> Option<&Source> {
        self.sources.get(&self.sending.get(peer)?.link?)
    }

    pub(super) fn state(&self, peer: &Region) -> LinkState {
        let refused = self.sending.get(peer).and_then(|sending| sending.refused.clone());
        match (self.open(peer), refused) {
            (Some(_), _) => LinkState::Connected,
            (None, Some(reason)) => LinkState::Refused(reason),
            (None, None) => LinkState::Down,
        }
    }

    pub(super) fn last_error(&self, peer: &Region) -> Option<String> {
        self.sending.get(peer)?.last_error.clone()
    }

    pub(super) fn clock_ahead_ms(&self, peer: &Region) -> Option<i64> {
        self.sending.get(peer)?.clock_ahead_ms
    }

    /// The vectors that the peer has acknowledged on its current or last stream; `None` before its
    /// first.
    pub(super) fn acknowledged(&self, peer: &Region) -> Option<TableVectors> {
        let present = self.source_of(peer).map(|source| source.acknowledged.clone());
        present.or_else(|| self.sending.get(peer)?.acknowledged.clone())
    }
}

impl Sending {
    fn note_end(&mut self, source: Source, goodbye: Goodbye) {
        self.link = None;
        self.acknowledged = source
            .is_subscribed()
            .then_some(source.acknowledged)
            .or(self.acknowledged.take());
        if goodbye.permanent {
            self.refused = Some(goodbye.reason.clone());
        }
        self.last_error = Some(goodbye.reason);
    }
}
