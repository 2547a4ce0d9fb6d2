//! The receiving side: dialling, hello, batches, acknowledgements, quarantine.

use beringia_replication::{
    ApplyKind, Command, Event, LinkEvent, LinkState, StoreAnswer, StoreFailure, Tuning,
    message::{Batch, BelowFloor, Goodbye, PROTOCOL, ToReceiver, ToSource},
};

use crate::support::{
    CARTS, Hand, acknowledged_in, apply_in, goodbye_in, hello_of, mutation, region, subscription_in, vectors,
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

fn sequences(apply: &beringia_replication::Apply) -> Vec<u64> {
    apply
        .mutations
        .iter()
        .map(|mutation| mutation.version.sequence)
        .collect()
}

#[test]
fn a_region_dials_all_its_peers_and_pauses_longer_after_every_failure() {
    let mut hand = Hand::new(Tuning::default());
    let dials = |commands: &[Command]| {
        commands
            .iter()
            .filter(|command| matches!(command, Command::Dial(..)))
            .count()
    };
    let commands = hand.tick(0);
    assert_eq!(dials(&commands), 2);
    assert_eq!(dials(&hand.tick(100)), 0, "while dialling, nothing is dialled");
    let mut pauses = Vec::new();
    let mut link = hand.dialled("ap");
    for round in 0..8_u64 {
        hand.random = round.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let since_ms = hand.elapsed_ms;
        hand.feed(Event::Dialled(link, LinkEvent::Closed("refused".to_owned())));
        link = hand.dialled("ap");
        pauses.push(hand.elapsed_ms - since_ms);
    }
    assert!((200..=310).contains(&pauses[0]), "{pauses:?}");
    assert!((400..=610).contains(&pauses[1]), "{pauses:?}");
    assert!(
        pauses[4..].iter().all(|pause| (1000..=1510).contains(pause)),
        "{pauses:?}"
    );
    assert!(
        pauses[4..].iter().any(|pause| *pause != pauses[4]),
        "chance spreads them: {pauses:?}"
    );
}

#[test]
fn a_subscription_names_the_tables_that_both_hold_with_what_is_here() {
    let mut hand = Hand::new(Tuning::default());
    hand.tick_with(0, vectors(&[(CARTS, "us", 5), (CARTS, "eu", 3)]));
    let (_, subscription) = hand.connected("us");
    assert_eq!(subscription.generation, 1);
    assert_eq!(subscription.origins, [region("us")]);
    assert_eq!(
        subscription.tables[&CARTS],
        vectors(&[(CARTS, "us", 5), (CARTS, "eu", 3)])[&CARTS]
    );
    assert_eq!(subscription.tables.len(), 2, "and the catalog");
}

#[test]
fn batches_are_applied_one_commit_at_a_time_and_acknowledged_when_durable() {
    let mut hand = Hand::new(Tuning::default());
    let (link, _) = hand.connected("us");
    let commands = hand.source_says(link, batch(1, 1, &[1, 2]));
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!((apply.kind, sequences(&apply)), (ApplyKind::Stream, vec![1, 2]));
    assert_eq!(acknowledged_in(&commands), None, "nothing is durable yet");
    assert_eq!(hand.source_says(link, batch(2, 1, &[3])), []);
    assert_eq!(hand.source_says(link, batch(3, 1, &[4, 5])), []);
    let commands = hand.answer(ticket, applied(2));
    assert_eq!(acknowledged_in(&commands), Some(1));
    let (ticket, apply) = apply_in(&commands).unwrap();
    assert_eq!(sequences(&apply), [3, 4, 5], "what waited is committed together");
    assert_eq!(acknowledged_in(&hand.answer(ticket, applied(5))), Some(3));
}

#[test]
fn a_batch_out_of_turn_ends_the_stream() {
    let mut hand = Hand::new(Tuning::default());
    let (link, _) = hand.connected("us");
    let commands = hand.source_says(link, batch(2, 1, &[1]));
    assert_eq!(goodbye_in(&commands).as_deref(), Some("a batch out of turn"));
    assert!(commands.contains(&Command::HangUp(link)));
}

#[test]
fn a_source_that_disregards_the_window_is_hung_up_on() {
    let mut hand = Hand::new(Tuning {
        inbox_bytes_max: 2000,
        ..Tuning::default()
    });
    let (link, _) = hand.connected("us");
    let goodbye = (1..100).find_map(|number| goodbye_in(&hand.source_says(link, batch(number, 1, &[number]))));
    assert_eq!(goodbye.as_deref(), Some("more batches than the window allows"));
}

#[test]
fn what_was_held_back_is_asked_for_again_and_nothing_behind_it_slips_through() {
    let mut hand = Hand::new(Tuning::default());
    let (link, _) = hand.connected("us");
    let (ticket, _) = apply_in(&hand.source_says(link, batch(1, 1, &[1]))).unwrap();
    hand.source_says(link, batch(2, 1, &[2]));
    let commands = hand.fail(
        ticket,
        StoreFailure::Quarantined {
            origin: region("us"),
            ahead_ms: 2500,
            limit_ms: 500,
        },
    );
    assert_eq!(
        acknowledged_in(&commands),
        Some(2),
        "all that was on its way, so that the window opens"
    );
    let without = subscription_in(&commands).unwrap();
    assert_eq!((without.generation, without.origins.len()), (2, 0));
    assert_eq!(apply_in(&commands), None);
    let seen = hand.replicator.status().peers[&region("us")].quarantined.unwrap();
    assert_eq!((seen.ahead_ms, seen.limit_ms), (2500, 500));

    // What was on its way follows on what was dropped: it is acknowledged, to open the window, and not applied.
    let commands = hand.source_says(link, batch(3, 1, &[3]));
    assert_eq!((apply_in(&commands), acknowledged_in(&commands)), (None, Some(3)));

    let with = subscription_in(&hand.tick(2000)).expect("the time has come");
    assert_eq!((with.generation, with.origins), (3, vec![region("us")]));
    assert_eq!(with.tables[&CARTS].get(&region("us")), 0, "from what is durable here");
    for (number, generation) in [(4, 1), (5, 2)] {
        assert_eq!(apply_in(&hand.source_says(link, batch(number, generation, &[4]))), None);
    }
    let (ticket, apply) = apply_in(&hand.source_says(link, batch(6, 3, &[1, 2, 3]))).unwrap();
    assert_eq!(sequences(&apply), [1, 2, 3]);
    hand.answer(ticket, applied(3));
    assert_eq!(hand.replicator.status().peers[&region("us")].quarantined, None);
}

#[test]
fn what_came_in_one_commit_with_what_is_held_back_is_sent_again() {
    let mut hand = Hand::new(Tuning::default());
    let (us, _) = hand.connected("us");
    let (ap, _) = hand.connected("ap");
    hand.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 4)])));
    hand.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    let both = subscription_in(&hand.tick(1100)).unwrap();
    assert_eq!(both.origins, [region("ap"), region("us")]);
    let relaying = |number, generation| {
        ToReceiver::Batch(Batch {
            number,
            generation,
            mutations: vec![mutation(CARTS, "ap", 1), mutation(CARTS, "us", 1)],
            progress: Vec::new(),
        })
    };
    let (ticket, _) = apply_in(&hand.source_says(ap, relaying(1, 2))).unwrap();
    let held = StoreFailure::Quarantined {
        origin: region("us"),
        ahead_ms: 900,
        limit_ms: 500,
    };
    let again = subscription_in(&hand.fail(ticket, held)).unwrap();
    assert_eq!((again.generation, again.origins), (3, vec![region("ap")]));
    assert_eq!(
        apply_in(&hand.source_says(ap, relaying(2, 2))),
        None,
        "it would leave a gap before it"
    );
    let (_, apply) = apply_in(&hand.source_says(ap, relaying(3, 3))).unwrap();
    let origins: Vec<&str> = apply
        .mutations
        .iter()
        .map(|mutation| mutation.origin().as_str())
        .collect();
    assert_eq!(origins, ["ap"]);
}

