//! `record`: writes down what clients do and what happens to the network of running regions, as a scenario.

mod events;
mod scenario;
mod writing;

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_host::fleet::Fleet;
use beringia_proto::v1::{
    ControlRecordRequest, ControlRecorded, ControlStatusRequest, ControlTable, ControlTablesRequest, LinkReport,
    RegionReport, control_recorded::What,
};
use beringia_scenario::{Action, Scenario};
use clap::Args;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::{control::ControlArguments, quantity::parse_seconds};

use self::{
    events::{Links, initial},
    writing::Writing,
};
use crate::{
    failure::Failure,
    output::{self, Format},
};

/// Write down what clients do and what happens to the network, as a scenario.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Write down what the clients of running regions do to items (in which region, when, with which parameters) and what is done to \
        the regions and the links between them meanwhile (`net`, `drain`, `region-fail` and so on), as a scenario that `beringia sim run` \
        plays again in virtual time. The tables are taken as they are when the recording begins, with their items.\n\n\
        It ends after --duration, or with Ctrl-C. Operations that are not on items (CreateTable, UpdateTable and so on) are left out; tables \
        that appear meanwhile are there from the beginning of the scenario. The operations go to a file of their own beside the scenario as they \
        come (monday.jsonl beside monday.toml), which may be longer than memory. A recording holds what the clients sent: keep it as carefully as the tables \
        themselves.",
    after_help = "Examples:\n  beringia record --out monday.toml --duration 60\n  beringia sim run monday.toml\n  \
        beringia sim run monday.toml --set policy=merge      what would have become of it with another policy"
)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The scenario file to write, and beside it one with the extension jsonl; what is there already is not touched.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How long, in seconds; without it, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// Of each table at most so many items are taken.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) items: u64,
}

/// What was recorded, as programs read it.
#[derive(Debug, Serialize)]
struct RecordedJson<'a> {
    file: String,
    recording: String,
    duration_ms: u64,
    operations: u64,
    tables: Vec<&'a str>,
    events: usize,
    /// What came faster than it could be written down, and is not there.
    missed: u64,
}

/// What is known of the regions when a recording begins.
struct Beginning {
    at: Instant,
    wall_ms: u64,
    links: Vec<LinkReport>,
    regions: Vec<RegionReport>,
}

/// What is listened to.
struct Listening {
    /// Of each control service: when it began to tell, and what it tells.
    events: Vec<(Duration, Streaming<ControlRecorded>)>,
    /// The tables and their items: the place of each control service, and what it has.
    tables: Vec<(usize, Streaming<ControlTable>)>,
}

/// What happened beside operations, and how much was missed.
#[derive(Default)]
struct Heard {
    happened: Vec<(Duration, What)>,
    missed: u64,
}

/// Records until the time is over or the user ends it, and writes the scenario.
pub(crate) async fn run(arguments: &RecordArguments, format: Format) -> Result<(), Failure> {
    let path = &arguments.out;
    let beside = path.with_extension("jsonl");
    if beside == *path {
        return Err(Failure::wrong(format!(
            "{} is where the operations go: name the scenario, such as {}",
            path.display(),
            path.with_extension("toml").display()
        )));
    }
    // Before anything is recorded: whether there is room for it.
    let file = create(path)?;
    let created = create(&beside).map(|file| Writing::new(file, &beside));
    let recorded = match created {
        Ok(writing) => record(arguments, file, writing).await.inspect_err(|_| remove(&beside)),
        Err(failure) => Err(failure),
    };
    let (scenario, writing, missed) = recorded.inspect_err(|_| remove(path))?;
    say(path, &beside, &scenario, &writing, missed, format)
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create_new(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "; name another file with --out",
            _ => "",
        };
        Failure::wrong(format!("cannot write {}: {error}{hint}", path.display()))
    })
}

fn remove(path: &PathBuf) {
    drop(std::fs::remove_file(path));
}

async fn record(
    arguments: &RecordArguments,
    file: File,
    mut writing: Writing,
) -> Result<(Scenario, Writing, u64), Failure> {
    let fleet = arguments.control.connect().await?;
    let (beginning, listening) = begin(&fleet, arguments.items).await?;
    output::note(&format!(
        "recording from now on; Ctrl-C ends it and writes {}",
        arguments.out.display()
    ));
    let heard = listen(listening, &beginning, arguments, &mut writing).await?;
    let lasted = beginning.at.elapsed();
    // Those that appeared meanwhile.
    for (place, mut tables) in ask_for_tables(&fleet, 0).await? {
        while let Some(table) = tables.message().await? {
            writing.table(place, table, 0)?;
        }
    }
    writing.end()?;
    let mut events = initial(&beginning.links, &beginning.regions);
    let mut now = Links::of(beginning.links.clone());
    for (at, what) in heard.happened {
        events.extend(now.action(what).map(|action| (at, action)));
    }
    let scenario = scenario::of(&arguments.out, &fleet, &beginning, &writing, lasted, events).await?;
    scenario::write(&scenario, file, &arguments.out)?;
    Ok((scenario, writing, heard.missed))
}

