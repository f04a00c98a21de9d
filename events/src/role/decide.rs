use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::{RoleChanged, RoleCreated, RoleEvent};
use crate::{
    claim::Claim,
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    ids::RoleId,
    permission::Permissions,
    stream::{Category, Version},
    values::{Description, Level, RoleName},
};

/// The rules of roles.
#[derive(Debug, Clone, Copy)]
pub struct Role;

/// What somebody wants of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleCommand {
    /// Bring the role into being.
    Create(RoleCreated),
    /// Change some of it.
    Change(RoleChanged),
    /// End it.
    Retire,
}

/// Where a role stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleStatus {
    /// Can be given to users.
    Active,
    /// Grants nothing, for ever.
    Retired,
}

/// A role as folded from the history. It is the decider's state and the row of the read model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleState {
    /// The role.
    pub id: RoleId,
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: Description,
    /// How high it stands.
    pub level: Level,
    /// What it permits.
    pub permissions: Permissions,
    /// Where it stands.
    pub status: RoleStatus,
    /// Number of its last commit.
    pub version: Version,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}

/// Why a role's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefusal {
    /// There is none.
    #[error("there is no such role")]
    NotFound,
    /// There is one already, and it is another.
    #[error("the role exists already")]
    Exists,
    /// A retired role does not change.
    #[error("the role is retired")]
    Retired,
    /// The seeded administrator's role does not change.
    #[error("the administrator role cannot be changed or retired")]
    Administrator,
}

impl Refusal for RoleRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Exists => "role-exists",
            Self::Retired => "role-retired",
            Self::Administrator => "administrator-role-fixed",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::Exists | Self::Retired => RefusalKind::Conflict,
            Self::Administrator => RefusalKind::Forbidden,
        }
    }
}

impl Decider for Role {
    const CATEGORY: Category = Category::Role;
    const STATE_SCHEMA: u32 = 1;
    type State = Option<RoleState>;
    type Event = RoleEvent;
    type Command = RoleCommand;
    type Refusal = RoleRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<RoleEvent>) {
        if let (None, RoleEvent::RoleCreated(event)) = (state.as_ref(), &recorded.event) {
            *state = Some(created(event, recorded));
        }
        let Some(role) = state else { return };
        role.version = recorded.version;
        role.updated_at = recorded.recorded_at;
        match &recorded.event {
            RoleEvent::RoleCreated(_) => (),
            RoleEvent::RoleChanged(change) => apply(role, change),
            RoleEvent::RoleRetired {} => role.status = RoleStatus::Retired,
        }
    }

    fn decide(state: &Self::State, command: RoleCommand) -> Result<Vec<RoleEvent>, RoleRefusal> {
        match (state, command) {
            (None, RoleCommand::Create(new)) => Ok(vec![RoleEvent::RoleCreated(new)]),
            (None, _) => Err(RoleRefusal::NotFound),
            (Some(role), RoleCommand::Create(new)) => {
                let same = role.name == new.name
                    && role.description == new.description
                    && role.level == new.level
                    && role.permissions == new.permissions;
                if same { Ok(vec![]) } else { Err(RoleRefusal::Exists) }
            }
            (Some(role), _) if role.id == RoleId::administrator() => Err(RoleRefusal::Administrator),
            (Some(role), RoleCommand::Retire) => match role.status {
                RoleStatus::Active => Ok(vec![RoleEvent::RoleRetired {}]),
                RoleStatus::Retired => Ok(vec![]),
            },
            (Some(role), RoleCommand::Change(_)) if role.status == RoleStatus::Retired => Err(RoleRefusal::Retired),
            (Some(role), RoleCommand::Change(change)) => {
                let change = difference(role, change);
                Ok(if change == RoleChanged::default() { vec![] } else { vec![RoleEvent::RoleChanged(change)] })
            }
        }
    }

    fn claims(state: &Self::State) -> BTreeSet<Claim> {
        let active = state.iter().filter(|role| role.status == RoleStatus::Active);
        active.map(|role| Claim::role_name(&role.name)).collect()
    }
}

fn created(event: &RoleCreated, recorded: &Recorded<RoleEvent>) -> RoleState {
    RoleState {
        id: RoleId(recorded.stream.id),
        name: event.name.clone(),
        description: event.description.clone(),
        level: event.level,
        permissions: event.permissions.clone(),
        status: RoleStatus::Active,
        version: recorded.version,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
    }
}

fn difference(role: &RoleState, change: RoleChanged) -> RoleChanged {
    RoleChanged {
        name: change.name.filter(|new| *new != role.name),
        description: change.description.filter(|new| *new != role.description),
        level: change.level.filter(|new| *new != role.level),
        permissions: change.permissions.filter(|new| *new != role.permissions),
    }
}

fn apply(role: &mut RoleState, change: &RoleChanged) {
    if let Some(name) = &change.name {
        role.name.clone_from(name);
    }
    if let Some(description) = &change.description {
        role.description.clone_from(description);
    }
    if let Some(level) = change.level {
        role.level = level;
    }
    if let Some(permissions) = &change.permissions {
        role.permissions.clone_from(permissions);
    }
}
