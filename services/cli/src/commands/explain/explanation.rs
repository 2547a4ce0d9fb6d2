//! Explains the state of an item: turns what the regions report about it into sentences, without
//! I/O.

use std::collections::{BTreeMap, BTreeSet};

use beringia_proto::v1::{ControlConflict, ItemVersion, LinkReport, PeerReport, RegionExplanation, RegionReport};

use crate::presentation::version_text;

/// The input of an explanation.
pub(crate) struct Evidence<'a> {
    /// The item in each region.
    pub(crate) regions: &'a [RegionExplanation],
    /// The state of replication in each region.
    pub(crate) reports: &'a [RegionReport],
    /// The links; empty where no network model runs.
    pub(crate) links: &'a [LinkReport],
}

/// The explanation of an item.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Whether all replicas hold the same version.
    pub(crate) agree: bool,
    /// The greatest version that any region holds.
    pub(crate) winner: Option<ItemVersion>,
    /// The reasons, one sentence each.
    pub(crate) why: Vec<String>,
}

/// Explains an item of one table.
pub(crate) fn explain(evidence: &Evidence<'_>) -> Verdict {
    let replicas: Vec<&RegionExplanation> = replicas(evidence);
    let holders: Vec<&RegionExplanation> = replicas
        .iter()
        .copied()
        .filter(|region| region.running && region.has_table)
        .collect();
    let winner = holders
        .iter()
        .filter_map(|region| region.version.as_ref())
        .max_by(|a, b| order(a).cmp(&order(b)))
        .cloned();
    let Some(winner) = winner else {
        let mut why = vec![
            "No region that answers has an item or a tombstone under this key: it was never \
             written, or it was deleted so long ago that its tombstone has been collected."
                .to_owned(),
        ];
        why.extend(replicas.iter().filter_map(|region| absence(region)));
        return Verdict {
            agree: why.len() == 1,
            winner: None,
            why,
        };
    };
    let mut why = vec![origin_of(&winner, &holders)];
    why.extend(decisions(&winner, &holders));
    let mut agree = true;
    for region in &replicas {
        if region.version.as_ref() == Some(&winner) && region.running {
            continue;
        }
        agree = false;
        why.push(absence(region).unwrap_or_else(|| difference(region, &winner, evidence)));
    }
    if agree && holders.len() > 1 {
        why.push("All replicas agree.".to_owned());
    }
    Verdict {
        agree,
        winner: Some(winner),
        why,
    }
}

/// The ids of the tables that the regions have under the name: more than one where regional tables
/// share it.
pub(crate) fn table_ids(regions: &[RegionExplanation]) -> BTreeSet<&str> {
    regions
        .iter()
        .filter(|region| region.has_table)
        .map(|region| region.table_id.as_str())
        .collect()
}

/// The regions that have a replica or should have one.
fn replicas<'a>(evidence: &Evidence<'a>) -> Vec<&'a RegionExplanation> {
    let named: BTreeSet<&str> = evidence
        .regions
        .iter()
        .flat_map(|region| region.replicas.iter().map(String::as_str))
        .collect();
    evidence
        .regions
        .iter()
        .filter(|region| region.has_table || named.contains(region.region.as_str()))
        .collect()
}

/// The order in which last-writer-wins compares: hybrid time, region, sequence.
fn order(version: &ItemVersion) -> (u64, &str, u64) {
    (version.hybrid_time, version.origin.as_str(), version.sequence)
}

/// Why a region cannot report the item; `None` where it can.
fn absence(region: &RegionExplanation) -> Option<String> {
    if !region.running {
        Some(format!("{} is down.", region.region))
    } else if !region.has_table {
        Some(format!("{} does not have its replica of the table yet.", region.region))
    } else {
        None
    }
}

/// The winner's version, and whether it is a write or a delete.
fn origin_of(winner: &ItemVersion, holders: &[&RegionExplanation]) -> String {
    let deleted = holders
        .iter()
        .any(|region| region.version.as_ref() == Some(winner) && region.item_json.is_none());
    let what = if deleted { "The delete" } else { "The write" };
    format!("{what} {} is the greatest version of this item.", version_text(winner))
}

