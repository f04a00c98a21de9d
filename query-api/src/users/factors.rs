//! `GET /v1/me/factors`

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use events::user::Factor;
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Erasable, Guarded, Named, Served},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// What one's own sign-in takes beside the password.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "factors": ["totp"], "password_change_required": false }))]
pub struct Factors {
    /// Any one of these, or a recovery code; nothing when there is none.
    #[schema(value_type = Vec<String>)]
    factors: BTreeSet<Factor>,
    /// Whether the next sign-in takes another password.
    password_change_required: bool,
}

/// Read what your own sign-in takes.
///
/// It is read from the log, and so as new as that.
#[utoipa::path(
    get, path = "/v1/me/factors", tag = "sign-in", operation_id = "own_factors",
    security(("bearer" = [])),
    responses((status = 200, description = "Your second factors", body = Factors), Guarded, Served, Named, Erasable)
)]
pub async fn own_factors(State(state): State<AppState>, caller: Caller) -> Result<Json<Factors>, Problem> {
    let user = state.context.users.load(caller.user().into()).await?.state.ok_or_else(Problem::not_found)?;
    Ok(Json(Factors { factors: user.factors, password_change_required: user.password_change_required }))
}
