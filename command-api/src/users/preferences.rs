//! `PUT /v1/me/preferences`

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{
    notification::MessageCategory,
    user::{Preferences, UserCommand, UserState},
    values::{QuietHours, TimeOfDay},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::PreferencesBody,
    documented::{
        Bodied, Erasable, Guarded, MustMatch, Named, PreferencesChanged, Served, Versioned, examples, values,
    },
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, never, problem};
use crate::{
    command::{Ask, answer},
    conditions::{Conditions, DryRun, IfMatchRequired, Repeatable},
    state::AppState,
};

/// All that you want of messages; what was wanted before is gone.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!(examples::preferences()))]
pub struct SetPreferences {
    /// Categories of which you want no message.
    #[schema(required, nullable = false, value_type = BTreeSet<values::MutableCategory>)]
    muted: Option<BTreeSet<MessageCategory>>,
    /// When messages that can wait shall wait, on your own clock; without them messages come at any time.
    quiet_hours: Option<SetQuietHours>,
}

/// A part of the day; it may reach over midnight.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetQuietHours {
    /// When they begin.
    #[schema(required, nullable = false, value_type = values::TimeOfDay)]
    from: Option<String>,
    /// When they are over.
    #[schema(required, nullable = false, value_type = values::TimeOfDay)]
    to: Option<String>,
}

impl KnownFields for SetPreferences {
    const FIELDS: &'static [&'static str] = &["muted", "quiet_hours"];
}

/// Say which messages you want, and when.
///
/// It takes a token and no permission. One-time codes and what concerns the security of your account come always, and at
/// any time.
#[utoipa::path(
    put, path = "/v1/me/preferences", tag = "users", operation_id = "set_preferences",
    security(("bearer" = [])),
    request_body = SetPreferences,
    params(IfMatchRequired, Repeatable, DryRun),
    responses(
        PreferencesChanged,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned, MustMatch,
    )
)]
pub async fn set_preferences(
    State(state): State<AppState>,
    caller: Caller,
    conditions: Conditions,
    Body(request): Body<SetPreferences>,
) -> Result<Response, Problem> {
    conditions.must_match()?;
    let fingerprint = serde_json::json!(request);
    let wish = UserCommand::SetPreferences(parse(request)?);
    let ask = Ask { operation: "set one's own preferences", actor: caller.actor(), reason: None };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let change = Change { state: &state, caller: &caller, wish, narrows: never };
    let executed = change.execute(caller.user(), &intent).await.map_err(problem)?;
    let body = |user: &Option<UserState>| {
        user.as_ref().map(|user| Json(PreferencesBody::from(&user.preferences)).into_response())
    };
    Ok(answer(StatusCode::OK, caller.user().into(), &executed, body))
}

fn parse(request: SetPreferences) -> Result<Preferences, Problem> {
    let mut fields = Fields::default();
    let muted = fields.required("/muted", request.muted, Ok);
    let quiet_hours = request.quiet_hours.and_then(|hours| {
        let from = fields.required("/quiet_hours/from", hours.from, |text| TimeOfDay::parse(&text));
        let to = fields.required("/quiet_hours/to", hours.to, |text| TimeOfDay::parse(&text));
        fields.optional("/quiet_hours", from.zip(to), |(from, to)| QuietHours::new(from, to))
    });
    fields.finish(muted.map(|muted| Preferences { muted, quiet_hours }))
}
