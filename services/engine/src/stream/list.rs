//! Implements the ListStreams operation.

use super::names::parse_arn;
use crate::{
    ApiError, Engine,
    api::{ListStreamsInput, ListStreamsOutput, StreamSummary},
    constraint::Constraints,
    names::check_name,
};

/// The maximum number of streams in an answer.
const STREAMS_MAX: i64 = 100;

impl Engine {
    /// Lists the streams of this region's tables, including, for a day, streams that were turned
    /// off and streams of deleted tables.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException for a table that neither exists nor recently
    /// existed, or the store's error.
    pub async fn list_streams(&self, input: ListStreamsInput) -> Result<ListStreamsOutput, ApiError> {
        let mut constraints = Constraints::default();
        let limit = input.limit.unwrap_or(STREAMS_MAX);
        constraints.at_least("limit", limit, 1);
        constraints.at_most("limit", limit, STREAMS_MAX);
        if let Some(name) = &input.table_name {
            check_name(&mut constraints, "tableName", name);
        }
        constraints.finish()?;
        let start = input.exclusive_start_stream_arn.as_deref();
        start.map(|start| parse_arn(start, self.region())).transpose()?;

        let streams = self.store.streams().await?.streams;
        let mut summaries: Vec<StreamSummary> = streams
            .iter()
            .filter(|stream| input.table_name.as_ref().is_none_or(|name| *name == stream.table_name))
            .map(|stream| StreamSummary {
                stream_arn: self.stream_names.arn(&stream.table_name, stream.stream),
                table_name: stream.table_name.clone(),
                stream_label: self.stream_names.label(stream.stream),
            })
            .collect();
        if let Some(name) = input.table_name.filter(|_| summaries.is_empty())
            && !self.store.catalog().by_name.contains_key(&name)
        {
            return Err(ApiError::ResourceNotFound(format!(
                "Requested resource not found: Table: {name} not found"
            )));
        }
        summaries.retain(|stream| start.is_none_or(|start| stream.stream_arn.as_str() > start));
        summaries.sort_by(|a, b| a.stream_arn.cmp(&b.stream_arn));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = summaries.len() > limit;
        summaries.truncate(limit);
        let last = summaries.last().filter(|_| more);
        Ok(ListStreamsOutput {
            last_evaluated_stream_arn: last.map(|stream| stream.stream_arn.clone()),
            streams: summaries,
        })
    }
}
