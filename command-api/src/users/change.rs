//! `PATCH /v1/users/{id}`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    ids::UserId,
    permission::Permission,
    user::{ChangeProfile, UserCommand},
    values::{Email, Locale, PersonName, Phone, Reason, TimeZone, Username},
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        documented::{Bodied, Erasable, Guarded, MustMatch, Named, Served, UserChanged, Versioned, values},
        fields::Fields,
        id::Id,
        json::{Body, KnownFields},
    },
    store::Intent,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, never, taken, whole};
use crate::{
    auth::recent::require_recent,
    command::{self, Ask},
    conditions::{Conditions, DryRun, IfMatchRequired, Repeatable},
    state::AppState,
};

/// The fields to change; those left out stay.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "phone": "+15125550124", "reason": "has a new telephone" }))]
pub struct ChangeUser {
    /// New e-mail address.
    #[schema(value_type = Option<values::Email>)]
    email: Option<String>,
    /// New user name.
    #[schema(value_type = Option<values::Username>)]
    username: Option<String>,
    /// New given name.
    #[schema(value_type = Option<values::PersonName>)]
    first_name: Option<String>,
    /// New family name.
    #[schema(value_type = Option<values::PersonName>)]
    last_name: Option<String>,
    /// New telephone number.
    #[schema(value_type = Option<values::Phone>)]
    phone: Option<String>,
    /// New language.
    #[schema(value_type = Option<values::Locale>)]
    locale: Option<String>,
    /// New time zone.
    #[schema(value_type = Option<values::TimeZone>)]
    time_zone: Option<String>,
    /// Why.
    #[schema(value_type = Option<values::Reason>)]
    reason: Option<String>,
}

impl KnownFields for ChangeUser {
    const FIELDS: &'static [&'static str] =
        &["email", "username", "first_name", "last_name", "phone", "locale", "time_zone", "reason"];
}

/// Change a user's profile.
///
/// A message that is waiting already goes to the telephone number that they have when it is sent. A new telephone is no
/// second factor any more. Another address or telephone takes a sign-in of the last 10 minutes. Address, telephone and user
/// name hand an account over: nobody changes them for somebody whose roles grant what they themselves lack.
#[utoipa::path(
    patch, path = "/v1/users/{id}", tag = "users", operation_id = "change_user",
    security(("bearer" = [])),
    request_body = ChangeUser,
    params(("id" = Uuid, Path, description = "The user"), IfMatchRequired, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`email-taken`, `username-taken` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned, MustMatch,
    )
)]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    Body(request): Body<ChangeUser>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    conditions.must_match()?;
    let fingerprint = serde_json::json!([id, request]);
    let (wish, reason) = parse(request)?;
    let intent =
        Ask { operation: "change user", actor: caller.actor(), reason }.intent(&state, &conditions, &fingerprint);
    apply(&state, &caller, id, &intent, wish).await
}

/// Changes a profile. Where messages reach somebody is what a stolen token would change first.
pub(super) async fn apply(
    state: &AppState,
    caller: &Caller,
    id: UserId,
    intent: &Intent,
    wish: ChangeProfile,
) -> Result<Response, Problem> {
    if wish.email.is_some() || wish.phone.is_some() {
        require_recent(state, caller)?;
    }
    let command = UserCommand::ChangeProfile(wish.clone());
    let executed = Change { state, caller, wish: command, narrows: never }.execute(id, intent).await;
    let taken = taken(wish.email.as_ref(), wish.username.as_ref());
    whole(state, StatusCode::OK, id, &executed.map_err(|error| command::problem(error, taken))?).await
}

fn parse(request: ChangeUser) -> Result<(ChangeProfile, Option<Reason>), Problem> {
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
    let reason = fields.optional("/reason", request.reason, |text| Reason::parse(&text));
    fields.finish(Some((change, reason)))
}
