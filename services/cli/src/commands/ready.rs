//! The announcement that all regions accept requests.

use beringia_host::Addresses;
use serde::Serialize;

use super::control::DEFAULT_CONTROL;
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// The addresses that `up` and `region` announce once they serve.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    event: &'static str,
    control: String,
    /// The endpoint for all regions; the region's own endpoint where there is only one region.
    endpoint: String,
    regions: Vec<ReadyRegion>,
    #[serde(skip)]
    verifies: bool,
    /// Whether any link has an estimated delay.
    #[serde(skip)]
    has_estimates: bool,
}

#[derive(Debug, Serialize)]
struct ReadyRegion {
    name: String,
    dynamodb: String,
    replication: String,
}

impl Ready {
    pub(crate) fn of(addresses: &Addresses, has_estimates: bool) -> Self {
        let regions: Vec<ReadyRegion> = addresses
            .regions
            .iter()
            .map(|region| ReadyRegion {
                name: region.name.clone(),
                dynamodb: region.dynamodb.clone(),
                replication: region.replication.clone(),
            })
            .collect();
        let endpoint = addresses
            .endpoint
            .clone()
            .or_else(|| regions.first().map(|region| region.dynamodb.clone()))
            .unwrap_or_default();
        Self {
            event: "ready",
            control: addresses.control.clone(),
            endpoint,
            regions,
            verifies: addresses.verifies,
            has_estimates,
        }
    }

    /// Prints the addresses; as text, with commands to try.
    pub(crate) fn announce(&self, format: Format) -> Result<(), CommandError> {
        if format == Format::Json {
            return output::json(self);
        }
        let rows = self
            .regions
            .iter()
            .map(|region| [region.name.clone(), region.dynamodb.clone(), region.replication.clone()]);
        let all = (self.regions.len() > 1).then(|| ["all regions".to_owned(), self.endpoint.clone(), String::new()]);
        output::table(["REGION", "DYNAMODB", "REPLICATION"], rows.chain(all))?;
        output::line(&self.hints())
    }

    /// Commands to try: the AWS CLI, Python, and `beringia status`.
    fn hints(&self) -> String {
        let Self { control, endpoint, .. } = self;
        let region = self.regions.first().map_or("us-east-1", |region| region.name.as_str());
        let at = if control == DEFAULT_CONTROL {
            String::new()
        } else {
            format!(" --control {control}")
        };
        let (credentials, who) = if self.verifies {
            (
                "",
                "Requests must be signed with one of the given access keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).",
            )
        } else {
            (
                ", aws_access_key_id='any', aws_secret_access_key='any'",
                "Any access key is accepted.",
            )
        };
        let estimates = if self.has_estimates {
            let regions = "Delays between regions without measurements are estimated from their distance";
            format!("\n{regions}; `beringia net{at} show` marks them.")
        } else {
            String::new()
        };
        format!(
            "\nTry:\n  beringia{at} aws dynamodb list-tables --region {region}\n  \
             boto3.resource('dynamodb', endpoint_url='{endpoint}', region_name='{region}'{credentials})\n  \
             eval \"$(beringia env{at})\"\n  beringia status{at}\n{estimates}\n{who} Stop with Ctrl-C."
        )
    }
}
