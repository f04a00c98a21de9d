use std::collections::BTreeSet;

use super::{
    command::{AssignRole, UserCommand},
    event::{CodeRequested, FactorChanged, ProfileChanged, RoleAssigned, RoleRevoked, UserEvent},
    preferences::Preferences,
    profile::{apply, difference, is_registration_of, registered, registration},
    state::{Assignment, CodePurpose, Factor, Status, UserState},
};
use crate::{
    claim::{Claim, GuardedSet},
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    ids::RoleId,
    notification::MessageCategory,
    stream::Category,
    values::{Locale, Personal, TimeZone},
};

/// Most roles of one user: all of them travel in the access token, which must stay below the header limits of proxies.
pub const MAX_ASSIGNMENTS: usize = 50;

/// The rules of users.
#[derive(Debug, Clone, Copy)]
pub struct User;

/// Why a user's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// There is none.
    #[error("there is no such user")]
    NotFound,
    /// There is one already, and it is another.
    #[error("the user exists already")]
    Exists,
    /// The user is not suspended, so there is nothing to take back.
    #[error("only a suspended user can be reactivated; this one is {}", .0.as_str())]
    NotSuspended(Status),
    /// Only an active user can do it.
    #[error("only an active user can do it; this one is {}", .0.as_str())]
    NotActive(Status),
    /// Only an invited user can do it.
    #[error("only an invited user can do it; this one is {}", .0.as_str())]
    NotInvited(Status),
    /// The user is forgotten.
    #[error("the user was erased")]
    Erased,
    /// The user has [`MAX_ASSIGNMENTS`] roles already.
    #[error("a user can have at most {MAX_ASSIGNMENTS} roles")]
    TooManyRoles,
    /// Messages of this category come whether somebody wants them or not.
    #[error("messages of the category {} cannot be muted", .0.as_str())]
    NotMutable(MessageCategory),
    /// The role would end before it begins.
    #[error("an assignment's end must lie in the future")]
    EndInThePast,
}

impl Refusal for UserRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Exists => "user-exists",
            Self::NotSuspended(_) => "user-not-suspended",
            Self::NotActive(_) => "user-not-active",
            Self::NotInvited(_) => "user-not-invited",
            Self::Erased => "erased",
            Self::TooManyRoles => "too-many-roles",
            Self::NotMutable(_) => "not-mutable",
            Self::EndInThePast => "in-the-past",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::Erased => RefusalKind::Gone,
            Self::NotMutable(_) => RefusalKind::Invalid { pointer: "/muted" },
            Self::EndInThePast => RefusalKind::Invalid { pointer: "/expires_at" },
            Self::Exists | Self::NotSuspended(_) | Self::NotActive(_) | Self::NotInvited(_) | Self::TooManyRoles => {
                RefusalKind::Conflict
            }
        }
    }
}

