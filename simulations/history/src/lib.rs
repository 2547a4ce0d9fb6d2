//! What clients did and were told, what regions committed, and the judgement of both.
//!
//! Nothing here knows how Beringia works: a [`History`] is what clients saw, [`Evidence`] is what regions hold and have
//! committed with which versions, and the oracle says which promises the two break and which anomalies clients could see.

mod evidence;
mod operation;
mod oracle;

pub use evidence::{
    Conflict, Content, EXPIRES, Evidence, Held, Journal, KEY, KeptAside, LIST, Logged, LostDisk, MARK, NUMBER, SET,
    SORT_KEY, is_field, key_text, key_text_of_json,
};
pub use operation::{
    Effect, History, Merging, NOT_SENT, Operation, Outcome, READ_MODIFY_WRITE, Rules, Seen, Touch, Write,
};
pub use oracle::{Accounting, Anomaly, DataLoss, Judgement, Violation, judge};
