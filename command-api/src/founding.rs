//! The first administrator of an installation: nobody else could make one.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use aws_lc_rs::rand;
use aws_sdk_dynamodb::types::TransactWriteItem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Parser;
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{RoleId, UserId},
    permission::{Permission, Permissions},
    role::{Role, RoleCommand, RoleCreated, RoleEvent, RoleState},
    user::{Register, RoleAssigned, User, UserCommand, UserEvent, UserState},
    values::{Description, Email, Level, Locale, PersonName, Phone, RoleName, TimeZone, Username},
};
use platform::{
    clock::Clock,
    store::{Command, Companions, Draft, Folded, Intent, Outcome},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{config::Config, passwords::check_length, state::AppState};

/// Random bytes of a generated password: 144 bits, 24 characters.
const PASSWORD_BYTES: usize = 18;

/// The command's name.
const FOUND: &str = "found";

/// Who an administrator is.
#[derive(Debug, Clone, clap::Args)]
pub struct Founder {
    /// What they sign in with.
    #[arg(long)]
    pub email: Email,
    /// What they sign in with, too.
    #[arg(long, default_value = "admin")]
    pub username: Username,
    /// Given name.
    #[arg(long)]
    pub first_name: PersonName,
    /// Family name.
    #[arg(long)]
    pub last_name: PersonName,
    /// Telephone number (E.164).
    #[arg(long)]
    pub phone: Phone,
}

/// Makes the role `administrator` and the first user who has it, and says the password once.
#[derive(Debug, Parser)]
#[command(name = "command-api found")]
pub struct Program {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    founder: Founder,
    /// 15 to 128 characters; generated when absent.
    #[arg(long, env = "FIELDFUZE_ADMIN_PASSWORD", hide_env_values = true)]
    password: Option<SecretString>,
}

impl Program {
    /// Whether this argument names the command.
    pub fn is_meant_by(first: Option<&str>) -> bool {
        first == Some(FOUND)
    }

    /// Reads the arguments behind the command's name.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut arguments = arguments.into_iter();
        let _program = arguments.next();
        Self::parse_from(arguments)
    }

    /// Carries it out and says what came of it. Exit code 1 when there is a founder already, 2 when it could not be done.
    pub async fn run(self) -> ExitCode {
        match self.found().await {
            Ok(Some(password)) => {
                println!("{}", password.expose_secret());
                ExitCode::SUCCESS
            }
            Ok(None) => {
                eprintln!("there is a founder already: nothing was changed");
                ExitCode::from(1)
            }
            Err(error) => {
                eprintln!("not done: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    async fn found(self) -> anyhow::Result<Option<SecretString>> {
        let state = AppState::open(&self.config, Clock::system()).await?;
        let password = match self.password {
            Some(password) => password,
            None => random_password()?,
        };
        let made = administrator(&state, UserId::founder(), self.founder, &password).await?;
        Ok(made.then_some(password))
    }
}

/// Makes the role and the user unless they are there, and tells whether the user was made now. User, role and password are
/// one commit: a crash leaves all of it or nothing.
///
/// # Errors
/// When the log does not answer, or the policy refuses the password.
pub async fn administrator(
    state: &AppState,
    id: UserId,
    founder: Founder,
    password: &SecretString,
) -> anyhow::Result<bool> {
    let judged = match check_length(password) {
        Ok(()) => state.passwords.place()?.judge(password.clone(), vec![founder.email.as_str().to_owned()]).await?,
        refused => refused,
    };
    judged.map_err(|invalid| anyhow!("FIELDFUZE_ADMIN_PASSWORD {invalid}"))?;
    role(state).await?;
    let hash = state.passwords.place()?.hash(password.clone()).await?;
    user(state, id, founder, &hash).await
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

async fn user(state: &AppState, id: UserId, founder: Founder, hash: &str) -> anyhow::Result<bool> {
    let wish = Register {
        email: founder.email,
        username: founder.username,
        first_name: founder.first_name,
        last_name: founder.last_name,
        phone: founder.phone,
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

/// A password that nobody could guess.
///
/// # Errors
/// When the system has no randomness.
pub fn random_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0; PASSWORD_BYTES];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system has no randomness"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}
