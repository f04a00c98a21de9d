//! `POST /v1/auth/login`

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use chrono::DateTime;
use events::{
    claim::Claim,
    decider::Decider,
    envelope::Actor,
    ids::{SessionId, UserId},
    session::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionStarted, SessionState},
    stream::Category,
    user::{CodePurpose, Factor, Status, UserCommand, UserState},
};
use platform::{
    crypto::KeyError,
    http::{
        Problem,
        documented::{Bodied, Served, Throttled, values},
        fields::Fields,
        json::{Body, KnownFields},
    },
    sessions::SessionRow,
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent, StoreError},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::{
    client::Client,
    code::{invalid_code, send},
    limits,
    second_factor::{self, SecondFactor},
    set_password::SettingPassword,
    tokens::TokenPair,
};
use crate::{
    codes,
    command::{Refused, metadata, nothing_taken, problem},
    passwords::{PasswordError, Verified, check_length},
    state::AppState,
    throttle::{Attempt, Tally},
};

/// Longest identifier that is looked at, in bytes: no e-mail address or user name is longer.
const MAX_IDENTIFIER_BYTES: usize = 1_024;

/// A refused sign-in is answered no earlier than this after it was let through. The work is the same for every account but
/// for hashes that other systems made, and for the size of what is read: most such hashes (bcrypt up to cost 11, PBKDF2 as
/// OWASP asks for it) are checked within this time, on a machine that is not overloaded.
pub(super) const REFUSED_AFTER: Duration = Duration::from_millis(300);

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
    /// Another password from now on. All other sessions end.
    #[schema(value_type = Option<values::Password>)]
    new_password: Option<SecretString>,
    /// The code of a second factor, where the account has one: of an authenticator, of a text message, or a recovery code.
    #[schema(value_type = Option<values::Code>)]
    code: Option<SecretString>,
}

impl KnownFields for LoginRequest {
    const FIELDS: &'static [&'static str] = &["identifier", "password", "new_password", "code"];
}

/// Sign in.
///
/// No answer and no timing tells whether an account exists.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "sign-in", operation_id = "login",
    request_body = LoginRequest,
    responses(
        (
            status = 200, description = "Signed in",
            headers(
                ("RateLimit" = String, description = "As with 429, where the client's address is known"),
                ("RateLimit-Policy" = String, description = "As with 429"),
            ),
            body = TokenPair
        ),
        (
            status = 401, description = "`invalid-credentials`: no such account, wrong password, or not active; or `invalid-code`: it is the password, and not the code of a second factor",
            headers(
                ("RateLimit" = String, description = "As with 429, where the client's address is known"),
                ("RateLimit-Policy" = String, description = "As with 429"),
            ),
            body = Problem,
            content_type = "application/problem+json"
        ),
        (status = 403, description = "It is the password, and more is needed: `second-factor-required`: send `code`, too; `password-change-required`: send `new_password`, too", body = Problem, content_type = "application/problem+json"),
        Throttled, Served, Bodied,
    )
)]
pub async fn login(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<LoginRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let password = fields.required("/password", request.password, Ok);
    let code = fields.optional("/code", request.code, codes::check_length);
    let new = fields.optional("/new_password", request.new_password, |new| check_length(&new).map(|()| new));
    let (identifier, password) = fields.finish(identifier.zip(password))?;

    let (user, attempt) = admitted(&state, &tally, &client, &identifier, password).await?;
    let beginning = async {
        let used = match code {
            _ if user.factors.is_empty() => None,
            None => return Err(second_factor::required(&user)),
            Some(code) => Some(
                second_factor::check(&state, &tally, &user, code.expose_secret()).await?.ok_or_else(invalid_code)?,
            ),
        };
        let user = match new {
            Some(new) => {
                SettingPassword::of(&state, UserCommand::ChangePassword, &user).set(new, "/new_password").await?
            }
            None if user.password_change_required => return Err(password_change_required()),
            None => user,
        };
        start(&state, &user, client, Shown::Now(used)).await
    };
    let (started, ()) = tokio::join!(beginning, attempt.succeeded());
    started.map(Json)
}

/// Who wants a code for a sign-in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com", "password": "correct horse battery staple" }))]
pub struct SendCode {
    /// E-mail address or user name.
    #[schema(required, nullable = false, value_type = String, example = "ada@example.com")]
    identifier: Option<String>,
    /// The password.
    #[schema(required, nullable = false, value_type = String, format = Password, example = "correct horse battery staple")]
    password: Option<SecretString>,
}

impl KnownFields for SendCode {
    const FIELDS: &'static [&'static str] = &["identifier", "password"];
}

/// Have the code of a text message sent, to sign in with.
///
/// It counts as a sign-in does. The code is good for 10 minutes and once.
#[utoipa::path(
    post, path = "/v1/auth/login/code", tag = "sign-in", operation_id = "send_login_code",
    request_body = SendCode,
    responses(
        (status = 202, description = "A message is on its way"),
        (status = 401, description = "`invalid-credentials`: no such account, wrong password, or not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`no-such-factor`: it is the password, and text messages are no second factor of the account", body = Problem, content_type = "application/problem+json"),
        Throttled, Served, Bodied,
    )
)]
pub async fn send_code(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<SendCode>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let password = fields.required("/password", request.password, Ok);
    let (identifier, password) = fields.finish(identifier.zip(password))?;
    let (user, attempt) = admitted(&state, &tally, &client, &identifier, password).await?;
    attempt.succeeded().await;
    if !user.factors.contains(&Factor::Sms) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no-such-factor",
            "Text messages are no second factor of the account",
        ));
    }
    send(&state, &tally, &user, CodePurpose::SignIn).await?;
    Ok(StatusCode::ACCEPTED)
}

