//! The receiving side: dialling, hello, batches, acknowledgements, quarantine.

use beringia_clock::HybridTime;
use beringia_item::{Mutation, TableId, Transaction};
use beringia_replication::{
    Command, DialId, Event, LinkEvent, LinkState, StoreAnswer, Tuning,
    message::{Batch, BelowLowWatermark, Goodbye, PROTOCOL, ToReceiver, ToSource},
};
use beringia_storage_types::{RemoteBatch, RemoteKind, StoreError};

use crate::support::{
    CARTS, ScriptedRegion, WALL_MS, acknowledged_in, apply_in, goodbye_in, hello_of, mutation, origin, region,
    subscription_in, vectors,
};

fn batch(number: u64, generation: u64, sequences: &[u64]) -> ToReceiver {
    let mutations = sequences
        .iter()
        .map(|sequence| mutation(CARTS, "us", *sequence))
        .collect();
    ToReceiver::Batch(Batch {
        number,
        generation,
        mutations,
        progress: Vec::new(),
    })
}

fn applied(sequence: u64) -> StoreAnswer {
    StoreAnswer::Applied {
        vectors: vectors(&[(CARTS, "us", sequence)]),
        newer: 1,
    }
}

fn sequences(apply: &RemoteBatch) -> Vec<u64> {
    apply
        .mutations
        .iter()
        .map(|mutation| mutation.version.sequence)
        .collect()
}

#[test]
fn dials_all_peers_and_backs_off_after_failures() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let dials = |commands: &[Command]| {
        commands
            .iter()
            .filter(|command| matches!(command, Command::Dial(..)))
            .count()
    };
    let commands = script.tick(0);
    assert_eq!(dials(&commands), 2);
    assert_eq!(dials(&script.tick(100)), 0, "while dialling, nothing is dialled");
    let mut pauses = Vec::new();
    let mut link = script.dialled("ap");
    for _ in 0..8 {
        let since_ms = script.elapsed_ms;
        script.feed(Event::Dialled(link, LinkEvent::Closed("refused".to_owned())));
        link = script.dialled("ap");
        pauses.push(script.elapsed_ms - since_ms);
    }
    assert!((100..=160).contains(&pauses[0]), "{pauses:?}");
    assert!((200..=310).contains(&pauses[1]), "{pauses:?}");
    assert!(
        pauses[4..].iter().all(|pause| (300..=460).contains(pause)),
        "{pauses:?}"
    );
    assert!(
        pauses[4..].iter().any(|pause| *pause != pauses[4]),
        "pauses are random: {pauses:?}"
    );
}

#[test]
fn spreads_dials_of_peers_that_fail_together() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick(0);
    let mut apart = 0;
    for _ in 0..40 {
        for peer in ["ap", "us"] {
            let link = script.dialled(peer);
            script.feed(Event::Dialled(link, LinkEvent::Closed("refused".to_owned())));
        }
        let mut dialled_ms = Vec::new();
        while dialled_ms.len() < 2 {
            let dials = script.tick(10);
            dialled_ms.extend(
                dials
                    .iter()
                    .filter(|command| matches!(command, Command::Dial(..)))
                    .map(|_| script.elapsed_ms),
            );
            assert!(script.elapsed_ms < 60_000);
        }
        apart += u32::from(dialled_ms[1] - dialled_ms[0] >= 20);
    }
    // Two random pauses between 300 and 450 ms differ by that much in three of four cases.
    assert!(apart >= 20, "{apart} of 40");
}

#[test]
fn subscription_names_shared_tables_with_own_vectors() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "us", 5), (CARTS, "eu", 3)]));
    let (_, subscription) = script.connected("us");
    assert_eq!(subscription.generation, 1);
    assert_eq!(subscription.origins, [origin("us")]);
    assert_eq!(
        subscription.tables[&CARTS],
        vectors(&[(CARTS, "us", 5), (CARTS, "eu", 3)])[&CARTS]
    );
    assert_eq!(subscription.tables.len(), 2, "and the catalog");
}

