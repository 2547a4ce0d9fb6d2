//! Plays the source of a copy or a repair, and this region's store.

use std::collections::{BTreeSet, VecDeque};

use beringia_item::{Mutation, VersionVector};
use beringia_replication::{
    Command, DialId, StoreAnswer, StoreCall, Ticket,
    message::{KeyPage, PeerAnswer, Question, RangeSpan, Reply, Request, RowPage, TableVectors, ToReceiver, ToSource},
};
use beringia_storage_types::{RemoteBatch, TableDigest};

use crate::support::ScriptedRegion;

/// The source answers the request for its vector with which a copy begins.
pub fn begins(script: &mut ScriptedRegion, link: DialId, question: u64, vector: VersionVector) -> Vec<Command> {
    let digest = TableDigest {
        vector,
        ranges: Vec::new(),
        unknown: BTreeSet::new(),
    };
    replies(script, link, question, PeerAnswer::Digest(digest))
}

/// The source answers a request.
pub fn replies(script: &mut ScriptedRegion, link: DialId, id: u64, answer: PeerAnswer) -> Vec<Command> {
    script.source_says(link, ToReceiver::Reply(Reply { id, answer }))
}

/// The rows of a span, as its last page of keys.
pub fn key_page(rows: &[Mutation], span: &RangeSpan) -> KeyPage {
    let inside = rows.iter().filter(|row| span.contains(&row.key));
    KeyPage {
        rows: inside
            .map(|row| (row.key.clone(), row.version.clone().into()))
            .collect(),
        last: true,
    }
}

/// Answers a request or a read of a copy or a repair, with these rows at the source and those in
/// this region's store. Returns the commands that follow.
pub fn answered(
    script: &mut ScriptedRegion,
    link: DialId,
    command: Command,
    source_rows: &[Mutation],
    own_rows: &[Mutation],
) -> Vec<Command> {
    match command {
        Command::SendToSource(sent, ToSource::Request(Request { id, question, .. })) if sent == link => {
            let answer = match question {
                Question::Keys { span, .. } => PeerAnswer::Keys(key_page(source_rows, &span)),
                Question::Rows { keys } => PeerAnswer::Rows(RowPage {
                    mutations: source_rows
                        .iter()
                        .filter(|row| keys.contains(&row.key))
                        .cloned()
                        .collect(),
                    answered: keys.len(),
                }),
                Question::Digest { .. } => panic!("the copy has started already"),
            };
            replies(script, link, id, answer)
        }
        Command::Call(ticket, StoreCall::Keys { span, .. }) => {
            script.answer(ticket, StoreAnswer::Keys(key_page(own_rows, &span)))
        }
        _ => Vec::new(),
    }
}

/// Answers the requests and calls of a copy or a repair, with these rows at the source and those in
/// this region's store. Returns what is applied, and the commit that sets the vector, which is left
/// unanswered.
pub fn range_syncs(
    script: &mut ScriptedRegion,
    link: DialId,
    commands: Vec<Command>,
    source_rows: &[Mutation],
    own_rows: &[Mutation],
) -> (Option<(Ticket, RemoteBatch)>, Vec<RemoteBatch>) {
    let mut commands = VecDeque::from(commands);
    let mut applied = Vec::new();
    while let Some(command) = commands.pop_front() {
        let more = match command {
            Command::Call(ticket, StoreCall::Apply(apply)) if !apply.progress.is_empty() => {
                return (Some((ticket, apply)), applied);
            }
            Command::Call(ticket, StoreCall::Apply(apply)) => {
                let newer = apply.mutations.len();
                applied.push(apply);
                applies(script, ticket, newer)
            }
            other => answered(script, link, other, source_rows, own_rows),
        };
        commands.extend(more);
    }
    (None, applied)
}

/// The store has applied a batch of copied rows.
pub fn applies(script: &mut ScriptedRegion, ticket: Ticket, newer: usize) -> Vec<Command> {
    let vectors = TableVectors::new();
    script.answer(ticket, StoreAnswer::Applied { vectors, newer })
}

/// As [`range_syncs`], for a copy, which ends with that commit.
pub fn copies(
    script: &mut ScriptedRegion,
    link: DialId,
    commands: Vec<Command>,
    source_rows: &[Mutation],
    own_rows: &[Mutation],
) -> ((Ticket, RemoteBatch), Vec<RemoteBatch>) {
    let (end, applied) = range_syncs(script, link, commands, source_rows, own_rows);
    (end.expect("the copy ends"), applied)
}
