//! A counterexample as a scenario, as far as scenarios can say it.
//!
//! All links are cut, and a batch that arrives is a link that is healed for a while. That is
//! coarser than a step: it brings everything, in both directions. Steps that regions take by
//! themselves, and those that no event of a scenario means, become comments.

use std::fmt::Write as _;

use beringia_item::ConflictPolicy;

use crate::{
    bounds::{Kind, REGIONS},
    counterexample::Counterexample,
    step::{Step, name},
};

/// The time from one step to the next, in ms.
const EVERY_MS: usize = 3000;
/// How long a link is healed, and a process down, in ms.
const LASTS_MS: usize = 2000;

impl Counterexample {
    /// The counterexample as the text of a scenario file.
    #[must_use]
    pub fn scenario(&self) -> String {
        let policy = match self.policy {
            ConflictPolicy::Item => "item",
            ConflictPolicy::Attribute => "attribute",
            ConflictPolicy::Merge => "merge",
        };
        let (mut operations, mut events) = (String::new(), cuts());
        for (place, step) in self.steps.iter().enumerate() {
            let at_ms = (place + 1) * EVERY_MS;
            match *step {
                Step::Write { at, key, kind } => operation(&mut operations, at_ms, (at, key, kind)),
                other => event(&mut events, at_ms, other),
            }
        }
        let duration_ms = (self.steps.len() + 2) * EVERY_MS;
        let table = concat!(
            r#"{"table": {"TableName": "things", "BillingMode": "PAY_PER_REQUEST", "#,
            r#""KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "#,
            r#""AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}}"#,
        );
        format!(
            "# {}\nabout = \"A counterexample of the explorer.\"\ntopology = \"three\"\npolicy = \"{policy}\"\n\
             duration = \"{duration_ms}ms\"\n\n[[workload]]\nkind = \"replay\"\noperations = '''\n{table}\n\
             {operations}'''\n{events}",
            self.violation
        )
    }
}

/// Cuts all links at the beginning.
fn cuts() -> String {
    let mut text = String::new();
    for (place, one) in REGIONS.iter().enumerate() {
        for other in &REGIONS[place + 1..] {
            let _ = write!(text, "\n[[event]]\nat = \"0ms\"\ncut = [\"{one}\", \"{other}\"]\n");
        }
    }
    text
}

fn operation(text: &mut String, at_ms: usize, (at, key, kind): (u8, u8, Kind)) {
    let region = name(at);
    let key = format!(r#"{{"id": {{"S": "k{key}"}}"#);
    let (operation, parameters) = match kind {
        Kind::Put => (
            "PutItem",
            format!(r#""Item": {key}, "w": {{"S": "{region}#{at_ms}"}}}}"#),
        ),
        Kind::Delete => ("DeleteItem", format!(r#""Key": {key}}}"#)),
        Kind::Add => (
            "UpdateItem",
            format!(
                r#""Key": {key}}}, "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {{":one": {{"N": "1"}}}}"#
            ),
        ),
        Kind::Set => (
            "UpdateItem",
            format!(
                r##""Key": {key}}}, "UpdateExpression": "SET #by = :v", "ExpressionAttributeNames": {{"#by": "by-{region}"}}, "ExpressionAttributeValues": {{":v": {{"S": "{at_ms}"}}}}"##
            ),
        ),
    };
    let _ = writeln!(
        text,
        r#"{{"at_ms": {at_ms}, "region": "{region}", "operation": "{operation}", "parameters": {{"TableName": "things", {parameters}}}}}"#
    );
}

fn event(text: &mut String, at_ms: usize, step: Step) {
    let _ = write!(text, "\n# {step}\n");
    let what = match step {
        Step::Deliver(from, to) => {
            let ends = format!("[\"{}\", \"{}\"]", name(from), name(to));
            let until_ms = at_ms + LASTS_MS;
            let _ = write!(
                text,
                "[[event]]\nat = \"{at_ms}ms\"\nheal = {ends}\n\n[[event]]\nat = \"{until_ms}ms\"\ncut = {ends}\n"
            );
            return;
        }
        Step::Crash(at) => format!("lasts = \"{LASTS_MS}ms\"\ncrash = \"{}\"", name(at)),
        Step::LoseDisk(at) => format!("lasts = \"{LASTS_MS}ms\"\ncrash = \"{}\"\nlose_disk = true", name(at)),
        Step::JumpClock(at, ms) => format!("clock_step = \"{}\"\nby = \"{ms}ms\"", name(at)),
        _ => return,
    };
    let _ = write!(text, "[[event]]\nat = \"{at_ms}ms\"\n{what}\n");
}
