//! Everything that was measured, as a table, as JSON and as plots.

mod machine;
mod plots;

use std::{collections::BTreeMap, fmt, fmt::Write, fs, path::Path};

use serde::Serialize;

use self::machine::Machine;
use crate::{Arguments, closed_loop::Round};

/// Where it is kept.
const DIRECTORY: &str = "target/bench";

/// The quantiles of which a distribution is told.
const QUANTILES: [f64; 7] = [0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// The places of two of them.
const P50: usize = 1;
const P99: usize = 5;

/// What a sum of decimal fractions may be off by, as a part of it.
const ROUNDING: f64 = 1e-9;

/// What asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Load {
    /// So many clients, each of which sends its next request when the last one was answered.
    Closed(usize),
    /// So many requests a second, whether they are answered or not.
    Open(f64),
    /// One client, and a stream of so many events.
    Events(usize),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1) => f.write_str("1 client"),
            Self::Closed(clients) => write!(f, "{clients} clients"),
            Self::Open(rate) => write!(f, "open, {rate:.0}/s"),
            Self::Events(events) => write!(f, "{events} events"),
        }
    }
}

/// One line of the report: ours beside a peer's, each the median of its rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    cell: &'static str,
    peer: &'static str,
    load: Load,
    rate: f64,
    peer_rate: f64,
    /// The median of the ratios of rounds that ran one after the other.
    ratio: f64,
    p99_ratio: f64,
    /// Latencies in milliseconds at [`QUANTILES`].
    latencies: [f64; QUANTILES.len()],
    peer_latencies: [f64; QUANTILES.len()],
    /// The least ratio that is aimed at.
    pub(crate) at_least: Option<f64>,
    /// The highest ratio of the p99 that is aimed at.
    pub(crate) p99_at_most: Option<f64>,
}

impl Line {
    /// Whether the aim was met, if there is one.
    fn met(&self) -> Option<bool> {
        let rate = self.at_least.map(|least| self.ratio >= least);
        let p99 = self.p99_at_most.map(|most| self.p99_ratio <= most);
        (rate.is_some() || p99.is_some()).then(|| rate.unwrap_or(true) && p99.unwrap_or(true))
    }
}

/// What is aimed at with a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// What has no peer: the median of its rounds, and all of them.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    what: String,
    median: f64,
    rounds: Vec<f64>,
    pub(crate) aim: Option<Aim>,
}

impl Figure {
    fn met(&self) -> Option<bool> {
        Some(match self.aim? {
            Aim::AtLeast(least) => self.median >= least * (1.0 - ROUNDING),
            Aim::AtMost(most) => self.median <= most * (1.0 + ROUNDING),
        })
    }
}

/// What one of something costs at DynamoDB.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) what: &'static str,
    pub(crate) requests: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) dollars_per_million: f64,
}

