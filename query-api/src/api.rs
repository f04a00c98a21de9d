//! The table of contents: every route of query-api with its document.

use platform::http::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{audit, notifications, roles, state::AppState, users, wellknown};

/// Every route. One that is not documented cannot be added here.
pub fn routes(state: AppState) -> OpenApiRouter {
    documented().with_state(state)
}

/// The schemas that only shared answers name.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem)))]
struct Schemas;

/// The routes with their document, and without a state.
pub(crate) fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(<Schemas as utoipa::OpenApi>::openapi())
        .routes(routes!(users::me::me))
        .routes(routes!(users::preferences::preferences))
        .routes(routes!(users::factors::own_factors))
        .routes(routes!(users::sessions::own_sessions))
        .routes(routes!(users::sessions::sessions))
        .routes(routes!(users::list::list))
        .routes(routes!(users::get::get))
        .routes(routes!(users::events::events))
        .routes(routes!(users::explain::explain))
        .routes(routes!(users::export::export))
        .routes(routes!(users::export_all::export_all))
        .routes(routes!(roles::list::list))
        .routes(routes!(roles::get::get))
        .routes(routes!(roles::events::events))
        .routes(routes!(audit::list::list))
        .routes(routes!(audit::stream::follow))
        .routes(routes!(notifications::list::list))
        .routes(routes!(notifications::get::get))
        .routes(routes!(wellknown::jwks::jwks))
        .routes(routes!(wellknown::metadata::metadata))
}
