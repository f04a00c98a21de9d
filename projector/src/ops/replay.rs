//! Applies streams again and puts their rows right; tells first what would change, if asked to.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use events::{
    decider::Decider,
    notification::NotificationState,
    role::RoleState,
    stream::{Category, StreamId, Version},
    user::UserState,
    values::{Personal, Reason},
    views::Row,
};
use platform::{
    context::Context,
    rows::{Plans, Rows},
    settings::Settings,
    store::Range,
    tables::Table,
};

use super::{Verdict, connect, progress::Progress, rebuild::ReadModel, scan::scan};
use crate::{
    feed::{Compared, Feed, Standing, compare},
    notify::Queues,
};

/// Times that a row is compared anew because somebody wrote it meanwhile.
const TRIES: usize = 5;

/// Commits per call while reactions are run again.
const PAGE: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// The read model. Without one sessions are meant, which have no rows: only their reactions can be run again.
    #[arg(long, value_enum, required_unless_present = "emit")]
    model: Option<ReadModel>,
    /// The stream, such as `user#6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4`.
    #[arg(long, required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    stream: Option<StreamId>,
    /// Every stream with a commit that was recorded at this moment or later (RFC 3339) …
    #[arg(long, requires = "to")]
    from: Option<DateTime<Utc>>,
    /// … and before this one.
    #[arg(long, requires = "from")]
    to: Option<DateTime<Utc>>,
    /// Write nothing, tell only what would change.
    #[arg(long)]
    dry_run: bool,
    /// Run the reactions to the same commits again, too: what was requested already is not requested again.
    #[arg(long, requires = "reason", conflicts_with = "dry_run")]
    emit: bool,
    /// Why reactions are run again: recorded with what is requested newly.
    #[arg(long, requires = "emit")]
    reason: Option<String>,
}

/// What came of the streams.
#[derive(Debug, Default)]
struct Told {
    drifted: u64,
    left: u64,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let reason = arguments.reason.as_deref().map(Reason::parse).transpose();
    let reason = reason.map_err(|_| anyhow::anyhow!("the reason is not valid"))?;
    ensure!(
        !arguments.emit || matches!(arguments.model, None | Some(ReadModel::Users1)),
        "only users have reactions, and sessions (without --model)"
    );
    let (context, _) = connect(&arguments.settings).await?;
    let Some(model) = arguments.model else {
        let streams = streams(&context, &arguments, Category::Session).await?;
        println!("{} streams", streams.len());
        emit(&context, &streams, &arguments, reason).await?;
        return Ok(Verdict::Well);
    };
    let table = model.table();
    match model {
        ReadModel::Users1 => replay::<UserState>(&context, table, &arguments, reason).await,
        ReadModel::Role => replay::<RoleState>(&context, table, &arguments, None).await,
        ReadModel::Notifications => replay::<NotificationState>(&context, table, &arguments, None).await,
    }
}

async fn replay<R: Row>(
    context: &Context,
    table: &Table,
    arguments: &Arguments,
    reason: Option<Reason>,
) -> anyhow::Result<Verdict> {
    let streams = streams(context, arguments, R::Rules::CATEGORY).await?;
    let fed = Plans::new(context.aws.dynamodb.clone(), &context.names).read().await?.of(table.name).fed;
    let rows: Rows<R> = Rows::new(context.aws.dynamodb.clone(), &context.names, table, &context.generations);
    let mut told = Told::default();
    let mut progress = Progress::of("replaying", Some(streams.len() as u64));
    for stream in &streams {
        for generation in &fed {
            one(context, &rows.at(*generation), *stream, arguments.dry_run, &mut told).await?;
        }
        progress.add(1);
    }
    drop(progress);
    emit(context, &streams, arguments, reason).await?;
    let Told { drifted, left } = told;
    println!("{} streams, {drifted} rows were not the fold of the log, {left} of them are left", streams.len());
    Ok(if left == 0 { Verdict::Well } else { Verdict::Wrong })
}

/// The streams of a category that are meant.
async fn streams(context: &Context, arguments: &Arguments, category: Category) -> anyhow::Result<BTreeSet<StreamId>> {
    let feeds = |stream: &StreamId| stream.category == category;
    if let Some(stream) = arguments.stream {
        ensure!(feeds(&stream), "{stream} does not feed this read model; without one it has to be a session");
        return Ok(BTreeSet::from([stream]));
    }
    let mut streams = BTreeSet::new();
    scan(context, "reading the log", |_, page| {
        let recorded = |at: &String| at.parse().is_ok_and(|at| arguments.means(at));
        let meant = page.iter().filter(|text| text.get("recorded_at").is_some_and(recorded));
        let named = meant.filter_map(|text| text.get("stream")?.parse().ok());
        streams.extend(named.filter(feeds));
        Ok(())
    })
    .await?;
    Ok(streams)
}

impl Arguments {
    /// Whether a commit of this moment is meant.
    fn means(&self, recorded_at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| recorded_at >= from) && self.to.is_none_or(|to| recorded_at < to)
    }
}

/// Compares a row with its stream and writes the fold over it, again if somebody else writes it meanwhile.
async fn one<R: Row>(
    context: &Context,
    rows: &Rows<R>,
    stream: StreamId,
    dry_run: bool,
    told: &mut Told,
) -> anyhow::Result<()> {
    let found = compare(context.store(), rows, stream).await?;
    if found.standing == Standing::Equal {
        return Ok(());
    }
    let mended = !dry_run && mended(context, rows, stream, &found).await?;
    told.drifted += 1;
    told.left += u64::from(!mended);
    println!("{stream}: {}{}", found.standing, if mended { "; it is now" } else { "" });
    Ok(())
}

/// Whether the row is the fold at the end, by us or by who wrote it meanwhile.
async fn mended<R: Row>(
    context: &Context,
    rows: &Rows<R>,
    stream: StreamId,
    found: &Compared<R>,
) -> anyhow::Result<bool> {
    if !found.standing.can_be_mended() {
        return Ok(false);
    }
    let mut written = found.mend(rows, context.clock.new_id()).await?;
    for _ in 0..TRIES {
        if written {
            return Ok(true);
        }
        let now = compare(context.store(), rows, stream).await?;
        written = match now.standing {
            Standing::Equal => true,
            _ => now.mend(rows, context.clock.new_id()).await?,
        };
    }
    Ok(written)
}

/// Runs the reactions to the commits that are meant again, if there is a reason to, and tells how many requests are new.
async fn emit(
    context: &Context,
    streams: &BTreeSet<StreamId>,
    arguments: &Arguments,
    reason: Option<Reason>,
) -> anyhow::Result<()> {
    let Some(reason) = reason.map(Personal::Known) else { return Ok(()) };
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.context("the queues")?;
    let feed = Feed::new(context, queues);
    let mut requested = 0;
    for stream in streams {
        let mut after = Version::NONE;
        loop {
            let commits = context.store().read_stored(*stream, Range { after, until: None }, PAGE).await?;
            let Some(last) = commits.last() else { break };
            after = last.version;
            for commit in commits.iter().filter(|commit| arguments.means(commit.recorded_at)) {
                requested += feed.react_again(commit, &reason).await?;
            }
        }
    }
    println!("{requested} notifications are requested newly");
    Ok(())
}
