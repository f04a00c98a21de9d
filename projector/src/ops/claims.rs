//! Unique values against the log: what is missing, what is held by somebody else, what nobody holds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use aws_sdk_dynamodb::{operation::scan::builders::ScanFluentBuilder, types::AttributeValue};
use events::{
    checkpoint::Head,
    claim::GuardedSet,
    notification::Notification,
    number::Number,
    role::Role,
    session::Session,
    stream::{Category, StreamId, Version},
    user::User,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    settings::Settings,
    store::{Holdings, StoreError, set_id, unavailable},
    tables::{CLAIMS, SCAN_PAGE},
};

use super::{
    Verdict, connect,
    heal::{Owner, join, leave, release, take},
    progress::Progress,
    scan::scan,
};

/// Streams or claims that are looked at once.
const AT_ONCE: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Put right what can be put right: take what is missing and free, release what nobody has.
    #[arg(long)]
    heal: bool,
}

/// A claim that is not as the log says.
#[derive(Debug, Clone)]
pub(super) struct Drift {
    pub(super) place: String,
    kind: Kind,
    pub(super) healed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Missing,
    Foreign,
    Orphan,
    Malformed,
    Unfoldable(String),
}

type Item = HashMap<String, AttributeValue>;

impl Drift {
    fn new(place: impl fmt::Display, kind: Kind, healed: bool) -> Self {
        Self { place: place.to_string(), kind, healed }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Missing => f.write_str("a unique value of it is not held"),
            Kind::Foreign => f.write_str("a unique value of it is held by another stream"),
            Kind::Orphan => f.write_str("a unique value is held for it that it does not have"),
            Kind::Malformed => f.write_str("an item of the claims cannot be read"),
            Kind::Unfoldable(why) => write!(f, "what it must hold cannot be told: {why}"),
        }?;
        if self.healed { f.write_str(" (healed)") } else { Ok(()) }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let (context, _) = connect(&arguments.settings).await?;
    let mut streams: BTreeSet<StreamId> = BTreeSet::new();
    scan(&context, "reading the log", |_, page| {
        let named = page.iter().filter_map(|text| text.get("stream")?.parse().ok());
        streams.extend::<Vec<StreamId>>(named.collect());
        Ok(())
    })
    .await?;
    let streams: Vec<StreamId> = streams.into_iter().collect();
    let mut all = drift(&context, &streams, arguments.heal).await?;
    all.extend(held_for_nobody(&context, arguments.heal).await?);
    for drift in &all {
        println!("{}: {drift}", drift.place);
    }
    let left = all.iter().filter(|drift| !drift.healed).count();
    println!("{} streams, {} claims wrong, {} of them healed", streams.len(), all.len(), all.len() - left);
    Ok(if left == 0 { Verdict::Well } else { Verdict::Wrong })
}

/// What these streams must hold and do not.
pub(super) async fn drift(context: &Context, streams: &[StreamId], heal: bool) -> anyhow::Result<Vec<Drift>> {
    let mut progress = Progress::of("comparing claims", Some(streams.len() as u64));
    let mut looking = stream::iter(streams).map(|stream| of_stream(context, *stream, heal)).buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(drift) = looking.try_next().await? {
        progress.add(1);
        all.extend(drift);
    }
    Ok(all)
}

/// What one stream must hold and does not.
pub(super) async fn of_stream(context: &Context, stream: StreamId, heal: bool) -> Result<Vec<Drift>, StoreError> {
    if !matches!(stream.category, Category::User | Category::Role) {
        return Ok(Vec::new());
    }
    let held = match holdings(context, stream).await? {
        Ok(held) => held,
        Err(why) => return Ok(vec![Drift::new(stream, Kind::Unfoldable(why), false)]),
    };
    let owner = Owner { stream, version: held.version };
    let mut drift = Vec::new();
    for id in &held.claims {
        let holder = text(&item(context, id).await?, "owner");
        if holder.as_deref() == Some(stream.to_string().as_str()) || moved(context, owner).await? {
            continue;
        }
        let kind = if holder.is_none() { Kind::Missing } else { Kind::Foreign };
        let healed = heal && kind == Kind::Missing && take(context, id, owner).await?;
        drift.push(Drift::new(stream, kind, healed));
    }
    for set in &held.sets {
        let members = members(&item(context, &set_id(*set)).await?).unwrap_or_default();
        if members.contains(&stream.to_string()) || moved(context, owner).await? {
            continue;
        }
        let healed = heal && join(context, *set, owner).await?;
        drift.push(Drift::new(stream, Kind::Missing, healed));
    }
    Ok(drift)
}

fn all_claims(context: &Context) -> ScanFluentBuilder {
    let scan = context.aws.dynamodb.scan().table_name(context.names.table(&CLAIMS));
    scan.consistent_read(true).limit(SCAN_PAGE)
}

