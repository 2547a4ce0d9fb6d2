//! Messages survive a round trip, and invalid ones are refused.

use std::collections::BTreeSet;

use beringia_clock::HybridTime;
use beringia_item::{
    Cause, KeyBytes, Mutation, Origin, RANGES, Region, RowFingerprint, TableId, Transaction, Version, VersionVector,
};
use beringia_proto::v1;
use beringia_replication::message::{
    Acknowledgement, Batch, BelowLowWatermark, Goodbye, Hello, KeyPage, PROTOCOL, PeerAnswer, Question, RangeSpan,
    Reply, Request, RowPage, Subscription, TableVectors, ToReceiver, ToSource,
};
use beringia_storage_types::{RangeDigest, TableDigest};
use bytes::Bytes;
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
};
use prost::Message;

use super::{
    MESSAGE_BYTES_MAX, Packer, SEQUENCE_MAX, Unpacker, Unreadable, from_receiver, from_source, to_receiver, to_source,
};

fn region() -> impl Strategy<Value = Region> {
    prop_oneof!["[a-c]", "[a-z][a-z0-9-]{0,31}"].prop_map(|name| Region::new(&name).unwrap())
}

fn origin() -> impl Strategy<Value = Origin> {
    (region(), prop_oneof![Just(0), any::<u16>()]).prop_map(|(region, shard)| Origin::new(region, shard))
}

fn table() -> impl Strategy<Value = TableId> {
    prop_oneof![Just(TableId::CATALOG), any::<u128>().prop_map(TableId)]
}

fn key() -> impl Strategy<Value = KeyBytes> {
    vec(any::<u8>(), 2..20).prop_map(|bytes| KeyBytes(bytes.into()))
}

fn sequence() -> impl Strategy<Value = u64> {
    0..=SEQUENCE_MAX
}

fn vector() -> impl Strategy<Value = VersionVector> {
    // An entry of 0 is the same as no entry.
    vec((origin(), 1..=SEQUENCE_MAX), 0..4).prop_map(VersionVector::from_iter)
}

fn vectors() -> impl Strategy<Value = TableVectors> {
    prop::collection::btree_map(table(), vector(), 0..4)
}

fn version() -> impl Strategy<Value = Version> {
    (any::<u64>(), origin(), sequence()).prop_map(|(time, origin, sequence)| Version {
        time: HybridTime::from_u64(time),
        origin,
        sequence,
    })
}

fn fingerprint() -> impl Strategy<Value = RowFingerprint> {
    (version(), any::<u64>(), any::<u64>()).prop_map(|(version, state, content)| RowFingerprint {
        version,
        state,
        content,
    })
}

prop_compose! {
    fn mutation()(
        table in table(),
        key in key(),
        version in version(),
        vector in vector(),
        image in option::of(vec(any::<u8>(), 0..50)),
        metadata in option::of(vec(any::<u8>(), 1..50)),
        cause in prop_oneof![Just(Cause::Client), Just(Cause::TimeToLive)],
        before in 0_u64..100,
        after in 0_u64..100,
    ) -> Mutation {
        let transaction = Transaction {
            first: version.sequence.saturating_sub(before),
            last: (version.sequence + after).min(SEQUENCE_MAX),
        };
        Mutation { table, key, version, causal_context: vector, image: image.map(Bytes::from), metadata: metadata.map(Bytes::from), cause, transaction }
    }
}

fn hello() -> impl Strategy<Value = Hello> {
    (
        any::<u32>(),
        region(),
        option::of(region()),
        any::<u128>(),
        any::<u64>(),
    )
        .prop_map(|(protocol, region, peer, incarnation, wall_clock_ms)| Hello {
            protocol,
            region,
            peer,
            incarnation,
            wall_clock_ms,
        })
}

fn goodbye() -> impl Strategy<Value = Goodbye> {
    ("[ -~]{0,80}", any::<bool>()).prop_map(|(reason, permanent)| Goodbye { reason, permanent })
}

