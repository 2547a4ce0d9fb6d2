//! New replicas are copied a few at a time, one right after the other, and a copy waits for rows
//! from the future.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Mutation, TableId, VersionVector};
use beringia_replication::{
    BootstrapStage, Command, DialId, Event, StoreAnswer, StoreCall, TableView, Ticket, Tuning,
    message::{PeerAnswer, Question, RowPage, ToReceiver},
};
use beringia_storage_types::{RemoteBatch, ReplicaStatus, StoreError};

use crate::{
    copying::{applies, begins, copies, key_page, replies},
    support::{CARTS, ScriptedRegion, apply_in, mutation, origin, questions_in, region, vectors},
};

/// The tables of which `eu` gets new, empty replicas.
const TABLES: [TableId; 3] = [CARTS, TableId(8), TableId(9)];

/// The copies that the commands begin: the number of each request for the source's vector.
fn begun(commands: &[Command], us: DialId) -> Vec<u64> {
    let of_vector = |(id, question): (u64, Question)| matches!(question, Question::Digest { .. }).then_some(id);
    questions_in(commands, us).into_iter().filter_map(of_vector).collect()
}

/// A region whose replicas of `tables` are to be copied from `us`, with the commands that begin the
/// copies.
fn creating(tuning: Tuning, tables: &[TableId]) -> (ScriptedRegion, DialId, Vec<Command>) {
    let mut script = ScriptedRegion::new(tuning);
    let from = region("us");
    let view = TableView {
        replicas: BTreeMap::from([
            (region("eu"), ReplicaStatus::Creating { from }),
            (region("us"), ReplicaStatus::Active),
        ]),
        bootstrapped: false,
        replica_epoch: 1,
        dropped: BTreeSet::new(),
        removed: BTreeSet::new(),
    };
    let views = tables.iter().map(|table| (*table, view.clone()));
    script.feed(Event::Catalog(views.collect()));
    let (us, _) = script.connected("us");
    let announced: Vec<_> = tables.iter().map(|table| (*table, "us", 1)).collect();
    script.source_says(us, ToReceiver::Vectors(vectors(&announced)));
    let commands = script.tick(100);
    (script, us, commands)
}

/// Copies an empty table: answers all requests until the store is to set the vector, and lets it be
/// set.
fn copies_nothing(script: &mut ScriptedRegion, us: DialId, question: u64) -> Vec<Command> {
    let commands = begins(script, us, question, VersionVector::default());
    let ((ticket, _), applied) = copies(script, us, commands, &[], &[]);
    assert_eq!(applied, [], "the table is empty");
    applies(script, ticket, 0)
}

#[test]
fn next_copy_begins_when_one_ends() {
    let tuning = Tuning {
        bootstraps_max: 2,
        ..Tuning::default()
    };
    let (mut script, us, commands) = creating(tuning, &TABLES);
    let [first, second] = begun(&commands, us)[..] else {
        panic!("two may copy at the same time: {commands:?}");
    };

    let commands = copies_nothing(&mut script, us, first);
    let [third] = begun(&commands, us)[..] else {
        panic!("the third one begins without a tick: {commands:?}");
    };
    assert_eq!(
        begun(&copies_nothing(&mut script, us, second), us),
        [0; 0],
        "none waits"
    );
    copies_nothing(&mut script, us, third);
    let own = script.replicator.status().bootstraps;
    assert_eq!(
        own.keys().copied().collect::<Vec<_>>(),
        TABLES,
        "all wait for the catalog"
    );
    assert_eq!(own[&CARTS].source, Some(region("us")));
}

/// A copy up to the store's answers about its first span, which has the rows 1 and 2: the first was
/// applied, and the second is from the future. The other spans are empty. Returns the commands that
/// followed.
fn refused(script: &mut ScriptedRegion, us: DialId, question: u64, rows: &[Mutation; 2]) -> Vec<Command> {
    let commands = begins(script, us, question, VersionVector::default());
    let waiting = listed(script, us, &commands, rows, &[]);
    let [(first, one), (second, two)] = &waiting[..] else {
        panic!("two batches: {waiting:?}");
    };
    assert_eq!(
        (&one.mutations[..], &two.mutations[..]),
        (&[rows[0].clone()][..], &[rows[1].clone()][..])
    );
    let mut after = script.fail(*second, too_far_ahead());
    after.extend(applies(script, *first, 1));
    after
}

