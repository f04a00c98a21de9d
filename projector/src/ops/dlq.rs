//! Notifications that nothing moves any more: those in the dead letters, and those of which nobody knows what became of
//! them.

mod letters;

use std::num::NonZeroU16;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::NotificationId,
    notification::{
        Delivery, Notification, NotificationCommand, NotificationEvent, NotificationRefusal, NotificationState,
        template::Template,
    },
    stream::Version,
    views::Facet,
};
use platform::{
    context::Context,
    rows::{Listing, Rows},
    settings::Settings,
    store::{ExecuteError, Folded, Intent, Range},
    tables::NOTIFICATIONS,
};
use serde_json::{Value, json};

use self::letters::{Letter, Letters};
use super::{EXIT_CODES, Verdict, connect};

/// Unknown notifications that are told of at most; `GET /v1/notifications?status=unknown` lists them all.
const MOST_UNKNOWN: NonZeroU16 = NonZeroU16::new(200).expect("it is not 0");

/// Commits of a history that are told of: a notification has some ten.
const MOST_COMMITS: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell what lies in the dead letters, and of which notifications nobody knows what became of them.
    #[command(after_help = EXIT_CODES)]
    List {
        #[command(flatten)]
        settings: Settings,
        /// Say it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell everything of one notification: where it stands, and every try.
    #[command(after_help = EXIT_CODES)]
    Show {
        #[command(flatten)]
        settings: Settings,
        /// The notification.
        id: NotificationId,
    },
    /// Send notifications once more, under the ids that they have. One whose outcome is unknown may arrive twice then; a
    /// one-time code is never sent again: its owner asks for another one.
    #[command(after_help = EXIT_CODES)]
    Redrive(Chosen),
    /// Give notifications up for good, and remove their dead letters.
    #[command(after_help = EXIT_CODES)]
    Discard(Chosen),
}

#[derive(Debug, clap::Args)]
struct Chosen {
    #[command(flatten)]
    settings: Settings,
    /// The notification.
    #[arg(required_unless_present = "all")]
    id: Option<NotificationId>,
    /// Everything in the dead letters.
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    match arguments.what {
        What::List { settings, json } => Box::pin(list(&settings, json)).await,
        What::Show { settings, id } => Box::pin(show(&settings, id)).await,
        What::Redrive(chosen) => Box::pin(each(&chosen, redrive)).await,
        What::Discard(chosen) => Box::pin(each(&chosen, |_, _| NotificationCommand::Discard)).await,
    }
}

/// What an operator is told: nothing of the recipient but their id.
fn told(it: &NotificationState) -> Value {
    json!({
        "id": it.id, "user_id": it.user_id, "template": it.template, "lane": it.lane, "status": it.status,
        "attempt": it.attempt, "error_code": it.error_code, "redriven": it.redriven,
        "created_at": it.created_at, "updated_at": it.updated_at, "expires_at": it.expires_at,
    })
}

async fn list(settings: &Settings, as_json: bool) -> anyhow::Result<Verdict> {
    let (context, _) = connect(settings).await?;
    let letters = Letters::open(&context).await?;
    let mut dead = Vec::new();
    for Letter { id, lane, .. } in letters.all() {
        let state = match id {
            Some(id) => context.notifications.load((*id).into()).await?.state,
            None => None,
        };
        dead.push(state.map_or_else(|| json!({ "id": id, "lane": lane, "status": null }), |it| told(&it)));
    }
    letters.put_back().await?;
    let rows: Rows<NotificationState> =
        Rows::new(context.aws.dynamodb.clone(), &context.names, &NOTIFICATIONS, &context.generations);
    let listing = Listing { facet: Some(Facet::NotificationStatus(Delivery::Unknown)), ..Listing::ALL };
    let unknown: Vec<Value> = rows.page(&listing, None, MOST_UNKNOWN).await?.rows.iter().map(told).collect();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json!({ "dead_letters": dead, "unknown": unknown }))?);
    } else {
        for (kind, all) in [("dead letter", &dead), ("unknown", &unknown)] {
            for it in all {
                let [id, lane, status, template, code] =
                    ["id", "lane", "status", "template", "error_code"].map(|name| it[name].as_str().unwrap_or("-"));
                println!("{kind}: {id} in {lane}, {status}, template {template}, code {code}");
            }
        }
        println!("{} dead letters, {} unknown", dead.len(), unknown.len());
    }
    Ok(if dead.is_empty() && unknown.is_empty() { Verdict::Well } else { Verdict::Wrong })
}