fn from_a_receiver() -> impl Strategy<Value = ToSource> {
    let question = prop_oneof![
        option::of(vector()).prop_map(|as_of| Question::Digest { as_of }),
        (0..RANGES, 0..RANGES, option::of(key())).prop_map(|(a, b, after)| {
            let span = RangeSpan {
                first: a.min(b),
                last: a.max(b),
            };
            Question::Keys { span, after }
        }),
        vec(key(), 0..5).prop_map(|keys| Question::Rows { keys }),
    ];
    prop_oneof![
        hello().prop_map(ToSource::Hello),
        (any::<u64>(), vectors(), vec(origin(), 0..4)).prop_map(|(generation, tables, origins)| {
            ToSource::Subscribe(Subscription {
                generation,
                tables,
                origins,
            })
        }),
        (any::<u64>(), vectors()).prop_map(|(batch, tables)| ToSource::Acknowledge(Acknowledgement { batch, tables })),
        (any::<u64>(), table(), question)
            .prop_map(|(id, table, question)| { ToSource::Request(Request { id, table, question }) }),
        goodbye().prop_map(ToSource::Goodbye),
    ]
}

fn answer() -> impl Strategy<Value = PeerAnswer> {
    let range = (any::<u128>(), any::<u64>()).prop_map(|(sum, items)| RangeDigest { sum, items });
    let ranges = vec(range, usize::from(RANGES));
    prop_oneof![
        (vector(), ranges, btree_set(0..RANGES, 0..4)).prop_map(|(vector, ranges, unknown)| {
            PeerAnswer::Digest(TableDigest {
                vector,
                ranges,
                unknown,
            })
        }),
        (vec((key(), fingerprint()), 0..5), any::<bool>())
            .prop_map(|(rows, last)| PeerAnswer::Keys(KeyPage { rows, last })),
        (vec(mutation(), 0..5), 0_usize..1000)
            .prop_map(|(mutations, answered)| PeerAnswer::Rows(RowPage { mutations, answered })),
        "[ -~]{0,80}".prop_map(PeerAnswer::Unavailable),
    ]
}