#[test]
fn resubscribes_after_changes_before_the_source_hello() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = script.dialled("us");
    let opened = script.feed(Event::Dialled(link, LinkEvent::Opened));
    let first = subscription_in(&opened).expect("it goes with the hello");
    assert!(first.generation == 1 && first.tables.contains_key(&CARTS));
    let without = subscription_in(&script.feed(Event::Pause(CARTS))).unwrap();
    assert_eq!((without.generation, without.tables.contains_key(&CARTS)), (2, false));
    script.tick_with(0, vectors(&[(CARTS, "eu", 4)]));
    let with = subscription_in(&script.feed(Event::Resume(CARTS))).unwrap();
    assert_eq!((with.generation, with.tables[&CARTS].get(&origin("eu"))), (3, 4));
    let greeted = script.source_says(link, ToReceiver::Hello(hello_of("us")));
    assert_eq!(subscription_in(&greeted), None);
    // Batches sent before may leave a gap.
    assert!(apply_in(&script.source_says(link, batch(1, 1, &[1]))).is_none());
    let (_, apply) = apply_in(&script.source_says(link, batch(2, 3, &[2]))).unwrap();
    assert_eq!(sequences(&apply), [2]);
}

#[test]
fn hangs_up_on_a_message_before_the_hello() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = script.dialled("us");
    script.feed(Event::Dialled(link, LinkEvent::Opened));
    let goodbye = goodbye_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    assert_eq!(goodbye, "a message arrived before the hello");
}

#[test]
fn applies_one_commit_at_a_time_and_acks_when_durable() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let commands = script.source_says(link, batch(1, 1, &[1, 2]));
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!((apply.kind, sequences(&apply)), (RemoteKind::Stream, vec![1, 2]));
    assert_eq!(acknowledged_in(&commands), None, "nothing is durable yet");
    assert_eq!(script.source_says(link, batch(2, 1, &[3])), []);
    assert_eq!(script.source_says(link, batch(3, 1, &[4, 5])), []);
    let commands = script.answer(ticket, applied(2));
    assert_eq!(acknowledged_in(&commands), Some(1));
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!(sequences(&apply), [3, 4, 5], "waiting batches share a commit");
    assert_eq!(acknowledged_in(&script.answer(ticket, applied(5))), Some(3));
}

#[test]
fn batch_out_of_order_ends_the_stream() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let commands = script.source_says(link, batch(2, 1, &[1]));
    assert_eq!(goodbye_in(&commands).as_deref(), Some("a batch arrived out of order"));
    assert!(commands.contains(&Command::HangUp(link)));
}

#[test]
fn hangs_up_on_a_source_that_ignores_the_window() {
    let mut script = ScriptedRegion::new(Tuning {
        inbox_bytes_max: 2000,
        ..Tuning::default()
    });
    let (link, _) = script.connected("us");
    let goodbye = (1..100).find_map(|number| goodbye_in(&script.source_says(link, batch(number, 1, &[number]))));
    assert_eq!(goodbye.as_deref(), Some("the source sent more than the window allows"));
}

/// After a refusal the stream is subscribed to again, and batches sent before are not applied: they
/// would leave a gap.
#[test]
fn quarantined_writes_are_requested_again_in_order() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let (ticket, _) = apply_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    script.source_says(link, batch(2, 1, &[2]));
    let commands = script.fail(
        ticket,
        StoreError::Quarantined {
            origin: origin("us"),
            ahead_ms: 2500,
            limit_ms: 500,
        },
    );
    assert_eq!(
        acknowledged_in(&commands),
        Some(2),
        "all batches, so that the window opens"
    );
    let without = subscription_in(&commands).unwrap();
    assert_eq!((without.generation, without.origins.len()), (2, 0));
    assert_eq!(apply_in(&commands), None);
    let seen = script.replicator.status().peers[&region("us")].quarantined.unwrap();
    assert_eq!((seen.ahead_ms, seen.limit_ms), (2500, 500));

    // Batches that were on their way follow dropped writes: they are acknowledged, to open the
    // window, and not applied.
    let commands = script.source_says(link, batch(3, 1, &[3]));
    assert_eq!((apply_in(&commands), acknowledged_in(&commands)), (None, Some(3)));

    let with = subscription_in(&script.tick(2000)).expect("the time has come");
    assert_eq!((with.generation, with.origins), (3, vec![origin("us")]));
    assert_eq!(with.tables[&CARTS].get(&origin("us")), 0, "from what is durable here");
    for (number, generation) in [(4, 1), (5, 2)] {
        assert_eq!(
            apply_in(&script.source_says(link, batch(number, generation, &[4]))),
            None
        );
    }
    let (ticket, apply) = apply_in(&script.source_says(link, batch(6, 3, &[1, 2, 3]))).unwrap();
    assert_eq!(sequences(&apply), [1, 2, 3]);
    script.answer(ticket, applied(3));
    assert_eq!(script.replicator.status().peers[&region("us")].quarantined, None);
}

