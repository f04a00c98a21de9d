//! `/openapi.json` and `/docs`: both APIs in one document, its page without a network.

use axum::Router;
use utoipa::openapi::{Info, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use crate::api;

/// command-api's own document, as its test keeps it. Services do not import each other.
const COMMANDS: &str = include_str!("../../command-api/openapi.json");

/// The document of command-api.
///
/// # Errors
/// When it cannot be read.
pub fn commands() -> serde_json::Result<OpenApi> {
    serde_json::from_str(COMMANDS)
}

/// The document of both APIs.
///
/// # Errors
/// When the kept document cannot be read.
pub fn both() -> serde_json::Result<OpenApi> {
    let mut document = api::document();
    document.merge(commands()?);
    document.info = Info::new("FieldFuze", env!("CARGO_PKG_VERSION"));
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_of_both_apis_lacks_nothing() {
        let both = super::both().unwrap();
        assert_eq!(platform::http::document::lacking(&both).unwrap(), Vec::<String>::new());
        assert!(both.paths.paths.contains_key("/v1/auth/login") && both.paths.paths.contains_key("/v1/me"));
    }
}
