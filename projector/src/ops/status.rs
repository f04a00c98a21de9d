//! How the projector is: shards, owners, lag, lanes, parked streams, and what went wrong lately.

use std::{io::IsTerminal, time::Duration};

use chrono::{DateTime, Utc};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    settings::Settings,
    tables::{QUEUES, Queue},
    telemetry::Trouble,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{EXIT_CODES, Verdict};
use crate::{
    feed::{ParkedStream, Parking},
    notify::Queues,
    stream::{LeaseStore, LeaseTable, lease::Lease, shards::Lineage},
};

/// From one look to the next; the throughput is counted in between.
const LOOK: Duration = Duration::from_secs(2);

/// How long the projector beside us may take to tell of itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Parked streams that are shown; `parked list` shows all.
const SHOWN: usize = 10;

/// A projector looks for free leases twice a second: what nobody has taken for so long, nobody takes.
const OWNERLESS_AFTER: Duration = Duration::from_secs(5);

/// As far behind as `projection-late` rings.
const LATE_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Where the projector of this machine answers: it tells its throughput and what went wrong lately.
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    projector: Url,
    /// Say it as JSON.
    #[arg(long)]
    json: bool,
    /// Look again every two seconds, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// What one process tells of itself at `/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Own {
    /// Its name in the lease table.
    pub worker: String,
    /// Shards that it reads.
    pub held: usize,
    /// Whether it lists the shards for all.
    pub leading: bool,
    /// Records that it has applied since it began.
    pub records: u64,
    /// Its last warnings and errors, oldest first.
    pub recent: Vec<Trouble>,
}

#[derive(Debug, Serialize)]
struct Report {
    at: DateTime<Utc>,
    /// `None`: unknown.
    lag_milliseconds: Option<i64>,
    leader: Option<String>,
    shards: Vec<Shard>,
    lanes: Vec<Lane>,
    parked_streams: usize,
    parked: Vec<ParkedStream>,
    /// `None`: no projector answers on this machine.
    here: Option<Here>,
}

#[derive(Debug, Serialize)]
struct Shard {
    id: String,
    owner: Option<String>,
    behind_milliseconds: Option<i64>,
    checkpoint: String,
}

#[derive(Debug, Serialize)]
struct Lane {
    name: &'static str,
    waiting: u64,
    dead_letters: u64,
}

#[derive(Debug, Serialize)]
struct Here {
    #[serde(flatten)]
    own: Own,
    /// `None` until it was asked twice.
    records_per_second: Option<f64>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let Arguments { settings, projector, json, watch } = arguments;
    // With the rights of the projector on whose instance it is asked, which has no operator's.
    let (context, _) = Context::connect(&settings, Principal::Projector, Clock::system()).await?;
    let looker = Box::pin(Looker::new(context, projector)).await?;
    let redraws = watch && !json && std::io::stdout().is_terminal();
    let mut before = looker.own().await;
    let mut tick = tokio::time::interval(LOOK);
    tick.tick().await;
    loop {
        tick.tick().await;
        let report = looker.look(before.as_ref()).await?;
        if redraws {
            // Clears the screen and goes to its corner (ECMA-48 ED and CUP).
            print!("\x1b[2J\x1b[H");
        }
        if json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print!("{}", report.text());
        }
        if !watch {
            return Ok(if report.is_well() { Verdict::Well } else { Verdict::Wrong });
        }
        before = report.here.map(|here| here.own);
    }
}

struct Looker {
    context: Context,
    leases: LeaseTable,
    parking: Parking,
    queues: Queues,
    client: reqwest::Client,
    own: Url,
}

impl Looker {
    async fn new(context: Context, projector: Url) -> anyhow::Result<Self> {
        let (aws, names) = (&context.aws, &context.names);
        Ok(Self {
            leases: LeaseTable::new(aws, names),
            parking: Parking::new(aws.dynamodb.clone(), names, context.clock.clone()),
            queues: Queues::find(aws.sqs.clone(), names).await?,
            client: reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?,
            own: projector.join("/status")?,
            context,
        })
    }

    async fn own(&self) -> Option<Own> {
        self.client.get(self.own.clone()).send().await.ok()?.json().await.ok()
    }