fn from_a_source() -> impl Strategy<Value = ToReceiver> {
    prop_oneof![
        hello().prop_map(ToReceiver::Hello),
        (
            any::<u64>(),
            any::<u64>(),
            vec(mutation(), 0..8),
            vec((table(), origin(), sequence()), 0..4)
        )
            .prop_map(|(number, generation, mutations, progress)| {
                ToReceiver::Batch(Batch {
                    number,
                    generation,
                    mutations,
                    progress,
                })
            }),
        (any::<u64>(), vec((table(), origin()), 0..4))
            .prop_map(|(generation, parts)| ToReceiver::Refusal(BelowLowWatermark { generation, parts })),
        vectors().prop_map(ToReceiver::Vectors),
        vec(region(), 0..4).prop_map(|regions| ToReceiver::Lost(regions.into_iter().collect())),
        vec(table(), 0..4).prop_map(ToReceiver::Withdraw),
        (any::<u64>(), answer()).prop_map(|(id, answer)| ToReceiver::Reply(Reply { id, answer })),
        goodbye().prop_map(ToReceiver::Goodbye),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn receiver_message_round_trips(message in from_a_receiver()) {
        let bytes = to_source(message.clone()).encode_to_vec();
        let arrived = v1::FromReceiver::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(from_receiver(arrived), Ok(message));
    }

    #[test]
    fn source_message_round_trips(message in from_a_source()) {
        let bytes = to_receiver(message.clone()).encode_to_vec();
        let arrived = v1::FromSource::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(from_source(arrived), Ok(message));
    }

    #[test]
    fn packed_messages_of_one_stream_round_trip(
        messages in vec((from_a_source(), 0_usize..3), 1..6),
        image in vec(any::<u8>(), 3000),
    ) {
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        for (mut message, copies) in messages {
            if let ToReceiver::Batch(batch) = &mut message {
                // Large enough to be compressed, with bytes that repeat and bytes that do not.
                for mutation in batch.mutations.iter_mut().take(copies) {
                    mutation.image = Some(Bytes::from(image.repeat(copies)));
                }
            }
            let bytes = packer.pack(to_receiver(message.clone())).encode_to_vec();
            let arrived = v1::FromSource::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(unpacker.unpack(arrived).and_then(from_source), Ok(message));
        }
    }

    #[test]
    fn damaged_message_never_panics(
        message in from_a_source(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = to_receiver(message).encode_to_vec();
        for (index, byte) in damage {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
        }
        if let Ok(arrived) = v1::FromSource::decode(bytes.as_slice()) {
            let _ = from_source(arrived);
        }
        if let Ok(arrived) = v1::FromReceiver::decode(bytes.as_slice()) {
            let _ = from_receiver(arrived);
        }
    }
}

fn encoded(region: &str, shard: u32) -> v1::Origin {
    v1::Origin {
        region: region.to_owned(),
        shard,
    }
}

/// A valid batch of one mutation, which `change` makes invalid.
fn batch(change: impl FnOnce(&mut v1::Mutations)) -> Result<ToReceiver, String> {
    let mut mutations = v1::Mutations {
        origins: vec![encoded("eu", 0)],
        tables: vec![Bytes::from_static(&[1; 16])],
        vectors: vec![v1::IndexedVector {
            origins: vec![0],
            sequences: vec![7],
        }],
        mutations: vec![v1::Mutation {
            key: Bytes::from_static(&[1, 2, 3]),
            sequence: 8,
            ..v1::Mutation::default()
        }],
    };
    change(&mut mutations);
    let batch = v1::Batch {
        number: 1,
        generation: 1,
        mutations: Some(mutations),
        progress: vec![],
    };
    from_source(v1::FromSource {
        kind: Some(v1::from_source::Kind::Batch(batch)),
    })
    .map_err(|error| error.0)
}

#[test]
fn invalid_reference_is_refused_with_a_reason() {
    assert!(batch(|_| {}).is_ok());
    let refused = |change: fn(&mut v1::Mutations)| batch(change).unwrap_err();
    assert_eq!(refused(|batch| batch.mutations[0].origin = 1), "origin 1 of 1");
    assert_eq!(refused(|batch| batch.mutations[0].table = 9), "table 9 of 1");
    assert_eq!(refused(|batch| batch.mutations[0].causal_context = 1), "vector 1 of 1");
    assert_eq!(refused(|batch| batch.vectors[0].origins = vec![4]), "origin 4 of 1");
    assert_eq!(
        refused(|batch| batch.vectors[0].sequences = vec![]),
        "a vector has different numbers of origins and sequences"
    );
    assert_eq!(refused(|batch| batch.mutations[0].cause = 77), "unknown cause 77");
    assert_eq!(
        refused(|batch| batch.mutations[0].key = Bytes::from_static(&[1])),
        "a key has 1 bytes"
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].key = Bytes::from(vec![0; 9000])),
        "a key has 9000 bytes"
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].transaction_before = 9),
        "the sequences of a transaction are out of range"
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].transaction_after = u32::MAX),
        "a transaction has more than 1000 writes"
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].sequence = u64::MAX),
        format!("the sequence {} is too large", u64::MAX)
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].image = Some(Bytes::from(vec![0; 5 << 20]))),
        "an image exceeds the greatest size of an item"
    );
    assert_eq!(
        refused(|batch| batch.mutations[0].metadata = Some(Bytes::from(vec![0; 5 << 20]))),
        "metadata exceeds its greatest size"
    );
    assert_eq!(
        refused(|batch| batch.tables[0] = Bytes::new()),
        "a table id must have 16 bytes"
    );
    assert!(refused(|batch| batch.origins[0] = encoded("EU", 0)).contains("is not a region name"));
}

