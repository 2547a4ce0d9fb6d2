//! The applications that used the regions during a drill: their requests over time, by outcome, and
//! their outages.

use super::{
    grid::{Fold, Grid},
    markup::{Text, region_class},
    panels::{Panel, Series, Shape},
};
use crate::{
    ApplicationOutage, ApplicationTraffic, RequestCounts, Run,
    application::name_of,
    application_service::identities,
    format::{count, duration_ms},
};

/// The most applications that are drawn: those with the most requests.
const APPLICATIONS_MAX: usize = 6;

/// A measure of an application: its name in titles, whether it is drawn without any requests, and
/// its number.
type Measure = (&'static str, bool, fn(&RequestCounts) -> u64);

const MEASURES: [Measure; 7] = [
    ("requests", true, RequestCounts::all),
    ("requests answered", true, RequestCounts::served),
    ("requests rejected by condition", false, |one| one.condition_failed),
    ("requests throttled", false, |one| one.throttled),
    ("requests that failed in the region", false, |one| one.failed),
    ("requests without an answer", false, |one| one.abandoned),
    ("requests to a region that was down", false, |one| one.undelivered),
];

/// For each application its requests per second by region: all, those that were answered, and for
/// each cause those that were not.
pub(crate) fn panels(run: &Run, grid: &Grid) -> Vec<Panel> {
    let mut panels = Vec::new();
    for identity in busiest(run) {
        let of_application = || run.applications.iter().filter(|one| one.identity == identity);
        for (what, is_always_drawn, number) in MEASURES {
            if is_always_drawn || of_application().any(|one| number(&one.requests()) > 0) {
                let regions = run.regions.iter().enumerate();
                let series = regions.filter_map(|(index, region)| {
                    let of_region = of_application().find(|one| one.region == *region)?;
                    Some(Series {
                        name: region.clone(),
                        class: region_class(index),
                        values: per_second(of_region, grid, number),
                    })
                });
                panels.push(Panel {
                    title: format!("Application {}: {what}", name_of(identity)),
                    unit: "per second",
                    log: false,
                    shape: Shape::Lines,
                    series: series.collect(),
                });
            }
        }
    }
    panels
}

/// The access key ids of the applications that are drawn, in their own order.
fn busiest(run: &Run) -> Vec<&str> {
    let requests = |identity: &str| -> u64 {
        let of_application = run.applications.iter().filter(|one| one.identity == identity);
        of_application.map(|one| one.requests().all()).sum()
    };
    let mut all: Vec<&str> = identities(run).into_iter().collect();
    all.sort_by_key(|identity| std::cmp::Reverse(requests(identity)));
    all.truncate(APPLICATIONS_MAX);
    all.sort_unstable();
    all
}

fn per_second(of: &ApplicationTraffic, grid: &Grid, number: fn(&RequestCounts) -> u64) -> super::grid::Values {
    let value = |requests: &RequestCounts| number(requests) as f64 / grid.seconds_per_step();
    let points = of.seconds.iter();
    grid.fold(points.map(|one| (one.second * 1000, value(&one.requests))), Fold::Sum)
}

/// The requests of every application by region and outcome, and the outages.
pub(crate) fn tables(run: &Run) -> String {
    let head = "<tr><th>application</th><th>region</th><th>answered</th><th>rejected by condition</th><th>invalid</th>\
                <th>throttled</th><th>failed</th><th>no answer</th><th>undelivered</th><th>missing</th></tr>";
    let rows = run.applications.iter().map(|one| {
        let cells = one
            .requests()
            .outcomes()
            .map(|(_, requests)| format!("<td>{}</td>", count(requests)));
        format!(
            "<tr><td>{}</td><td>{}</td>{}<td>{}</td></tr>",
            Text(one.name()),
            Text(&one.region),
            cells.concat(),
            one.missing.map_or_else(|| "unknown".to_owned(), count)
        )
    });
    let requests = format!("<table class=\"numbers\">{head}{}</table>", rows.collect::<String>());
    format!("<div class=\"wide\">{requests}</div>{}", outages(run))
}

fn outages(run: &Run) -> String {
    let outages = run.application_recoveries.iter();
    let outages: Vec<_> = outages
        .flat_map(|of| of.outages.iter().map(move |outage| (of, outage)))
        .collect();
    if outages.is_empty() {
        return "<p class=\"says\">No application is known to have been without service.</p>".to_owned();
    }
    let head = "<tr><th>not served</th><th>in</th><th>from</th><th>until</th><th>mostly</th></tr>";
    let rows = outages.into_iter().map(|(of, ApplicationOutage { times, cause })| {
        let until = times
            .until_ms
            .map_or_else(|| "the end".to_owned(), |ms| duration_ms(ms as f64));
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{until}</td><td>{}</td></tr>",
            Text(name_of(&of.identity)),
            Text(of.region.as_deref().unwrap_or("all regions")),
            duration_ms(times.from_ms as f64),
            Text(cause)
        )
    });
    let table = format!(
        "<table class=\"numbers fit\">{head}{}</table>",
        rows.collect::<String>()
    );
    format!("<div class=\"wide\">{table}</div>")
}