/// The concurrent writes that the winner won against, from the journals of all regions; or a
/// sentence that says that there are none.
fn decisions(winner: &ItemVersion, holders: &[&RegionExplanation]) -> Vec<String> {
    let mut lost: BTreeMap<(u64, &str, u64), &ControlConflict> = BTreeMap::new();
    for conflict in holders.iter().flat_map(|region| &region.conflicts) {
        let is_winner = conflict.winner.as_ref().and_then(|side| side.version.as_ref()) == Some(winner);
        if let Some(loser) = conflict
            .loser
            .as_ref()
            .and_then(|side| side.version.as_ref())
            .filter(|_| is_winner)
        {
            lost.insert(order(loser), conflict);
        }
    }
    if lost.is_empty() {
        // Where a region has another version, it has not reconciled the two yet.
        let met = holders.iter().all(|region| region.version.as_ref() == Some(winner));
        let sentence = if met {
            "It won without a conflict: it causally depends on every write that it replaced."
        } else {
            "So far no region has journalled a conflict that it won."
        };
        return vec![sentence.to_owned()];
    }
    lost.values()
        .filter_map(|conflict| {
            let loser = conflict.loser.as_ref()?.version.as_ref()?;
            Some(format!(
                "It is concurrent with {}, and won by the rule: {}{}.",
                version_text(loser),
                conflict.rule,
                rule_in_figures(winner, loser),
            ))
        })
        .collect()
}

/// The values that the rule compared.
fn rule_in_figures(winner: &ItemVersion, loser: &ItemVersion) -> String {
    let (won, lost) = (winner.hybrid_time >> 16, loser.hybrid_time >> 16);
    if won > lost {
        format!(" ({} ms later)", won - lost)
    } else if winner.hybrid_time > loser.hybrid_time {
        " (same millisecond, later counter)".to_owned()
    } else if winner.origin == loser.origin {
        format!(" (equal times; {} comes after {})", winner.sequence, loser.sequence)
    } else {
        format!(" (equal times; {} comes after {})", winner.origin, loser.origin)
    }
}

/// Why a region does not have the winner's version.
fn difference(region: &RegionExplanation, winner: &ItemVersion, evidence: &Evidence<'_>) -> String {
    let name = &region.region;
    let holds = match &region.version {
        Some(version) => format!("{name} still has {}", version_text(version)),
        None => format!("{name} has nothing under this key"),
    };
    let applied = region
        .applied
        .iter()
        .find(|entry| entry.origin == winner.origin)
        .map_or(0, |entry| entry.sequence);
    if applied >= winner.sequence {
        return format!(
            "{holds}, although it has applied all writes of {} up to #{applied}: its rows are damaged, and repair will restore them.",
            winner.origin
        );
    }
    let reason = obstacle(name, &winner.origin, evidence);
    format!(
        "{holds}: the write has not arrived there yet{}.",
        reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
    )
}

/// The obstacle that keeps a write of `origin` from `region`; `None` if none is known.
fn obstacle(region: &str, origin: &str, evidence: &Evidence<'_>) -> Option<String> {
    if evidence
        .reports
        .iter()
        .any(|report| report.name == origin && !report.running)
    {
        return Some(format!("{origin} is down"));
    }
    let closed = |from: &str, to: &str| {
        evidence
            .links
            .iter()
            .find(|link| link.from == from && link.to == to && link.state != "open")
            .map(|link| link.state.clone())
    };
    let blocked = closed(origin, region)
        .map(|state| format!("the link from {origin} to {region} is {state}"))
        .or_else(|| closed(region, origin).map(|state| format!("the link from {region} to {origin} is {state}")));
    let peer = evidence
        .reports
        .iter()
        .find(|report| report.name == region)?
        .peers
        .iter()
        .find(|peer| peer.peer == origin);
    let quarantine = peer.and_then(quarantine);
    if quarantine.is_some() {
        return quarantine;
    }
    let connection = peer.filter(|peer| peer.receiving != "connected").map(|peer| {
        let error = if peer.error.is_empty() {
            String::new()
        } else {
            format!(": {}", peer.error)
        };
        format!("its connection to {origin} is {}{error}", peer.receiving)
    });
    let relay = peer
        .map(|peer| peer.relayed_through.as_str())
        .filter(|relay| !relay.is_empty());
    blocked.or(connection).map(|reason| match relay {
        Some(relay) => format!("{reason}; it will come through {relay}"),
        None => reason,
    })
}

