//! What other tables know of the log: it shows what was cut off behind the last checkpoint.

use std::collections::BTreeMap;

use events::{
    checkpoint::Head,
    notification::NotificationState,
    role::RoleState,
    stream::{Category, StreamId, Version},
    user::UserState,
    verify::{Verifier, Wrong},
    views::Row,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    rows::{AuditRows, Rows},
    store::StoreError,
    tables::{NOTIFICATIONS, ROLES, USERS},
};

use super::AT_ONCE;
use crate::ops::{claims, progress::Progress};

/// How the row of a stream stands to the log.
enum Standing {
    Equal,
    Behind,
    Wrong(&'static str),
}

/// The read models.
struct Views {
    users: Rows<UserState>,
    roles: Rows<RoleState>,
    notifications: Rows<NotificationState>,
}

/// Notes claims and rows of commits that the log does not have, and what the `young` streams do not hold or are shown as.
/// Gives how many of those have a row that is behind, which is no fault.
pub(super) async fn compare(
    context: &Context,
    verifier: &mut Verifier,
    heads: &BTreeMap<StreamId, Head>,
    young: &[StreamId],
) -> anyhow::Result<u64> {
    let rows = || context.aws.dynamodb.clone();
    let views = Views {
        users: Rows::new(rows(), &context.names, &USERS, &context.generations),
        roles: Rows::new(rows(), &context.names, &ROLES, &context.generations),
        notifications: Rows::new(rows(), &context.names, &NOTIFICATIONS, &context.generations),
    };
    newer_rows(context, verifier, heads, &views).await?;
    newer_in_feed(context, verifier, heads).await?;
    for (owner, version) in claims::newer(context, heads).await? {
        if is_gone(context, owner, version).await? {
            note(verifier, owner, format!("holds a unique value since version {version}, which the log does not have"));
        }
    }
    for drift in claims::drift(context, young, false).await? {
        verifier.note(drift.place.clone(), Wrong::Whole(drift.to_string()));
    }
    young_rows(context, verifier, &views, young).await
}

async fn newer_rows(
    context: &Context,
    verifier: &mut Verifier,
    heads: &BTreeMap<StreamId, Head>,
    views: &Views,
) -> Result<(), StoreError> {
    let mut newer: Vec<(StreamId, Version)> = Vec::new();
    let mut unreadable = 0;
    let mut progress = Progress::of("reading rows", None);
    let mut look = |category, row: Option<(uuid::Uuid, Version)>| {
        progress.add(1);
        let Some((id, version)) = row else {
            unreadable += 1;
            return;
        };
        let stream = StreamId { category, id };
        if heads.get(&stream).is_none_or(|head| head.version < version) {
            newer.push((stream, version));
        }
    };
    views.users.versions(|row| look(Category::User, row)).await?;
    views.roles.versions(|row| look(Category::Role, row)).await?;
    views.notifications.versions(|row| look(Category::Notification, row)).await?;
    drop(progress);
    for (stream, version) in newer {
        if is_gone(context, stream, version).await? {
            note(verifier, stream, format!("its row knows version {version}, which the log does not have"));
        }
    }
    if unreadable > 0 {
        verifier.note("the read models", Wrong::Whole(format!("{unreadable} rows cannot be read")));
    }
    Ok(())
}

/// Of streams that no row shows, only the audit feed knows what was cut off.
async fn newer_in_feed(
    context: &Context,
    verifier: &mut Verifier,
    heads: &BTreeMap<StreamId, Head>,
) -> Result<(), StoreError> {
    let mut newer: BTreeMap<StreamId, Version> = BTreeMap::new();
    let mut unreadable = 0;
    let mut progress = Progress::of("reading the audit feed", None);
    let feed = AuditRows::new(context.aws.dynamodb.clone(), &context.names);
    feed.versions(|row| {
        progress.add(1);
        let Some((stream, version)) = row else {
            unreadable += 1;
            return;
        };
        let has_no_row = matches!(stream.category, Category::Session | Category::Number);
        if has_no_row && heads.get(&stream).is_none_or(|head| head.version < version) {
            let newest = newer.entry(stream).or_insert(version);
            *newest = version.max(*newest);
        }
    })
    .await?;
    drop(progress);
    for (stream, version) in newer {
        if is_gone(context, stream, version).await? {
            note(verifier, stream, format!("the audit feed knows version {version}, which the log does not have"));
        }
    }
    if unreadable > 0 {
        verifier.note("the audit feed", Wrong::Whole(format!("{unreadable} rows cannot be read")));
    }
    Ok(())
}

async fn young_rows(
    context: &Context,
    verifier: &mut Verifier,
    views: &Views,
    young: &[StreamId],
) -> anyhow::Result<u64> {
    let mut progress = Progress::of("comparing rows", Some(young.len() as u64));
    let mut looking = stream::iter(young)
        .map(|stream| async move { standing(context, views, *stream).await.map(|standing| (*stream, standing)) })
        .buffered(AT_ONCE);
    let mut behind = 0;
    while let Some((stream, standing)) = looking.try_next().await? {
        progress.add(1);
        match standing {
            Standing::Equal => (),
            Standing::Behind => behind += 1,
            Standing::Wrong(what) => note(verifier, stream, what.to_owned()),
        }
    }
    Ok(behind)
}

async fn standing(context: &Context, views: &Views, stream: StreamId) -> Result<Standing, StoreError> {
    match stream.category {
        Category::User => standing_in(context, &views.users, stream).await,
        Category::Role => standing_in(context, &views.roles, stream).await,
        Category::Notification => standing_in(context, &views.notifications, stream).await,
        Category::Session | Category::Number => Ok(Standing::Equal),
    }
}

async fn standing_in<R: Row>(context: &Context, rows: &Rows<R>, stream: StreamId) -> Result<Standing, StoreError> {
    let row = match rows.get(stream.id, true).await {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(Standing::Behind),
        Err(StoreError::BadRow { .. }) => return Ok(Standing::Wrong("its row cannot be read")),
        Err(error) => return Err(error),
    };
    // Only at the end of the log: what came before it may look otherwise since, for its subject was erased.
    match context.store().load::<R::Rules>(stream, None).await {
        Ok(folded) if row.version() < folded.version => Ok(Standing::Behind),
        Ok(folded) if row.version() == folded.version && folded.state.as_ref() != Some(&row) => {
            Ok(Standing::Wrong("its row is not the fold of the log"))
        }
        // A row that is newer than the log was told of already.
        Ok(_) => Ok(Standing::Equal),
        Err(error) if error.is_outage() => Err(error),
        Err(_) => Ok(Standing::Wrong("it cannot be folded, so its row cannot be compared")),
    }
}

/// Whether a commit is missing of which another table knows. One that came since the log was read is not.
async fn is_gone(context: &Context, stream: StreamId, version: Version) -> Result<bool, StoreError> {
    match context.store().has(stream, version).await {
        Err(error) if error.is_outage() => Err(error),
        found => Ok(matches!(found, Ok(false))),
    }
}

fn note(verifier: &mut Verifier, stream: StreamId, what: String) {
    verifier.note(stream.to_string(), Wrong::Whole(what));
}
