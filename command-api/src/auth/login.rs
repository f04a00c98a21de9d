//! `POST /v1/auth/login`

use aws_sdk_dynamodb::types::TransactWriteItem;
use axum::{Json, extract::State, http::StatusCode};
use events::{
    claim::Claim,
    decider::Decider,
    envelope::Actor,
    ids::SessionId,
    session::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionStarted, SessionState},
    stream::Category,
    user::{Status, UserState},
};
use platform::{
    http::{
        Problem,
        documented::{Bodied, Served},
        fields::Fields,
        json::{Body, KnownFields},
    },
    sessions::SessionRow,
    store::{Command, Companions, Draft, Folded, Intent},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{client::Client, tokens::TokenPair};
use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    passwords::PasswordError,
    state::AppState,
};

/// Longest identifier that is looked at, in bytes: no e-mail address or user name is longer.
const MAX_IDENTIFIER_BYTES: usize = 1_024;

/// Number of a session's first refresh token.
const FIRST: u64 = 1;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com", "password": "correct horse battery staple" }))]
pub struct LoginRequest {
    /// E-mail address or user name.
    #[schema(required, nullable = false, value_type = String, example = "ada@example.com")]
    identifier: Option<String>,
    /// The password.
    #[schema(required, nullable = false, value_type = String, format = Password, example = "correct horse battery staple")]
    password: Option<SecretString>,
}

impl KnownFields for LoginRequest {
    const FIELDS: &'static [&'static str] = &["identifier", "password"];
}

/// Sign in.
///
/// No answer and no timing tells whether an account exists.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "sign-in", operation_id = "login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Signed in", body = TokenPair),
        (status = 401, description = "`invalid-credentials`: no such account, wrong password, or not active", body = Problem, content_type = "application/problem+json"),
        Served, Bodied,
    )
)]
pub async fn login(
    State(state): State<AppState>,
    client: Client,
    Body(request): Body<LoginRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let password = fields.required("/password", request.password, Ok);
    let (identifier, password) = fields.finish(identifier.zip(password))?;

    let user = find(&state, &identifier).await?;
    let hash = match &user {
        Some(user) => state.credentials.password_hash(user.id).await?,
        None => None,
    };
    let matches = state.passwords.verify(password, hash).await.map_err(overloaded)?;
    match user {
        Some(user) if matches && user.status == Status::Active => start(&state, &user, client).await.map(Json),
        _ => Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid-credentials", "The sign-in was refused")),
    }
}

/// Sign-in is shed before memory grows or other requests suffer.
pub fn overloaded(error: PasswordError) -> Problem {
    match error {
        PasswordError::Overloaded => Problem::unavailable().detail("too many sign-ins at once"),
        PasswordError::Broken => {
            tracing::error!("a password could not be hashed or checked");
            Problem::internal()
        }
    }
}

async fn find(state: &AppState, identifier: &str) -> Result<Option<UserState>, Problem> {
    if identifier.len() > MAX_IDENTIFIER_BYTES {
        return Ok(None);
    }
    let owner = state.context.store().owner_of(&Claim::sign_in(identifier)).await?;
    match owner.filter(|owner| owner.category == Category::User) {
        Some(owner) => Ok(state.context.users.load(owner).await?.state),
        None => Ok(None),
    }
}

async fn start(state: &AppState, user: &UserState, client: Client) -> Result<TokenPair, Problem> {
    let now = state.context.clock.now();
    let session = SessionId(state.context.clock.new_id());
    let expires_at = SessionRow::end(now, now);
    let row = SessionRow {
        session,
        user: user.id,
        user_version: user.version,
        number: FIRST,
        started_at: now,
        refreshed_at: now,
        address: client.address,
        device: client.device,
        expires_at: expires_at.timestamp(),
    };
    let family = state.sessions.begin_action(&row)?;
    let wish = SessionStarted { user_id: user.id, expires_at };
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    let started = state.session_streams.execute(session.into(), &intent, Starting { wish, family }).await;
    started.map_err(|error| problem(error, nothing_taken))?;
    TokenPair::of(state, user, session, FIRST, now)
}

/// A session begins together with its family of refresh tokens.
struct Starting {
    wish: SessionStarted,
    family: TransactWriteItem,
}

impl Command<Session> for Starting {
    type Refusal = Refused<SessionRefusal>;

    fn decide(&self, folded: &Folded<Option<SessionState>>) -> Result<Vec<SessionEvent>, Self::Refusal> {
        Ok(Session::decide(&folded.state, SessionCommand::Start(self.wish.clone()))?)
    }

    fn beside(&self, _: &Draft<Session>) -> Result<Companions, Self::Refusal> {
        Ok(vec![self.family.clone()])
    }
}
