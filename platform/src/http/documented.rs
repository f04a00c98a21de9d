//! What many routes answer, written down once for the API's document.

pub mod examples;
pub mod values;

use utoipa::{IntoParams, IntoResponses};

use super::{
    Problem,
    bodies::{Changed, DryRunBody, PreferencesBody, RoleBody, UserBody},
};

/// Documents `Consistency-Token` where it may be sent.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct ReadAfter {
    /// What writes returned, at most 8, comma-separated: the answer is not older than any of them
    #[param(
        rename = "Consistency-Token",
        nullable = false,
        pattern = "^(user|role|session|notification)#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}@[1-9][0-9]{0,18}(, ?(user|role|session|notification)#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}@[1-9][0-9]{0,18}){0,7}$",
        example = "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4@3"
    )]
    consistency_token: Option<String>,
}

/// Every route that takes a token.
#[derive(Debug, IntoResponses)]
pub enum Guarded {
    /// `unauthenticated`: no valid token; where factors, addresses or telephones change also `step-up-required`
    #[response(
        status = 401,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "`Bearer`")),
        example = json!({
            "type": "urn:fieldfuze:problem:unauthenticated", "title": "A valid access token is needed", "status": 401,
            "code": "unauthenticated", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Unauthenticated(Problem),
    /// `permission-missing`; where rights are given or somebody's are changed also `level-too-high`, `permission-not-held` or
    /// `administrator-role-fixed`
    #[response(
        status = 403,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:permission-missing", "title": "You may not do this", "status": 403,
            "code": "permission-missing", "detail": "it takes the permission users:write",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Forbidden(Problem),
}

/// Every route.
#[derive(Debug, IntoResponses)]
pub enum Served {
    /// The request cannot be read: `invalid-query`
    #[response(
        status = 400,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:invalid-query", "title": "The query string cannot be read", "status": 400,
            "code": "invalid-query", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    BadRequest(Problem),
    /// `unavailable`: something does not answer in time; a write may have been carried out, its repeat
    /// under the same Idempotency-Key tells
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u16, description = "Seconds to wait")),
        example = json!({
            "type": "urn:fieldfuze:problem:unavailable", "title": "Try again in a moment", "status": 503,
            "code": "unavailable", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Unavailable(Problem),
}

/// Every route whose attempts are counted.
#[derive(Debug, IntoResponses)]
pub enum Throttled {
    /// `rate-limited`: too many attempts; nothing was looked at, and nothing tells whether it would have succeeded
    #[response(
        status = 429,
        content_type = "application/problem+json",
        headers(
            ("Retry-After" = u64, description = "Seconds to wait"),
            ("RateLimit" = String, description = "What is left of each quota (`r`), and seconds until there is more (`t`)"),
            ("RateLimit-Policy" = String, description = "Each quota (`q`) and the seconds that it is for (`w`)"),
        ),
        example = json!({
            "type": "urn:fieldfuze:problem:rate-limited", "title": "Too many attempts", "status": 429,
            "code": "rate-limited", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    TooMany(Problem),
}

/// Every route that reads a JSON body.
#[derive(Debug, IntoResponses)]
pub enum Bodied {
    /// `body-too-large` or `commit-too-large`
    #[response(
        status = 413,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:body-too-large", "title": "The body is too large", "status": 413,
            "code": "body-too-large", "detail": "at most 32768 bytes", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    TooLarge(Problem),
    /// `unsupported-media-type`: the body is of another type
    #[response(
        status = 415,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:unsupported-media-type", "title": "The body must be application/json",
            "status": 415, "code": "unsupported-media-type", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    WrongType(Problem),
    /// `invalid-value`: every value that is not valid, with its pointer; or `idempotency-key-reused`
    #[response(
        status = 422,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:invalid-value", "title": "A value is not valid", "status": 422,
            "code": "invalid-value", "errors": [{ "pointer": "/email", "code": "invalid-email", "detail": "must contain one @" }],
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Invalid(Problem),
}

/// Every route that names an entity.
#[derive(Debug, IntoResponses)]
pub enum Named {
    /// `not-found`
    #[response(
        status = 404,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:not-found", "title": "There is no such thing", "status": 404,
            "code": "not-found", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    NotFound(Problem),
}

/// Every route that names a user.
#[derive(Debug, IntoResponses)]
pub enum Erasable {
    /// `erased`: the user was forgotten
    #[response(
        status = 410,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:erased", "title": "It was erased", "status": 410, "code": "erased",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Gone(Problem),
}

/// Every route that changes an entity.
#[derive(Debug, IntoResponses)]
pub enum Versioned {
    /// `version-mismatch`: it has changed since you read it; both versions are said
    #[response(
        status = 412,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:version-mismatch", "title": "It has changed since you read it", "status": 412,
            "code": "version-mismatch", "expected_version": 3, "actual_version": 4,
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Mismatch(Problem),
}

/// Routes that must be told which version is meant.
#[derive(Debug, IntoResponses)]
pub enum MustMatch {
    /// `if-match-required`
    #[response(
        status = 428,
        content_type = "application/problem+json",
        example = json!({
            "type": "urn:fieldfuze:problem:if-match-required", "title": "Say which version you mean to change", "status": 428,
            "code": "if-match-required", "detail": "send If-Match with the ETag of the last answer, or *",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
        }),
    )]
    Missing(Problem),
}

/// The whole user; with `validate_only` what would be recorded
#[derive(IntoResponses)]
#[response(
    status = 200,
    headers(
        ("ETag" = String, description = "The version, for `If-Match`"),
        ("Consistency-Token" = String, description = "For reads that must not be older"),
        ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
    ),
    example = json!(examples::user()),
)]
pub struct UserChanged(pub Changed<UserBody>);

/// What you want from now on; with `validate_only` what would be recorded
#[derive(IntoResponses)]
#[response(
    status = 200,
    headers(
        ("ETag" = String, description = "The version, for `If-Match`"),
        ("Consistency-Token" = String, description = "For reads that must not be older"),
        ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
    ),
    example = json!(examples::preferences()),
)]
pub struct PreferencesChanged(pub Changed<PreferencesBody>);

/// The whole role; with `validate_only` what would be recorded
#[derive(IntoResponses)]
#[response(
    status = 200,
    headers(
        ("ETag" = String, description = "The version, for `If-Match`"),
        ("Consistency-Token" = String, description = "For reads that must not be older"),
        ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
    ),
    example = json!(examples::role()),
)]
pub struct RoleChanged(pub Changed<RoleBody>);

/// Done; there is nothing to show
#[derive(Debug, IntoResponses)]
#[response(
    status = 204,
    headers(
        ("ETag" = String, description = "The version"),
        ("Consistency-Token" = String, description = "For reads that must not be older"),
        ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
    ),
)]
pub struct Done;

/// With `validate_only`: what would be recorded
#[derive(IntoResponses)]
#[response(status = 200, example = json!(examples::dry_run()))]
pub struct Validated(pub DryRunBody);
