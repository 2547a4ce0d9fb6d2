//! What travels between two regions, and in which order: messages, and queues of them by number.

use std::{collections::BTreeMap, fmt::Write as _};

use beringia_replication::message::{PeerAnswer, Reply, ToReceiver, ToSource};
use beringia_storage::{RangeDigest, StoreError};
use xxhash_rust::xxh3::xxh3_128;

use crate::interned::Interned;

type Result<T> = std::result::Result<T, StoreError>;

/// A message of a stream, in either direction.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    ToReceiver(ToReceiver),
    ToSource(ToSource),
}

impl Message {
    fn fingerprint(&self) -> u128 {
        let Self::ToReceiver(ToReceiver::Reply(Reply {
            id,
            answer: PeerAnswer::Digest(digest),
        })) = self
        else {
            return xxh3_128(format!("{self:?}").as_bytes());
        };
        // Nearly all ranges are empty.
        let mut text = format!("digest {id} {:?} {:?}", digest.vector, digest.unknown);
        for (range, digest) in digest.ranges.iter().enumerate() {
            if *digest != RangeDigest::default() {
                let _ = write!(text, " {range} {digest:?}");
            }
        }
        xxh3_128(text.as_bytes())
    }
}

/// All messages and queues of a search. The empty queue is 0.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    messages: Interned<Message>,
    queues: Interned<Vec<u32>>,
    pushed: BTreeMap<(u32, u32), u32>,
    split: BTreeMap<u32, (u32, u32)>,
    /// Whether acknowledgements wait for a step, as batches do.
    late_acks: bool,
}

impl Messages {
    pub(crate) fn new(late_acks: bool) -> Self {
        Self {
            late_acks,
            ..Self::default()
        }
    }

    pub(crate) fn number(&mut self, message: Message) -> Result<u32> {
        self.messages.number(message.fingerprint(), message)
    }

    pub(crate) fn get(&self, message: u32) -> Result<&Message> {
        self.messages.get(message)
    }

    /// The messages of a queue, in order.
    pub(crate) fn of(&self, queue: u32) -> Result<Vec<&Message>> {
        if queue == 0 {
            return Ok(Vec::new());
        }
        self.queues
            .get(queue)?
            .iter()
            .map(|message| self.get(*message))
            .collect()
    }

    /// The queue with one more message.
    pub(crate) fn pushed(&mut self, queue: u32, message: u32) -> Result<u32> {
        if let Some(found) = self.pushed.get(&(queue, message)) {
            return Ok(*found);
        }
        let mut messages = self.numbers(queue)?;
        messages.push(message);
        let number = self.queue(messages)?;
        self.pushed.insert((queue, message), number);
        Ok(number)
    }

    /// Divides a queue before its first message that waits for a step: a batch, or an
    /// acknowledgement if those may be late.
    pub(crate) fn split(&mut self, queue: u32) -> Result<(u32, u32)> {
        if queue == 0 {
            return Ok((0, 0));
        }
        if let Some(found) = self.split.get(&queue) {
            return Ok(*found);
        }
        let messages = self.numbers(queue)?;
        let mut first = messages.len();
        for (place, message) in messages.iter().enumerate() {
            if self.waits(*message)? {
                first = place;
                break;
            }
        }
        let parts = (
            self.queue(messages[..first].to_vec())?,
            self.queue(messages[first..].to_vec())?,
        );
        self.split.insert(queue, parts);
        Ok(parts)
    }

    /// The first message of a queue, and the queue without it; `None` if it is empty.
    pub(crate) fn popped(&mut self, queue: u32) -> Result<Option<(u32, u32)>> {
        let messages = self.numbers(queue)?;
        let Some((first, rest)) = messages.split_first() else {
            return Ok(None);
        };
        Ok(Some((*first, self.queue(rest.to_vec())?)))
    }

    fn waits(&self, message: u32) -> Result<bool> {
        Ok(match self.get(message)? {
            Message::ToReceiver(message) => matches!(message, ToReceiver::Batch(_)),
            Message::ToSource(message) => self.late_acks && matches!(message, ToSource::Acknowledge(_)),
        })
    }

    fn numbers(&self, queue: u32) -> Result<Vec<u32>> {
        if queue == 0 {
            return Ok(Vec::new());
        }
        self.queues.get(queue).cloned()
    }

    fn queue(&mut self, messages: Vec<u32>) -> Result<u32> {
        if messages.is_empty() {
            return Ok(0);
        }
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.to_be_bytes()).collect();
        self.queues.number(xxh3_128(&bytes), messages)
    }
}
