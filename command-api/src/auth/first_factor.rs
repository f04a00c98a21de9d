//! The first factor: a name and its password, at the same cost whether there is such a user or not.

use std::time::Duration;

use axum::http::StatusCode;
use events::{
    claim::Claim,
    ids::UserId,
    stream::Category,
    user::{Status, UserState},
};
use platform::{aws::get_each, crypto::KeyError, http::Problem, store::StoreError};
use secrecy::SecretString;
use tokio::time::{Instant, sleep_until};

use super::{client::Client, limits};
use crate::{
    credentials::Credentials,
    devices::Known,
    passwords::{PasswordError, Place, Verified},
    state::AppState,
    throttle::{Attempt, Tally},
};

/// Longest identifier that is looked at, in bytes: no e-mail address or user name is longer.
const MAX_IDENTIFIER_BYTES: usize = 1_024;

/// A refused sign-in is answered no earlier than this after it was let through. The work is the same for every account but
/// for hashes that other systems made, and for the size of what is read: most such hashes (bcrypt up to cost 11, PBKDF2 as
/// OWASP asks for it) are checked within this time, on a machine that is not overloaded.
pub(super) const REFUSED_AFTER: Duration = Duration::from_millis(300);

/// Sign-in is shed before memory grows or other requests suffer.
pub fn overloaded(error: PasswordError) -> Problem {
    match error {
        PasswordError::Overloaded => Problem::unavailable().detail("too many sign-ins at once"),
        PasswordError::Broken => {
            tracing::error!("a password could not be hashed or checked");
            Problem::internal()
        }
    }
}

/// Who has shown a name and its password.
pub(super) struct Admitted<'a> {
    pub(super) user: UserState,
    /// Those of their earlier sign-ins.
    pub(super) devices: Known,
    /// It has to be told how it ends.
    pub(super) attempt: Attempt<'a>,
    /// For what else there is to be hashed.
    pub(super) place: Place,
}

/// The user whose password was shown.
pub(super) async fn admitted<'a>(
    state: &'a AppState,
    tally: &Tally,
    client: &Client,
    identifier: &str,
    password: SecretString,
) -> Result<Admitted<'a>, Problem> {
    let place = state.passwords.place().map_err(overloaded)?;
    let name = sign_in_name(identifier);
    let attempt = state.throttle.admit(tally, limits::sign_in(&state.throttle, name.as_ref(), client)).await?;
    let refused_at = Instant::now() + REFUSED_AFTER;
    match check(state, name.as_ref(), password, &place).await {
        Ok(Some((user, devices))) => Ok(Admitted { user, devices, attempt, place }),
        Ok(None) => {
            drop(place);
            sleep_until(refused_at).await;
            Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid-credentials", "The sign-in was refused"))
        }
        Err(problem) => {
            attempt.not_made().await;
            Err(problem)
        }
    }
}

/// The user of that name and their devices, if they may sign in and it is their password.
async fn check(
    state: &AppState,
    name: Option<&Claim>,
    password: SecretString,
    place: &Place,
) -> Result<Option<(UserState, Known)>, Problem> {
    let Found { user, hash, devices, .. } = find(state, name).await?;
    let verified = place.verify(password, hash.clone()).await.map_err(overloaded)?;
    let user = user.filter(|user| verified != Verified::No && user.status == Status::Active);
    if let (Verified::Rehashed(new), Some(user), Some(old)) = (&verified, &user, hash) {
        state.credentials.replace_password_hash(user.id, &old, new).await?;
    }
    Ok(user.map(|user| (user, devices)))
}

/// What somebody signs in with, unless it is longer than any name.
pub(super) fn sign_in_name(identifier: &str) -> Option<Claim> {
    (identifier.len() <= MAX_IDENTIFIER_BYTES).then(|| Claim::sign_in(identifier))
}

/// The user of a name.
pub(super) struct Found {
    /// Theirs, or of nobody.
    pub(super) id: UserId,
    pub(super) user: Option<UserState>,
    /// Of their password.
    pub(super) hash: Option<String>,
    /// Those of their earlier sign-ins.
    pub(super) devices: Known,
}

/// The user of that name, with what lies outside the log. Of a name that nobody has, the same is read of somebody who does not
/// exist: the number and kinds of the reads tell nothing. The user's key is read anew, because whether this process has it
/// open would tell, too. The password's hash is read after the user: whoever changes the password ends all sessions, so what is
/// read in between makes at most a session that has ended, and never one for the password of before.
pub(super) async fn find(state: &AppState, name: Option<&Claim>) -> Result<Found, Problem> {
    let store = state.context.store();
    let owner = match name {
        Some(name) => store.owner_of(name).await?.filter(|owner| owner.category == Category::User),
        None => None,
    };
    let id = UserId(owner.map_or_else(|| state.context.clock.new_id(), |owner| owner.id));
    match store.keyring().load_now(id.into()).await {
        Ok(_) | Err(KeyError::Missing(_)) => (),
        Err(error) => return Err(StoreError::from(error).into()),
    }
    let user = state.context.users.load(id.into()).await?.state;
    let wanted = [state.credentials.wanted(id), state.devices.wanted(id)];
    let [hash, devices] = get_each(&state.context.aws.dynamodb, wanted).await.map_err(StoreError::from)?;
    Ok(Found { id, user, hash: Credentials::in_row(hash), devices: Known::in_row(devices) })
}