/// The table with the write is left out of the subscription, and tried again a minute later. Other
/// tables, and the stream, go on.
fn assert_sets_carts_aside(unreadable: &StoreError, reason: &str) {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let (ticket, _) = apply_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    script.source_says(link, batch(2, 1, &[2]));
    let commands = script.fail(ticket, unreadable.clone());
    assert_eq!(goodbye_in(&commands), None);
    assert_eq!(acknowledged_in(&commands), Some(2), "so that the window opens");
    let without = subscription_in(&commands).unwrap();
    assert_eq!((without.generation, &without.origins[..]), (2, &[origin("us")][..]));
    assert!(without.tables.contains_key(&TableId::CATALOG) && !without.tables.contains_key(&CARTS));
    let shown = |script: &ScriptedRegion| script.replicator.status().set_aside;
    assert_eq!(shown(&script), [(CARTS, reason.to_owned())].into());

    assert_eq!(subscription_in(&script.tick(59_999)), None);
    let again = subscription_in(&script.tick(1)).unwrap();
    assert_eq!(again.tables[&CARTS].get(&origin("us")), 0, "from what is durable here");
    assert_eq!(shown(&script).len(), 1, "until it can be read");
    let (ticket, _) = apply_in(&script.source_says(link, batch(3, 3, &[1]))).unwrap();
    let commands = script.fail(ticket, unreadable.clone());
    assert!(!subscription_in(&commands).unwrap().tables.contains_key(&CARTS));

    assert!(
        subscription_in(&script.tick(60_000))
            .unwrap()
            .tables
            .contains_key(&CARTS)
    );
    let (ticket, apply) = apply_in(&script.source_says(link, batch(4, 5, &[1, 2]))).unwrap();
    assert_eq!(sequences(&apply), [1, 2]);
    script.answer(ticket, applied(2));
    assert!(shown(&script).is_empty());
}

#[test]
fn table_with_an_unreadable_write_is_set_aside() {
    let unreadable = StoreError::Malformed {
        table: CARTS,
        origin: origin("us"),
        what: "its image ends early".to_owned(),
    };
    assert_sets_carts_aside(&unreadable, "a write of us cannot be read: its image ends early");
}

/// The session used to end, and with it the replication of all tables, at each attempt.
#[test]
fn table_with_an_unreadable_page_is_set_aside() {
    let inapplicable = StoreError::Inapplicable {
        among: [(CARTS, origin("us"))].into(),
        what: "the page is damaged".to_owned(),
    };
    assert_sets_carts_aside(&inapplicable, "a write of us cannot be applied: the page is damaged");
}

/// Each is subscribed to again without the next one, so that its own writes show which it was.
#[test]
fn tables_that_an_unreadable_page_may_concern_are_set_aside() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let (ticket, _) = apply_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    let inapplicable = StoreError::Inapplicable {
        among: [(TableId::CATALOG, origin("us")), (CARTS, origin("us"))].into(),
        what: "a page is damaged".to_owned(),
    };
    let commands = script.fail(ticket, inapplicable);
    assert_eq!(goodbye_in(&commands), None);
    assert!(subscription_in(&commands).unwrap().tables.is_empty());
    let reason = "one of several writes of us cannot be applied: a page is damaged".to_owned();
    let both = [(TableId::CATALOG, reason.clone()), (CARTS, reason)];
    assert_eq!(script.replicator.status().set_aside, both.into());
    let first = subscription_in(&script.tick(60_000)).unwrap();
    assert_eq!(first.tables.keys().collect::<Vec<_>>(), [&TableId::CATALOG]);
    let second = subscription_in(&script.tick(1000)).unwrap();
    assert_eq!(second.tables.len(), 2);
}

