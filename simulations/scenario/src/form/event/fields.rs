//! The table of the fields of an `[[event]]`. Reading, writing, the fields that each kind of event
//! must or can have, and the messages about them follow from this table.

use self::{
    ActionType::{Heal, Link, Rate, Region, Swarm},
    Lasts::{Needed, Never, Optional},
    LinkAction::*,
    RegionAction::*,
};

/// A field of an event.
pub(super) struct EventField {
    pub(super) name: &'static str,
    /// The type of its value.
    pub(super) shape: ValueShape,
    /// The role of the field in an event.
    pub(super) role: FieldRole,
}

/// The type of a value in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueShape {
    Text,
    Flag,
    /// A number, with a fraction or without.
    Number,
    Whole,
    /// A whole number that is not negative.
    Count,
    /// A list of texts: the two ends of a link.
    Link,
    /// `"*"` for every link, or the two ends of one.
    LinkOrAll,
}

/// The role of a field in an event.
pub(super) enum FieldRole {
    /// When the event happens, and for how long.
    Time,
    /// The action of an event, which has exactly one such field.
    Action(ActionKind),
    /// A parameter of an action whose kind takes it.
    Parameter,
}

/// The properties of an action.
pub(super) struct ActionKind {
    /// Its name in messages: the action's field, with its value if that decides which other fields
    /// it takes.
    pub(super) name: &'static str,
    pub(super) action: ActionType,
    /// The fields that it takes in addition to those of time, in the order in which messages list
    /// them.
    pub(super) takes: &'static [ActionParameter],
    /// Whether the action can be undone after some time.
    pub(super) lasts: Lasts,
}

/// An action, by the type of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActionType {
    /// An action on the link between two regions.
    Link(LinkAction),
    /// An action on a single region.
    Region(RegionAction),
    /// Opens every link, or the links between two regions.
    Heal,
    /// Sets the operations per second.
    Rate,
    /// Draws this number of faults.
    Swarm,
}

/// An action on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkAction {
    Cut,
    Delay,
    Loss,
    Bandwidth,
}

/// An action on a region, its replicas or its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionAction {
    Isolate,
    Crash,
    Restart,
    CopyDisk,
    RestoreDisk,
    LosePower,
    FailingDisk,
    FlipBits,
    SlowDisk,
    DiskFull,
    DiskFree,
    ClockStep,
    ClockDrift,
    PauseReplication,
    ResumeReplication,
    AddReplica,
    RemoveReplica,
    Shift,
    ShiftBack,
    Drain,
    Undrain,
}

impl ActionType {
    /// The type of its value in TOML.
    const fn shape(self) -> ValueShape {
        match self {
            Link(_) => ValueShape::Link,
            Region(_) => ValueShape::Text,
            Heal => ValueShape::LinkOrAll,
            Rate => ValueShape::Number,
            Swarm => ValueShape::Count,
        }
    }
}

/// A field that an action takes.
pub(super) struct ActionParameter {
    pub(super) name: &'static str,
    /// The expected value, in words, if the action needs the field and it is missing.
    pub(super) needed: Option<&'static str>,
}

/// Whether an event of a kind has the field `lasts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// It can have `lasts`: something follows that undoes it.
    Optional,
    /// It cannot have `lasts`: nothing undoes it.
    Never,
    /// It must have `lasts`. Holds what is expected, in words, if it is missing.
    Needed(&'static str),
}

