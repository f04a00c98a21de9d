//! `/openapi.json` and `/docs`: both APIs in one document, its page without a network.

use axum::Router;
use platform::http::document::titled;
use utoipa::openapi::{
    OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::SwaggerUi;

use crate::api;

/// command-api's own document, as its test keeps it. Services do not import each other.
const COMMANDS: &str = include_str!("../../command-api/openapi.json");

/// The document of both APIs.
///
/// # Errors
/// When the kept document cannot be read.
pub fn both() -> serde_json::Result<OpenApi> {
    let mut document = api::document();
    document.merge(serde_json::from_str(COMMANDS)?);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let mut document = titled(document, "FieldFuze");
    let about = "Users, roles, sign-in, history and notifications of a field-service company.";
    document.info.description = Some(about.to_owned());
    Ok(document)
}

/// The document and its page.
///
/// # Errors
/// When the kept document cannot be read.
pub fn routes() -> serde_json::Result<Router> {
    Ok(SwaggerUi::new("/docs").url("/openapi.json", both()?).into())
}
