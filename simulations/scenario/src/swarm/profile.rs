//! Profiles of swarms: the features that a seed draws from, and what these change in the load.

use std::time::Duration;

use beringia_clock::{Randomness, SeededRandomness};

use crate::{Policy, Scenario, Workload, WorkloadKind};

/// The time to live of the sessions that a swarm with expiry adds: short, so that most expire
/// during the load.
const TTL: Duration = Duration::from_secs(5);
/// How long a region may be unreachable in a swarm with dropped replicas: less than its longer
/// isolations.
pub(super) const MAX_UNREACHABLE: Duration = Duration::from_secs(6);

/// Which features a swarm has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SwarmProfile {
    /// Links, crashes, pauses, slow and full disks, and clocks within the accepted offset. Each
    /// seed has all of these features.
    #[default]
    Basic,
    /// Lost disks and restored snapshots, among crashes and cuts.
    Disks,
    /// Replicas that come and go or are dropped, drains, expiry, and a table that is created and
    /// deleted several times.
    Tables,
    /// Clocks within and beyond the accepted offset.
    Clocks,
    /// Every feature that a swarm can have.
    Everything,
}

/// A part of a swarm that a seed has or leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SwarmFeature {
    /// Cut, slow, lossy and narrow links.
    Links,
    /// Crashes that keep the disk.
    Crashes,
    /// Pauses of a table's replication.
    Pauses,
    /// Slow and full disks.
    BadDisks,
    /// Clocks that are wrong within the offset that regions accept from each other.
    Clocks,
    /// A crash that loses the disk.
    LostDisk,
    /// A disk that is put back to a copy.
    RestoredDisk,
    /// Clocks that are wrong beyond that offset.
    WrongClocks,
    /// A region whose replicas are removed and added.
    Replicas,
    /// A region whose replicas are dropped, since it is unreachable for too long.
    Drops,
    /// Drains of regions, which refuse writes meanwhile.
    Drains,
    /// A table whose items expire.
    Expiry,
    /// Deletes among the operations of the clients.
    Deletes,
    /// A conflict policy of the seed's choice.
    Policies,
    /// A table that is created, written, deleted and created again.
    Tables,
    /// Clients that read the DynamoDB streams of the tables.
    Streams,
}

/// What a seed drew for a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmDraw {
    /// The profile that it drew from.
    pub profile: SwarmProfile,
    /// The features that the swarm has, in a fixed order.
    pub features: Vec<SwarmFeature>,
}

use SwarmFeature as F;

impl SwarmProfile {
    /// Every profile, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Basic, Self::Disks, Self::Tables, Self::Clocks, Self::Everything];

    /// The name in files and options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Disks => "disks",
            Self::Tables => "tables",
            Self::Clocks => "clocks",
            Self::Everything => "everything",
        }
    }

    /// The features that its seeds draw from.
    #[must_use]
    pub const fn features(self) -> &'static [SwarmFeature] {
        match self {
            Self::Basic => &[F::Links, F::Crashes, F::Pauses, F::BadDisks, F::Clocks],
            Self::Disks => &[
                F::Links,
                F::Crashes,
                F::BadDisks,
                F::LostDisk,
                F::RestoredDisk,
                F::Deletes,
                F::Policies,
                F::Streams,
            ],
            Self::Tables => &[
                F::Links,
                F::Pauses,
                F::Replicas,
                F::Drops,
                F::Drains,
                F::Expiry,
                F::Deletes,
                F::Policies,
                F::Tables,
                F::Streams,
            ],
            Self::Clocks => &[F::Links, F::Clocks, F::WrongClocks, F::Expiry, F::Policies, F::Streams],
            Self::Everything => &SwarmFeature::ALL,
        }
    }
}

