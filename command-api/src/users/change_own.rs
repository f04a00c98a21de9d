//! `PATCH /v1/me`

use axum::{extract::State, response::Response};
use events::{
    user::ChangeProfile,
    values::{Email, Locale, PersonName, Phone, TimeZone},
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, MustMatch, Named, Served, Throttled, UserChanged, Versioned, values},
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::apply;
use crate::{
    auth::limits,
    command::Ask,
    conditions::{Conditions, DryRun, IfMatchRequired, Repeatable},
    state::AppState,
    throttle::Tally,
};

/// The fields to change; those left out stay. The user name is what others know one by, and others change it.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "phone": "+15125550124" }))]
pub struct ChangeOwn {
    /// New e-mail address.
    #[schema(value_type = Option<values::Email>)]
    email: Option<String>,
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
}

impl KnownFields for ChangeOwn {
    const FIELDS: &'static [&'static str] = &["email", "first_name", "last_name", "phone", "locale", "time_zone"];
}

/// Change your own profile.
///
/// It takes a token and no permission. Another address or telephone takes a sign-in of the last 10 minutes, and a new
/// telephone is no second factor any more.
#[utoipa::path(
    patch, path = "/v1/me", tag = "users", operation_id = "change_me",
    security(("bearer" = [])),
    request_body = ChangeOwn,
    params(IfMatchRequired, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`email-taken` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Throttled, Served, Bodied, Named, Erasable, Versioned, MustMatch,
    )
)]
pub async fn change_own(
    State(state): State<AppState>,
    caller: Caller,
    tally: Tally,
    conditions: Conditions,
    Body(request): Body<ChangeOwn>,
) -> Result<Response, Problem> {
    conditions.must_match()?;
    let fingerprint = serde_json::json!(request);
    let mut fields = Fields::default();
    let change = ChangeProfile {
        email: fields.optional("/email", request.email, |text| Email::parse(&text)),
        username: None,
        first_name: fields.optional("/first_name", request.first_name, |text| PersonName::parse(&text)),
        last_name: fields.optional("/last_name", request.last_name, |text| PersonName::parse(&text)),
        phone: fields.optional("/phone", request.phone, |text| Phone::parse(&text)),
        locale: fields.optional("/locale", request.locale, |text| Locale::parse(&text)),
        time_zone: fields.optional("/time_zone", request.time_zone, |text| TimeZone::parse(&text)),
    };
    let change = fields.finish(Some(change))?;
    if change.email.is_some() {
        let _tried = state.throttle.admit(&tally, limits::own_email(&state.throttle, caller.user())).await?;
    }
    let ask = Ask { operation: "change one's own user", actor: caller.actor(), reason: None };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    apply(&state, &caller, caller.user(), &intent, change).await
}