/// A region that has lost `us` and, a little later, takes its writes from `ap`, which relays them.
fn relayed(script: &mut ScriptedRegion) -> DialId {
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    script.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 4)])));
    script.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    assert_eq!(subscription_in(&script.tick(500)), None, "it may be back soon");
    let both = subscription_in(&script.tick(600)).unwrap();
    assert_eq!(both.origins, [origin("ap"), origin("us")]);
    ap
}

#[test]
fn writes_in_a_refused_commit_are_sent_again() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let ap = relayed(&mut script);
    let relaying = |number, generation| {
        ToReceiver::Batch(Batch {
            number,
            generation,
            mutations: vec![mutation(CARTS, "ap", 1), mutation(CARTS, "us", 1)],
            progress: Vec::new(),
        })
    };
    let (ticket, _) = apply_in(&script.source_says(ap, relaying(1, 2))).unwrap();
    let held = StoreError::Quarantined {
        origin: origin("us"),
        ahead_ms: 900,
        limit_ms: 500,
    };
    let again = subscription_in(&script.fail(ticket, held)).unwrap();
    assert_eq!((again.generation, again.origins), (3, vec![origin("ap")]));
    assert_eq!(
        apply_in(&script.source_says(ap, relaying(2, 2))),
        None,
        "it would leave a gap before it"
    );
    let (_, apply) = apply_in(&script.source_says(ap, relaying(3, 3))).unwrap();
    let origins: Vec<_> = apply.mutations.iter().map(Mutation::origin).collect();
    assert_eq!(origins, [&origin("ap")]);
}

/// A write of `us` whose time is this many milliseconds ahead of this region's clock.
fn ahead(script: &ScriptedRegion, sequence: u64, ahead_ms: u64) -> Mutation {
    let mut mutation = mutation(CARTS, "us", sequence);
    mutation.version.time = HybridTime::from_parts(WALL_MS + script.elapsed_ms + ahead_ms, 0);
    mutation
}

/// A stream from `us` on which the store refused a write that is half a minute ahead. Five seconds
/// later it is subscribed to again: `us` is taken from generation 3 on, and the next batch is
/// number 2.
fn refused_once(script: &mut ScriptedRegion) -> DialId {
    let (link, _) = script.connected("us");
    let (ticket, _) = apply_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    let refusal = StoreError::Quarantined {
        origin: origin("us"),
        ahead_ms: 30_000,
        limit_ms: 500,
    };
    assert_eq!(subscription_in(&script.fail(ticket, refusal)).unwrap().origins, []);
    assert_eq!(subscription_in(&script.tick(4999)), None);
    let again = subscription_in(&script.tick(1)).unwrap();
    assert_eq!((again.generation, again.origins), (3, vec![origin("us")]));
    link
}

