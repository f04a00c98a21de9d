//! `POST /v1/auth/password`

use axum::{Json, extract::State};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, Throttled, values},
    fields::Fields,
    json::{Body, KnownFields},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    begin::{Shown, start},
    client::Client,
    first_factor::overloaded,
    limits,
    set_password::SettingPassword,
    tokens::TokenPair,
};
use crate::{
    passwords::{Verified, check_length_beside_a_factor},
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
    #[schema(required, nullable = false, value_type = values::NewPassword)]
    new_password: Option<SecretString>,
}

impl KnownFields for ChangePassword {
    const FIELDS: &'static [&'static str] = &["current_password", "new_password"];
}

/// Change your own password.
///
/// All sessions end, and a new one takes the place of this one: its tokens are the answer. It is no new sign-in, and lasts no
/// longer than this one would have.
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
    let new =
        fields.required("/new_password", request.new_password, |new| check_length_beside_a_factor(&new).map(|()| new));
    let (current, new) = fields.finish(current.zip(new))?;

    let place = state.passwords.place().map_err(overloaded)?;
    let counters = limits::old_password(&state.throttle, caller.claims.sid);
    let attempt = state.throttle.admit(&tally, counters).await?;
    let id = caller.user();
    let checking = async {
        let user = state.context.users.load(id.into()).await?.state.ok_or_else(Problem::not_found)?;
        let stored = state.credentials.password_hash(id).await?;
        Ok::<_, Problem>((user, place.verify(current.clone(), stored).await.map_err(overloaded)?))
    };
    let (user, verified) = match checking.await {
        Ok(checked) => checked,
        Err(problem) => {
            attempt.not_made().await;
            return Err(problem);
        }
    };
    if verified == Verified::No {
        let wrong = "is not your password";
        return Err(Problem::invalid(Vec::new()).error("/current_password", "wrong-password", wrong));
    }
    attempt.succeeded().await;
    let user = SettingPassword::instead_of(current, &state, &user).set(&place, new, "/new_password").await?;
    let devices = state.devices.known(id).await?;
    // Who shows a password alone has not signed in again.
    start(&state, &user, client, Shown::At(caller.claims.auth_time), devices).await.map(Json)
}
