//! Serves the receiver's requests, from the question to the reply.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};
use beringia_storage_types::StoreError;

use crate::{
    context::Context,
    event::{AcceptId, Command, StoreAnswer, StoreCall},
    message::{Goodbye, PeerAnswer, Question, Reply, Request, ToReceiver},
    out::{Out, Purpose},
};

/// The requests of a stream that the store is working on.
#[derive(Debug, Clone)]
pub(super) struct Serving {
    link: AcceptId,
    /// The table of each request.
    tables: BTreeMap<u64, TableId>,
}

impl Serving {
    pub(super) const fn new(link: AcceptId) -> Self {
        Self {
            link,
            tables: BTreeMap::new(),
        }
    }

    /// Passes the peer's question on to the store. Fails if the peer has too many requests pending.
    pub(super) fn request(
        &mut self,
        context: &Context,
        out: &mut Out,
        peer: &Region,
        request: Request,
    ) -> Result<(), Goodbye> {
        let Request { id, table, question } = request;
        if self.tables.len() >= context.tuning.requests_max || self.tables.contains_key(&id) {
            return Err(Goodbye::for_now("too many requests are pending"));
        }
        if !context.serves(table) {
            self.reply(out, id, PeerAnswer::Unavailable(not_served(context, table)));
            return Ok(());
        }
        // A source that does not know of the replica could collect a tombstone while the replica
        // copies rows that the tombstone deletes.
        if !context.has_replica(peer, table) {
            let reason = format!(
                "{} does not know that {peer} has a replica of table {table}",
                context.region
            );
            self.reply(out, id, PeerAnswer::Unavailable(reason));
            return Ok(());
        }
        let call = match question {
            Question::Digest { as_of } => StoreCall::Digest { table, as_of },
            Question::Keys { span, after } => StoreCall::Keys {
                table,
                span,
                after,
                max: context.tuning.keys_per_page,
            },
            Question::Rows { keys } => StoreCall::Rows {
                table,
                keys,
                max_bytes: context.tuning.reply_bytes,
            },
        };
        self.tables.insert(id, table);
        debug_assert!(
            self.tables.len() <= context.tuning.requests_max,
            "a receiver with too many requests is hung up on"
        );
        out.call(Purpose::Serve(self.link, id), call);
        Ok(())
    }

    /// Replies with the store's answer.
    pub(super) fn on_answer(
        &mut self,
        context: &Context,
        out: &mut Out,
        id: u64,
        result: Result<StoreAnswer, StoreError>,
    ) {
        let Some(table) = self.tables.remove(&id) else {
            return;
        };
        let answer = match result {
            _ if !context.serves(table) => PeerAnswer::Unavailable(not_served(context, table)),
            Ok(StoreAnswer::Digest(digest)) => PeerAnswer::Digest(digest),
            Ok(StoreAnswer::Keys(page)) => PeerAnswer::Keys(page),
            Ok(StoreAnswer::Rows(page)) => PeerAnswer::Rows(page),
            Ok(other) => PeerAnswer::Unavailable(format!("the store gave an unexpected answer: {other:?}")),
            Err(failure) => PeerAnswer::Unavailable(failure.to_string()),
        };
        self.reply(out, id, answer);
    }

    fn reply(&self, out: &mut Out, id: u64, answer: PeerAnswer) {
        let reply = ToReceiver::Reply(Reply { id, answer });
        out.push(Command::SendToReceiver(self.link, reply));
    }
}

fn not_served(context: &Context, table: TableId) -> String {
    let region = &context.region;
    if context.paused.contains(&table) {
        format!("the replication of table {table} is paused in {region}")
    } else {
        format!("{region} does not serve table {table}")
    }
}
