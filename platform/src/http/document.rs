//! The OpenAPI document of a service, as its repository keeps it.

use std::path::Path;

use utoipa::openapi::{Info, OpenApi};

/// Set to anything, it makes [`kept`] write what it would compare.
pub const KEEP: &str = "FIELDFUZE_KEEP_DOCUMENTS";

/// Gives a document the title and version that it is published under, and nothing of how it was built.
pub fn titled(mut document: OpenApi, title: &str) -> OpenApi {
    document.info = Info::new(title, env!("CARGO_PKG_VERSION"));
    document
}

/// Compares a document with the kept one at `path`, or keeps it when [`KEEP`] is set.
///
/// # Errors
/// What to do when they differ.
pub fn kept(document: &OpenApi, path: &Path) -> Result<(), String> {
    let text = document.to_pretty_json().map_err(|error| error.to_string())? + "\n";
    if std::env::var_os(KEEP).is_some() {
        return std::fs::write(path, text).map_err(|error| error.to_string());
    }
    let known = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if known == text {
        return Ok(());
    }
    Err(format!(
        "{} is not what the code says: look at the difference, then run the tests with {KEEP}=1",
        path.display()
    ))
}