impl SwarmFeature {
    /// Every feature that a swarm can have.
    pub const ALL: [Self; 16] = [
        Self::Links,
        Self::Crashes,
        Self::Pauses,
        Self::BadDisks,
        Self::Clocks,
        Self::LostDisk,
        Self::RestoredDisk,
        Self::WrongClocks,
        Self::Replicas,
        Self::Drops,
        Self::Drains,
        Self::Expiry,
        Self::Deletes,
        Self::Policies,
        Self::Tables,
        Self::Streams,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Crashes => "crashes",
            Self::Pauses => "pauses",
            Self::BadDisks => "bad-disks",
            Self::Clocks => "clocks",
            Self::LostDisk => "lost-disk",
            Self::RestoredDisk => "restored-disk",
            Self::WrongClocks => "wrong-clocks",
            Self::Replicas => "replicas",
            Self::Drops => "drops",
            Self::Drains => "drains",
            Self::Expiry => "expiry",
            Self::Deletes => "deletes",
            Self::Policies => "policies",
            Self::Tables => "tables",
            Self::Streams => "streams",
        }
    }
}

/// What must not be together; of each pair the second feature is left out. The oracle cannot
/// account for writes of a replica that was discarded while another one lost what it had. And a
/// region whose replica was dropped may keep an earlier table of a name that is used again.
const APART: [(SwarmFeature, SwarmFeature); 6] = [
    (F::Drops, F::LostDisk),
    (F::Drops, F::RestoredDisk),
    (F::Drops, F::Replicas),
    (F::LostDisk, F::Replicas),
    (F::RestoredDisk, F::Replicas),
    (F::Drops, F::Tables),
];

impl SwarmDraw {
    /// Draws the features of a swarm: each with one half, so that seeds differ in what they leave
    /// out. The profile `basic` leaves none out.
    pub(crate) fn draw(profile: SwarmProfile, dice: &SeededRandomness) -> Self {
        let dice = dice.derive("features");
        let mut features = profile.features().to_vec();
        if profile != SwarmProfile::Basic {
            features.retain(|_| dice.below(2) == 0);
            for (kept, left_out) in APART {
                if features.contains(&kept) {
                    features.retain(|feature| *feature != left_out);
                }
            }
        }
        Self { profile, features }
    }

    pub(super) fn has(&self, feature: SwarmFeature) -> bool {
        self.features.contains(&feature)
    }

    /// Changes the load, the regions and the expectations as the features require. Has no further
    /// effect on a scenario that it has already changed.
    pub(crate) fn vary(&self, scenario: &mut Scenario, dice: &SeededRandomness) {
        let is_sessions = |workload: &Workload| matches!(workload.kind, WorkloadKind::Sessions { .. });
        if self.has(F::Expiry) && !scenario.workloads.iter().any(is_sessions) {
            scenario.workloads.push(Workload {
                rate: 5.0,
                keys: 20,
                ..Workload::new("sessions", WorkloadKind::Sessions { ttl: TTL })
            });
        }
        if self.has(F::Deletes) {
            for workload in &mut scenario.workloads {
                if let WorkloadKind::Mixed {
                    put_percent,
                    update_percent,
                    delete_percent,
                    append_percent,
                } = &mut workload.kind
                    && put_percent
                        .saturating_add(*update_percent)
                        .saturating_add(*append_percent)
                        <= 90
                {
                    *delete_percent = 10;
                }
            }
        }
        // A policy other than the default was chosen by the user.
        if self.has(F::Policies) && scenario.policy == Policy::Item {
            let drawn = usize::try_from(dice.derive("policy").below(3)).unwrap_or(0);
            scenario.policy = Policy::ALL[drawn];
        }
        scenario.recreated_table |= self.has(F::Tables);
        scenario.stream_readers |= self.has(F::Streams);
        if self.has(F::Drops) {
            scenario.behaviour.max_unreachable = Some(MAX_UNREACHABLE);
        }
        // Regions with these features refuse clients although their process and disk are healthy.
        let refusing = [
            F::LostDisk,
            F::RestoredDisk,
            F::WrongClocks,
            F::Replicas,
            F::Drops,
            F::Drains,
        ];
        if refusing.into_iter().any(|feature| self.has(feature)) {
            scenario.expect.available_when_healthy = None;
        }
    }
}