fn password_change_required() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "password-change-required", "Another password has to be chosen")
        .detail("sign in again, with new_password beside the password")
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

/// The user whose password was shown, and the attempt, which has to be told how it ends.
async fn admitted<'a>(
    state: &'a AppState,
    tally: &Tally,
    client: &Client,
    identifier: &str,
    password: SecretString,
) -> Result<(UserState, Attempt<'a>), Problem> {
    let name = sign_in_name(identifier);
    let attempt = state.throttle.admit(tally, limits::sign_in(&state.throttle, name.as_ref(), client)).await?;
    let refused_at = Instant::now() + REFUSED_AFTER;
    match check(state, name.as_ref(), password).await {
        Ok(Some(user)) => Ok((user, attempt)),
        Ok(None) => {
            sleep_until(refused_at).await;
            Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid-credentials", "The sign-in was refused"))
        }
        Err(problem) => {
            attempt.not_made().await;
            Err(problem)
        }
    }
}

/// The user of that name, if they may sign in and it is their password.
async fn check(state: &AppState, name: Option<&Claim>, password: SecretString) -> Result<Option<UserState>, Problem> {
    let Found { user, hash, .. } = find(state, name).await?;
    let verified = state.passwords.verify(password, hash.clone()).await.map_err(overloaded)?;
    let user = user.filter(|user| verified != Verified::No && user.status == Status::Active);
    if let (Verified::Rehashed(new), Some(user), Some(old)) = (&verified, &user, hash) {
        state.credentials.replace_password_hash(user.id, &old, new).await?;
    }
    Ok(user)
}

/// What somebody signs in with, unless it is longer than any name.
pub(super) fn sign_in_name(identifier: &str) -> Option<Claim> {
    (identifier.len() <= MAX_IDENTIFIER_BYTES).then(|| Claim::sign_in(identifier))
}

/// The user of a name.
pub(super) struct Found {
    /// Theirs, or of nobody.
    pub(super) id: UserId,
    pub(super) user: Option<UserState>,
    /// Of their password.
    pub(super) hash: Option<String>,
}

/// The user of that name with their password's hash. Of a name that nobody has, the same is read of somebody who does not
/// exist: the number and kinds of the reads tell nothing. The user's key is read anew, because whether this process has it
/// open would tell, too.
pub(super) async fn find(state: &AppState, name: Option<&Claim>) -> Result<Found, Problem> {
    let store = state.context.store();
    let owner = match name {
        Some(name) => store.owner_of(name).await?.filter(|owner| owner.category == Category::User),
        None => None,
    };
    let id = UserId(owner.map_or_else(|| state.context.clock.new_id(), |owner| owner.id));
    match store.keyring().load_now(id.into()).await {
        Ok(_) | Err(KeyError::Missing(_)) => (),
        Err(error) => return Err(StoreError::from(error).into()),
    }
    let folded = async { Ok::<_, Problem>(state.context.users.load(id.into()).await?.state) };
    let hash = async { Ok(state.credentials.password_hash(id).await?) };
    let (user, hash) = tokio::try_join!(folded, hash)?;
    Ok(Found { id, user, hash })
}

/// When a user has shown who they are.
pub(super) enum Shown {
    /// Just now, with this beside the password.
    Now(Option<SecondFactor>),
    /// When the session began that this one takes the place of, in epoch seconds.
    At(i64),
}

/// Begins a session of a user who has shown who they are.
///
/// # Errors
/// When the log does not answer.
pub(super) async fn start(
    state: &AppState,
    user: &UserState,
    client: Client,
    shown: Shown,
) -> Result<TokenPair, Problem> {
    let now = state.context.clock.now();
    let (shown, began) = match shown {
        Shown::Now(shown) => (shown, now),
        Shown::At(seconds) => (None, DateTime::from_timestamp(seconds, 0).unwrap_or_default().min(now)),
    };
    let session = SessionId(state.context.clock.new_id());
    let expires_at = SessionRow::end(began, now);
    let row = SessionRow {
        session,
        user: user.id,
        user_version: user.version,
        number: FIRST,
        started_at: began,
        refreshed_at: now,
        address: client.address,
        device: client.device,
        expires_at: expires_at.timestamp(),
    };
    let family = state.sessions.begin_action(&row)?;
    let wish = SessionStarted { user_id: user.id, expires_at };
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    let mut beside = vec![family];
    if let Some(SecondFactor::Code(shown)) = &shown {
        beside.push(state.codes.use_action(shown)?);
    }
    match state.session_streams.execute(session.into(), &intent, Starting { wish, beside }).await {
        Ok(_) => TokenPair::of(state, user, session, (FIRST, began), now),
        // Another sign-in has used the code.
        Err(ExecuteError::CompanionRefused(_)) if shown.is_some() => Err(invalid_code()),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}

/// A session begins together with its family of refresh tokens, and uses up what was shown for it.
struct Starting {
    wish: SessionStarted,
    beside: Companions,
}

impl Command<Session> for Starting {
    type Refusal = Refused<SessionRefusal>;

    fn decide(&self, folded: &Folded<Option<SessionState>>) -> Result<Vec<SessionEvent>, Self::Refusal> {
        Ok(Session::decide(&folded.state, SessionCommand::Start(self.wish.clone()))?)
    }

    fn beside(&self, _: &Draft<Session>) -> Result<Companions, Self::Refusal> {
        Ok(self.beside.clone())
    }
}
