//! Reads, as functions of a snapshot and a view. Nothing here writes.

mod digests;
mod direct;
mod items;
mod journal;
mod log;
mod past;
mod range;
mod reading;
mod rows;
mod streams;

pub use self::direct::SnapshotReader;
pub(crate) use self::{
    digests::{digest, digest_as_of},
    items::{get, get_many},
    journal::{conflicts, explain, prunable, unreachable, unshipped},
    log::{backlog, log_position, read_log, read_recent, recent_backlog},
    past::get_many_at,
    range::range,
    reading::Reading,
    rows::{is_damaged, mutations_of, raw_rows},
    streams::{read_stream, streams},
};
