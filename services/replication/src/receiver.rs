//! The connection to one peer: dial it, say hello, and dial again when the stream has ended.

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_item::Region;

use crate::{
    context::Context,
    event::{Command, DialId},
    hello::{check_hello, clock_ahead_ms, hello_of},
    message::{Goodbye, Hello, ToSource},
    out::Out,
    session::Session,
};

/// The state of the connection to the peer.
#[derive(Debug, Clone)]
enum State {
    Waiting {
        until_ms: u64,
    },
    Dialling {
        link: DialId,
    },
    /// The source has not said hello yet. It processes earlier requests in order, so answers arrive
    /// with its hello.
    Greeting {
        session: Box<Session>,
        since_ms: u64,
    },
    /// The stream is open: both sides have sent their hello.
    Open(Box<Session>),
}

/// The connection to one peer.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) region: Region,
    state: State,
    failures: u32,
    pub(crate) down_since_ms: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) refused: Option<String>,
    pub(crate) clock_ahead_ms: Option<i64>,
}

impl Receiver {
    pub(crate) fn new(region: Region, context: &Context) -> Self {
        Self {
            region,
            state: State::Waiting {
                until_ms: context.now.elapsed_ms,
            },
            failures: 0,
            down_since_ms: context.now.elapsed_ms,
            last_error: None,
            refused: None,
            clock_ahead_ms: None,
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Open(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Open(session) => Some(session),
            _ => None,
        }
    }

    /// Gives the stream this number, and normalizes its session.
    pub(crate) fn normalize(&mut self, number: DialId) {
        match &mut self.state {
            State::Waiting { .. } => {}
            State::Dialling { link } => *link = number,
            State::Greeting { session, .. } | State::Open(session) => {
                session.link = number;
                session.normalize();
            }
        }
    }

    /// The stream on which this region may subscribe.
    pub(crate) fn subscribing_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Greeting { session, .. } | State::Open(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Dialling { .. } | State::Greeting { .. })
    }

    /// The stream that is open or being opened.
    pub(crate) fn link(&self) -> Option<DialId> {
        match &self.state {
            State::Waiting { .. } => None,
            State::Dialling { link } => Some(*link),
            State::Greeting { session, .. } | State::Open(session) => Some(session.link),
        }
    }

    /// Dials when the pause is over; hangs up on a peer that does not say hello.
    pub(crate) fn tick(&mut self, context: &Context, out: &mut Out, next_link: &mut u64) {
        debug_assert!(self.is_consistent(), "{self:?}");
        match &self.state {
            State::Waiting { until_ms } if context.now.elapsed_ms >= *until_ms => {
                *next_link += 1;
                let link = DialId(*next_link);
                self.state = State::Dialling { link };
                out.push(Command::Dial(link, self.region.clone()));
            }
            State::Greeting { since_ms, .. }
                if context.now.elapsed_ms >= since_ms + context.tuning.hello_timeout_ms =>
            {
                self.end(context, out, Goodbye::for_now("no hello arrived in time"));
            }
            _ => {}
        }
    }

    pub(crate) fn on_opened(&mut self, context: &Context, out: &mut Out) {
        if let State::Dialling { link } = self.state {
            self.state = State::Greeting {
                session: Box::new(Session::new(self.region.clone(), link)),
                since_ms: context.now.elapsed_ms,
            };
            let hello = hello_of(context, Some(self.region.clone()));
            out.push(Command::SendToSource(link, ToSource::Hello(hello)));
        }
    }

    pub(crate) fn on_hello(&mut self, context: &Context, hello: &Hello) -> Result<(), Goodbye> {
        if !matches!(self.state, State::Greeting { .. }) {
            return Err(Goodbye::for_now("a second hello arrived"));
        }
        check_hello(context, hello, Some(&self.region))?;
        self.failures = 0;
        self.refused = None;
        self.last_error = None;
        self.clock_ahead_ms = Some(clock_ahead_ms(context, hello));
        let greeting = std::mem::replace(&mut self.state, State::Waiting { until_ms: 0 });
        if let State::Greeting { mut session, .. } = greeting {
            session.incarnation = hello.incarnation;
            self.state = State::Open(session);
        }
        Ok(())
    }

    /// Checks that errors are from after the last hello, so that there are none while the stream is
    /// open.
    fn is_consistent(&self) -> bool {
        let has_failed = self.failures > 0;
        let is_refused = self.refused.is_some();
        has_failed == self.last_error.is_some()
            && (has_failed || !is_refused)
            && !(has_failed && matches!(self.state, State::Open(_)))
    }

    /// Ends the stream and tells the other side why.
    pub(crate) fn end(&mut self, context: &Context, out: &mut Out, goodbye: Goodbye) {
        if let Some(link) = self.link() {
            out.push(Command::SendToSource(link, ToSource::Goodbye(goodbye.clone())));
            out.push(Command::HangUp(link));
        }
        self.on_ended(context, goodbye);
    }

    /// Records that the stream ended, and when to dial again.
    pub(crate) fn on_ended(&mut self, context: &Context, goodbye: Goodbye) {
        let tuning = &context.tuning;
        let pause_ms = if goodbye.permanent {
            self.refused = Some(goodbye.reason.clone());
            tuning.refused_retry_ms
        } else {
            let doubled = tuning.retry_ms_min.saturating_mul(1 << self.failures.min(16));
            let pause_ms = doubled.min(tuning.retry_ms_max);
            pause_ms + jitter(context, &self.region).below(pause_ms / 2 + 1)
        };
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(goodbye.reason);
        let waiting = State::Waiting {
            until_ms: context.now.elapsed_ms + pause_ms,
        };
        if let State::Open(_) = std::mem::replace(&mut self.state, waiting) {
            self.down_since_ms = context.now.elapsed_ms;
        }
    }
}

/// Randomness that differs by process, time and peer, so that a region does not dial all its peers
/// at the same instant, nor all regions one peer.
fn jitter(context: &Context, region: &Region) -> SeededRandomness {
    SeededRandomness::new(context.now.elapsed_ms).derive(&format!("{:x} {region}", context.incarnation))
}
