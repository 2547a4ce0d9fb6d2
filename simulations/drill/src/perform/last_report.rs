//! The last report of a region about its unshipped writes, before a hook killed it.

use std::{convert::Infallible, error::Error, io, time::Duration};

use beringia_proto::v1::UnacknowledgedReport;
use tokio::time::{Instant, sleep};
use tonic::Status;

/// How often a region is asked for its unshipped writes while a hook kills it.
const ASKED_EVERY: Duration = Duration::from_millis(10);
/// How old a region's last report can be when the region is dead. The RPO of a drill may differ by
/// as much from that of a simulation.
const REPORT_AGE_MAX: Duration = Duration::from_millis(200);

/// The last report of a region about its unshipped writes before it was dead.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LastReport {
    pub(crate) unshipped: UnacknowledgedReport,
    /// How long the region may have lived, and acknowledged writes, after the report.
    pub(crate) age: Duration,
}

impl LastReport {
    /// A report that the region made when it acknowledged nothing any more.
    pub(super) fn final_one(unshipped: UnacknowledgedReport) -> Self {
        Self {
            unshipped,
            age: Duration::ZERO,
        }
    }

    /// Whether the report says how much was lost with the region's disk.
    pub(crate) fn counts(&self) -> bool {
        self.age <= REPORT_AGE_MAX
    }

    /// The sentence for the report of a drill whose hook killed the region.
    pub(crate) fn note(&self) -> String {
        let (region, age_ms) = (&self.unshipped.region, self.age.as_millis());
        if self.counts() {
            format!(
                "{region} reported its unshipped writes until {age_ms} ms before it was dead, killed by the hook: \
                 writes that it acknowledged after its last report are not in the RPO of applications"
            )
        } else {
            format!(
                "{region} reported its unshipped writes for the last time {age_ms} ms before it was dead, killed by \
                 the hook, and later writes are not in that report: the RPO of applications is unknown"
            )
        }
    }
}

/// Asks a region for its unshipped writes, again and again, until it is killed. Returns the last
/// report; `None` if the region made none.
pub(super) async fn until_killed<E, Answer>(
    killing: impl Future<Output = Result<(), E>>,
    ask: impl FnMut() -> Answer,
) -> Result<Option<LastReport>, E>
where
    Answer: Future<Output = Result<Option<UnacknowledgedReport>, Status>>,
{
    let mut answers = Answers::default();
    tokio::select! {
        biased;
        killed = killing => killed?,
        never = answers.collect(ask) => match never {},
    }
    Ok(answers.at_death(Instant::now()))
}

/// The answers of a region that is being killed, as far as they matter.
#[derive(Debug, Default)]
struct Answers {
    /// When the last question was asked that the region answered, and its answer. The answer may
    /// describe any time since then.
    last: Option<(Instant, Option<UnacknowledgedReport>)>,
    /// When the region's machine first said, after that answer, that nothing accepts connections.
    refused: Option<Instant>,
}

impl Answers {
    async fn collect<Answer>(&mut self, mut ask: impl FnMut() -> Answer) -> Infallible
    where
        Answer: Future<Output = Result<Option<UnacknowledgedReport>, Status>>,
    {
        loop {
            let asked = Instant::now();
            match ask().await {
                Ok(report) => {
                    self.last = Some((asked, report));
                    self.refused = None;
                }
                Err(status) if is_refused(&status) => {
                    self.refused.get_or_insert_with(Instant::now);
                }
                // The region may not answer: that may be what the drill tests. It may be alive.
                Err(_) => {}
            }
            sleep(ASKED_EVERY).await;
        }
    }

    /// The last report, once the hook has killed the region. The hook may have done more since the
    /// region was dead, such as deleting its database: a refused connection shows that it was.
    fn at_death(self, killed: Instant) -> Option<LastReport> {
        let (asked, unshipped) = self.last?;
        let dead = self.refused.unwrap_or(killed);
        Some(LastReport {
            unshipped: unshipped?,
            age: dead.duration_since(asked),
        })
    }
}