#[test]
fn origins_round_trip_with_their_shards() {
    let origin = |text: &str| text.parse::<Origin>().unwrap();
    let vector: VersionVector = [("eu", 1), ("eu/3", 2), ("us/65535", 3)]
        .into_iter()
        .map(|(text, sequence)| (origin(text), sequence))
        .collect();
    let subscription = ToSource::Subscribe(Subscription {
        generation: 1,
        tables: TableVectors::from([(TableId(9), vector.clone())]),
        origins: vec![origin("us"), origin("us/65535"), origin("us/1")],
    });
    let bytes = to_source(subscription.clone()).encode_to_vec();
    let arrived = v1::FromReceiver::decode(bytes.as_slice()).unwrap();
    assert_eq!(from_receiver(arrived), Ok(subscription));
    let mutation = |text: &str| Mutation {
        table: TableId(9),
        key: KeyBytes(Bytes::from_static(&[0, 0, 1])),
        version: Version {
            time: HybridTime::default(),
            origin: origin(text),
            sequence: 5,
        },
        causal_context: vector.clone(),
        image: None,
        metadata: None,
        cause: Cause::Client,
        transaction: Transaction { first: 5, last: 5 },
    };
    let batch = ToReceiver::Batch(Batch {
        number: 1,
        generation: 1,
        mutations: ["us", "us/1", "eu/3", "us/1"].map(mutation).into(),
        progress: vec![(TableId(9), origin("us/2"), 6)],
    });
    let bytes = to_receiver(batch.clone()).encode_to_vec();
    let arrived = v1::FromSource::decode(bytes.as_slice()).unwrap();
    assert_eq!(from_source(arrived), Ok(batch));
}

#[test]
fn missing_origin_or_too_large_shard_is_refused() {
    let subscribe = |origins, entry| {
        let entries = vec![v1::VectorEntry {
            origin: entry,
            sequence: 7,
        }];
        let table = v1::TableVector {
            table: Bytes::from_static(&[1; 16]),
            vector: Some(v1::Vector { entries }),
        };
        let subscribe = v1::Subscribe {
            generation: 1,
            tables: vec![table],
            origins,
        };
        let kind = Some(v1::from_receiver::Kind::Subscribe(subscribe));
        from_receiver(v1::FromReceiver { kind })
    };
    let refuse = |origin| {
        let below_low_watermark = vec![v1::TableOrigin {
            table: Bytes::from_static(&[1; 16]),
            origin,
        }];
        let refusal = v1::Refusal {
            generation: 1,
            below_low_watermark,
        };
        let kind = Some(v1::from_source::Kind::Refusal(refusal));
        from_source(v1::FromSource { kind })
    };
    let (greatest, too_great) = (encoded("eu", 65_535), encoded("eu", 65_536));
    assert!(subscribe(vec![greatest.clone()], Some(greatest.clone())).is_ok());
    assert!(refuse(Some(greatest.clone())).is_ok());
    let shard = Unreadable("shard 65536 of eu is out of range".to_owned());
    assert_eq!(
        subscribe(vec![too_great.clone()], Some(greatest.clone())),
        Err(shard.clone())
    );
    assert_eq!(subscribe(vec![greatest], Some(too_great.clone())), Err(shard.clone()));
    assert_eq!(refuse(Some(too_great.clone())), Err(shard.clone()));
    assert_eq!(batch(|batch| batch.origins[0] = too_great), Err(shard.0));
    let missing = Unreadable("an origin is missing".to_owned());
    assert_eq!(subscribe(vec![], None), Err(missing.clone()));
    assert_eq!(refuse(None), Err(missing));
    assert_eq!(batch(|batch| batch.origins.clear()), Err("origin 0 of 0".to_owned()));
    let nameless = subscribe(vec![v1::Origin::default()], Some(encoded("eu", 0)));
    assert!(nameless.unwrap_err().0.contains("is not a region name"));
}

#[test]
fn message_of_unknown_kind_is_refused() {
    assert!(from_source(v1::FromSource { kind: None }).is_err());
    assert!(from_receiver(v1::FromReceiver { kind: None }).is_err());
}

#[test]
fn goodbye_reason_is_truncated_for_the_status() {
    let goodbye = v1::Goodbye {
        reason: format!("\u{1b}[31m{}", "x".repeat(10_000)),
        permanent: true,
    };
    let message = v1::FromSource {
        kind: Some(v1::from_source::Kind::Goodbye(goodbye)),
    };
    let Ok(ToReceiver::Goodbye(goodbye)) = from_source(message) else {
        panic!("a goodbye stays one")
    };
    assert_eq!(goodbye.reason.len(), 500);
    assert!(!goodbye.reason.contains('\u{1b}') && goodbye.permanent);
}

