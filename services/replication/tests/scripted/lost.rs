//! After a lost disk: writes that their origin or every log has lost, and copies of rows that no
//! region has any more.

use std::collections::{BTreeSet, VecDeque};

use beringia_item::{KeyBytes, Mutation, RANGES, RowFingerprint};
use beringia_replication::{
    BootstrapStage, Command, DialId, Event, LinkEvent, StoreAnswer, StoreCall, Ticket, Tuning,
    message::{
        BelowLowWatermark, PeerAnswer, Question, Reply, Request, RowPage, Subscription, TableVectors, ToReceiver,
        ToSource,
    },
};
use beringia_storage_types::{RangeDigest, RemoteBatch, RemoteKind, ReplicaStatus, TableDigest};
use bytes::Bytes;

use crate::{
    copying::{self, answered, applies, copies, key_page, range_syncs},
    support::{CARTS, ScriptedRegion, call_in, mutation, origin, questions_in, region, subscription_in, vectors},
};

fn on_carts(entries: &[(&str, u64)]) -> TableVectors {
    let entries: Vec<_> = entries
        .iter()
        .map(|(origin, sequence)| (CARTS, *origin, *sequence))
        .collect();
    vectors(&entries)
}

fn announces(script: &mut ScriptedRegion, link: DialId, entries: &[(&str, u64)]) {
    script.source_says(link, ToReceiver::Vectors(on_carts(entries)));
}

fn refuses(script: &mut ScriptedRegion, link: DialId, generation: u64, origin: &str) {
    let parts = vec![(CARTS, origin.parse().unwrap())];
    script.source_says(link, ToReceiver::Refusal(BelowLowWatermark { generation, parts }));
}

fn subscription_on(commands: &[Command], link: DialId) -> Option<Subscription> {
    let on_link = |command: &&Command| matches!(command, Command::SendToSource(sent, _) if *sent == link);
    let sent: Vec<Command> = commands.iter().filter(on_link).cloned().collect();
    subscription_in(&sent)
}

fn sets_replica(commands: &[Command]) -> bool {
    let sets = |command: &Command| matches!(command, Command::Call(_, StoreCall::SetReplica { .. }));
    commands.iter().any(sets)
}

/// A row under its own key.
fn row(key: u8, origin: &str, sequence: u64) -> Mutation {
    Mutation {
        key: KeyBytes(Bytes::from(vec![0, key])),
        ..mutation(CARTS, origin, sequence)
    }
}

/// The source answers the request for its vector with which a copy begins.
fn begins(script: &mut ScriptedRegion, link: DialId, question: u64, entries: &[(&str, u64)]) -> Vec<Command> {
    copying::begins(script, link, question, on_carts(entries)[&CARTS].clone())
}

fn finished(script: &mut ScriptedRegion, ticket: Ticket, entries: &[(&str, u64)]) -> Vec<Command> {
    let vectors = on_carts(entries);
    script.answer(ticket, StoreAnswer::Applied { vectors, newer: 0 })
}

/// `us` announces fewer of its own writes than `ap` has; this region has the first two.
fn missing_own() -> (ScriptedRegion, DialId, DialId) {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "us", 2)]));
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    announces(&mut script, us, &[("us", 2)]);
    announces(&mut script, ap, &[("us", 9)]);
    (script, us, ap)
}

#[test]
fn writes_that_their_origin_lost_come_from_a_peer() {
    let (mut script, _, ap) = missing_own();
    let early = script.pass(2000);
    assert_eq!(subscription_in(&early), None, "an announcement may be on its way");
    let late = script.pass(600);
    let relayed = subscription_on(&late, ap).expect("the origin does not have them itself");
    assert_eq!(relayed.origins, [origin("ap"), origin("us")]);
    assert_eq!(relayed.tables[&CARTS].get(&origin("us")), 2, "from what is here");
    let through = |script: &ScriptedRegion| script.replicator.status().peers[&region("us")].relayed_through.clone();
    assert_eq!(through(&script), Some(region("ap")));

    let brought = script.tick_with(100, vectors(&[(CARTS, "us", 9)]));
    assert_eq!(subscription_in(&brought), None);
    let direct = subscription_on(&script.pass(600), ap).expect("nothing is missing any more");
    assert_eq!(direct.origins, [origin("ap")]);
    assert_eq!(through(&script), None);
}