/// Every field, in the order in which files are written.
pub(super) static FIELDS: [EventField; 49] = [
    time("at"),
    time("after"),
    time("when_drained"),
    time("lasts"),
    action("cut", Link(Cut), Optional, &[may("one_way"), may("reset")]),
    action("isolate", Region(Isolate), Optional, &[may("reset")]),
    action("heal", Heal, Never, &[may("one_way")]),
    action(
        "delay",
        Link(Delay),
        Optional,
        &[
            must("to", "the delay, such as to = \"300ms\""),
            may("jitter"),
            may("one_way"),
        ],
    ),
    action(
        "loss",
        Link(Loss),
        Optional,
        &[
            must("percent", "the share of lost packets, such as percent = 2"),
            may("one_way"),
        ],
    ),
    action("bandwidth", Link(Bandwidth), Optional, &[may("mbit"), may("one_way")]),
    action("crash", Region(Crash), Optional, &[may("lose_disk")]),
    action("restart", Region(Restart), Never, &[]),
    action("copy_disk", Region(CopyDisk), Never, &[]),
    action("restore_disk", Region(RestoreDisk), Optional, &[]),
    action("lose_power", Region(LosePower), Optional, &[]),
    action(
        "failing_disk",
        Region(FailingDisk),
        Optional,
        &[may("reads"), may("writes"), may("syncs")],
    ),
    action(
        "flip_bits",
        Region(FlipBits),
        Never,
        &[must("bits", "the number of bits that change, such as bits = 5")],
    ),
    action(
        "slow_disk",
        Region(SlowDisk),
        Optional,
        &[must("by", "how much longer a commit takes, such as by = \"50ms\"")],
    ),
    action("disk_full", Region(DiskFull), Optional, &[]),
    action("disk_free", Region(DiskFree), Never, &[]),
    action(
        "clock_step",
        Region(ClockStep),
        Optional,
        &[must("by", "how far the clock jumps, such as by = \"-3s\"")],
    ),
    action(
        "clock_drift",
        Region(ClockDrift),
        Optional,
        &[must("ppm", "millionths that the clock gains, such as ppm = 200")],
    ),
    action("pause_replication", Region(PauseReplication), Optional, &[may("table")]),
    action("resume_replication", Region(ResumeReplication), Never, &[may("table")]),
    action("add_replica", Region(AddReplica), Optional, &[]),
    action("remove_replica", Region(RemoveReplica), Optional, &[]),
    action(
        "shift",
        Region(Shift),
        Optional,
        &[must("to", "where the clients go, such as to = \"eu-west-1\"")],
    ),
    action("shift_back", Region(ShiftBack), Never, &[]),
    action("rate", Rate, Optional, &[may("workload"), may("region")]),
    action("drain", Region(Drain), Optional, &[]),
    action("undrain", Region(Undrain), Never, &[]),
    action(
        "swarm",
        Swarm,
        Needed("the time within which it draws faults, such as lasts = \"40s\""),
        &[may("lose_disk"), may("profile")],
    ),
    parameter("one_way", ValueShape::Flag),
    parameter("reset", ValueShape::Flag),
    parameter("lose_disk", ValueShape::Flag),
    parameter("profile", ValueShape::Text),
    parameter("to", ValueShape::Text),
    parameter("by", ValueShape::Text),
    parameter("jitter", ValueShape::Text),
    parameter("percent", ValueShape::Number),
    parameter("reads", ValueShape::Number),
    parameter("writes", ValueShape::Number),
    parameter("syncs", ValueShape::Number),
    parameter("bits", ValueShape::Whole),
    parameter("mbit", ValueShape::Number),
    parameter("ppm", ValueShape::Whole),
    parameter("workload", ValueShape::Text),
    parameter("table", ValueShape::Text),
    parameter("region", ValueShape::Text),
];

/// `heal = "*"`, which takes fewer parameters than a `heal` of one link.
pub(super) static HEAL_ALL: ActionKind = ActionKind {
    name: "heal = \"*\"",
    action: Heal,
    takes: &[],
    lasts: Never,
};

/// The names of [`FIELDS`], in their order.
pub(super) const NAMES: [&str; FIELDS.len()] = {
    let mut names = [""; FIELDS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = FIELDS[index].name;
        index += 1;
    }
    names
};

/// Returns the field with that name.
pub(super) fn field(name: &str) -> Option<&'static EventField> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The fields that say what happens, of which an event has one.
pub(crate) fn actions() -> Vec<&'static str> {
    let is_action = |field: &&EventField| matches!(field.role, FieldRole::Action(_));
    FIELDS.iter().filter(is_action).map(|field| field.name).collect()
}

const fn time(name: &'static str) -> EventField {
    EventField {
        name,
        shape: ValueShape::Text,
        role: FieldRole::Time,
    }
}

const fn action(name: &'static str, action: ActionType, lasts: Lasts, takes: &'static [ActionParameter]) -> EventField {
    let kind = ActionKind {
        name,
        action,
        takes,
        lasts,
    };
    EventField {
        name,
        shape: action.shape(),
        role: FieldRole::Action(kind),
    }
}

const fn parameter(name: &'static str, shape: ValueShape) -> EventField {
    EventField {
        name,
        shape,
        role: FieldRole::Parameter,
    }
}

const fn may(name: &'static str) -> ActionParameter {
    ActionParameter { name, needed: None }
}

const fn must(name: &'static str, expected: &'static str) -> ActionParameter {
    ActionParameter {
        name,
        needed: Some(expected),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn actions_take_parameters_and_all_parameters_are_taken() {
        let names: BTreeSet<&str> = NAMES.into_iter().collect();
        assert_eq!(names.len(), FIELDS.len(), "each field is in the table once");
        let mut parameters = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for field in &FIELDS {
            match &field.role {
                FieldRole::Time => {}
                FieldRole::Parameter => {
                    parameters.insert(field.name);
                }
                FieldRole::Action(kind) => taken.extend(kind.takes.iter().map(|parameter| parameter.name)),
            }
        }
        assert_eq!(taken, parameters);
    }
}
