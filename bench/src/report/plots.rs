//! Plots as SVG: latencies by quantile, throughput by clients, and whatever was collected in series.

use std::{collections::BTreeMap, path::Path};

use plotters::prelude::*;

use super::{Line, Load, QUANTILES, Report};

/// In pixels.
const SIZE: (u32, u32) = (720, 420);

/// Room for the text beside the axes, in pixels.
const AXIS: u32 = 56;

/// A line's name and its points.
type Lines = BTreeMap<String, Vec<(f64, f64)>>;

/// Draws all plots into a directory, and gives their names.
pub(super) fn draw(report: &Report, directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut cells: Vec<&str> = report.lines.iter().map(|line| line.cell).collect();
    cells.dedup();
    for cell in cells {
        let of_cell: Vec<&Line> = report.lines.iter().filter(|line| line.cell == cell).collect();
        let rates = throughput(&of_cell);
        if rates.values().any(|points| points.len() > 1) {
            let name = format!("throughput-{}.svg", slug(cell));
            chart(&directory.join(&name), &format!("{cell}: throughput"), ("clients", "per second"), &rates)?;
            names.push(name);
        }
        let latencies = distributions(&of_cell);
        if !latencies.is_empty() {
            let name = format!("latency-{}.svg", slug(cell));
            let axes = ("1 / (1 - quantile)", "ms");
            chart(&directory.join(&name), &format!("{cell}: latency"), axes, &latencies)?;
            names.push(name);
        }
    }
    for (plot, series) in &report.series {
        let name = format!("{}.svg", slug(plot));
        chart(&directory.join(&name), plot, (series.x, series.y), &series.lines)?;
        names.push(name);
    }
    Ok(names)
}

fn slug(text: &str) -> String {
    let kept: String = text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    kept.to_lowercase()
}

#[expect(clippy::cast_precision_loss, reason = "a count of clients")]
fn throughput(lines: &[&Line]) -> Lines {
    let mut rates = Lines::new();
    for line in lines {
        if let Load::Closed(clients) = line.load {
            let clients = clients as f64;
            for (of, rate) in [("ours", line.rate), (line.peer, line.peer_rate)] {
                let points = rates.entry(of.to_owned()).or_default();
                if points.last().is_none_or(|(last, _)| *last < clients) {
                    points.push((clients, rate));
                }
            }
        }
    }
    rates
}

/// Of the open loop where there is one, else of the most clients.
fn distributions(lines: &[&Line]) -> Lines {
    let open = lines.iter().any(|line| matches!(line.load, Load::Open(_)));
    let last = lines.iter().rev().find(|line| !open || matches!(line.load, Load::Open(_))).map(|line| line.load);
    let mut latencies = Lines::new();
    for line in lines.iter().filter(|line| Some(line.load) == last) {
        for (of, values) in [("ours", &line.latencies), (line.peer, &line.peer_latencies)] {
            let points = QUANTILES.iter().zip(values).filter(|(_, value)| value.is_finite());
            let points: Vec<_> = points.map(|(quantile, value)| (1.0 / (1.0 - quantile), *value)).collect();
            if !points.is_empty() {
                latencies.insert(format!("{of}, {}", line.load), points);
            }
        }
    }
    latencies
}

/// Lines over two logarithmic axes.
fn chart(path: &Path, title: &str, (x, y): (&str, &str), lines: &Lines) -> anyhow::Result<()> {
    let points = || lines.values().flatten();
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(of).fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
        (low.max(1e-3) / 1.2..high.max(1e-3) * 1.2).log_scale()
    };
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(AXIS)
        .y_label_area_size(AXIS)
        .build_cartesian_2d(range(|at| at.0), range(|at| at.1))?;
    let number = |value: &f64| format!("{value}");
    chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&number).y_label_formatter(&number).draw()?;
    for (at, (name, points)) in lines.iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}
