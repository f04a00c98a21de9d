//! How a password is set, by whatever somebody has shown that they may.

use events::{
    decider::Decider,
    envelope::Actor,
    stream::Version,
    user::{Status, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Email, Invalid, PersonName, Username},
};
use platform::{
    http::Problem,
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent},
};
use secrecy::{ExposeSecret, SecretString};

use super::{code::invalid_code, first_factor::overloaded};
use crate::{
    codes::ShownCode,
    command::{Refused, metadata, nothing_taken, problem},
    passwords::{Place, Verified, check_length},
    state::AppState,
};

/// A password that is to be set for a user who was loaded.
#[derive(Debug)]
pub(super) struct SettingPassword<'a> {
    state: &'a AppState,
    wish: UserCommand,
    user: &'a UserState,
    old: Option<SecretString>,
    shown: Option<ShownCode>,
}

impl<'a> SettingPassword<'a> {
    /// Another one than `old`, which was shown.
    pub(super) fn instead_of(old: SecretString, state: &'a AppState, user: &'a UserState) -> Self {
        Self { state, wish: UserCommand::ChangePassword, user, old: Some(old), shown: None }
    }

    /// By `wish` and a code, which is used up.
    pub(super) fn by(shown: ShownCode, state: &'a AppState, wish: UserCommand, user: &'a UserState) -> Self {
        Self { state, wish, user, old: None, shown: Some(shown) }
    }

    /// Sets it, ends all sessions, and gives the user as they are then.
    ///
    /// # Errors
    /// 422 at `pointer` when it is easily guessed, too short for whoever has no second factor, or the old one; 401 when what was shown is worth nothing any more; 409; 503.
    pub(super) async fn set(self, place: &Place, password: SecretString, pointer: &str) -> Result<UserState, Problem> {
        let Self { state, wish, user, old, shown } = self;
        let alone = check_length(&password).map_err(|invalid| refused(pointer, invalid));
        if user.factors.is_empty() {
            alone.clone()?;
        }
        judge(place, &password, pointer, &words(user)).await?;
        let unchanged = match old {
            Some(old) => old.expose_secret() == password.expose_secret(),
            None if user.password_change_required => {
                let stored = state.credentials.password_hash(user.id).await?;
                place.verify(password.clone(), stored).await.map_err(overloaded)? != Verified::No
            }
            None => false,
        };
        if unchanged {
            let message = "must not be the password of before".to_owned();
            return Err(refused(pointer, Invalid { code: "password-unchanged", message }));
        }
        let hash = place.hash(password).await.map_err(overloaded)?;
        let intent = Intent::of(metadata(Actor::User(user.id), None));
        let setting = Setting { state, wish, hash, alone, since: user.sessions_since, shown };
        let executed = match state.context.users.execute(user.id.into(), &intent, setting).await {
            Err(ExecuteError::CompanionRefused(_)) if shown.is_some() => return Err(invalid_code()),
            executed => executed.map_err(|error| problem(error, nothing_taken))?,
        };
        let user = executed.folded.state.filter(|user| user.status == Status::Active);
        user.ok_or_else(Problem::unauthenticated)
    }
}

/// Refuses a password that whoever knows its user would guess.
///
/// # Errors
/// 422 at `pointer`; 503.
pub async fn judge(place: &Place, password: &SecretString, pointer: &str, context: &[&str]) -> Result<(), Problem> {
    let context = context.iter().map(|word| (*word).to_owned()).collect();
    let judged = place.judge(password.clone(), context).await.map_err(overloaded)?;
    judged.map_err(|invalid| refused(pointer, invalid))
}

fn refused(pointer: &str, invalid: Invalid) -> Problem {
    Problem::invalid(Vec::new()).error(pointer, invalid.code, invalid.message)
}

/// What everybody knows of a user.
fn words(user: &UserState) -> Vec<&str> {
    let sign_in = [user.email.known().map(Email::as_str), user.username.known().map(Username::as_str)];
    let names = [user.first_name.known(), user.last_name.known()].map(|name| name.map(PersonName::as_str));
    sign_in.into_iter().chain(names).flatten().collect()
}

/// The command: the new hash, the end of all tokens, and that the code is used up go along with the commit.
struct Setting<'a> {
    state: &'a AppState,
    wish: UserCommand,
    hash: String,
    /// Whether it is long enough to be the only factor: the other one may go at the same moment.
    alone: Result<(), Problem>,
    /// Since when sessions counted as it was shown that the password may be set: no other may have been set since.
    since: Version,
    shown: Option<ShownCode>,
}

impl Command<User> for Setting<'_> {
    type Refusal = Refused<UserRefusal>;

    async fn authorise(&self, folded: &Folded<Option<UserState>>) -> Result<(), Self::Refusal> {
        let refuse = || if self.shown.is_some() { invalid_code() } else { Problem::unauthenticated() };
        match &folded.state {
            Some(user) if user.sessions_since != self.since => Err(Refused::with(refuse())),
            _ => Ok(()),
        }
    }

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        if folded.state.as_ref().is_some_and(|user| user.factors.is_empty()) {
            self.alone.clone().map_err(Refused::with)?;
        }
        Ok(User::decide(&folded.state, self.wish.clone())?)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        let Some(user) = &draft.after().state else { return Ok(Companions::new()) };
        let (rights, now) = (&self.state.context.rights, self.state.context.clock.now());
        let void = rights.void_user_action(user.id, user.version, now).map_err(Refused::with)?;
        let set = self.state.credentials.set_password_action(user.id, &self.hash).map_err(Refused::with)?;
        let used = self.shown.iter().map(|shown| self.state.codes.use_action(shown).map_err(Refused::with));
        [Ok(void), Ok(set)].into_iter().chain(used).collect()
    }
}
