//! The headline figures of a run, as the page and the summary show them.

use crate::{
    DrainTimes, Failover, LoadSource, Outage, ReportedBacklog, Run,
    format::{and_unshipped, and_with_disk, bytes, count, decimals, duration_ms, percent},
    judge::{UNKNOWN_LOSS, absent_in_words, drain_in_words, whose, writes_in_words},
    served::users_in_words,
};

/// Whether a figure is highlighted as bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Bad,
}

/// A headline figure of a run.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) more: String,
    pub(crate) tone: Tone,
}

/// RPO, recovery time, convergence, conflicts, outcomes of writes, lag, bytes on the wire,
/// availability, and each move of clients and drain.
pub(crate) fn figures(run: &Run) -> Vec<Figure> {
    let mut figures = vec![
        rpo(run),
        recovery(run),
        convergence(run),
        conflicts(run),
        writes(run),
        lost(run),
        lag(run),
        wire(run),
        availability(run),
    ];
    figures.extend(run.failovers.iter().flat_map(|failover| moved(run, failover)));
    figures.extend(run.drains.iter().map(drain));
    figures
}

/// One line with player, seed, policy, duration and regions.
pub(crate) fn headline(run: &Run) -> String {
    let player = match run.player {
        crate::Player::Sim => "simulated",
        crate::Player::Drill => "drill",
        crate::Player::Containers => "drill in containers",
    };
    let allowed = match run.allowance_ms {
        0 => String::new(),
        ms => format!("; with {} allowed for this machine", duration_ms(ms as f64)),
    };
    format!(
        "{player} · seed {} · policy {} · {} of {} in {} regions: {}{allowed}",
        run.seed,
        run.policy,
        duration_ms(run.load_ms as f64),
        match run.clients {
            LoadSource::Scenario => "load",
            LoadSource::ScenarioAndApplications => "load and applications",
            LoadSource::ApplicationsAndProbes => "applications and probes",
        },
        run.regions.len(),
        run.regions.join(", ")
    )
}

/// The fingerprint of a simulated run, or of the plan of a drill, with its name.
pub(crate) fn fingerprint(run: &Run) -> (&'static str, &str) {
    match &run.identity.fingerprint {
        Some(fingerprint) => ("Fingerprint", fingerprint),
        None => ("Plan", &run.identity.plan_fingerprint),
    }
}

fn figure(name: &'static str, value: String, more: String, bad: bool) -> Figure {
    let tone = if bad { Tone::Bad } else { Tone::Plain };
    Figure {
        name,
        value,
        more,
        tone,
    }
}

fn rpo(run: &Run) -> Figure {
    let losses: Option<Vec<ReportedBacklog>> = run.disk_losses.iter().map(|loss| loss.rpo(run.clients)).collect();
    let Some(losses) = losses else {
        return figure("RPO", "unknown".to_owned(), UNKNOWN_LOSS.to_owned(), true);
    };
    let seconds = losses.iter().map(|loss| loss.seconds).fold(0.0, f64::max);
    let mut more = match losses.len() {
        0 => "no disk was lost".to_owned(),
        _ => format!(
            "{}, {}",
            bytes(losses.iter().map(|loss| loss.bytes).sum()),
            duration_ms(seconds * 1000.0)
        ),
    };
    if run.clients != LoadSource::Scenario && !losses.is_empty() {
        let own = run.disk_losses.iter().map(|loss| loss.writes).sum();
        more.push_str(&format!(
            ", as the regions reported; {}{} are missing",
            count(own),
            whose(run.clients)
        ));
    }
    let value = writes_in_words(losses.iter().map(|loss| loss.writes).sum());
    figure("RPO", value, more, false)
}