#[test]
fn an_origin_that_only_announces_late_sends_its_writes_itself() {
    let (mut script, us, _) = missing_own();
    script.pass(1500);
    announces(&mut script, us, &[("us", 9)]);
    assert_eq!(subscription_in(&script.pass(5000)), None);
}

/// The writes of `us` from 3 to 9 are missing here and in no log: `us` and `ap` have them and
/// refuse to send them.
fn out_of_logs() -> (ScriptedRegion, DialId, DialId) {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, vectors(&[(CARTS, "us", 2), (CARTS, "eu", 4)]));
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    for link in [us, ap] {
        announces(&mut script, link, &[("us", 9), ("eu", 4)]);
    }
    refuses(&mut script, us, 1, "us");
    let relayed = subscription_on(&script.tick(100), ap).unwrap();
    assert_eq!(relayed.origins, [origin("ap"), origin("us")]);
    refuses(&mut script, ap, relayed.generation, "us");
    (script, us, ap)
}

#[test]
fn trimmed_writes_are_copied_in_place_while_serving() {
    let (mut script, us, ap) = out_of_logs();
    let early = script.pass(5000);
    assert_eq!((questions_in(&early, us), questions_in(&early, ap)), (vec![], vec![]));
    let late = script.pass(100);
    let [(question, Question::Digest { .. })] = &questions_in(&late, ap)[..] else {
        panic!("the copy begins: {late:?}");
    };
    let mut all = begins(&mut script, ap, *question, &[("us", 9), ("eu", 4)]);
    let ranges = |(_, question)| match question {
        Question::Keys { span, .. } => span.len(),
        other => panic!("{other:?}"),
    };
    let asked: u16 = questions_in(&all, ap).into_iter().map(ranges).sum();
    assert_eq!(asked, RANGES, "the whole table is synced");

    // The digest is for a peer that asks while the copy is in progress.
    let peer = script.accepted(1, "ap");
    let question = |id| {
        let (table, question) = (CARTS, Question::Digest { as_of: None });
        ToSource::Request(Request { id, table, question })
    };
    let served = script.receiver_says(peer, question(1));
    assert!(
        matches!(call_in(&served), Some((_, StoreCall::Digest { table: CARTS, .. }))),
        "{served:?}"
    );

    let theirs = [row(1, "us", 5), row(2, "us", 9)];
    let ours = [row(1, "us", 1), row(3, "ap", 70)];
    let ((ticket, end), applied) = copies(&mut script, ap, all.clone(), &theirs, &ours);
    let expected = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("ap")),
        mutations: theirs.to_vec(),
        ..RemoteBatch::default()
    };
    assert_eq!(applied, [expected], "what others write here meanwhile stays");
    let progress = vec![(CARTS, origin("eu"), 4), (CARTS, origin("us"), 9)];
    let expected = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("ap")),
        progress,
        replica_epoch: Some(1),
        ..RemoteBatch::default()
    };
    assert_eq!(end, expected, "the vector takes in the source's");
    let unserved = script.receiver_says(peer, question(2));
    assert_eq!(call_in(&unserved), None, "until the new vector is known");

    let after = finished(&mut script, ticket, &[("us", 9), ("eu", 4)]);
    for link in [us, ap] {
        let again = subscription_on(&after, link).expect("the earlier refusal no longer counts");
        assert_eq!(again.tables[&CARTS].get(&origin("us")), 9);
    }
    assert_eq!(script.replicator.status().bootstraps.len(), 0);
    all.extend([late, after, script.pass(20_000)].concat());
    assert!(!sets_replica(&all), "the replica was active all the time");
}

#[test]
fn waits_for_the_log_of_an_unreachable_origin() {
    let (mut script, us, ap) = out_of_logs();
    script.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    let commands = script.pass(9000);
    assert_eq!(questions_in(&commands, ap), []);
    assert_eq!(script.replicator.status().bootstraps.len(), 0);
}