/// The writes before it are applied at once. The rest, from the start of its transaction, is
/// requested again when its time has come.
#[test]
fn applies_up_to_a_write_too_far_ahead_and_retries_the_rest() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = refused_once(&mut script);
    let mut mutations: Vec<Mutation> = [(1, 400), (2, 500), (3, 500), (4, 3500), (5, 30_000)]
        .iter()
        .map(|(sequence, ahead_ms)| ahead(&script, *sequence, *ahead_ms))
        .collect();
    // The third and fourth write are one transaction.
    for member in &mut mutations[2..4] {
        member.transaction = Transaction { first: 3, last: 4 };
    }
    let commands = script.source_says(
        link,
        ToReceiver::Batch(Batch {
            number: 2,
            generation: 3,
            mutations,
            progress: vec![(CARTS, origin("us"), 5)],
        }),
    );
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!((sequences(&apply), apply.progress), (vec![1, 2], vec![]));
    let without = subscription_in(&commands).unwrap();
    assert_eq!((without.generation, without.origins.len()), (4, 0));
    let held = |script: &ScriptedRegion| script.replicator.status().peers[&region("us")].quarantined;
    assert_eq!(held(&script).map(|seen| seen.ahead_ms), Some(3500));

    assert_eq!(
        script.source_says(link, batch(3, 3, &[6])),
        [],
        "it waits behind the commit"
    );
    let commands = script.answer(ticket, applied(2));
    assert_eq!(
        (apply_in(&commands), acknowledged_in(&commands)),
        (None, Some(3)),
        "it would leave a gap"
    );
    assert_eq!(
        held(&script).map(|seen| seen.ahead_ms),
        Some(3500),
        "the next one still waits"
    );

    assert_eq!(subscription_in(&script.tick(2999)), None);
    let with = subscription_in(&script.tick(1)).expect("the time of the first that waits has come");
    assert_eq!((with.generation, with.origins), (5, vec![origin("us")]));
    assert_eq!(with.tables[&CARTS].get(&origin("us")), 2, "what came before is here");
    let (ticket, apply) = apply_in(&script.source_says(link, batch(4, 5, &[3, 4, 5, 6]))).unwrap();
    assert_eq!(sequences(&apply), [3, 4, 5, 6]);
    script.answer(ticket, applied(6));
    assert_eq!(held(&script), None);
}

/// The store names its limit only when it first refuses a commit. The rest of that commit is still
/// applied at once.
#[test]
fn first_refused_batch_delays_only_writes_too_far_ahead() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let mutations = vec![ahead(&script, 1, 500), ahead(&script, 2, 4000), ahead(&script, 3, 0)];
    let first = Batch {
        number: 1,
        generation: 1,
        mutations,
        progress: vec![(CARTS, origin("us"), 3)],
    };
    let (ticket, apply) = apply_in(&script.source_says(link, ToReceiver::Batch(first))).unwrap();
    assert_eq!(sequences(&apply), [1, 2, 3], "the limit is not known yet");
    assert_eq!(script.source_says(link, batch(2, 1, &[4])), []);
    let refusal = StoreError::Quarantined {
        origin: origin("us"),
        ahead_ms: 4000,
        limit_ms: 500,
    };
    let commands = script.fail(ticket, refusal);
    let (ticket, apply) = apply_in(&commands).expect("the rest goes to the store at once");
    assert_eq!((sequences(&apply), apply.progress), (vec![1], vec![]));
    assert_eq!(acknowledged_in(&commands), None, "it is not durable yet");
    assert_eq!(
        subscription_in(&commands).unwrap().origins,
        [],
        "what follows waits as well"
    );
    let commands = script.answer(ticket, applied(1));
    assert_eq!((apply_in(&commands), acknowledged_in(&commands)), (None, Some(2)));
    let seen = script.replicator.status().peers[&region("us")].quarantined.unwrap();
    assert_eq!((seen.ahead_ms, seen.limit_ms), (4000, 500));
    let with = subscription_in(&script.tick(3500)).expect("its time has come");
    assert_eq!(with.tables[&CARTS].get(&origin("us")), 1);
}

#[test]
fn retries_quarantined_writes_at_most_once_a_second() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = refused_once(&mut script);
    let waiting = ahead(&script, 1, 501);
    let commands = script.source_says(
        link,
        ToReceiver::Batch(Batch {
            number: 2,
            generation: 3,
            mutations: vec![waiting],
            progress: Vec::new(),
        }),
    );
    assert_eq!(
        (apply_in(&commands), acknowledged_in(&commands)),
        (None, Some(2)),
        "nothing is left of it"
    );
    assert_eq!(subscription_in(&commands).unwrap().origins, []);
    assert_eq!(subscription_in(&script.tick(999)), None);
    assert_eq!(subscription_in(&script.tick(1)).unwrap().origins, [origin("us")]);
}

