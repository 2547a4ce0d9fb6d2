//! Checks whether a template can be carried out, and translates it to steps.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, SpanRelativeTo};

use crate::{
    action::{DURATION, GLOBAL_TABLE, PAUSE, TABLES, WAIT},
    error::FisError,
    faults::TableReplica,
    model::{Action, CreateTemplate, StopCondition, Target},
};

/// The maximum duration of an action (AWS FIS user guide, actions reference).
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(12);
/// The minimum duration of an action. AWS requires a minute.
const DURATION_MIN: SignedDuration = SignedDuration::from_secs(1);
/// The maximum number of actions in a template (AWS FIS user guide, quotas).
const ACTIONS_MAX: usize = 20;
/// The maximum number of ARNs in a target, as in the API's model.
const ARNS_MAX: usize = 5;

/// An action that passed its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long the action lasts.
    pub(crate) duration: Duration,
    /// The target whose tables are paused; `None` for an action that only waits.
    pub(crate) pauses: Option<String>,
    /// The actions that must complete before this one starts.
    pub(crate) after: Vec<String>,
}

/// Which of a target's resources an experiment uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All resources of the target.
    All,
    /// This number of resources, at random.
    Count(usize),
    /// This percentage of the resources, at random, rounded down, but at least one.
    Percent(usize),
}

impl Selection {
    /// The number of selected resources, out of `all`.
    pub(crate) fn of(self, all: usize) -> usize {
        match self {
            Self::All => all,
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => (all * percent / 100).max(usize::from(all > 0)),
        }
    }
}

/// Checks everything about a template that can be rejected.
pub(crate) fn check(template: &CreateTemplate) -> Result<BTreeMap<String, Step>, FisError> {
    length("clientToken", &template.client_token, 1, 1024)?;
    length("description", &template.description, 1, 512)?;
    length("roleArn", &template.role_arn, 20, 2048)?;
    stop_conditions(&template.stop_conditions)?;
    if template.log_configuration.is_some() {
        return refused("logConfiguration is not supported: remove it");
    }
    if template.experiment_report_configuration.is_some() {
        return refused("experimentReportConfiguration is not supported: remove it");
    }
    one_of(
        "accountTargeting",
        &template.experiment_options.account_targeting,
        &["single-account"],
    )?;
    one_of(
        "emptyTargetResolutionMode",
        &template.experiment_options.empty_target_resolution_mode,
        &["fail", "skip"],
    )?;
    for (name, target) in &template.targets {
        check_target(name, target)?;
    }
    steps(&template.actions, &template.targets)
}

/// Translates the actions of a template to steps.
pub(crate) fn steps(
    actions: &BTreeMap<String, Action>,
    targets: &BTreeMap<String, Target>,
) -> Result<BTreeMap<String, Step>, FisError> {
    if actions.is_empty() || actions.len() > ACTIONS_MAX {
        return refused(format!("actions: expected 1 to {ACTIONS_MAX}"));
    }
    let mut steps = BTreeMap::new();
    for (name, action) in actions {
        for other in &action.start_after {
            if !actions.contains_key(other) {
                return refused(format!(
                    "action {name}: startAfter names {other}, which is not an action of the template"
                ));
            }
        }
        steps.insert(name.clone(), step(name, action, targets)?);
    }
    in_order(&steps)?;
    Ok(steps)
}

fn refused<T>(message: impl Into<String>) -> Result<T, FisError> {
    Err(FisError::validation(message))
}

fn length(name: &str, value: &str, min: usize, max: usize) -> Result<(), FisError> {
    if (min..=max).contains(&value.chars().count()) {
        return Ok(());
    }
    refused(format!("{name}: expected {min} to {max} characters"))
}

fn one_of(name: &str, value: &str, known: &[&str]) -> Result<(), FisError> {
    if known.contains(&value) {
        return Ok(());
    }
    refused(format!(
        "{name}: `{value}` is not supported, expected {}",
        known.join(" or ")
    ))
}

fn stop_conditions(conditions: &[StopCondition]) -> Result<(), FisError> {
    if conditions.is_empty() {
        return refused("stopConditions: expected one with the source `none`");
    }
    match conditions.iter().find(|condition| condition.source != "none") {
        None => Ok(()),
        Some(condition) => refused(format!(
            "the stop condition source `{}` is not supported, because there are no alarms: use `none`",
            condition.source
        )),
    }
}

