//! What each role permits and who was voided, as every verifier reads it once a second.
//!
//! command-api writes table `rights` in the transaction of the commit that changes a right, so the table is never
//! behind the log by more than the poll.

mod voided;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put, TransactWriteItem},
};
use chrono::{DateTime, Utc};
use events::{
    ids::{RoleId, SessionId, UserId},
    permission::Permissions,
    role::{RoleState, RoleStatus},
    stream::Version,
    user::Assignment,
    values::{Level, RoleName},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

use self::voided::{SESSION, USER, VoidedSession, VoidedUser, latest_of_each};
use crate::{
    clock::Clock,
    store::{StoreError, bad_row, unavailable},
    tables::{Names, RIGHTS},
    telemetry::metrics::REVOCATION_AGE,
    tokens::Claims,
};

/// How often a verifier reads the table.
const POLL: Duration = Duration::from_secs(1);

/// How long one reading of the table may take: time for a try that hangs and one that answers. With [`POLL`] it is below
/// [`STALE_AFTER`], so that one lost reading lets nobody be refused.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// A copy older than this is not trusted: every request that needs a right is then answered 503.
const STALE_AFTER: Duration = Duration::from_secs(5);

const ROLE: &str = "role";

/// What a role grants now; nothing when it is retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRights {
    /// The role.
    pub id: RoleId,
    /// Its name, so that nobody has to look it up to show it.
    pub name: RoleName,
    /// What it permits.
    pub permissions: Permissions,
    /// How high it stands.
    pub level: Level,
    /// Version of the role's stream that says so.
    pub version: Version,
}

#[derive(Debug)]
struct Copy {
    roles: HashMap<RoleId, RoleRights>,
    users: HashMap<UserId, Version>,
    sessions: HashSet<SessionId>,
    read_at: Instant,
}

/// A verifier's copy of the table.
#[derive(Debug, Clone)]
pub struct Rights {
    client: Client,
    table: String,
    clock: Clock,
    copy: Arc<RwLock<Option<Arc<Copy>>>>,
    reading: Arc<Mutex<()>>,
}

/// The rights of all roles as they were within the last seconds.
#[derive(Debug, Clone)]
pub struct KnownRights(Arc<Copy>);

impl KnownRights {
    /// What these assignments grant on our own routes at `now`.
    pub fn granted_by(&self, assignments: &[Assignment], now: DateTime<Utc>) -> Granted {
        let mut granted = Granted::default();
        let counting = assignments.iter().filter(|assignment| assignment.counts_at(now));
        for role in counting.filter_map(|assignment| self.0.roles.get(&assignment.role_id)) {
            granted.permissions.0.extend(role.permissions.0.iter().cloned());
            if !role.permissions.0.is_empty() {
                granted.level = granted.level.max(Some(role.level));
            }
        }
        granted
    }

    /// How high somebody with these assignments stands at `now`, wherever they hold: whoever is high in one place is above
    /// those who are low in all. A role that is not known could be the highest.
    pub fn rank_of(&self, assignments: &[Assignment], now: DateTime<Utc>) -> Option<Level> {
        let holding = assignments.iter().filter(|assignment| assignment.holds_at(now));
        let level = |assignment: &Assignment| match self.role(assignment.role_id) {
            Some(role) if role.permissions.0.is_empty() => None,
            Some(role) => Some(role.level),
            None => Some(Level::MAX),
        };
        holding.filter_map(level).max()
    }

    /// What a role grants, if it is known.
    pub fn role(&self, role: RoleId) -> Option<&RoleRights> {
        self.0.roles.get(&role)
    }

    /// The name of a role, if it is known.
    pub fn name_of(&self, role: RoleId) -> Option<&RoleName> {
        self.role(role).map(|role| &role.name)
    }
}

/// The sessions that ended as of a copy.
#[derive(Debug, Clone)]
pub struct VoidedSessions(Arc<Copy>);

impl VoidedSessions {
    /// Whether a session is among them.
    pub fn contains(&self, session: SessionId) -> bool {
        self.0.sessions.contains(&session)
    }
}

/// Rights resolved for one token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// Everything its roles permit.
    pub permissions: Permissions,
    /// The highest level of its roles.
    pub level: Option<Level>,
}

/// Why rights cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// Our copy is too old to be trusted.
    #[error("the rights are not known at the moment")]
    Stale,
    /// The user was suspended, lost a right or was signed out after the token was signed.
    #[error("the token was voided")]
    Voided,
}

impl Rights {
    /// A copy that is still empty, and so refuses everything until it is polled.
    pub fn new(client: Client, names: &Names, clock: Clock) -> Self {
        Self { client, table: names.table(&RIGHTS), clock, copy: Arc::default(), reading: Arc::default() }
    }

