//! `POST /v1/auth/invitation/accept`

use axum::{Json, extract::State};
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
    begin::{Shown, start},
    client::Client,
    code::{check, invalid_code},
    first_factor::{REFUSED_AFTER, overloaded, sign_in_name},
    limits,
    set_password::SettingPassword,
    tokens::TokenPair,
};
use crate::{codes, passwords::check_length, state::AppState, throttle::Tally};

/// The first password for an invitation's code.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "identifier": "ada@example.com", "code": "27182818", "password": "wind 7 over the grey harbour"
}))]
pub struct AcceptInvitation {
    /// E-mail address or user name.
    #[schema(required, nullable = false, value_type = String, example = "ada@example.com")]
    identifier: Option<String>,
    /// The code of the text message.
    #[schema(required, nullable = false, value_type = values::Code)]
    code: Option<SecretString>,
    /// The password from now on.
    #[schema(required, nullable = false, value_type = values::Password)]
    password: Option<SecretString>,
}

impl KnownFields for AcceptInvitation {
    const FIELDS: &'static [&'static str] = &["identifier", "code", "password"];
}

/// Accept an invitation.
///
/// With the code of the welcome message, which is good for 3 days and once, the first password is set. The answer is the
/// tokens of the first session.
#[utoipa::path(
    post, path = "/v1/auth/invitation/accept", tag = "sign-in", operation_id = "accept_invitation",
    request_body = AcceptInvitation,
    responses(
        (status = 200, description = "The password is set; the tokens of a session", body = TokenPair),
        (status = 401, description = "`invalid-code`: no such account, wrong code, or one that is not good any more", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Throttled, Served, Bodied,
    )
)]
pub async fn accept(
    State(state): State<AppState>,
    client: Client,
    tally: Tally,
    Body(request): Body<AcceptInvitation>,
) -> Result<Json<TokenPair>, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let code = fields.required("/code", request.code, codes::check_length);
    let password = fields.required("/password", request.password, |new| check_length(&new).map(|()| new));
    let ((identifier, code), password) = fields.finish(identifier.zip(code).zip(password))?;

    let name = sign_in_name(&identifier);
    let place = state.passwords.place().map_err(overloaded)?;
    let _tried = state.throttle.admit(&tally, limits::show_code(&state.throttle, name.as_ref(), &client)).await?;
    let refused_at = Instant::now() + REFUSED_AFTER;
    let shown = check(&state, name.as_ref(), CodePurpose::Invitation, code.expose_secret()).await?;
    let Some((user, shown)) = shown.filter(|(user, _)| user.status == Status::Invited) else {
        drop(place);
        sleep_until(refused_at).await;
        return Err(invalid_code());
    };
    let setting = SettingPassword::by(shown, &state, UserCommand::AcceptInvitation, &user);
    let user = setting.set(&place, password, "/password").await?;
    let devices = state.devices.known(user.id).await?;
    start(&state, &user, client, Shown::Now(None), devices).await.map(Json)
}
