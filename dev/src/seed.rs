//! The administrator that the first start of a world makes.

use anyhow::{Context, anyhow};
use aws_lc_rs::rand;
use aws_sdk_dynamodb::types::TransactWriteItem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use command_api::{passwords::check_length, state::AppState};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{RoleId, UserId},
    permission::{Permission, Permissions},
    role::{Role, RoleCommand, RoleCreated, RoleEvent, RoleState},
    user::{Register, RoleAssigned, User, UserCommand, UserEvent, UserState},
    values::{Description, Email, Level, Locale, PersonName, Phone, RoleName, TimeZone, Username},
};
use platform::store::{Command, Companions, Draft, Folded, Intent, Outcome};
use secrecy::SecretString;

/// What the administrator signs in with.
pub const ADMINISTRATOR: &str = "admin@fieldfuze.local";

/// Random bytes of a generated password: 144 bits, 24 characters.
const PASSWORD_BYTES: usize = 18;

/// Makes the administrator and their role unless they are there. Gives the password if it was generated.
///
/// # Errors
/// When the log does not answer or the policy refuses the given password.
pub async fn administrator(state: &AppState, password: Option<SecretString>) -> anyhow::Result<Option<SecretString>> {
    if let Some(password) = &password {
        let judged = match check_length(password) {
            Ok(()) => state.passwords.judge(password.clone(), vec![ADMINISTRATOR.to_owned()]).await?,
            refused => refused,
        };
        judged.map_err(|invalid| anyhow!("FIELDFUZE_ADMIN_PASSWORD {invalid}"))?;
    }
    role(state).await?;
    let generated = password.is_none();
    let password = match password {
        Some(password) => password,
        None => random_password()?,
    };
    let hash = state.passwords.hash(password.clone()).await?;
    let made = user(state, &hash).await?;
    Ok((made && generated).then_some(password))
}

async fn role(state: &AppState) -> anyhow::Result<()> {
    let id = RoleId::administrator();
    let wish = RoleCreated {
        name: RoleName::parse("administrator")?,
        description: Description::parse("May do everything; cannot be changed")?,
        level: Level::MAX,
        permissions: Permissions([Permission::parse(Permission::ALL)?].into()),
    };
    let executed = state.context.roles.execute(id.into(), &intent(state), SeedRole { state, wish }).await;
    executed.map(drop).context("the administrator's role")
}

struct SeedRole<'a> {
    state: &'a AppState,
    wish: RoleCreated,
}

impl Command<Role> for SeedRole<'_> {
    type Refusal = anyhow::Error;

    fn decide(&self, folded: &Folded<Option<RoleState>>) -> anyhow::Result<Vec<RoleEvent>> {
        if folded.state.is_some() {
            return Ok(Vec::new());
        }
        Ok(Role::decide(&folded.state, RoleCommand::Create(self.wish.clone()))?)
    }

    fn beside(&self, draft: &Draft<Role>) -> anyhow::Result<Companions> {
        let after = draft.after().state.iter();
        Ok(after.map(|role| self.state.context.rights.role_action(role)).collect::<Result<_, _>>()?)
    }
}

/// Whether the user was made now. User, role and password are one commit: a crash leaves all of it or nothing.
async fn user(state: &AppState, hash: &str) -> anyhow::Result<bool> {
    let id = UserId::seeded_administrator();
    let wish = Register {
        email: Email::parse(ADMINISTRATOR)?,
        username: Username::parse("admin")?,
        first_name: PersonName::parse("FieldFuze")?,
        last_name: PersonName::parse("Administrator")?,
        phone: Phone::parse("+15125550100")?,
        locale: Locale::default(),
        time_zone: TimeZone::default(),
        with_password: true,
    };
    let command = SeedUser { wish, password: state.credentials.set_password_action(id, hash)? };
    let executed =
        state.context.users.execute(id.into(), &intent(state), command).await.context("the administrator")?;
    Ok(executed.outcome == Outcome::Appended)
}

struct SeedUser {
    wish: Register,
    password: TransactWriteItem,
}

impl Command<User> for SeedUser {
    type Refusal = anyhow::Error;

    fn decide(&self, folded: &Folded<Option<UserState>>) -> anyhow::Result<Vec<UserEvent>> {
        if folded.state.is_some() {
            return Ok(Vec::new());
        }
        let mut events = User::decide(&folded.state, UserCommand::Register(self.wish.clone()))?;
        let role_id = RoleId::administrator();
        events.push(UserEvent::UserRoleAssigned(RoleAssigned { role_id, scope: None, expires_at: None }));
        Ok(events)
    }

    fn beside(&self, _: &Draft<User>) -> anyhow::Result<Companions> {
        Ok(vec![self.password.clone()])
    }
}

fn intent(state: &AppState) -> Intent {
    let correlation_id = state.context.clock.new_id();
    let metadata =
        Metadata { actor: Actor::System, reason: None, correlation_id, causation_id: None, traceparent: None };
    Intent::of(metadata)
}

fn random_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0; PASSWORD_BYTES];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system has no randomness"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}
