//! The actions that there are.

use serde::Serialize;

/// The action that pauses the replication of tables.
pub(crate) const PAUSE: &str = "aws:dynamodb:global-table-pause-replication";
/// The action that does nothing for a while.
pub(crate) const WAIT: &str = "aws:fis:wait";
/// What the first one is done to.
pub(crate) const GLOBAL_TABLE: &str = "aws:dynamodb:global-table";
/// How the first one calls its target.
pub(crate) const TABLES: &str = "Tables";
/// The parameter of both.
pub(crate) const DURATION: &str = "duration";

/// An action as GetAction describes it.
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
    /// The same as ListActions tells it.
    pub(crate) fn summary(self) -> Self {
        Self {
            parameters: None,
            ..self
        }
    }
}

/// The one parameter.
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

/// Both actions, in the order of their ids.
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
        describe(WAIT, "Does nothing for a while.", Targets { tables: None }),
    ]
}
