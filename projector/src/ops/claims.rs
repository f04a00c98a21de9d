//! Unique values against the log: what is missing, what is held by somebody else, what nobody holds.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemError, put_item::PutItemError},
    types::AttributeValue,
};
use events::{
    claim::GuardedSet,
    role::Role,
    stream::{Category, StreamId},
    user::User,
};
use platform::{
    context::Context,
    settings::Settings,
    store::{Holdings, StoreError, set_id, unavailable},
    tables::CLAIMS,
};

use super::{Verdict, connect, progress::Progress, scan::scan};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Put right what can be put right: take what is missing and free, release what nobody holds.
    #[arg(long)]
    heal: bool,
}

/// A claim that is not as the log says.
#[derive(Debug, Clone)]
pub(super) struct Drift {
    pub(super) place: String,
    kind: Kind,
    healed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Foreign,
    Orphan,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Missing => "a unique value of it is not held",
            Kind::Foreign => "a unique value of it is held by another stream",
            Kind::Orphan => "a unique value is held for it that it does not have",
        })?;
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
    let drift = all_drift(&context, &streams, arguments.heal).await?;
    for drift in &drift {
        println!("{}: {drift}", drift.place);
    }
    let left = drift.iter().filter(|drift| !drift.healed).count();
    println!("{} streams, {} claims wrong, {} of them healed", streams.len(), drift.len(), drift.len() - left);
    Ok(if left == 0 { Verdict::Well } else { Verdict::Wrong })
}

/// What these streams must hold and do not.
pub(super) async fn drift(context: &Context, streams: &[StreamId], heal: bool) -> anyhow::Result<Vec<Drift>> {
    let mut drift = Vec::new();
    let mut progress = Progress::of("comparing claims", Some(streams.len() as u64));
    for stream in streams {
        progress.add(1);
        let Some(held) = holdings(context, *stream).await? else { continue };
        for id in &held.claims {
            let owner = owner(context, id).await?;
            if owner.as_deref() == Some(stream.to_string().as_str()) || !still(context, *stream, &held).await? {
                continue;
            }
            let kind = if owner.is_none() { Kind::Missing } else { Kind::Foreign };
            let healed = heal && kind == Kind::Missing && take(context, id, *stream, &held).await?;
            drift.push(Drift { place: stream.to_string(), kind, healed });
        }
        for set in &held.sets {
            if members(context, *set).await?.contains(&stream.to_string()) || !still(context, *stream, &held).await? {
                continue;
            }
            let healed = heal && join(context, *set, *stream).await?;
            drift.push(Drift { place: stream.to_string(), kind: Kind::Missing, healed });
        }
    }
    Ok(drift)
}

/// The same, and what is held in the name of a stream that does not have it.
async fn all_drift(context: &Context, streams: &[StreamId], heal: bool) -> anyhow::Result<Vec<Drift>> {
    let mut all = drift(context, streams, heal).await?;
    let table = context.names.table(&CLAIMS);
    let mut items =
        context.aws.dynamodb.scan().table_name(&table).consistent_read(true).into_paginator().items().send();
    while let Some(item) = items.next().await {
        let item = item.map_err(unavailable)?;
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        // A guarded set has members, no owner.
        let (Some(id), Some(owner)) = (text("claim"), text("owner")) else { continue };
        let holder = match owner.parse::<StreamId>() {
            Ok(stream) => holdings(context, stream).await?.map(|held| (stream, held)),
            Err(_) => None,
        };
        let Some((stream, held)) = holder else { continue };
        if held.claims.contains(&id) || !still(context, stream, &held).await? {
            continue;
        }
        let healed = heal && release(context, &id, &owner).await?;
        all.push(Drift { place: owner, kind: Kind::Orphan, healed });
    }
    Ok(all)
}

/// What a stream must hold; nothing to say of one that cannot be folded, which is said where the chain is checked.
async fn holdings(context: &Context, stream: StreamId) -> Result<Option<Holdings>, StoreError> {
    let held = match stream.category {
        Category::User => context.store().holdings::<User>(stream).await,
        Category::Role => context.store().holdings::<Role>(stream).await,
        Category::Notification | Category::Session => return Ok(None),
    };
    match held {
        Err(error @ StoreError::Unavailable(_)) => Err(error),
        Err(_) => Ok(None),
        Ok(held) => Ok(Some(held)),
    }
}

/// Whether the stream is as it was when its holdings were computed: claims change in its own commits only, so what was
/// read of them in between is true.
async fn still(context: &Context, stream: StreamId, held: &Holdings) -> Result<bool, StoreError> {
    Ok(holdings(context, stream).await?.is_some_and(|now| now.version == held.version))
}

async fn item(context: &Context, id: &str) -> Result<HashMap<String, AttributeValue>, StoreError> {
    let get = context.aws.dynamodb.get_item().table_name(context.names.table(&CLAIMS));
    let get = get.key("claim", AttributeValue::S(id.to_owned())).consistent_read(true);
    Ok(get.send().await.map_err(unavailable)?.item.unwrap_or_default())
}

async fn owner(context: &Context, id: &str) -> Result<Option<String>, StoreError> {
    Ok(item(context, id).await?.get("owner").and_then(|owner| owner.as_s().ok()).cloned())
}

async fn members(context: &Context, set: GuardedSet) -> Result<Vec<String>, StoreError> {
    let item = item(context, &set_id(set)).await?;
    Ok(item.get("members").and_then(|members| members.as_ss().ok()).cloned().unwrap_or_default())
}

async fn take(context: &Context, id: &str, stream: StreamId, held: &Holdings) -> Result<bool, StoreError> {
    let put = context.aws.dynamodb.put_item().table_name(context.names.table(&CLAIMS));
    let put = put
        .item("claim", AttributeValue::S(id.to_owned()))
        .item("owner", AttributeValue::S(stream.to_string()))
        .item("version", AttributeValue::N(held.version.to_string()))
        .condition_expression("attribute_not_exists(claim)");
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(unavailable(error)),
    }
}

async fn release(context: &Context, id: &str, owner: &str) -> Result<bool, StoreError> {
    let delete = context.aws.dynamodb.delete_item().table_name(context.names.table(&CLAIMS));
    let delete = delete
        .key("claim", AttributeValue::S(id.to_owned()))
        .condition_expression("#owner = :owner")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":owner", AttributeValue::S(owner.to_owned()));
    match delete.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(unavailable(error)),
    }
}

async fn join(context: &Context, set: GuardedSet, stream: StreamId) -> Result<bool, StoreError> {
    let update = context.aws.dynamodb.update_item().table_name(context.names.table(&CLAIMS));
    let update = update
        .key("claim", AttributeValue::S(set_id(set)))
        .update_expression("ADD members :members")
        .expression_attribute_values(":members", AttributeValue::Ss(vec![stream.to_string()]));
    update.send().await.map_err(unavailable).map(|_| true)
}
