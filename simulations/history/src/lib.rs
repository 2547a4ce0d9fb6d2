//! Records of a run: the clients' operations with their answers, and the items and logs of regions.
//!
//! Nothing here knows how Beringia works or what it promises. A [`History`] is what clients saw,
//! and [`Evidence`] is what regions hold and have committed, with versions. `beringia-oracle`
//! judges the two.

mod evidence;
mod failure;
mod operation;
mod recreated;
mod replicas;
mod streamed;

pub use evidence::{
    ConflictEntry, Content, CopyMismatch, EXPIRES, Evidence, FinalReplicas, Journal, KEY, LIST, Logged, LostDisk,
    MARKER, Misread, MisreadKind, NUMBER, SET, SORT_KEY, UnshippedWrite, VersionedItem, image_hash, is_field, key_text,
    key_text_of_json,
};
pub use failure::{FailureCause, UNPROCESSED};
pub use operation::{
    Basis, Effect, History, Merging, NOT_SENT, Operation, OperationOutcome, READ_MODIFY_WRITE, RecordedTouch, Request,
    Rules, Seen, Write,
};
pub use recreated::{LifeOperation, LifeRequest, RecreatedTable, ShownTable};
pub use replicas::{ReplicaEpochs, ReplicaHistory};
pub use streamed::{ReadStream, StreamedImage, StreamedRecord};
