//! `POST /v1/auth/password-reset`, and its confirmation

use axum::{extract::State, http::StatusCode};
use events::user::{CodePurpose, Status, UserCommand};
use platform::http::{
    Problem,
    documented::{Bodied, Served, Throttled, values},
    fields::Fields,
    json::{Body, KnownFields},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::{
    client::Client,
    code::{check, invalid_code, send},
    first_factor::{REFUSED_AFTER, find, overloaded, sign_in_name},
    limits::{self, Asking},
    set_password::SettingPassword,
};
use crate::{codes, passwords::check_length_beside_a_factor, state::AppState, throttle::Tally};

/// Whose password is forgotten.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com" }))]
pub struct Forgotten {
    /// E-mail address or user name.
    #[schema(required, nullable = false, value_type = String, example = "ada@example.com")]
    identifier: Option<String>,
}

impl KnownFields for Forgotten {
    const FIELDS: &'static [&'static str] = &["identifier"];
}

/// A new password for a code.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "identifier": "ada@example.com", "code": "27182818", "new_password": "wind 7 over the grey harbour"
}))]
pub struct ResetPassword {
    /// E-mail address or user name.
    #[schema(required, nullable = false, value_type = String, example = "ada@example.com")]
    identifier: Option<String>,
    /// The code of the text message.
    #[schema(required, nullable = false, value_type = values::Code)]
    code: Option<SecretString>,
    /// The password from now on.
    #[schema(required, nullable = false, value_type = values::NewPassword)]
    new_password: Option<SecretString>,
}

impl KnownFields for ResetPassword {
    const FIELDS: &'static [&'static str] = &["identifier", "code", "new_password"];
}

/// Ask for a code to set a new password with.
///
/// If there is an active user of that name they are sent a text message with a code that is good for 10 minutes and once;
/// one who was invited is invited again. The answer is the same whether there is one or not, and so is its time.
#[utoipa::path(
    post, path = "/v1/auth/password-reset", tag = "sign-in", operation_id = "request_password_reset",
    request_body = Forgotten,
    responses(
        (status = 202, description = "If there is such a user, a message is on its way"),
        Throttled, Served, Bodied,
    )
)]
pub async fn request(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<Forgotten>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let identifier = fields.finish(identifier)?;

    let name = sign_in_name(&identifier);
    let _asked = state.throttle.admit(&tally, limits::ask_for_code(&state.throttle, name.as_ref(), &client)).await?;
    let later = state.clone();
    state.later.begin("sending a code to reset a password", async move {
        let Some(user) = find(&later, name.as_ref()).await?.user else { return Ok(()) };
        // Nobody is told.
        let tally = Tally::default();
        match user.status {
            Status::Active => send(&later, &tally, Asking::Anybody, &user, CodePurpose::PasswordReset).await,
            Status::Invited => send(&later, &tally, Asking::Anybody, &user, CodePurpose::Invitation).await,
            Status::Suspended | Status::Erased => Ok(()),
        }
    })?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with a code.
///
/// All sessions end. Sign in with the new password then.
#[utoipa::path(
    post, path = "/v1/auth/password-reset/confirm", tag = "sign-in", operation_id = "confirm_password_reset",
    request_body = ResetPassword,
    responses(
        (status = 204, description = "The password is set"),
        (status = 401, description = "`invalid-code`: no such account, wrong code, or one that is not good any more", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Throttled, Served, Bodied,
    )
)]
pub async fn confirm(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<ResetPassword>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let code = fields.required("/code", request.code, codes::check_length);
    let new =
        fields.required("/new_password", request.new_password, |new| check_length_beside_a_factor(&new).map(|()| new));
    let ((identifier, code), new) = fields.finish(identifier.zip(code).zip(new))?;

    let name = sign_in_name(&identifier);
    let place = state.passwords.place().map_err(overloaded)?;
    let _tried = state.throttle.admit(&tally, limits::show_code(&state.throttle, name.as_ref(), &client)).await?;
    let refused_at = Instant::now() + REFUSED_AFTER;
    let shown = check(&state, name.as_ref(), CodePurpose::PasswordReset, code.expose_secret()).await?;
    let Some((user, shown)) = shown.filter(|(user, _)| user.status == Status::Active) else {
        drop(place);
        sleep_until(refused_at).await;
        return Err(invalid_code());
    };
    SettingPassword::by(shown, &state, UserCommand::ChangePassword, &user).set(&place, new, "/new_password").await?;
    Ok(StatusCode::NO_CONTENT)
}
