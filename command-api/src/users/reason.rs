//! The body of changes that need a reason.

use events::values::Reason;
use platform::http::{Problem, fields::Fields, json::KnownFields};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WithReason {
    /// Why, 1 to 500 characters; recorded in the history.
    #[schema(required, example = "left the company")]
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
