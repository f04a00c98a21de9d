//! `POST /v1/auth/login/code`

use axum::{extract::State, http::StatusCode};
use events::user::{CodePurpose, Factor};
use platform::http::{
    Problem,
    documented::{Bodied, Served, Throttled},
    fields::Fields,
    json::{Body, KnownFields},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    client::Client,
    code::send,
    first_factor::{Admitted, admitted},
    limits::Asking,
};
use crate::{state::AppState, throttle::Tally};

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
    let Admitted { user, attempt, .. } = admitted(&state, &tally, &client, &identifier, password).await?;
    attempt.succeeded().await;
    if !user.factors.contains(&Factor::Sms) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no-such-factor",
            "Text messages are no second factor of the account",
        ));
    }
    send(&state, &tally, Asking::Owner(&client), &user, CodePurpose::SignIn).await?;
    Ok(StatusCode::ACCEPTED)
}
