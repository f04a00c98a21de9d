use super::{Invalid, line, text_value};

text_value! {
    /// A first or last name: 1 to 100 characters on one line.
    PersonName, false
}

impl PersonName {
    /// # Errors
    /// `too-short`, `too-long` or `control-character`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        line(text, 1, 100).map(Self)
    }
}

text_value! {
    /// Why somebody changed something: 1 to 500 characters on one line. Treated as personal, for people write names into it.
    Reason, false
}

impl Reason {
    /// # Errors
    /// `too-short`, `too-long` or `control-character`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        line(text, 1, 500).map(Self)
    }
}
