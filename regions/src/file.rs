//! The format of a topology file, and its conversion to a [`Topology`].

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    BANDWIDTH_MBIT_MAX, BANDWIDTH_MBIT_MIN, DELAY_MS_MAX, LOSS_PERCENT_MAX, Link, REGION_NAME_BYTES_MAX, REGIONS_MAX,
    RegionSite, Topology,
    aws::{known_regions, similar},
    error::{Misplaced, TopologyError, TopologyProblem},
    form::{self, At, FileError, Mistake, known_name, nowhere},
    latency::{Delay, Latencies},
};

/// The jitter of the built-in topologies (README.md names the source).
const JITTER_MS: f64 = 0.4;

/// A topology as a file writes it: the whole of a topology file, or a table in a larger file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    latencies: Option<String>,
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    defaults: Settings,
    #[serde(default)]
    region: Vec<Site>,
    #[serde(default)]
    link: Vec<Spanned<LinkForm>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Site {
    name: Spanned<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamodb_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_port: Option<u16>,
}

/// The settings of a link. An absent field keeps the value of an earlier entry, of `latencies` or
/// of `[defaults]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    delay_ms: Option<Spanned<f64>>,
    jitter_ms: Option<Spanned<f64>>,
    bandwidth_mbit: Option<Spanned<f64>>,
    loss_percent: Option<Spanned<f64>>,
}

/// A `[[link]]` entry: which links it changes, and the settings that it changes.
///
/// The settings are repeated here because `serde(flatten)` would lose the positions and the check
/// for unknown fields.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<Vec<Spanned<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_ms: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_mbit: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss_percent: Option<Spanned<f64>>,
}

pub(crate) fn load(path: &Path) -> Result<Topology, TopologyError> {
    parse(&form::read(path)?, path)
}

pub(crate) fn parse(text: &str, path: &Path) -> Result<Topology, TopologyError> {
    let form = form::parse(text).map_err(Misplaced::from);
    let topology = form.and_then(|form: TopologyForm| form.topology(path));
    topology.map_err(|misplaced| misplaced.in_file(path, text))
}

/// The topology of the AWS regions with these names.
pub(crate) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Topology, TopologyProblem> {
    let mut region = Vec::new();
    for name in names {
        if !known_regions().any(|known| known == name) {
            let similar = similar(name);
            let name = name.to_owned();
            return Err(TopologyProblem::UnknownAwsRegion { name, similar });
        }
        region.push(Site {
            name: nowhere(name.to_owned()),
            host: None,
            dynamodb_port: None,
            replication_port: None,
        });
    }
    let form = TopologyForm {
        latencies: None,
        defaults: Settings {
            jitter_ms: Some(nowhere(JITTER_MS)),
            ..Settings::default()
        },
        region,
        link: Vec::new(),
    };
    form.topology(Path::new("")).map_err(|misplaced| match misplaced {
        Misplaced::Here(At(_, problem)) | Misplaced::Elsewhere(FileError::Invalid { problem, .. }) => problem,
        // The latencies are built in, so no file is read.
        Misplaced::Elsewhere(error) => Mistake::Form(error.to_string()).into(),
    })
}

impl TopologyForm {
    /// Converts the form to a topology. A relative `latencies` is looked up in the directory of
    /// `file`; without `latencies`, the delays are those between AWS regions.
    ///
    /// # Errors
    /// [`Misplaced`], if the form is not a valid topology, or its `latencies` cannot be used.
    pub fn topology(self, file: &Path) -> Result<Topology, Misplaced> {
        let starts: Vec<usize> = self.region.iter().map(|site| site.name.span().start).collect();
        let regions = sites(self.region)?;
        let latencies = match &self.latencies {
            None => Latencies::aws(),
            Some(name) => Latencies::named(name, file),
        };
        let latencies = latencies.map_err(Misplaced::Elsewhere)?;
        let mut topology = unsettled(regions, &latencies, &self.defaults)?;
        topology.change_links(self.link)?;
        if let Some(Link { from, to, .. }) = topology.links.iter().find(|link| link.delay_ms.is_nan()) {
            // Blame the later region of the two: it was probably added last.
            let is_end = |region: &RegionSite| region.name == *from || region.name == *to;
            let later = topology.regions.iter().rposition(is_end);
            let offset = later.and_then(|index| starts.get(index)).copied().unwrap_or(0);
            let (from, to) = (from.clone(), to.clone());
            return Err(At(offset, TopologyProblem::NoDelay { from, to }).into());
        }
        debug_assert_eq!(
            topology.links.len(),
            topology.regions.len() * (topology.regions.len() - 1),
            "there is a link for each ordered pair of regions"
        );
        Ok(topology)
    }

    /// The form of a topology, with every setting of every link spelled out.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let site = |site: &RegionSite| Site {
            name: nowhere(site.name.clone()),
            host: site.host.clone().map(nowhere),
            dynamodb_port: site.dynamodb_port,
            replication_port: site.replication_port,
        };
        Self {
            latencies: None,
            defaults: Settings::default(),
            region: topology.regions.iter().map(site).collect(),
            link: topology.links.iter().map(|link| nowhere(LinkForm::of(link))).collect(),
        }
    }
}

impl LinkForm {
    /// The form of a directed link, with every setting spelled out.
    #[must_use]
    pub fn of(link: &Link) -> Self {
        Self {
            between: None,
            from: Some(nowhere(link.from.clone())),
            to: Some(nowhere(link.to.clone())),
            delay_ms: Some(nowhere(link.delay_ms)),
            jitter_ms: Some(nowhere(link.jitter_ms)),
            bandwidth_mbit: link.bandwidth_mbit.map(nowhere),
            loss_percent: Some(nowhere(link.loss_percent)),
        }
    }
}

