//! What every service builds at its start.

use events::{notification::Notification, role::Role, user::User};

use crate::{
    access::Principal,
    aws::Aws,
    clock::Clock,
    codes::CodeKey,
    crypto::{Keyring, Secrets, SecretsError, SecretsSource},
    http::auth::Authenticator,
    numbers::Numbers,
    rights::Rights,
    rows::Generations,
    settings::Settings,
    store::{EventStore, Streams},
    tables::Names,
    tokens::{TokenKeys, Verifier},
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
    /// Which telephone numbers want no messages.
    pub numbers: Numbers,
    /// The copy of the rights; someone has to [`Rights::poll`] it.
    pub rights: Rights,
    /// Which rows of the read models are read.
    pub generations: Generations,
    /// Where the secrets lie.
    pub secrets: SecretsSource,
    /// The keys of access tokens; in a service someone has to let them [`TokenKeys::follow`] the source.
    pub token_keys: TokenKeys,
    /// Makes one-time codes.
    pub codes: CodeKey,
    /// Authenticates requests.
    pub authenticator: Authenticator,
}

impl Context {
    /// Connects, and reads the secrets from where the settings say.
    ///
    /// # Errors
    /// When the secrets cannot be had or used.
    pub async fn connect(
        settings: &Settings,
        principal: Principal,
        clock: Clock,
    ) -> Result<(Self, Secrets), SecretsError> {
        let aws = Aws::connect(settings, principal).await;
        let secrets = SecretsSource::new(settings, &aws).load().await?;
        let context = Self::build(aws, settings, &secrets, clock).await?;
        Ok((context, secrets))
    }

    /// Connects with secrets that were read before.
    ///
    /// # Errors
    /// When the secrets cannot be used.
    pub async fn open(
        settings: &Settings,
        principal: Principal,
        secrets: &Secrets,
        clock: Clock,
    ) -> Result<Self, SecretsError> {
        Self::build(Aws::connect(settings, principal).await, settings, secrets, clock).await
    }

    async fn build(aws: Aws, settings: &Settings, secrets: &Secrets, clock: Clock) -> Result<Self, SecretsError> {
        let names = Names::new(&settings.table_prefix);
        let keyring = Keyring::new(aws.dynamodb.clone(), &names, secrets.wrapping(&aws.kms).await?);
        let store = EventStore::new(aws.dynamodb.clone(), &names, secrets.claims()?, keyring, clock.clone());
        let rights = Rights::new(aws.dynamodb.clone(), &names, clock.clone());
        let generations = Generations::new(aws.dynamodb.clone(), &names);
        let token_keys = TokenKeys::new(secrets.signing())?;
        let verifier = Verifier::new(token_keys.clone(), &settings.public_url);
        let authenticator = Authenticator { verifier, rights: rights.clone(), clock: clock.clone() };
        Ok(Self {
            secrets: SecretsSource::new(settings, &aws),
            token_keys,
            aws,
            names,
            clock,
            users: Streams::new(store.clone()),
            roles: Streams::new(store.clone()),
            notifications: Streams::new(store.clone()),
            numbers: Numbers::new(Streams::new(store), secrets.digests()?),
            rights,
            generations,
            codes: CodeKey::new(secrets.digests()?),
            authenticator,
        })
    }

    /// The log.
    pub fn store(&self) -> &EventStore {
        self.users.store()
    }
}
