//! The model: a user as plain as can be, and what may be asked of them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::new_user;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Create(u32),
    Rename(String),
    Address(String),
    Username(String),
    Both(String, String),
    Suspend,
    Reactivate,
    Assign(String),
    Revoke(String),
}

/// A user, as plain as can be.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Person {
    pub(super) email: String,
    pub(super) username: String,
    first_name: String,
    suspended: bool,
    roles: BTreeSet<String>,
}

impl Person {
    pub(super) fn after(&self, op: &Op) -> Self {
        let mut person = self.clone();
        match op {
            Op::Create(number) => {
                let new = new_user(*number);
                let text = |field: &str| new[field].as_str().unwrap().to_owned();
                (person.email, person.username, person.first_name) =
                    (text("email"), text("username"), text("first_name"));
            }
            Op::Rename(name) => person.first_name.clone_from(name),
            Op::Address(email) => person.email.clone_from(email),
            Op::Username(username) => person.username.clone_from(username),
            Op::Both(email, username) => (person.email, person.username) = (email.clone(), username.clone()),
            Op::Suspend => person.suspended = true,
            Op::Reactivate => person.suspended = false,
            Op::Assign(role) => _ = person.roles.insert(role.clone()),
            Op::Revoke(role) => _ = person.roles.remove(role),
        }
        person
    }

    pub(super) fn read(body: &Value) -> Self {
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        let roles = body["roles"].as_array().unwrap().iter();
        Self {
            email: text("email"),
            username: text("username"),
            first_name: text("first_name"),
            suspended: body["status"] == "suspended",
            roles: roles.map(|role| role["role_id"].as_str().unwrap().to_owned()).collect(),
        }
    }
}
