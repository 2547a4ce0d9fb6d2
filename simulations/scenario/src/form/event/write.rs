//! Writes the `[[event]]`s of a scenario file.

use std::time::Duration;

use super::form::{EventForm, FieldValue, LinkOrAll, Text};
use crate::{Action, DiskFailures, Ends, Span, SwarmProfile, TimelineEvent, What, When, form::nowhere, time};

impl EventForm {
    /// Returns the form of an event.
    pub(in crate::form) fn of(event: &TimelineEvent) -> Self {
        let mut form = Self::default();
        match &event.at {
            When::After(span) => form.set("at", shown(*span)),
            When::AfterPrevious(span) => form.set("after", shown(*span)),
            When::AfterDrain(region, span) => {
                form.set("after", shown(*span));
                form.set("when_drained", FieldValue::text(region));
            }
        }
        if let Some(span) = event.lasts {
            form.set("lasts", shown(span));
        }
        match &event.what {
            What::Do(action) => form.set_action(action),
            What::Swarm {
                faults,
                lose_disk,
                profile,
            } => {
                form.set("swarm", FieldValue::Count(nowhere(*faults)));
                form.set_flag("lose_disk", *lose_disk);
                if *profile != SwarmProfile::default() {
                    form.set_text("profile", profile.name());
                }
            }
        }
        form
    }

    fn set_action(&mut self, action: &Action) {
        match action {
            Action::Delay { ends, delay, jitter } => {
                self.set_link("delay", ends);
                self.set("to", length(*delay));
                self.set("jitter", length(*jitter));
            }
            Action::Loss { ends, percent } => {
                self.set_link("loss", ends);
                self.set("percent", FieldValue::Number(nowhere(*percent)));
            }
            Action::Bandwidth { ends, mbit } => {
                self.set_link("bandwidth", ends);
                if let Some(mbit) = mbit {
                    self.set("mbit", FieldValue::Number(nowhere(*mbit)));
                }
            }
            Action::Cut { ends, reset } => {
                self.set_link("cut", ends);
                self.set_flag("reset", *reset);
            }
            Action::Isolate { region, reset } => {
                self.set_text("isolate", region);
                self.set_flag("reset", *reset);
            }
            Action::Heal(None) => self.set("heal", FieldValue::LinkOrAll(nowhere(LinkOrAll::All("*".to_owned())))),
            Action::Heal(Some(ends)) => {
                self.set("heal", FieldValue::LinkOrAll(nowhere(LinkOrAll::Link(pair(ends)))));
                self.set_flag("one_way", ends.one_way);
            }
            Action::Crash { region, lose_disk } => {
                self.set_text("crash", region);
                self.set_flag("lose_disk", *lose_disk);
            }
            Action::Restart { region } => self.set_text("restart", region),
            Action::CopyDisk { .. }
            | Action::RestoreDisk { .. }
            | Action::LosePower { .. }
            | Action::FailingDisk { .. }
            | Action::FlipBits { .. }
            | Action::SlowDisk { .. }
            | Action::DiskFull { .. } => self.set_disk_action(action),
            Action::ClockStep { region, by_ms } => {
                self.set_text("clock_step", region);
                self.set("by", FieldValue::text(time::show_signed_ms(*by_ms)));
            }
            Action::ClockDrift { region, ppm } => {
                self.set_text("clock_drift", region);
                self.set("ppm", FieldValue::Whole(nowhere(*ppm)));
            }
            Action::PauseReplication { region, table } => {
                self.set_text("pause_replication", region);
                self.set_name("table", table.as_deref());
            }
            Action::ResumeReplication { region, table } => {
                self.set_text("resume_replication", region);
                self.set_name("table", table.as_deref());
            }
            Action::AddReplica { region } => self.set_text("add_replica", region),
            Action::RemoveReplica { region } => self.set_text("remove_replica", region),
            Action::Shift { from, to } if from == to => self.set_text("shift_back", from),
            Action::Shift { from, to } => {
                self.set_text("shift", from);
                self.set_text("to", to);
            }
            Action::Rate {
                workload,
                region,
                per_second,
            } => {
                self.set("rate", FieldValue::Number(nowhere(*per_second)));
                self.set_name("workload", workload.as_deref());
                self.set_name("region", region.as_deref());
            }
            Action::Drain { region } => self.set_text("drain", region),
            Action::Undrain { region } => self.set_text("undrain", region),
        }
    }

    /// Sets the fields of an action on a disk.
    fn set_disk_action(&mut self, action: &Action) {
        match action {
            Action::CopyDisk { region } => self.set_text("copy_disk", region),
            Action::RestoreDisk { region } => self.set_text("restore_disk", region),
            Action::LosePower { region } => self.set_text("lose_power", region),
            Action::FailingDisk { region, failing } => {
                self.set_text("failing_disk", region);
                let DiskFailures { reads, writes, syncs } = *failing;
                for (name, percent) in [("reads", reads), ("writes", writes), ("syncs", syncs)] {
                    if percent > 0.0 {
                        self.set(name, FieldValue::Number(nowhere(percent)));
                    }
                }
            }
            Action::FlipBits { region, bits } => {
                self.set_text("flip_bits", region);
                self.set("bits", FieldValue::Whole(nowhere(i64::from(*bits))));
            }
            Action::SlowDisk { region, by } => {
                self.set_text("slow_disk", region);
                self.set("by", length(*by));
            }
            Action::DiskFull { region, full: true } => self.set_text("disk_full", region),
            Action::DiskFull { region, full: false } => self.set_text("disk_free", region),
            _ => {}
        }
    }

    fn set_text(&mut self, name: &'static str, text: &str) {
        self.set(name, FieldValue::text(text));
    }

    fn set_name(&mut self, field: &'static str, name: Option<&str>) {
        if let Some(name) = name {
            self.set_text(field, name);
        }
    }

    /// Sets a flag that differs from its default.
    fn set_flag(&mut self, name: &'static str, flag: bool) {
        if flag {
            self.set(name, FieldValue::Flag(nowhere(true)));
        }
    }

    fn set_link(&mut self, name: &'static str, ends: &Ends) {
        self.set(name, FieldValue::Link(nowhere(pair(ends))));
        self.set_flag("one_way", ends.one_way);
    }
}

fn pair(ends: &Ends) -> Vec<Text> {
    vec![nowhere(ends.from.clone()), nowhere(ends.to.clone())]
}

fn length(length: Duration) -> FieldValue {
    FieldValue::text(time::show(length))
}

fn shown(span: Span) -> FieldValue {
    FieldValue::text(time::show_span(span))
}
