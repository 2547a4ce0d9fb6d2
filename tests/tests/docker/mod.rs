//! The Docker engine: images from a static binary, networks with fixed addresses, and a bridge for
//! engines older than the client library.

use std::{path::Path, process::Stdio};

use futures_util::StreamExt;
use testcontainers::bollard::{
    API_DEFAULT_VERSION, Docker, body_full,
    models::{
        EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
        NetworkDisconnectRequest,
    },
    query_parameters::BuildImageOptionsBuilder,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

const SOCKET: &str = "/var/run/docker.sock";

/// Connects to the engine of this machine in a version of the API that the engine supports. Prints
/// a message and returns `None` if there is no engine.
pub async fn connect() -> Option<Docker> {
    let connected = async {
        Docker::connect_with_unix(SOCKET, 120, API_DEFAULT_VERSION)?
            .negotiate_version()
            .await
    };
    match connected.await {
        Ok(docker) => Some(docker),
        Err(error) => {
            assert!(
                std::env::var_os("BERINGIA_REQUIRE_DOCKER").is_none(),
                "a Docker engine is required here: {error}"
            );
            println!("skipped: no Docker engine answers at {SOCKET}: {error}");
            None
        }
    }
}

/// Returns whether the engine's command line is installed, which drills use to kill and disconnect
/// containers. Prints a message if it is not.
pub fn has_command_line() -> bool {
    let version = std::process::Command::new("docker").arg("version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("BERINGIA_REQUIRE_DOCKER").is_none(),
        "the command line of Docker is required here"
    );
    println!("skipped: there is no `docker` command");
    false
}

/// Builds the image `NAME:latest`, which contains only the binary.
pub async fn build_image(docker: &Docker, name: &str, binary: &Path) {
    let mut context = tar::Builder::new(Vec::new());
    // The engine does not support the entries for sparse files.
    context.sparse(false);
    let dockerfile = b"FROM scratch\nCOPY beringia /beringia\nENTRYPOINT [\"/beringia\"]\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    context
        .append_data(&mut header, "Dockerfile", dockerfile.as_slice())
        .expect("memory is writable");
    context
        .append_path_with_name(binary, "beringia")
        .expect("the binary is readable");
    let context = context.into_inner().expect("memory is writable");

    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(&format!("{name}:latest"))
        .rm(true)
        .build();
    let mut steps = docker.build_image(options, None, Some(body_full(context.into())));
    while let Some(step) = steps.next().await {
        step.unwrap_or_else(|error| panic!("the image is built: {error}"));
    }
}

/// Runs an ignored test of this binary in its own process, with the engine's address in its
/// environment.
pub async fn run_ignored_test(name: &str, engine: &str) {
    let status = tokio::process::Command::new(std::env::current_exe().expect("the running test has a path"))
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("DOCKER_HOST", engine)
        .stdin(Stdio::null())
        .status()
        .await
        .expect("the test starts");
    assert!(status.success(), "{name}: {status}");
}

/// A socket that forwards everything to the engine, and replaces the client's version of the API by
/// the engine's where the client's is newer. The client library has one version built in, and an
/// engine refuses any that is newer than its own.
pub struct Bridge {
    directory: tempfile::TempDir,
}

impl Bridge {
    /// Opens the bridge, which works until the runtime ends.
    pub async fn open(docker: &Docker) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("docker.sock")).expect("the directory is writable");
        let spoken = docker.client_version().to_string();
        let from = format!(" /v{API_DEFAULT_VERSION}/");
        let to = format!(" /v{spoken}/");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, from.clone(), to.clone()));
            }
        });
        Self { directory }
    }

    /// The address in the format of `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }
}

/// Forwards one connection, with the version replaced in each request line. A request line comes at
/// the beginning of a write.
async fn carry(client: UnixStream, from: String, to: String) {
    let Ok(engine) = UnixStream::connect(SOCKET).await else {
        return;
    };
    let (mut client_read, mut client_write) = client.into_split();
    let (mut engine_read, mut engine_write) = engine.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut engine_read, &mut client_write).await });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = client_read.read(&mut buffer).await {
        let chunk = &buffer[..read];
        let line_end = chunk.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let at = chunk[..line_end]
            .windows(from.len())
            .position(|window| window == from.as_bytes());
        let written = match at {
            Some(at) if at <= 7 => {
                engine_write
                    .write_all(&[&chunk[..at], to.as_bytes(), &chunk[at + from.len()..]].concat())
                    .await
            }
            _ => engine_write.write_all(chunk).await,
        };
        if written.is_err() {
            break;
        }
    }
    let _ = engine_write.shutdown().await;
    let _ = answers.await;
}

/// A network between containers, with addresses that survive a disconnect.
pub struct Network {
    docker: Docker,
    name: String,
    subnet: String,
}

impl Network {
    /// Creates the network, with a name and a subnet that only this process uses.
    pub async fn create(docker: Docker, prefix: &str) -> Self {
        let process = std::process::id();
        let name = format!("{prefix}-{process}");
        let subnet = format!("10.213.{}", process % 256);
        let ipam = Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(format!("{subnet}.0/24")),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let request = NetworkCreateRequest {
            name: name.clone(),
            internal: Some(true),
            ipam: Some(ipam),
            ..Default::default()
        };
        docker.create_network(request).await.expect("the network is created");
        Self { docker, name, subnet }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the member with this index.
    pub fn address(&self, member: usize) -> String {
        format!("{}.{}", self.subnet, 10 + member)
    }

    pub async fn connect(&self, container: &str, address: &str) {
        let ipam = EndpointIpamConfig {
            ipv4_address: Some(address.to_owned()),
            ..Default::default()
        };
        let endpoint = EndpointSettings {
            ipam_config: Some(ipam),
            ..Default::default()
        };
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint),
        };
        self.docker
            .connect_network(&self.name, request)
            .await
            .expect("the container is connected");
    }

    pub async fn disconnect(&self, container: &str) {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        self.docker
            .disconnect_network(&self.name, request)
            .await
            .expect("the container is disconnected");
    }

    /// Removes the network after its containers have gone.
    pub async fn remove(self) {
        self.docker
            .remove_network(&self.name)
            .await
            .expect("no container is left in the network");
    }
}
