//! Descriptions of replicators: equal for those that behave alike, and for no others.

use beringia_replication::{
    AcceptId, StoreAnswer, Tuning,
    message::{Acknowledgement, Subscription, ToSource},
};
use beringia_storage_types::{LogPage, LogPosition};

use crate::support::{CARTS, ScriptedRegion, call_in, mutation, origin, vectors};

/// A region that sent its write 4 to `us`, and waits for its log to grow.
fn at_the_end() -> ScriptedRegion {
    let mut script = ScriptedRegion::new(Tuning::default());
    let link = script.accepted(1, "us");
    let subscription = Subscription {
        generation: 1,
        tables: vectors(&[(CARTS, "eu", 3)]),
        origins: vec![origin("eu")],
    };
    let commands = script.receiver_says(link, ToSource::Subscribe(subscription));
    let (ticket, _) = call_in(&commands).unwrap();
    let commands = script.answer(ticket, StoreAnswer::Position(Ok(LogPosition(40))));
    let (ticket, _) = call_in(&commands).unwrap();
    let page = LogPage {
        mutations: vec![mutation(CARTS, "eu", 4)],
        next: LogPosition(41),
        end: Some(vectors(&[(CARTS, "eu", 4)]).into_iter().collect()),
    };
    script.answer(ticket, StoreAnswer::Log(page));
    script
}

fn acknowledge(script: &mut ScriptedRegion) {
    let acknowledgement = Acknowledgement {
        batch: 1,
        tables: vectors(&[(CARTS, "eu", 4)]),
    };
    script.receiver_says(AcceptId(1), ToSource::Acknowledge(acknowledgement));
}

#[test]
fn description_is_equal_after_equal_events() {
    let (mut one, mut other) = (at_the_end(), at_the_end());
    assert_eq!(one.replicator.description(), other.replicator.description());
    acknowledge(&mut one);
    acknowledge(&mut other);
    assert_eq!(one.replicator.description(), other.replicator.description());
}

#[test]
fn description_is_that_of_a_clone() {
    let script = at_the_end();
    assert_eq!(script.replicator.clone().description(), script.replicator.description());
}

#[test]
fn description_leaves_out_how_often_the_log_grew_unread() {
    let mut script = at_the_end();
    let before = script.replicator.description();
    // The receiver does not want writes of `ap`.
    let commands = script.grown(&[(CARTS, "eu", 4), (CARTS, "ap", 9)]);
    assert_eq!(commands, [], "nothing is read for it");
    assert_eq!(script.replicator.description(), before);
}

#[test]
fn description_has_what_was_acknowledged() {
    let mut script = at_the_end();
    let before = script.replicator.description();
    acknowledge(&mut script);
    assert_ne!(script.replicator.description(), before);
}
