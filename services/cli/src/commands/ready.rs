//! The announcement that all regions accept requests.

use beringia_host::Addresses;
use serde::Serialize;

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
}

#[derive(Debug, Serialize)]
struct ReadyRegion {
    name: String,
    dynamodb: String,
    replication: String,
}

impl Ready {
    pub(crate) fn of(addresses: &Addresses) -> Self {
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
        let (keys, who) = if self.verifies {
            ("", "Requests must be signed with one of the given access keys.")
        } else {
            (
                "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any ",
                "Any access key is accepted.",
            )
        };
        let credentials = if self.verifies {
            ""
        } else {
            ", aws_access_key_id='any', aws_secret_access_key='any'"
        };
        format!(
            "\nTry:\n  {keys}aws dynamodb list-tables --endpoint-url {endpoint} --region {region}\n  \
             boto3.resource('dynamodb', endpoint_url='{endpoint}', region_name='{region}'{credentials})\n  \
             beringia status --control {control}\n\n{who} Stop with Ctrl-C."
        )
    }
}
