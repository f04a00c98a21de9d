//! What every operation has: written into the document here, and not at each of them.

use std::collections::BTreeSet;

use utoipa::openapi::{
    Components, Header, HeaderBuilder, KnownFormat, Object, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required,
    Schema, SchemaFormat, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::AdditionalProperties,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// What a parameter can be refused for with 400, beside `invalid-query`.
const REFUSALS: [(&str, &[&str]); 6] = [
    ("page_size", &["invalid-page-size"]),
    ("page_token", &["invalid-page-token"]),
    ("Last-Event-ID", &["invalid-last-event-id"]),
    ("Consistency-Token", &["invalid-consistency-token", "unknown-version"]),
    ("If-Match", &["invalid-if-match"]),
    ("Idempotency-Key", &["invalid-idempotency-key"]),
];

/// What a parameter that must be there is refused for with 400 when it is not.
const ABSENCES: [(&str, &[&str]); 1] = [("Idempotency-Key", &["idempotency-key-required"])];

/// What a body can be refused for with 400.
const BODY_REFUSALS: [&str; 2] = ["malformed-json", "body-unreadable"];

const CORRELATION_ID: &str = "X-Correlation-Id";

/// Adds how a caller is authenticated, what every request may carry and every answer carries, for what 400 is answered,
/// and that the bodies that we read have no other fields.
pub fn complete(document: &mut OpenApi) {
    let mut bodies = BTreeSet::new();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        bodies.extend(body(operation));
        trace(operation);
        say_refusals(operation);
    }
    let components = document.components.get_or_insert_default();
    for name in bodies {
        if let Some(RefOr::T(Schema::Object(body))) = components.schemas.get_mut(&name) {
            body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    share(components);
}

/// Adds a header to every answer.
pub fn add_answer_header(document: &mut OpenApi, name: &str, header: &Header) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                response.headers.entry(name.to_owned()).or_insert_with(|| RefOr::T(header.clone()));
            }
        }
    }
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// The name of the schema of an operation's body. A body that may be left out is no body, and not `null`.
fn body(operation: &mut Operation) -> Option<String> {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return None };
    let RefOr::T(content) = body.content.get_mut("application/json")? else { return None };
    if let Some(RefOr::T(Schema::OneOf(either))) = &content.schema {
        content.schema = either.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned();
        body.required = Some(Required::False);
    }
    match &content.schema {
        Some(RefOr::Ref(named)) => named.ref_location.rsplit('/').next().map(ToOwned::to_owned),
        _ => None,
    }
}

fn trace(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    for name in ["CorrelationId", "Traceparent"] {
        parameters.push(RefOr::Ref(Ref::new(format!("#/components/parameters/{name}"))));
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let header = RefOr::Ref(Ref::new("#/components/headers/CorrelationId"));
            response.headers.insert(CORRELATION_ID.to_owned(), header);
        }
    }
}

fn say_refusals(operation: &mut Operation) {
    let Some(RefOr::T(refused)) = operation.responses.responses.get_mut("400") else { return };
    let codes = operation.parameters.iter().flatten().flat_map(|parameter| match parameter {
        RefOr::T(Parameter { name, required, .. }) => {
            let absences = ABSENCES.iter().filter(|_| *required == Required::True);
            REFUSALS.iter().chain(absences).filter(|(parameter, _)| parameter == name).collect()
        }
        RefOr::Ref(_) => Vec::new(),
    });
    let codes = codes.flat_map(|(_, codes)| codes.iter());
    let body = BODY_REFUSALS.iter().filter(|_| operation.request_body.is_some());
    let codes: Vec<String> = codes.chain(body).map(|code| format!("`{code}`")).collect();
    if !codes.is_empty() {
        refused.description = format!("{}; {}", refused.description, codes.join(", "));
    }
}

fn share(components: &mut Components) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let about = "A UUID that names the whole trip; kept, and recorded with every event. One that is none is ignored";
    let parameter = |name: &str, about: &str, schema: Object| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema))
            .build()
    };
    let example = "0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4";
    let correlation = parameter(CORRELATION_ID, about, text().examples([example]).build());
    components.parameters.insert("CorrelationId".to_owned(), correlation.into());
    let about = "W3C trace context, recorded with the events. One that is not well formed is ignored";
    let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traceparent = parameter("traceparent", about, text().examples([example]).build());
    components.parameters.insert("Traceparent".to_owned(), traceparent.into());
    let uuid = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let about = "Names the whole trip: the request's own, or a new one";
    let header = HeaderBuilder::new().schema(Some(uuid.build())).description(Some(about)).build();
    components.headers.insert("CorrelationId".to_owned(), header.into());
}
