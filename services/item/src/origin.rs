//! Origins: the shards of regions that number writes.

use std::{fmt, str::FromStr};

use crate::{Region, RegionError};

/// One shard of a region, which numbers its own writes in sequence. Version vectors have one entry
/// per origin. Every region has one shard today, number 0.
///
/// As text, an origin is the region's name, followed by a slash and the shard's number if that is
/// not 0: `us-east-1`, `us-east-1/3`. Each origin has exactly one text. Origins are ordered by the
/// region's name, then by the shard's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    region: Region,
    shard: u16,
}

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The part before the slash is not a region name.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The part after the slash is not a shard number.
    #[error("`{0}` is not an origin: a shard number from 1 to 65535 must follow the '/'")]
    Shard(String),
}

impl Origin {
    /// The origin of a region's shard.
    #[must_use]
    pub const fn new(region: Region, shard: u16) -> Self {
        Self { region, shard }
    }

    /// The origin of a region that has one shard, as all have today. Callers rely on that.
    #[must_use]
    pub fn of_only_shard(region: &Region) -> Self {
        Self::new(region.clone(), 0)
    }

    /// The region that the shard belongs to.
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// The shard's number; 0 everywhere today.
    #[must_use]
    pub const fn shard(&self) -> u16 {
        self.shard
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let Some((region, shard)) = text.split_once('/') else {
            return Ok(Self::new(Region::new(text)?, 0));
        };
        let region = Region::new(region)?;
        let is_plain = shard.bytes().all(|b| b.is_ascii_digit()) && !shard.starts_with('0');
        match shard.parse() {
            Ok(shard) if is_plain => Ok(Self { region, shard }),
            _ => Err(OriginError::Shard(text.to_owned())),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            0 => f.write_str(self.region.as_str()),
            shard => write!(f, "{}/{shard}", self.region),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
