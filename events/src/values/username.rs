use super::{Invalid, line, text_value};

text_value! {
    /// A user name: 3 to 254 letters, digits, `.`, `_`, `-`, `+` and `@` (it may be one's own e-mail address).
    Username, false
}

impl Username {
    /// # Errors
    /// `too-short`, `too-long`, `control-character` or `invalid-username`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = line(text, 3, 254)?;
        if text.chars().all(|c| c.is_alphanumeric() || "._-+@".contains(c)) {
            Ok(Self(text))
        } else {
            Err(Invalid::new("invalid-username", "may have letters, digits and . _ - + @ only"))
        }
    }
}