/// The longest time in which users of a region were not served within the objective.
fn recovery(run: &Run) -> Figure {
    const NAME: &str = "Recovery";
    let Some(slowest) = run.slowest_recovery() else {
        return figure(NAME, "–".to_owned(), "no operations were due".to_owned(), false);
    };
    let users = users_in_words(run, &slowest.users);
    let times = |outage: &Outage| outage.length_ms().unwrap_or(u64::MAX);
    let Some(longest) = slowest.outages.iter().max_by_key(|outage| times(outage)) else {
        return figure(NAME, "0 ms".to_owned(), "no failure seen".to_owned(), false);
    };
    let (from, others) = (duration_ms(longest.from_ms as f64), slowest.outages.len() - 1);
    let mut more = match longest.until_ms {
        Some(until_ms) => format!("{users}, from {from} until {}", duration_ms(until_ms as f64)),
        None => format!("{users}, from {from}: not recovered before the load ended"),
    };
    if others > 0 {
        more.push_str(&format!(", and {} shorter outages", count(others as u64)));
    }
    let value = longest
        .length_ms()
        .map_or_else(|| "never".to_owned(), |ms| duration_ms(ms as f64));
    figure(NAME, value, more, longest.until_ms.is_none())
}

/// A move of clients: its times, and what no other region could see then.
fn moved(run: &Run, failover: &Failover) -> [Figure; 2] {
    let after = |ms: Option<u64>, what: &str| match ms {
        Some(ms) => format!("{what} {}", duration_ms(ms as f64)),
        None => format!("{what} never"),
    };
    let more = format!(
        "{} to {}, from the fault to the move; {}, {}",
        failover.from,
        failover.to,
        after(failover.first_success_after_ms(), "first success after the move"),
        after(failover.until_objective_ms(), "within the objective after the fault"),
    );
    let times = figure(
        "Clients moved",
        duration_ms(failover.until_move_ms() as f64),
        more,
        failover.objective_ms.is_none(),
    );
    [times, effective_loss(run, failover)]
}

/// What the moved clients could not see, and what became of it.
fn effective_loss(run: &Run, failover: &Failover) -> Figure {
    let loss = &failover.effective_loss;
    let mut more = format!(
        "of {}{} not visible in {} when its clients moved",
        failover.from,
        whose(run.clients),
        failover.to
    );
    let became = [
        (loss.visible_later, "became visible later"),
        (loss.lost_to_conflicts, "overwritten by concurrent writes"),
        (loss.lost_with_disk, "lost with a disk"),
        (loss.unshipped, "unshipped"),
        (loss.missing, "missing"),
        (loss.unheard, "more of which nothing was heard"),
    ];
    let parts: Vec<String> = became
        .iter()
        .filter(|(writes, _)| *writes > 0)
        .map(|(writes, what)| format!("{} {what}", count(*writes)))
        .collect();
    if !parts.is_empty() {
        more.push_str(&format!(": {}", parts.join(", ")));
    }
    let is_known = loss.mutations_max.is_some();
    if run.clients != LoadSource::Scenario {
        let most = match loss.mutations_max {
            Some(most) => format!("at most {} mutations", count(most)),
            None => UNKNOWN_LOSS.to_owned(),
        };
        more.push_str(&format!("; with applications {most}"));
    }
    figure("Effective loss", writes_in_words(loss.writes()), more, !is_known)
}

fn drain(drain: &DrainTimes) -> Figure {
    let value = drain
        .elapsed_ms()
        .map_or_else(|| "never".to_owned(), |ms| duration_ms(ms as f64));
    let peers = drain.peers.iter().map(|peer| {
        let elapsed_ms = peer.proven_ms.map(|proven| proven.saturating_sub(drain.from_ms));
        format!(
            "{} {}",
            peer.peer,
            elapsed_ms.map_or_else(|| "never".to_owned(), |ms| duration_ms(ms as f64))
        )
    });
    let peers = peers.collect::<Vec<_>>().join(", ");
    let more = format!("{}, {} ({peers})", drain.region, drain_in_words(drain));
    figure(
        "Drained",
        value,
        more,
        drain.proven_ms.is_none() || drain.was_left_early(),
    )
}

