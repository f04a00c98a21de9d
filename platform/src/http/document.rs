//! The OpenAPI document of a service, as its repository keeps it.

mod complete;

use std::path::Path;

use serde_json::Value;
use utoipa::openapi::{Info, OpenApi};

pub use complete::add_answer_header;

/// Set to anything, it makes [`kept`] write what it would compare.
pub const KEEP: &str = "FIELDFUZE_KEEP_DOCUMENTS";

/// The document of a service's routes as it is published: under its title and version, with what all routes have in
/// common, and nothing of how it was built.
pub fn titled(mut document: OpenApi, title: &str) -> OpenApi {
    document.info = Info::new(title, env!("CARGO_PKG_VERSION"));
    complete::complete(&mut document);
    document
}

/// What a document lacks: references that lead nowhere, and operations that do not say all that they must.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn lacking(document: &OpenApi) -> serde_json::Result<Vec<String>> {
    let whole = serde_json::to_value(document)?;
    let mut lacking = Vec::new();
    visit(&whole, &mut |part| {
        let target = part["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        if target.is_some_and(|target| whole.pointer(target).is_none()) {
            lacking.push(format!("nothing is at {}", part["$ref"]));
        }
    });
    for (path, methods) in whole["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let missing = missing(operation, &whole);
            lacking.extend(missing.into_iter().map(|what| format!("{method} {path} has no {what}")));
        }
    }
    Ok(lacking)
}

fn missing(operation: &Value, whole: &Value) -> Vec<String> {
    let mut missing: Vec<String> =
        ["summary", "description"].into_iter().filter(|part| operation[part].is_null()).map(str::to_owned).collect();
    let shown = |content: &Value| {
        let named = content["schema"]["$ref"].as_str().and_then(|target| whole.pointer(target.trim_start_matches('#')));
        let schema = named.unwrap_or(&content["schema"]);
        !(content["example"].is_null() && schema["example"].is_null())
    };
    let bodies = |of: &Value| of["content"].as_object().cloned().unwrap_or_default();
    if bodies(&operation["requestBody"]).values().any(|content| !shown(content)) {
        missing.push("example of its request".to_owned());
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') && bodies(response).values().any(|content| !shown(content)) {
            missing.push(format!("example of its answer {status}"));
        }
    }
    missing
}

fn visit(part: &Value, look: &mut impl FnMut(&Value)) {
    look(part);
    match part {
        Value::Object(fields) => fields.values().for_each(|part| visit(part, look)),
        Value::Array(items) => items.iter().for_each(|part| visit(part, look)),
        _ => (),
    }
}

/// Compares a document, which must lack nothing, with the kept one at `path`, or keeps it when [`KEEP`] is set.
///
/// # Errors
/// What it lacks, or what to do when they differ.
pub fn kept(document: &OpenApi, path: &Path) -> Result<(), String> {
    let lacking = lacking(document).map_err(|error| error.to_string())?;
    if !lacking.is_empty() {
        return Err(lacking.join("\n"));
    }
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
