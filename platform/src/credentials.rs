//! What lies in table `credentials` of a user, and where: written at sign-in, swept once the user is erased.

use aws_sdk_dynamodb::types::AttributeValue;
use events::{ids::UserId, user::CodePurpose};

/// A row of table `credentials`, each user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The password's hash.
    Password,
    /// The seed of the authenticator whose codes a sign-in takes.
    Totp,
    /// A seed that nobody has shown yet that they have.
    WaitingTotp,
    /// The recovery codes.
    Recovery,
    /// The devices of earlier sign-ins.
    Devices,
    /// The one-time code that is good for this.
    Code(CodePurpose),
}

impl Credential {
    /// All that there can be of one user.
    pub const ALL: [Self; 9] = [
        Self::Password,
        Self::Totp,
        Self::WaitingTotp,
        Self::Recovery,
        Self::Devices,
        Self::Code(CodePurpose::Invitation),
        Self::Code(CodePurpose::PasswordReset),
        Self::Code(CodePurpose::SignIn),
        Self::Code(CodePurpose::SmsFactor),
    ];

    /// Where the row lies.
    pub fn place(self, user: UserId) -> String {
        match self.suffix() {
            Some(suffix) => format!("{user}#{suffix}"),
            None => user.to_string(),
        }
    }

    /// The same, as the table's key.
    pub fn key(self, user: UserId) -> AttributeValue {
        AttributeValue::S(self.place(user))
    }

    const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Password => None,
            Self::Totp => Some("totp"),
            Self::WaitingTotp => Some("totp_waiting"),
            Self::Recovery => Some("recovery"),
            Self::Devices => Some("devices"),
            Self::Code(purpose) => Some(purpose.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use events::ids::derive;

    use super::*;

    /// One that is new has no place here, and so reminds of [`Credential::ALL`].
    fn number(credential: Credential) -> usize {
        match credential {
            Credential::Password => 0,
            Credential::Totp => 1,
            Credential::WaitingTotp => 2,
            Credential::Recovery => 3,
            Credential::Devices => 4,
            Credential::Code(CodePurpose::Invitation) => 5,
            Credential::Code(CodePurpose::PasswordReset) => 6,
            Credential::Code(CodePurpose::SignIn) => 7,
            Credential::Code(CodePurpose::SmsFactor) => 8,
        }
    }

    #[test]
    fn each_credential_has_a_place_of_its_own() {
        let user = UserId(derive(&["user"]));
        assert!(Credential::ALL.into_iter().enumerate().all(|(at, credential)| number(credential) == at));
        let places: BTreeSet<String> = Credential::ALL.iter().map(|credential| credential.place(user)).collect();
        assert_eq!(places.len(), Credential::ALL.len());
        assert!(places.iter().all(|place| place.starts_with(&user.to_string())), "{places:?}");
    }
}
