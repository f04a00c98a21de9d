use phonenumber::Mode;

use super::{Invalid, text_value};

text_value! {
    /// A telephone number in E.164 form, as the numbering plans know it.
    Phone, false, stored
}

/// Digits of the longest number (ITU-T E.164).
const MOST_DIGITS: usize = 15;

impl Phone {
    /// Accepts a number that starts with `+` and that its country's numbering plan allows; keeps E.164 (`+15125550123`).
    ///
    /// # Errors
    /// `invalid-phone` when it is anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse =
            || Invalid::new("invalid-phone", "must be a valid telephone number in E.164 form, such as +15125550123");
        let text = text.trim();
        let digits = text.strip_prefix('+').ok_or_else(refuse)?;
        if !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err(refuse());
        }
        let number = phonenumber::parse(None, text).map_err(|_| refuse())?;
        if !phonenumber::is_valid(&number) {
            return Err(refuse());
        }
        Ok(Self(number.format().mode(Mode::E164).to_string()))
    }

    /// The country that it belongs to (ISO 3166-1 alpha-2), such as `US`; none when no numbering plan knows it, or when it
    /// belongs to no country.
    pub fn country(&self) -> Option<String> {
        let number = phonenumber::parse(None, &self.0).ok()?;
        number.country().id().map(|id| id.as_ref().to_owned())
    }

    /// Reads a number that was accepted once. Numbering plans change: one that they do not allow any more must not make
    /// a history unreadable. Besides, who only reads is spared the plans, whose loading takes long.
    fn stored(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        if digits.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Invalid::new("invalid-phone", "must be a telephone number in E.164 form"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_e164_only() {
        assert_eq!(Phone::parse(" +15125550123 ").unwrap().as_str(), "+15125550123");
        for text in ["", "5125550123", "+1", "+1512555012", "+1 512 555 0123", "+999123456789", "+1512555abcd"] {
            assert_eq!(Phone::parse(text).unwrap_err().code, "invalid-phone", "{text}");
        }
    }

    #[test]
    fn one_calling_code_is_several_countries() {
        let country = |text: &str| Phone::stored(text).unwrap().country();
        assert_eq!(country("+15125550123").as_deref(), Some("US"));
        assert_eq!(country("+18765550123").as_deref(), Some("JM"));
        assert_eq!(country("+34612345678").as_deref(), Some("ES"));
        assert_eq!(country("+80012345678"), None);
        assert_eq!(country("+999123456789"), None);
    }

    #[test]
    fn a_number_that_was_accepted_once_is_read_whatever_the_plans_say_today() {
        let read = |text: &str| serde_json::from_value::<Phone>(text.into());
        assert_eq!(read("+999123456789").unwrap().as_str(), "+999123456789");
        for text in ["", "+", "15125550123", "+1512555x123", "+1234567890123456"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