/// What is held in the name of streams that do not have it.
async fn held_for_nobody(context: &Context, heal: bool) -> anyhow::Result<Vec<Drift>> {
    let mut progress = Progress::of("comparing owners", None);
    let scan = all_claims(context);
    let mut pages = scan.into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let items = page.map_err(unavailable)?.items.unwrap_or_default();
        let mut looking = stream::iter(&items).map(|item| of_item(context, item, heal)).buffered(AT_ONCE);
        while let Some(drift) = looking.try_next().await? {
            progress.add(1);
            all.extend(drift);
        }
    }
    Ok(all)
}

async fn of_item(context: &Context, item: &Item, heal: bool) -> Result<Vec<Drift>, StoreError> {
    let id = text(item, "claim").unwrap_or_default();
    let set = GuardedSet::ALL.into_iter().find(|set| set_id(*set) == id);
    let names = match set {
        // A set that nobody is a member of has none to name.
        Some(_) if !item.contains_key("members") => Some(Vec::new()),
        Some(_) => members(item),
        None => text(item, "owner").map(|owner| vec![owner]),
    };
    let Some(names) = names else { return Ok(vec![Drift::new(id, Kind::Malformed, false)]) };
    let mut drift = Vec::new();
    for name in names {
        let Ok(stream) = name.parse::<StreamId>() else {
            drift.push(Drift::new(&id, Kind::Malformed, false));
            continue;
        };
        // Of one that cannot be folded it is said where its own claims are compared.
        let Ok(held) = holdings(context, stream).await? else { continue };
        let has_it = set.map_or_else(|| held.claims.contains(&id), |set| held.sets.contains(&set));
        let owner = Owner { stream, version: held.version };
        // What was released between the scan and the fold is held no more.
        if has_it || !is_named(context, &id, set, &name).await? || moved(context, owner).await? {
            continue;
        }
        let healed = match set {
            _ if !heal => false,
            Some(set) => leave(context, set, owner).await?,
            None => release(context, &id, owner).await?,
        };
        drift.push(Drift::new(stream, Kind::Orphan, healed));
    }
    Ok(drift)
}

/// Whether a claim or a set names a stream now.
async fn is_named(context: &Context, id: &str, set: Option<GuardedSet>, name: &str) -> Result<bool, StoreError> {
    let item = item(context, id).await?;
    Ok(match set {
        Some(_) => members(&item).is_some_and(|members| members.iter().any(|member| member == name)),
        None => text(&item, "owner").as_deref() == Some(name),
    })
}

/// Claims that were taken by commits which the log, whose heads these are, does not have.
pub(super) async fn newer(
    context: &Context,
    heads: &BTreeMap<StreamId, Head>,
) -> Result<Vec<(StreamId, Version)>, StoreError> {
    let scan = all_claims(context);
    let mut items = scan.into_paginator().items().send();
    let mut newer = Vec::new();
    while let Some(item) = items.next().await {
        let item = item.map_err(unavailable)?;
        let owner = text(&item, "owner").and_then(|owner| owner.parse().ok());
        let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok()).map(Version);
        let claim = owner.zip(version);
        newer.extend(claim.filter(|(owner, version)| heads.get(owner).is_none_or(|head| head.version < *version)));
    }
    Ok(newer)
}

/// What a stream must hold, or why that cannot be told.
async fn holdings(context: &Context, stream: StreamId) -> Result<Result<Holdings, String>, StoreError> {
    let held = match stream.category {
        Category::User => context.store().holdings::<User>(stream).await,
        Category::Role => context.store().holdings::<Role>(stream).await,
        Category::Notification => context.store().holdings::<Notification>(stream).await,
        Category::Session => context.store().holdings::<Session>(stream).await,
        Category::Number => context.store().holdings::<Number>(stream).await,
    };
    match held {
        Err(error) if error.is_outage() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
        Ok(held) => Ok(Ok(held)),
    }
}

/// Whether a stream has gone on since it was folded: claims change in its own commits only, so what was read of them in
/// between would be said of another state than the one that it was compared with.
async fn moved(context: &Context, owner: Owner) -> Result<bool, StoreError> {
    match context.store().has(owner.stream, owner.version.next()).await {
        Err(error) if error.is_outage() => Err(error),
        found => Ok(!matches!(found, Ok(false))),
    }
}

async fn item(context: &Context, id: &str) -> Result<Item, StoreError> {
    let get = context.aws.dynamodb.get_item().table_name(context.names.table(&CLAIMS));
    let get = get.key("claim", AttributeValue::S(id.to_owned())).consistent_read(true);
    Ok(get.send().await.map_err(unavailable)?.item.unwrap_or_default())
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

fn members(item: &Item) -> Option<Vec<String>> {
    item.get("members").and_then(|members| members.as_ss().ok()).cloned()
}
