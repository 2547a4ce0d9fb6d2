//! The table of what can stand in an `[[event]]`. Reading, writing, what an event of a kind must
//! and can have, and the messages about that follow from it.

/// A field of an event.
pub(super) struct EventField {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What its value is.
    pub(super) shape: ValueShape,
    /// What it says.
    pub(super) role: FieldRole,
}

/// What a value is in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueShape {
    Text,
    /// `true` or `false`.
    Flag,
    /// With a fraction or without.
    Number,
    /// A whole number.
    Whole,
    /// A whole number, not below 0.
    Count,
    /// A list of texts: the two ends of a link.
    Link,
    /// `"*"` for every link, or the two ends of one.
    LinkOrAll,
}

/// What a field says.
pub(super) enum FieldRole {
    /// When the event happens, and for how long.
    Time,
    /// What happens. An event has one of these.
    Action(ActionKind),
    /// More about an action whose kind takes it.
    Parameter,
}

/// What goes with an action.
pub(super) struct ActionKind {
    /// Its name in messages: the action's field, with its value where other fields go with others.
    pub(super) name: &'static str,
    /// The fields that it takes beside those of time, in the order in which messages list them.
    pub(super) takes: &'static [ActionParameter],
    /// Whether it lasts.
    pub(super) lasts: Lasts,
}

/// A field that an action takes.
pub(super) struct ActionParameter {
    /// The field's name.
    pub(super) name: &'static str,
    /// Where the action needs it: what is expected when it is missing.
    pub(super) needed: Option<&'static str>,
}

/// Whether an event of a kind has the field `lasts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// It can: something follows that undoes it.
    Optional,
    /// It cannot: nothing undoes it.
    Never,
    /// It must; with what is expected when it is missing.
    Needed(&'static str),
}

/// Every field, in the order in which files are written.
pub(super) static FIELDS: [EventField; 39] = [
    time("at"),
    time("after"),
    time("when_drained"),
    time("lasts"),
    action(
        "cut",
        ValueShape::Link,
        Lasts::Optional,
        &[may("one_way"), may("reset")],
    ),
    action("isolate", ValueShape::Text, Lasts::Optional, &[may("reset")]),
    action("heal", ValueShape::LinkOrAll, Lasts::Never, &[may("one_way")]),
    action(
        "delay",
        ValueShape::Link,
        Lasts::Optional,
        &[
            must("to", "the delay, such as to = \"300ms\""),
            may("jitter"),
            may("one_way"),
        ],
    ),
    action(
        "loss",
        ValueShape::Link,
        Lasts::Optional,
        &[
            must("percent", "the share of lost packets, such as percent = 2"),
            may("one_way"),
        ],
    ),
    action(
        "bandwidth",
        ValueShape::Link,
        Lasts::Optional,
        &[may("mbit"), may("one_way")],
    ),
    action("crash", ValueShape::Text, Lasts::Optional, &[may("lose_disk")]),
    action("restart", ValueShape::Text, Lasts::Never, &[]),
    action(
        "slow_disk",
        ValueShape::Text,
        Lasts::Optional,
        &[must("by", "how much longer a commit takes, such as by = \"50ms\"")],
    ),
    action("disk_full", ValueShape::Text, Lasts::Optional, &[]),
    action("disk_free", ValueShape::Text, Lasts::Never, &[]),
    action(
        "clock_step",
        ValueShape::Text,
        Lasts::Optional,
        &[must("by", "how far the clock jumps, such as by = \"-3s\"")],
    ),
    action(
        "clock_drift",
        ValueShape::Text,
        Lasts::Optional,
        &[must("ppm", "millionths that the clock gains, such as ppm = 200")],
    ),
    action("pause_replication", ValueShape::Text, Lasts::Optional, &[may("table")]),
    action("resume_replication", ValueShape::Text, Lasts::Never, &[may("table")]),
    action("add_replica", ValueShape::Text, Lasts::Optional, &[]),
    action("remove_replica", ValueShape::Text, Lasts::Optional, &[]),
    action(
        "shift",
        ValueShape::Text,
        Lasts::Optional,
        &[must("to", "where the clients go, such as to = \"eu-west-1\"")],
    ),
    action("shift_back", ValueShape::Text, Lasts::Never, &[]),
    action(
        "rate",
        ValueShape::Number,
        Lasts::Optional,
        &[may("workload"), may("region")],
    ),
    action("drain", ValueShape::Text, Lasts::Optional, &[]),
    action("undrain", ValueShape::Text, Lasts::Never, &[]),
    action(
        "swarm",
        ValueShape::Count,
        Lasts::Needed("the time within which it draws faults, such as lasts = \"40s\""),
        &[may("lose_disk")],
    ),
    parameter("one_way", ValueShape::Flag),
    parameter("reset", ValueShape::Flag),
    parameter("lose_disk", ValueShape::Flag),
    parameter("to", ValueShape::Text),
    parameter("by", ValueShape::Text),
    parameter("jitter", ValueShape::Text),
    parameter("percent", ValueShape::Number),
    parameter("mbit", ValueShape::Number),
    parameter("ppm", ValueShape::Whole),
    parameter("workload", ValueShape::Text),
    parameter("table", ValueShape::Text),
    parameter("region", ValueShape::Text),
];

/// `heal = "*"`, which takes less than a `heal` of one link.
pub(super) static HEAL_ALL: ActionKind = ActionKind {
    name: "heal = \"*\"",
    takes: &[],
    lasts: Lasts::Never,
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

/// The field of that name.
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

const fn action(name: &'static str, shape: ValueShape, lasts: Lasts, takes: &'static [ActionParameter]) -> EventField {
    let kind = ActionKind { name, takes, lasts };
    EventField {
        name,
        shape,
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
