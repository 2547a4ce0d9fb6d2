//! Converts protobuf into the state machine's messages, and checks everything that the protobuf
//! types do not express.

use beringia_clock::HybridTime;
use beringia_item::{
    Cause, KeyBytes, Mutation, Origin, RANGES, Region, RowFingerprint, TableId, Transaction, Version, VersionVector,
    range_of,
};
use beringia_proto::v1;
use beringia_replication::message::{
    Acknowledgement, Batch, BelowLowWatermark, Goodbye, Hello, KeyPage, PROTOCOL, PeerAnswer, Question, RangeSpan,
    Reply, Request, RowPage, Subscription, TableVectors, ToReceiver, ToSource, other_protocol,
};
use beringia_storage_types::{RangeDigest, TableDigest, planted};
use bytes::Bytes;

use crate::{IMAGE_BYTES_MAX, KEY_BYTES_MAX, METADATA_BYTES_MAX, SEQUENCE_MAX, TRANSACTION_MAX, Unreadable};

type Result<T> = std::result::Result<T, Unreadable>;

fn unreadable<T>(what: impl Into<String>) -> Result<T> {
    Err(Unreadable(what.into()))
}

/// Decodes a receiver's message.
///
/// # Errors
/// [`Unreadable`] if the message is well-formed protobuf but not valid, or exceeds a bound.
pub fn from_receiver(message: v1::FromReceiver) -> Result<ToSource> {
    use v1::from_receiver::Kind;
    Ok(match message.kind {
        Some(Kind::Hello(hello)) => ToSource::Hello(decode_hello(&hello)?),
        Some(Kind::Subscribe(subscribe)) => ToSource::Subscribe(decode_subscription(subscribe)?),
        Some(Kind::Acknowledge(acknowledge)) => ToSource::Acknowledge(decode_acknowledgement(acknowledge)?),
        Some(Kind::Request(request)) => ToSource::Request(decode_request(request)?),
        Some(Kind::Goodbye(goodbye)) => ToSource::Goodbye(decode_goodbye(&goodbye)),
        None => return unreadable("this version does not know its kind"),
    })
}

/// Decodes a source's message, once it is unpacked.
///
/// # Errors
/// As [`from_receiver`].
pub fn from_source(message: v1::FromSource) -> Result<ToReceiver> {
    use v1::from_source::Kind;
    Ok(match message.kind {
        Some(Kind::Hello(hello)) => ToReceiver::Hello(decode_hello(&hello)?),
        Some(Kind::Batch(batch)) => ToReceiver::Batch(decode_batch(batch)?),
        Some(Kind::Refusal(refusal)) => ToReceiver::Refusal(decode_refusal(refusal)?),
        Some(Kind::Vectors(vectors)) => ToReceiver::Vectors(decode_tables(vectors.tables)?),
        Some(Kind::Lost(lost)) => ToReceiver::Lost(
            lost.regions
                .iter()
                .map(|region| decode_region(region))
                .collect::<Result<_>>()?,
        ),
        Some(Kind::Withdraw(withdraw)) => {
            ToReceiver::Withdraw(withdraw.tables.iter().map(decode_table).collect::<Result<_>>()?)
        }
        Some(Kind::Reply(reply)) => ToReceiver::Reply(decode_reply(reply)?),
        Some(Kind::Goodbye(goodbye)) => ToReceiver::Goodbye(decode_goodbye(&goodbye)),
        Some(Kind::Compressed(_)) => return unreadable("it is compressed twice"),
        None => return unreadable("this version does not know its kind"),
    })
}

/// Decodes a hello. If it is invalid and of another version of the protocol, the version is the
/// reason: the rest may be written in another way there. A valid one of another version is refused
/// by the state machine, which knows the regions.
fn decode_hello(hello: &v1::Hello) -> Result<Hello> {
    decode_hello_of_this_version(hello).map_err(|unreadable| {
        if hello.protocol == PROTOCOL {
            unreadable
        } else {
            Unreadable(other_protocol("this region", "its peer", hello.protocol))
        }
    })
}

