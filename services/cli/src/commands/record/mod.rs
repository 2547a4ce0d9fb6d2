//! `record`: records what clients do and what happens to the network of running regions, as a
//! scenario.

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
    error::CommandError,
    output::{self, Format},
};

/// Record what clients do and what happens to the network, as a scenario.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Record the item operations of the clients of running regions (region, time and \
        parameters) and what is done meanwhile to the regions and the links between them (`net`, \
        `drain`, `region-fail` and so on), as a scenario that `beringia sim run` plays in virtual \
        time. The recording begins with the tables and their items as they are.\n\n\
        It ends after --duration, or with Ctrl-C. Operations on tables (CreateTable, UpdateTable \
        and so on) are left out; tables that are created meanwhile exist from the beginning of the \
        scenario. The operations go to a file beside the scenario as they arrive (monday.jsonl \
        beside monday.toml), so a recording may be larger than memory. A recording contains what \
        the clients sent: protect it like the tables themselves.",
    after_help = "Examples:\n  beringia record --out monday.toml --duration 60\n  beringia sim run monday.toml\n  \
        beringia sim run monday.toml --set policy=merge      the same operations under another policy"
)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The scenario file to write; the operations go beside it, with the extension jsonl. Existing
    /// files are not overwritten.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How long to record, in seconds; without it, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// The most items to record of each table at the beginning.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) items: u64,
}

/// A summary of the recording, as programs read it.
#[derive(Debug, Serialize)]
struct RecordedJson<'a> {
    file: String,
    recording: String,
    duration_ms: u64,
    operations: u64,
    tables: Vec<&'a str>,
    events: usize,
    /// Operations that arrived faster than they could be recorded, and are missing.
    missed: u64,
}

/// The state of the regions when a recording begins.
struct Beginning {
    at: Instant,
    wall_ms: u64,
    links: Vec<LinkReport>,
    regions: Vec<RegionReport>,
}

/// The streams that a recording reads.
struct Listening {
    /// For each control service, when its stream began, and the stream.
    events: Vec<(Duration, Streaming<ControlRecorded>)>,
    /// The tables and their items: the index of each control service, and its stream.
    tables: Vec<(usize, Streaming<ControlTable>)>,
}

/// The recorded events other than operations, and how many operations were missed.
#[derive(Default)]
struct Heard {
    happened: Vec<(Duration, What)>,
    missed: u64,
}

/// Records until the duration is over or the user stops it, and writes the scenario.
pub(crate) async fn run(arguments: &RecordArguments, format: Format) -> Result<(), CommandError> {
    let path = &arguments.out;
    let beside = path.with_extension("jsonl");
    if beside == *path {
        return Err(CommandError::usage(format!(
            "{} is the name of the file for the operations: name the scenario with --out, such as {}",
            path.display(),
            path.with_extension("toml").display()
        )));
    }
    // Both files are created before anything is recorded, so that a missing permission shows at
    // once.
    let file = create(path)?;
    let created = create(&beside).map(|file| Writing::new(file, &beside));
    let recorded = match created {
        Ok(writing) => record(arguments, file, writing).await.inspect_err(|_| remove(&beside)),
        Err(failure) => Err(failure),
    };
    let (scenario, writing, missed) = recorded.inspect_err(|_| remove(path))?;
    print_report(path, &beside, &scenario, &writing, missed, format)
}

fn create(path: &Path) -> Result<File, CommandError> {
    File::create_new(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "; name another file with --out",
            _ => "",
        };
        CommandError::usage(format!("cannot write {}: {error}{hint}", path.display()))
    })
}

fn remove(path: &PathBuf) {
    drop(std::fs::remove_file(path));
}

