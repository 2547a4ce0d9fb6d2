//! The supported actions of experiments.

use serde::Serialize;

/// The action that pauses the replication of tables.
pub(crate) const PAUSE: &str = "aws:dynamodb:global-table-pause-replication";
/// The action that only waits.
pub(crate) const WAIT: &str = "aws:fis:wait";
/// The resource type of the targets of [`PAUSE`].
pub(crate) const GLOBAL_TABLE: &str = "aws:dynamodb:global-table";
/// The name of the target in [`PAUSE`].
pub(crate) const TABLES: &str = "Tables";
/// The parameter that both actions take.
pub(crate) const DURATION: &str = "duration";

/// An action as GetAction returns it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionDescription {
    pub(crate) id: &'static str,
    arn: String,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    targets: Targets,
    tags: NoTags,
}

impl ActionDescription {
    /// The action as ListActions returns it.
    pub(crate) fn summary(self) -> Self {
        Self {
            parameters: None,
            ..self
        }
    }
}

/// The only parameter is the duration.
#[derive(Debug, Clone, Serialize)]
struct Parameters {
    duration: Parameter,
}

#[derive(Debug, Clone, Serialize)]
struct Parameter {
    description: &'static str,
    required: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Targets {
    #[serde(rename = "Tables", skip_serializing_if = "Option::is_none")]
    tables: Option<TargetType>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetType {
    resource_type: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct NoTags {}

/// Both actions, sorted by id.
pub(crate) fn all(region: &str, account: &str) -> [ActionDescription; 2] {
    let describe = |id: &'static str, description, targets| ActionDescription {
        id,
        arn: format!("arn:aws:fis:{region}:{account}:action/{id}"),
        description,
        parameters: Some(Parameters {
            duration: Parameter {
                description: "How long, in ISO 8601: PT1S to PT12H.",
                required: true,
            },
        }),
        targets,
        tags: NoTags {},
    };
    let tables = Targets {
        tables: Some(TargetType {
            resource_type: GLOBAL_TABLE,
        }),
    };
    [
        describe(
            PAUSE,
            "Pauses the replication of global tables in their regions, to and from all other replicas.",
            tables,
        ),
        describe(WAIT, "Waits for the given duration.", Targets { tables: None }),
    ]
}
