//! The control services that a command talks to: one for `up`, several if regions are processes of
//! their own.

use std::{collections::BTreeMap, error::Error as _, time::Duration};

use beringia_proto::v1::{
    ControlDescribeReply, ControlDescribeRequest, ControlDigestsRequest, HostedRegion, RegionDigests,
    control_client::ControlClient,
};
use beringia_scenario::RegionOptions;
use futures_util::future::{BoxFuture, join_all};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

/// The client of one control service.
pub type Client = ControlClient<Channel>;

/// The largest answer that is accepted, bytes: each image of a conflict can have 400 KB.
const MAX_ANSWER_BYTES: usize = 256 << 20;
/// How long a control service may take to accept a connection, and to answer a keepalive.
const PATIENCE: Duration = Duration::from_secs(3);

/// The reason why a request to the control services failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The address does not have the form of one.
    #[error("`{0}` is not a control address: expected one such as http://127.0.0.1:9090")]
    Address(String),
    /// The server at the address is not a control service.
    #[error("the server at {address} is not a beringia control service ({message})")]
    Foreign {
        /// The address, as `--control` or its default gives it.
        address: String,
        /// The message of the gRPC status that it answered with.
        message: String,
    },
    /// No control service answers at any of these addresses.
    #[error(
        "no control service answers at {}: is `beringia up` running? If it uses another address, give it with --control",
        .0.join(", ")
    )]
    Silent(Vec<String>),
    /// No control service hosts a region with this name.
    #[error("no region `{region}` at the control address; the regions there are {known}")]
    UnknownRegion {
        /// The region that a command named.
        region: String,
        /// The hosted regions, separated by commas.
        known: String,
    },
    /// No process models the links between its regions.
    #[error(
        "no network model here: these regions are processes of their own (`beringia region`), and the network between them is the real \
         one; `beringia up` has a model whose links can be changed"
    )]
    NoNetwork,
    /// A control service refused the request.
    #[error("{}", .0.message())]
    Refused(#[from] Status),
}

/// All control services that a command was given.
pub struct Fleet {
    members: Vec<Member>,
}

/// One control service, reached or not.
struct Member {
    address: String,
    client: Client,
    /// Its description of itself; `None` if it did not answer.
    description: Option<ControlDescribeReply>,
}

/// The answers of the control services.
pub struct Answers<T> {
    /// One answer for each service that gave one, in the order of the addresses.
    pub replies: Vec<T>,
    /// The addresses that did not answer.
    pub silent: Vec<String>,
}