#[test]
fn a_table_that_went_and_came_back_is_taken_only_from_the_new_subscription_on() {
    use beringia_replication::ReplicaState::Active;
    let mut hand = Hand::new(Tuning::default());
    let (link, _) = hand.connected("us");
    let others = [("us", Active), ("ap", Active)];
    let without = hand.catalog(&others);
    assert!(!subscription_in(&without).unwrap().tables.contains_key(&CARTS));
    assert_eq!(apply_in(&hand.source_says(link, batch(1, 1, &[1]))), None);
    let with = hand.catalog(&[&others[..], &[("eu", Active)]].concat());
    assert_eq!(subscription_in(&with).unwrap().generation, 3);
    assert_eq!(
        apply_in(&hand.source_says(link, batch(2, 1, &[2]))),
        None,
        "sent before"
    );
    assert!(apply_in(&hand.source_says(link, batch(3, 3, &[1, 2]))).is_some());
}

#[test]
fn a_store_that_fails_ends_the_stream_and_nothing_is_acknowledged() {
    let mut hand = Hand::new(Tuning::default());
    let (link, _) = hand.connected("us");
    let (ticket, _) = apply_in(&hand.source_says(link, batch(1, 1, &[1]))).unwrap();
    let commands = hand.fail(ticket, StoreFailure::Other("no space is left".to_owned()));
    assert_eq!(acknowledged_in(&commands), None);
    assert_eq!(
        goodbye_in(&commands).as_deref(),
        Some("eu cannot apply what came: no space is left")
    );
    let (_, again) = hand.connected("us");
    assert_eq!(again.tables[&CARTS].get(&region("us")), 0);
}

