//! Turns raw fields into values and collects everything that is wrong, so that a client hears it all at once.

use events::values::Invalid;

use super::{Problem, problem::FieldError};

/// The errors found so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// A field that must be there.
    pub fn required<R, T>(
        &mut self,
        pointer: &str,
        raw: Option<R>,
        parse: impl FnOnce(R) -> Result<T, Invalid>,
    ) -> Option<T> {
        if raw.is_none() {
            self.refuse(pointer, "required", "is required");
        }
        self.optional(pointer, raw, parse)
    }

    /// A field that may be absent.
    pub fn optional<R, T>(
        &mut self,
        pointer: &str,
        raw: Option<R>,
        parse: impl FnOnce(R) -> Result<T, Invalid>,
    ) -> Option<T> {
        match parse(raw?) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.refuse(pointer, invalid.code, invalid.message);
                None
            }
        }
    }

    /// Something else that is wrong.
    pub fn refuse(&mut self, pointer: &str, code: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), code, detail: detail.into() });
    }

    /// The whole, if nothing was wrong with any part. `whole` is `None` only when a required field was refused.
    ///
    /// # Errors
    /// 422 with every error that was found.
    pub fn finish<T>(self, whole: Option<T>) -> Result<T, Problem> {
        match whole {
            Some(whole) if self.0.is_empty() => Ok(whole),
            _ => Err(Problem::invalid(self.0)),
        }
    }
}
