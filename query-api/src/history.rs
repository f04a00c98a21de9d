//! A stream's events as the log has them, oldest first.

use std::num::NonZeroU16;

use events::{
    event::EventData,
    stream::{StreamId, Version},
};
use platform::{
    http::{Problem, bodies::EventBody},
    store::Range,
};

use crate::{
    cursor,
    list::{Items, Paging},
    state::AppState,
};

/// A page of a stream's history; pages end between commits, so one may hold a few events more than asked for.
///
/// # Errors
/// 404 when there is no such stream; 400 or 503.
pub async fn page<E: EventData>(
    state: &AppState,
    stream: StreamId,
    paging: &Paging,
) -> Result<Items<EventBody>, Problem> {
    let size: NonZeroU16 = paging.size()?;
    let list = format!("history of {stream}");
    let after: Version = paging.place(state, &list)?.unwrap_or(Version::NONE);
    let range = Range { after, until: None };
    let wanted = usize::from(size.get());
    let mut commits = state.context.store().read::<E>(stream, range, wanted + 1).await?;
    if commits.is_empty() && after == Version::NONE {
        return Err(Problem::not_found());
    }
    let more = commits.len() > wanted;
    commits.truncate(wanted);
    let last = commits.last().filter(|_| more).map(|commit| commit.version);
    Ok(Items {
        items: commits.iter().flat_map(|commit| &commit.events).map(EventBody::from).collect(),
        next_page_token: last.map(|last| cursor::seal(&state.cursor_key, &list, &last)).transpose()?,
    })
}
