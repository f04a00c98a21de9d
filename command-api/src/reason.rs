//! Bodies that say why.

use events::values::Reason;
use platform::http::{Problem, fields::Fields, json::KnownFields};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct WithReason {
    /// Why, 1 to 500 characters; recorded in the history.
    #[schema(required, example = "left the company", min_length = 1, max_length = 500)]
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
pub struct MaybeReason {
    /// Why, 1 to 500 characters; recorded in the history.
    #[schema(example = "moved to another branch", min_length = 1, max_length = 500, nullable = false)]
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