#[test]
fn peer_with_the_writes_in_its_log_prevents_a_copy() {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    for link in [us, ap] {
        announces(&mut script, link, &[("us", 9)]);
    }
    refuses(&mut script, us, 1, "us");
    let commands = script.pass(9000);
    assert_eq!(
        (questions_in(&commands, us), questions_in(&commands, ap)),
        (vec![], vec![])
    );
}

/// The replica of `eu` is new and is to be copied from `us`, which has just been asked for its
/// vector.
fn bootstrapping(local: &[(&str, u64)]) -> (ScriptedRegion, DialId, DialId, u64) {
    let tuning = Tuning {
        rows_per_batch: 2,
        ..Tuning::default()
    };
    let mut script = ScriptedRegion::new(tuning);
    script.catalog(&[
        ("eu", ReplicaStatus::Creating { from: region("us") }),
        ("us", ReplicaStatus::Active),
        ("ap", ReplicaStatus::Active),
    ]);
    script.tick_with(0, on_carts(local));
    let (us, _) = script.connected("us");
    let (ap, _) = script.connected("ap");
    announces(&mut script, us, &[("us", 10), ("ap", 4)]);
    announces(&mut script, ap, &[("us", 10), ("ap", 4)]);
    let commands = script.tick(100);
    let [(question, Question::Digest { .. })] = questions_in(&commands, us)[..] else {
        panic!("the copy begins: {commands:?}");
    };
    (script, us, ap, question)
}

/// Two regions deleted their replicas of a table while a third was being filled.
#[test]
fn bootstrap_copies_from_a_replica_that_leaves_if_none_stays() {
    let asks = |ap: ReplicaStatus| {
        let mut script = ScriptedRegion::new(Tuning::default());
        script.catalog(&[
            ("eu", ReplicaStatus::Creating { from: region("us") }),
            ("us", ReplicaStatus::Deleting),
            ("ap", ap),
        ]);
        let (us, _) = script.connected("us");
        announces(&mut script, us, &[("us", 10)]);
        !questions_in(&script.pass(10_000), us).is_empty()
    };
    assert!(asks(ReplicaStatus::Deleting));
    assert!(!asks(ReplicaStatus::Active), "the active one has everything at last");
}

fn fingerprints(rows: &[Mutation]) -> Vec<(beringia_item::TableId, KeyBytes, RowFingerprint)> {
    rows.iter()
        .map(|row| (CARTS, row.key.clone(), row.version.clone().into()))
        .collect()
}

#[test]
fn bootstrap_drops_rows_that_no_vector_covers() {
    let (mut script, us, _, question) = bootstrapping(&[("eu", 2)]);
    let commands = begins(&mut script, us, question, &[("us", 10)]);
    let held = row(1, "us", 5);
    let older = row(5, "us", 6);
    let collected = row(2, "us", 7);
    let lost = row(3, "us", 12);
    let own = row(4, "eu", 2);
    let lost_update = row(5, "us", 13);
    let (_, applied) = copies(
        &mut script,
        us,
        commands,
        &[held.clone(), older.clone()],
        &[held, collected.clone(), lost.clone(), own, lost_update.clone()],
    );
    let dropped = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("us")),
        obsolete: fingerprints(&[collected, lost, lost_update]),
        ..RemoteBatch::default()
    };
    let fetched = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("us")),
        mutations: vec![older],
        ..RemoteBatch::default()
    };
    assert_eq!(
        applied,
        [dropped, fetched],
        "what the source has, or the own vector covers, stays"
    );
}

