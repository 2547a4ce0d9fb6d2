//! Writing the `[[event]]`s of a scenario file.

use std::time::Duration;

use toml::Spanned;

use super::{EventForm, Healed, Pair, nowhere};
use crate::{Action, Ends, Event, Span, What, When, time};

impl EventForm {
    /// The form of an event.
    pub(in crate::form) fn of(event: &Event) -> Self {
        let shown = |span: &Span| Some(nowhere(time::show_span(*span)));
        let (at, after, when_drained) = match &event.at {
            When::After(span) => (shown(span), None, None),
            When::AfterPrevious(span) => (None, shown(span), None),
            When::AfterDrain(region, span) => (None, shown(span), Some(nowhere(region.clone()))),
        };
        let form = match &event.what {
            What::Do(action) => Self::of_action(action),
            What::Swarm { faults, lose_disk } => Self {
                swarm: Some(nowhere(*faults)),
                lose_disk: set(*lose_disk),
                ..Self::default()
            },
        };
        Self {
            at,
            after,
            when_drained,
            lasts: event.lasts.map(|span| nowhere(time::show_span(span))),
            ..form
        }
    }

    fn of_action(action: &Action) -> Self {
        let mut form = Self::default();
        let some = |text: &str| Some(nowhere(text.to_owned()));
        let length = |length: &Duration| Some(nowhere(time::show(*length)));
        match action {
            Action::Delay { ends, delay, jitter } => {
                form.delay = form.pair(ends);
                (form.to, form.jitter) = (length(delay), length(jitter));
            }
            Action::Loss { ends, percent } => {
                form.loss = form.pair(ends);
                form.percent = Some(nowhere(*percent));
            }
            Action::Bandwidth { ends, mbit } => {
                form.bandwidth = form.pair(ends);
                form.mbit = mbit.map(nowhere);
            }
            Action::Cut { ends, reset } => {
                form.cut = form.pair(ends);
                form.reset = set(*reset);
            }
            Action::Isolate { region, reset } => (form.isolate, form.reset) = (some(region), set(*reset)),
            Action::Heal(None) => form.heal = Some(nowhere(Healed::All("*".to_owned()))),
            Action::Heal(Some(ends)) => {
                form.heal = form.pair(ends).map(|pair| nowhere(Healed::Link(pair.into_inner())));
            }
            Action::Crash { region, lose_disk } => (form.crash, form.lose_disk) = (some(region), set(*lose_disk)),
            Action::Restart { region } => form.restart = some(region),
            Action::SlowDisk { region, by } => (form.slow_disk, form.by) = (some(region), length(by)),
            Action::DiskFull { region, full: true } => form.disk_full = some(region),
            Action::DiskFull { region, full: false } => form.disk_free = some(region),
            Action::ClockStep { region, by_ms } => {
                (form.clock_step, form.by) = (some(region), some(&time::show_signed_ms(*by_ms)));
            }
            Action::ClockDrift { region, ppm } => (form.clock_drift, form.ppm) = (some(region), Some(nowhere(*ppm))),
            Action::PauseReplication { region, table } => {
                form.pause_replication = some(region);
                form.table = table.clone().map(nowhere);
            }
            Action::ResumeReplication { region, table } => {
                form.resume_replication = some(region);
                form.table = table.clone().map(nowhere);
            }
            Action::AddReplica { region } => form.add_replica = some(region),
            Action::RemoveReplica { region } => form.remove_replica = some(region),
            Action::Shift { from, to } if from == to => form.shift_back = some(from),
            Action::Shift { from, to } => (form.shift, form.to) = (some(from), some(to)),
            Action::Rate {
                workload,
                region,
                per_second,
            } => {
                form.rate = Some(nowhere(*per_second));
                form.workload = workload.clone().map(nowhere);
                form.region = region.clone().map(nowhere);
            }
            Action::Drain { region } => form.drain = some(region),
            Action::Undrain { region } => form.undrain = some(region),
        }
        form
    }

    fn pair(&mut self, ends: &Ends) -> Option<Pair> {
        self.one_way = set(ends.one_way);
        Some(nowhere(vec![nowhere(ends.from.clone()), nowhere(ends.to.clone())]))
    }
}

/// A flag, where it is not what it is without saying.
fn set(flag: bool) -> Option<Spanned<bool>> {
    flag.then(|| nowhere(true))
}
