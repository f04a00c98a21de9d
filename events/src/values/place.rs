use super::{Invalid, text_value};

text_value! {
    /// A language tag (BCP 47) in canonical form, such as `en-US`.
    Locale, true
}

impl Locale {
    /// # Errors
    /// `invalid-locale` when it is no language tag.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.trim()
            .parse::<icu_locale_core::LanguageIdentifier>()
            .map(|tag| Self(tag.to_string()))
            .map_err(|_| Invalid::new("invalid-locale", "must be a language tag such as en-US"))
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en-US".to_owned())
    }
}

text_value! {
    /// A time zone of the IANA data base, such as `America/Chicago`.
    TimeZone, true
}

impl TimeZone {
    /// # Errors
    /// `invalid-time-zone` when the data base has no such zone.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.trim()
            .parse::<chrono_tz::Tz>()
            .map(|zone| Self(zone.name().to_owned()))
            .map_err(|_| Invalid::new("invalid-time-zone", "must be an IANA time zone such as America/Chicago"))
    }
}

impl TimeZone {
    /// Its rules. A zone that the data base does not have any more counts as UTC.
    pub fn rules(&self) -> chrono_tz::Tz {
        self.0.parse().unwrap_or_default()
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

text_value! {
    /// Where an assignment holds, for other services to judge: `kind:name`, such as `branch:austin`.
    Scope, true
}

impl Scope {
    /// Longest scope, in bytes: scopes travel in every access token.
    pub const MAX_BYTES: usize = 100;

    /// # Errors
    /// `invalid-scope` when it is not `kind:name` of lower-case letters, digits, `_`, `-` and `.`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let word = |w: &str| {
            !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c))
        };
        match text.split_once(':') {
            Some((kind, name)) if text.len() <= Self::MAX_BYTES && word(kind) && word(name) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "invalid-scope",
                "must be kind:name in lower case, such as branch:austin, of at most 100 bytes",
            )),
        }
    }
}
