//! What a caller may give to others and whom they may change: nothing and nobody above their own level, no permission
//! that they lack, and nothing for longer than they have it.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use events::{
    permission::{Permission, Permissions},
    user::{Assignment, Status, UserCommand, UserState},
    values::Level,
};
use platform::{
    http::{Problem, auth::Caller},
    rights::{Granted, KnownRights, at_all},
};

use crate::state::AppState;

/// A caller's own rights, judged by their folded stream and not by their token.
#[derive(Debug, Clone)]
pub struct Authority {
    known: KnownRights,
    assignments: Vec<Assignment>,
    now: DateTime<Utc>,
}

impl Authority {
    /// Loads the caller's stream.
    ///
    /// # Errors
    /// 503 when rights or log do not answer.
    pub async fn of(state: &AppState, caller: &Caller) -> Result<Self, Problem> {
        let now = state.context.clock.now();
        let folded = state.context.users.load(caller.user().into()).await?;
        let active = folded.state.filter(|user| user.status == Status::Active);
        let assignments: Vec<Assignment> = active.map(|user| user.roles).unwrap_or_default();
        let known = state.context.rights.known(at_all(&assignments)).await?;
        Ok(Self { known, assignments, now })
    }

    /// Refuses to edit more than the caller has now.
    ///
    /// # Errors
    /// 403.
    pub fn covers(&self, level: Level, permissions: &Permissions) -> Result<(), Problem> {
        self.covers_until(level, permissions, Some(self.now))
    }

    /// Refuses to give away what the caller does not have, now and until `end`; for ever when there is none.
    ///
    /// # Errors
    /// 403.
    pub fn covers_until(
        &self,
        level: Level,
        permissions: &Permissions,
        end: Option<DateTime<Utc>>,
    ) -> Result<(), Problem> {
        let (held, lasting) = (self.granted_until(Some(self.now)), self.granted_until(end));
        reaches(&held, level)?;
        reaches(&lasting, level).map_err(|problem| problem.detail("your own level ends before that"))?;
        let Some(lacking) = lasting.permissions.first_lacking(permissions).map(Permission::as_str) else {
            return Ok(());
        };
        let why = if held.permissions.allow(lacking) { "do not have it for so long:" } else { "lack" };
        Err(Problem::new(StatusCode::FORBIDDEN, "permission-not-held", "You cannot grant what you do not have")
            .detail(format!("you {why} {lacking}")))
    }

    /// What those of the caller's roles grant that do not end before `end`.
    fn granted_until(&self, end: Option<DateTime<Utc>>) -> Granted {
        let lasting = self.assignments.iter().filter(|held| held.lasts_until(end)).cloned();
        self.known.granted_by(&lasting.collect::<Vec<Assignment>>(), self.now)
    }
}

fn reaches(granted: &Granted, wanted: Level) -> Result<(), Problem> {
    if granted.level >= Some(wanted) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "level-too-high", "That is above your own level"))
}

/// Refuses to change somebody who stands higher than the caller. Most users have no level at all: then nothing more has
/// to be read.
///
/// # Errors
/// 403 or 503.
pub async fn require_not_above(state: &AppState, caller: &Caller, target: &UserState) -> Result<(), Problem> {
    below(state, caller, target).await.map(drop)
}

/// Refuses a command for somebody who stands higher than the caller; and one by which their account could be taken over
/// also for somebody whose roles, wherever they hold, grant what the caller lacks, or for longer.
///
/// # Errors
/// 403 or 503.
pub async fn require_may(
    state: &AppState,
    caller: &Caller,
    target: &UserState,
    wish: &UserCommand,
) -> Result<(), Problem> {
    let Some((authority, known)) = below(state, caller, target).await? else { return Ok(()) };
    if !hands_over(wish) {
        return Ok(());
    }
    for held in target.roles.iter().filter(|held| held.holds_at(authority.now)) {
        match known.role(held.role_id) {
            Some(role) if role.permissions.0.is_empty() => (),
            Some(role) => authority.covers_until(role.level, &role.permissions, held.expires_at)?,
            // It could grant anything.
            None => return Err(Problem::unavailable().detail("a role of the user is not known yet")),
        }
    }
    Ok(())
}

/// The caller's authority and the rights of the target's roles, when the target is somebody else who has any rank.
async fn below(
    state: &AppState,
    caller: &Caller,
    target: &UserState,
) -> Result<Option<(Authority, KnownRights)>, Problem> {
    if target.id == caller.user() {
        return Ok(None);
    }
    let known = state.context.rights.known(at_all(&target.roles)).await?;
    let Some(rank) = known.rank_of(&target.roles, state.context.clock.now()) else { return Ok(None) };
    let authority = Authority::of(state, caller).await?;
    reaches(&authority.granted_until(Some(authority.now)), rank)?;
    Ok(Some((authority, known)))
}

/// Whether whoever carries it out for somebody else could be that somebody afterwards. Who chooses the name and the
/// telephone of an account sets its password anew; without its second factors a password is enough; an invitation goes
/// to whichever telephone is there.
fn hands_over(wish: &UserCommand) -> bool {
    match wish {
        UserCommand::ChangeProfile(change) => {
            change.email.is_some() || change.username.is_some() || change.phone.is_some()
        }
        UserCommand::RemoveFactors | UserCommand::RequestCode(_) => true,
        UserCommand::Register(_)
        | UserCommand::Suspend
        | UserCommand::Reactivate
        | UserCommand::AssignRole(_)
        | UserCommand::RevokeRole(_)
        | UserCommand::ChangePassword
        // Whoever signs in then has shown the old password.
        | UserCommand::RequirePasswordChange
        | UserCommand::AcceptInvitation
        | UserCommand::AddFactor(_)
        | UserCommand::RemoveFactor(_)
        | UserCommand::ReplaceRecoveryCodes
        | UserCommand::UseRecoveryCode
        | UserCommand::SetPreferences(_)
        | UserCommand::EndSessions
        | UserCommand::Erase => false,
    }
}
