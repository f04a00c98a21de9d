//! `POST /v1/users`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    decider::Decider,
    ids::UserId,
    permission::Permission,
    user::{Register, User, UserCommand},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::UserBody,
        fields::Fields,
        json::{Body, KnownFields},
    },
    store::Plan,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Refused, problem, taken, whole};
use crate::{
    auth::login::overloaded,
    command::{Ask, IdempotencyKey},
    passwords::Passwords,
    state::AppState,
};

const OPERATION: &str = "create user";

/// A new user.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateUser {
    /// Where mail reaches them; unique among everything that people sign in with.
    #[schema(required, example = "ada@example.com")]
    email: Option<String>,
    /// What they sign in with, beside the address; 3 to 254 letters, digits and `. _ - + @`.
    #[schema(required, example = "ada")]
    username: Option<String>,
    /// Given name, 1 to 100 characters.
    #[schema(required, example = "Ada")]
    first_name: Option<String>,
    /// Family name, 1 to 100 characters.
    #[schema(required, example = "Lovelace")]
    last_name: Option<String>,
    /// Telephone number in E.164 form.
    #[schema(required, example = "+15125550123")]
    phone: Option<String>,
    /// Sets a password, so that they need no invitation; 15 to 128 characters.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// Language tag (BCP 47).
    #[schema(default = "en-US")]
    locale: Option<String>,
    /// IANA time zone.
    #[schema(default = "UTC")]
    time_zone: Option<String>,
}

impl KnownFields for CreateUser {
    const FIELDS: &'static [&'static str] =
        &["email", "username", "first_name", "last_name", "phone", "password", "locale", "time_zone"];
}

/// What makes a request this one; the password is not among it.
#[derive(Serialize)]
struct Fingerprint<'a> {
    email: &'a Email,
    username: &'a Username,
    first_name: &'a PersonName,
    last_name: &'a PersonName,
    phone: &'a Phone,
    locale: &'a Locale,
    time_zone: &'a TimeZone,
    with_password: bool,
}

/// Create a user.
///
/// Without a password the user is `invited`; either way they get one welcome message.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", operation_id = "create_user",
    security(("bearer" = [])),
    request_body = CreateUser,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely")),
    responses(
        (status = 201, description = "Created", body = UserBody,
            headers(("Location" = String), ("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`email-taken`, `username-taken` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Body(request): Body<CreateUser>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let (new, password) = parse(request)?;
    let fingerprint = Fingerprint {
        email: &new.email,
        username: &new.username,
        first_name: &new.first_name,
        last_name: &new.last_name,
        phone: &new.phone,
        locale: &new.locale,
        time_zone: &new.time_zone,
        with_password: new.with_password,
    };
    let id = UserId(key.created_id(&state, OPERATION, caller.actor()));
    let ask = Ask { operation: OPERATION, actor: caller.actor(), reason: None, expected: None, key: &key };
    let intent = ask.intent(&state, &fingerprint);
    let hash = match password {
        Some(password) => Some(state.passwords.hash(password).await.map_err(overloaded)?),
        None => None,
    };
    let credentials = hash.map(|hash| state.credentials.set_password_action(id, &hash)).transpose()?;

    let wish = UserCommand::Register(new.clone());
    let executed = state.context.users.execute(id.into(), &intent, |folded| {
        let events = User::decide(&folded.state, wish.clone())?;
        Ok::<_, Refused>(Plan { events, companions: credentials.iter().cloned().collect() })
    });
    let executed = executed.await.map_err(|error| problem(error, taken(Some(&new.email), Some(&new.username))))?;
    whole(&state, StatusCode::CREATED, id, &executed).await
}

fn parse(request: CreateUser) -> Result<(Register, Option<SecretString>), Problem> {
    let mut fields = Fields::default();
    let email = fields.required("/email", request.email, |text| Email::parse(&text));
    let username = fields.required("/username", request.username, |text| Username::parse(&text));
    let first_name = fields.required("/first_name", request.first_name, |text| PersonName::parse(&text));
    let last_name = fields.required("/last_name", request.last_name, |text| PersonName::parse(&text));
    let phone = fields.required("/phone", request.phone, |text| Phone::parse(&text));
    let locale = fields.optional("/locale", request.locale, |text| Locale::parse(&text));
    let time_zone = fields.optional("/time_zone", request.time_zone, |text| TimeZone::parse(&text));
    let password = fields
        .optional("/password", request.password, |password| Passwords::check_policy(&password).map(|()| password));
    let with_password = password.is_some();
    let register = || {
        Some(Register {
            email: email?,
            username: username?,
            first_name: first_name?,
            last_name: last_name?,
            phone: phone?,
            locale: locale.unwrap_or_default(),
            time_zone: time_zone.unwrap_or_default(),
            with_password,
        })
    };
    Ok((fields.finish(register())?, password))
}
