use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_lc_rs::signature::KeyPair;
use events::{
    checkpoint::Head,
    notification::{Notification, NotificationState},
    role::{Role, RoleState},
    session::Session,
    stream::{Category, StreamId},
    user::{User, UserState},
    verify::{Verifier, Wrong},
    views::Row,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    rows::Rows,
    settings::Settings,
    store::{CarriedStates, StoreError},
    tables::{NOTIFICATIONS, ROLES, USERS},
};

use super::{Report, report::younger, take};
use crate::ops::{
    checkpoints::{self, Signed, faults, fits},
    claims, connect,
    progress::Progress,
    scan::{SEGMENTS, scan},
};

/// Streams that are looked at once.
const AT_ONCE: usize = 8;

/// The log as it is, and what vouches for it.
pub(in crate::ops) struct Checked {
    pub(in crate::ops) verifier: Verifier,
    pub(in crate::ops) checkpoints: Vec<Signed>,
    signed: HashMap<StreamId, Head>,
    /// Streams with commits that carry the folded state.
    carrying: BTreeSet<StreamId>,
}

/// Checks every chain, and the checkpoints by their key.
pub(in crate::ops) async fn whole_log(context: &Context, key: &[u8]) -> anyhow::Result<Checked> {
    let checkpoints = checkpoints::load(context).await?;
    let heads: BTreeMap<StreamId, Head> = match checkpoints.last() {
        Some(last) => checkpoints::heads(context, last).await?,
        None => BTreeMap::new(),
    };
    let signed: HashMap<StreamId, Head> = heads.clone().into_iter().collect();
    let mut carrying = BTreeSet::new();
    let mut parts: Vec<Verifier> = (0..SEGMENTS).map(|_| Verifier::default()).collect();
    scan(context, "verifying", |segment, page| {
        page.iter().for_each(|text| take(&mut parts[segment], text, &signed));
        let states = page.iter().filter(|text| text.contains_key("state"));
        let streams: Vec<StreamId> = states.filter_map(|text| text.get("stream")?.parse().ok()).collect();
        carrying.extend(streams);
        Ok(())
    })
    .await?;
    let mut verifier = Verifier::default();
    parts.into_iter().for_each(|part| verifier.merge(part));
    for fault in faults(&checkpoints, key) {
        verifier.note("the checkpoints", Wrong::Whole(fault));
    }
    if let Some(last) = checkpoints.last()
        && !fits(&last.checkpoint, &heads)
    {
        let number = last.checkpoint.number;
        verifier
            .note("the checkpoints", Wrong::Whole(format!("the heads are not those that checkpoint {number} signed")));
    }
    verifier.compare(&signed);
    Ok(Checked { verifier, checkpoints, signed, carrying })
}

pub(super) async fn check(settings: &Settings, key: Option<Vec<u8>>) -> anyhow::Result<Report> {
    let (context, secrets) = connect(settings).await?;
    let own = secrets.checkpoints()?.public_key().as_ref().to_vec();
    let Checked { mut verifier, checkpoints, signed, carrying } = whole_log(&context, &key.unwrap_or(own)).await?;
    let heads = verifier.heads();

    let states = carried_states(&context, &mut verifier, carrying.into_iter().collect()).await?;
    let young =
        heads.iter().filter(|(stream, head)| signed.get(stream).is_none_or(|signed| signed.version < head.version));
    let young: Vec<StreamId> = young.map(|(stream, _)| *stream).collect();
    for drift in claims::drift(&context, &young, false).await? {
        verifier.note(drift.place.clone(), Wrong::Whole(drift.to_string()));
    }
    let mut behind = 0;
    for stream in &young {
        behind += row(&context, &mut verifier, *stream, heads[stream]).await?;
    }
    let younger = younger(&verifier, &signed);
    let mut notes = Vec::new();
    if behind > 0 {
        notes.push(format!("{behind} rows of the read models are not there yet, or older than the log"));
    }
    let checkpoints = checkpoints.len() as u64;
    Ok(Report { checkpoints, younger, states: Some(states), notes, ..Report::of(&verifier) })
}

async fn carried_states(context: &Context, verifier: &mut Verifier, streams: Vec<StreamId>) -> anyhow::Result<u64> {
    let mut progress = Progress::of("folding again", Some(streams.len() as u64));
    let mut checked = stream::iter(streams)
        .map(|stream| async move { carried_state(context, stream).await.map(|states| (stream, states)) })
        .buffer_unordered(AT_ONCE);
    let mut right = 0;
    while let Some((stream, states)) = checked.try_next().await? {
        progress.add(1);
        match states {
            Ok(states) => {
                right += states.right;
                for version in states.wrong {
                    let wrong = "the state that it carries is not the fold of what came before".to_owned();
                    verifier.note(format!("{stream} at {version}"), Wrong::Whole(wrong));
                }
            }
            Err(why) => verifier.note(stream.to_string(), Wrong::Undecodable(why)),
        }
    }
    Ok(right)
}

/// A stream that cannot be folded is a finding; a table that does not answer is none.
async fn carried_state(context: &Context, stream: StreamId) -> Result<Result<CarriedStates, String>, StoreError> {
    let store = context.store();
    let states = match stream.category {
        Category::User => store.check_carried::<User>(stream).await,
        Category::Role => store.check_carried::<Role>(stream).await,
        Category::Notification => store.check_carried::<Notification>(stream).await,
        Category::Session => store.check_carried::<Session>(stream).await,
    };
    match states {
        Err(error @ StoreError::Unavailable(_)) => Err(error),
        Err(error) => Ok(Err(error.to_string())),
        Ok(states) => Ok(Ok(states)),
    }
}

/// Compares a stream's row with the log. Gives 1 if the row is behind, which is no fault by itself.
async fn row(context: &Context, verifier: &mut Verifier, stream: StreamId, head: Head) -> anyhow::Result<u64> {
    let (tables, names) = (&context.aws.dynamodb, &context.names);
    match stream.category {
        Category::User => {
            compare::<UserState>(context, &Rows::new(tables.clone(), names, &USERS), verifier, stream, head).await
        }
        Category::Role => {
            compare::<RoleState>(context, &Rows::new(tables.clone(), names, &ROLES), verifier, stream, head).await
        }
        Category::Notification => {
            let rows = Rows::new(tables.clone(), names, &NOTIFICATIONS);
            compare::<NotificationState>(context, &rows, verifier, stream, head).await
        }
        Category::Session => Ok(0),
    }
}

async fn compare<R: Row>(
    context: &Context,
    rows: &Rows<R>,
    verifier: &mut Verifier,
    stream: StreamId,
    head: Head,
) -> anyhow::Result<u64> {
    let Some(row) = rows.get(stream.id, true).await? else { return Ok(1) };
    let folded = match context.store().load::<R::Rules>(stream, Some(row.version())).await {
        Ok(folded) => folded,
        Err(error @ StoreError::Unavailable(_)) => return Err(error.into()),
        // Said already where the chain was checked.
        Err(_) => return Ok(0),
    };
    if folded.version != row.version() {
        verifier.note(stream.to_string(), Wrong::Whole("its row is newer than the log".to_owned()));
    } else if folded.state.as_ref() != Some(&row) {
        verifier.note(stream.to_string(), Wrong::Whole("its row is not the fold of the log".to_owned()));
    }
    Ok(u64::from(row.version() < head.version))
}
