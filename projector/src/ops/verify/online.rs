use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_lc_rs::signature::KeyPair;
use events::{
    checkpoint::Head,
    notification::Notification,
    number::Number,
    role::Role,
    session::Session,
    stream::{Category, StreamId},
    user::User,
    verify::{Verifier, Wrong},
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    settings::Settings,
    store::{CarriedStates, StoreError},
};

use super::{AT_ONCE, NOTHING_SIGNED, Report, note_checkpoints, note_kept, report::younger, take, views};
use crate::ops::{
    checkpoints::{self, Checkpoints, Signed},
    connect,
    progress::Progress,
    scan::{SEGMENTS, scan},
};

/// The log as it is, and what vouches for it.
pub(in crate::ops) struct Checked {
    pub(in crate::ops) verifier: Verifier,
    pub(in crate::ops) checkpoints: Checkpoints,
    signed: HashMap<StreamId, Head>,
    /// Streams with commits that carry the folded state.
    carrying: BTreeSet<StreamId>,
}

/// Checks every chain, and the checkpoints by their key.
pub(in crate::ops) async fn whole_log(context: &Context, key: &[u8]) -> anyhow::Result<Checked> {
    let checkpoints = checkpoints::load(context).await?;
    let heads: BTreeMap<StreamId, Head> = match checkpoints.signed.last() {
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
    note_checkpoints(&mut verifier, &checkpoints, &heads, key);
    verifier.compare(&signed);
    Ok(Checked { verifier, checkpoints, signed, carrying })
}

pub(super) async fn check(settings: &Settings, key: Option<Vec<u8>>, kept: Option<&Signed>) -> anyhow::Result<Report> {
    let (context, secrets) = connect(settings).await?;
    let own = secrets.checkpoints()?.public_key().as_ref().to_vec();
    let trusted = key.as_deref().unwrap_or(&own);
    let Checked { mut verifier, checkpoints, signed, carrying } = whole_log(&context, trusted).await?;
    if key.is_some() && checkpoints.signed.is_empty() {
        verifier.note("the checkpoints", Wrong::Whole(NOTHING_SIGNED.to_owned()));
    }
    note_kept(&mut verifier, &checkpoints, kept);
    let heads = verifier.heads();

    let states = carried_states(&context, &mut verifier, carrying.into_iter().collect()).await?;
    let young =
        heads.iter().filter(|(stream, head)| signed.get(stream).is_none_or(|signed| signed.version < head.version));
    let young: Vec<StreamId> = young.map(|(stream, _)| *stream).collect();
    let behind = views::compare(&context, &mut verifier, &heads, &young).await?;
    let younger = younger(&verifier, &signed);
    let checkpoints = checkpoints.signed.len() as u64;
    let mut report = Report { checkpoints, younger, states: Some(states.right), ..Report::of(&verifier) };
    let notes = [
        (behind, "rows of the read models are not there yet, or older than the log"),
        (states.erased, "carried states cannot be opened, for their subjects are erased"),
        (states.old, "carried states are of another shape than this build's, which ignores them"),
    ];
    let notes = notes.iter().filter(|(count, _)| *count > 0);
    report.notes.extend(notes.map(|(count, what)| format!("{count} {what}")));
    Ok(report)
}

async fn carried_states(
    context: &Context,
    verifier: &mut Verifier,
    streams: Vec<StreamId>,
) -> anyhow::Result<CarriedStates> {
    let mut progress = Progress::of("folding again", Some(streams.len() as u64));
    let mut checked = stream::iter(streams)
        .map(|stream| async move { carried_state(context, stream).await.map(|states| (stream, states)) })
        .buffer_unordered(AT_ONCE);
    let mut all = CarriedStates::default();
    while let Some((stream, states)) = checked.try_next().await? {
        progress.add(1);
        match states {
            Ok(states) => {
                all.right += states.right;
                all.erased += states.erased;
                all.old += states.old;
                for version in states.wrong {
                    let wrong = "the state that it carries is not the fold of what came before".to_owned();
                    verifier.note(format!("{stream} at {version}"), Wrong::Whole(wrong));
                }
            }
            Err(why) => verifier.note(stream.to_string(), Wrong::Undecodable(why)),
        }
    }
    Ok(all)
}

/// A stream that cannot be folded is a finding; a table that does not answer is none.
async fn carried_state(context: &Context, stream: StreamId) -> Result<Result<CarriedStates, String>, StoreError> {
    let store = context.store();
    let states = match stream.category {
        Category::User => store.check_carried::<User>(stream).await,
        Category::Role => store.check_carried::<Role>(stream).await,
        Category::Notification => store.check_carried::<Notification>(stream).await,
        Category::Session => store.check_carried::<Session>(stream).await,
        Category::Number => store.check_carried::<Number>(stream).await,
    };
    match states {
        Err(error) if error.is_outage() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
        Ok(states) => Ok(Ok(states)),
    }
}