fn decode_hello_of_this_version(hello: &v1::Hello) -> Result<Hello> {
    let Ok(incarnation) = <[u8; 16]>::try_from(hello.incarnation.as_ref()) else {
        return unreadable("an incarnation must have 16 bytes");
    };
    Ok(Hello {
        protocol: hello.protocol,
        region: decode_region(&hello.region)?,
        peer: if hello.peer.is_empty() {
            None
        } else {
            Some(decode_region(&hello.peer)?)
        },
        incarnation: u128::from_be_bytes(incarnation),
        wall_clock_ms: hello.wall_clock_ms,
    })
}

/// Shortens the peer's text and removes control characters, since it ends up in status and log.
fn decode_goodbye(goodbye: &v1::Goodbye) -> Goodbye {
    const CHARACTERS_MAX: usize = 500;
    let reason = goodbye
        .reason
        .chars()
        .filter(|c| !c.is_control())
        .take(CHARACTERS_MAX)
        .collect();
    Goodbye {
        reason,
        permanent: goodbye.permanent,
    }
}

fn decode_subscription(subscribe: v1::Subscribe) -> Result<Subscription> {
    Ok(Subscription {
        generation: subscribe.generation,
        tables: decode_tables(subscribe.tables)?,
        origins: subscribe.origins.iter().map(decode_origin).collect::<Result<_>>()?,
    })
}

fn decode_acknowledgement(acknowledge: v1::Acknowledge) -> Result<Acknowledgement> {
    Ok(Acknowledgement {
        batch: acknowledge.batch,
        tables: decode_tables(acknowledge.tables)?,
    })
}

fn decode_refusal(refusal: v1::Refusal) -> Result<BelowLowWatermark> {
    let part = |part: v1::TableOrigin| Ok((decode_table(&part.table)?, decode_some_origin(part.origin.as_ref())?));
    Ok(BelowLowWatermark {
        generation: refusal.generation,
        parts: refusal
            .below_low_watermark
            .into_iter()
            .map(part)
            .collect::<Result<_>>()?,
    })
}

fn decode_region(name: &str) -> Result<Region> {
    Region::new(name).map_err(|error| Unreadable(error.to_string()))
}

fn decode_origin(origin: &v1::Origin) -> Result<Origin> {
    let shard = u16::try_from(origin.shard);
    let shard =
        shard.map_err(|_| Unreadable(format!("shard {} of {} is out of range", origin.shard, origin.region)))?;
    Ok(Origin::new(decode_region(&origin.region)?, shard))
}

fn decode_some_origin(origin: Option<&v1::Origin>) -> Result<Origin> {
    origin.map_or_else(|| unreadable("an origin is missing"), decode_origin)
}

fn decode_table(bytes: &Bytes) -> Result<TableId> {
    match <[u8; 16]>::try_from(bytes.as_ref()) {
        Ok(bytes) => Ok(TableId(u128::from_be_bytes(bytes))),
        Err(_) => unreadable("a table id must have 16 bytes"),
    }
}

fn decode_key(bytes: Bytes) -> Result<KeyBytes> {
    // A key starts with two bytes of hash.
    if (2..=KEY_BYTES_MAX).contains(&bytes.len()) {
        Ok(KeyBytes(bytes))
    } else {
        unreadable(format!("a key has {} bytes", bytes.len()))
    }
}

fn decode_sequence(sequence: u64) -> Result<u64> {
    if sequence <= SEQUENCE_MAX {
        Ok(sequence)
    } else {
        unreadable(format!("the sequence {sequence} is too large"))
    }
}

fn decode_span(first: u32, last: u32) -> Result<RangeSpan> {
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first), Ok(last)) if first <= last && last < RANGES => Ok(RangeSpan { first, last }),
        _ => unreadable(format!("there are no ranges {first} to {last}")),
    }
}

fn decode_range(range: u32) -> Result<u16> {
    match u16::try_from(range) {
        Ok(range) if range < RANGES => Ok(range),
        _ => unreadable(format!("there is no range {range}")),
    }
}

fn decode_tables(tables: Vec<v1::TableVector>) -> Result<TableVectors> {
    tables
        .into_iter()
        .map(|entry| {
            Ok((
                decode_table(&entry.table)?,
                decode_vector(entry.vector.unwrap_or_default())?,
            ))
        })
        .collect()
}