impl Fleet {
    /// Asks every address which regions it hosts. Addresses that do not answer stay members, since
    /// they may come back ([`Fleet::silent`] names them).
    ///
    /// # Errors
    /// If an address is malformed, if a server is not a control service, or if none answers.
    pub fn connect(addresses: &[String]) -> BoxFuture<'_, Result<Self, ControlError>> {
        Box::pin(Self::describe_all(addresses))
    }

    async fn describe_all(addresses: &[String]) -> Result<Self, ControlError> {
        let clients = addresses
            .iter()
            .map(|address| client(address))
            .collect::<Result<Vec<_>, _>>()?;
        let descriptions = join_all(clients.iter().map(|(address, client)| {
            let mut client = client.clone();
            async move {
                match client.describe(ControlDescribeRequest {}).await {
                    Ok(reply) => Ok(Some(reply.into_inner())),
                    Err(status) if is_silence(&status) => Ok(None),
                    Err(status) => Err(ControlError::Foreign {
                        address: address.clone(),
                        message: status.message().to_owned(),
                    }),
                }
            }
        }))
        .await;
        let mut members = Vec::with_capacity(clients.len());
        for ((address, client), description) in clients.into_iter().zip(descriptions) {
            members.push(Member {
                address,
                client,
                description: description?,
            });
        }
        let silent = members
            .iter()
            .filter(|m| m.description.is_none())
            .map(|m| m.address.clone())
            .collect::<Vec<_>>();
        if silent.len() == members.len() {
            return Err(ControlError::Silent(silent));
        }
        Ok(Self { members })
    }

    /// The addresses that did not answer the first request.
    pub fn silent(&self) -> impl Iterator<Item = &str> {
        let silent = self.members.iter().filter(|member| member.description.is_none());
        silent.map(|member| member.address.as_str())
    }

    /// Makes the same request to every control service. Those that do not answer are listed in
    /// [`Answers::silent`].
    ///
    /// # Errors
    /// If one refuses, or none answers.
    pub async fn ask<T, Answer>(&self, call: impl Fn(Client) -> Answer) -> Result<Answers<T>, ControlError>
    where
        Answer: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let results = join_all(self.members.iter().map(|member| call(member.client.clone()))).await;
        let mut answers = Answers {
            replies: Vec::new(),
            silent: Vec::new(),
        };
        for (member, result) in self.members.iter().zip(results) {
            match result {
                Ok(reply) => answers.replies.push(reply.into_inner()),
                Err(status) if is_silence(&status) => answers.silent.push(member.address.clone()),
                Err(status) => return Err(status.into()),
            }
        }
        if answers.replies.is_empty() {
            return Err(ControlError::Silent(answers.silent));
        }
        Ok(answers)
    }

    /// The digests of the tables of all regions.
    ///
    /// # Errors
    /// As for [`Fleet::ask`].
    pub fn digests(
        &self,
        request: ControlDigestsRequest,
    ) -> BoxFuture<'_, Result<Answers<RegionDigests>, ControlError>> {
        Box::pin(async move {
            let Answers { replies, silent } = self
                .ask(|mut client| async move { client.digests(request).await })
                .await?;
            let replies = replies.into_iter().flat_map(|reply| reply.regions).collect();
            Ok(Answers { replies, silent })
        })
    }

    /// The control service of the process that hosts this region.
    ///
    /// # Errors
    /// If none does; the error names the hosted regions.
    pub fn hosting(&self, region: &str) -> Result<Client, ControlError> {
        self.members
            .iter()
            .find(|member| member.hosted().any(|name| name == region))
            .map(|member| member.client.clone())
            .ok_or_else(|| {
                let known: Vec<&str> = self.members.iter().flat_map(Member::hosted).collect();
                ControlError::UnknownRegion {
                    region: region.to_owned(),
                    known: known.join(", "),
                }
            })
    }

    /// The control service of the process that models the links between its regions.
    ///
    /// # Errors
    /// If none does.
    pub fn modelling_links(&self) -> Result<Client, ControlError> {
        self.members
            .iter()
            .find(|member| member.has_network())
            .map(|member| member.client.clone())
            .ok_or(ControlError::NoNetwork)
    }

    /// The control service of the process with the endpoint for all regions; `None` if the regions
    /// are processes of their own.
    pub fn serving_all_regions(&self) -> Option<Client> {
        let has_endpoint = |description: &ControlDescribeReply| !description.endpoint.is_empty();
        let serving = self
            .members
            .iter()
            .find(|member| member.description.as_ref().is_some_and(has_endpoint));
        serving.map(|member| member.client.clone())
    }

    /// Whether one of the processes models the links between its regions.
    pub fn has_network(&self) -> bool {
        self.members.iter().any(Member::has_network)
    }

    /// For each region, `host:port` of its DynamoDB endpoint as reported by its process.
    pub fn dynamodb(&self) -> BTreeMap<String, String> {
        let hosted = self.members.iter().flat_map(|m| &m.description).flat_map(|d| &d.hosted);
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        hosted.map(|h| (h.name.clone(), address(&h.dynamodb))).collect()
    }

    /// URL of the endpoint for clients: the one that serves all regions, else that of `region`,
    /// else that of the first hosted region. `None` if no region is hosted.
    pub fn endpoint(&self, region: Option<&str>) -> Option<String> {
        let descriptions = || self.members.iter().flat_map(|member| &member.description);
        let for_all = descriptions().map(|d| &d.endpoint).find(|url| !url.is_empty());
        let hosted = || descriptions().flat_map(|d| &d.hosted);
        let named = || hosted().find(|hosted| region == Some(hosted.name.as_str()));
        let own = || named().or_else(|| hosted().next()).map(|hosted| &hosted.dynamodb);
        for_all.or_else(own).cloned()
    }

    /// The behaviour that the regions were started with. Where they differ, the strongest of each
    /// kind.
    pub fn behaviour(&self) -> RegionOptions {
        let hosted = || self.members.iter().flat_map(|m| &m.description).flat_map(|d| &d.hosted);
        let most = |ms: fn(&HostedRegion) -> u64| hosted().map(ms).max().map(Duration::from_millis);
        RegionOptions {
            throttling: hosted().any(|region| region.throttling),
            stale_reads: most(|region| region.stale_reads_ms).unwrap_or_default(),
            slow_changes: most(|region| region.slow_changes_ms).unwrap_or_default(),
            max_unreachable: most(|region| region.max_unreachable_ms),
        }
    }

    /// All regions of the topology, in its order.
    pub fn topology(&self) -> Vec<String> {
        self.members
            .iter()
            .find_map(|m| m.description.as_ref())
            .map(|d| d.topology.clone())
            .unwrap_or_default()
    }

    /// The regions of the topology that no given address hosts. Empty while an address has not
    /// answered, since it may host them.
    pub fn not_hosted(&self) -> Vec<String> {
        if self.members.iter().any(|m| m.description.is_none()) {
            return Vec::new();
        }
        self.topology()
            .into_iter()
            .filter(|name| !self.members.iter().flat_map(Member::hosted).any(|h| h == name))
            .collect()
    }

    /// The clients of all members that have answered.
    pub fn clients(&self) -> impl Iterator<Item = Client> {
        self.members
            .iter()
            .filter(|m| m.description.is_some())
            .map(|m| m.client.clone())
    }
}

impl Member {
    fn has_network(&self) -> bool {
        self.description.as_ref().is_some_and(|d| d.has_network)
    }

    /// The names of the regions that it hosts.
    fn hosted(&self) -> impl Iterator<Item = &str> {
        self.description
            .iter()
            .flat_map(|d| d.hosted.iter().map(|h| h.name.as_str()))
    }
}

/// Creates a client of the control service at an address, without connecting yet.
fn client(address: &str) -> Result<(String, Client), ControlError> {
    let address = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let endpoint = Endpoint::from_shared(address.clone())
        .ok()
        .filter(|endpoint| endpoint.uri().authority().is_some() && endpoint.uri().scheme_str() == Some("http"))
        .ok_or_else(|| ControlError::Address(address.clone()))?;
    let channel = endpoint
        .tcp_nodelay(true)
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE)
        .connect_lazy();
    Ok((
        address,
        ControlClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES),
    ))
}

/// Whether there was no answer, rather than a refusal.
fn is_silence(status: &Status) -> bool {
    // A status sent by a service has no source; a connection error has one.
    status.source().is_some()
        || matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
        )
}
