//! Users, roles and events as both APIs answer them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events::{
    envelope::{Actor, Recorded},
    event::EventData,
    notification::MessageCategory,
    permission::Permission,
    role::{RoleState, RoleStatus},
    user::{Preferences, Status, UserState},
    values::{Personal, QuietHours, Reason, TimeOfDay},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::documented::{examples, values};

/// A user.
#[derive(Clone, Serialize, ToSchema)]
#[schema(example = json!(examples::user()))]
pub struct UserBody {
    /// The user's id.
    pub id: Uuid,
    /// Where mail reaches them.
    #[schema(value_type = Option<values::Email>)]
    pub email: Option<String>,
    /// What they sign in with, beside the address.
    #[schema(value_type = Option<values::Username>)]
    pub username: Option<String>,
    /// Given name.
    #[schema(value_type = Option<values::PersonName>)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(value_type = Option<values::PersonName>)]
    pub last_name: Option<String>,
    /// Telephone number in E.164 form.
    #[schema(value_type = Option<values::Phone>)]
    pub phone: Option<String>,
    /// Language tag (BCP 47).
    #[schema(value_type = values::Locale)]
    pub locale: String,
    /// IANA time zone.
    #[schema(value_type = values::TimeZone)]
    pub time_zone: String,
    /// Where they stand.
    #[schema(value_type = values::UserStatus)]
    pub status: Status,
    /// Their roles, those whose end has passed left out.
    pub roles: Vec<AssignmentBody>,
    /// Number of the last change: what `If-Match` is compared with.
    #[schema(minimum = 1)]
    pub version: u64,
    /// When they were registered.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}

/// Which messages a user wants, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(examples::preferences()))]
pub struct PreferencesBody {
    /// Categories of which they want no message.
    #[schema(value_type = Vec<values::MutableCategory>)]
    pub muted: BTreeSet<MessageCategory>,
    /// When messages that can wait do wait, on their own clock; `null` when they come at any time.
    pub quiet_hours: Option<QuietHoursBody>,
}

/// A part of the day; it may reach over midnight.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuietHoursBody {
    /// When they begin.
    #[schema(value_type = values::TimeOfDay)]
    pub from: TimeOfDay,
    /// When they are over.
    #[schema(value_type = values::TimeOfDay)]
    pub to: TimeOfDay,
}

impl From<&Preferences> for PreferencesBody {
    fn from(preferences: &Preferences) -> Self {
        let hours = |hours: &QuietHours| QuietHoursBody { from: hours.from().clone(), to: hours.to().clone() };
        Self { muted: preferences.muted.clone(), quiet_hours: preferences.quiet_hours.as_ref().map(hours) }
    }
}

/// A role that a user has.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AssignmentBody {
    /// The role's id.
    pub role_id: Uuid,
    /// The role's name; absent when the role cannot be found.
    pub name: Option<String>,
    /// Where it holds; everywhere when absent.
    #[schema(value_type = Option<values::Scope>)]
    pub scope: Option<String>,
    /// When it ends; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
}

impl UserBody {
    /// The body of a user; `name_of` tells the roles' names.
    pub fn new(user: &UserState, now: DateTime<Utc>, name_of: impl Fn(events::ids::RoleId) -> Option<String>) -> Self {
        fn text<T: Clone + Into<String>>(value: &Personal<T>) -> Option<String> {
            value.known().cloned().map(Into::into)
        }
        let holding = user.roles.iter().filter(|role| role.holds_at(now));
        Self {
            id: user.id.0,
            email: text(&user.email),
            username: text(&user.username),
            first_name: text(&user.first_name),
            last_name: text(&user.last_name),
            phone: text(&user.phone),
            locale: user.locale.as_str().to_owned(),
            time_zone: user.time_zone.as_str().to_owned(),
            status: user.status,
            roles: holding
                .map(|role| AssignmentBody {
                    role_id: role.role_id.0,
                    name: name_of(role.role_id),
                    scope: role.scope.clone().map(Into::into),
                    expires_at: role.expires_at,
                })
                .collect(),
            version: user.version.0,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A role.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(examples::role()))]
pub struct RoleBody {
    /// The role's id.
    pub id: Uuid,
    /// Its name.
    #[schema(value_type = values::RoleName)]
    pub name: String,
    /// What it is for.
    #[schema(value_type = values::Description)]
    pub description: String,
    /// How high it stands, 1 to 10.
    #[schema(value_type = values::Level)]
    pub level: u8,
    /// What it permits.
    #[schema(value_type = Vec<values::Permission>, min_items = 1, max_items = 200)]
    pub permissions: Vec<Permission>,
    /// Where it stands.
    #[schema(value_type = values::RoleStatus)]
    pub status: RoleStatus,
    /// Number of the last change: what `If-Match` is compared with.
    #[schema(minimum = 1)]
    pub version: u64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<&RoleState> for RoleBody {
    fn from(role: &RoleState) -> Self {
        Self {
            id: role.id.0,
            name: role.name.clone().into(),
            description: role.description.clone().into(),
            level: role.level.get(),
            permissions: role.permissions.0.iter().cloned().collect(),
            status: role.status,
            version: role.version.0,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}

/// What a write would record.
#[derive(Serialize, ToSchema)]
#[schema(example = json!(examples::dry_run()))]
pub struct DryRunBody {
    /// The events, in order; none when nothing would change.
    pub events: Vec<PlannedEvent>,
}

/// What a change answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Changed<T> {
    /// The object after it.
    Whole(T),
    /// What would be recorded.
    Planned(DryRunBody),
}

/// An event that was not recorded.
#[derive(Serialize, ToSchema)]
pub struct PlannedEvent {
    /// What would happen.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of the shape of `data`.
    #[schema(minimum = 1)]
    pub schema: u32,
    /// The event's own data.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

/// One event of the log.
#[derive(Clone, Serialize, ToSchema)]
#[schema(example = json!(examples::event()))]
pub struct EventBody {
    /// The event's id.
    pub event_id: Uuid,
    /// Whose history.
    pub stream: String,
    /// The commit that it is a part of.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Its place in that commit.
    pub index: usize,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of the shape of `data`.
    #[schema(minimum = 1)]
    pub schema: u32,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who did it.
    #[schema(value_type = values::Actor)]
    pub actor: Actor,
    /// Why, in their own words.
    #[schema(value_type = Option<values::PersonalText>)]
    pub reason: Option<Personal<Reason>>,
    /// The whole trip.
    pub correlation_id: Uuid,
    /// The event that directly caused it.
    pub causation_id: Option<Uuid>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The event's own data; erased fields are `{"erased":true}`.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

impl<E: EventData> From<&Recorded<E>> for EventBody {
    fn from(recorded: &Recorded<E>) -> Self {
        let stored = recorded.event.to_stored();
        Self {
            event_id: recorded.event_id.0,
            stream: recorded.stream.to_string(),
            version: recorded.version.0,
            index: recorded.index,
            kind: stored.kind,
            schema: stored.schema,
            recorded_at: recorded.recorded_at,
            actor: recorded.metadata.actor,
            reason: recorded.metadata.reason.clone(),
            correlation_id: recorded.metadata.correlation_id,
            causation_id: recorded.metadata.causation_id.map(|id| id.0),
            traceparent: recorded.metadata.traceparent.clone(),
            data: stored.data,
        }
    }
}