fn quarantine(peer: &PeerReport) -> Option<String> {
    let (ahead, limit) = (peer.quarantine_ahead_ms?, peer.quarantine_limit_ms?);
    Some(format!(
        "the writes of {} are quarantined: its clock is {ahead} ms ahead, the limit is {limit} ms",
        peer.peer
    ))
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::{ConflictSideReport, OriginSequence};

    use super::*;

    fn version(ms: u64, origin: &str, sequence: u64) -> ItemVersion {
        ItemVersion {
            hybrid_time: ms << 16,
            origin: origin.into(),
            sequence,
        }
    }

    fn region(name: &str, version: Option<ItemVersion>) -> RegionExplanation {
        RegionExplanation {
            region: name.into(),
            running: true,
            has_table: true,
            table_id: "t".into(),
            replicas: vec!["a".into(), "b".into()],
            item_json: version.is_some().then(|| "{}".to_owned()),
            version,
            ..RegionExplanation::default()
        }
    }

    fn verdict(regions: &[RegionExplanation], reports: &[RegionReport], links: &[LinkReport]) -> Verdict {
        explain(&Evidence {
            regions,
            reports,
            links,
        })
    }

    #[test]
    fn explains_agreement_without_a_conflict() {
        let v = version(5, "a", 1);
        let verdict = verdict(&[region("a", Some(v.clone())), region("b", Some(v.clone()))], &[], &[]);
        assert!(verdict.agree);
        assert_eq!(verdict.winner, Some(v));
        assert!(verdict.why[1].contains("without a conflict"), "{:?}", verdict.why);
        assert_eq!(verdict.why[2], "All replicas agree.");
    }

    #[test]
    fn names_the_rule_and_the_loser_once() {
        let (won, lost) = (version(9, "b", 1), version(5, "a", 1));
        let side = |v: &ItemVersion| {
            Some(ConflictSideReport {
                version: Some(v.clone()),
                image_json: None,
            })
        };
        let mut holder = region("a", Some(won.clone()));
        holder.conflicts.push(ControlConflict {
            winner: side(&won),
            loser: side(&lost),
            rule: "later time".into(),
            ..ControlConflict::default()
        });
        let mut other = region("b", Some(won));
        other.conflicts.clone_from(&holder.conflicts);
        let verdict = verdict(&[holder, other], &[], &[]);
        assert_eq!(
            verdict.why.len(),
            3,
            "two regions saw it, one sentence: {:?}",
            verdict.why
        );
        assert!(verdict.why[1].contains(&version_text(&lost)), "{:?}", verdict.why);
        assert!(
            verdict.why[1].ends_with("later time (4 ms later)."),
            "{:?}",
            verdict.why
        );
    }

    #[test]
    fn names_the_cut_link_that_delays_a_write() {
        let regions = [
            region("a", Some(version(9, "a", 7))),
            region("b", Some(version(5, "b", 1))),
        ];
        let links = [LinkReport {
            from: "a".into(),
            to: "b".into(),
            state: "cut".into(),
            ..LinkReport::default()
        }];
        let reports = [RegionReport {
            name: "b".into(),
            running: true,
            ..RegionReport::default()
        }];
        let verdict = verdict(&regions, &reports, &links);
        assert!(!verdict.agree);
        assert!(verdict.why[2].starts_with("b still has"), "{:?}", verdict.why);
        assert!(
            verdict.why[2].contains("the link from a to b is cut"),
            "{:?}",
            verdict.why
        );
    }

    /// The region has applied the write's sequence but has no row: the row was removed from
    /// outside.
    #[test]
    fn tells_a_damaged_row_from_a_write_in_transit() {
        let mut damaged = region("b", None);
        damaged.applied.push(OriginSequence {
            origin: "a".into(),
            sequence: 7,
        });
        let verdict = verdict(&[region("a", Some(version(9, "a", 7))), damaged], &[], &[]);
        assert!(verdict.why[2].contains("damaged"), "{:?}", verdict.why);
    }

    #[test]
    fn names_quarantine_and_downtime() {
        let regions = [region("a", Some(version(9, "a", 7))), region("b", None)];
        let mut report = RegionReport {
            name: "b".into(),
            running: true,
            ..RegionReport::default()
        };
        report.peers.push(PeerReport {
            peer: "a".into(),
            receiving: "connected".into(),
            quarantine_ahead_ms: Some(60_000),
            quarantine_limit_ms: Some(500),
            ..PeerReport::default()
        });
        let held = verdict(&regions, &[report], &[]);
        assert!(held.why[2].contains("60000 ms ahead"), "{:?}", held.why);
        let mut down = region("b", None);
        down.running = false;
        let verdict = verdict(&[region("a", Some(version(9, "a", 7))), down], &[], &[]);
        assert_eq!(verdict.why[2], "b is down.");
        assert!(!verdict.agree);
    }

    #[test]
    fn regions_agree_on_an_item_that_none_has() {
        let verdict = verdict(&[region("a", None), region("b", None)], &[], &[]);
        assert!(verdict.agree);
        assert_eq!(verdict.winner, None);
        assert_eq!(verdict.why.len(), 1);
    }
}
