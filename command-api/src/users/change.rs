//! `PATCH /v1/users/{id}`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use events::{
    ids::UserId,
    permission::Permission,
    user::{ChangeProfile, UserCommand},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::IfMatch,
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, problem, taken, whole};
use crate::{
    auth::authority::known_rights,
    command::{Ask, IdempotencyKey, entity_id},
    state::AppState,
};

/// The fields to change; those left out stay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeUser {
    /// New e-mail address.
    email: Option<String>,
    /// New user name.
    username: Option<String>,
    /// New given name.
    first_name: Option<String>,
    /// New family name.
    last_name: Option<String>,
    /// New telephone number in E.164 form.
    phone: Option<String>,
    /// New language tag.
    locale: Option<String>,
    /// New time zone.
    time_zone: Option<String>,
}

impl KnownFields for ChangeUser {
    const FIELDS: &'static [&'static str] =
        &["email", "username", "first_name", "last_name", "phone", "locale", "time_zone"];
}

/// Change a user's profile.
#[utoipa::path(
    patch, path = "/v1/users/{id}", tag = "users", operation_id = "change_user",
    security(("bearer" = [])),
    request_body = ChangeUser,
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The ETag that you read, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely"),
    ),
    responses(
        (status = 200, description = "The whole user", body = UserBody, headers(("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or the user stands above you", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such user", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`email-taken`, `username-taken` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
    Body(request): Body<ChangeUser>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let id: UserId = entity_id(&id)?;
    let expected = Some(if_match.required()?);
    let ask = Ask { operation: "change user", actor: caller.actor(), reason: None, expected, key: &key };
    let intent = ask.intent(&state, &(id, &request));
    let wish = parse(request)?;
    let known = known_rights(&state).await?;
    let change = Change { state: &state, caller: &caller, known: &known, narrows: |_, _| false };
    let executed = change
        .execute(id, &intent, UserCommand::ChangeProfile(wish.clone()))
        .await
        .map_err(|error| problem(error, taken(wish.email.as_ref(), wish.username.as_ref())))?;
    whole(&state, StatusCode::OK, id, &executed).await
}

fn parse(request: ChangeUser) -> Result<ChangeProfile, Problem> {
    let mut fields = Fields::default();
    let change = ChangeProfile {
        email: fields.optional("/email", request.email, |text| Email::parse(&text)),
        username: fields.optional("/username", request.username, |text| Username::parse(&text)),
        first_name: fields.optional("/first_name", request.first_name, |text| PersonName::parse(&text)),
        last_name: fields.optional("/last_name", request.last_name, |text| PersonName::parse(&text)),
        phone: fields.optional("/phone", request.phone, |text| Phone::parse(&text)),
        locale: fields.optional("/locale", request.locale, |text| Locale::parse(&text)),
        time_zone: fields.optional("/time_zone", request.time_zone, |text| TimeZone::parse(&text)),
    };
    fields.finish(Some(change))
}