#[test]
fn repeated_values_are_sent_once() {
    let mutation = |number: u8| Mutation {
        table: TableId(9),
        key: KeyBytes(Bytes::from(vec![0, 0, number])),
        version: Version {
            time: HybridTime::default(),
            origin: "eu-west-1".parse().unwrap(),
            sequence: 5,
        },
        causal_context: [("us-east-1".parse().unwrap(), 3)].into_iter().collect(),
        image: None,
        metadata: None,
        cause: Cause::Client,
        transaction: Transaction { first: 5, last: 5 },
    };
    let batch = |count| Batch {
        number: 1,
        generation: 1,
        mutations: (0..count).map(mutation).collect(),
        progress: vec![],
    };
    let length = |count| to_receiver(ToReceiver::Batch(batch(count))).encoded_len();
    assert!(length(101) - length(100) < 30, "{}", length(101) - length(100));
}

fn compressed(frame: Vec<u8>) -> v1::FromSource {
    let frame = Bytes::from(frame);
    v1::FromSource {
        kind: Some(v1::from_source::Kind::Compressed(v1::Compressed { frame })),
    }
}

#[test]
fn repetition_within_a_message_is_compressed() {
    let reply = ToReceiver::Reply(Reply {
        id: 1,
        answer: PeerAnswer::Digest(TableDigest {
            vector: VersionVector::default(),
            ranges: vec![RangeDigest::default(); usize::from(RANGES)],
            unknown: BTreeSet::new(),
        }),
    });
    let plain = to_receiver(reply.clone());
    let packed = Packer::default().pack(plain.clone());
    assert!(
        packed.encoded_len() * 10 < plain.encoded_len(),
        "{}",
        packed.encoded_len()
    );
    assert_eq!(Unpacker::default().unpack(packed).and_then(from_source), Ok(reply));
}

#[test]
fn invalid_or_oversized_frame_is_refused() {
    let refused = |frame| {
        let unpacked = Unpacker::default().unpack(compressed(frame));
        unpacked.and_then(from_source).unwrap_err().0
    };
    assert!(refused(b"no frame".to_vec()).starts_with("it cannot be decompressed: "));
    let bomb = zstd::bulk::compress(&vec![0; MESSAGE_BYTES_MAX + 1], 1).unwrap();
    assert!(bomb.len() < 10_000 && refused(bomb).starts_with("it cannot be decompressed: "));
    let inner = compressed(vec![]).encode_to_vec();
    assert_eq!(
        refused(zstd::bulk::compress(&inner, 1).unwrap()),
        "it is compressed twice"
    );
    assert!(refused(zstd::bulk::compress(&[0xFF; 9], 1).unwrap()).starts_with("it cannot be decompressed: "));
}

/// Another version of the protocol may write the rest of a hello in another way.
#[test]
fn invalid_hello_of_another_version_names_both_versions() {
    let hello = |protocol, region: &str, incarnation: &'static [u8]| v1::Hello {
        protocol,
        region: region.to_owned(),
        incarnation: Bytes::from_static(incarnation),
        ..v1::Hello::default()
    };
    let both = |hello: v1::Hello| {
        let from_receiver = from_receiver(v1::FromReceiver {
            kind: Some(v1::from_receiver::Kind::Hello(hello.clone())),
        });
        let from_source = from_source(v1::FromSource {
            kind: Some(v1::from_source::Kind::Hello(hello)),
        });
        [from_receiver.unwrap_err(), from_source.unwrap_err()]
    };
    let invalid = [("eu", &[7; 5][..]), ("No Region", &[7; 16])];
    for (region, incarnation) in invalid {
        for refused in both(hello(PROTOCOL + 1, region, incarnation)) {
            assert_eq!(
                refused.to_string(),
                format!(
                    "invalid message: this region speaks version {PROTOCOL} of the replication protocol, its peer \
                     version {} (run the same version of beringia in both regions)",
                    PROTOCOL + 1
                )
            );
        }
        for refused in both(hello(PROTOCOL, region, incarnation)) {
            assert!(!refused.to_string().contains("version"), "{refused}");
        }
    }
}