async fn show(settings: &Settings, id: NotificationId) -> anyhow::Result<Verdict> {
    let (context, _) = connect(settings).await?;
    let range = Range { after: Version::NONE, until: None };
    let commits = context.store().read::<NotificationEvent>(id.into(), range, MOST_COMMITS).await?;
    ensure!(!commits.is_empty(), "there is no notification {id}");
    let state = context.notifications.load(id.into()).await?.state;
    let history: Vec<Value> = commits
        .iter()
        .flat_map(|commit| &commit.events)
        .map(|event| json!({ "recorded_at": event.recorded_at, "actor": event.metadata.actor, "event": event.event }))
        .collect();
    let stands_still = state.as_ref().is_some_and(|it| matches!(it.status, Delivery::Dead | Delivery::Unknown));
    let told = json!({ "notification": state.as_ref().map(told), "history": history });
    println!("{}", serde_json::to_string_pretty(&told)?);
    Ok(if stands_still { Verdict::Wrong } else { Verdict::Well })
}

fn redrive(it: &NotificationState, now: DateTime<Utc>) -> NotificationCommand {
    let lifetime = Template::named(&it.template).map(|template| template.lifetime).unwrap_or_default();
    NotificationCommand::Redrive { expires_at: now + lifetime }
}

/// Carries a command out on the chosen notifications, and takes their letters away.
async fn each(
    chosen: &Chosen,
    command: impl Fn(&NotificationState, DateTime<Utc>) -> NotificationCommand + Sync,
) -> anyhow::Result<Verdict> {
    let (context, _) = connect(&chosen.settings).await?;
    let mut letters = Letters::open(&context).await?;
    let ids: Vec<NotificationId> = match chosen.id {
        Some(id) => vec![id],
        None => letters.all().iter().filter_map(|letter| letter.id).collect(),
    };
    let mut undone = 0;
    for id in ids {
        match carry_out(&context, id, &command).await? {
            Ok(it) => {
                // What is on its way again needs its message before its letter goes.
                if it.status == Delivery::Pending {
                    letters.queues().send(it.lane, id, it.traceparent.as_deref()).await?;
                }
                letters.remove(id).await?;
                println!("{id} is {}", it.status.as_str());
            }
            Err(refusal) => {
                undone += 1;
                println!("{id}: {refusal}");
            }
        }
    }
    // What is no notification's id can only be thrown away.
    if chosen.all && letters.throw_away_the_unreadable().await? > 0 {
        println!("what was no notification's id is removed");
    }
    letters.put_back().await?;
    Ok(if undone == 0 { Verdict::Well } else { Verdict::Wrong })
}

/// Where the notification stands afterwards. What has arrived or failed meanwhile is left as it is.
async fn carry_out(
    context: &Context,
    id: NotificationId,
    command: impl Fn(&NotificationState, DateTime<Utc>) -> NotificationCommand + Sync,
) -> anyhow::Result<Result<NotificationState, NotificationRefusal>> {
    let metadata = Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: context.clock.new_id(),
        causation_id: None,
        traceparent: None,
    };
    let now = context.clock.now();
    let decide = |folded: &Folded<Option<NotificationState>>| {
        let it = folded.state.as_ref().ok_or(NotificationRefusal::NotFound)?;
        Notification::decide(&folded.state, command(it, now))
    };
    match context.notifications.execute(id.into(), &Intent::of(metadata), decide).await {
        Ok(executed) => executed.folded.state.context("a notification without a state").map(Ok),
        Err(ExecuteError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}
