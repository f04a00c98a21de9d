//! `/openapi.json` and `/docs`: both APIs in one document, its page without a network.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The document of both APIs as the test below keeps it: served as it lies there, because as a tree it takes megabytes.
pub const BOTH: &str = include_str!("../openapi.json");

/// Where it is served.
const PATH: &str = "/openapi.json";

/// The document and its page.
pub fn routes() -> Router {
    let page: Router = SwaggerUi::new("/docs").config(Config::from(PATH)).into();
    page.route(PATH, get(|| async { ([(CONTENT_TYPE, "application/json")], BOTH) }))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use platform::http::document::{add_answer_header, kept, titled};
    use utoipa::openapi::{HeaderBuilder, Info, ObjectBuilder, OpenApi, Type};

    use crate::api;

    /// query-api's own routes.
    fn queries() -> OpenApi {
        let mut document = titled(api::documented().into_openapi(), "FieldFuze query-api");
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([0-9]+|unknown)$"));
        let about = "Milliseconds up to which the read models may be behind the log, or `unknown`";
        let lag = HeaderBuilder::new().schema(Some(text)).description(Some(about)).build();
        add_answer_header(&mut document, "Projection-Lag", &lag);
        document
    }

    #[test]
    fn the_kept_document_is_the_codes_and_lacks_nothing() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        // As command-api's own test keeps it: services do not import each other.
        let commands = fs::read_to_string(own.join("../command-api/openapi.json")).unwrap();
        let mut both = queries();
        both.merge(serde_json::from_str::<OpenApi>(&commands).unwrap());
        both.info = Info::new("FieldFuze", env!("CARGO_PKG_VERSION"));
        let about = "Users, roles, sign-in, history and notifications of a field-service company.";
        both.info.description = Some(about.to_owned());
        assert!(both.paths.paths.contains_key("/v1/auth/login") && both.paths.paths.contains_key("/v1/me"));
        kept(&both, &own.join("openapi.json")).unwrap();
    }
}