/// Has all control services tell from now on, and asks how things are.
async fn begin(fleet: &Fleet, items_max: u64) -> Result<(Beginning, Listening), Failure> {
    let at = Instant::now();
    let wall_ms = SystemClock.now_ms();
    let mut events = Vec::new();
    for mut client in fleet.clients() {
        let mut told = client.record(ControlRecordRequest {}).await?.into_inner();
        // From the first message on all is told.
        told.message().await?;
        events.push((at.elapsed(), told));
    }
    let status = fleet
        .ask(|mut client| async move { client.status(ControlStatusRequest {}).await })
        .await?
        .replies;
    let beginning = Beginning {
        at,
        wall_ms,
        links: status.iter().flat_map(|reply| reply.links.clone()).collect(),
        regions: status.into_iter().flat_map(|reply| reply.regions).collect(),
    };
    let tables = ask_for_tables(fleet, items_max).await?;
    Ok((beginning, Listening { events, tables }))
}

async fn ask_for_tables(fleet: &Fleet, items_max: u64) -> Result<Vec<(usize, Streaming<ControlTable>)>, Failure> {
    let mut tables = Vec::new();
    for (place, mut client) in fleet.clients().enumerate() {
        let asked = client.tables(ControlTablesRequest { items_max }).await?;
        tables.push((place, asked.into_inner()));
    }
    Ok(tables)
}

/// Writes down all that is told until the time is over or the user ends it, and all that was in the tables.
async fn listen(
    listening: Listening,
    beginning: &Beginning,
    arguments: &RecordArguments,
    writing: &mut Writing,
) -> Result<Heard, Failure> {
    let progress = output::progress_bar();
    progress.enable_steady_tick(Duration::from_millis(100));
    let ends = async {
        match arguments.duration {
            Some(duration) => tokio::time::sleep_until(beginning.at + duration).await,
            None => std::future::pending().await,
        }
    };
    let mut ends = std::pin::pin!(ends);
    let mut user = std::pin::pin!(tokio::signal::ctrl_c());
    let mut told = stream::select_all(
        listening
            .events
            .into_iter()
            .map(|(offset, events)| placed(offset, events)),
    );
    // One after the other: of a table that several have, the first tells all.
    let mut tables = stream::iter(listening.tables).flat_map(|(place, tables)| placed(place, tables));
    let mut has_tables = true;
    let mut heard = Heard::default();
    loop {
        tokio::select! {
            biased;
            () = &mut ends => break,
            _ = &mut user => break,
            message = told.next() => match message {
                Some((offset, message)) => heard.take(offset, message?, writing)?,
                None => return Err(Failure::NotSo("the regions that were recorded are gone".to_owned())),
            },
            page = tables.next(), if has_tables => match page {
                Some((place, page)) => writing.table(place, page?, arguments.items)?,
                None => has_tables = false,
            },
        }
        progress.set_message(format!(
            "{} operations, {} events",
            writing.operations(),
            heard.happened.len()
        ));
    }
    // What was in the tables is needed whole.
    while let Some((place, page)) = tables.next().await.filter(|_| has_tables) {
        writing.table(place, page?, arguments.items)?;
    }
    progress.finish_and_clear();
    heard.happened.sort_by_key(|(at, _)| *at);
    Ok(heard)
}

/// Each message with where it comes from.
fn placed<P: Copy, T>(place: P, messages: Streaming<T>) -> impl Stream<Item = (P, Result<T, Status>)> + Unpin {
    messages.map(move |message| (place, message))
}

impl Heard {
    fn take(&mut self, offset: Duration, message: ControlRecorded, writing: &mut Writing) -> Result<(), Failure> {
        let at = offset + Duration::from_micros(message.at_us);
        self.missed += message.missed;
        match message.what {
            None => Ok(()),
            Some(What::Call(call)) => writing.operation(at, call),
            Some(what) => {
                self.happened.push((at, what));
                Ok(())
            }
        }
    }
}

fn say(
    path: &Path,
    beside: &Path,
    scenario: &Scenario,
    writing: &Writing,
    missed: u64,
    format: Format,
) -> Result<(), Failure> {
    if missed > 0 {
        output::note(&format!(
            "{missed} operations came faster than they could be written down, and are left out"
        ));
    }
    let said = RecordedJson {
        file: path.display().to_string(),
        recording: beside.display().to_string(),
        duration_ms: u64::try_from(scenario.duration.as_millis()).unwrap_or(u64::MAX),
        operations: writing.operations(),
        tables: writing.tables().collect(),
        events: scenario.events.len(),
        missed,
    };
    match format {
        Format::Json => output::json(&said),
        Format::Text => output::line(&format!(
            "{}: {} (in {}) on {} and {} in {:.1} s; `beringia sim run {}` plays it",
            said.file,
            counted(said.operations, "operation"),
            said.recording,
            counted(said.tables.len() as u64, "table"),
            counted(said.events as u64, "event"),
            scenario.duration.as_secs_f64(),
            said.file
        )),
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What happened when, as actions of a scenario.
type Happened = Vec<(Duration, Action)>;