#[test]
fn copied_rows_wait_for_the_store_in_short_batches() {
    let (mut script, us, _, question) = bootstrapping(&[]);
    let rows: Vec<Mutation> = (1..=5).map(|number| row(number, "us", number.into())).collect();
    let mut commands = VecDeque::from(begins(&mut script, us, question, &[("us", 10)]));
    let mut waiting = VecDeque::new();
    while let Some(command) = commands.pop_front() {
        match command {
            Command::Call(ticket, StoreCall::Apply(apply)) => waiting.push_back((ticket, apply.mutations.len())),
            other => commands.extend(answered(&mut script, us, other, &rows, &[])),
        }
    }
    let rows_of = |waiting: &VecDeque<(Ticket, usize)>| waiting.iter().map(|(_, rows)| *rows).collect::<Vec<_>>();
    assert_eq!(rows_of(&waiting), [2, 2, 1], "at most two rows each, all at once");

    let (last, rest) = (waiting.pop_back().unwrap(), waiting);
    for (ticket, rows) in rest {
        let commands = applies(&mut script, ticket, rows);
        assert!(
            call_in(&commands).is_none(),
            "the copy waits for the last batch: {commands:?}"
        );
    }
    let commands = applies(&mut script, last.0, last.1);
    let Some((_, StoreCall::Apply(end))) = call_in(&commands) else {
        panic!("the copy ends: {commands:?}");
    };
    assert_eq!(end.progress, [(CARTS, origin("eu"), 0), (CARTS, origin("us"), 10)]);
    assert_eq!(script.replicator.status().bootstraps[&CARTS].rows, 5);
}

/// `eu` was dropped while `ap` still took its writes 4 and 5, which the source of the copy does not
/// have. A client's write 6 would cover them everywhere.
#[test]
fn replica_gets_its_own_writes_back_before_it_is_active() {
    let (mut script, us, ap, question) = bootstrapping(&[]);
    let copied = [("us", 10), ("ap", 4), ("eu", 3)];
    announces(&mut script, ap, &[("eu", 5)]);
    let commands = begins(&mut script, us, question, &copied);
    let ((ticket, _), _) = copies(&mut script, us, commands, &[row(1, "us", 10)], &[]);
    finished(&mut script, ticket, &copied);
    let commands: Vec<Command> = (0..10).flat_map(|_| script.tick_with(100, on_carts(&copied))).collect();
    assert!(!sets_replica(&commands), "two own writes are missing: {commands:?}");
    let relayed = subscription_on(&commands, ap).expect("the region that has them relays them");
    assert_eq!(relayed.origins, [origin("ap"), origin("eu")]);
    assert_eq!(relayed.tables[&CARTS].get(&origin("eu")), 3);

    let activates = script.tick_with(100, on_carts(&[("us", 10), ("ap", 4), ("eu", 5)]));
    assert!(sets_replica(&activates), "{activates:?}");
}

/// The copy from `us` showed a row of `ap` that is newer than all announced vectors; the streams
/// have to bring what lies before it.
fn awaiting() -> (ScriptedRegion, DialId, DialId) {
    let (mut script, us, ap, question) = bootstrapping(&[]);
    let commands = begins(&mut script, us, question, &[("us", 10), ("ap", 4)]);
    let ((ticket, _), _) = copies(&mut script, us, commands, &[row(1, "ap", 20)], &[]);
    finished(&mut script, ticket, &[("us", 10), ("ap", 4)]);
    assert_eq!(
        script.replicator.status().bootstraps[&CARTS].stage,
        BootstrapStage::CatchingUp
    );
    (script, us, ap)
}

/// It starts over at another source, after a pause.
#[test]
fn bootstrap_restarts_if_awaited_writes_are_lost_everywhere() {
    let (mut script, us, ap) = awaiting();
    let waits = script.pass(5000);
    assert_eq!((questions_in(&waits, us), questions_in(&waits, ap)), (vec![], vec![]));
    script.pass(100);
    let bootstrap = script.replicator.status().bootstraps[&CARTS].clone();
    assert_eq!(bootstrap.stage, BootstrapStage::Waiting);
    assert_eq!(
        bootstrap.last_error.as_deref(),
        Some("us: it no longer has writes that were copied from it")
    );
    let again = script.pass(1000);
    let [(question, Question::Digest { .. })] = questions_in(&again, ap)[..] else {
        panic!("after a pause, from the other: {again:?}");
    };
    let commands = begins(&mut script, ap, question, &[("us", 10), ("ap", 4)]);
    let ((ticket, _), applied) = copies(&mut script, ap, commands, &[], &[row(1, "ap", 20)]);
    let dropped = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("ap")),
        obsolete: fingerprints(&[row(1, "ap", 20)]),
        ..RemoteBatch::default()
    };
    assert_eq!(applied, [dropped]);
    finished(&mut script, ticket, &[("us", 10), ("ap", 4)]);
    let activates = script.tick(100);
    assert!(sets_replica(&activates), "{activates:?}");
    assert!(!sets_replica(&[waits, again].concat()));
}

