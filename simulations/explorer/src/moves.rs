//! The worlds that follow a world, each by one step.

use beringia_storage::StoreError;

use crate::{
    bounds::SITES,
    step::Step,
    streams,
    universe::{Preparation, Universe},
    world::World,
    written::{PER_SITE, Writes},
};

type Result<T> = std::result::Result<T, StoreError>;

/// The number of a region as a step names it.
const fn place(at: u8) -> usize {
    at as usize
}

impl Universe {
    /// All steps that may be possible, in a fixed order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let sites = || 0..u8::try_from(SITES).unwrap_or_default();
        for at in sites() {
            for key in 0..self.bounds.keys {
                let kinds = self.bounds.kinds.iter();
                steps.extend(kinds.map(|kind| Step::Write { at, key, kind: *kind }));
            }
            for other in sites().filter(|other| *other != at) {
                if self.bounds.in_flight {
                    steps.extend([Step::Send(at, other), Step::Lose(at, other)]);
                }
                steps.push(Step::Deliver(at, other));
                steps.extend((self.bounds.duplicates > 0).then_some(Step::Duplicate(at, other)));
                let is_trimmer = self.bounds.trims > 0 && self.bounds.trimmers.contains(&other);
                steps.extend(is_trimmer.then_some(Step::Acknowledge(at, other)));
                if self.bounds.trims > 0 || self.bounds.lost_disks > 0 {
                    steps.extend([Step::CopyCatalog(at, other), Step::CopyTable(at, other)]);
                }
                steps.extend((self.bounds.lost_disks > 0).then_some(Step::Repair(at, other)));
            }
            let is_trimmer = self.bounds.trims > 0 && self.bounds.trimmers.contains(&at);
            steps.extend(is_trimmer.then_some(Step::Trim(at)));
            steps.extend((self.bounds.crashes > 0).then_some(Step::Crash(at)));
            if self.bounds.lost_disks > 0 {
                steps.extend([Step::LoseDisk(at), Step::Rejoin(at), Step::Activate(at)]);
            }
            if self.bounds.clock_steps > 0 {
                let jumps = self.bounds.jumps_ms.iter();
                steps.extend(jumps.map(|ms| Step::JumpClock(at, *ms)));
            }
        }
        steps
    }

    /// The world after a step; `None` if the step is not possible or changes nothing.
    pub(crate) fn after(&mut self, world: &World, step: Step) -> Result<Option<World>> {
        let after = match step {
            Step::Write { .. }
            | Step::Trim(_)
            | Step::Crash(_)
            | Step::LoseDisk(_)
            | Step::JumpClock(..)
            | Step::Rejoin(_)
            | Step::Activate(_) => self.in_region(world, step)?,
            Step::Send(..)
            | Step::Deliver(..)
            | Step::Lose(..)
            | Step::Duplicate(..)
            | Step::Acknowledge(..)
            | Step::CopyCatalog(..)
            | Step::CopyTable(..)
            | Step::Repair(..) => self.between(world, step)?,
        };
        Ok(after.map(|mut after| {
            after.normalize();
            after
        }))
    }

    /// A step of one region.
    fn in_region(&mut self, world: &World, step: Step) -> Result<Option<World>> {
        match step {
            Step::Write { at, key, kind } => {
                let site = self.site(world, place(at))?;
                if world.left.writes == 0 || !site.is_complete() || site.written.len() == PER_SITE {
                    return Ok(None);
                }
                let number = self.written(world, place(at), key, kind)?;
                let mut after = *world;
                after.left.writes -= 1;
                Ok(replaced(after, place(at), number))
            }
            Step::Trim(at) => self.trimmed(world, place(at)),
            Step::Crash(at) => self.crashed(world, place(at)),
            Step::LoseDisk(at) => self.lost_disk(world, place(at)),
            Step::JumpClock(at, ms) => {
                let Some(left) = world.left.clock_steps.checked_sub(1) else {
                    return Ok(None);
                };
                let mut site = self.site(world, place(at))?.clone();
                site.wall_ms = site.wall_ms.saturating_add_signed(ms);
                let number = self.keep(site)?;
                let mut after = *world;
                after.left.clock_steps = left;
                Ok(replaced(after, place(at), number))
            }
            Step::Rejoin(at) => self.rejoined(world, place(at)),
            Step::Activate(at) => {
                let number = self.prepared(world, Preparation::Activate, place(at), place(at))?;
                Ok(replaced(*world, place(at), number))
            }
            _ => Ok(None),
        }
    }

    /// The replica is created again from the first other region that has an active one.
    fn rejoined(&mut self, world: &World, at: usize) -> Result<Option<World>> {
        for other in (0..SITES).filter(|other| *other != at) {
            let number = self.prepared(world, Preparation::Rejoin, other, at)?;
            if number != 0 {
                return Ok(replaced(*world, at, number));
            }
        }
        Ok(None)
    }

    fn trimmed(&mut self, world: &World, at: usize) -> Result<Option<World>> {
        let Some(left) = world.left.trims.checked_sub(1) else {
            return Ok(None);
        };
        let number = self.after_trim(world, at)?;
        let mut after = *world;
        after.left.trims = left;
        Ok(replaced(after, at, number))
    }

    fn crashed(&mut self, world: &World, at: usize) -> Result<Option<World>> {
        let Some(left) = world.left.crashes.checked_sub(1) else {
            return Ok(None);
        };
        let number = self.restarted(world, at)?;
        let mut after = *world;
        after.sites[at] = number;
        after.end_sessions(at);
        if after == *world {
            return Ok(None);
        }
        after.left.crashes = left;
        Ok(Some(after))
    }

    fn lost_disk(&mut self, world: &World, at: usize) -> Result<Option<World>> {
        let Some(left) = world.left.lost_disks.checked_sub(1) else {
            return Ok(None);
        };
        let site = self.site(world, at)?;
        let others = self.others(world, at)?;
        let lost = streams::only_on(site, &others);
        let own = site
            .written
            .iter()
            .fold(Writes::default(), |all, written| all.with(written.id));
        let everywhere = others.iter().fold(own, |all, other| Writes(all.0 & other.received.0));
        let number = self.emptied(world, at)?;
        let mut after = *world;
        after.left.lost_disks = left;
        after.lost = after.lost.with(lost);
        after.orphaned = after.orphaned.with(own.without(everywhere));
        after.end_sessions(at);
        Ok(replaced(after, at, number))
    }

    /// A step between two regions.
    fn between(&mut self, world: &World, step: Step) -> Result<Option<World>> {
        match step {
            Step::Send(from, to) => {
                let (from, to) = (place(from), place(to));
                let stream = world.streams[from][to];
                let batch = self.page(world, from, to)?.batch;
                if stream.in_flight != 0 || batch == 0 {
                    return Ok(None);
                }
                let mut after = *world;
                after.streams[from][to].in_flight = batch;
                Ok(Some(after))
            }
            Step::Deliver(from, to) => {
                let (from, to) = (place(from), place(to));
                let batch = if self.bounds.in_flight {
                    world.streams[from][to].in_flight
                } else {
                    self.page(world, from, to)?.batch
                };
                self.arrived(world, (from, to), batch)
            }
            Step::Lose(from, to) => {
                let mut after = *world;
                after.streams[place(from)][place(to)].in_flight = 0;
                Ok((after != *world).then_some(after))
            }
            Step::Duplicate(from, to) => {
                let last = world.streams[place(from)][place(to)].last;
                let Some(left) = world.left.duplicates.checked_sub(1).filter(|_| last != 0) else {
                    return Ok(None);
                };
                let number = self.delivered(world, place(to), last)?;
                let mut after = *world;
                after.left.duplicates = left;
                Ok(replaced(after, place(to), number))
            }
            Step::Acknowledge(from, to) => self.acknowledged(world, place(from), place(to)),
            Step::CopyCatalog(from, to) => self.copied(world, Preparation::CopyCatalog, (from, to)),
            Step::CopyTable(from, to) => self.copied(world, Preparation::CopyTable, (from, to)),
            Step::Repair(from, to) => self.copied(world, Preparation::Repair, (from, to)),
            _ => Ok(None),
        }
    }

    fn arrived(&mut self, world: &World, (from, to): (usize, usize), batch: u32) -> Result<Option<World>> {
        if batch == 0 {
            return Ok(None);
        }
        let number = self.delivered(world, to, batch)?;
        if number == 0 {
            self.was_held_back = true;
            return Ok(None);
        }
        let mut after = *world;
        after.sites[to] = number;
        after.streams[from][to].in_flight = 0;
        after.streams[from][to].last = batch;
        Ok(Some(after))
    }

    fn acknowledged(&mut self, world: &World, from: usize, to: usize) -> Result<Option<World>> {
        if world.left.trims == 0 {
            return Ok(None);
        }
        let number = self.reported(world, from)?;
        let mut after = *world;
        after.streams[to][from].acknowledged = number;
        Ok((after != *world).then_some(after))
    }

    fn copied(&mut self, world: &World, what: Preparation, (from, to): (u8, u8)) -> Result<Option<World>> {
        let number = self.prepared(world, what, place(from), place(to))?;
        Ok(replaced(*world, place(to), number))
    }
}

/// The world with another state of a region; `None` if it is the same state, or there is none.
fn replaced(mut world: World, at: usize, number: u32) -> Option<World> {
    let is_new = number != 0 && number != world.sites[at];
    world.sites[at] = number;
    is_new.then_some(world)
}
