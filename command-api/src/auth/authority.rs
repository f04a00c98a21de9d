//! What a caller may give to others and whom they may change: nothing and nobody above their own level, no permission
//! that they lack.

use axum::http::StatusCode;
use events::{
    ids::UserId,
    permission::Permissions,
    user::{Assignment, Status, UserState},
    values::Level,
};
use platform::{
    http::{Problem, auth::Caller},
    rights::{Granted, at_all},
};

use crate::state::AppState;

/// A caller's own rights, judged by their folded stream and not by their token.
#[derive(Debug, Clone)]
pub struct Authority {
    granted: Granted,
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
        Ok(Self { granted: known.granted_by(&assignments, now) })
    }

    /// Refuses to give away, or to edit, more than the caller has.
    ///
    /// # Errors
    /// 403.
    pub fn covers(&self, level: Level, permissions: &Permissions) -> Result<(), Problem> {
        self.reaches(Some(level))?;
        match self.granted.permissions.first_lacking(permissions) {
            None => Ok(()),
            Some(lacking) => {
                Err(Problem::new(StatusCode::FORBIDDEN, "permission-not-held", "You cannot grant what you do not have")
                    .detail(format!("you lack {}", lacking.as_str())))
            }
        }
    }

    fn reaches(&self, wanted: Option<Level>) -> Result<(), Problem> {
        if wanted <= self.granted.level {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "level-too-high", "That is above your own level"))
    }
}

/// Refuses to change somebody who stands higher than the caller. Most users have no level at all: then nothing more has
/// to be read.
///
/// # Errors
/// 403 or 503.
pub async fn require_not_above(state: &AppState, caller: &Caller, target: &UserState) -> Result<(), Problem> {
    let itself = |target: UserId| target == caller.user();
    let known = state.context.rights.known(at_all(&target.roles)).await?;
    match known.rank_of(&target.roles, state.context.clock.now()) {
        Some(rank) if !itself(target.id) => Authority::of(state, caller).await?.reaches(Some(rank)),
        _ => Ok(()),
    }
}
