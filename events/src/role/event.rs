use serde::{Deserialize, Serialize};

use crate::{
    event::{EventData, EventType},
    permission::Permissions,
    values::{Description, Level, RoleName},
};

/// What happened to a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum RoleEvent {
    /// The role came to be.
    RoleCreated(RoleCreated),
    /// Some of it changed.
    RoleChanged(RoleChanged),
    /// Nobody has its rights any more, and its name is free.
    RoleRetired {},
}

/// Data of [`RoleEvent::RoleCreated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleCreated {
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: Description,
    /// How high it stands.
    pub level: Level,
    /// What it permits.
    pub permissions: Permissions,
}

/// Data of [`RoleEvent::RoleChanged`]: the new value of each field that changed. Also the command's wish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChanged {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RoleName>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// New level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// New permissions, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

const fn plain(name: &'static str) -> EventType {
    EventType { name, schema: 1, personal: &[] }
}

const CREATED: EventType = plain("RoleCreated");
const CHANGED: EventType = plain("RoleChanged");
const RETIRED: EventType = plain("RoleRetired");

impl EventData for RoleEvent {
    const CATALOGUE: &'static [EventType] = &[CREATED, CHANGED, RETIRED];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::RoleCreated(_) => &CREATED,
            Self::RoleChanged(_) => &CHANGED,
            Self::RoleRetired {} => &RETIRED,
        }
    }
}
