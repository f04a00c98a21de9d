//! `POST /v1/auth/login`

use axum::{Json, extract::State, http::StatusCode};
use platform::{
    http::{
        Problem,
        documented::{Bodied, Served, Throttled, values},
        fields::Fields,
        json::{Body, KnownFields},
    },
    telemetry::metrics::SIGN_INS,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    begin::{Shown, start},
    client::Client,
    code::invalid_code,
    first_factor::{Admitted, admitted},
    second_factor,
    set_password::SettingPassword,
    tokens::TokenPair,
};
use crate::{
    codes,
    passwords::{check_length, check_length_beside_a_factor},
    state::AppState,
    throttle::Tally,
};

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
    #[schema(value_type = Option<values::NewPassword>)]
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
    let signed_in = sign_in(&state, client, &tally, request).await;
    let result = match &signed_in {
        Ok(_) => "succeeded",
        Err(problem) => problem.code,
    };
    SIGN_INS.add(1, [result.into()]);
    signed_in.map(Json)
}

async fn sign_in(state: &AppState, client: Client, tally: &Tally, request: LoginRequest) -> Result<TokenPair, Problem> {
    let mut fields = Fields::default();
    let identifier = fields.required("/identifier", request.identifier, Ok);
    let password = fields.required("/password", request.password, Ok);
    let code = fields.optional("/code", request.code, codes::check_length);
    let new =
        fields.optional("/new_password", request.new_password, |new| check_length_beside_a_factor(&new).map(|()| new));
    let (identifier, password) = fields.finish(identifier.zip(password))?;

    let (enough_alone, old) = (check_length(&password).is_ok(), password.clone());
    let Admitted { user, devices, attempt, place } = admitted(state, tally, &client, &identifier, password).await?;
    let beginning = async {
        let used = match code {
            _ if user.factors.is_empty() => None,
            None => return Err(second_factor::required(&user)),
            Some(code) => {
                Some(second_factor::check(state, tally, &user, code.expose_secret()).await?.ok_or_else(invalid_code)?)
            }
        };
        let user = match new {
            Some(new) => SettingPassword::instead_of(old, state, &user).set(&place, new, "/new_password").await?,
            None if user.password_change_required => return Err(password_change_required()),
            // It was set when there was a second factor, or by another system.
            None if user.factors.is_empty() && !enough_alone => return Err(password_change_required()),
            None => user,
        };
        start(state, &user, client, Shown::Now(used), devices).await
    };
    let (started, ()) = tokio::join!(beginning, attempt.succeeded());
    started
}

fn password_change_required() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "password-change-required", "Another password has to be chosen")
        .detail("sign in again, with new_password beside the password")
}
