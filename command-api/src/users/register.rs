//! How a user comes to be, alone or by an import.

use events::{
    decider::Decider,
    envelope::Actor,
    ids::UserId,
    user::{Register, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};
use platform::{
    http::{Problem, documented::values, fields::Fields, json::KnownFields},
    store::{Command, Companions, Draft, Executed, Folded},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::taken;
use crate::{
    auth::{first_factor::overloaded, set_password::judge},
    command::{self, Ask, Refused, nothing_to_match},
    conditions::Conditions,
    passwords::{check_foreign, check_length},
    state::AppState,
};

const OPERATION: &str = "create user";

/// A new user.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "email": "ada@example.com", "username": "ada", "first_name": "Ada", "last_name": "Lovelace",
    "phone": "+15125550123", "locale": "en-US", "time_zone": "America/Chicago"
}))]
pub struct CreateUser {
    /// Where mail reaches them; unique among everything that people sign in with.
    #[schema(required, nullable = false, value_type = values::Email)]
    email: Option<String>,
    /// What they sign in with, beside the address.
    #[schema(required, nullable = false, value_type = values::Username)]
    username: Option<String>,
    /// Given name.
    #[schema(required, nullable = false, value_type = values::PersonName)]
    first_name: Option<String>,
    /// Family name.
    #[schema(required, nullable = false, value_type = values::PersonName)]
    last_name: Option<String>,
    /// Telephone number.
    #[schema(required, nullable = false, value_type = values::Phone)]
    phone: Option<String>,
    /// Sets a password, so that they need no invitation.
    #[schema(value_type = Option<values::Password>)]
    password: Option<SecretString>,
    /// Takes over the hash of a password that another system made: argon2, scrypt or PBKDF2 as a PHC string, or bcrypt. It
    /// is hashed anew at the first sign-in.
    #[schema(value_type = Option<values::PasswordHash>)]
    password_hash: Option<SecretString>,
    /// Language; `en-US` unless said otherwise.
    #[schema(value_type = Option<values::Locale>)]
    locale: Option<String>,
    /// Time zone; `UTC` unless said otherwise.
    #[schema(value_type = Option<values::TimeZone>)]
    time_zone: Option<String>,
}

impl KnownFields for CreateUser {
    const FIELDS: &'static [&'static str] =
        &["email", "username", "first_name", "last_name", "phone", "password", "password_hash", "locale", "time_zone"];
}

/// What makes a request this one; the password is not among it.
#[derive(Serialize)]
struct Fingerprint<'a> {
    email: &'a Email,
    username: &'a Username,
    first_name: &'a PersonName,
    last_name: &'a PersonName,
    phone: &'a Phone,
    locale: &'a Locale,
    time_zone: &'a TimeZone,
    with_password: bool,
}

/// The command: the password's hash, or that the code of the invitation may be shown, goes along with the first commit.
struct Registering<'a> {
    state: &'a AppState,
    conditions: &'a Conditions,
    id: UserId,
    new: &'a Register,
    hash: Option<String>,
}

impl Command<User> for Registering<'_> {
    type Refusal = Refused<UserRefusal>;

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        if folded.state.is_none() {
            nothing_to_match(self.conditions).map_err(Refused::with)?;
        }
        Ok(User::decide(&folded.state, UserCommand::Register(self.new.clone()))?)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        let mut companions = self.state.codes.expect_actions(draft).map_err(Refused::with)?;
        if let Some(hash) = &self.hash {
            companions.push(self.state.credentials.set_password_action(self.id, hash).map_err(Refused::with)?);
        }
        Ok(companions)
    }
}

/// Registers a user.
///
/// # Errors
/// The problem to answer with.
pub async fn register(
    state: &AppState,
    actor: Actor,
    conditions: &Conditions,
    request: CreateUser,
) -> Result<(UserId, Executed<User>), Problem> {
    let (new, secret) = parse(request)?;
    let fingerprint = Fingerprint {
        email: &new.email,
        username: &new.username,
        first_name: &new.first_name,
        last_name: &new.last_name,
        phone: &new.phone,
        locale: &new.locale,
        time_zone: &new.time_zone,
        with_password: new.with_password,
    };
    let id = UserId(conditions.created_id(state, OPERATION, actor));
    let intent = Ask { operation: OPERATION, actor, reason: None }.intent(state, conditions, &fingerprint);
    let hash = match secret {
        Some(Secret::Password(password)) => {
            let words = [new.email.as_str(), new.username.as_str(), new.first_name.as_str(), new.last_name.as_str()];
            let place = state.passwords.place().map_err(overloaded)?;
            judge(&place, &password, "/password", &words).await?;
            if intent.validate_only { None } else { Some(place.hash(password).await.map_err(overloaded)?) }
        }
        Some(Secret::Hash(hash)) => Some(hash.expose_secret().to_owned()),
        None => None,
    };
    let command = Registering { state, conditions, id, new: &new, hash };
    let executed = state.context.users.begin(id.into(), &intent, command).await;
    let executed = executed.map_err(|error| command::problem(error, taken(Some(&new.email), Some(&new.username))))?;
    Ok((id, executed))
}

/// What a user brings along to sign in with.
enum Secret {
    Password(SecretString),
    /// Of their password.
    Hash(SecretString),
}

fn parse(request: CreateUser) -> Result<(Register, Option<Secret>), Problem> {
    let mut fields = Fields::default();
    let email = fields.required("/email", request.email, |text| Email::parse(&text));
    let username = fields.required("/username", request.username, |text| Username::parse(&text));
    let first_name = fields.required("/first_name", request.first_name, |text| PersonName::parse(&text));
    let last_name = fields.required("/last_name", request.last_name, |text| PersonName::parse(&text));
    let phone = fields.required("/phone", request.phone, |text| Phone::parse(&text));
    let locale = fields.optional("/locale", request.locale, |text| Locale::parse(&text));
    let time_zone = fields.optional("/time_zone", request.time_zone, |text| TimeZone::parse(&text));
    if request.password.is_some() && request.password_hash.is_some() {
        fields.refuse("/password_hash", "not-both", "cannot stand beside a password");
    }
    let password = fields.optional("/password", request.password, |password| {
        check_length(&password).map(|()| Secret::Password(password))
    });
    let hash = fields.optional("/password_hash", request.password_hash, |hash| {
        check_foreign(hash.expose_secret()).map(|()| Secret::Hash(hash))
    });
    let secret = password.or(hash);
    let with_password = secret.is_some();
    let register = || {
        Some(Register {
            email: email?,
            username: username?,
            first_name: first_name?,
            last_name: last_name?,
            phone: phone?,
            locale: locale.unwrap_or_default(),
            time_zone: time_zone.unwrap_or_default(),
            with_password,
        })
    };
    Ok((fields.finish(register())?, secret))
}