#[test]
fn bootstrap_waits_for_unreachable_or_pending_writes() {
    let (mut script, _, ap) = awaiting();
    script.feed(Event::Dialled(ap, LinkEvent::Closed("cut".to_owned())));
    script.pass(9000);
    assert_eq!(
        script.replicator.status().bootstraps[&CARTS].stage,
        BootstrapStage::CatchingUp
    );

    let (mut script, us, _) = awaiting();
    announces(&mut script, us, &[("ap", 20)]);
    script.pass(9000);
    assert_eq!(
        script.replicator.status().bootstraps[&CARTS].stage,
        BootstrapStage::CatchingUp
    );
}

/// The answer to a request for digests; `sum` is the digest of the first range.
fn digest(entries: &[(&str, u64)], sum: u128) -> TableDigest {
    let range = |range| RangeDigest {
        sum: if range == 0 { sum } else { 0 },
        items: 0,
    };
    TableDigest {
        vector: on_carts(entries)[&CARTS].clone(),
        ranges: (0..256).map(range).collect(),
        unknown: BTreeSet::new(),
    }
}

/// `us` answers a request for its digests, which differ from this region's at equal vectors.
/// Returns the resulting commands.
fn differs(script: &mut ScriptedRegion, us: DialId, question: u64, entries: &[(&str, u64)]) -> Vec<Command> {
    let answer = PeerAnswer::Digest(digest(entries, 7));
    let commands = script.source_says(us, ToReceiver::Reply(Reply { id: question, answer }));
    call_in(&commands).map_or(commands, |(ticket, _)| {
        script.answer(ticket, StoreAnswer::Digest(digest(entries, 0)))
    })
}

/// Runs the next comparison of digests, which differ at equal vectors.
fn compares(script: &mut ScriptedRegion, us: DialId, entries: &[(&str, u64)]) -> Vec<Command> {
    let commands = script.pass(11_000);
    let (question, _) = questions_in(&commands, us).pop().expect("digests are compared");
    differs(script, us, question, entries)
}

/// The writes that the repair after the next comparison applies here, with this row at `us` and
/// none at `eu`.
fn repairs(script: &mut ScriptedRegion, us: DialId, entries: &[(&str, u64)], held: &Mutation) -> Vec<RemoteBatch> {
    let commands = compares(script, us, entries);
    range_syncs(script, us, commands, std::slice::from_ref(held), &[]).1
}

/// `us` and `eu` have the writes of `us` up to 9; `us` also has a row that no vector covers.
fn orphaned() -> (ScriptedRegion, DialId, Mutation) {
    let mut script = ScriptedRegion::new(Tuning::default());
    let (us, _) = script.connected("us");
    script.tick_with(0, on_carts(&[("us", 9)]));
    announces(&mut script, us, &[("us", 9)]);
    (script, us, row(1, "ap", 70))
}

/// The first repair leaves the row to the streams.
#[test]
fn second_repair_fetches_rows_that_no_vector_covers() {
    let (mut script, us, orphan) = orphaned();
    assert_eq!(
        repairs(&mut script, us, &[("us", 9)], &orphan),
        [],
        "it may be on its way"
    );
    let copied = RemoteBatch {
        kind: RemoteKind::Copy,
        from: Some(region("us")),
        mutations: vec![orphan.clone()],
        ..RemoteBatch::default()
    };
    assert_eq!(repairs(&mut script, us, &[("us", 9)], &orphan), [copied]);
}

