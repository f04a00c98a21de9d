//! The table of contents: every route of query-api with its document.

use platform::http::{
    Problem,
    document::{add_answer_header, titled},
};
use utoipa::openapi::{HeaderBuilder, ObjectBuilder, OpenApi, Type};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{audit, notifications, roles, state::AppState, users, wellknown};

/// Every route. One that is not documented cannot be added here.
pub fn routes(state: AppState) -> OpenApiRouter {
    documented().with_state(state)
}

/// The document of every route.
pub fn document() -> OpenApi {
    let mut document = titled(documented().into_openapi(), "FieldFuze query-api");
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([0-9]+|unknown)$"));
    let about = "Milliseconds up to which the read models may be behind the log, or `unknown`";
    let lag = HeaderBuilder::new().schema(Some(text)).description(Some(about)).build();
    add_answer_header(&mut document, "Projection-Lag", &lag);
    document
}

/// The schemas that only shared answers name.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem)))]
struct Schemas;

fn documented() -> OpenApiRouter<AppState> {
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