#[test]
fn a_peer_of_another_version_is_refused_on_both_sides_and_tried_again_rarely() {
    let mut hand = Hand::new(Tuning::default());
    let link = hand.dialled("us");
    hand.feed(Event::Dialled(link, LinkEvent::Opened));
    let mut hello = hello_of("us");
    hello.protocol = PROTOCOL + 1;
    let commands = hand.source_says(link, ToReceiver::Hello(hello));
    let reason = format!(
        "eu speaks version {PROTOCOL} of the protocol, us version {}",
        PROTOCOL + 1
    );
    let told = ToSource::Goodbye(Goodbye {
        reason: reason.clone(),
        permanent: true,
    });
    assert!(commands.contains(&Command::SendToSource(link, told)));
    assert_eq!(
        hand.replicator.status().peers[&region("us")].receiving,
        LinkState::Refused(reason)
    );
    let since_ms = hand.elapsed_ms;
    hand.dialled("us");
    assert!(hand.elapsed_ms - since_ms >= Tuning::default().refused_retry_ms);
}

#[test]
fn an_origin_out_of_reach_is_relayed_by_a_peer_that_has_more_of_it_and_only_until_it_is_back() {
    let mut hand = Hand::new(Tuning::default());
    let (us, _) = hand.connected("us");
    let (ap, _) = hand.connected("ap");
    hand.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 4)])));
    hand.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    assert_eq!(subscription_in(&hand.tick(500)), None, "it may be back in a moment");
    let relayed = subscription_in(&hand.tick(600)).unwrap();
    assert_eq!(relayed.origins, [region("ap"), region("us")]);
    let through = |hand: &Hand| hand.replicator.status().peers[&region("us")].relayed_through.clone();
    assert_eq!(through(&hand), Some(region("ap")));
    hand.connected("us");
    let direct = subscription_in(&hand.tick(10)).unwrap();
    assert_eq!(direct.origins, [region("ap")]);
    assert_eq!(through(&hand), None);
}

#[test]
fn an_origin_whose_log_was_forgotten_is_relayed_by_who_still_has_it() {
    let mut hand = Hand::new(Tuning::default());
    let (us, _) = hand.connected("us");
    let (ap, _) = hand.connected("ap");
    hand.source_says(us, ToReceiver::Vectors(vectors(&[(CARTS, "us", 9)])));
    hand.source_says(ap, ToReceiver::Vectors(vectors(&[(CARTS, "us", 9)])));
    hand.source_says(
        us,
        ToReceiver::Refusal(BelowFloor {
            generation: 1,
            parts: vec![(CARTS, region("us"))],
        }),
    );
    let commands = hand.tick(100);
    let relayed = commands.iter().find_map(|command| match command {
        Command::SendToSource(link, ToSource::Subscribe(subscription)) if *link == ap => Some(subscription.clone()),
        _ => None,
    });
    assert_eq!(relayed.unwrap().origins, [region("ap"), region("us")]);
}
