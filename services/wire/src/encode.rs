//! Converts the state machine's messages into protobuf.

use std::collections::BTreeMap;

use beringia_item::{Cause, Mutation, Origin, Region, RowFingerprint, TableId, Version, VersionVector};
use beringia_proto::v1;
use beringia_replication::message::{
    Acknowledgement, Batch, BelowLowWatermark, Goodbye, Hello, KeyPage, PeerAnswer, Question, Reply, Request, RowPage,
    Subscription, TableVectors, ToReceiver, ToSource,
};
use beringia_storage_types::{RangeDigest, TableDigest};
use bytes::Bytes;

/// Encodes the message of a receiver to its source.
#[must_use]
pub fn to_source(message: ToSource) -> v1::FromReceiver {
    use v1::from_receiver::Kind;
    let kind = match message {
        ToSource::Hello(hello) => Kind::Hello(encode_hello(&hello)),
        ToSource::Subscribe(subscription) => Kind::Subscribe(encode_subscription(&subscription)),
        ToSource::Acknowledge(acknowledgement) => Kind::Acknowledge(encode_acknowledgement(&acknowledgement)),
        ToSource::Request(request) => Kind::Request(encode_request(request)),
        ToSource::Goodbye(goodbye) => Kind::Goodbye(encode_goodbye(goodbye)),
    };
    v1::FromReceiver { kind: Some(kind) }
}

/// Encodes a source's message, before it is packed.
#[must_use]
pub fn to_receiver(message: ToReceiver) -> v1::FromSource {
    use v1::from_source::Kind;
    let kind = match message {
        ToReceiver::Hello(hello) => Kind::Hello(encode_hello(&hello)),
        ToReceiver::Batch(batch) => Kind::Batch(encode_batch(batch)),
        ToReceiver::Refusal(refusal) => Kind::Refusal(encode_refusal(&refusal)),
        ToReceiver::Vectors(vectors) => Kind::Vectors(v1::Vectors {
            tables: encode_tables(&vectors),
        }),
        ToReceiver::Lost(regions) => Kind::Lost(v1::Lost {
            regions: regions.iter().map(Region::to_string).collect(),
        }),
        ToReceiver::Withdraw(tables) => Kind::Withdraw(v1::Withdraw {
            tables: tables.into_iter().map(encode_table).collect(),
        }),
        ToReceiver::Reply(reply) => Kind::Reply(encode_reply(reply)),
        ToReceiver::Goodbye(goodbye) => Kind::Goodbye(encode_goodbye(goodbye)),
    };
    v1::FromSource { kind: Some(kind) }
}

fn encode_hello(hello: &Hello) -> v1::Hello {
    v1::Hello {
        protocol: hello.protocol,
        region: hello.region.to_string(),
        peer: hello.peer.as_ref().map(Region::to_string).unwrap_or_default(),
        incarnation: Bytes::copy_from_slice(&hello.incarnation.to_be_bytes()),
        wall_clock_ms: hello.wall_clock_ms,
    }
}

fn encode_goodbye(goodbye: Goodbye) -> v1::Goodbye {
    v1::Goodbye {
        reason: goodbye.reason,
        permanent: goodbye.permanent,
    }
}

fn encode_subscription(subscription: &Subscription) -> v1::Subscribe {
    v1::Subscribe {
        generation: subscription.generation,
        tables: encode_tables(&subscription.tables),
        origins: subscription.origins.iter().map(encode_origin).collect(),
    }
}

fn encode_acknowledgement(acknowledgement: &Acknowledgement) -> v1::Acknowledge {
    v1::Acknowledge {
        batch: acknowledgement.batch,
        tables: encode_tables(&acknowledgement.tables),
    }
}

fn encode_refusal(refusal: &BelowLowWatermark) -> v1::Refusal {
    let part = |(table, origin): &(TableId, Origin)| v1::TableOrigin {
        table: encode_table(*table),
        origin: Some(encode_origin(origin)),
    };
    v1::Refusal {
        generation: refusal.generation,
        below_low_watermark: refusal.parts.iter().map(part).collect(),
    }
}

fn encode_origin(origin: &Origin) -> v1::Origin {
    v1::Origin {
        region: origin.region().to_string(),
        shard: origin.shard().into(),
    }
}

fn encode_table(table: TableId) -> Bytes {
    Bytes::copy_from_slice(&table.0.to_be_bytes())
}

fn encode_tables(vectors: &TableVectors) -> Vec<v1::TableVector> {
    let table = |(table, vector): (&TableId, &VersionVector)| v1::TableVector {
        table: encode_table(*table),
        vector: Some(encode_vector(vector)),
    };
    vectors.iter().map(table).collect()
}

fn encode_vector(vector: &VersionVector) -> v1::Vector {
    let entry = |(origin, sequence): (&Origin, u64)| v1::VectorEntry {
        origin: Some(encode_origin(origin)),
        sequence,
    };
    v1::Vector {
        entries: vector.iter().map(entry).collect(),
    }
}

fn encode_request(request: Request) -> v1::Request {
    use v1::request::Kind;
    let kind = match request.question {
        Question::Digest { as_of } => Kind::Digest(v1::DigestRequest {
            as_of: as_of.as_ref().map(encode_vector),
        }),
        Question::Keys { span, after } => Kind::Keys(v1::KeysRequest {
            first_range: u32::from(span.first),
            last_range: u32::from(span.last),
            after: after.map(|key| key.0),
        }),
        Question::Rows { keys } => Kind::Rows(v1::RowsRequest {
            keys: keys.into_iter().map(|key| key.0).collect(),
        }),
    };
    v1::Request {
        id: request.id,
        table: encode_table(request.table),
        kind: Some(kind),
    }
}