#[test]
fn ignores_progress_behind_a_write_too_far_ahead() {
    let mut script = ScriptedRegion::new(Tuning {
        apply_bytes: 1,
        ..Tuning::default()
    });
    let link = refused_once(&mut script);
    let of = |number, mutations, progress| {
        ToReceiver::Batch(Batch {
            number,
            generation: 3,
            mutations,
            progress,
        })
    };
    let (due, waiting) = (ahead(&script, 1, 0), ahead(&script, 2, 30_000));
    let (ticket, _) = apply_in(&script.source_says(link, of(2, vec![due], Vec::new()))).unwrap();
    script.source_says(link, of(3, vec![waiting], Vec::new()));
    script.source_says(link, of(4, Vec::new(), vec![(CARTS, origin("us"), 9)]));
    let commands = script.answer(ticket, applied(1));
    assert_eq!((apply_in(&commands), acknowledged_in(&commands)), (None, Some(4)));
}

#[test]
fn applied_write_too_far_ahead_delays_nothing() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = refused_once(&mut script);
    // It was applied while this region's clock was right.
    script.tick_with(0, vectors(&[(CARTS, "us", 1)]));
    let mutations = vec![ahead(&script, 1, 30_000), ahead(&script, 2, 500)];
    let commands = script.source_says(
        link,
        ToReceiver::Batch(Batch {
            number: 2,
            generation: 3,
            mutations,
            progress: Vec::new(),
        }),
    );
    assert_eq!(sequences(&apply_in(&commands).unwrap().1), [1, 2]);
    assert_eq!(subscription_in(&commands), None);
}

/// A relay may send an origin's writes to two tables out of sequence order.
#[test]
fn write_relayed_out_of_order_also_stops_a_batch() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = refused_once(&mut script);
    let mut other = ahead(&script, 3, 2000);
    other.table = TableId::CATALOG;
    let mutations = vec![
        ahead(&script, 2, 500),
        ahead(&script, 5, 4000),
        other,
        ahead(&script, 6, 4000),
    ];
    let commands = script.source_says(
        link,
        ToReceiver::Batch(Batch {
            number: 2,
            generation: 3,
            mutations,
            progress: Vec::new(),
        }),
    );
    assert_eq!(sequences(&apply_in(&commands).unwrap().1), [2]);
    let seen = script.replicator.status().peers[&region("us")].quarantined.unwrap();
    assert_eq!(seen.ahead_ms, 2000, "the first that waits, not the first that came");
}

#[test]
fn other_relayed_origins_continue_beside_a_quarantined_one() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let us = refused_once(&mut script);
    let (ap, _) = script.connected("ap");
    script.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 4)])));
    script.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    let both = subscription_in(&script.tick(1100)).unwrap();
    assert_eq!((both.generation, both.origins), (2, vec![origin("ap"), origin("us")]));
    let mutations = vec![
        ahead(&script, 1, 500),
        ahead(&script, 2, 501),
        mutation(CARTS, "ap", 1),
        ahead(&script, 3, 501),
    ];
    let relaying = |number, mutations| {
        ToReceiver::Batch(Batch {
            number,
            generation: 2,
            mutations,
            progress: vec![(CARTS, origin("ap"), 9), (CARTS, origin("us"), 9)],
        })
    };
    let written = |apply: &RemoteBatch| -> Vec<(String, u64)> {
        let of = |mutation: &Mutation| (mutation.origin().to_string(), mutation.version.sequence);
        apply.mutations.iter().map(of).collect()
    };
    let commands = script.source_says(ap, relaying(1, mutations));
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!(written(&apply), [("us".to_owned(), 1), ("ap".to_owned(), 1)]);
    assert_eq!(apply.progress, [(CARTS, origin("ap"), 9)]);
    assert_eq!(subscription_in(&commands).unwrap().origins, [origin("ap")]);

    // Sent before the relay received the new subscription. Nothing of `ap` is missing before it.
    script.source_says(
        ap,
        relaying(2, vec![mutation(CARTS, "ap", 10), mutation(CARTS, "us", 10)]),
    );
    let (_, apply) = apply_in(&script.answer(ticket, applied(1))).unwrap();
    assert_eq!(written(&apply), [("ap".to_owned(), 10)]);
    assert_eq!(apply.progress, [(CARTS, origin("ap"), 9)]);
}

