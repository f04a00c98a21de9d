//! What every service builds at its start.

use events::{notification::Notification, role::Role, user::User};

use crate::{
    aws::Aws,
    clock::Clock,
    crypto::{Keyring, Secrets, SecretsError},
    http::auth::Authenticator,
    rights::Rights,
    rows::Generations,
    settings::Settings,
    store::{EventStore, Streams},
    tables::Names,
    tokens::Verifier,
};

/// The clients, keys and stores of one process.
#[derive(Debug, Clone)]
pub struct Context {
    /// The clients of AWS.
    pub aws: Aws,
    /// The physical names.
    pub names: Names,
    /// Time and ids.
    pub clock: Clock,
    /// Users.
    pub users: Streams<User>,
    /// Roles.
    pub roles: Streams<Role>,
    /// Notifications.
    pub notifications: Streams<Notification>,
    /// The copy of the rights; someone has to [`Rights::poll`] it.
    pub rights: Rights,
    /// Which rows of the read models are read.
    pub generations: Generations,
    /// Authenticates requests.
    pub authenticator: Authenticator,
}

impl Context {
    /// Connects; sends nothing yet.
    ///
    /// # Errors
    /// When the secrets cannot be used.
    pub async fn open(settings: &Settings, secrets: &Secrets, clock: Clock) -> Result<Self, SecretsError> {
        let aws = Aws::connect(settings).await;
        let names = Names::new(&settings.table_prefix);
        let keyring = Keyring::new(aws.dynamodb.clone(), &names, secrets.wrapping(&aws.kms).await?);
        let store = EventStore::new(aws.dynamodb.clone(), &names, secrets.claims()?, keyring, clock.clone());
        let rights = Rights::new(aws.dynamodb.clone(), &names);
        let generations = Generations::new(aws.dynamodb.clone(), &names);
        let verifier = Verifier::new(secrets, &settings.public_url)?;
        let authenticator = Authenticator { verifier, rights: rights.clone(), clock: clock.clone() };
        Ok(Self {
            aws,
            names,
            clock,
            users: Streams::new(store.clone()),
            roles: Streams::new(store.clone()),
            notifications: Streams::new(store),
            rights,
            generations,
            authenticator,
        })
    }

    /// The log.
    pub fn store(&self) -> &EventStore {
        self.users.store()
    }
}
