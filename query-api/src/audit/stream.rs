//! `GET /v1/audit/stream`

use std::{convert::Infallible, num::NonZeroU16, time::Duration};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use chrono::{DateTime, Utc};
use events::{envelope::Actor, permission::Permission};
use futures::{Stream, StreamExt, stream};
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::EventBody,
        documented::{Guarded, Served},
    },
    lifecycle::Shutdown,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use utoipa::IntoParams;

use super::{
    Filter, bodies,
    follow::{Follower, Look},
    walk::{Place, place_of, walk},
};
use crate::{cursor, list::invalid_query, state::AppState};

/// Open streams of a process. Each looks into the feed all the time, which costs some tens of reads a second.
pub const MAX_STREAMS: usize = 64;

/// Rows of a look.
const PAGE: NonZeroU16 = NonZeroU16::new(200).unwrap();

/// How often the feed is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How often a client is told where it stands when nothing happens, so that it does not go on far behind.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// How often something is written, so that neither a load balancer nor our own server takes the connection for idle.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// How long a client waits before it connects again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Where a client goes on, by the standard of server-sent events.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What is to be told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Recorded at or after this moment (RFC 3339); unless said otherwise now.
    #[param(nullable = false)]
    from: Option<DateTime<Utc>>,
    /// Only what they did: `user#<id>`, `system` or `telnyx`.
    #[param(
        nullable = false,
        value_type = Option<String>,
        pattern = "^(user#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|system|telnyx)$",
        example = "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4"
    )]
    actor: Option<Actor>,
    /// Only events of this type, such as `UserSuspended`.
    #[serde(rename = "type")]
    #[param(nullable = false, max_length = 100, example = "UserSuspended")]
    kind: Option<String>,
}

/// Documents `Last-Event-ID`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct GoOn {
    /// The last `id` that you got: the stream goes on there, whatever `from` says
    #[param(rename = "Last-Event-ID", nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    last_event_id: Option<String>,
}

/// An event as the stream tells it.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    event: EventBody,
    complete_until: Option<DateTime<Utc>>,
}

/// That nothing happened.
#[derive(Serialize)]
struct Progress {
    complete_until: Option<DateTime<Utc>>,
}

/// Follow what happens to everything.
///
/// Server-sent events: each `data` is an event as `GET /v1/audit` shows it, with `complete_until` beside its fields. It is
/// told within a second of being projected, and one that was projected late is told late. So an `id` never points behind
/// `complete_until`: whoever connects again with `Last-Event-ID` misses nothing, may be told something twice, and drops
/// repeats by `event_id`. An event named `progress` tells only `complete_until`. The stream ends with the access token, when
/// the caller loses the permission, and when the service stops: connect again.
#[utoipa::path(
    get, path = "/v1/audit/stream", tag = "audit", operation_id = "audit_stream",
    security(("bearer" = [])),
    params(Wanted, GoOn),
    responses(
        (status = 200, description = "Events, for as long as it is open", body = String, content_type = "text/event-stream",
            example = "id: Zm9v\ndata: {\"event_id\":\"0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4\",\"type\":\"UserSuspended\"}\n\n"),
        Guarded, Served,
    )
)]
pub async fn follow(
    State(state): State<AppState>,
    Extension(shutdown): Extension<Shutdown>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Permission::AUDIT_READ)?;
    let Query(wanted) = wanted.map_err(|_| invalid_query())?;
    let filter = Filter { actor: wanted.actor, kind: wanted.kind };
    let list = format!("audit stream {filter:?}");
    let begin = match place_in(&headers, &state, &list)? {
        Some(place) => place,
        None => place_of(wanted.from.unwrap_or_else(|| state.context.clock.now())),
    };
    let open = state.streams.clone().try_acquire_owned().map_err(|_| Problem::overloaded())?;
    let feed = Feed {
        follower: Follower::new(begin),
        filter,
        list,
        caller,
        shutdown,
        progress_at: Instant::now() + PROGRESS_EVERY,
        wait: Duration::ZERO,
        _open: open,
        state,
    };
    let events = stream::once(async { Ok(Event::default().retry(RETRY_AFTER)) }).chain(feed.events());
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY));
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], sse).into_response())
}

fn place_in(headers: &HeaderMap, state: &AppState, list: &str) -> Result<Option<Place>, Problem> {
    let Some(id) = headers.get(&LAST_EVENT_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let place = id.to_str().ok().and_then(|id| cursor::open(&state.cursor_key, list, id).ok());
    place.map(Some).ok_or_else(|| {
        Problem::bad_request("invalid-last-event-id", "The Last-Event-ID is not one of this stream")
            .detail("it goes with the filter under which it was told")
    })
}

/// One client's stream.
struct Feed {
    state: AppState,
    follower: Follower,
    filter: Filter,
    list: String,
    caller: Caller,
    shutdown: Shutdown,
    progress_at: Instant,
    wait: Duration,
    _open: OwnedSemaphorePermit,
}

impl Feed {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let looks = stream::unfold(self, |mut feed| async move {
            let events = feed.next().await?;
            Some((stream::iter(events.into_iter().map(Ok)), feed))
        });
        looks.flatten()
    }

    /// What comes next, or that the stream ends.
    async fn next(&mut self) -> Option<Vec<Event>> {
        tokio::select! {
            () = self.shutdown.begun() => return None,
            () = tokio::time::sleep(self.wait) => (),
        }
        match self.look().await {
            Ok(events) => Some(events),
            Err(problem) => {
                tracing::info!(code = problem.code, "an audit stream ends");
                None
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<Event>, Problem> {
        let authenticator = &self.state.context.authenticator;
        let now = self.state.context.clock.now();
        if now.timestamp() >= self.caller.claims.exp {
            return Err(Problem::unauthenticated());
        }
        self.caller.still_holds(authenticator, Permission::AUDIT_READ).await?;
        // Before the rows: what comes meanwhile is not promised.
        let complete_until = self.state.lag.complete_until();
        let (state, filter) = (&self.state, &self.filter);
        let read = |place, until| walk(state, place, until, PAGE, filter);
        let Look { rows, more } = self.follower.look(complete_until, now, read).await?;
        self.wait = if more { Duration::ZERO } else { EVERY };
        let (rows, places): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let mut events = Vec::with_capacity(rows.len());
        for (event, place) in bodies(&self.state, rows).await?.into_iter().zip(&places) {
            events.push(self.event(place, &Told { event, complete_until })?);
        }
        if !events.is_empty() {
            self.progress_at = Instant::now() + PROGRESS_EVERY;
        } else if self.progress_at <= Instant::now() {
            self.progress_at = Instant::now() + PROGRESS_EVERY;
            events.push(self.event(self.follower.place(), &Progress { complete_until })?.event("progress"));
        }
        Ok(events)
    }

    fn event(&self, place: &Place, data: &impl Serialize) -> Result<Event, Problem> {
        let id = cursor::seal(&self.state.cursor_key, &self.list, place)?;
        Event::default().id(id).json_data(data).map_err(|_| Problem::internal())
    }
}
