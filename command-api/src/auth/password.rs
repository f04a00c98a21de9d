//! `POST /v1/auth/password`

use axum::{Json, extract::State};
use events::{
    decider::Decider,
    envelope::Actor,
    stream::Version,
    user::{Status, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Email, PersonName, Username},
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        documented::{Bodied, Erasable, Guarded, Named, Served, Throttled, values},
        fields::Fields,
        json::{Body, KnownFields},
    },
    store::{Command, Companions, Draft, Folded, Intent},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    client::Client,
    limits,
    login::{overloaded, start},
    tokens::TokenPair,
};
use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    passwords::{Verified, check_length},
    state::AppState,
    throttle::Tally,
};

/// A new password for the old one.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "current_password": "correct horse battery staple", "new_password": "wind 7 over the grey harbour"
}))]
pub struct ChangePassword {
    /// The password of now.
    #[schema(required, nullable = false, value_type = String, format = Password, example = "correct horse battery staple")]
    current_password: Option<SecretString>,
    /// The password from now on.
    #[schema(required, nullable = false, value_type = values::Password)]
    new_password: Option<SecretString>,
}

impl KnownFields for ChangePassword {
    const FIELDS: &'static [&'static str] = &["current_password", "new_password"];
}

/// Change your own password.
///
/// All sessions end, and a new one begins: its tokens are the answer.
#[utoipa::path(
    post, path = "/v1/auth/password", tag = "sign-in", operation_id = "change_password",
    security(("bearer" = [])),
    request_body = ChangePassword,
    responses(
        (
            status = 200, description = "Changed; the tokens of a new session",
            headers(
                ("RateLimit" = String, description = "As with 429"),
                ("RateLimit-Policy" = String, description = "As with 429"),
            ),
            body = TokenPair
        ),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Throttled, Served, Bodied, Named, Erasable,
    )
)]
pub async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    tally: Tally,
    Body(request): Body<ChangePassword>,
) -> Result<Json<TokenPair>, Problem> {
    let mut fields = Fields::default();
    let current = fields.required("/current_password", request.current_password, Ok);
    let new = fields.required("/new_password", request.new_password, |new| check_length(&new).map(|()| new));
    let (current, new) = fields.finish(current.zip(new))?;

    let counters = limits::old_password(&state.throttle, caller.claims.sid);
    let attempt = state.throttle.admit(&tally, counters).await?;
    let id = caller.user();
    let user = state.context.users.load(id.into()).await?.state.ok_or_else(Problem::not_found)?;
    let stored = state.credentials.password_hash(id).await?;
    let verified = match state.passwords.verify(current, stored).await {
        Ok(verified) => verified,
        Err(error) => {
            attempt.not_made().await;
            return Err(overloaded(error));
        }
    };
    if verified == Verified::No {
        let wrong = "is not your password";
        return Err(Problem::invalid(Vec::new()).error("/current_password", "wrong-password", wrong));
    }
    attempt.succeeded().await;
    judge(&state, &new, "/new_password", &words(&user)).await?;
    let hash = state.passwords.hash(new).await.map_err(overloaded)?;
    let intent = Intent::of(metadata(Actor::User(id), None));
    let setting =
        SettingPassword { state: &state, wish: UserCommand::ChangePassword, hash, shown: user.sessions_since };
    let executed = state.context.users.execute(id.into(), &intent, setting).await;
    let folded = executed.map_err(|error| problem(error, nothing_taken))?.folded;
    let user = folded.state.filter(|user| user.status == Status::Active).ok_or_else(Problem::unauthenticated)?;
    start(&state, &user, client).await.map(Json)
}

/// Refuses a password that whoever knows its user would guess.
///
/// # Errors
/// 422 at `pointer`; 503.
pub async fn judge(state: &AppState, password: &SecretString, pointer: &str, context: &[&str]) -> Result<(), Problem> {
    let context = context.iter().map(|word| (*word).to_owned()).collect();
    let judged = state.passwords.judge(password.clone(), context).await.map_err(overloaded)?;
    judged.map_err(|invalid| Problem::invalid(Vec::new()).error(pointer, invalid.code, invalid.message))
}

/// What everybody knows of a user.
fn words(user: &UserState) -> Vec<&str> {
    let sign_in = [user.email.known().map(Email::as_str), user.username.known().map(Username::as_str)];
    let names = [user.first_name.known(), user.last_name.known()].map(|name| name.map(PersonName::as_str));
    sign_in.into_iter().chain(names).flatten().collect()
}

/// The command: the new hash, and the end of all tokens, go along with the commit.
struct SettingPassword<'a> {
    state: &'a AppState,
    wish: UserCommand,
    hash: String,
    /// Since when sessions counted as the old password was shown: it has to be the password still.
    shown: Version,
}

impl Command<User> for SettingPassword<'_> {
    type Refusal = Refused<UserRefusal>;

    async fn authorise(&self, folded: &Folded<Option<UserState>>) -> Result<(), Self::Refusal> {
        match &folded.state {
            Some(user) if user.sessions_since != self.shown => Err(Refused::with(Problem::unauthenticated())),
            _ => Ok(()),
        }
    }

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        Ok(User::decide(&folded.state, self.wish.clone())?)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        let Some(user) = &draft.after().state else { return Ok(Companions::new()) };
        let (rights, now) = (&self.state.context.rights, self.state.context.clock.now());
        let void = rights.void_user_action(user.id, user.version, now).map_err(Refused::with)?;
        let set = self.state.credentials.set_password_action(user.id, &self.hash).map_err(Refused::with)?;
        Ok(vec![void, set])
    }
}
