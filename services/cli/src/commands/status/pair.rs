//! The path of one region's writes to another, as `status` shows it.

use beringia_proto::v1::{LinkReport, PeerReport};
use serde::Serialize;

/// The path of one region's writes to another.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct PairJson {
    from: String,
    to: String,
    /// Age of the oldest write that `to` has not acknowledged; null where `from` cannot be asked.
    pub(super) lag_ms: Option<u64>,
    /// How many writes have arrived in the last five minutes, and how long they took from the
    /// commit at `from` to the commit at `to`; null where none has.
    arrival_count: Option<u64>,
    arrival_p50_ms: Option<u64>,
    arrival_p99_ms: Option<u64>,
    arrival_p999_ms: Option<u64>,
    arrival_max_ms: Option<u64>,
    /// Null until `to` has reported its version vectors.
    backlog_mutations: Option<u64>,
    backlog_bytes: Option<u64>,
    /// `open`, `cut` or `reset`; null where no network model runs (regions in processes of their
    /// own).
    link: Option<String>,
    /// `connected`, `connecting`, `down`, `refused`; null where neither side can be asked.
    connection: Option<String>,
    /// The last error of the connection; null while it is connected.
    error: Option<String>,
    /// Set while the writes are quarantined because the clock of `from` is too far ahead.
    quarantine_ahead_ms: Option<u64>,
    quarantine_limit_ms: Option<u64>,
    /// The region that relays the writes while `to` cannot reach `from`.
    relayed_through: Option<String>,
}

impl PairJson {
    /// `sender` is the report of `from` about `to`, `receiver` the report of `to` about `from`.
    pub(super) fn of(
        from: &str,
        to: &str,
        sender: Option<&PeerReport>,
        receiver: Option<&PeerReport>,
        link: Option<&LinkReport>,
    ) -> Self {
        let connection = receiver.map(|r| &r.receiving).or_else(|| sender.map(|s| &s.sending));
        let error = if connection.is_some_and(|connection| connection == "connected") {
            None
        } else {
            receiver
                .or(sender)
                .map(|report| report.error.clone())
                .filter(|error| !error.is_empty())
        };
        let arrivals = receiver.and_then(|r| r.arrivals);
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            lag_ms: sender.map(|s| s.lag_ms),
            arrival_count: arrivals.map(|a| a.count),
            arrival_p50_ms: arrivals.map(|a| a.p50_ms),
            arrival_p99_ms: arrivals.map(|a| a.p99_ms),
            arrival_p999_ms: arrivals.map(|a| a.p999_ms),
            arrival_max_ms: arrivals.map(|a| a.max_ms),
            backlog_mutations: sender.and_then(|s| s.backlog_mutations),
            backlog_bytes: sender.and_then(|s| s.backlog_bytes),
            link: link.map(|link| link.state.clone()),
            connection: connection.cloned(),
            error,
            quarantine_ahead_ms: receiver.and_then(|r| r.quarantine_ahead_ms),
            quarantine_limit_ms: receiver.and_then(|r| r.quarantine_limit_ms),
            relayed_through: receiver
                .map(|r| r.relayed_through.clone())
                .filter(|region| !region.is_empty()),
        }
    }

    pub(super) fn row(&self) -> [String; 10] {
        let ms = |value: Option<u64>| value.map_or_else(dash, |ms| format!("{ms} ms"));
        let number = |value: Option<u64>| value.map_or_else(dash, |number| number.to_string());
        let mut notes = Vec::new();
        if let (Some(ahead), Some(limit)) = (self.quarantine_ahead_ms, self.quarantine_limit_ms) {
            notes.push(format!(
                "quarantined: its clock is {ahead} ms ahead, the limit is {limit} ms"
            ));
        }
        if let Some(relay) = &self.relayed_through {
            notes.push(format!("through {relay}"));
        }
        notes.extend(self.error.clone());
        [
            self.from.clone(),
            self.to.clone(),
            ms(self.lag_ms),
            ms(self.arrival_p50_ms),
            ms(self.arrival_p99_ms),
            number(self.backlog_mutations),
            number(self.backlog_bytes),
            self.link.clone().unwrap_or_else(dash),
            self.connection.clone().unwrap_or_else(dash),
            notes.join("; "),
        ]
    }
}

/// What a table shows where a figure is unknown.
pub(super) fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::Arrivals;

    use super::*;

    fn peer(name: &str) -> PeerReport {
        PeerReport {
            peer: name.to_owned(),
            sending: "connected".into(),
            receiving: "connected".into(),
            ..PeerReport::default()
        }
    }

    /// Arrival times, the state of the connection and its error come from the receiver.
    #[test]
    fn a_pair_takes_lag_and_backlog_from_the_sender() {
        let sender = PeerReport {
            lag_ms: 40,
            backlog_mutations: Some(3),
            backlog_bytes: Some(900),
            sending: "connecting".into(),
            ..peer("b")
        };
        let receiver = PeerReport {
            arrivals: Some(Arrivals {
                p50_ms: 35,
                ..Arrivals::default()
            }),
            receiving: "down".into(),
            error: "cut off".into(),
            ..peer("a")
        };
        let pair = PairJson::of("a", "b", Some(&sender), Some(&receiver), None);
        assert_eq!(pair.lag_ms, Some(40));
        assert_eq!((pair.backlog_mutations, pair.backlog_bytes), (Some(3), Some(900)));
        assert_eq!(pair.arrival_p50_ms, Some(35));
        assert_eq!(pair.connection.as_deref(), Some("down"));
        assert_eq!(pair.error.as_deref(), Some("cut off"));
    }

    #[test]
    fn hides_the_error_of_a_connection_that_recovered() {
        let receiver = PeerReport {
            error: "long ago".into(),
            ..peer("a")
        };
        assert_eq!(PairJson::of("a", "b", None, Some(&receiver), None).error, None);
    }
}
