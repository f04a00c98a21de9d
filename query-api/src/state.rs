//! What the handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use events::{notification::NotificationState, role::RoleState, user::UserState};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::{MacKey, SealingKey},
    http::auth::Authenticator,
    rows::{AuditRows, Rows},
    sessions::Sessions,
    tables::{NOTIFICATIONS, ROLES, USERS},
};

use tokio::sync::Semaphore;

use crate::{audit::stream::MAX_STREAMS, config::Config, lag::Lag};

/// Everything that a handler may need.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of [`AppState`].
#[derive(Debug)]
pub struct Inner {
    /// Clients, keys and stores.
    pub context: Context,
    /// Read model of users.
    pub users: Rows<UserState>,
    /// Read model of roles.
    pub roles: Rows<RoleState>,
    /// Read model of notifications.
    pub notifications: Rows<NotificationState>,
    /// Read model of every event.
    pub audit: AuditRows,
    /// Sessions.
    pub sessions: Sessions,
    /// Seals cursors.
    pub cursor_key: SealingKey,
    /// Places for streams of the audit feed.
    pub streams: Arc<Semaphore>,
    /// Makes the tags of answers.
    pub tag_key: MacKey,
    /// How far the read models are behind.
    pub lag: Lag,
}

impl AppState {
    /// Connects to everything.
    ///
    /// # Errors
    /// When the secrets cannot be used.
    pub async fn open(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let (context, secrets) =
            Box::pin(Context::connect(&config.settings, Principal::QueryApi, clock.clone())).await?;
        let client = || context.aws.dynamodb.clone();
        Ok(Self(Arc::new(Inner {
            users: Rows::new(client(), &context.names, &USERS, &context.generations),
            roles: Rows::new(client(), &context.names, &ROLES, &context.generations),
            notifications: Rows::new(client(), &context.names, &NOTIFICATIONS, &context.generations),
            audit: AuditRows::new(client(), &context.names),
            sessions: Sessions::new(client(), &context.names),
            cursor_key: secrets.cursors()?,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            tag_key: secrets.digests()?,
            lag: Lag::new(client(), &context.names, clock),
            context,
        })))
    }
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<AppState> for Authenticator {
    fn from_ref(state: &AppState) -> Self {
        state.context.authenticator.clone()
    }
}
