//! `POST /v1/auth/refresh`

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    envelope::Actor,
    session::SessionCommand,
    user::{Status, UserState},
};
use platform::{
    http::{
        Problem,
        documented::{Bodied, Served, Throttled},
        fields::Fields,
        json::{Body, KnownFields},
    },
    sessions::SessionRow,
    store::Intent,
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    client::Client,
    ending::Ending,
    limits,
    tokens::{RefreshToken, TokenPair},
};
use crate::{
    command::{metadata, nothing_taken, problem},
    state::AppState,
    throttle::Tally,
};

/// How long the last but one token still gets the last one again: the answer to its first use may have been lost, and
/// clients refresh from several places at once (RFC 9700 §4.14.2 leaves the choice open).
const GRACE: TimeDelta = TimeDelta::seconds(30);

/// How often a rotation that others overtook is looked at again. The second look finds their successor; the third is for
/// a chain of them.
const LOOKS: usize = 3;

/// What is refreshed.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "refresh_token": "0190b1a5-3c1d-7e2f-9a0b-1c2d3e4f5a6b.1.bWFj" }))]
pub struct RefreshRequest {
    /// The refresh token of the last answer.
    #[schema(required, nullable = false, value_type = String, example = "0190b1a5-3c1d-7e2f-9a0b-1c2d3e4f5a6b.1.bWFj")]
    refresh_token: Option<SecretString>,
}

impl KnownFields for RefreshRequest {
    const FIELDS: &'static [&'static str] = &["refresh_token"];
}

/// Get the next pair of tokens.
///
/// Each refresh token works once. The last one gets the same successor again for 30 seconds; an older one means that
/// somebody has a copy, and ends the session.
#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "sign-in", operation_id = "refresh",
    request_body = RefreshRequest,
    responses(
        (
            status = 200, description = "The next pair",
            headers(
                ("RateLimit" = String, description = "As with 429, where the client's address is known"),
                ("RateLimit-Policy" = String, description = "As with 429"),
            ),
            body = TokenPair
        ),
        (
            status = 401, description = "`invalid-refresh-token`: no such session, over, replaced, or its user is not active",
            headers(
                ("RateLimit" = String, description = "As with 429, where the client's address is known"),
                ("RateLimit-Policy" = String, description = "As with 429"),
            ),
            body = Problem,
            content_type = "application/problem+json"
        ),
        Throttled, Served, Bodied,
    )
)]
pub async fn refresh(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<RefreshRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let mut fields = Fields::default();
    let token = fields.required("/refresh_token", request.refresh_token, Ok);
    let token = fields.finish(token)?;
    let _attempt = state.throttle.admit(&tally, limits::refresh(&state.throttle, &client)).await?;
    let token = RefreshToken::open(&token, &state.refresh_key).ok_or_else(invalid)?;
    for _ in 0..LOOKS {
        let now = state.context.clock.now();
        let row = state.sessions.get(token.session).await?.ok_or_else(invalid)?;
        let user = active(&state, &row, now).await?;
        match choose(&row, token.number, now) {
            Choice::Same => {
                return TokenPair::of(&state, &user, row.session, (row.number, row.started_at), now).map(Json);
            }
            Choice::Next => {
                let next = next(&row, &client, now);
                if state.sessions.advance(row.number, &next).await? {
                    return TokenPair::of(&state, &user, next.session, (next.number, next.started_at), now).map(Json);
                }
            }
            Choice::Reused => {
                end(&state, &row).await?;
                return Err(invalid());
            }
        }
    }
    Err(Problem::overloaded())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// A successor is made.
    Next,
    /// The successor that there is already.
    Same,
    /// Somebody has a copy.
    Reused,
}

fn choose(row: &SessionRow, number: u64, now: DateTime<Utc>) -> Choice {
    match row.number.checked_sub(number) {
        Some(0) => Choice::Next,
        Some(1) if now - row.refreshed_at <= GRACE => Choice::Same,
        // A number that is still to come has our MAC and was never given away: the row was put back, or worse.
        _ => Choice::Reused,
    }
}

fn next(row: &SessionRow, client: &Client, now: DateTime<Utc>) -> SessionRow {
    SessionRow {
        number: row.number + 1,
        refreshed_at: now,
        address: client.address,
        device: client.device.clone(),
        expires_at: SessionRow::end(row.started_at, now).timestamp(),
        ..row.clone()
    }
}

/// The session's user, if both still count.
async fn active(state: &AppState, row: &SessionRow, now: DateTime<Utc>) -> Result<UserState, Problem> {
    let user = state.context.users.load(row.user.into()).await?.state;
    let counts = |user: &UserState| user.status == Status::Active && row.holds(user.sessions_since, now);
    user.filter(counts).ok_or_else(invalid)
}

async fn end(state: &AppState, row: &SessionRow) -> Result<(), Problem> {
    tracing::warn!(session = %row.session, user = %row.user, "a refresh token was reused: its session ends");
    let ending = Ending { state, session: row.session, owner: row.user, wish: SessionCommand::EndReused };
    let intent = Intent::of(metadata(Actor::System, None));
    let executed = state.session_streams.execute(row.session.into(), &intent, ending);
    executed.await.map(drop).map_err(|error| problem(error, nothing_taken))
}

/// One answer for everything: it tells neither whether there is such a session nor what became of it.
fn invalid() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid-refresh-token", "The refresh token is not valid")
}

#[cfg(test)]
mod tests {
    use events::{
        ids::{SessionId, UserId, derive},
        stream::Version,
    };

    use super::*;

    fn row(number: u64) -> SessionRow {
        SessionRow {
            session: SessionId(derive(&["session"])),
            user: UserId(derive(&["ada"])),
            user_version: Version(1),
            number,
            started_at: DateTime::UNIX_EPOCH,
            refreshed_at: DateTime::UNIX_EPOCH,
            address: None,
            device: None,
            expires_at: 1,
        }
    }

    #[test]
    fn the_last_token_goes_on_the_one_before_gets_the_same_for_a_while_and_an_older_one_is_a_copy() {
        let now = DateTime::UNIX_EPOCH + GRACE;
        assert_eq!(choose(&row(5), 5, now), Choice::Next);
        assert_eq!(choose(&row(5), 4, now), Choice::Same);
        assert_eq!(choose(&row(5), 4, now + TimeDelta::microseconds(1)), Choice::Reused);
        assert_eq!(choose(&row(5), 3, now), Choice::Reused);
        assert_eq!(choose(&row(5), 6, now), Choice::Reused);
    }
}