/// How something goes with the size of something else.
#[derive(Debug, Serialize)]
struct Series {
    x: &'static str,
    y: &'static str,
    lines: BTreeMap<String, Vec<(f64, f64)>>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    parameters: String,
    lines: Vec<Line>,
    figures: Vec<Figure>,
    costs: Vec<Cost>,
    series: BTreeMap<&'static str, Series>,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let parameters = format!("{} rounds of {} s; the median counts", arguments.rounds, arguments.seconds);
        Self {
            machine: Machine::here(),
            parameters,
            lines: Vec::new(),
            figures: Vec::new(),
            costs: Vec::new(),
            series: BTreeMap::new(),
        }
    }

    /// Adds a cell beside its peer.
    pub(crate) fn against(
        &mut self,
        peer: &'static str,
        cell: &'static str,
        load: Load,
        ours: &[Round],
        theirs: &[Round],
    ) -> &mut Line {
        let of = |rounds: &[Round], what: &dyn Fn(&Round) -> f64| median(rounds.iter().map(what).collect());
        let both = |what: &dyn Fn(&Round, &Round) -> f64| {
            median(ours.iter().zip(theirs).map(|(ours, theirs)| what(ours, theirs)).collect())
        };
        let latencies = |rounds: &[Round]| QUANTILES.map(|quantile| of(rounds, &|round| round.milliseconds(quantile)));
        let line = Line {
            cell,
            peer,
            load,
            rate: of(ours, &|round| round.rate),
            peer_rate: of(theirs, &|round| round.rate),
            ratio: both(&|ours, theirs| ours.rate / theirs.rate),
            p99_ratio: both(&|ours, theirs| ours.milliseconds(0.99) / theirs.milliseconds(0.99)),
            latencies: latencies(ours),
            peer_latencies: latencies(theirs),
            at_least: None,
            p99_at_most: None,
        };
        println!("{cell}, {load}: {:.0}/s, {:.2} of {peer}, p99 {:.2} of it", line.rate, line.ratio, line.p99_ratio);
        let at = self.lines.len();
        self.lines.push(line);
        &mut self.lines[at]
    }

    /// Adds a figure without a peer.
    pub(crate) fn figure(&mut self, what: impl Into<String>, rounds: &[f64]) -> &mut Figure {
        let (what, median) = (what.into(), median(rounds.to_vec()));
        println!("{what}: {median:.2}");
        let at = self.figures.len();
        self.figures.push(Figure { what, median, rounds: rounds.to_vec(), aim: None });
        &mut self.figures[at]
    }

    /// Adds what one of something costs.
    pub(crate) fn cost(&mut self, cost: Cost) {
        println!(
            "{}: {:.2} requests, {:.2} RCU, {:.2} WCU",
            cost.what, cost.requests, cost.read_units, cost.write_units
        );
        self.costs.push(cost);
    }

    /// Adds a point to a line of a plot.
    pub(crate) fn point(
        &mut self,
        plot: &'static str,
        (x, y): (&'static str, &'static str),
        line: &str,
        at: (f64, f64),
    ) {
        let series = self.series.entry(plot).or_insert_with(|| Series { x, y, lines: BTreeMap::new() });
        series.lines.entry(line.to_owned()).or_default().push(at);
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}\n\n{}.\n", self.machine, self.parameters);
        if !self.lines.is_empty() {
            text.push_str(
                "\n| cell | load | beside | ours /s | theirs /s | ratio | aim | p50 ms | p99 ms | their p50 | their p99 | p99 ratio | aim |  |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
            );
        }
        for line in &self.lines {
            let cells = [
                line.cell.to_owned(),
                line.load.to_string(),
                line.peer.to_owned(),
                format!("{:.0}", line.rate),
                format!("{:.0}", line.peer_rate),
                format!("**{:.2}**", line.ratio),
                line.at_least.map(|least| format!("≥ {least}")).unwrap_or_default(),
                known(line.latencies[P50]),
                known(line.latencies[P99]),
                known(line.peer_latencies[P50]),
                known(line.peer_latencies[P99]),
                known(line.p99_ratio),
                line.p99_at_most.map(|most| format!("≤ {most}")).unwrap_or_default(),
                verdict(line.met()).to_owned(),
            ];
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        if !self.figures.is_empty() {
            text.push_str("\n| figure | median | aim |  | rounds |\n|---|---|---|---|---|\n");
        }
        for figure in &self.figures {
            let rounds: Vec<String> = figure.rounds.iter().map(|value| format!("{value:.1}")).collect();
            let aim = match figure.aim {
                Some(Aim::AtLeast(least)) => format!("≥ {least}"),
                Some(Aim::AtMost(most)) => format!("≤ {most}"),
                None => String::new(),
            };
            let (what, verdict) = (&figure.what, verdict(figure.met()));
            let _ = writeln!(text, "| {what} | **{:.2}** | {aim} | {verdict} | {} |", figure.median, rounds.join(", "));
        }
        if !self.costs.is_empty() {
            text.push_str(
                "\n| cost of one | requests | read units | write units | $ per million |\n|---|---|---|---|---|\n",
            );
        }
        for Cost { what, requests, read_units, write_units, dollars_per_million } in &self.costs {
            let _ = writeln!(
                text,
                "| {what} | {requests:.2} | {read_units:.2} | {write_units:.2} | {dollars_per_million:.2} |"
            );
        }
        text
    }

    /// Keeps it as `target/bench/report.json`, `report.md` and a plot for each that there is something to draw for.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let directory = Path::new(DIRECTORY);
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        let mut text = self.table();
        for plot in plots::draw(self, directory)? {
            let _ = write!(text, "\n![{plot}]({plot})\n");
        }
        fs::write(directory.join("report.md"), text)?;
        Ok(())
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "",
    }
}

/// A number, or a dash where none was measured.
fn known(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.2}") }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
