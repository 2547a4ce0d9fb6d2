//! What lies between regions: streams that carry messages in order, break, and are opened again.

use beringia_storage::StoreError;

use crate::{
    bounds::SITES,
    driver::{Input, Sent},
    universe::Universe,
    world::{Stream, World},
};

type Result<T> = std::result::Result<T, StoreError>;

/// How many consequences may follow from one another. With more, regions open and end streams
/// without end.
const NESTED_MAX: usize = 64;

impl Universe {
    /// Lets something happen to a region, and passes on what the region sends. Returns whether it
    /// happened.
    pub(crate) fn feed(&mut self, world: &mut World, at: usize, input: Input) -> Result<bool> {
        if self.nested > NESTED_MAX {
            return Err(StoreError::Database("streams open and end without end".to_owned()));
        }
        let Some(taken) = self.taken(world, at, input)? else {
            return Ok(false);
        };
        world.sites[at] = taken.site;
        self.nested += 1;
        for sent in taken.sent.iter() {
            self.pass_on(world, at, *sent)?;
        }
        self.nested -= 1;
        Ok(true)
    }

    fn pass_on(&mut self, world: &mut World, at: usize, sent: Sent<u32>) -> Result<()> {
        match sent {
            Sent::ToReceiver(to, message) => {
                let queue = &mut world.streams[at][to].to_receiver;
                *queue = self.messages.pushed(*queue, message)?;
            }
            Sent::ToSource(from, message) => {
                let queue = &mut world.streams[from][at].to_source;
                *queue = self.messages.pushed(*queue, message)?;
            }
            Sent::Dial(from) => {
                // Between regions that are cut off it takes until they no longer are.
                if !world.cut[from][at] {
                    self.connect(world, from, at)?;
                }
            }
            Sent::HangUp(from) => {
                world.streams[from][at] = Stream::default();
                self.feed(world, from, Input::ReceiverGone(at))?;
            }
            Sent::TurnAway(to) => {
                world.streams[at][to] = Stream::default();
                self.feed(world, to, Input::SourceGone(at))?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, world: &mut World, from: usize, to: usize) -> Result<()> {
        world.streams[from][to] = Stream::default();
        self.feed(world, from, Input::Accepted(to))?;
        self.feed(world, to, Input::Opened(from))?;
        Ok(())
    }

    /// Delivers everything that waits for no step.
    pub(crate) fn settle(&mut self, world: &mut World) -> Result<()> {
        loop {
            let mut is_settled = true;
            for from in 0..SITES {
                for to in 0..SITES {
                    let (first, rest) = self.messages.split(world.streams[from][to].to_source)?;
                    if first != 0 {
                        world.streams[from][to].to_source = rest;
                        self.feed(world, from, Input::FromReceiver(to, first))?;
                        is_settled = false;
                    }
                    let (first, rest) = self.messages.split(world.streams[from][to].to_receiver)?;
                    if first != 0 {
                        world.streams[from][to].to_receiver = rest;
                        self.feed(world, to, Input::FromSource(from, first))?;
                        is_settled = false;
                    }
                }
            }
            if is_settled {
                return Ok(());
            }
        }
    }

    /// Delivers the first batch on a stream. Returns whether there was one.
    pub(crate) fn deliver(&mut self, world: &mut World, from: usize, to: usize) -> Result<bool> {
        let Some((batch, rest)) = self.messages.popped(world.streams[from][to].to_receiver)? else {
            return Ok(false);
        };
        let stream = &mut world.streams[from][to];
        stream.to_receiver = rest;
        stream.last = self.messages.pushed(0, batch)?;
        let input = Input::FromSource(from, stream.last);
        self.feed(world, to, input)?;
        self.settle(world)?;
        Ok(true)
    }

    /// Delivers the first acknowledgement on a stream. Returns whether there was one.
    pub(crate) fn acknowledge(&mut self, world: &mut World, from: usize, to: usize) -> Result<bool> {
        let Some((message, rest)) = self.messages.popped(world.streams[from][to].to_source)? else {
            return Ok(false);
        };
        world.streams[from][to].to_source = rest;
        let queue = self.messages.pushed(0, message)?;
        self.feed(world, from, Input::FromReceiver(to, queue))?;
        self.settle(world)?;
        Ok(true)
    }

    /// Delivers everything, also what is sent because of it.
    pub(crate) fn deliver_all(&mut self, world: &mut World) -> Result<()> {
        self.settle(world)?;
        while world.is_anything_on_its_way() {
            for from in 0..SITES {
                for to in 0..SITES {
                    while self.acknowledge(world, from, to)? || self.deliver(world, from, to)? {}
                }
            }
        }
        Ok(())
    }

    /// Breaks a stream, and loses what is on its way. The receiver dials again.
    pub(crate) fn break_stream(&mut self, world: &mut World, from: usize, to: usize) -> Result<()> {
        world.streams[from][to] = Stream::default();
        self.feed(world, from, Input::ReceiverGone(to))?;
        self.feed(world, to, Input::SourceGone(from))?;
        self.settle(world)
    }

    /// Cuts two regions off from each other.
    pub(crate) fn cut(&mut self, world: &mut World, one: usize, other: usize) -> Result<()> {
        world.cut[one][other] = true;
        world.cut[other][one] = true;
        self.break_stream(world, one, other)?;
        self.break_stream(world, other, one)
    }

    /// Ends the cut between two regions: the streams that they dialled meanwhile open.
    pub(crate) fn heal(&mut self, world: &mut World, one: usize, other: usize) -> Result<()> {
        world.cut[one][other] = false;
        world.cut[other][one] = false;
        for (from, to) in [(one, other), (other, one)] {
            if self.site(world, to)?.dialled[from].is_some() {
                self.connect(world, from, to)?;
            }
        }
        self.settle(world)
    }

    /// Starts a region's process again, with or without its disk. All its streams end.
    pub(crate) fn restart(&mut self, world: &mut World, at: usize, input: Input) -> Result<()> {
        self.feed(world, at, input)?;
        for other in 0..SITES {
            world.streams[at][other] = Stream::default();
            world.streams[other][at] = Stream::default();
        }
        // A stream that is being dialled through a cut does not notice the restart.
        let cut = world.cut[at];
        let others: Vec<usize> = (0..SITES).filter(|other| *other != at && !cut[*other]).collect();
        for other in &others {
            self.feed(world, *other, Input::ReceiverGone(at))?;
        }
        for other in &others {
            self.feed(world, *other, Input::SourceGone(at))?;
        }
        self.feed(world, at, Input::Tick)?;
        self.settle(world)
    }

    /// Time passes in all regions.
    pub(crate) fn wait(&mut self, world: &mut World) -> Result<()> {
        for at in 0..SITES {
            self.feed(world, at, Input::Wait)?;
        }
        self.settle(world)
    }

    /// Ends all cuts, delivers everything, and lets time pass until `is_good` holds. Returns the
    /// world in which it does.
    pub(crate) fn recover(
        &mut self,
        world: &World,
        is_good: impl Fn(&Self, &World) -> Result<bool>,
    ) -> Result<Option<World>> {
        /// How often time passes: a region that comes back without its disk needs a few times.
        const WAITS: usize = 12;
        let mut world = *world;
        for one in 0..SITES {
            for other in 0..one {
                if world.cut[one][other] {
                    self.heal(&mut world, one, other)?;
                }
            }
        }
        self.deliver_all(&mut world)?;
        for _ in 0..WAITS {
            if is_good(self, &world)? {
                return Ok(Some(world));
            }
            self.wait(&mut world)?;
            self.deliver_all(&mut world)?;
        }
        Ok(None)
    }
}