fn decode_vector(vector: v1::Vector) -> Result<VersionVector> {
    let entry = |entry: v1::VectorEntry| {
        Ok((
            decode_some_origin(entry.origin.as_ref())?,
            decode_sequence(entry.sequence)?,
        ))
    };
    vector.entries.into_iter().map(entry).collect()
}

fn decode_request(request: v1::Request) -> Result<Request> {
    use v1::request::Kind;
    let question = match request.kind {
        Some(Kind::Digest(digest)) => Question::Digest {
            as_of: digest.as_of.map(decode_vector).transpose()?,
        },
        Some(Kind::Keys(keys)) => Question::Keys {
            span: decode_span(keys.first_range, keys.last_range)?,
            after: keys.after.map(decode_key).transpose()?,
        },
        Some(Kind::Rows(rows)) => Question::Rows {
            keys: rows.keys.into_iter().map(decode_key).collect::<Result<_>>()?,
        },
        None => return unreadable("a request without a question"),
    };
    Ok(Request {
        id: request.id,
        table: decode_table(&request.table)?,
        question,
    })
}

fn decode_reply(reply: v1::Reply) -> Result<Reply> {
    use v1::reply::Kind;
    let answer = match reply.kind {
        Some(Kind::Digest(digest)) => PeerAnswer::Digest(decode_digest(digest)?),
        Some(Kind::Keys(keys)) => PeerAnswer::Keys(decode_keys(keys)?),
        Some(Kind::Rows(rows)) => PeerAnswer::Rows(RowPage {
            answered: usize::try_from(rows.answered).unwrap_or(usize::MAX),
            mutations: Decoder::new(rows.mutations.unwrap_or_default())?.mutations()?,
        }),
        Some(Kind::Unavailable(reason)) => PeerAnswer::Unavailable(
            decode_goodbye(&v1::Goodbye {
                reason,
                permanent: false,
            })
            .reason,
        ),
        None => return unreadable("a reply without an answer"),
    };
    Ok(Reply { id: reply.id, answer })
}

fn decode_digest(digest: v1::Digest) -> Result<TableDigest> {
    if digest.ranges.len() != usize::from(RANGES) {
        return unreadable(format!("a digest has {} ranges", digest.ranges.len()));
    }
    let range = |range: &v1::RangeDigest| match <[u8; 16]>::try_from(range.sum.as_ref()) {
        Ok(sum) => Ok(RangeDigest {
            sum: u128::from_be_bytes(sum),
            items: range.items,
        }),
        Err(_) => unreadable("a digest must have 16 bytes"),
    };
    Ok(TableDigest {
        vector: decode_vector(digest.vector.unwrap_or_default())?,
        ranges: digest.ranges.iter().map(range).collect::<Result<_>>()?,
        unknown: digest.unknown.into_iter().map(decode_range).collect::<Result<_>>()?,
    })
}

fn decode_keys(keys: v1::Keys) -> Result<KeyPage> {
    let origins = decode_origins(&keys.origins)?;
    let row = |row: v1::KeyVersion| {
        let version = Version {
            time: HybridTime::from_u64(row.time),
            origin: pick(&origins, row.origin, "origin")?.clone(),
            sequence: decode_sequence(row.sequence)?,
        };
        let fingerprint = RowFingerprint {
            version,
            state: row.state,
            content: row.content,
        };
        Ok((decode_key(row.key)?, fingerprint))
    };
    Ok(KeyPage {
        rows: keys.rows.into_iter().map(row).collect::<Result<_>>()?,
        last: keys.last,
    })
}

fn decode_origins(origins: &[v1::Origin]) -> Result<Vec<Origin>> {
    origins.iter().map(decode_origin).collect()
}

fn decode_batch(batch: v1::Batch) -> Result<Batch> {
    let decoder = Decoder::new(batch.mutations.unwrap_or_default())?;
    let progress = |progress: v1::Progress| {
        Ok((
            *pick(&decoder.tables, progress.table, "table")?,
            pick(&decoder.origins, progress.origin, "origin")?.clone(),
            decode_sequence(progress.sequence)?,
        ))
    };
    Ok(Batch {
        number: batch.number,
        generation: batch.generation,
        progress: batch.progress.into_iter().map(progress).collect::<Result<_>>()?,
        mutations: decoder.mutations()?,
    })
}