/// Whether nothing accepts connections at the address of the control service.
fn is_refused(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let error_kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if error_kind == Some(io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::{future::pending, net::TcpListener};

    use beringia_proto::v1::{ControlFlowsRequest, control_client::ControlClient};
    use tonic::transport::Endpoint;

    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn report(mutations: u64) -> UnacknowledgedReport {
        UnacknowledgedReport {
            region: "eu-west-1".to_owned(),
            mutations,
            ..UnacknowledgedReport::default()
        }
    }

    /// The error of a connection that nothing accepts.
    fn refused() -> Status {
        Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)))
    }

    /// Kills a region within a time. It answers each question after `takes`, and `answers` says
    /// how, from the time of the question on; `None` is silence.
    async fn killed(
        within: Duration,
        takes: Duration,
        answers: impl Fn(Duration) -> Option<Result<u64, Status>>,
    ) -> Option<LastReport> {
        let began = Instant::now();
        let killing = async {
            sleep(within).await;
            Ok::<(), Infallible>(())
        };
        let ask = || {
            let answer = answers(began.elapsed());
            async move {
                sleep(takes).await;
                match answer {
                    Some(answer) => answer.map(|mutations| Some(report(mutations))),
                    None => pending().await,
                }
            }
        };
        let Ok(last) = until_killed(killing, ask).await;
        last
    }

    #[tokio::test(start_paused = true)]
    async fn a_region_that_answers_until_it_dies_reports_its_loss() {
        let number = |at: Duration| u64::try_from(at.as_millis()).expect("a short time");
        let last = killed(ms(3_000), ms(1), |at| Some(Ok(number(at)))).await;
        let last = last.expect("a report");
        assert!(last.counts() && last.age <= 2 * ASKED_EVERY, "{last:?}");
        assert!(last.unshipped.mutations >= 2_980, "not the last one: {last:?}");
        let words = format!("until {} ms before", last.age.as_millis());
        assert!(last.note().contains(&words), "{}", last.note());
    }

    #[tokio::test(start_paused = true)]
    async fn a_region_that_falls_silent_leaves_its_loss_unknown() {
        let silent = |at: Duration| (at < ms(1_000)).then_some(Ok(7));
        let failing = |at: Duration| {
            Some(if at < ms(1_000) {
                Ok(7)
            } else {
                Err(Status::unavailable("busy"))
            })
        };
        for last in [
            killed(ms(4_000), ms(1), silent).await,
            killed(ms(4_000), ms(1), failing).await,
        ] {
            let last = last.expect("a report");
            assert!(!last.counts(), "{last:?}");
            assert!(last.age >= ms(3_000) && last.age < ms(3_050), "{last:?}");
            let note = last.note();
            assert!(
                note.contains(&format!("{} ms", last.age.as_millis())) && note.contains("is unknown"),
                "{note}"
            );
        }
        assert_eq!(killed(ms(4_000), ms(1), |_| None).await, None);
    }

    /// The hook has killed it, and deletes its database.
    #[tokio::test(start_paused = true)]
    async fn a_region_that_refuses_connections_is_dead() {
        let answers = |at: Duration| Some(if at < ms(1_000) { Ok(7) } else { Err(refused()) });
        let last = killed(ms(4_000), ms(1), answers).await.expect("a report");
        assert!(last.counts() && last.age <= 3 * ASKED_EVERY, "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_region_that_answers_again_was_not_dead() {
        let answers = |at: Duration| match at.as_millis() {
            ..1_000 => Some(Ok(7)),
            1_000..1_500 => Some(Err(refused())),
            1_500..2_000 => Some(Ok(9)),
            _ => None,
        };
        let last = killed(ms(4_000), ms(1), answers).await.expect("a report");
        assert_eq!(last.unshipped.mutations, 9);
        assert!(!last.counts() && last.age >= ms(2_000), "{last:?}");
    }

    /// It describes a time since the question.
    #[tokio::test(start_paused = true)]
    async fn a_report_is_as_old_as_its_question() {
        let last = killed(ms(1_000), ms(300), |_| Some(Ok(7))).await;
        let last = last.expect("a report");
        assert!(!last.counts() && last.age >= ms(300), "{last:?}");
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_from_other_errors() {
        let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = unused.local_addr().expect("the port");
        drop(unused);
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut client = ControlClient::new(endpoint.connect_lazy());
        let status = client.flows(ControlFlowsRequest {}).await.expect_err("an error");
        assert!(is_refused(&status), "{status:?}");
        assert!(!is_refused(&Status::unavailable("connection refused")));
    }
}
