//! `GET /v1/users/{id}/export`

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use events::{
    ids::{NotificationId, UserId},
    permission::Permission,
    reaction::Notifying,
    stream::Version,
    user::UserEvent,
};
use futures::stream;
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::{EventBody, PreferencesBody, UserBody},
        consistency::AtLeast,
        documented::{Erasable, Guarded, Named, ReadAfter, Served, examples},
        id::Id,
    },
    store::Range,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    bodies, get,
    sessions::{self, SessionBody},
};
use crate::{list::PAGE_OF_AN_EXPORT, notifications::NotificationBody, state::AppState};

/// Everything that is kept of one person.
#[derive(Serialize, ToSchema)]
pub struct SubjectExport {
    /// When this was put together.
    exported_at: DateTime<Utc>,
    /// The person as they are now.
    user: UserBody,
    /// Which messages they want, and when.
    preferences: PreferencesBody,
    /// Where they are signed in.
    sessions: Vec<SessionBody>,
    /// Everything that happened to them, oldest first.
    events: Vec<EventBody>,
    /// The messages that they were to get.
    notifications: Vec<NotificationBody>,
}

/// Read everything that is kept of one user, as one document.
///
/// For the person themselves, or for whoever may read users. A stream of any length; it breaks off before its end when
/// something stops answering on the way.
#[utoipa::path(
    get, path = "/v1/users/{id}/export", tag = "users", operation_id = "export_user",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), ReadAfter),
    responses(
        (status = 200, description = "The document", body = SubjectExport, example = json!({
            "exported_at": "2026-01-05T00:00:00.000001Z", "user": examples::user(),
            "preferences": examples::preferences(), "sessions": [],
            "events": [examples::event()],
            "notifications": []
        })),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn export(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    let at_least = caller.since_signed(at_least);
    if caller.user() != id {
        caller.require(Permission::USERS_READ)?;
    }
    let user = get::row(&state, id, &at_least).await?;
    let preferences = json(&PreferencesBody::from(&user.preferences))?;
    let sessions = sessions::holding(&state, &user, &at_least).await?;
    let sessions: Vec<_> = sessions.into_iter().map(|row| SessionBody::new(row, caller.claims.sid)).collect();
    let body = bodies(&state, &[user], &at_least).await?.pop().ok_or_else(Problem::not_found)?;
    let (now, body, sessions) = (json(&state.context.clock.now())?, json(&body)?, json(&sessions)?);
    let head = format!("{{\"exported_at\":{now},\"user\":{body},\"preferences\":{preferences},\"sessions\":{sessions}");
    let writing = Writing { state, id, after: Version::NONE, notifications: Vec::new(), part: Part::Head(head) };
    let parts = stream::try_unfold(writing, Writing::next);
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(parts)).into_response())
}

/// How far the document is written.
struct Writing {
    state: AppState,
    id: UserId,
    after: Version,
    notifications: Vec<NotificationId>,
    part: Part,
}

enum Part {
    Head(String),
    Events,
    Notifications,
    End,
}

impl Writing {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        let text = match std::mem::replace(&mut self.part, Part::End) {
            Part::Head(head) => {
                self.part = Part::Events;
                head + ",\"events\":["
            }
            Part::Events => self.events().await?,
            Part::Notifications => self.messages().await?,
            Part::End => return Ok(None),
        };
        Ok(Some((text.into(), self)))
    }

    /// A page of the history. Its commits are few KB each, so the memory that it takes is bounded.
    async fn events(&mut self) -> Result<String, Problem> {
        let range = Range { after: self.after, until: None };
        let size = usize::from(PAGE_OF_AN_EXPORT.get());
        let commits = self.state.context.store().read::<UserEvent>(self.id.into(), range, size).await?;
        let mut text = String::new();
        for event in commits.iter().flat_map(|commit| &commit.events) {
            self.notifications.extend(UserEvent::reaction(event).map(|reaction| reaction.id));
            if event.version > Version(1) || event.index > 0 {
                text.push(',');
            }
            text.push_str(&json(&EventBody::from(event))?);
        }
        match commits.last() {
            Some(last) if commits.len() == size => {
                self.after = last.version;
                self.part = Part::Events;
            }
            _ => {
                text.push_str("],\"notifications\":[");
                self.part = Part::Notifications;
            }
        }
        Ok(text)
    }

    async fn messages(&mut self) -> Result<String, Problem> {
        let mut bodies = Vec::with_capacity(self.notifications.len());
        for id in &self.notifications {
            let row = self.state.notifications.get(id.0, false).await?;
            bodies.extend(row.as_ref().map(|row| json(&NotificationBody::from(row))).transpose()?);
        }
        Ok(bodies.join(",") + "]}")
    }
}

fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|_| Problem::internal())
}