    async fn look(&self, before: Option<&Own>) -> anyhow::Result<Report> {
        let leases = self.leases.list().await?;
        let own = self.own().await;
        let mut parked = self.parking.list().await?;
        parked.sort_by_key(|parked| parked.parked_at);
        let parked_streams = parked.len();
        parked.truncate(SHOWN);
        let mut lanes = Vec::new();
        for Queue { lane, .. } in &QUEUES {
            let waiting = self.queues.backlog(*lane).await?;
            lanes.push(Lane { name: lane.as_str(), waiting, dead_letters: self.queues.dead_backlog(*lane).await? });
        }
        let at = self.context.clock.now();
        let behind = |position: Option<DateTime<Utc>>| position.map(|until| (at - until).num_milliseconds().max(0));
        let leader = leases.iter().find(|lease| lease.is_leaders()).and_then(|lease| lease.owner);
        let lineage: Lineage = leases.into_iter().collect();
        let shard = |lease: &Lease| Shard {
            id: lease.shard.clone(),
            owner: lease.owner.map(|owner| owner.to_string()),
            behind_milliseconds: behind(lease.position_at),
            checkpoint: lease.checkpoint.as_str().to_owned(),
        };
        let here = own.map(|own| Here { records_per_second: throughput(before, &own), own });
        Ok(Report {
            at,
            lag_milliseconds: behind(lineage.complete_until()),
            leader: leader.map(|leader| leader.to_string()),
            shards: lineage.iter().filter(|lease| !lease.is_finished()).map(shard).collect(),
            lanes,
            parked_streams,
            parked,
            here,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn throughput(before: Option<&Own>, own: &Own) -> Option<f64> {
    let before = before.filter(|before| before.worker == own.worker)?;
    Some(own.records.saturating_sub(before.records) as f64 / LOOK.as_secs_f64())
}

impl Report {
    fn is_well(&self) -> bool {
        let within = |known: Option<i64>, bound: Duration| {
            known.is_some_and(|milliseconds| i128::from(milliseconds) < bound.as_millis().cast_signed())
        };
        let ownerless = |shard: &Shard| shard.owner.is_none() && !within(shard.behind_milliseconds, OWNERLESS_AFTER);
        self.parked_streams == 0
            && within(self.lag_milliseconds, LATE_AFTER)
            && !self.shards.iter().any(ownerless)
            && self.lanes.iter().all(|lane| lane.dead_letters == 0)
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!("{}  read models behind by {}", self.at.format("%F %T UTC"), milliseconds(self.lag_milliseconds)),
            format!("leader  {}", self.leader.as_deref().unwrap_or("none")),
            String::new(),
            format!("{:<40} {:<36} {:>10}", "SHARD", "OWNER", "BEHIND"),
        ];
        for Shard { id, owner, behind_milliseconds, .. } in &self.shards {
            let owner = owner.as_deref().unwrap_or("none");
            lines.push(format!("{id:<40} {owner:<36} {:>10}", milliseconds(*behind_milliseconds)));
        }
        lines.extend([String::new(), format!("{:<14} {:>8} {:>13}", "LANE", "WAITING", "DEAD LETTERS")]);
        for Lane { name, waiting, dead_letters } in &self.lanes {
            lines.push(format!("{name:<14} {waiting:>8} {dead_letters:>13}"));
        }
        lines.extend([String::new(), format!("PARKED STREAMS  {}", self.parked_streams)]);
        for ParkedStream { stream, version, error, parked_at, .. } in &self.parked {
            lines.push(format!("  {stream} at {version}, since {}: {error}", parked_at.format("%F %T")));
        }
        lines.push(String::new());
        match &self.here {
            None => lines.push("ON THIS MACHINE  no projector answers".to_owned()),
            Some(Here { own, records_per_second }) => {
                let speed = records_per_second.map_or("unknown".to_owned(), |speed| format!("{speed:.1} records/s"));
                let leading = if own.leading { ", leads" } else { "" };
                lines.push(format!("ON THIS MACHINE  {} reads {} shards{leading}, {speed}", own.worker, own.held));
                for Trouble { at, level, place, message } in &own.recent {
                    lines.push(format!("  {} {level:<5} {place}: {message}", at.format("%F %T")));
                }
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn milliseconds(known: Option<i64>) -> String {
    known.map_or("unknown".to_owned(), |milliseconds| format!("{milliseconds} ms"))
}