impl Topology {
    /// Applies `[[link]]` entries in order; later entries override earlier ones.
    ///
    /// # Errors
    /// [`Misplaced::Here`], if an entry names no link, or a setting is out of bounds.
    pub fn change_links(&mut self, entries: Vec<Spanned<LinkForm>>) -> Result<(), Misplaced> {
        for entry in entries {
            let start = entry.span().start;
            let entry = entry.into_inner();
            let ends = ends(&self.regions, &entry, start)?;
            let settings = Settings {
                delay_ms: entry.delay_ms,
                jitter_ms: entry.jitter_ms,
                bandwidth_mbit: entry.bandwidth_mbit,
                loss_percent: entry.loss_percent,
            };
            for link in self
                .links
                .iter_mut()
                .filter(|link| ends.contains(&(link.from.clone(), link.to.clone())))
            {
                settings.apply_to(link)?;
            }
        }
        Ok(())
    }
}

fn sites(entries: Vec<Site>) -> Result<Vec<RegionSite>, At<TopologyProblem>> {
    if entries.is_empty() {
        return Err(At(0, TopologyProblem::NoRegion));
    }
    if let Some(beyond) = entries.get(REGIONS_MAX) {
        return Err(At(
            beyond.name.span().start,
            TopologyProblem::TooManyRegions(entries.len()),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut sites = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = entry.name.span().start;
        let name = entry.name.into_inner();
        if !is_region_name(&name) {
            return Err(At(start, TopologyProblem::RegionName(name)));
        }
        if !seen.insert(name.clone()) {
            return Err(At(start, TopologyProblem::DuplicateRegion(name)));
        }
        if let Some(host) = entry.host.as_ref().filter(|host| host.get_ref().trim().is_empty()) {
            return Err(At(host.span().start, TopologyProblem::EmptyHost));
        }
        sites.push(RegionSite {
            name,
            host: entry.host.map(Spanned::into_inner),
            dynamodb_port: entry.dynamodb_port,
            replication_port: entry.replication_port,
        });
    }
    Ok(sites)
}

fn is_region_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=REGION_NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}

/// One link per ordered pair, before `[[link]]` entries. A delay without a source is NaN, which no
/// valid delay is.
fn unsettled(
    regions: Vec<RegionSite>,
    latencies: &Latencies,
    defaults: &Settings,
) -> Result<Topology, At<TopologyProblem>> {
    let default_delay_ms = within("delay_ms", defaults.delay_ms.as_ref(), 0.0..=DELAY_MS_MAX)?;
    let mut links = Vec::new();
    for from in &regions {
        for to in regions.iter().filter(|to| to.name != from.name) {
            let Delay { ms, is_estimated } = latencies.one_way(&from.name, &to.name).unwrap_or(Delay {
                ms: default_delay_ms.unwrap_or(f64::NAN),
                is_estimated: false,
            });
            let (from, to) = (from.name.clone(), to.name.clone());
            links.push(Link {
                from,
                to,
                delay_ms: ms,
                is_delay_estimated: is_estimated,
                jitter_ms: 0.0,
                bandwidth_mbit: None,
                loss_percent: 0.0,
            });
        }
    }
    let everything_else = Settings {
        delay_ms: None,
        ..defaults.clone()
    };
    for link in &mut links {
        everything_else.apply_to(link)?;
    }
    Ok(Topology { regions, links })
}

/// The directed pairs of regions that an entry changes.
fn ends(regions: &[RegionSite], entry: &LinkForm, start: usize) -> Result<Vec<(String, String)>, At<TopologyProblem>> {
    let (first, second, both) = match (entry.between.as_deref(), &entry.from, &entry.to) {
        (Some([first, second]), None, None) => (first, second, true),
        (None, Some(from), Some(to)) => (from, to, false),
        _ => return Err(At(start, TopologyProblem::LinkEnds)),
    };
    let names: Vec<String> = regions.iter().map(|region| region.name.clone()).collect();
    for end in [first, second] {
        known_name::<TopologyProblem>("region", end, &names)?;
    }
    let (first, second) = (first.get_ref().clone(), second.get_ref().clone());
    if first == second {
        return Err(At(start, TopologyProblem::LinkToItself(first)));
    }
    let mut ends = vec![(first.clone(), second.clone())];
    if both {
        ends.push((second, first));
    }
    Ok(ends)
}

impl Settings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn apply_to(&self, link: &mut Link) -> Result<(), At<TopologyProblem>> {
        if let Some(delay_ms) = within("delay_ms", self.delay_ms.as_ref(), 0.0..=DELAY_MS_MAX)? {
            link.delay_ms = delay_ms;
            link.is_delay_estimated = false;
        }
        if let Some(jitter_ms) = within("jitter_ms", self.jitter_ms.as_ref(), 0.0..=DELAY_MS_MAX)? {
            link.jitter_ms = jitter_ms;
        }
        if let Some(mbit) = within(
            "bandwidth_mbit",
            self.bandwidth_mbit.as_ref(),
            BANDWIDTH_MBIT_MIN..=BANDWIDTH_MBIT_MAX,
        )? {
            link.bandwidth_mbit = Some(mbit);
        }
        if let Some(percent) = within("loss_percent", self.loss_percent.as_ref(), 0.0..=LOSS_PERCENT_MAX)? {
            link.loss_percent = percent;
        }
        Ok(())
    }
}

fn within(
    field: &'static str,
    value: Option<&Spanned<f64>>,
    bounds: RangeInclusive<f64>,
) -> Result<Option<f64>, At<TopologyProblem>> {
    let number = |value| form::number(field, value, *bounds.start(), *bounds.end());
    value.map(number).transpose()
}