fn too_far_ahead() -> StoreError {
    StoreError::Quarantined {
        origin: origin("us"),
        ahead_ms: 2500,
        limit_ms: 500,
    }
}

/// Lists the keys of the spans that the commands ask for: the source has the rows `theirs`, all
/// of the first span, and this region has `ours`. Returns what the store is to apply.
fn listed(
    script: &mut ScriptedRegion,
    us: DialId,
    commands: &[Command],
    theirs: &[Mutation],
    ours: &[Mutation],
) -> Vec<(Ticket, RemoteBatch)> {
    let mut asked = Vec::new();
    for (id, question) in questions_in(commands, us) {
        let Question::Keys { span, .. } = question else {
            panic!("{question:?}");
        };
        let local = replies(script, us, id, PeerAnswer::Keys(key_page(theirs, &span)));
        let ticket = local.iter().find_map(|command| match command {
            Command::Call(ticket, StoreCall::Keys { .. }) => Some(*ticket),
            _ => None,
        });
        asked.extend(script.answer(ticket.unwrap(), StoreAnswer::Keys(key_page(ours, &span))));
    }
    let [(id, Question::Rows { keys })] = &questions_in(&asked, us)[..] else {
        panic!("rows of the first span: {asked:?}");
    };
    let wanted = |row: &&Mutation| keys.contains(&row.key);
    let page = RowPage {
        answered: keys.len(),
        mutations: theirs.iter().filter(wanted).cloned().collect(),
    };
    let commands = replies(script, us, *id, PeerAnswer::Rows(page));
    let apply = |command: &Command| match command {
        Command::Call(ticket, StoreCall::Apply(batch)) => Some((*ticket, batch.clone())),
        _ => None,
    };
    commands.iter().filter_map(apply).collect()
}

/// The copy used to be discarded, and began again every second until the row was due.
#[test]
fn copy_waits_for_a_row_from_the_future() {
    let tuning = Tuning {
        rows_per_batch: 1,
        ..Tuning::default()
    };
    let (mut script, us, commands) = creating(tuning, &[CARTS]);
    let [question] = begun(&commands, us)[..] else {
        panic!("{commands:?}");
    };
    let rows = [mutation(CARTS, "us", 1), mutation(CARTS, "us", 2)];
    assert_eq!(refused(&mut script, us, question, &rows), []);
    // The row is due after 2 s. Then it is refused again, and is due 2 s later.
    for ms in [2000, 2000] {
        let early = script.pass(ms - 100);
        assert_eq!(questions_in(&early, us), [], "nothing is asked again");
        let status = &script.replicator.status().bootstraps[&CARTS];
        assert_eq!(
            (status.stage, status.last_error.clone()),
            (BootstrapStage::Copying, None)
        );
        let commands = script.tick(100);
        let waiting = listed(&mut script, us, &commands, &rows, &rows[..1]);
        let [(ticket, batch)] = &waiting[..] else {
            panic!("{waiting:?}");
        };
        assert_eq!(batch.mutations, rows[1..], "what was applied is not fetched again");
        assert_eq!(script.fail(*ticket, too_far_ahead()), []);
    }
    script.pass(1900);
    let commands = script.tick(100);
    let waiting = listed(&mut script, us, &commands, &rows, &rows[..1]);
    let commands = applies(&mut script, waiting[0].0, 1);
    let (_, end) = apply_in(&commands).expect("the store sets the vector");
    assert_eq!((end.mutations.len(), end.progress.is_empty()), (0, false));
    assert_eq!(
        script.replicator.status().bootstraps[&CARTS].rows,
        2,
        "each row counts once"
    );
}

#[test]
fn copy_that_waits_leaves_its_place_to_others() {
    let tuning = Tuning {
        rows_per_batch: 1,
        bootstraps_max: 1,
        ..Tuning::default()
    };
    let (mut script, us, commands) = creating(tuning, &TABLES[..2]);
    let [first] = begun(&commands, us)[..] else {
        panic!("one may copy: {commands:?}");
    };
    let rows = [mutation(CARTS, "us", 1), mutation(CARTS, "us", 2)];
    refused(&mut script, us, first, &rows);
    let commands = script.tick(100);
    let [second] = begun(&commands, us)[..] else {
        panic!("another one begins: {commands:?}");
    };
    copies_nothing(&mut script, us, second);
    let commands = script.pass(2000);
    let waiting = listed(&mut script, us, &commands, &rows, &rows[..1]);
    assert_eq!(waiting.len(), 1, "the first one goes on");
}