#[test]
fn returned_table_is_taken_from_the_new_subscription_on() {
    use beringia_storage_types::ReplicaStatus::Active;
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let others = [("us", Active), ("ap", Active)];
    let without = script.catalog(&others);
    assert!(!subscription_in(&without).unwrap().tables.contains_key(&CARTS));
    assert_eq!(apply_in(&script.source_says(link, batch(1, 1, &[1]))), None);
    let with = script.catalog(&[&others[..], &[("eu", Active)]].concat());
    assert_eq!(subscription_in(&with).unwrap().generation, 3);
    assert_eq!(
        apply_in(&script.source_says(link, batch(2, 1, &[2]))),
        None,
        "sent before"
    );
    assert!(apply_in(&script.source_says(link, batch(3, 3, &[1, 2]))).is_some());
}

#[test]
fn store_failure_ends_the_stream_without_an_ack() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (link, _) = script.connected("us");
    let (ticket, _) = apply_in(&script.source_says(link, batch(1, 1, &[1]))).unwrap();
    let commands = script.fail(ticket, StoreError::DiskFull("no page is free".to_owned()));
    assert_eq!(acknowledged_in(&commands), None);
    assert_eq!(
        goodbye_in(&commands).as_deref(),
        Some("eu cannot apply the received batches: no space is left for the database: no page is free")
    );
    let (_, again) = script.connected("us");
    assert_eq!(again.tables[&CARTS].get(&origin("us")), 0);
}

#[test]
fn refuses_another_protocol_version_and_retries_rarely() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = script.dialled("us");
    script.feed(Event::Dialled(link, LinkEvent::Opened));
    let mut hello = hello_of("us");
    hello.protocol = PROTOCOL + 1;
    let commands = script.source_says(link, ToReceiver::Hello(hello));
    let reason = format!(
        "eu speaks version {PROTOCOL} of the replication protocol, us version {} \
         (run the same version of beringia in both regions)",
        PROTOCOL + 1
    );
    let goodbye = ToSource::Goodbye(Goodbye {
        reason: reason.clone(),
        permanent: true,
    });
    assert!(commands.contains(&Command::SendToSource(link, goodbye)));
    assert_eq!(
        script.replicator.status().peers[&region("us")].receiving,
        LinkState::Refused(reason)
    );
    let since_ms = script.elapsed_ms;
    script.dialled("us");
    assert!(script.elapsed_ms - since_ms >= Tuning::default().refused_retry_ms);
}

/// The relay is a peer that has more of the origin's writes than this region.
#[test]
fn unreachable_origin_is_relayed_until_it_is_back() {
    let mut script = ScriptedRegion::new(Tuning::default());
    relayed(&mut script);
    let through = |script: &ScriptedRegion| script.replicator.status().peers[&region("us")].relayed_through.clone();
    assert_eq!(through(&script), Some(region("ap")));
    script.connected("us");
    let direct = subscription_in(&script.tick(10)).unwrap();
    assert_eq!(direct.origins, [origin("ap")]);
    assert_eq!(through(&script), None);
}

#[test]
fn origin_with_a_trimmed_log_is_relayed_by_a_peer() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    script.source_says(us, ToReceiver::Vectors(vectors(&[(CARTS, "us", 9)])));
    script.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 9)])));
    script.source_says(
        us,
        ToReceiver::Refusal(BelowLowWatermark {
            generation: 1,
            parts: vec![(CARTS, origin("us"))],
        }),
    );
    let commands = script.tick(100);
    let relayed = commands.iter().find_map(|command| match command {
        Command::SendToSource(link, ToSource::Subscribe(subscription)) if *link == ap => Some(subscription.clone()),
        _ => None,
    });
    assert_eq!(relayed.unwrap().origins, [origin("ap"), origin("us")]);
}
