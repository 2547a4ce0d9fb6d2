//! The faults and network changes during a recording, as the actions of a scenario.

use std::time::Duration;

use beringia_host::units::{mbit, percent};
use beringia_proto::v1::{
    LinkPair, LinkReport, NetworkDelay, RegionReport, control_network_request::Action as Change, control_recorded::What,
};
use beringia_scenario::{Action, Ends};

/// The links, with the changes so far.
pub(super) struct Links(Vec<LinkReport>);

/// The state at the beginning of the recording that differs from a scenario's: links that are not
/// open, regions that are down or drained, paused tables.
pub(super) fn initial(links: &[LinkReport], regions: &[RegionReport]) -> Vec<(Duration, Action)> {
    let cut = links
        .iter()
        .filter(|link| link.state != "open")
        .map(|link| Action::Cut {
            ends: Ends {
                from: link.from.clone(),
                to: link.to.clone(),
                one_way: true,
            },
            reset: link.state == "reset",
        });
    let down = regions
        .iter()
        .filter(|region| !region.running)
        .map(|region| Action::Crash {
            region: region.name.clone(),
            lose_disk: false,
        });
    let paused = regions
        .iter()
        .flat_map(|region| &region.paused)
        .map(|paused| Action::PauseReplication {
            region: paused.region.clone(),
            table: Some(paused.table.clone()),
        });
    let drained = regions
        .iter()
        .filter(|region| region.draining)
        .map(|region| Action::Drain {
            region: region.name.clone(),
        });
    let all = cut.chain(down).chain(paused).chain(drained);
    all.map(|action| (Duration::ZERO, action)).collect()
}

impl Links {
    pub(super) fn of(links: Vec<LinkReport>) -> Self {
        Self(links)
    }

    /// The action of a scenario for what was done; `None` for what changes nothing.
    pub(super) fn action(&mut self, what: What) -> Option<Action> {
        Some(match what {
            What::Call(_) => return None,
            What::Network(request) => return self.change(request.action?),
            What::Pause(pause) => Action::PauseReplication {
                region: pause.region,
                table: Some(pause.table),
            },
            What::Resume(resume) => Action::ResumeReplication {
                region: resume.region,
                table: Some(resume.table),
            },
            What::Drain(drain) => Action::Drain { region: drain.region },
            What::Undrain(undrain) => Action::Undrain { region: undrain.region },
            What::Fail(fail) => Action::Crash {
                region: fail.region,
                lose_disk: fail.lose_disk,
            },
            What::Recover(recover) => Action::Restart { region: recover.region },
        })
    }

    fn change(&mut self, change: Change) -> Option<Action> {
        Some(match change {
            Change::Show(_) => return None,
            Change::Cut(cut) => Action::Cut {
                ends: ends(cut.pair?),
                reset: cut.reset,
            },
            Change::Heal(heal) => Action::Heal(heal.pair.map(ends)),
            Change::Delay(delay) => return self.delay(delay),
            Change::Loss(loss) => Action::Loss {
                ends: ends(loss.pair?),
                percent: percent(loss.loss_millionths),
            },
            Change::Bandwidth(bandwidth) => Action::Bandwidth {
                ends: ends(bandwidth.pair?),
                mbit: mbit(bandwidth.bandwidth_bits),
            },
            Change::Isolate(isolate) => Action::Isolate {
                region: isolate.region,
                reset: isolate.reset,
            },
        })
    }

    /// A change of delay without jitter keeps the link's jitter.
    fn delay(&mut self, delay: NetworkDelay) -> Option<Action> {
        let ends = ends(delay.pair?);
        let link = self
            .0
            .iter_mut()
            .find(|link| link.from == ends.from && link.to == ends.to);
        let jitter_us = match (delay.jitter_us, link) {
            (Some(jitter_us), Some(link)) => {
                link.jitter_us = jitter_us;
                jitter_us
            }
            (Some(jitter_us), None) => jitter_us,
            (None, link) => link.map_or(0, |link| link.jitter_us),
        };
        Some(Action::Delay {
            ends,
            delay: Duration::from_micros(delay.delay_us),
            jitter: Duration::from_micros(jitter_us),
        })
    }
}

fn ends(pair: LinkPair) -> Ends {
    Ends {
        from: pair.from,
        to: pair.to,
        one_way: pair.one_way,
    }
}
