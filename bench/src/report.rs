use std::fmt::Write;

use serde::Serialize;

use crate::closed_loop::Round;

/// One line of the report: ours beside the peer's, each the median of its rounds.
#[derive(Debug, Serialize)]
struct Line {
    cell: &'static str,
    clients: usize,
    rate: f64,
    peer_rate: f64,
    ratio: f64,
    p50_ms: f64,
    p99_ms: f64,
    peer_p50_ms: f64,
    peer_p99_ms: f64,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    lines: Vec<Line>,
    figures: Vec<Figure>,
}

/// What has no peer: the median of its rounds, and all of them.
#[derive(Debug, Serialize)]
struct Figure {
    what: String,
    median: f64,
    rounds: Vec<f64>,
}

impl Report {
    /// Adds a cell. The ratio is the median of the ratios of rounds that ran one after the other.
    pub(crate) fn add(&mut self, cell: &'static str, clients: usize, ours: &[Round], peer: &[Round]) {
        let of = |rounds: &[Round], what: &dyn Fn(&Round) -> f64| median(rounds.iter().map(what).collect());
        self.lines.push(Line {
            cell,
            clients,
            rate: of(ours, &|round| round.rate),
            peer_rate: of(peer, &|round| round.rate),
            ratio: median(ours.iter().zip(peer).map(|(ours, peer)| ours.rate / peer.rate).collect()),
            p50_ms: of(ours, &|round| round.milliseconds(0.5)),
            p99_ms: of(ours, &|round| round.milliseconds(0.99)),
            peer_p50_ms: of(peer, &|round| round.milliseconds(0.5)),
            peer_p99_ms: of(peer, &|round| round.milliseconds(0.99)),
        });
    }

    /// Adds a figure without a peer.
    pub(crate) fn figure(&mut self, what: impl Into<String>, rounds: &[f64]) {
        let what = what.into();
        println!("{what}: {:.2}", median(rounds.to_vec()));
        self.figures.push(Figure { what, median: median(rounds.to_vec()), rounds: rounds.to_vec() });
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| cell | clients | ours /s | bare SDK /s | ratio | p50 ms | p99 ms | bare p50 ms | bare p99 ms |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for line in &self.lines {
            let Line { cell, clients, rate, peer_rate, ratio, p50_ms, p99_ms, peer_p50_ms, peer_p99_ms } = line;
            let latencies =
                [p50_ms, p99_ms, peer_p50_ms, peer_p99_ms].map(|milliseconds| known(*milliseconds)).join(" | ");
            let _ =
                writeln!(text, "| {cell} | {clients} | {rate:.0} | {peer_rate:.0} | **{ratio:.2}** | {latencies} |");
        }
        text.push_str("\n| figure | median | rounds |\n|---|---|---|\n");
        for Figure { what, median, rounds } in &self.figures {
            let rounds: Vec<String> = rounds.iter().map(|value| format!("{value:.1}")).collect();
            let _ = writeln!(text, "| {what} | **{median:.1}** | {} |", rounds.join(", "));
        }
        text
    }

    /// Keeps it as `target/bench/report.json` and `report.md`.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all("target/bench")?;
        std::fs::write("target/bench/report.json", serde_json::to_vec_pretty(self)?)?;
        std::fs::write("target/bench/report.md", self.table())?;
        Ok(())
    }
}

/// A latency, or a dash where none was measured.
fn known(milliseconds: f64) -> String {
    if milliseconds.is_nan() { "–".to_owned() } else { format!("{milliseconds:.2}") }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
