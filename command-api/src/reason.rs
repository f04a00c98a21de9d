//! Bodies that say why.

use events::values::Reason;
use platform::http::{Problem, documented::values, fields::Fields, json::KnownFields};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "reason": "left the company" }))]
pub struct WithReason {
    /// Why.
    #[schema(required, nullable = false, value_type = values::Reason)]
    reason: Option<String>,
}

impl KnownFields for WithReason {
    const FIELDS: &'static [&'static str] = &["reason"];
}

impl WithReason {
    /// The reason.
    ///
    /// # Errors
    /// 422.
    pub fn parse(self) -> Result<Reason, Problem> {
        let mut fields = Fields::default();
        let reason = fields.required("/reason", self.reason, |text| Reason::parse(&text));
        fields.finish(reason)
    }
}

/// Why, where it need not be said.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "reason": "moved to another branch" }))]
pub struct MaybeReason {
    /// Why.
    #[schema(value_type = Option<values::Reason>)]
    reason: Option<String>,
}

impl KnownFields for MaybeReason {
    const FIELDS: &'static [&'static str] = &["reason"];
}

impl MaybeReason {
    /// The reason, if one was given.
    ///
    /// # Errors
    /// 422.
    pub fn parse(self) -> Result<Option<Reason>, Problem> {
        let mut fields = Fields::default();
        let reason = fields.optional("/reason", self.reason, |text| Reason::parse(&text));
        fields.finish(Some(reason))
    }
}
