//! The sending side: subscriptions, the window, refusals, requests.

use std::{collections::BTreeSet, sync::Arc};

use beringia_item::{RANGES, TableId};
use beringia_replication::{
    AcceptId, Command, Event, LinkEvent, StoreAnswer, StoreCall, Ticket, Tuning,
    message::{
        Acknowledgement, Batch, BelowLowWatermark, PeerAnswer, Question, RangeSpan, Reply, Request, Subscription,
        ToReceiver, ToSource,
    },
};
use beringia_storage_types::{LogFilter, LogPage, LogPosition, RangeDigest, ReplicaStatus, StoreError, TableDigest};

use crate::support::{CARTS, ScriptedRegion, call_in, goodbye_in, hello_of, mutation, origin, region, vectors};

fn subscribe(generation: u64, us_has: u64) -> ToSource {
    ToSource::Subscribe(Subscription {
        generation,
        tables: vectors(&[(CARTS, "eu", us_has)]),
        origins: vec![origin("eu")],
    })
}

fn acknowledge(batch: u64) -> ToSource {
    ToSource::Acknowledge(Acknowledgement {
        batch,
        tables: vectors(&[]),
    })
}

fn batches(commands: &[Command]) -> Vec<Batch> {
    let batch = |command: &Command| match command {
        Command::SendToReceiver(_, ToReceiver::Batch(batch)) => Some(batch.clone()),
        _ => None,
    };
    commands.iter().filter_map(batch).collect()
}

/// A stream from `us` whose cursor is open and reading.
fn reading(script: &mut ScriptedRegion, us_has: u64) -> (AcceptId, Ticket, Arc<LogFilter>) {
    let link = script.accepted(1, "us");
    let commands = script.receiver_says(link, subscribe(1, us_has));
    let Some((ticket, StoreCall::Position(_))) = call_in(&commands) else {
        panic!("{commands:?}")
    };
    let commands = script.answer(ticket, StoreAnswer::Position(Ok(LogPosition(40))));
    let Some((
        ticket,
        StoreCall::Read {
            from: LogPosition(40),
            filter,
            ..
        },
    )) = call_in(&commands)
    else {
        panic!("{commands:?}")
    };
    (link, ticket, filter)
}

fn log(sequences: &[u64], next: u64, end: Option<u64>) -> StoreAnswer {
    StoreAnswer::Log(LogPage {
        mutations: sequences
            .iter()
            .map(|sequence| mutation(CARTS, "eu", *sequence))
            .collect(),
        next: LogPosition(next),
        end: end.map(|end| vectors(&[(CARTS, "eu", end)]).into_iter().collect()),
    })
}

#[test]
fn reads_the_log_from_the_receivers_vector_and_on_growth() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (_, ticket, filter) = reading(&mut script, 3);
    assert_eq!(filter.origins, [origin("eu")]);
    assert_eq!(filter.tables, vectors(&[(CARTS, "eu", 3)]));
    let commands = script.answer(ticket, log(&[4, 5], 42, Some(5)));
    let sent = batches(&commands);
    assert_eq!((sent.len(), sent[0].number, sent[0].mutations.len()), (1, 1, 2));
    assert_eq!(sent[0].progress, [], "the mutations say it all");
    assert_eq!(call_in(&commands), None, "the end is reached");
    let commands = script.grown(&[(CARTS, "eu", 6)]);
    assert!(
        matches!(
            call_in(&commands),
            Some((
                _,
                StoreCall::Read {
                    from: LogPosition(42),
                    ..
                }
            ))
        ),
        "{commands:?}"
    );
}

#[test]
fn unwanted_records_are_read_only_to_skip_them() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (_, ticket, _) = reading(&mut script, 3);
    script.answer(ticket, log(&[4], 41, Some(4)));
    let other = TableId(77);
    for sequence in 0..64 {
        let commands = script.grown(&[(CARTS, "eu", 4), (CARTS, "ap", sequence), (other, "eu", sequence)]);
        assert_eq!(commands, [], "what others wrote, and other tables");
    }
    let commands = script.grown(&[(CARTS, "eu", 4), (CARTS, "ap", 64)]);
    let Some((
        ticket,
        StoreCall::Read {
            from: LogPosition(41), ..
        },
    )) = call_in(&commands)
    else {
        panic!("reading must not fall so far behind: {commands:?}")
    };
    assert_eq!(script.answer(ticket, log(&[], 105, Some(4))), [], "nothing is sent");
    assert_eq!(script.grown(&[(CARTS, "eu", 4), (CARTS, "ap", 65)]), []);
    let commands = script.grown(&[(CARTS, "eu", 5), (CARTS, "ap", 65)]);
    assert!(
        matches!(
            call_in(&commands),
            Some((
                _,
                StoreCall::Read {
                    from: LogPosition(105),
                    ..
                }
            ))
        ),
        "{commands:?}"
    );
}