async fn record(
    arguments: &RecordArguments,
    file: File,
    mut writing: Writing,
) -> Result<(Scenario, Writing, u64), CommandError> {
    let fleet = arguments.control.connect().await?;
    let (beginning, listening) = begin(&fleet, arguments.items).await?;
    output::note(&format!(
        "recording; Ctrl-C stops it and writes {}",
        arguments.out.display()
    ));
    let heard = listen(listening, &beginning, arguments, &mut writing).await?;
    let lasted = beginning.at.elapsed();
    // The tables that were created during the recording.
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

/// Starts the streams of all control services, and asks for the state of the regions.
async fn begin(fleet: &Fleet, items_max: u64) -> Result<(Beginning, Listening), CommandError> {
    let at = Instant::now();
    let wall_ms = SystemClock.now_ms();
    let mut events = Vec::new();
    for mut client in fleet.clients() {
        let mut recorded = client.record(ControlRecordRequest {}).await?.into_inner();
        // The first message means that the stream has started: nothing after it is missed.
        recorded.message().await?;
        events.push((at.elapsed(), recorded));
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

async fn ask_for_tables(fleet: &Fleet, items_max: u64) -> Result<Vec<(usize, Streaming<ControlTable>)>, CommandError> {
    let mut tables = Vec::new();
    for (place, mut client) in fleet.clients().enumerate() {
        let asked = client.tables(ControlTablesRequest { items_max }).await?;
        tables.push((place, asked.into_inner()));
    }
    Ok(tables)
}

/// Writes down all events until the duration is over or the user stops it, and the items of all
/// tables.
async fn listen(
    listening: Listening,
    beginning: &Beginning,
    arguments: &RecordArguments,
    writing: &mut Writing,
) -> Result<Heard, CommandError> {
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
    let mut recorded = stream::select_all(
        listening
            .events
            .into_iter()
            .map(|(offset, events)| placed(offset, events)),
    );
    // One service after the other: a table that several services have is recorded from the first.
    let mut tables = stream::iter(listening.tables).flat_map(|(place, tables)| placed(place, tables));
    let mut has_tables = true;
    let mut heard = Heard::default();
    loop {
        tokio::select! {
            biased;
            () = &mut ends => break,
            _ = &mut user => break,
            message = recorded.next() => match message {
                Some((offset, message)) => heard.take(offset, message?, writing)?,
                None => return Err(CommandError::CheckFailed("the recorded regions have stopped".to_owned())),
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
    // The items of the tables are needed completely.
    while let Some((place, page)) = tables.next().await.filter(|_| has_tables) {
        writing.table(place, page?, arguments.items)?;
    }
    progress.finish_and_clear();
    heard.happened.sort_by_key(|(at, _)| *at);
    Ok(heard)
}

/// The messages of a stream, each with the place that identifies the stream.
fn placed<P: Copy, T>(place: P, messages: Streaming<T>) -> impl Stream<Item = (P, Result<T, Status>)> + Unpin {
    messages.map(move |message| (place, message))
}

impl Heard {
    fn take(&mut self, offset: Duration, message: ControlRecorded, writing: &mut Writing) -> Result<(), CommandError> {
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

fn print_report(
    path: &Path,
    beside: &Path,
    scenario: &Scenario,
    writing: &Writing,
    missed: u64,
    format: Format,
) -> Result<(), CommandError> {
    if missed > 0 {
        output::note(&format!(
            "{missed} operations arrived faster than they could be recorded, and are missing from the recording"
        ));
    }
    let report = RecordedJson {
        file: path.display().to_string(),
        recording: beside.display().to_string(),
        duration_ms: u64::try_from(scenario.duration.as_millis()).unwrap_or(u64::MAX),
        operations: writing.operations(),
        tables: writing.tables().collect(),
        events: scenario.events.len(),
        missed,
    };
    match format {
        Format::Json => output::json(&report),
        Format::Text => output::line(&format!(
            "{}: {} (in {}) on {} and {} in {:.1} s; `beringia sim run {}` plays it",
            report.file,
            counted(report.operations, "operation"),
            report.recording,
            counted(report.tables.len() as u64, "table"),
            counted(report.events as u64, "event"),
            scenario.duration.as_secs_f64(),
            report.file
        )),
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Events with their times, as actions of a scenario.
type Happened = Vec<(Duration, Action)>;