fn convergence(run: &Run) -> Figure {
    let Some(slowest) = run.slowest_convergence() else {
        return figure("Converged", "–".to_owned(), "nothing had to converge".to_owned(), false);
    };
    let Some(elapsed) = slowest.elapsed_ms else {
        return figure(
            "Converged",
            "never".to_owned(),
            format!("after {}", slowest.after),
            true,
        );
    };
    let bound = slowest
        .ratio()
        .map(|ratio| format!(", {} times the bound", decimals(ratio, 2)));
    let more = format!("after {}{}", slowest.after, bound.unwrap_or_default());
    figure("Converged", duration_ms(elapsed as f64), more, false)
}

fn conflicts(run: &Run) -> Figure {
    let share = run.conflict_count() as f64 * 100.0 / run.writes.acknowledged.max(1) as f64;
    let more = match run.clients {
        LoadSource::Scenario => format!("{} per 100 acknowledged writes", decimals(share, 2)),
        LoadSource::ScenarioAndApplications => {
            format!(
                "{} per 100 acknowledged writes of the scenario's own",
                decimals(share, 2)
            )
        }
        // The number of the applications' writes is unknown.
        LoadSource::ApplicationsAndProbes => "between writes of the applications".to_owned(),
    };
    figure("Conflicts", count(run.conflict_count()), more, false)
}

fn writes(run: &Run) -> Figure {
    let writes = &run.writes;
    let more = format!(
        "acknowledged: {} current, {} superseded, {} lost to conflicts{}{}",
        count(writes.current),
        count(writes.superseded),
        count(writes.lost_to_conflicts),
        and_with_disk(writes.lost_with_disk),
        and_unshipped(writes.unshipped)
    );
    figure("Writes", count(writes.acknowledged), more, false)
}

fn wire(run: &Run) -> Figure {
    let mutations: u64 = run.pairs.iter().map(|pair| pair.mutations).sum();
    let wire_bytes: u64 = run.pairs.iter().map(|pair| pair.wire_bytes).sum();
    if mutations == 0 {
        return figure(
            "On the wire",
            bytes(wire_bytes),
            "nothing was replicated".to_owned(),
            false,
        );
    }
    let each = decimals(wire_bytes as f64 / mutations as f64, 0);
    figure(
        "On the wire",
        format!("{each} B"),
        "per mutation that arrived".to_owned(),
        false,
    )
}

fn lost(run: &Run) -> Figure {
    let more = format!(
        "of {} acknowledged{}{}",
        count(run.writes.acknowledged),
        whose(run.clients),
        and_with_disk(run.writes.lost_with_disk)
    );
    figure("Lost outright", count(run.writes.lost), more, run.writes.lost > 0)
}

fn lag(run: &Run) -> Figure {
    const NAME: &str = "Lag p99";
    // Writes that never arrived have no lag, however good the lag of the others is.
    if let Some(absent) = run.pairs.iter().find_map(absent_in_words) {
        return figure(NAME, "never".to_owned(), absent, true);
    }
    let busy = run.pairs.iter().filter(|pair| pair.lag_ms.count > 0);
    match busy.max_by(|one, other| one.lag_ms.p99.total_cmp(&other.lag_ms.p99)) {
        None => figure(NAME, "–".to_owned(), "nothing was replicated".to_owned(), false),
        Some(pair) => figure(
            NAME,
            duration_ms(pair.lag_ms.p99),
            format!("{} → {}", pair.from, pair.to),
            false,
        ),
    }
}

fn availability(run: &Run) -> Figure {
    let shares = run.regions.iter().filter_map(|region| {
        let (within, answered) = (run.availability(region)?, run.answered_percent(region)?);
        Some((within, answered, region))
    });
    let Some((within, answered, region)) = shares.min_by(|one, other| one.0.total_cmp(&other.0)) else {
        return figure(
            "Availability",
            "–".to_owned(),
            "no operations were due".to_owned(),
            false,
        );
    };
    let place = if within >= 100.0 {
        "in every region".to_owned()
    } else {
        format!("in {region}, the least")
    };
    let more = format!(
        "answered within {} {place}; {} answered",
        run.objective_in_words(),
        percent(answered)
    );
    figure("Availability", percent(within), more, false)
}