    /// Reads the table once a second, for ever: requests that are still at hand in a shutdown need it too.
    pub async fn poll(self) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.refresh().await;
            if let Some(copy) = &*self.copy.read().unwrap_or_else(std::sync::PoisonError::into_inner) {
                REVOCATION_AGE.set(copy.read_at.elapsed().as_secs_f64(), []);
            }
        }
    }

    /// Whether the copy is recent enough to be trusted.
    pub fn is_fresh(&self) -> bool {
        self.trusted().is_ok()
    }

    /// The sessions that ended within the last minutes, as far as our copy knows.
    ///
    /// # Errors
    /// [`RightsError::Stale`].
    pub fn voided_sessions(&self) -> Result<VoidedSessions, RightsError> {
        self.trusted().map(VoidedSessions)
    }

    /// What a token grants at `now`.
    ///
    /// # Errors
    /// [`RightsError`].
    pub async fn resolve(&self, claims: &Claims, now: DateTime<Utc>) -> Result<Granted, RightsError> {
        let known = self.known(at_all(&claims.roles)).await?;
        let voided = known.0.users.get(&claims.sub).is_some_and(|voided| claims.ver < *voided);
        if voided || known.0.sessions.contains(&claims.sid) {
            return Err(RightsError::Voided);
        }
        Ok(known.granted_by(&claims.roles, now))
    }

    /// A copy in which each of these roles has at least this version. If ours has not, it is read once, right away.
    ///
    /// # Errors
    /// [`RightsError::Stale`].
    pub async fn known(&self, mut wanted: impl Iterator<Item = (RoleId, Version)>) -> Result<KnownRights, RightsError> {
        let copy = self.trusted()?;
        if wanted.all(|(role, least)| copy.roles.get(&role).is_some_and(|known| known.version >= least)) {
            return Ok(KnownRights(copy));
        }
        self.refresh_since(copy.read_at).await;
        self.trusted().map(KnownRights)
    }

    /// The action that makes a role's rights known, for the transaction of its commit.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn role_action(&self, role: &RoleState) -> Result<TransactWriteItem, StoreError> {
        let active = role.status == RoleStatus::Active;
        let permissions = if active { role.permissions.clone() } else { Permissions::default() };
        let (id, name, level, version) = (role.id, role.name.clone(), role.level, role.version);
        self.put(ROLE, &RoleRights { id, name, permissions, level, version })
    }

    fn put(&self, kind: &str, value: &impl Serialize) -> Result<TransactWriteItem, StoreError> {
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(value).map_err(bad_row(&self.table))?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .item("kind", AttributeValue::S(kind.to_owned()))
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn trusted(&self) -> Result<Arc<Copy>, RightsError> {
        let copy = self.copy.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        copy.filter(|copy| copy.read_at.elapsed() < STALE_AFTER).ok_or(RightsError::Stale)
    }

    /// Reads anew unless somebody else did since `known`: many requests at once cost one read. Whoever waits in line
    /// waits no longer than a reading may take.
    async fn refresh_since(&self, known: Instant) {
        let reading = async {
            let _one_at_a_time = self.reading.lock().await;
            if !self.trusted().is_ok_and(|copy| copy.read_at > known) {
                self.refresh().await;
            }
        };
        let _ = tokio::time::timeout(READ_WITHIN, reading).await;
    }

    /// Reads the table within its time, or says why not.
    async fn refresh(&self) {
        match tokio::time::timeout(READ_WITHIN, self.read_all()).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the rights table cannot be read");
            }
            Err(_) => tracing::warn!("the rights table does not answer in time"),
        }
    }

    async fn read_all(&self) -> Result<(), StoreError> {
        let read_at = Instant::now();
        let now = voided::place(self.clock.now().timestamp(), "");
        let (roles, users, sessions) = tokio::try_join!(
            self.read::<RoleRights>(ROLE, None),
            self.read::<VoidedUser>(USER, Some(&now)),
            self.read::<VoidedSession>(SESSION, Some(&now))
        )?;
        let copy = Copy {
            roles: roles.into_iter().map(|role| (role.id, role)).collect(),
            users: latest_of_each(users),
            sessions: sessions.into_iter().map(|voided| voided.session).collect(),
            read_at,
        };
        let mut slot = self.copy.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if slot.as_ref().is_none_or(|held| held.read_at < read_at) {
            *slot = Some(Arc::new(copy));
        }
        Ok(())
    }

    /// The items of a kind, or only those whose `id` comes after a place.
    async fn read<T: DeserializeOwned>(&self, kind: &str, after: Option<&str>) -> Result<Vec<T>, StoreError> {
        let of_kind = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()));
        let wanted = match after {
            None => of_kind.key_condition_expression("#kind = :kind"),
            Some(place) => of_kind
                .key_condition_expression("#kind = :kind AND id > :after")
                .expression_attribute_values(":after", AttributeValue::S(place.to_owned())),
        };
        let mut pages = wanted.into_paginator().items().send();
        let mut all = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(unavailable)?;
            all.push(serde_dynamo::from_item(item).map_err(bad_row(&self.table))?);
        }
        Ok(all)
    }
}

/// The roles of these assignments, at whatever version.
pub fn at_all(assignments: &[Assignment]) -> impl Iterator<Item = (RoleId, Version)> + '_ {
    assignments.iter().map(|assignment| (assignment.role_id, Version(1)))
}
