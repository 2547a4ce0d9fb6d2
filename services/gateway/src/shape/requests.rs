//! The requests of every operation, member by member (API reference, "Actions", and the public service model).

mod account;
mod common;
mod items;
mod statements;
mod streams;
mod tables;
mod tags;
mod ttl;

pub(crate) use account::{DESCRIBE_CONTINUOUS_BACKUPS, DESCRIBE_ENDPOINTS, DESCRIBE_LIMITS};
pub(crate) use items::{
    BATCH_GET_ITEM, BATCH_WRITE_ITEM, DELETE_ITEM, GET_ITEM, PUT_ITEM, QUERY, SCAN, TRANSACT_GET_ITEMS,
    TRANSACT_WRITE_ITEMS, UPDATE_ITEM,
};
pub(crate) use statements::{BATCH_EXECUTE_STATEMENT, EXECUTE_STATEMENT, EXECUTE_TRANSACTION};
pub(crate) use streams::{DESCRIBE_STREAM, GET_RECORDS, GET_SHARD_ITERATOR, LIST_STREAMS};
pub(crate) use tables::{CREATE_TABLE, DELETE_TABLE, DESCRIBE_TABLE, LIST_TABLES, UPDATE_TABLE};
pub(crate) use tags::{LIST_TAGS_OF_RESOURCE, TAG_RESOURCE, UNTAG_RESOURCE};
pub(crate) use ttl::{DESCRIBE_TIME_TO_LIVE, UPDATE_TIME_TO_LIVE};