fn pick<'a, T>(from: &'a [T], index: u32, what: &str) -> Result<&'a T> {
    let found = usize::try_from(index).ok().and_then(|index| from.get(index));
    found.ok_or_else(|| Unreadable(format!("{what} {index} of {}", from.len())))
}

/// Decodes mutations. Holds the tables, origins and vectors that they refer to by index.
struct Decoder {
    origins: Vec<Origin>,
    tables: Vec<TableId>,
    vectors: Vec<VersionVector>,
    mutations: Vec<v1::Mutation>,
}

impl Decoder {
    fn new(message: v1::Mutations) -> Result<Self> {
        let origins = decode_origins(&message.origins)?;
        let tables = message.tables.iter().map(decode_table).collect::<Result<_>>()?;
        let vector = |vector: &v1::IndexedVector| {
            if vector.origins.len() != vector.sequences.len() {
                return unreadable("a vector has different numbers of origins and sequences");
            }
            let entries = vector.origins.iter().zip(&vector.sequences);
            entries
                .map(|(origin, sequence)| Ok((pick(&origins, *origin, "origin")?.clone(), decode_sequence(*sequence)?)))
                .collect()
        };
        let vectors = message.vectors.iter().map(vector).collect::<Result<_>>()?;
        Ok(Self {
            tables,
            vectors,
            mutations: message.mutations,
            origins,
        })
    }

    fn mutations(self) -> Result<Vec<Mutation>> {
        let Self {
            origins,
            tables,
            vectors,
            mutations,
        } = self;
        let decode = |mutation: v1::Mutation| {
            let sequence = decode_sequence(mutation.sequence)?;
            let cause = match v1::Cause::try_from(mutation.cause) {
                Ok(v1::Cause::Client) => Cause::Client,
                Ok(v1::Cause::TimeToLive) => Cause::TimeToLive,
                Err(_) => return unreadable(format!("unknown cause {}", mutation.cause)),
            };
            if mutation
                .image
                .as_ref()
                .is_some_and(|image| image.len() > IMAGE_BYTES_MAX)
            {
                return unreadable("an image exceeds the greatest size of an item");
            }
            if mutation
                .metadata
                .as_ref()
                .is_some_and(|metadata| metadata.len() > METADATA_BYTES_MAX)
            {
                return unreadable("metadata exceeds its greatest size");
            }
            let key = decode_key(mutation.key)?;
            debug_assert!(range_of(&key) < RANGES, "two bytes of hash come first");
            Ok(Mutation {
                table: *pick(&tables, mutation.table, "table")?,
                key,
                version: Version {
                    time: HybridTime::from_u64(mutation.time),
                    origin: pick(&origins, mutation.origin, "origin")?.clone(),
                    sequence,
                },
                causal_context: if planted().is_some_and(|bug| bug.loses_context(sequence)) {
                    VersionVector::default()
                } else {
                    pick(&vectors, mutation.causal_context, "vector")?.clone()
                },
                image: mutation.image,
                metadata: mutation
                    .metadata
                    .filter(|_| !planted().is_some_and(|bug| bug.loses_metadata(sequence))),
                cause,
                transaction: decode_transaction(sequence, mutation.transaction_before, mutation.transaction_after)?,
            })
        };
        mutations.into_iter().map(decode).collect()
    }
}

fn decode_transaction(sequence: u64, before: u32, after: u32) -> Result<Transaction> {
    if before.saturating_add(after) >= TRANSACTION_MAX {
        return unreadable(format!("a transaction has more than {TRANSACTION_MAX} writes"));
    }
    let first = sequence.checked_sub(u64::from(before));
    let last = sequence
        .checked_add(u64::from(after))
        .filter(|last| *last <= SEQUENCE_MAX);
    match (first, last) {
        (Some(first), Some(last)) => Ok(Transaction { first, last }),
        _ => unreadable("the sequences of a transaction are out of range"),
    }
}