fn check_target(name: &str, target: &Target) -> Result<(), FisError> {
    if target.resource_type != GLOBAL_TABLE {
        return refused(format!(
            "target {name}: the resource type `{}` is not supported, expected {GLOBAL_TABLE}",
            target.resource_type
        ));
    }
    if !target.resource_tags.is_empty() || !target.filters.is_empty() || !target.parameters.is_empty() {
        return refused(format!(
            "target {name}: select tables by resourceArns; resourceTags, filters and parameters are not supported"
        ));
    }
    if target.resource_arns.is_empty() || target.resource_arns.len() > ARNS_MAX {
        return refused(format!(
            "target {name}: resourceArns: expected 1 to {ARNS_MAX} ARNs of tables"
        ));
    }
    for arn in &target.resource_arns {
        replica(arn).ok_or_else(|| {
            FisError::validation(format!(
                "target {name}: `{arn}` is not the ARN of a table, expected arn:aws:dynamodb:REGION:ACCOUNT:table/NAME"
            ))
        })?;
    }
    selection(name, &target.selection_mode).map(drop)
}

/// The replica that a table's ARN denotes.
pub(crate) fn replica(arn: &str) -> Option<TableReplica> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, _account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let table = resource.strip_prefix("table/")?;
    let is_whole = prefix == "arn" && service == "dynamodb" && !region.is_empty() && !table.is_empty();
    (is_whole && !table.contains('/')).then(|| TableReplica {
        region: region.to_owned(),
        table: table.to_owned(),
    })
}

/// Parses the selection mode of a target.
pub(crate) fn selection(name: &str, mode: &str) -> Result<Selection, FisError> {
    let number = |prefix: &str| mode.strip_prefix(prefix)?.strip_suffix(')')?.parse::<usize>().ok();
    match (mode, number("COUNT("), number("PERCENT(")) {
        ("ALL", ..) => Ok(Selection::All),
        (_, Some(count @ 1..), _) => Ok(Selection::Count(count)),
        (_, _, Some(percent @ 1..=100)) => Ok(Selection::Percent(percent)),
        _ => refused(format!(
            "target {name}: selectionMode: `{mode}` is not valid, expected ALL, COUNT(n) or PERCENT(n)"
        )),
    }
}

fn step(name: &str, action: &Action, targets: &BTreeMap<String, Target>) -> Result<Step, FisError> {
    if let Some(other) = action.parameters.keys().find(|parameter| *parameter != DURATION) {
        return refused(format!("action {name}: {} has no parameter {other}", action.action_id));
    }
    let pauses = match action.action_id.as_str() {
        WAIT => {
            if !action.targets.is_empty() {
                return refused(format!("action {name}: {WAIT} has no targets"));
            }
            None
        }
        PAUSE => {
            let target = action.targets.get(TABLES).filter(|_| action.targets.len() == 1);
            let Some(target) = target else {
                return refused(format!("action {name}: expected one target, called {TABLES}"));
            };
            if !targets.contains_key(target) {
                return refused(format!("action {name}: {target} is not a target of the template"));
            }
            Some(target.clone())
        }
        other => {
            return refused(format!(
                "action {name}: the action `{other}` is not supported, expected {PAUSE} or {WAIT}"
            ));
        }
    };
    Ok(Step {
        duration: duration(name, action.parameters.get(DURATION))?,
        pauses,
        after: action.start_after.clone(),
    })
}

fn duration(name: &str, text: Option<&String>) -> Result<Duration, FisError> {
    let Some(text) = text else {
        return refused(format!("action {name}: the parameter {DURATION} is missing"));
    };
    // The parser of durations also accepts other forms.
    let span = text.starts_with('P').then(|| text.parse::<jiff::Span>().ok()).flatten();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    match length.filter(|length| (DURATION_MIN..=DURATION_MAX).contains(length)) {
        Some(length) => Ok(length.unsigned_abs()),
        None => refused(format!(
            "action {name}: {DURATION}: `{text}` is not a valid duration, expected PT1S to PT12H in ISO 8601, such as PT5M"
        )),
    }
}

/// Rejects actions that wait for each other in a cycle.
fn in_order(steps: &BTreeMap<String, Step>) -> Result<(), FisError> {
    let mut done: Vec<&String> = Vec::new();
    while done.len() < steps.len() {
        let next = steps
            .iter()
            .find(|(name, step)| !done.contains(name) && step.after.iter().all(|other| done.contains(&other)));
        let Some((name, _)) = next else {
            let stuck = steps.keys().find(|name| !done.contains(name));
            return refused(format!(
                "action {}: startAfter forms a cycle",
                stuck.map_or("", String::as_str)
            ));
        };
        done.push(name);
    }
    Ok(())
}