#[test]
fn second_repair_treats_covered_rows_as_usual() {
    let (mut script, us, late) = orphaned();
    assert_eq!(repairs(&mut script, us, &[("us", 9)], &late), []);
    script.tick_with(0, on_carts(&[("ap", 70)]));
    announces(&mut script, us, &[("ap", 70)]);
    let repaired = RemoteBatch {
        kind: RemoteKind::Repair,
        from: Some(region("us")),
        mutations: vec![late.clone()],
        ..RemoteBatch::default()
    };
    assert_eq!(repairs(&mut script, us, &[("us", 9), ("ap", 70)], &late), [repaired]);
}

/// The streams bring a write that replaced the orphan while it was fetched.
#[test]
fn repair_ignores_a_newer_write_over_an_orphan() {
    let (mut script, us, orphan) = orphaned();
    repairs(&mut script, us, &[("us", 9)], &orphan);
    let commands = compares(&mut script, us, &[("us", 9)]);
    let (id, _) = questions_in(&commands, us).pop().expect("keys are listed");
    let span = beringia_replication::message::RangeSpan { first: 0, last: 0 };
    let answer = PeerAnswer::Keys(key_page(std::slice::from_ref(&orphan), &span));
    let commands = script.source_says(us, ToReceiver::Reply(Reply { id, answer }));
    let (ticket, _) = call_in(&commands).expect("and those of here");
    let commands = script.answer(ticket, StoreAnswer::Keys(key_page(&[], &span)));
    let (id, _) = questions_in(&commands, us).pop().expect("the row is fetched");
    let answer = PeerAnswer::Rows(RowPage {
        mutations: vec![row(1, "ap", 80)],
        answered: 1,
    });
    let commands = script.source_says(us, ToReceiver::Reply(Reply { id, answer }));
    assert_eq!(call_in(&commands), None);
}

/// The row may have arrived at the peer after the vector that was compared.
#[test]
fn comparison_from_before_a_repair_confirms_no_orphans() {
    let (mut script, us, orphan) = orphaned();
    let repair = compares(&mut script, us, &[("us", 9)]);
    let meanwhile = script.pass(11_000);
    let (question, _) = questions_in(&meanwhile, us).pop().expect("digests are compared");
    assert_eq!(
        range_syncs(&mut script, us, repair, std::slice::from_ref(&orphan), &[]).1,
        []
    );
    let commands = differs(&mut script, us, question, &[("us", 9)]);
    assert_eq!(
        questions_in(&commands, us),
        [],
        "the row may have come after that vector"
    );
}

#[test]
fn uncovered_rows_are_dropped_with_the_stream() {
    let (mut script, us, orphan) = orphaned();
    repairs(&mut script, us, &[("us", 9)], &orphan);
    script.feed(Event::Dialled(us, LinkEvent::Closed("cut".to_owned())));
    let (us, _) = script.connected("us");
    announces(&mut script, us, &[("us", 9)]);
    assert_eq!(repairs(&mut script, us, &[("us", 9)], &orphan), []);
}

/// The rows come back with the same vector, which the source has to know before it may trim.
#[test]
fn vector_that_a_refilled_replica_reaches_again_is_reported() {
    let mut script = ScriptedRegion::new(Tuning::default());
    script.tick_with(0, on_carts(&[("us", 5)]));
    script.connected("us");
    let reported = |commands: &[Command]| -> Vec<TableVectors> {
        let tables = |command: &Command| match command {
            Command::SendToSource(_, ToSource::Acknowledge(acknowledgement)) => Some(acknowledgement.tables.clone()),
            _ => None,
        };
        commands.iter().filter_map(tables).collect()
    };
    let here = || on_carts(&[("us", 6)]);
    assert_eq!(reported(&script.tick_with(100, here())), [here()]);
    let others = [("us", ReplicaStatus::Active), ("ap", ReplicaStatus::Active)];
    let with = |own: ReplicaStatus| [vec![("eu", own)], others.to_vec()].concat();
    script.catalog(&with(ReplicaStatus::Creating { from: region("us") }));
    script.tick(100);
    let subscribed = script.catalog(&with(ReplicaStatus::Active));
    let subscription = subscription_in(&subscribed).expect("the table is subscribed to again");
    assert_eq!(subscription.tables[&CARTS], [].into_iter().collect());
    assert_eq!(reported(&script.tick_with(100, here())), [here()]);
}
