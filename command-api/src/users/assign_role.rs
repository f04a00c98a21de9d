//! `PUT /v1/users/{id}/roles/{role_id}`

use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use events::{
    ids::{RoleId, UserId},
    permission::Permission,
    role::RoleStatus,
    user::{AssignRole, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Invalid, Reason, Scope},
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned, values},
        fields::Fields,
        id::Id,
        json::{KnownFields, OptionalBody},
    },
    store::{Command, Companions, Draft, Folded},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, problem, whole};
use crate::{
    auth::authority::Authority,
    command::{Ask, Refused},
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    state::AppState,
};

/// On what terms.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "scope": "branch:austin", "expires_at": "2096-01-01T00:00:00Z" }))]
pub struct Terms {
    /// Where it shall hold, for other services; everywhere when left out.
    #[schema(value_type = Option<values::Scope>)]
    scope: Option<String>,
    /// When it shall end (RFC 3339), a moment to come; never when left out.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Why.
    #[schema(value_type = Option<values::Reason>)]
    reason: Option<String>,
}

impl KnownFields for Terms {
    const FIELDS: &'static [&'static str] = &["scope", "expires_at", "reason"];
}

/// Give a user a role.
///
/// Given again, it is given on the new terms. Nobody gives a role above their own level or with a permission they lack, nor
/// for longer than they have what it grants.
#[utoipa::path(
    put, path = "/v1/users/{id}/roles/{role_id}", tag = "users", operation_id = "assign_role",
    security(("bearer" = [])),
    request_body = Option<Terms>,
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("role_id" = Uuid, Path, description = "The role"),
        IfMatchAllowed, Repeatable, DryRun,
    ),
    responses(
        UserChanged,
        (status = 409, description = "`role-retired`, `too-many-roles`, `last-administrator` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn assign_role(
    State(state): State<AppState>,
    caller: Caller,
    Id((id, role_id)): Id<(UserId, RoleId)>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<Terms>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_ASSIGN)?;
    let (terms, reason) = parse(request, role_id, state.context.clock.now())?;
    let role = state.context.roles.load(role_id.into()).await?.state.ok_or_else(Problem::not_found)?;
    Authority::of(&state, &caller).await?.covers_until(role.level, &role.permissions, terms.expires_at)?;

    let fingerprint = (id, role_id, &terms.scope, terms.expires_at, &reason);
    let ask = Ask { operation: "assign role", actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = UserCommand::AssignRole(terms);
    let change = Change { state: &state, caller: &caller, wish, narrows: replaces_terms };
    let executed = state.context.users.execute(id.into(), &intent, Assign { change, status: role.status }).await;
    whole(&state, StatusCode::OK, id, &executed.map_err(problem)?).await
}

/// The change, with what is known of the role.
struct Assign<'a> {
    change: Change<'a>,
    status: RoleStatus,
}

impl Command<User> for Assign<'_> {
    type Refusal = Refused<UserRefusal>;

    async fn authorise(&self, folded: &Folded<Option<UserState>>) -> Result<(), Self::Refusal> {
        self.change.authorise(folded).await
    }

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        let events = self.change.decide(folded)?;
        if self.status == RoleStatus::Retired {
            return Err(Refused::with(Problem::new(StatusCode::CONFLICT, "role-retired", "The role is retired")));
        }
        Ok(events)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        self.change.beside(draft)
    }
}

/// New terms may be narrower than the old ones.
fn replaces_terms(user: &UserState, events: &[UserEvent]) -> bool {
    events.iter().any(|event| match event {
        UserEvent::UserRoleAssigned(new) => user.roles.iter().any(|held| held.role_id == new.role_id),
        _ => false,
    })
}

fn parse(request: Terms, role_id: RoleId, now: DateTime<Utc>) -> Result<(AssignRole, Option<Reason>), Problem> {
    let mut fields = Fields::default();
    let scope = fields.optional("/scope", request.scope, |text| Scope::parse(&text));
    let expires_at = fields.optional("/expires_at", request.expires_at, |text| {
        let invalid = |_| Invalid { code: "invalid-time", message: "must be an RFC 3339 time".to_owned() };
        DateTime::parse_from_rfc3339(&text).map(|end| end.to_utc()).map_err(invalid)
    });
    let reason = fields.optional("/reason", request.reason, |text| Reason::parse(&text));
    fields.finish(Some((AssignRole { role_id, scope, expires_at, now }, reason)))
}