impl Decider for User {
    const CATEGORY: Category = Category::User;
    const STATE_SCHEMA: u32 = 5;
    type State = Option<UserState>;
    type Event = UserEvent;
    type Command = UserCommand;
    type Refusal = UserRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<UserEvent>) {
        if let (None, UserEvent::UserRegistered(event)) = (state.as_ref(), &recorded.event) {
            *state = Some(registered(event, recorded));
        }
        let Some(user) = state else { return };
        user.version = recorded.version;
        user.updated_at = recorded.recorded_at;
        match &recorded.event {
            UserEvent::UserProfileChanged(change) => apply(user, change),
            UserEvent::UserSuspended {} => {
                if user.status != Status::Suspended {
                    user.before_suspension = user.status;
                }
                user.status = Status::Suspended;
                user.sessions_since = recorded.version;
            }
            UserEvent::UserReactivated {} => user.status = user.before_suspension,
            UserEvent::UserRoleAssigned(event) => {
                // Those that have ended go, so that the state stays bounded.
                user.roles.retain(|held| held.role_id != event.role_id && held.holds_at(recorded.recorded_at));
                let at = user.roles.partition_point(|held| held.role_id < event.role_id);
                user.roles.insert(at, assignment(event));
            }
            UserEvent::UserRoleRevoked(event) => user.roles.retain(|held| held.role_id != event.role_id),
            UserEvent::UserPasswordChanged {} => {
                user.password_change_required = false;
                user.sessions_since = recorded.version;
            }
            UserEvent::UserPasswordChangeRequired {} => {
                user.password_change_required = true;
                user.sessions_since = recorded.version;
            }
            UserEvent::UserSessionsEnded {} => user.sessions_since = recorded.version,
            UserEvent::UserInvitationAccepted {} => user.status = Status::Active,
            UserEvent::UserFactorAdded(event) => drop(user.factors.insert(event.factor)),
            UserEvent::UserFactorRemoved(event) => drop(user.factors.remove(&event.factor)),
            UserEvent::UserPreferencesChanged(wish) => user.preferences.clone_from(wish),
            UserEvent::UserRegistered(_)
            | UserEvent::UserCodeRequested(_)
            | UserEvent::UserRecoveryCodesReplaced {}
            | UserEvent::UserRecoveryCodeUsed {} => (),
            UserEvent::UserErased {} => forget(user),
        }
    }

    fn decide(state: &Self::State, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        let user = match (state, command) {
            (None, UserCommand::Register(new)) => {
                return Ok(vec![UserEvent::UserRegistered(registration(new))]);
            }
            (None, _) => return Err(UserRefusal::NotFound),
            (Some(user), _) if user.status == Status::Erased => return Err(UserRefusal::Erased),
            (Some(user), command) => (user, command),
        };
        match user {
            (user, UserCommand::Register(new)) => {
                if is_registration_of(user, &registration(new)) {
                    Ok(vec![])
                } else {
                    Err(UserRefusal::Exists)
                }
            }
            (user, UserCommand::ChangeProfile(change)) => {
                let change = difference(user, change);
                if change == ProfileChanged::default() {
                    return Ok(vec![]);
                }
                // Nobody has shown that they have the new telephone.
                let lost = change.phone.as_ref().and_then(|_| user.factors.get(&Factor::Sms).copied());
                let removed = lost.map(|factor| UserEvent::UserFactorRemoved(FactorChanged { factor }));
                // Whoever was invited at another number never gets the code that went there.
                let purpose = CodePurpose::Invitation;
                let invited_anew = (change.phone.is_some() && user.status == Status::Invited)
                    .then_some(UserEvent::UserCodeRequested(CodeRequested { purpose }));
                Ok([UserEvent::UserProfileChanged(change)].into_iter().chain(removed).chain(invited_anew).collect())
            }
            (user, UserCommand::Suspend) => match user.status {
                Status::Suspended => Ok(vec![]),
                _ => Ok(vec![UserEvent::UserSuspended {}]),
            },
            (user, UserCommand::Reactivate) => match user.status {
                Status::Suspended => Ok(vec![UserEvent::UserReactivated {}]),
                Status::Active => Ok(vec![]),
                status => Err(UserRefusal::NotSuspended(status)),
            },
            (user, UserCommand::AssignRole(terms)) => assign(user, terms),
            (user, UserCommand::RevokeRole(role_id)) => {
                let held = user.roles.iter().any(|held| held.role_id == role_id);
                Ok(if held { vec![UserEvent::UserRoleRevoked(RoleRevoked { role_id })] } else { vec![] })
            }
            (user, UserCommand::AcceptInvitation) => {
                invited(user)?;
                Ok(vec![UserEvent::UserInvitationAccepted {}])
            }
            (user, UserCommand::RequestCode(purpose)) => {
                if purpose == CodePurpose::Invitation {
                    invited(user)?;
                } else {
                    active(user)?;
                }
                Ok(vec![UserEvent::UserCodeRequested(CodeRequested { purpose })])
            }
            (
                user,
                command @ (UserCommand::ChangePassword
                | UserCommand::RequirePasswordChange
                | UserCommand::AddFactor(_)
                | UserCommand::RemoveFactor(_)
                | UserCommand::RemoveFactors
                | UserCommand::ReplaceRecoveryCodes
                | UserCommand::UseRecoveryCode),
            ) => {
                active(user)?;
                Ok(credentials(user, &command))
            }
            (user, UserCommand::SetPreferences(wish)) => {
                let refused = wish.muted.iter().find(|category| !category.can_be_muted());
                match refused {
                    Some(category) => Err(UserRefusal::NotMutable(*category)),
                    None if wish == user.preferences => Ok(vec![]),
                    None => Ok(vec![UserEvent::UserPreferencesChanged(wish)]),
                }
            }
            (_, UserCommand::EndSessions) => Ok(vec![UserEvent::UserSessionsEnded {}]),
            (_, UserCommand::Erase) => Ok(vec![UserEvent::UserErased {}]),
        }
    }

    fn claims(state: &Self::State) -> BTreeSet<Claim> {
        let Some(user) = state else {
            return BTreeSet::new();
        };
        let email = user.email.known().map(Claim::email);
        let username = user.username.known().map(Claim::username);
        email.into_iter().chain(username).collect()
    }

    fn memberships(state: &Self::State) -> BTreeSet<GuardedSet> {
        let administers = |role: &Assignment| {
            role.role_id == RoleId::administrator() && role.scope.is_none() && role.expires_at.is_none()
        };
        let administrators =
            state.iter().filter(|user| user.status == Status::Active && user.roles.iter().any(administers));
        administrators.map(|_| GuardedSet::Administrators).collect()
    }

    fn is_erased(state: &Self::State) -> bool {
        state.as_ref().is_some_and(|user| user.status == Status::Erased)
    }
}

