//! What a role permits.

use std::collections::BTreeSet;

use crate::values::{Invalid, text_value};

text_value! {
    /// One right, `area:action` in lower case, such as `users:read`; or `*`, which is every right.
    Permission, true
}

/// Longest permission, in bytes.
const MAX_BYTES: usize = 64;

impl Permission {
    /// Read users and their history.
    pub const USERS_READ: &'static str = "users:read";
    /// Create, change, suspend and reactivate users.
    pub const USERS_WRITE: &'static str = "users:write";
    /// Forget users for ever.
    pub const USERS_ERASE: &'static str = "users:erase";
    /// Read roles and their history.
    pub const ROLES_READ: &'static str = "roles:read";
    /// Create, change and retire roles.
    pub const ROLES_WRITE: &'static str = "roles:write";
    /// Give roles to users and take them away.
    pub const ROLES_ASSIGN: &'static str = "roles:assign";
    /// Read the audit feed.
    pub const AUDIT_READ: &'static str = "audit:read";
    /// Read notifications.
    pub const NOTIFICATIONS_READ: &'static str = "notifications:read";
    /// Every right there is or will be.
    pub const ALL: &'static str = "*";

    /// Other services name rights of their own, so any well-formed one is accepted.
    ///
    /// # Errors
    /// `invalid-permission` when it is neither `*` nor `area:action` of lower-case letters, digits and `_`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let word = |w: &str| {
            w.starts_with(|c: char| c.is_ascii_lowercase())
                && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let two = text.split_once(':').is_some_and(|(area, action)| word(area) && word(action));
        if text == Self::ALL || (two && text.len() <= MAX_BYTES) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("invalid-permission", "must be area:action in lower case, such as users:read, or *"))
        }
    }
}

/// A set of permissions, which is never empty once parsed from a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub BTreeSet<Permission>);

impl Permissions {
    /// Whether the set grants `permission`.
    pub fn allow(&self, permission: &str) -> bool {
        self.0.iter().any(|held| held.as_str() == Permission::ALL || held.as_str() == permission)
    }

    /// The first of `wanted` that this set does not grant.
    pub fn first_lacking<'a>(&self, wanted: &'a Self) -> Option<&'a Permission> {
        wanted.0.iter().find(|permission| !self.allow(permission.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Permissions {
        Permissions(names.iter().map(|name| Permission::parse(name).unwrap()).collect())
    }

    #[test]
    fn the_star_is_granted_only_by_the_star() {
        assert!(set(&["*"]).allow("jobs:dispatch"));
        assert!(!set(&["users:read"]).allow("users:write"));
        assert_eq!(set(&["users:read"]).first_lacking(&set(&["*"])).unwrap().as_str(), "*");
        assert_eq!(set(&["*"]).first_lacking(&set(&["*", "users:read"])), None);
    }

    #[test]
    fn refuses_what_is_no_permission() {
        for text in ["", "users", "users:", ":read", "Users:read", "users:read:x", "**", "users:*"] {
            assert!(Permission::parse(text).is_err(), "{text}");
        }
    }
}
