//! Captures the log of a test: spans with their fields and parents, and events with the spans that
//! contain them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

/// The fields of a span or an event, as text.
pub type Fields = BTreeMap<String, String>;

/// A span as a subscriber saw it.
#[derive(Debug, Clone)]
pub struct SpanSeen {
    pub name: &'static str,
    pub fields: Fields,
    /// The index of the parent in [`Seen::spans`].
    pub parent: Option<usize>,
    /// The indices of the spans that it follows from.
    pub follows: Vec<usize>,
}

/// An event as a subscriber saw it.
#[derive(Debug, Clone)]
pub struct EventSeen {
    pub level: Level,
    pub message: String,
    pub fields: Fields,
    /// The indices of the spans that contain it, the innermost first.
    pub scope: Vec<usize>,
}

/// All spans and events captured so far, in order.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub spans: Vec<SpanSeen>,
    pub events: Vec<EventSeen>,
}

impl Seen {
    /// The first event with this message and these fields.
    pub fn event(&self, message: &str, fields: &[(&str, &str)]) -> &EventSeen {
        let has = |event: &EventSeen| {
            fields
                .iter()
                .all(|(name, value)| event.fields.get(*name).is_some_and(|v| v == value))
        };
        let found = self.events.iter().find(|event| event.message == message && has(event));
        found.unwrap_or_else(|| panic!("no {message:?} with {fields:?} among {:#?}", self.events_named(message)))
    }

    /// All events with this message.
    pub fn events_named(&self, message: &str) -> Vec<&EventSeen> {
        self.events.iter().filter(|event| event.message == message).collect()
    }

    /// The innermost span of an event, with its index.
    pub fn span_of(&self, event: &EventSeen) -> (usize, &SpanSeen) {
        let place = event.scope[0];
        (place, &self.spans[place])
    }

    /// The events that name their region neither in a field nor by a span.
    pub fn without_region(&self) -> Vec<&EventSeen> {
        let names = |fields: &Fields| fields.contains_key("region");
        let is_named = |event: &&EventSeen| {
            names(&event.fields) || event.scope.iter().any(|span| names(&self.spans[*span].fields))
        };
        self.events.iter().filter(|event| !is_named(event)).collect()
    }
}

/// Collects what the current thread logs, at a level and above, until the guard is dropped.
#[derive(Clone, Default)]
pub struct Capture(Arc<Mutex<Seen>>);

impl Capture {
    pub fn start(level: Level) -> (Self, DefaultGuard) {
        let capture = Self::default();
        let ours = Targets::new().with_target("beringia", level);
        let subscriber = Registry::default().with(capture.clone().with_filter(ours));
        (capture, tracing::subscriber::set_default(subscriber))
    }

    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap().clone()
    }

    /// Whether an event with this message was logged.
    pub fn has(&self, message: &str) -> bool {
        let seen = self.0.lock().unwrap();
        seen.events.iter().any(|event| event.message == message)
    }
}

/// The index of a span in [`Seen::spans`], kept with the span, since the registry reuses ids.
struct Place(usize);

struct Texts<'f>(&'f mut Fields);

impl Visit for Texts<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

fn place<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, context: &Context<'_, S>) -> Option<usize> {
    let span = context.span(id)?;
    let extensions = span.extensions();
    extensions.get::<Place>().map(|place| place.0)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().and_then(|parent| place(&parent.id(), &context));
        let mut fields = Fields::new();
        attributes.record(&mut Texts(&mut fields));
        let mut seen = self.0.lock().unwrap();
        span.extensions_mut().insert(Place(seen.spans.len()));
        seen.spans.push(SpanSeen {
            name: attributes.metadata().name(),
            fields,
            parent,
            follows: Vec::new(),
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(place) = place(id, &context) {
            values.record(&mut Texts(&mut self.0.lock().unwrap().spans[place].fields));
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(place), Some(followed)) = (place(id, &context), place(follows, &context)) {
            self.0.lock().unwrap().spans[place].follows.push(followed);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Texts(&mut fields));
        let scope = context.event_scope(event).into_iter().flatten();
        let scope = scope.filter_map(|span| place(&span.id(), &context)).collect();
        self.0.lock().unwrap().events.push(EventSeen {
            level: *event.metadata().level(),
            message: fields.remove("message").unwrap_or_default(),
            fields,
            scope,
        });
    }
}