#[test]
fn log_growth_during_a_read_is_not_missed() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (_, ticket, _) = reading(&mut script, 3);
    assert_eq!(script.grown(&[(CARTS, "eu", 4)]), [], "one read at a time");
    let commands = script.answer(ticket, log(&[4], 41, Some(4)));
    assert!(
        matches!(
            call_in(&commands),
            Some((
                _,
                StoreCall::Read {
                    from: LogPosition(41),
                    ..
                }
            ))
        ),
        "{commands:?}"
    );
}

#[test]
fn progress_covers_sequences_without_records() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (_, ticket, _) = reading(&mut script, 3);
    let commands = script.answer(ticket, log(&[4], 41, Some(9)));
    assert_eq!(batches(&commands)[0].progress, [(CARTS, origin("eu"), 9)]);
    assert_eq!(script.grown(&[(CARTS, "eu", 9)]), [], "and only once");
    let commands = script.grown(&[(CARTS, "eu", 10)]);
    let (ticket, _) = call_in(&commands).unwrap();
    let commands = script.answer(ticket, log(&[10], 42, Some(10)));
    assert_eq!(batches(&commands)[0].progress, []);
}

#[test]
fn window_limits_a_receiver_that_does_not_acknowledge() {
    let mut script = ScriptedRegion::new(Tuning {
        window_bytes: 500,
        ..Tuning::default()
    });
    let (link, mut ticket, _) = reading(&mut script, 0);
    let mut sequence = 0;
    let mut sent = Vec::new();
    loop {
        sequence += 1;
        let commands = script.answer(ticket, log(&[sequence], 40 + sequence, None));
        sent.extend(batches(&commands));
        match call_in(&commands) {
            Some((next, StoreCall::Read { .. })) => ticket = next,
            _ => break,
        }
    }
    let bytes: usize = sent.iter().map(Batch::weight).sum();
    assert!((500..700).contains(&bytes), "{bytes}");
    assert_eq!(script.grown(&[(CARTS, "eu", sequence + 1)]), []);
    let commands = script.receiver_says(link, acknowledge(1));
    assert!(
        matches!(call_in(&commands), Some((_, StoreCall::Read { .. }))),
        "{commands:?}"
    );
}

#[test]
fn refuses_trimmed_writes_and_sends_the_rest() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = script.accepted(1, "us");
    let catalog_too = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", 3), (TableId::CATALOG, "eu", 1)]),
        origins: vec![origin("eu")],
    };
    let (ticket, _) = call_in(&script.receiver_says(link, ToSource::Subscribe(catalog_too))).unwrap();
    let missing = vec![(CARTS, origin("eu"))];
    let commands = script.answer(ticket, StoreAnswer::Position(Err(missing.clone())));
    let refusal = ToReceiver::Refusal(BelowLowWatermark {
        generation: 1,
        parts: missing,
    });
    assert!(commands.contains(&Command::SendToReceiver(link, refusal)));
    let Some((_, StoreCall::Position(filter))) = call_in(&commands) else {
        panic!("{commands:?}")
    };
    assert!(
        filter.tables[&CARTS].get(&origin("eu")) > u64::MAX / 4,
        "no write has a greater sequence"
    );
    assert_eq!(filter.tables[&TableId::CATALOG].get(&origin("eu")), 1);
}

#[test]
fn table_being_bootstrapped_is_not_served() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let creating = ReplicaStatus::Creating { from: region("us") };
    script.catalog(&[("eu", creating), ("us", ReplicaStatus::Active)]);
    let link = script.accepted(1, "us");
    assert_eq!(call_in(&script.receiver_says(link, subscribe(1, 0))), None);
    let ask = ToSource::Request(Request {
        id: 1,
        table: CARTS,
        question: Question::Digest { as_of: None },
    });
    let commands = script.receiver_says(link, ask);
    let Some(Command::SendToReceiver(_, ToReceiver::Reply(reply))) = commands.first() else {
        panic!("{commands:?}")
    };
    assert_eq!(
        reply.answer,
        PeerAnswer::Unavailable(format!("eu does not serve table {CARTS}"))
    );
    // Once the replica is complete, the subscribed table is sent.
    let commands = script.catalog(&[("eu", ReplicaStatus::Active), ("us", ReplicaStatus::Active)]);
    assert!(
        matches!(call_in(&commands), Some((_, StoreCall::Position(_)))),
        "{commands:?}"
    );
}

