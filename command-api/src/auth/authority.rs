//! What a caller may give to others: nothing above their own level, no permission that they lack.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use events::{
    permission::Permissions,
    user::{Assignment, Status},
    values::Level,
};
use platform::{
    http::{Problem, auth::Caller},
    rights::{Granted, KnownRights, RightsError},
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
        let assignments =
            folded.state.filter(|user| user.status == Status::Active).map(|user| user.roles).unwrap_or_default();
        let known = state.context.rights.known(&assignments, now).await.map_err(|_| Problem::unavailable())?;
        Ok(Self { granted: known.granted_by(&assignments, now) })
    }

    /// Refuses to give away, or to edit, more than the caller has.
    ///
    /// # Errors
    /// 403.
    pub fn covers(&self, level: Level, permissions: &Permissions) -> Result<(), Problem> {
        require_level(self.granted.level, Some(level))?;
        match self.granted.permissions.first_lacking(permissions) {
            None => Ok(()),
            Some(lacking) => {
                Err(Problem::new(StatusCode::FORBIDDEN, "permission-not-held", "You cannot grant what you do not have")
                    .detail(format!("you lack {}", lacking.as_str())))
            }
        }
    }
}

/// Refuses to change somebody who stands higher than the caller.
///
/// # Errors
/// 403.
pub fn require_not_above(
    caller: &Caller,
    known: &KnownRights,
    target: &[Assignment],
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    require_level(caller.level, known.granted_by(target, now).level)
}

/// The rights copy, for use inside a decision.
///
/// # Errors
/// 503 when it is too old to be trusted.
pub async fn known_rights(state: &AppState) -> Result<KnownRights, Problem> {
    let known = state.context.rights.known(&[], state.context.clock.now()).await;
    known.map_err(|_: RightsError| Problem::unavailable())
}

fn require_level(own: Option<Level>, wanted: Option<Level>) -> Result<(), Problem> {
    if wanted <= own {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "level-too-high", "That is above your own level"))
}
