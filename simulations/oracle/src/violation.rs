//! Promises that a run can break.

use std::collections::BTreeMap;

use beringia_history::{Content, MisreadKind, ShownTable};
use beringia_item::Version;
use thiserror::Error;

/// A promise that was broken. `table` and `key` say where, `marker` is a write marker, and `region`
/// is the region at fault.
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Violation {
    /// A write that was acknowledged to a client is not in the log of the region that took it.
    #[error("{region} acknowledged a write and lost it: {table} {key}, {marker}")]
    Lost {
        table: String,
        region: String,
        key: String,
        marker: String,
    },
    /// A write was lost with a disk although a later write of the same region and table was not:
    /// the region did not ship its writes in order.
    #[error("{region} lost a write with its disk although it had shipped later ones: {table} {key}, {marker}")]
    LostAmidst {
        table: String,
        region: String,
        key: String,
        marker: String,
    },
    /// A region committed a write that no client asked for or that, by the answer to its client,
    /// did not happen, or committed a write twice.
    #[error("{region} committed a write that no client asked for: {table} {key}, {} ({version:?})", marker.as_deref().unwrap_or("a delete"))]
    Invented {
        table: String,
        region: String,
        key: String,
        /// The write marker; `None` for a delete.
        marker: Option<String>,
        version: Version,
    },
    /// A region let an item expire that had no time to live, or before its time had run out.
    #[error("{region} let an item expire before its time: {table} {key} ({version:?})")]
    ExpiredEarly {
        table: String,
        region: String,
        key: String,
        /// The version of the tombstone.
        version: Version,
    },
    /// A client saw a write that no client made, or which, by the answer to its client, did not
    /// happen.
    #[error("a client in {region} saw a write that no client made: {table} {key}, {marker}")]
    SeenInvented {
        table: String,
        region: String,
        key: String,
        marker: String,
    },
    /// A client saw a write that is in no log at the end although nothing was lost: it was visible
    /// before it was durable.
    #[error("a client in {region} saw a write that never became durable: {table} {key}, {marker}")]
    SeenUndurable {
        table: String,
        region: String,
        key: String,
        marker: String,
    },
    /// A consistent read saw something that its region cannot have held between the call and the
    /// answer.
    #[error("{region} answered a consistent read of {table} {key} with {seen}, sent at {sent_ms} ms, but held {held}")]
    InconsistentRead {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker of the write that the read saw, or `nothing`.
        seen: String,
        /// The markers of what the region can have held, joined by `or`.
        held: String,
    },
    /// A region made a write that cannot have followed anything that the region can have held: its
    /// condition or its result needs something else, or a later version was there.
    #[error("{region} made {marker} of {table} {key}, sent at {sent_ms} ms, out of turn: it held {held}")]
    WrittenOutOfTurn {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        marker: String,
        /// What the region held instead, as in `InconsistentRead`.
        held: String,
    },
    /// A region refused a write because of its condition, which held.
    #[error("{region} refused {marker} to {table} {key}, sent at {sent_ms} ms, without cause: it held {held}")]
    RefusedWithoutCause {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        marker: String,
        /// What the region held instead, as in `InconsistentRead`.
        held: String,
    },
    /// A region refused an operation because of a transaction in progress, or a transactional read
    /// because of a write in progress, and none was, or cancelled a transaction without a reason.
    #[error("{region} cancelled {operation} of {table} {key}, sent at {sent_ms} ms, although nothing conflicted")]
    CancelledWithoutConflict {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The name of the operation.
        operation: String,
    },
    /// Two writes have one version.
    #[error("two writes share the version {version:?}, one to {table} {key}")]
    SharedVersion {
        table: String,
        key: String,
        version: Version,
    },
    /// A later write of a region to a key, by sequence or by when clients sent the writes, has a
    /// lower version than an earlier one.
    #[error("a later write to {table} {key} in {region} has the lower version {version:?}")]
    VersionWentDown {
        table: String,
        region: String,
        key: String,
        version: Version,
    },
    /// Only some writes of a transaction are in the log of the region that took it.
    #[error("{region} committed {committed} of the {asked} writes of a transaction: {table} {key}, {marker}")]
    TornTransaction {
        table: String,
        region: String,
        /// The key of one write of the transaction.
        key: String,
        marker: String,
        committed: usize,
        asked: usize,
    },
    /// A consistent read missed a write, although the same client had seen a later write of the
    /// same origin in the same region, and the region's rows were neither copied nor repaired.
    #[error(
        "{region} answered a consistent read of {table} {key}, sent at {sent_ms} ms, with {seen} and without {missed}, after it had shown a later write of the same origin"
    )]
    ReadOutOfOrder {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker that the read saw; `nothing` if there was no item.
        seen: String,
        /// The write that the read missed.
        missed: String,
    },
    /// A read showed a write's marker, and another item than that write left.
    #[error(
        "{region} answered a read of {table} {key}, sent at {sent_ms} ms, with {marker} and another item than that write left"
    )]
    WrongRead {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker that the read saw.
        marker: String,
    },
    /// A transactional read saw one write of a transaction, and another item as it was before,
    /// although the region's rows were neither copied nor repaired.
    #[error(
        "{region} answered a transactional read of {table} {key}, sent at {sent_ms} ms, with {seen} and without {missed} of the same transaction"
    )]
    TornRead {
        table: String,
        region: String,
        /// The key of the write that the read saw.
        key: String,
        sent_ms: u64,
        /// The marker of the write that the read saw.
        seen: String,
        /// The marker of the write that the read missed.
        missed: String,
    },
    /// A region committed a conditional write although it had already replaced the write that the
    /// condition names.
    #[error(
        "{region} committed {marker} to {table} {key} on the condition that {expected} was there, which no longer held"
    )]
    ConditionIgnored {
        table: String,
        region: String,
        key: String,
        marker: String,
        /// The marker that the condition names, or `nothing` if it requires that there is no item.
        expected: String,
    },
    /// A write took more from a number than there was, although its condition requires enough.
    #[error("{region} took more from {table} {key} than there was: {marker} left {number}")]
    BelowZero {
        table: String,
        region: String,
        key: String,
        marker: String,
        number: i64,
    },
    /// A write left behind something other than its effect applied to what it found.
    #[error("{region} applied {marker} to {table} {key} with a wrong result: {found:?}")]
    WrongContent {
        table: String,
        region: String,
        key: String,
        marker: String,
        found: Box<Content>,
    },
    /// The causal context of a write does not cover the write that it followed in its region, by
    /// its condition, by what it returned, by the list that it left, or by what the region had
    /// shown before.
    #[error("{region} gave {marker} to {table} {key} a causal context without {missed:?}, which it followed")]
    ContextTooSmall {
        table: String,
        region: String,
        key: String,
        marker: String,
        /// The version of the write that it followed.
        missed: Version,
    },
    /// The causal context of a write covers another one that was sent only after the first was
    /// acknowledged.
    #[error("{region} gave {marker} to {table} {key} a causal context up to {sequence} of {origin}, which came later")]
    ContextTooLarge {
        table: String,
        region: String,
        key: String,
        marker: String,
        /// The region of the later write.
        origin: String,
        /// The greatest sequence of that region that the context covers.
        sequence: u64,
    },
    /// A client saw two elements of a list in the opposite order to that in which they were
    /// appended, as another read or the log of the append shows it.
    #[error("a client in {region} saw {first} before {second} in the list of {table} {key}, read at {sent_ms} ms")]
    ListReordered {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker of the append that followed the other one.
        first: String,
        second: String,
    },
    /// A client saw an element twice in a list to which it was appended once.
    #[error("a client in {region} saw {element} more than once in the list of {table} {key}, read at {sent_ms} ms")]
    ElementRepeated {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        element: String,
    },
    /// A list contradicts time: it has an element that was appended only after the read, or whose
    /// append came only after that of an element behind it.
    #[error(
        "a client in {region} saw {later} in the list of {table} {key}, read at {sent_ms} ms, before it was due: {earlier} was there first"
    )]
    ListAgainstTime {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker of the append that came too late.
        later: String,
        /// The marker of the write that the list shows to follow it.
        earlier: String,
    },
    /// A client saw another list than the write that it saw left there, or than another client saw.
    #[error(
        "a client in {region} saw {found:?} in the list of {table} {key} with {marker}, read at {sent_ms} ms, and not {expected:?}"
    )]
    WrongList {
        table: String,
        region: String,
        key: String,
        sent_ms: u64,
        /// The marker of the write that the read saw.
        marker: String,
        found: Vec<String>,
        expected: Vec<String>,
    },
    /// A region's journal has an entry of two writes that are not concurrent, or of a write that
    /// does not exist.
    #[error(
        "{region} journalled a conflict between writes that are not concurrent: {table} {key}, {loser:?} lost to {winner:?}"
    )]
    NoConflict {
        table: String,
        region: String,
        key: String,
        winner: Version,
        loser: Version,
    },
    /// A write was overruled by a concurrent one, and a region's journal does not say so.
    #[error("{region} did not journal that {table} {key} lost {version:?} to a concurrent write")]
    UnseenConflict {
        table: String,
        region: String,
        key: String,
        /// The version of the write that was overruled.
        version: Version,
    },
    /// A region does not hold the greatest version.
    #[error("{region} holds {found:?} under {table} {key}, and should hold {expected:?}")]
    Wrong {
        table: String,
        region: String,
        key: String,
        expected: Option<Version>,
        found: Option<Version>,
    },
    /// A region holds the greatest version, but with a different content than it must have.
    #[error("{region} holds under {table} {key} {found:?}, and should hold {expected:?}")]
    WrongMerge {
        table: String,
        region: String,
        key: String,
        /// The content that the region must hold; `None` for no item.
        expected: Option<Box<Content>>,
        found: Option<Box<Content>>,
    },
    /// A replica that should be ACTIVE at the end is not, as a region shows it.
    #[error("{region} shows the replica of {table} in {replica} as {}", status.as_deref().unwrap_or("missing"))]
    ReplicaNotActive {
        table: String,
        region: String,
        /// The region of the replica.
        replica: String,
        /// Its status; `None` if the region does not show the replica.
        status: Option<String>,
    },
    /// At the end, regions hold a table with different digests, or a region that should hold it
    /// does not.
    #[error("the regions do not hold {table} equally: {digests:?}")]
    ReplicasDiffer {
        table: String,
        /// The digest in each region that holds the table.
        digests: BTreeMap<String, String>,
    },
    /// Two copies of a log record differ.
    #[error("a log record of {table} {key} differs in {}: {version:?}, first read as {original:?}", region.as_deref().unwrap_or("two regions"))]
    CopiesDiffer {
        table: String,
        /// The region with the copy; `None` if the origin's own log was lost.
        region: Option<String>,
        key: String,
        version: Version,
        /// The version of the other record.
        original: Option<Version>,
    },
    /// A region's log has a record that its origin's log does not have.
    #[error("{region} has a log record that its origin does not have: {table} {key} ({version:?})")]
    NotInOriginsLog {
        table: String,
        region: String,
        key: String,
        version: Version,
    },
    /// A read at the end did not return what the region holds.
    #[error("{by} in {region}, after the run, {kind}: {table} {key}")]
    WrongAnswer {
        table: String,
        region: String,
        /// The operation, with its index if it has one.
        by: String,
        key: String,
        kind: MisreadKind,
    },
    /// A region did not show a write that was acknowledged in a life of a table, although the table
    /// had not been deleted since.
    #[error("{region} does not show {key} of {table} in life {life}, read at {sent_ms} ms, which {by} acknowledged")]
    LostInLife {
        table: String,
        region: String,
        key: String,
        /// The id of the table.
        life: String,
        sent_ms: u64,
        /// The region that acknowledged the write.
        by: String,
    },
    /// A table showed an item of another life of the same name.
    #[error("{region} shows {key} of {table} in life {life}, read at {sent_ms} ms, which was written in life {other}")]
    OfAnotherLife {
        table: String,
        region: String,
        key: String,
        /// The id of the table.
        life: String,
        sent_ms: u64,
        /// The id of the table to which the item was written.
        other: String,
    },
    /// At the end, regions do not agree whether a table exists, or where it has replicas.
    #[error("the regions do not agree on the table {table}: {shown:?}")]
    TablesDiffer {
        table: String,
        /// What each region shows; `None` for no table of this name.
        shown: BTreeMap<String, Option<ShownTable>>,
    },
    /// A record of a DynamoDB stream, or the end of the stream, does not follow from the record
    /// before, of the same item: a change is missing, or is in the wrong place.
    #[error("the stream of {table} in {region} goes from {found} to {expected} under {key} without a record")]
    StreamGap {
        table: String,
        region: String,
        key: String,
        /// The item that the record before left: the marker of its write, or `nothing`.
        found: String,
        /// The old image of the record, or the item at the end.
        expected: String,
    },
    /// A write is not in the DynamoDB stream of the region that acknowledged it.
    #[error("{marker} of {table} {key} is not in the stream of {region}, which acknowledged it")]
    NotStreamed {
        table: String,
        region: String,
        key: String,
        marker: String,
    },
    /// A region's DynamoDB stream has a record that it must not have: of no change, with the wrong
    /// event, of a write that no client made, or of a write for the second time.
    #[error("the stream of {table} in {region} has a wrong record of {key}: {event} of {marker}, {why}")]
    WronglyStreamed {
        table: String,
        region: String,
        key: String,
        /// The name of the event.
        event: String,
        /// The marker of the new image, or `nothing`.
        marker: String,
        /// What is wrong, in words.
        why: &'static str,
    },
    /// A region refused a request of a client that reads a stream.
    #[error("{region} refused to read the stream of {table}: {refusal}")]
    StreamRefused {
        table: String,
        region: String,
        refusal: String,
    },
}
