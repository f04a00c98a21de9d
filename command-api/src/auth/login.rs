//! `POST /v1/auth/login`

use aws_sdk_dynamodb::types::TransactWriteItem;
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    claim::Claim,
    decider::Decider,
    envelope::Actor,
    ids::SessionId,
    session::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionStarted},
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
    store::{Command, Companions, Draft, Folded, Intent},
    tokens::{ACCESS_TOKEN_LIFETIME, AUDIENCE, Claims},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    passwords::PasswordError,
    state::AppState,
};

/// How long a session lasts without being used.
const SESSION_LIFETIME: TimeDelta = TimeDelta::days(30);

/// Longest identifier that is looked at, in bytes: no e-mail address or user name is longer.
const MAX_IDENTIFIER_BYTES: usize = 1_024;

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

/// What a sign-in gives.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer",
    "expires_in": 600, "refresh_token": "0190b1a5-3c1d-7e2f-9a0b-1c2d3e4f5a6b.1.bWFj"
}))]
pub struct LoginAnswer {
    /// For the `Authorization` header (RFC 9068).
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds for which the access token is good.
    #[schema(minimum = 0, maximum = 600)]
    expires_in: i64,
    /// For the next access token.
    refresh_token: String,
}

/// Sign in.
///
/// No answer and no timing tells whether an account exists.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "sign-in", operation_id = "login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Signed in", body = LoginAnswer),
        (status = 401, description = "`invalid-credentials`: no such account, wrong password, or not active", body = Problem, content_type = "application/problem+json"),
        Served, Bodied,
    )
)]
pub async fn login(
    State(state): State<AppState>,
    Body(request): Body<LoginRequest>,
) -> Result<Json<LoginAnswer>, Problem> {
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
        Some(user) if matches && user.status == Status::Active => start(&state, &user).await.map(Json),
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

async fn start(state: &AppState, user: &UserState) -> Result<LoginAnswer, Problem> {
    let now = state.context.clock.now();
    let session = SessionId(state.context.clock.new_id());
    let expires_at = now + SESSION_LIFETIME;
    let wish = SessionStarted { user_id: user.id, expires_at };
    let family = state.credentials.begin_family_action(session, user.id, expires_at)?;
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    let started = state.sessions.execute(session.into(), &intent, Starting { wish, family }).await;
    started.map_err(|error| problem(error, nothing_taken))?;
    tokens(state, user, session, now)
}

/// A session begins together with its family of refresh tokens.
struct Starting {
    wish: SessionStarted,
    family: TransactWriteItem,
}

impl Command<Session> for Starting {
    type Refusal = Refused<SessionRefusal>;

    fn decide(&self, folded: &Folded<Option<SessionStarted>>) -> Result<Vec<SessionEvent>, Self::Refusal> {
        Ok(Session::decide(&folded.state, SessionCommand::Start(self.wish.clone()))?)
    }

    fn beside(&self, _: &Draft<Session>) -> Result<Companions, Self::Refusal> {
        Ok(vec![self.family.clone()])
    }
}

fn tokens(state: &AppState, user: &UserState, sid: SessionId, now: DateTime<Utc>) -> Result<LoginAnswer, Problem> {
    let ends = user.roles.iter().filter(|role| role.holds_at(now)).filter_map(|role| role.expires_at);
    let end = ends.fold(now + ACCESS_TOKEN_LIFETIME, DateTime::min);
    let claims = Claims {
        iss: state.issuer.clone(),
        sub: user.id,
        aud: AUDIENCE.to_owned(),
        client_id: AUDIENCE.to_owned(),
        exp: end.timestamp(),
        nbf: now.timestamp(),
        iat: now.timestamp(),
        jti: state.context.clock.new_id(),
        sid,
        ver: user.version,
        roles: user.roles.iter().filter(|role| role.holds_at(now)).cloned().collect(),
    };
    let access_token = state.signer.sign(&claims).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "an access token could not be signed");
        Problem::internal()
    })?;
    Ok(LoginAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: (end - now).num_seconds(),
        refresh_token: refresh_token(state, sid, 1),
    })
}

/// Family, number and their MAC: nothing secret is stored, and a successor can be computed again.
fn refresh_token(state: &AppState, family: SessionId, number: u64) -> String {
    let number = number.to_string();
    let tag = state.refresh_key.tag(&[family.to_string().as_bytes(), number.as_bytes()]);
    format!("{family}.{number}.{tag}")
}
