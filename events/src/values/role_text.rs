use super::{Invalid, line, text_value};

text_value! {
    /// A role's name: 1 to 100 characters on one line. Two spellings of one name are told by their claim.
    RoleName, true
}

impl RoleName {
    /// # Errors
    /// `too-short`, `too-long` or `control-character`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        line(text, 1, 100).map(Self)
    }
}

text_value! {
    /// What a role is for: up to 500 characters on one line.
    Description, true
}

impl Description {
    /// # Errors
    /// `too-long` or `control-character`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        line(text, 0, 500).map(Self)
    }
}

impl Description {
    /// No description.
    pub fn none() -> Self {
        Self(String::new())
    }
}
