//! The administrator that the first start of a world makes.

use command_api::{
    founding::{self, Founder, random_password},
    state::AppState,
};
use events::{
    ids::UserId,
    values::{Email, PersonName, Phone, Username},
};
use secrecy::SecretString;

/// What the administrator signs in with.
pub const ADMINISTRATOR: &str = "admin@fieldfuze.local";

/// Makes the administrator and their role unless they are there. Gives the password if it was generated.
///
/// # Errors
/// When the log does not answer or the policy refuses the given password.
pub async fn administrator(state: &AppState, password: Option<SecretString>) -> anyhow::Result<Option<SecretString>> {
    let founder = Founder {
        email: Email::parse(ADMINISTRATOR)?,
        username: Username::parse("admin")?,
        first_name: PersonName::parse("FieldFuze")?,
        last_name: PersonName::parse("Administrator")?,
        // Fictional by its numbering plan; nothing is sent to it.
        phone: Phone::parse("+15125550100")?,
    };
    let generated = password.is_none();
    let password = match password {
        Some(password) => password,
        None => random_password()?,
    };
    let made = founding::administrator(state, UserId::seeded_administrator(), founder, &password).await?;
    Ok((made && generated).then_some(password))
}
