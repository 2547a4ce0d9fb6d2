//! The documents of the API, as far as they are supported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A map of names to values.
pub(crate) type Words = BTreeMap<String, String>;

/// The request of CreateExperimentTemplate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateTemplate {
    pub(crate) client_token: String,
    pub(crate) description: String,
    pub(crate) stop_conditions: Vec<StopCondition>,
    #[serde(default)]
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) actions: BTreeMap<String, Action>,
    pub(crate) role_arn: String,
    #[serde(default)]
    pub(crate) tags: Words,
    #[serde(default)]
    pub(crate) experiment_options: TemplateOptions,
    pub(crate) log_configuration: Option<Value>,
    pub(crate) experiment_report_configuration: Option<Value>,
}

/// The request of StartExperiment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartExperiment {
    pub(crate) client_token: String,
    pub(crate) experiment_template_id: String,
    #[serde(default)]
    pub(crate) experiment_options: StartOptions,
    #[serde(default)]
    pub(crate) tags: Words,
}

/// A condition that ends an experiment early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StopCondition {
    pub(crate) source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

/// The resources that actions apply to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) resource_type: String,
    #[serde(default)]
    pub(crate) resource_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) resource_tags: Words,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) filters: Vec<Value>,
    pub(crate) selection_mode: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: Words,
}

/// An action of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    pub(crate) action_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) parameters: Words,
    #[serde(default)]
    pub(crate) targets: Words,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) start_after: Vec<String>,
}

/// Options for all experiments of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TemplateOptions {
    pub(crate) account_targeting: String,
    pub(crate) empty_target_resolution_mode: String,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self {
            account_targeting: "single-account".to_owned(),
            empty_target_resolution_mode: "fail".to_owned(),
        }
    }
}

/// The options of one experiment: whether its actions are carried out (`run-all`) or skipped
/// (`skip-all`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StartOptions {
    pub(crate) actions_mode: String,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            actions_mode: "run-all".to_owned(),
        }
    }
}

/// A template as answers show it. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) actions: BTreeMap<String, Action>,
    pub(crate) stop_conditions: Vec<StopCondition>,
    pub(crate) creation_time: f64,
    pub(crate) last_update_time: f64,
    pub(crate) role_arn: String,
    pub(crate) tags: Words,
    pub(crate) experiment_options: TemplateOptions,
    pub(crate) target_account_configurations_count: u64,
}

/// An experiment as answers show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Experiment {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) experiment_template_id: String,
    pub(crate) role_arn: String,
    pub(crate) state: State,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) actions: BTreeMap<String, ActionRun>,
    pub(crate) stop_conditions: Vec<StopCondition>,
    pub(crate) creation_time: f64,
    pub(crate) start_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<f64>,
    pub(crate) tags: Words,
    pub(crate) experiment_options: ExperimentOptions,
    pub(crate) target_account_configurations_count: u64,
}

/// Options of an experiment as answers show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExperimentOptions {
    #[serde(flatten)]
    pub(crate) of_template: TemplateOptions,
    pub(crate) actions_mode: String,
}

/// An action of an experiment as answers show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionRun {
    #[serde(flatten)]
    pub(crate) action: Action,
    pub(crate) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<f64>,
}

/// The status of an experiment or an action, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) reason: String,
}

impl State {
    pub(crate) fn new(status: Status, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { status, reason }
    }
}

/// The status of an experiment or an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not started yet; waits for earlier actions.
    Pending,
    /// The experiment's targets are being resolved.
    Initiating,
    /// In progress, with its faults in effect.
    Running,
    /// Ended as planned, after its full duration.
    Completed,
    /// Being ended early by request.
    Stopping,
    /// Ended early by request.
    Stopped,
    /// Failed; the reason is given.
    Failed,
    /// Never started, because the experiment ended early.
    Cancelled,
    /// Left out: the experiment skips actions, or the target resolved to nothing.
    Skipped,
}

impl Status {
    /// Whether the status no longer changes.
    pub(crate) const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Initiating | Self::Running | Self::Stopping)
    }
}
