//! Crashes and restarts of simulated regions: those that the timeline asks for, and those of
//! regions whose disk fails.

use std::future::pending;

use beringia_node::RestartPauses;
use futures_util::future::{BoxFuture, select_all};
use tokio::time::{Instant, sleep_until};

use crate::{Cluster, SimulationError};

/// How the process of a region ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessEnd {
    /// It is killed. What it wrote is on the disk, or in the page cache.
    Killed,
    /// Its machine loses power: any part of what was not synced is gone.
    PowerLost,
    /// It is killed, and the disk is gone.
    DiskLost,
}

/// The restarts of a region whose disk fails: after a pause, as often as it fails, as by a host.
#[derive(Default)]
pub(crate) struct Restarts {
    pauses: RestartPauses,
    /// When the region is started again; `None` if it does not wait for that.
    due: Option<Instant>,
    /// When the region was started last.
    started: Option<Instant>,
}

impl Restarts {
    /// Notes that the region has started.
    pub(crate) fn started(&mut self) {
        self.due = None;
        self.started = Some(Instant::now());
    }

    /// Notes that the region has failed, or was not able to start.
    fn failed(&mut self) {
        if let Some(started) = self.started.take() {
            self.pauses.ran_for(started.elapsed());
        }
        self.due = Some(Instant::now() + self.pauses.next_pause());
    }

    /// Gives up the next restart. Returns whether one was due.
    fn cancel(&mut self) -> bool {
        self.due.take().is_some()
    }
}

impl Cluster {
    /// Crashes a region: uncommitted writes are gone, and its connections break. Its disk stays, or
    /// is replaced by an empty one.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`] if the region is
    /// unknown or down.
    pub fn crash_region(&mut self, name: &str, lose_disk: bool) -> Result<(), SimulationError> {
        let end = if lose_disk {
            ProcessEnd::DiskLost
        } else {
            ProcessEnd::Killed
        };
        self.end_process(name, end)
    }

    /// Ends a region's process. A region that waits for a restart has none, and waits no longer.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`] if the region is
    /// unknown or down.
    pub(crate) fn end_process(&mut self, name: &str, end: ProcessEnd) -> Result<(), SimulationError> {
        let site = self.site_mut(name)?;
        let was_due = site.restarts.cancel();
        if site.running.is_none() && !was_due {
            return Err(SimulationError::NotRunning(name.to_owned()));
        }
        site.paused.clear();
        // The disk is detached first: a task that still runs must not write what no process would
        // have written.
        site.detach_disk(end == ProcessEnd::PowerLost);
        if end == ProcessEnd::DiskLost {
            site.lose_disk();
        }
        let Some(running) = site.running.take() else {
            return Ok(());
        };
        self.transport.network().kill_region(name)?;
        self.clients.shut(name);
        running.node.kill();
        running.recording.abort();
        Ok(())
    }

    /// Starts a region that is down, or that has failed. If its disk keeps it from starting, that
    /// is tried again after a pause ([`Cluster::supervise`]).
    ///
    /// # Errors
    /// [`SimulationError`] if the region does not start, and its disk cannot be the reason.
    pub(crate) async fn restart_region(&mut self, name: &str) -> Result<(), SimulationError> {
        if self.is_running(name) {
            self.end_process(name, ProcessEnd::Killed)?;
        }
        match self.start_region(name).await {
            Err(SimulationError::Store { .. } | SimulationError::Start { .. })
                if self.site(name)?.faulty_disk().is_ok() =>
            {
                self.trace.note(format_args!("{name} did not start"));
                let site = self.site_mut(name)?;
                // What is left of the attempt has no files any more.
                site.detach_disk(false);
                site.restarts.failed();
                Ok(())
            }
            started => started,
        }
    }

    /// Starts a region that has failed, or was not able to start, and whose disk works now.
    ///
    /// # Errors
    /// [`SimulationError`] if the region does not start.
    pub(crate) async fn restart_failed(&mut self, name: &str) -> Result<(), SimulationError> {
        let site = self.site(name)?;
        if site.disk_failed().is_none() && site.restarts.due.is_none() {
            return Ok(());
        }
        self.end_process(name, ProcessEnd::Killed)?;
        self.site_mut(name)?.restarts = Restarts::default();
        self.start_region(name).await
    }

    /// Whether a region is down since its disk fails, and is to be started again.
    pub(crate) fn awaits_restart(&self, name: &str) -> bool {
        let site = self.site(name);
        site.is_ok_and(|site| site.running.is_none() && site.restarts.due.is_some())
    }

    /// Waits until there is something to do for [`Cluster::supervise`].
    pub(crate) async fn needs_supervision(&self) {
        let waits = self.sites.iter().filter_map(|site| -> Option<BoxFuture<'_, ()>> {
            if let Some(due) = site.restarts.due {
                return Some(Box::pin(sleep_until(due)));
            }
            let running = site.running.as_ref().filter(|_| site.faulty_disk().is_ok())?;
            let failure = running.node.failure();
            Some(Box::pin(async move {
                failure.await;
            }))
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            pending::<()>().await;
        } else {
            select_all(waits).await;
        }
    }

    /// Notes which regions have failed because of their disks, and starts them again after a pause,
    /// as a host does.
    ///
    /// # Errors
    /// [`SimulationError::Failed`] if a region failed for another reason.
    pub(crate) async fn supervise(&mut self) -> Result<(), SimulationError> {
        self.check()?;
        for name in self.names() {
            let site = self.site_mut(&name)?;
            match site.restarts.due {
                Some(due) if due <= Instant::now() => self.restart_region(&name).await?,
                Some(_) => {}
                None if site.disk_failed().is_some() => {
                    site.restarts.failed();
                    self.trace.note(format_args!("{name} failed"));
                }
                None => {}
            }
        }
        Ok(())
    }
}
