//! Unique values, and when two spellings are the same one.

use unicode_normalization::UnicodeNormalization;

use crate::values::{Email, RoleName, Username};

/// Number of the rules below. It is part of every claim's key: new rules need a new number.
pub const NORMALISER: u32 = 1;

/// What name space a claim is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// What somebody types to sign in: e-mail addresses and user names share it.
    SignIn,
    /// Names of roles in use.
    RoleName,
}

impl ClaimKind {
    /// The kind as it stands in a claim's key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "signin",
            Self::RoleName => "role_name",
        }
    }
}

/// A set of streams that must never become empty once it has a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardedSet {
    /// Active users who have the administrator role everywhere and without end.
    Administrators,
}

impl GuardedSet {
    /// Every set.
    pub const ALL: [Self; 1] = [Self::Administrators];

    /// The set as it stands in its item's key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrators => "administrators",
        }
    }
}

/// One unique value in normal form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The name space.
    pub kind: ClaimKind,
    value: String,
}

impl Claim {
    /// The claim of an e-mail address.
    pub fn email(email: &Email) -> Self {
        let (local, domain) = email.parts();
        let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| fold(domain));
        Self { kind: ClaimKind::SignIn, value: format!("{}@{domain}", fold(local)) }
    }

    /// The claim of a user name; one that is an e-mail address claims that address.
    pub fn username(username: &Username) -> Self {
        Self::sign_in(username.as_str())
    }

    /// What a sign-in looks up for whatever was typed.
    pub fn sign_in(identifier: &str) -> Self {
        Email::parse(identifier)
            .map_or_else(|_| Self { kind: ClaimKind::SignIn, value: fold(identifier) }, |email| Self::email(&email))
    }

    /// The claim of a role's name.
    pub fn role_name(name: &RoleName) -> Self {
        Self { kind: ClaimKind::RoleName, value: fold(name.as_str()) }
    }

    /// The normal form. It is personal: only its HMAC is ever stored.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claim({}, ..)", self.kind.as_str())
    }
}

fn fold(text: &str) -> String {
    caseless_form(text).trim().to_owned()
}

/// Unicode's compatibility caseless form (D146), composed: folding can leave the normal form, so both are done twice.
pub(crate) fn caseless_form(text: &str) -> String {
    let once: String = caseless::default_case_fold_str(&text.nfd().collect::<String>()).nfkd().collect();
    caseless::default_case_fold_str(&once).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_address_are_one_claim() {
        let claim = |text: &str| Claim::email(&Email::parse(text).unwrap());
        assert_eq!(claim("Ada@Example.COM"), claim("ada@example.com"));
        assert_eq!(claim("a@bücher.example"), claim("A@xn--bcher-kva.example"));
        assert_eq!(Claim::sign_in(" ADA@example.com "), claim("ada@example.com"));
        assert_eq!(Claim::username(&Username::parse("ada@EXAMPLE.com").unwrap()), claim("ada@example.com"));
        assert_ne!(claim("ada@example.com"), claim("adb@example.com"));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once, "{:?}", text);
        }
    }
}