fn encode_reply(reply: Reply) -> v1::Reply {
    use v1::reply::Kind;
    let kind = match reply.answer {
        PeerAnswer::Digest(digest) => Kind::Digest(encode_digest(&digest)),
        PeerAnswer::Keys(page) => Kind::Keys(encode_keys(page)),
        PeerAnswer::Rows(page) => Kind::Rows(encode_rows(page)),
        PeerAnswer::Unavailable(reason) => Kind::Unavailable(reason),
    };
    v1::Reply {
        id: reply.id,
        kind: Some(kind),
    }
}

fn encode_digest(digest: &TableDigest) -> v1::Digest {
    let range = |RangeDigest { sum, items }: &RangeDigest| v1::RangeDigest {
        sum: Bytes::copy_from_slice(&sum.to_be_bytes()),
        items: *items,
    };
    v1::Digest {
        vector: Some(encode_vector(&digest.vector)),
        ranges: digest.ranges.iter().map(range).collect(),
        unknown: digest.unknown.iter().map(|range| u32::from(*range)).collect(),
    }
}

fn encode_keys(page: KeyPage) -> v1::Keys {
    let mut origins = Origins::default();
    let rows = page.rows.into_iter().map(|(key, fingerprint)| {
        let RowFingerprint {
            version: Version { time, origin, sequence },
            state,
            content,
        } = fingerprint;
        v1::KeyVersion {
            key: key.0,
            time: time.as_u64(),
            origin: origins.of(&origin),
            sequence,
            state,
            content,
        }
    });
    v1::Keys {
        rows: rows.collect(),
        origins: origins.in_order(),
        last: page.last,
    }
}

fn encode_rows(page: RowPage) -> v1::Rows {
    let answered = u32::try_from(page.answered).unwrap_or(u32::MAX);
    let mut encoder = MutationEncoder::default();
    let mutations = page
        .mutations
        .into_iter()
        .map(|mutation| encoder.encode(mutation))
        .collect();
    v1::Rows {
        answered,
        mutations: Some(encoder.finish(mutations)),
    }
}

fn encode_batch(batch: Batch) -> v1::Batch {
    let mut encoder = MutationEncoder::default();
    let mutations = batch
        .mutations
        .into_iter()
        .map(|mutation| encoder.encode(mutation))
        .collect();
    let progress = batch
        .progress
        .into_iter()
        .map(|(table, origin, sequence)| v1::Progress {
            table: encoder.table(table),
            origin: encoder.origins.of(&origin),
            sequence,
        });
    let progress = progress.collect();
    v1::Batch {
        number: batch.number,
        generation: batch.generation,
        mutations: Some(encoder.finish(mutations)),
        progress,
    }
}

/// Origins in the order of their first use.
#[derive(Debug, Default)]
struct Origins {
    indexes: BTreeMap<Origin, u32>,
    encoded: Vec<v1::Origin>,
}

impl Origins {
    fn of(&mut self, origin: &Origin) -> u32 {
        if let Some(index) = self.indexes.get(origin) {
            return *index;
        }
        let index = index_of(self.encoded.len());
        self.indexes.insert(origin.clone(), index);
        self.encoded.push(encode_origin(origin));
        index
    }

    fn in_order(self) -> Vec<v1::Origin> {
        self.encoded
    }
}

/// Never saturates: the size of a message bounds the number of names far below.
fn index_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Encodes mutations. Refers to repeated values by index.
#[derive(Debug, Default)]
struct MutationEncoder {
    origins: Origins,
    tables: Vec<TableId>,
    vectors: Vec<v1::IndexedVector>,
    last_vector: Option<VersionVector>,
}

impl MutationEncoder {
    fn encode(&mut self, mutation: Mutation) -> v1::Mutation {
        let version = &mutation.version;
        v1::Mutation {
            table: self.table(mutation.table),
            key: mutation.key.0,
            time: version.time.as_u64(),
            origin: self.origins.of(&version.origin),
            sequence: version.sequence,
            causal_context: self.vector(mutation.causal_context),
            image: mutation.image,
            metadata: mutation.metadata,
            cause: match mutation.cause {
                Cause::Client => v1::Cause::Client,
                Cause::TimeToLive => v1::Cause::TimeToLive,
            }
            .into(),
            transaction_before: u32::try_from(version.sequence.saturating_sub(mutation.transaction.first))
                .unwrap_or(u32::MAX),
            transaction_after: u32::try_from(mutation.transaction.last.saturating_sub(version.sequence))
                .unwrap_or(u32::MAX),
        }
    }

    fn table(&mut self, table: TableId) -> u32 {
        let index = self
            .tables
            .iter()
            .rposition(|known| *known == table)
            .unwrap_or_else(|| {
                self.tables.push(table);
                self.tables.len() - 1
            });
        index_of(index)
    }

    /// Neighbours in a log mostly have the same vector, so only the last one is compared.
    fn vector(&mut self, vector: VersionVector) -> u32 {
        if self.last_vector.as_ref() != Some(&vector) {
            let (origins, sequences) = vector
                .iter()
                .map(|(origin, sequence)| (self.origins.of(origin), sequence))
                .unzip();
            self.vectors.push(v1::IndexedVector { origins, sequences });
            self.last_vector = Some(vector);
        }
        index_of(self.vectors.len().saturating_sub(1))
    }

    fn finish(self, mutations: Vec<v1::Mutation>) -> v1::Mutations {
        v1::Mutations {
            origins: self.origins.in_order(),
            tables: self.tables.into_iter().map(encode_table).collect(),
            vectors: self.vectors,
            mutations,
        }
    }
}
