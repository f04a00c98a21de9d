use phonenumber::Mode;

use super::{Invalid, text_value};

text_value! {
    /// A telephone number in E.164 form, as the numbering plans know it.
    Phone, false
}

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
}
