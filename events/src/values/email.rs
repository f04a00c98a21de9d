use super::{Invalid, text_value};

/// Longest address that SMTP can carry (RFC 5321 §4.5.3.1.3, erratum 1690), in bytes.
const MAX_BYTES: usize = 254;

/// Longest local part (RFC 5321 §4.5.3.1.1), in bytes.
const MAX_LOCAL_BYTES: usize = 64;

text_value! {
    /// An e-mail address as its owner writes it. Two spellings of one address are told by their claim, not here.
    Email, false
}

impl Email {
    /// Accepts `local@domain` with a domain of at least two labels that IDNA (UTS 46) accepts; no quoted local parts.
    ///
    /// # Errors
    /// `invalid-email` when it is anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        use unicode_normalization::UnicodeNormalization;
        let text: String = text.trim().nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| refuse("must contain one @"))?;
        if text.len() > MAX_BYTES || local.is_empty() || local.len() > MAX_LOCAL_BYTES {
            return Err(refuse("must have 1 to 64 bytes before the @ and 254 in all"));
        }
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        if dots || !local.chars().all(allowed) {
            return Err(refuse("has a character or a dot that may not stand before the @"));
        }
        let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| refuse("has no valid domain"))?;
        let last = ascii.rsplit('.').next().unwrap_or_default();
        if !ascii.contains('.') || last.chars().all(|c| c.is_ascii_digit()) {
            return Err(refuse("must have a domain of at least two labels"));
        }
        Ok(Self(text))
    }

    /// The two sides of the @.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((self.0.as_str(), ""))
    }
}

fn refuse(why: &str) -> Invalid {
    Invalid::new("invalid-email", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ordinary_addresses_and_trims_them() {
        for (given, kept) in [(" ada@example.com ", "ada@example.com"), ("a.b+c@büro.example", "a.b+c@büro.example")]
        {
            assert_eq!(Email::parse(given).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@@example.com",
            ".a@example.com",
            "ada@-x.com",
            "a@1.2.3.4",
        ] {
            assert_eq!(Email::parse(text).unwrap_err().code, "invalid-email", "{text}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "Email(..)");
    }
}
