//! Values that parse once and cannot be wrong afterwards.

mod email;
mod level;
mod names;
mod personal;
mod phone;
mod place;
mod quiet_hours;
mod role_text;
mod username;

pub use email::Email;
pub use level::Level;
pub use names::{PersonName, Reason};
pub use personal::Personal;
pub use phone::Phone;
pub use place::{Locale, Scope, TimeZone};
pub use quiet_hours::{QuietHours, TimeOfDay};
pub use role_text::{Description, RoleName};
pub use username::Username;

/// Why a text is not the value it should be. Never holds the text itself, which may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Stable code, as in `errors[].code` of a problem.
    pub code: &'static str,
    /// A sentence for a developer.
    pub message: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A text newtype: parsing is the only way in, serde goes through it (or through the function that is named), and
/// `Debug` shows a personal value's name only.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $shown:literal) => {
        $crate::values::text_value! { $(#[$doc])* $name, $shown, parse }
    };
    ($(#[$doc:meta])* $name:ident, $shown:literal, $stored:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::values::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::$stored(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if $shown { write!(f, "{:?}", self.0) } else { f.write_str(concat!(stringify!($name), "(..)")) }
            }
        }
    };
}
pub(crate) use text_value;

/// Trims, refuses control characters and counts characters (not bytes) between `min` and `max`.
fn line(text: &str, min: usize, max: usize) -> Result<String, Invalid> {
    use unicode_normalization::UnicodeNormalization;
    let text: String = text.trim().nfc().collect();
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("control-character", "must not contain control characters"));
    }
    let length = text.chars().count();
    if length < min {
        return Err(Invalid::new("too-short", format!("must have at least {min} characters")));
    }
    if length > max {
        return Err(Invalid::new("too-long", format!("must have at most {max} characters")));
    }
    Ok(text)
}