/// What an active user's command about their own credentials leads to.
fn credentials(user: &UserState, command: &UserCommand) -> Vec<UserEvent> {
    let has = |factor| user.factors.contains(&factor);
    match *command {
        UserCommand::ChangePassword => vec![UserEvent::UserPasswordChanged {}],
        UserCommand::RequirePasswordChange if !user.password_change_required => {
            vec![UserEvent::UserPasswordChangeRequired {}]
        }
        UserCommand::AddFactor(factor) if !has(factor) => vec![UserEvent::UserFactorAdded(FactorChanged { factor })],
        UserCommand::RemoveFactor(factor) if has(factor) => {
            vec![UserEvent::UserFactorRemoved(FactorChanged { factor })]
        }
        UserCommand::RemoveFactors if !user.factors.is_empty() => {
            let removed = |factor: &Factor| UserEvent::UserFactorRemoved(FactorChanged { factor: *factor });
            user.factors.iter().map(removed).chain([UserEvent::UserSessionsEnded {}]).collect()
        }
        UserCommand::ReplaceRecoveryCodes => vec![UserEvent::UserRecoveryCodesReplaced {}],
        UserCommand::UseRecoveryCode => vec![UserEvent::UserRecoveryCodeUsed {}],
        _ => vec![],
    }
}

fn active(user: &UserState) -> Result<(), UserRefusal> {
    if user.status == Status::Active { Ok(()) } else { Err(UserRefusal::NotActive(user.status)) }
}

fn invited(user: &UserState) -> Result<(), UserRefusal> {
    if user.status == Status::Invited { Ok(()) } else { Err(UserRefusal::NotInvited(user.status)) }
}

/// What is left of an erased user: that there was one.
fn forget(user: &mut UserState) {
    user.email = Personal::Erased;
    user.username = Personal::Erased;
    user.first_name = Personal::Erased;
    user.last_name = Personal::Erased;
    user.phone = Personal::Erased;
    user.locale = Locale::default();
    user.time_zone = TimeZone::default();
    user.status = Status::Erased;
    user.preferences = Preferences::default();
    user.roles.clear();
    user.factors.clear();
}

fn assign(user: &UserState, terms: AssignRole) -> Result<Vec<UserEvent>, UserRefusal> {
    let held = |role: RoleId| user.roles.iter().find(|held| held.role_id == role);
    let event = RoleAssigned { role_id: terms.role_id, scope: terms.scope, expires_at: terms.expires_at };
    let holding = user.roles.iter().filter(|held| held.holds_at(terms.now) && held.role_id != event.role_id).count();
    match held(event.role_id) {
        _ if event.expires_at.is_some_and(|end| end <= terms.now) => Err(UserRefusal::EndInThePast),
        Some(held) if *held == assignment(&event) => Ok(vec![]),
        _ if holding >= MAX_ASSIGNMENTS => Err(UserRefusal::TooManyRoles),
        _ => Ok(vec![UserEvent::UserRoleAssigned(event)]),
    }
}

fn assignment(event: &RoleAssigned) -> Assignment {
    Assignment { role_id: event.role_id, scope: event.scope.clone(), expires_at: event.expires_at }
}