#[test]
fn rows_are_copied_only_to_replicas_in_the_catalog() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.catalog(&[("eu", ReplicaStatus::Active), ("ap", ReplicaStatus::Active)]);
    let link = script.accepted(1, "us");
    let ask = ToSource::Request(Request {
        id: 4,
        table: CARTS,
        question: Question::Keys {
            span: RangeSpan { first: 0, last: 9 },
            after: None,
        },
    });
    let commands = script.receiver_says(link, ask);
    let reason = format!("eu does not know that us has a replica of table {CARTS}");
    let reply = Reply {
        id: 4,
        answer: PeerAnswer::Unavailable(reason),
    };
    assert_eq!(commands, [Command::SendToReceiver(link, ToReceiver::Reply(reply))]);
}

#[test]
fn requests_are_answered_up_to_a_limit() {
    let mut script = ScriptedRegion::new(Tuning {
        requests_max: 2,
        ..Tuning::default()
    });
    let link = script.accepted(1, "us");
    let ask = |id| {
        ToSource::Request(Request {
            id,
            table: CARTS,
            question: Question::Digest { as_of: None },
        })
    };
    let (ticket, _) = call_in(&script.receiver_says(link, ask(1))).unwrap();
    let digest = TableDigest {
        vector: [].into_iter().collect(),
        ranges: vec![RangeDigest::default(); usize::from(RANGES)],
        unknown: BTreeSet::new(),
    };
    let answered = script.answer(ticket, StoreAnswer::Digest(digest.clone()));
    let reply = Reply {
        id: 1,
        answer: PeerAnswer::Digest(digest),
    };
    assert_eq!(answered, [Command::SendToReceiver(link, ToReceiver::Reply(reply))]);
    script.receiver_says(link, ask(2));
    script.receiver_says(link, ask(3));
    let commands = script.receiver_says(link, ask(4));
    assert_eq!(goodbye_in(&commands).as_deref(), Some("too many requests are pending"));
    assert!(commands.contains(&Command::TurnAway(link)));
}

#[test]
fn a_log_that_cannot_be_read_ends_the_stream_with_the_reason() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, ticket, _) = reading(&mut script, 0);
    let commands = script.fail(ticket, StoreError::Database("the disk is gone".to_owned()));
    assert_eq!(
        goodbye_in(&commands).as_deref(),
        Some("reading the log failed: the database failed: the disk is gone")
    );
    assert!(commands.contains(&Command::TurnAway(link)));
}

#[test]
fn ack_of_an_unsent_batch_ends_the_stream() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _, _) = reading(&mut script, 0);
    let commands = script.receiver_says(link, acknowledge(1));
    assert_eq!(
        goodbye_in(&commands).as_deref(),
        Some("an acknowledgement names a batch that was not sent")
    );
}

#[test]
fn newer_stream_replaces_the_one_before() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let former = script.accepted(1, "us");
    script.feed(Event::Accepted(AcceptId(2), LinkEvent::Opened));
    let commands = script.receiver_says(AcceptId(2), ToSource::Hello(hello_of("us")));
    assert!(commands.contains(&Command::TurnAway(former)));
    assert!(!commands.contains(&Command::TurnAway(AcceptId(2))));
}

#[test]
fn accepted_streams_without_a_hello_are_limited() {
    let mut script = ScriptedRegion::new(Tuning {
        accepted_max: 3,
        ..Tuning::default()
    });
    for number in 0..3 {
        assert_eq!(script.feed(Event::Accepted(AcceptId(number), LinkEvent::Opened)), []);
    }
    let commands = script.feed(Event::Accepted(AcceptId(3), LinkEvent::Opened));
    assert_eq!(goodbye_in(&commands).as_deref(), Some("too many streams are open"));
    // A stream without a hello is ended in time.
    let commands = script.tick(Tuning::default().hello_timeout_ms);
    assert_eq!(
        commands
            .iter()
            .filter(|command| matches!(command, Command::TurnAway(_)))
            .count(),
        3
    );
}
